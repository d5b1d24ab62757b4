//! What an event comes to that lacks its customer, or its payment, and when that has been so for too long.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{after, is_ahead};
use crate::domain::event::Outcome;
use crate::domain::fact::{Fact, FactKind, ReversalStage};
use crate::domain::product::Product;
use crate::domain::reason::EventReason;

/// What has waited for so long may never get what it lacks: a person has to look where money is at stake.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Whether what waits since `begin` has waited too long. A wait that would only begin later than now was told by a clock
/// that was ahead: then nobody knows how long it was, and it is over.
#[must_use]
pub fn is_too_long(begin: Timestamp, now: Timestamp) -> bool {
    after(begin, WAIT_MAX) <= now || is_ahead(begin, now)
}

/// What an event comes to as long as nobody knows whose it is. Whatever that is, it counts when its customer is known.
pub(super) fn without_customer(fact: &Fact) -> Outcome {
    let customer_unknown = Outcome::waiting(EventReason::CustomerUnknown);
    match &fact.matter {
        FactKind::Reversal(reversal) => match reversal.stage {
            ReversalStage::Final => Outcome::waiting(EventReason::PaymentUnknown),
            ReversalStage::Pending | ReversalStage::Void => Outcome::ignored(EventReason::ReversalNotFinal),
        },
        FactKind::Link(_) => Outcome::ignored(EventReason::LinkNoted),
        // A hold's capture counts only where a session named it.
        FactKind::Payment(p) if p.needs_session => Outcome::ignored(EventReason::OneTimeOff),
        FactKind::Payment(_) => product_trouble(&fact.product).map_or(customer_unknown, Outcome::ignored),
        FactKind::Subscription(s) if s.status.is_none() => {
            Outcome::ignored(s.no_call.unwrap_or(EventReason::StatusUnknown))
        }
        // Without a referral code it leads to no call, so it does not have to wait.
        FactKind::Customer(c) if fact.code.is_none() => {
            Outcome::ignored(c.no_payment.unwrap_or(EventReason::NoReferralCode))
        }
        FactKind::Customer(_) | FactKind::Subscription(_) => customer_unknown,
    }
}

/// What such an event ends as when it has waited too long; nothing where a person has to see it.
#[must_use]
pub fn without_customer_at_last(fact: &Fact) -> Option<Outcome> {
    match &fact.matter {
        FactKind::Payment(_) | FactKind::Reversal(_) => None,
        FactKind::Subscription(_) => Some(Outcome::ignored(EventReason::NoPaymentYet)),
        // Its payment, if one comes, lacks the address as well, and says so.
        FactKind::Customer(_) | FactKind::Link(_) => Some(Outcome::ignored(EventReason::CustomerNoted)),
    }
}

/// Why nothing goes out for this product, if so.
pub(super) const fn product_trouble(product: &Product) -> Option<EventReason> {
    match product {
        Product::Id(_) | Product::Unnamed | Product::Undecided { .. } => None,
        Product::Unmapped => Some(EventReason::ProductUnmapped),
        Product::NoTestProduct => Some(EventReason::TestModeOff),
    }
}
