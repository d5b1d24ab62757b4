//! At most so many calls a second, when the configuration says so.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Wait;

/// Spreads calls evenly over time.
#[derive(Debug)]
pub(super) struct Pace {
    gap: Option<Duration>,
    rest: Option<Wait>,
}

impl Pace {
    pub(super) fn new(max_per_second: Option<u32>) -> Self {
        let gap = max_per_second.filter(|n| *n > 0).map(|n| Duration::from_secs(1) / n);
        Self { gap, rest: None }
    }

    /// Whether a call may begin now; if so, it is counted.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        let Some(gap) = self.gap else { return true };
        let may = self.rest.is_none_or(|rest| rest.is_over(now));
        if may {
            // Time in which there was nothing to send is not made up for.
            self.rest = Some(Wait::new(now, gap));
        }
        may
    }

    /// When the next call may begin, if calls are limited.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.rest.map(|rest| rest.until())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::after;

    #[test]
    fn calls_are_spread_evenly() {
        let now = Timestamp::UNIX_EPOCH;
        let mut pace = Pace::new(Some(4));
        let allowed = (0..2000).filter(|ms| pace.take(after(now, Duration::from_millis(*ms)))).count();
        assert_eq!(allowed, 8);
        // A clock that was set back neither stops the calls nor lets them all go at once.
        let set_back = now - Duration::from_secs(7200);
        let allowed = (0..2000).filter(|ms| pace.take(after(set_back, Duration::from_millis(*ms)))).count();
        assert_eq!(allowed, 8);
        let mut unlimited = Pace::new(None);
        assert!((0..100).all(|_| unlimited.take(now)) && unlimited.next().is_none());
    }
}
