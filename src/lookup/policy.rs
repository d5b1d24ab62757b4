//! When to ask again: pure, every case.

use std::time::Duration;

use jiff::Timestamp;

use super::answer::LookupError;
use crate::clock::after;
use crate::outbound::{Backoff, with_jitter};
use crate::store::LookupEnd;

/// The first wait; each further one is twice as long.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait that we choose ourselves, and that a provider may ask for.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(3600);
/// What the provider does not have today, it may have tomorrow.
const NOTHING_WAIT: Duration = Duration::from_secs(24 * 3600);
/// A person has to mend a refused key.
pub(super) const REFUSED_WAIT: Duration = Duration::from_secs(600);
/// How often one thing is asked for: through an outage of a day.
const ATTEMPTS_MAX: u32 = 40;

/// When one thing is asked for again.
const BACKOFF: Backoff = Backoff { first: FIRST_WAIT, own_max: WAIT_MAX, asked_max: WAIT_MAX };

/// What follows, after an answer did not bring it, for the events that lack something. `attempt` counts from 1;
/// `chance_permille` is random, `0..1000`.
pub(super) fn decide(miss: LookupError, attempt: u32, now: Timestamp, chance_permille: u32) -> LookupEnd {
    let (wait, counted, note) = match miss {
        LookupError::Refused(message) => (REFUSED_WAIT, false, message),
        LookupError::Nothing(message) => (NOTHING_WAIT, true, message),
        LookupError::TryLater { retry_after, message } => (BACKOFF.wait(attempt, retry_after), true, message),
    };
    if counted && attempt >= ATTEMPTS_MAX {
        let note = format!("{note}; not asked again after {attempt} attempts: remap the event to ask anew");
        return LookupEnd::Open { due_at: None, counted, note };
    }
    LookupEnd::Open { due_at: Some(after(now, with_jitter(wait, chance_permille))), counted, note }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(miss: LookupError, attempt: u32, chance_permille: u32) -> (Option<i64>, bool, String) {
        let LookupEnd::Open { due_at, counted, note } = decide(miss, attempt, Timestamp::UNIX_EPOCH, chance_permille)
        else {
            panic!("recorded")
        };
        (due_at.map(Timestamp::as_second), counted, note)
    }

    fn later(seconds: Option<u64>) -> LookupError {
        LookupError::TryLater { retry_after: seconds.map(Duration::from_secs), message: "down".into() }
    }

    #[test]
    fn waits_double_up_to_an_hour_and_jitter_only_adds() {
        for (attempt, seconds) in [(1, 1), (2, 2), (3, 4), (12, 2048), (13, 3600), (39, 3600)] {
            assert_eq!(due(later(None), attempt, 0), (Some(seconds), true, "down".into()));
            assert_eq!(due(later(None), attempt, 1000).0, Some(seconds * 12 / 10), "attempt {attempt}");
        }
    }

    #[test]
    fn the_provider_may_ask_for_a_longer_wait_up_to_an_hour() {
        for (asked, seconds) in [(0, 4), (3, 4), (30, 30), (86_400, 3600)] {
            assert_eq!(due(later(Some(asked)), 3, 0).0, Some(seconds), "{asked}");
        }
    }

    #[test]
    fn what_is_not_there_is_asked_for_a_day_later() {
        assert_eq!(due(LookupError::Nothing("gone".into()), 1, 0), (Some(86_400), true, "gone".into()));
        assert_eq!(due(LookupError::Nothing("gone".into()), 39, 0).0, Some(86_400));
    }

    #[test]
    fn a_refused_key_does_not_count_and_everything_else_ends() {
        for attempt in [1, 40, 1000] {
            assert_eq!(due(LookupError::Refused("no".into()), attempt, 0), (Some(600), false, "no".into()));
        }
        for miss in [later(None), later(Some(9)), LookupError::Nothing("down".into())] {
            let (due_at, counted, note) = due(miss, 40, 0);
            assert_eq!((due_at, counted), (None, true));
            assert!(note.starts_with("down; not asked again after 40 attempts"), "{note}");
        }
    }
}
