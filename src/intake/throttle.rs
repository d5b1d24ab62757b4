//! How often a source may fail: a source that fails more often is dealt with before anything is read, or not at all.
//!
//! Each source has a token bucket, kept as the time at which it will be full again (the generic cell rate algorithm):
//! one number, and nothing that has to be refilled. Everything is in memory and bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use jiff::Timestamp;

use crate::domain::source::Source;

/// Sources whose failures are remembered; beyond that the one that is nearest to being forgiven is forgotten.
const FAILING_MAX: usize = 4096;
/// Sources that are trusted; beyond that the one that was heard from longest ago is forgotten.
const TRUSTED_MAX: usize = 4096;
/// The span of `failures_per_minute`, microseconds.
const MINUTE_US: i64 = 60_000_000;
/// How long a success vouches for its source, microseconds: a day.
const TRUSTED_FOR_US: i64 = 86_400_000_000;

/// A source that has failed too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    /// When it is let in again, whole seconds from now, at least 1.
    pub retry_after_s: u32,
}

/// Failures by source.
#[derive(Debug)]
pub struct Throttle {
    /// After so long a bucket has one token more, microseconds; none when nobody is ever shut out.
    interval_us: Option<i64>,
    sources: Mutex<Sources>,
}

/// Two tables, so that no number of failing sources can make a trusted one forgotten.
#[derive(Debug, Default)]
struct Sources {
    /// When the bucket of each is full again.
    failing: HashMap<Source, i64>,
    /// Until when each is trusted.
    trusted: HashMap<Source, i64>,
}

impl Throttle {
    /// Lets a source fail so often a minute, all at once if it likes; 0 shuts nobody out.
    #[must_use]
    pub fn new(failures_per_minute: u32) -> Self {
        let interval_us = MINUTE_US.checked_div(i64::from(failures_per_minute));
        Self { interval_us, sources: Mutex::default() }
    }

    /// Whether `source` is let in. A source that is not known cannot be told from others, so it always is.
    ///
    /// # Errors
    /// It has failed too often, and not succeeded within a day.
    pub fn check(&self, source: Option<IpAddr>, at: Timestamp) -> Result<(), RateLimited> {
        let (Some(interval_us), Some(source)) = (self.interval_us, source) else { return Ok(()) };
        let (source, now_us) = (Source::of(source), at.as_microsecond());
        let Ok(sources) = self.sources.lock() else { return Ok(()) };
        if is_trusted(sources.trusted.get(&source), now_us) {
            return Ok(());
        }
        let Some(full_at_us) = sources.failing.get(&source) else { return Ok(()) };
        let wait_us = full_at_us.saturating_add(interval_us - MINUTE_US - now_us);
        // A bucket never lacks more than it holds: a longer wait only says that the clock was set back.
        if wait_us <= 0 || wait_us > interval_us {
            return Ok(());
        }
        Err(RateLimited { retry_after_s: u32::try_from(wait_us.saturating_add(999_999) / 1_000_000).unwrap_or(1) })
    }

    /// Whether this source has succeeded within a day.
    pub fn is_trusted(&self, source: Option<IpAddr>, at: Timestamp) -> bool {
        let (Some(source), Ok(sources)) = (source, self.sources.lock()) else { return false };
        is_trusted(sources.trusted.get(&Source::of(source)), at.as_microsecond())
    }

    /// This source has failed.
    pub fn failed(&self, source: Option<IpAddr>, at: Timestamp) {
        let (Some(interval_us), Some(source)) = (self.interval_us, source) else { return };
        let (source, now_us) = (Source::of(source), at.as_microsecond());
        let Ok(mut sources) = self.sources.lock() else { return };
        let kept = sources.failing.get(&source).copied();
        // Requests that were let in side by side may fail when the bucket is empty already: it lacks no more than all.
        let full_at_us =
            kept.unwrap_or(now_us).max(now_us).saturating_add(interval_us).min(now_us.saturating_add(MINUTE_US));
        if kept.is_none() {
            make_room(&mut sources.failing, FAILING_MAX);
        }
        sources.failing.insert(source, full_at_us);
    }

    /// This source has succeeded.
    pub fn passed(&self, source: Option<IpAddr>, at: Timestamp) {
        let Some(source) = source.map(Source::of) else { return };
        let Ok(mut sources) = self.sources.lock() else { return };
        sources.failing.remove(&source);
        if !sources.trusted.contains_key(&source) {
            make_room(&mut sources.trusted, TRUSTED_MAX);
        }
        sources.trusted.insert(source, at.as_microsecond().saturating_add(TRUSTED_FOR_US));
    }
}

/// No source is trusted for longer than a day from now: a later time says that the clock was set back.
fn is_trusted(until_us: Option<&i64>, now_us: i64) -> bool {
    until_us.is_some_and(|until_us| (1..=TRUSTED_FOR_US).contains(&until_us.saturating_sub(now_us)))
}

/// Takes the entry of the earliest time out of a full table. Looking at some thousand small entries costs far less than
/// the request that made it necessary.
fn make_room(table: &mut HashMap<Source, i64>, entries_max: usize) {
    if table.len() < entries_max {
        return;
    }
    let earliest = table.iter().min_by_key(|(_, time_us)| **time_us).map(|(source, _)| *source);
    if let Some(earliest) = earliest {
        table.remove(&earliest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_781_524_800_000 + ms).unwrap()
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// Sends failing requests at one moment; gives how many were looked at.
    fn flood(throttle: &Throttle, source: &str, ms: i64, requests: usize) -> usize {
        let looked_at = |_: &usize| {
            let let_in = throttle.check(ip(source), at(ms)).is_ok();
            if let_in {
                throttle.failed(ip(source), at(ms));
            }
            let_in
        };
        (0..requests).filter(looked_at).count()
    }

    #[test]
    fn a_source_fails_so_often_a_minute_and_is_let_in_again_as_time_passes() {
        for (per_minute, refilled_in_10_s) in [(1, 0), (6, 1), (7, 1), (60, 10), (6000, 1000)] {
            let throttle = Throttle::new(per_minute);
            let burst = per_minute as usize;
            assert_eq!(flood(&throttle, "203.0.113.9", 0, 2 * burst), burst);
            assert_eq!(flood(&throttle, "203.0.113.10", 0, burst), burst, "another is not touched");
            assert_eq!(flood(&throttle, "203.0.113.9", 10_000, 2 * burst), refilled_in_10_s, "{per_minute}");
            assert_eq!(flood(&throttle, "203.0.113.9", 200_000, 2 * burst), burst, "and no more than that");
        }
    }

    #[test]
    fn who_is_shut_out_hears_when_to_come_back() {
        let throttle = Throttle::new(6);
        assert_eq!(flood(&throttle, "203.0.113.9", 0, 6), 6);
        let check = |ms, expected| {
            let found = throttle.check(ip("203.0.113.9"), at(ms)).err().map(|s| s.retry_after_s);
            assert_eq!(found, expected, "{ms} ms");
        };
        check(0, Some(10));
        check(9_500, Some(1));
        check(10_000, None);
        for tenth in 1..=6 {
            assert_eq!(flood(&throttle, "203.0.113.9", 10_000 * tenth, 1), 1);
        }
        check(60_500, Some(10));
        // A clock that is set back does not shut out for long.
        check(-3_600_000, None);
    }

    #[test]
    fn requests_under_way_at_once_do_not_lengthen_the_wait() {
        let throttle = Throttle::new(60);
        (0..500).for_each(|_| throttle.failed(ip("203.0.113.9"), at(0)));
        assert_eq!(throttle.check(ip("203.0.113.9"), at(0)).unwrap_err().retry_after_s, 1);
        assert_eq!(flood(&throttle, "203.0.113.9", 1_000, 5), 1);
    }

    #[test]
    fn a_valid_signature_vouches_for_its_source_for_a_day() {
        let throttle = Throttle::new(60);
        throttle.passed(ip("203.0.113.9"), at(0));
        assert_eq!(flood(&throttle, "203.0.113.9", 0, 1000), 1000);
        assert_eq!(flood(&throttle, "203.0.113.9", 86_399_000, 1000), 1000);
        assert_eq!(flood(&throttle, "203.0.113.9", 86_500_000, 1000), 60);
        assert!(!throttle.is_trusted(ip("203.0.113.9"), at(-1)), "the clock was set back");
        throttle.passed(ip("203.0.113.9"), at(86_500_000));
        assert_eq!(flood(&throttle, "203.0.113.9", 86_500_000, 1000), 1000);
    }

    #[test]
    fn the_tables_are_bounded_and_whoever_failed_most_or_is_trusted_stays() {
        let throttle = Throttle::new(60);
        throttle.passed(ip("198.51.100.1"), at(0));
        assert_eq!(flood(&throttle, "203.0.113.9", 0, 60), 60);
        for n in 0..FAILING_MAX + 100 {
            flood(&throttle, &format!("2001:db8:{:x}:{:x}::1", n / 256, n % 256), 0, 1);
        }
        assert!(throttle.check(ip("203.0.113.9"), at(0)).is_err());
        assert_eq!(flood(&throttle, "198.51.100.1", 0, 100), 100);
        for n in 0..TRUSTED_MAX + 100 {
            throttle.passed(ip(&format!("2001:db8:{:x}:{:x}::1", n / 256, n % 256)), at(1_000));
        }
        let sources = throttle.sources.lock().unwrap();
        assert_eq!((sources.failing.len() <= FAILING_MAX, sources.trusted.len()), (true, TRUSTED_MAX));
    }

    #[test]
    fn nobody_is_turned_away_when_it_is_off_or_the_source_is_not_known() {
        assert_eq!(flood(&Throttle::new(0), "203.0.113.9", 0, 1000), 1000);
        let throttle = Throttle::new(1);
        (0..10).for_each(|_| throttle.failed(None, at(0)));
        assert_eq!(throttle.check(None, at(0)), Ok(()));
    }
}
