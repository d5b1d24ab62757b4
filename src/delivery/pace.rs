//! At most so many calls a second, when the configuration says so.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{after, is_over};

/// Spreads calls evenly over time.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Option<Duration>,
    next: Timestamp,
}

impl Pace {
    pub(super) fn new(max_per_second: Option<u32>) -> Self {
        let gap = max_per_second.filter(|n| *n > 0).map(|n| Duration::from_secs(1) / n);
        Self { gap, next: Timestamp::MIN }
    }

    /// Whether a call may begin now; if so, it is counted.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let Some(gap) = self.gap else { return true };
        let may = is_over(self.next, gap, now);
        if may {
            // Time in which nothing was to be sent is not made up for.
            self.next = after(self.next.max(now), gap);
        }
        may
    }

    /// When the next call may begin, if calls are limited.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.gap.map(|_| self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_spread_evenly() {
        let now = Timestamp::UNIX_EPOCH;
        let mut pace = Pace::new(Some(4));
        let allowed = (0..2000).filter(|ms| pace.take(after(now, Duration::from_millis(*ms)))).count();
        assert_eq!(allowed, 8);
        let mut unlimited = Pace::new(None);
        assert!((0..100).all(|_| unlimited.take(now)) && unlimited.next().is_none());
    }
}
