//! What a subscription is now. Paystack's events say what it is but hardly ever since when, so the time of a status is
//! chosen such that the order of these facts does not depend on the order in which the events arrive.

use jiff::Timestamp;

use super::{Context, Missing, required};
use crate::domain::fact::{self, Fact, FactKind};
use crate::domain::reason::EventReason;
use crate::domain::status::Status;
use crate::providers::paystack::payload::{Invoice, Subscription, SubscriptionStatus};

/// `subscription.create`, and `subscription.not_renew`, which tells that it will end but goes on until then: both say
/// what it has been since it was made, and so cannot undo an end that was heard of before. Nor do they undo a charge that
/// failed meanwhile: that the subscription will not renew does not say that what is owed was paid. Only a payment does.
pub(super) fn going_on(context: &Context<'_>, subscription: &Subscription) -> Result<Fact, Missing> {
    let at = subscription.created_at.or(subscription.changed_at).unwrap_or(context.received_at);
    let told = subscription.status.as_ref().map_or(Some(Status::Active), status_of);
    status(context, at, told, subscription.word.as_deref().unwrap_or("active"))
}

/// `subscription.disable`. Most say when it was made but not when it ended: then it ended when we heard of it.
pub(super) fn ended(context: &Context<'_>, subscription: &Subscription) -> Result<Fact, Missing> {
    let heard = subscription.created_at.map_or(context.received_at, |made| made.max(context.received_at));
    let at = subscription.changed_at.unwrap_or(heard);
    let told = match &subscription.status {
        Some(SubscriptionStatus::NonRenewing) => Status::Active,
        // A picture taken before the change that the event tells of, the change itself, or a word not yet invented.
        None
        | Some(
            SubscriptionStatus::Active
            | SubscriptionStatus::Attention
            | SubscriptionStatus::Cancelled
            | SubscriptionStatus::Completed
            | SubscriptionStatus::Other(_),
        ) => Status::Cancelled,
    };
    status(context, at, Some(told), subscription.word.as_deref().unwrap_or("cancelled"))
}

/// `invoice.payment_failed`, whatever the subscription inside says of itself.
pub(super) fn payment_failed(context: &Context<'_>, invoice: &Invoice) -> Result<Fact, Missing> {
    // An invoice is made up to days ahead; it is charged when its period starts, and cannot have failed after we heard.
    let charged_at = invoice.own.created_at.max(invoice.period_start).unwrap_or(context.received_at);
    let at = charged_at.min(context.received_at);
    if context.subscription().is_none() {
        // A request for money failed: its payer has no subscription that could be past due.
        let reference = invoice.transaction.reference.as_deref();
        return Ok(context.customer_only(at, reference, context.product_known(), EventReason::NotPaid));
    }
    status(context, at, Some(Status::PastDue), "payment_failed")
}

/// Refairn's word for Paystack's.
const fn status_of(word: &SubscriptionStatus) -> Option<Status> {
    match word {
        SubscriptionStatus::Active | SubscriptionStatus::NonRenewing => Some(Status::Active),
        SubscriptionStatus::Attention => Some(Status::PastDue),
        SubscriptionStatus::Cancelled | SubscriptionStatus::Completed => Some(Status::Cancelled),
        SubscriptionStatus::Other(_) => None,
    }
}

fn status(context: &Context<'_>, at: Timestamp, status: Option<Status>, word: &str) -> Result<Fact, Missing> {
    // One that bears no code is its customer's only one.
    let id = context.subscription().or_else(|| context.common.customer.code.clone());
    let subscription = fact::Subscription {
        id: required(id, "data.subscription_code")?,
        status,
        as_given: word.to_owned(),
        day: context.rules.day(at),
        before: None,
        trial_start: None,
        trial_end: None,
        no_call: None,
    };
    Ok(context.fact(at, context.lasting_keys(), context.product_known(), FactKind::Subscription(subscription)))
}
