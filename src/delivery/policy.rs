//! What is to be done after an attempt: pure, every case of the contract's table.

use std::time::Duration;

use crate::domain::delivery::{Delivery, Subject};
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::outbound::{Backoff, with_jitter};
use crate::refairn::Answer;
use crate::store::Settlement;

/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Refairn may ask for a longer wait than ours, up to this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How patient deliveries are.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The longest wait between two attempts that we choose ourselves.
    pub retry_max_wait: Duration,
    /// How long a call may have waited between its own attempts; then it needs attention.
    pub give_up_after: Duration,
}

/// What an answer to `delivery` leads to. `chance_permille` is random, `0..1000`.
#[must_use]
pub fn decide(answer: Answer, delivery: &Delivery, patience: &Patience, chance_permille: u32) -> Settlement {
    match answer {
        Answer::Success(receipt) => Settlement::Delivered(receipt),
        Answer::Conflict => Settlement::Conflict,
        Answer::Refused(message) => Settlement::Rejected(Reason::RefusedByRefairn, message),
        Answer::Misconfigured(message) => Settlement::PauseRoute(message),
        Answer::TryLater { retry_after, outcome_unknown, message } => {
            // A clock that jumps makes nobody wait: what counts is how long we chose to.
            if delivery.waited >= patience.give_up_after {
                return Settlement::Rejected(Reason::GivenUp, message);
            }
            let wait = wait(delivery.attempts, retry_after, patience, chance_permille);
            Settlement::Retry { wait, outcome_unknown, detail: message }
        }
    }
}

/// The wait after attempt number `attempts`: 1 s, 2 s, 4 s and on, or what Refairn asks for if that is longer.
fn wait(attempts: u32, asked: Option<Duration>, patience: &Patience, chance_permille: u32) -> Duration {
    let backoff = Backoff { first: FIRST_WAIT, own_max: patience.retry_max_wait, asked_max: RETRY_AFTER_MAX };
    with_jitter(backoff.wait(attempts, asked), chance_permille)
}

/// What Refairn's 409 means: our own earlier attempt got through, or somebody else recorded it - unless another
/// call of ours holds the day, or may hold it, and this one was taken for its repetition.
#[must_use]
pub fn conflict(person: &Person, delivery: &Delivery) -> Settlement {
    let Some(day) = delivery.call.day() else { return Settlement::Duplicate };
    let others = || person.deliveries.iter().filter(|d| d.id != delivery.id && d.call.day() == Some(day));
    match &delivery.subject {
        Subject::Payment { .. } if others().any(|d| d.state.is_told()) => {
            let detail = format!("another call for {day} was recorded before");
            Settlement::Rejected(Reason::DaySlotTaken, detail)
        }
        Subject::Payment { .. } if others().any(Delivery::may_be_told) => {
            let detail = format!("another call for {day} may be what Refairn has: nobody knows how its attempt ended");
            Settlement::Rejected(Reason::DaySlotTaken, detail)
        }
        Subject::Payment { .. } | Subject::Status(_) | Subject::Lead(_) => Settlement::Duplicate,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::delivery::{Call, DeliveryId, DeliveryState};
    use crate::domain::email::Email;
    use crate::domain::event::EventId;
    use crate::domain::mode::Mode;
    use crate::domain::person::PersonKey;
    use crate::domain::status::Status;

    const PATIENCE: Patience =
        Patience { retry_max_wait: Duration::from_secs(900), give_up_after: Duration::from_secs(72 * 3600) };

    #[test]
    fn waits_double_up_to_the_limit_and_jitter_only_adds() {
        let check = |attempts: u32, seconds: u64| {
            let least = wait(attempts, None, &PATIENCE, 0);
            let most = wait(attempts, None, &PATIENCE, 1000);
            assert_eq!(least, Duration::from_secs(seconds), "attempt {attempts}");
            assert_eq!(most, least * 12 / 10, "attempt {attempts}");
        };
        for (attempts, seconds) in [(1, 1), (2, 2), (3, 4), (4, 8), (10, 512), (11, 900), (12, 900), (u32::MAX, 900)] {
            check(attempts, seconds);
        }
    }

    #[test]
    fn refairn_may_ask_for_a_longer_wait_up_to_an_hour() {
        for (asked, seconds) in [(0, 1), (30, 30), (86_400, 3600)] {
            let asked = Duration::from_secs(asked);
            assert_eq!(wait(1, Some(asked), &PATIENCE, 0), Duration::from_secs(seconds), "{asked:?}");
        }
    }

    fn payment(identity: &str) -> Subject {
        Subject::Payment { scope: "stripe//live".into(), identity: identity.into() }
    }

    /// A customer with the call of a payment whose earlier attempt ended unheard, and perhaps with another one.
    fn person(other: Option<Delivery>) -> Person {
        let asked = Delivery { outcome_unknown: true, ..delivery(1, payment("in_1"), DeliveryState::Sending) };
        let key = PersonKey { business: "biz_1".into(), email_key: "jane@example.com".into() };
        Person { key, facts: vec![], deliveries: [asked].into_iter().chain(other).collect() }
    }

    fn delivery(id: i64, subject: Subject, state: DeliveryState) -> Delivery {
        let at = Timestamp::UNIX_EPOCH;
        Delivery {
            id: Some(DeliveryId(id)),
            event: EventId(id),
            subject,
            mode: Mode::Live,
            at,
            call: Call::PaymentSucceeded {
                product: "prod_1".into(),
                email: Email::parse("jane@example.com").unwrap(),
                amount: 30.into(),
                currency: "usd".parse().unwrap(),
                status: Status::Active,
                day: jiff::civil::date(2026, 1, 10),
            },
            state,
            reason: None,
            detail: None,
            attention: false,
            released: false,
            acknowledged: false,
            due_at: at,
            waits_from: at,
            attempts: 2,
            first_attempt_at: Some(at),
            taken_seq: Some(1),
            last_seq: Some(2),
            waited: Duration::ZERO,
            outcome_unknown: false,
            settled_at: None,
            receipt: None,
            created_at: at,
        }
    }

    #[test]
    fn rule_7_a_conflict_is_our_own_earlier_attempt_unless_another_call_holds_the_day() {
        let check = |other: Option<(Subject, DeliveryState)>, taken: bool| {
            let person = person(other.clone().map(|(subject, state)| delivery(2, subject, state)));
            let settled = conflict(&person, &person.deliveries[0]);
            let refused = matches!(settled, Settlement::Rejected(Reason::DaySlotTaken, _));
            assert_eq!(refused, taken, "{other:?} {settled:?}");
            assert!(taken || settled == Settlement::Duplicate, "{settled:?}");
        };
        let payment = || payment("in_2");
        check(None, false);
        check(Some((payment(), DeliveryState::Delivered)), true);
        check(Some((payment(), DeliveryState::Duplicate)), true);
        check(Some((Subject::Status(EventId(9)), DeliveryState::Delivered)), true);
        check(Some((payment(), DeliveryState::Queued)), false);
        check(Some((payment(), DeliveryState::Held)), false);
        // A customer, or a status that nobody pays for, loses nothing by it.
        let mut person = person(Some(delivery(2, payment(), DeliveryState::Delivered)));
        person.deliveries[0].subject = Subject::Status(EventId(1));
        assert_eq!(conflict(&person, &person.deliveries[0]), Settlement::Duplicate);
    }

    #[test]
    fn rule_7_a_call_of_unknown_outcome_may_hold_the_day_whatever_became_of_it() {
        let cases = [
            (DeliveryState::Queued, Reason::Retrying),
            (DeliveryState::Held, Reason::ReversedOutcomeUnknown),
            (DeliveryState::Rejected, Reason::GivenUp),
            (DeliveryState::Discarded, Reason::DiscardedByOperator),
        ];
        for ((state, reason), unknown) in cases.into_iter().flat_map(|case| [(case, true), (case, false)]) {
            let other = delivery(2, payment("in_2"), state);
            let mut person = person(Some(Delivery { reason: Some(reason), outcome_unknown: unknown, ..other }));
            for own_unknown in [true, false] {
                person.deliveries[0].outcome_unknown = own_unknown;
                let settled = conflict(&person, &person.deliveries[0]);
                let taken = matches!(settled, Settlement::Rejected(Reason::DaySlotTaken, _));
                assert_eq!(taken, unknown, "{state:?} {own_unknown} {settled:?}");
            }
            // The other one's call, in its turn, is as much in doubt.
            person.deliveries[0].outcome_unknown = true;
            let settled = conflict(&person, &person.deliveries[1]);
            assert!(matches!(settled, Settlement::Rejected(Reason::DaySlotTaken, _)), "{settled:?}");
        }
    }
}
