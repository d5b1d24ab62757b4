//! The log of calls: what came in, in which order, and what became of it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

/// Calls the log holds; older ones are dropped.
const CALLS_MAX: usize = 100_000;

/// Bytes of bodies the log holds; older calls are dropped.
const CALLS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One of the two calls Refairn knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `POST /api/events/customer-created`
    CustomerCreated,
    /// `POST /api/events/payment-succeeded`
    PaymentSucceeded,
}

/// A call that reached the sandbox. `Debug` does not show the body.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// 1 for the first call since the start or the last reset.
    pub seq: u64,
    /// Which of the two calls.
    pub kind: Kind,
    /// The body as it came; bytes that are not UTF-8 are replaced, and one that was too large is left out.
    pub body: String,
    /// The status the book decided on; absent when a fault kept the call away from it.
    pub decided: Option<u16>,
    /// The status the client was answered; absent while it waits, and when it got no answer at all.
    pub answered: Option<u16>,
    /// Whether a fault struck.
    pub fault: bool,
}

/// The newest calls, and counts over all of them.
#[derive(Default)]
pub(super) struct CallLog {
    calls: VecDeque<Call>,
    bytes: usize,
    total: u64,
    answers: BTreeMap<u16, u64>,
    dropped: u64,
}

impl CallLog {
    /// Notes an arrival and gives its number.
    pub(super) fn arrived(&mut self, kind: Kind, body: &[u8], fault: bool) -> u64 {
        self.total += 1;
        let body = String::from_utf8_lossy(body).into_owned();
        self.bytes += body.len();
        self.calls.push_back(Call { seq: self.total, kind, body, decided: None, answered: None, fault });
        while self.calls.len() > CALLS_MAX || self.bytes > CALLS_BYTES_MAX {
            let Some(oldest) = self.calls.pop_front() else {
                break;
            };
            self.bytes -= oldest.body.len();
        }
        self.total
    }

    /// Notes what the book decided.
    pub(super) fn decided(&mut self, seq: u64, status: u16) {
        if let Some(call) = self.get_mut(seq) {
            call.decided = Some(status);
        }
    }

    /// Notes what the client is answered; `None` for a dropped connection.
    pub(super) fn answered(&mut self, seq: u64, status: Option<u16>) {
        match status {
            Some(status) => *self.answers.entry(status).or_default() += 1,
            None => self.dropped += 1,
        }
        if let Some(call) = self.get_mut(seq) {
            call.answered = status;
        }
    }

    /// The calls still held, oldest first.
    pub(super) fn calls(&self) -> impl DoubleEndedIterator<Item = &Call> + ExactSizeIterator {
        self.calls.iter()
    }

    /// Calls since the start or the last reset, those no longer held included.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Answers by status.
    pub(super) fn answers(&self) -> &BTreeMap<u16, u64> {
        &self.answers
    }

    /// Connections dropped without an answer.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut Call> {
        let oldest = self.calls.front()?.seq;
        self.calls.get_mut(usize::try_from(seq.checked_sub(oldest)?).ok()?)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("seq", &self.seq)
            .field("kind", &self.kind)
            .field("decided", &self.decided)
            .field("answered", &self.answered)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_the_newest_calls_and_counts_all() {
        let mut log = CallLog::default();
        let body = vec![b'x'; 1024 * 1024];
        for _ in 0..70 {
            let seq = log.arrived(Kind::PaymentSucceeded, &body, false);
            log.answered(seq, Some(200));
        }
        log.answered(1, None);
        assert_eq!((log.calls().len(), log.total(), log.dropped()), (64, 70, 1));
        assert_eq!(log.calls().next().map(|call| (call.seq, call.answered)), Some((7, Some(200))));
        assert_eq!(log.answers().get(&200), Some(&70));
    }
}
