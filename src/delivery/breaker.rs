//! When Refairn is down, one probe goes out, not the backlog.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::after;

/// Failures in a row, over all calls, after which Refairn counts as down.
const FAILURES_MAX: u32 = 3;
/// The longest wait between two probes.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(30);

/// Watches how calls end.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    probe_at: Option<Timestamp>,
}

impl Breaker {
    /// Refairn answered, whatever it said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Refairn did not answer, or asked to be left alone.
    pub(super) fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if let Some(beyond) = self.failures.checked_sub(FAILURES_MAX) {
            let wait = Duration::from_secs(1).saturating_mul(1 << beyond.min(16)).min(PROBE_WAIT_MAX);
            self.probe_at = Some(after(now, wait));
        }
    }

    /// How many more calls may be on their way, of `calls_max`, while `in_flight` are.
    pub(super) fn room(&self, calls_max: usize, in_flight: usize, now: Timestamp) -> usize {
        match self.probe_at {
            None => calls_max.saturating_sub(in_flight),
            Some(probe_at) => usize::from(in_flight == 0 && probe_at <= now),
        }
    }

    /// When the next probe may go out; nothing while Refairn is well.
    pub(super) const fn probe_at(&self) -> Option<Timestamp> {
        self.probe_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_three_failures_one_probe_goes_out_and_one_answer_opens_again() {
        let now = Timestamp::UNIX_EPOCH;
        let mut breaker = Breaker::default();
        breaker.failed(now);
        breaker.failed(now);
        assert_eq!(breaker.room(16, 4, now), 12);
        breaker.failed(now);
        assert_eq!(breaker.room(16, 0, now), 0, "the probe waits");
        let later = after(now, Duration::from_secs(1));
        assert_eq!(breaker.room(16, 0, later), 1);
        assert_eq!(breaker.room(16, 1, later), 0, "one probe at a time");
        for _ in 0..100 {
            breaker.failed(later);
        }
        assert_eq!(breaker.probe_at(), Some(after(later, PROBE_WAIT_MAX)));
        breaker.answered();
        assert_eq!(breaker.room(16, 0, now), 16);
    }
}
