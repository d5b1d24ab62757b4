//! How much one endpoint's provider is asked at once: one question while it fails, none while it asks to be left alone.

use std::time::Duration;

use jiff::Timestamp;

use super::answer::LookupError;
use super::policy::{FIRST_WAIT, REFUSED_WAIT, WAIT_MAX};
use crate::outbound::{Backoff, Outage};

/// The longest pause of an endpoint that fails; each thing has longer waits of its own.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// What the provider asks for holds for all questions.
const PAUSES: Backoff = Backoff { first: FIRST_WAIT, own_max: PAUSE_MAX, asked_max: WAIT_MAX };

/// How a look-up ended, for its endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nobody was asked.
    Idle,
    /// The provider answered.
    Answered,
    /// The provider did not answer, or asks to come back after this time.
    Failed(Option<Duration>),
    /// The provider refuses the key. The text is its message.
    Refused(String),
}

impl Ended {
    /// The end of a look-up that did not bring what was wanted.
    pub(super) fn of(miss: &LookupError) -> Self {
        match miss {
            LookupError::Nothing(_) => Self::Answered,
            LookupError::TryLater { retry_after, .. } => Self::Failed(*retry_after),
            LookupError::Refused(message) => Self::Refused(message.clone()),
        }
    }

    /// A stable code.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Idle => "not_asked",
            Self::Answered => "answered",
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
        }
    }
}

/// An endpoint's circuit breaker.
#[derive(Debug, Default)]
pub(super) struct CircuitBreaker {
    in_flight: usize,
    /// What failed since it was last answered.
    outage: Outage,
    refused: bool,
}

impl CircuitBreaker {
    /// Look-ups under way.
    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether its key was refused and nothing was answered since.
    pub(super) const fn is_refused(&self) -> bool {
        self.refused
    }

    /// How many more may begin, of `most` at once.
    pub(super) fn room(&self, now: Timestamp, most: usize) -> usize {
        if self.retry_at(now).is_some() {
            return 0;
        }
        let most = if self.outage.has_begun() { 1 } else { most };
        most.saturating_sub(self.in_flight)
    }

    /// When the endpoint is asked again. `None` when it may be asked now.
    pub(super) fn retry_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.outage.rests_until(now)
    }

    /// So many look-ups have begun.
    pub(super) const fn began(&mut self, count: usize) {
        self.in_flight = self.in_flight.saturating_add(count);
    }

    /// One has ended.
    pub(super) fn ended(&mut self, ended: &Ended, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match ended {
            Ended::Idle => {}
            Ended::Answered => *self = Self { in_flight: self.in_flight, ..Self::default() },
            Ended::Failed(asked) => self.outage.failed(&PAUSES, *asked, now),
            Ended::Refused(_) => {
                self.outage.leave_alone(REFUSED_WAIT, now);
                self.refused = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[track_caller]
    fn check(breaker: &CircuitBreaker, second: i64, room: usize, retry_at: Option<i64>) {
        assert_eq!(breaker.room(at(second), 4), room, "{breaker:?} at {second}");
        assert_eq!(breaker.retry_at(at(second)).map(Timestamp::as_second), retry_at, "{breaker:?} at {second}");
    }

    #[test]
    fn a_failing_provider_is_asked_one_thing_at_a_time() {
        let mut breaker = CircuitBreaker::default();
        check(&breaker, 0, 4, None);
        breaker.began(3);
        check(&breaker, 0, 1, None);
        breaker.ended(&Ended::Failed(None), at(0));
        check(&breaker, 0, 0, Some(1));
        breaker.ended(&Ended::Failed(None), at(0));
        check(&breaker, 1, 0, Some(2));
        breaker.ended(&Ended::Idle, at(0));
        check(&breaker, 2, 1, None);
        breaker.began(1);
        check(&breaker, 2, 0, None);
        breaker.ended(&Ended::Answered, at(2));
        check(&breaker, 2, 4, None);
        for _ in 0..50 {
            breaker.ended(&Ended::Failed(None), at(100));
        }
        check(&breaker, 100, 0, Some(160));
    }

    #[test]
    fn a_wait_that_the_provider_asks_for_holds_for_all() {
        let mut breaker = CircuitBreaker::default();
        breaker.ended(&Ended::Failed(Some(Duration::from_secs(90))), at(0));
        check(&breaker, 89, 0, Some(90));
        // Another failure meanwhile does not shorten it.
        breaker.ended(&Ended::Failed(None), at(1));
        check(&breaker, 89, 0, Some(90));
        check(&breaker, 90, 1, None);
        // A time that a clock which was ahead gave is not waited for.
        breaker.ended(&Ended::Failed(Some(Duration::from_secs(90))), at(7200));
        check(&breaker, 7201, 0, Some(7290));
        check(&breaker, 7000, 1, None);
        breaker.ended(&Ended::Failed(None), at(7000));
        check(&breaker, 7000, 0, Some(7008));
    }

    #[test]
    fn a_refused_key_rests_for_ten_minutes() {
        let mut breaker = CircuitBreaker::default();
        breaker.ended(&Ended::Refused("no".into()), at(0));
        assert!(breaker.is_refused());
        check(&breaker, 599, 0, Some(600));
        check(&breaker, 600, 1, None);
        breaker.ended(&Ended::Failed(None), at(600));
        assert!(breaker.is_refused());
        breaker.ended(&Ended::Answered, at(700));
        assert!(!breaker.is_refused());
    }
}
