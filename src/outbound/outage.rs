//! A server that does not answer is left alone for a while, and for longer each time.

use std::time::Duration;

use jiff::Timestamp;

use super::backoff::Backoff;
use crate::clock::Wait;

/// One outage of one server, from its first failure to its next answer.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    failures: u32,
    rest: Option<Wait>,
}

impl Outage {
    /// The server failed again: it is left alone as `backoff` says, or for as long as it `asked`.
    pub(crate) fn failed(&mut self, backoff: &Backoff, asked: Option<Duration>, now: Timestamp) {
        let pause = backoff.wait(self.failures.saturating_add(1), asked);
        self.leave_alone(pause, now);
    }

    /// The server failed again, and is left alone for `pause`. A pause that ends later still counts.
    pub(crate) fn leave_alone(&mut self, pause: Duration, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let (before, new) = (self.rest.filter(|rest| !rest.is_over(now)), Wait::new(now, pause));
        self.rest = Some(before.filter(|rest| rest.until() > new.until()).unwrap_or(new));
    }

    /// Whether anything failed.
    pub(crate) const fn has_begun(&self) -> bool {
        self.failures > 0
    }

    /// When the server may be asked again; nothing when it may be asked now.
    pub(crate) fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.rest.filter(|rest| !rest.is_over(now)).map(|rest| rest.until())
    }
}
