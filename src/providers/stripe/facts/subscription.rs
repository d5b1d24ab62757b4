//! What a subscription is now.

use super::super::payload::{Subscription as Wire, SubscriptionStatus, Unmapped};
use super::{Reader, need};
use crate::domain::fact::{FactKind, Reading, Subscription};
use crate::domain::status::Status;

/// `customer.subscription.created`, `.updated`, `.resumed`.
pub(super) fn changed(reader: &Reader<'_>, wire: Wire<'_>) -> Result<Reading, Unmapped> {
    let given = need(wire.status.as_ref(), "status", "a text")?;
    let (status, as_given) = (status(given), given.as_given().to_owned());
    told(reader, wire, status, as_given)
}

/// `customer.subscription.paused`, which only reports the status `paused`.
pub(super) fn paused(reader: &Reader<'_>, wire: Wire<'_>) -> Result<Reading, Unmapped> {
    let as_given = wire.status.as_ref().map_or("paused", SubscriptionStatus::as_given).to_owned();
    told(reader, wire, Some(Status::PastDue), as_given)
}

/// `customer.subscription.deleted`: the end, whatever the snapshot says.
pub(super) fn deleted(reader: &Reader<'_>, wire: Wire<'_>) -> Result<Reading, Unmapped> {
    let as_given = wire.status.as_ref().map_or("canceled", SubscriptionStatus::as_given).to_owned();
    told(reader, wire, Some(Status::Cancelled), as_given)
}

const fn status(given: &SubscriptionStatus) -> Option<Status> {
    match given {
        SubscriptionStatus::Active => Some(Status::Active),
        SubscriptionStatus::Trialing => Some(Status::Trialing),
        SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid | SubscriptionStatus::Paused => Some(Status::PastDue),
        SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired => Some(Status::Cancelled),
        SubscriptionStatus::Incomplete | SubscriptionStatus::Other(_) => None,
    }
}

fn told(reader: &Reader<'_>, wire: Wire<'_>, status: Option<Status>, as_given: String) -> Result<Reading, Unmapped> {
    let in_trial = status == Some(Status::Trialing);
    // The first shortened forms had no id: then it is the customer's only one.
    let id = wire.id.or_else(|| wire.about.customer.clone());
    let subscription = Subscription {
        id: need(id, "id", "an id, and so is data.object.customer")?,
        status,
        as_given,
        day: reader.rules.day(reader.created),
        before: reader.before.get("status").text().map(str::to_owned),
        trial_start: wire.trial_start.filter(|_| in_trial),
        trial_end: wire.trial_end.filter(|_| in_trial),
        no_call: None,
    };
    Ok(reader.fact(wire.about, reader.created, FactKind::Subscription(subscription)))
}
