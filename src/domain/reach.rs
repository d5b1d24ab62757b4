//! What calls have told of Refairn, and when that is an outage somebody has to know of.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How long nobody is answered before an outage in which many customers' calls fail is told.
const MANY_FOR: Duration = Duration::from_secs(120);
/// How long the calls of a few customers fail before that is told: it may be their own fault, so they are tried some more.
const FEW_FOR: SignedDuration = SignedDuration::from_secs(300);

/// What calls have told of Refairn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It answered the last call that came to its end.
    Answers,
    /// Calls have failed, with no answer in between.
    Fails {
        /// When the first of them did.
        since: Timestamp,
        /// When the last of them did.
        last: Timestamp,
        /// Whether they are of so many customers that Refairn counts as down.
        is_down: bool,
    },
}

impl Reach {
    /// What is known after a call that was answered, or was not.
    #[must_use]
    pub const fn after(before: Option<Self>, answered: bool, is_down: bool, now: Timestamp) -> Self {
        match (answered, before) {
            (true, _) => Self::Answers,
            (false, Some(Self::Fails { since, .. })) => Self::Fails { since, last: now, is_down },
            (false, Some(Self::Answers) | None) => Self::Fails { since: now, last: now, is_down },
        }
    }

    /// Whether it is an outage that somebody has to know of. `None` as long as that cannot be said.
    #[must_use]
    pub fn is_outage(self, now: Timestamp) -> Option<bool> {
        match self {
            Self::Answers => Some(false),
            // However the clock was set meanwhile.
            Self::Fails { since, is_down: true, .. } => {
                (now.duration_since(since).unsigned_abs() >= MANY_FOR).then_some(true)
            }
            // A call that nobody makes any more says nothing about now: the last of them has to have failed late.
            Self::Fails { since, last, is_down: false } => (last.duration_since(since) >= FEW_FOR).then_some(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(n).unwrap()
    }

    /// The second at which an outage is told, if it ever is: calls fail at these, and it is looked every ten.
    fn told_at(failures: &[i64], down_from: i64) -> Option<i64> {
        (0..1000).step_by(10).find(|now| {
            let failed = failures.iter().filter(|at| *at <= now);
            let reach =
                failed.fold(None, |before, at| Some(Reach::after(before, false, *at >= down_from, second(*at))));
            reach.and_then(|reach| reach.is_outage(second(*now))) == Some(true)
        })
    }

    #[test]
    fn the_calls_of_many_are_told_soon_and_those_of_a_few_when_they_go_on_failing() {
        assert_eq!(told_at(&[0, 0, 1], 1), Some(120));
        assert_eq!(told_at(&[0, 1, 3, 7, 15, 31, 63, 127, 255, 511], 2000), Some(520));
        assert_eq!(told_at(&[0, 1, 3, 7, 15], 2000), None, "nobody has asked it since");
        assert_eq!(told_at(&[0, 60, 120, 240, 250], 250), Some(250), "it has answered nobody for longer");
        assert_eq!(told_at(&[], 0), None);
    }

    #[test]
    fn an_answer_ends_it_and_the_next_failure_begins_anew() {
        let failed = Reach::after(None, false, false, second(0));
        let answered = Reach::after(Some(failed), true, false, second(290));
        assert_eq!(answered.is_outage(second(291)), Some(false));
        let again = Reach::after(Some(answered), false, false, second(300));
        let again = Reach::after(Some(again), false, false, second(599));
        assert_eq!(again.is_outage(second(2000)), None);
        assert_eq!(Reach::after(Some(again), false, false, second(600)).is_outage(second(600)), Some(true));
    }
}
