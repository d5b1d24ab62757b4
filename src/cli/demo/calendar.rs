//! The demo's days, counted back from today, so that what it tells is always of these weeks.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

const DAY_S: i64 = 86_400;

/// Today, and the days before it. All in UTC, as the demo's bridge dates payments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar {
    now: Timestamp,
}

impl Calendar {
    /// A calendar of someone who looks at it `now`.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { now }
    }

    /// So many days ago at `hour:minute`; from yesterday on that is always in the past.
    pub(super) fn ago(&self, days: i64, hour: i64, minute: i64) -> Timestamp {
        let midnight = self.now.as_second().div_euclid(DAY_S) * DAY_S;
        let second = midnight - days * DAY_S + hour * 3600 + minute * 60;
        Timestamp::from_second(second).unwrap_or(self.now)
    }
}

/// So many seconds after `at`.
pub(super) fn later(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(at.as_second().saturating_add(seconds)).unwrap_or(at)
}

/// The day of `at`.
pub(super) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_back_from_midnight() {
        for now in ["2026-03-01T00:00:00Z", "2026-03-01T09:30:15.5Z", "2026-03-01T23:59:59.999Z"] {
            let calendar = Calendar::new(now.parse().unwrap());
            let at = calendar.ago(1, 10, 15);
            assert_eq!(at.to_string(), "2026-02-28T10:15:00Z", "{now}");
            assert_eq!(day(at).to_string(), "2026-02-28");
            assert_eq!(day(later(at, 14 * 3600)).to_string(), "2026-03-01");
        }
    }
}
