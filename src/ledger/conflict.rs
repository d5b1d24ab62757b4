//! What Refairn's 409 means.

use crate::domain::customer::CustomerHistory;
use crate::domain::delivery::{Delivery, DeliveryKey, Settlement};
use crate::domain::reason::DeliveryReason;

/// What Refairn's 409 means: our own earlier attempt got through, or somebody else recorded it - unless another
/// call of ours holds the day, or may hold it, and this one was taken for its repetition.
#[must_use]
pub fn conflict(customer: &CustomerHistory, delivery: &Delivery) -> Settlement {
    let Some(day) = delivery.call.day() else { return Settlement::Duplicate };
    let others = || customer.deliveries.iter().filter(|d| d.id != delivery.id && d.call.day() == Some(day));
    match &delivery.subject {
        DeliveryKey::Payment { .. } if others().any(|d| d.state.is_acknowledged()) => {
            let detail = format!("another call for {day} was recorded before");
            Settlement::Rejected(DeliveryReason::DaySlotTaken, detail)
        }
        DeliveryKey::Payment { .. } if others().any(|d| d.may_be_acknowledged()) => {
            let detail = format!("another call for {day} may be what Refairn has: nobody knows how its attempt ended");
            Settlement::Rejected(DeliveryReason::DaySlotTaken, detail)
        }
        DeliveryKey::Payment { .. } | DeliveryKey::Status(_) | DeliveryKey::Lead(_) => Settlement::Duplicate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::customer::CustomerKey;
    use crate::domain::delivery::{DeliveryRecord, DeliveryState};
    use crate::domain::event::EventId;

    fn payment(identity: &str) -> DeliveryKey {
        DeliveryKey::Payment { scope: "stripe//live".into(), identity: identity.into() }
    }

    /// A customer with the call of a payment whose earlier attempt ended unheard, and perhaps with another one.
    fn customer(other: Option<Delivery>) -> CustomerHistory {
        let asked = delivery(1, payment("in_1"), DeliveryState::Sending).but(|d| d.outcome_unknown = true);
        let key = CustomerKey { business: "biz_1".into(), email_key: "jane@example.com".into() };
        CustomerHistory { key, facts: vec![], deliveries: [asked].into_iter().chain(other).collect() }
    }

    fn delivery(id: i64, subject: DeliveryKey, state: DeliveryState) -> Delivery {
        Delivery::restore(DeliveryRecord { subject, state, ..DeliveryRecord::sample(id) })
    }

    #[test]
    fn rule_7_a_conflict_is_our_own_earlier_attempt_unless_another_call_holds_the_day() {
        let check = |other: Option<(DeliveryKey, DeliveryState)>, taken: bool| {
            let customer = customer(other.clone().map(|(subject, state)| delivery(2, subject, state)));
            let settled = conflict(&customer, &customer.deliveries[0]);
            let refused = matches!(settled, Settlement::Rejected(DeliveryReason::DaySlotTaken, _));
            assert_eq!(refused, taken, "{other:?} {settled:?}");
            assert!(taken || settled == Settlement::Duplicate, "{settled:?}");
        };
        let payment = || payment("in_2");
        check(None, false);
        check(Some((payment(), DeliveryState::Delivered)), true);
        check(Some((payment(), DeliveryState::Duplicate)), true);
        check(Some((DeliveryKey::Status(EventId(9)), DeliveryState::Delivered)), true);
        check(Some((payment(), DeliveryState::Queued)), false);
        check(Some((payment(), DeliveryState::Held)), false);
        // A customer, or a status that nobody pays for, loses nothing by it.
        let mut customer = customer(Some(delivery(2, payment(), DeliveryState::Delivered)));
        customer.deliveries[0] = customer.deliveries[0].but(|d| d.subject = DeliveryKey::Status(EventId(1)));
        assert_eq!(conflict(&customer, &customer.deliveries[0]), Settlement::Duplicate);
    }

    #[test]
    fn rule_7_a_call_of_unknown_outcome_may_hold_the_day_whatever_became_of_it() {
        let cases = [
            (DeliveryState::Queued, DeliveryReason::Retrying),
            (DeliveryState::Held, DeliveryReason::ReversedOutcomeUnknown),
            (DeliveryState::Rejected, DeliveryReason::GivenUp),
            (DeliveryState::Discarded, DeliveryReason::DiscardedByOperator),
        ];
        for ((state, reason), unknown) in cases.into_iter().flat_map(|case| [(case, true), (case, false)]) {
            let other = delivery(2, payment("in_2"), state);
            let mut customer = customer(Some(other.but(|d| (d.reason, d.outcome_unknown) = (Some(reason), unknown))));
            for own_unknown in [true, false] {
                customer.deliveries[0] = customer.deliveries[0].but(|d| d.outcome_unknown = own_unknown);
                let settled = conflict(&customer, &customer.deliveries[0]);
                let taken = matches!(settled, Settlement::Rejected(DeliveryReason::DaySlotTaken, _));
                assert_eq!(taken, unknown, "{state:?} {own_unknown} {settled:?}");
            }
            // The other one's call, in its turn, is as much in doubt.
            customer.deliveries[0] = customer.deliveries[0].but(|d| d.outcome_unknown = true);
            let settled = conflict(&customer, &customer.deliveries[1]);
            assert!(matches!(settled, Settlement::Rejected(DeliveryReason::DaySlotTaken, _)), "{settled:?}");
        }
    }
}
