//! Subscriptions.

use jiff::Timestamp;

use super::about::{About, sold_in};
use crate::domain::sold::Line;
use crate::providers::json::Json;

/// A subscription. It holds no address: the customer's id leads to it.
pub(crate) struct Subscription<'a> {
    /// The customer it is about.
    pub(crate) about: About<'a>,
    /// Stripe's id of the subscription, such as `sub_1X`. `None` when the event has no usable one.
    pub(crate) id: Option<String>,
    /// Where the subscription stands. A pending cancellation or a `pause_collection` does not change it.
    pub(crate) status: Option<SubscriptionStatus>,
    /// When its free trial began.
    pub(crate) trial_start: Option<Timestamp>,
    /// When its free trial ends, or ended.
    pub(crate) trial_end: Option<Timestamp>,
}

/// A subscription's status.
#[derive(PartialEq, Eq)]
pub(crate) enum SubscriptionStatus {
    /// Paid for.
    Active,
    /// In a free trial.
    Trialing,
    /// A renewal failed.
    PastDue,
    /// Renewals failed for good, but it goes on.
    Unpaid,
    /// A trial ended without a payment method.
    Paused,
    /// Ended.
    Canceled,
    /// The first payment never came.
    IncompleteExpired,
    /// The first payment has not come yet.
    Incomplete,
    /// A value not yet invented.
    Other(String),
}

impl SubscriptionStatus {
    fn read(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "trialing" => Self::Trialing,
            "past_due" => Self::PastDue,
            "unpaid" => Self::Unpaid,
            "paused" => Self::Paused,
            "canceled" => Self::Canceled,
            "incomplete_expired" => Self::IncompleteExpired,
            "incomplete" => Self::Incomplete,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Stripe's word.
    pub(crate) fn as_given(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Trialing => "trialing",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Paused => "paused",
            Self::Canceled => "canceled",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Incomplete => "incomplete",
            Self::Other(text) => text,
        }
    }
}

impl<'a> Subscription<'a> {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'a>) -> Self {
        let own_id = object.get("id").id();
        let mut about = About::read(object);
        about.add_key(own_id.clone());
        about.add_key(object.get("latest_invoice").id());
        about.find_in_customer(object);
        about.set_sold(object.get("items"), None, item);
        // The oldest versions have one plan, beside the items.
        let plan = Line { ids: sold_in(object), ..Line::default() };
        if !plan.ids.is_empty() {
            about.sold.lines.push(plan);
        }
        Self {
            about,
            id: own_id,
            status: object.get("status").text().map(SubscriptionStatus::read),
            trial_start: object.get("trial_start").unix_time(),
            trial_end: object.get("trial_end").unix_time(),
        }
    }
}

/// An item, with what it costs per period.
fn item(item: Json<'_>) -> Line {
    let unit = item.at("price.unit_amount").integer().or_else(|| item.at("plan.amount").integer());
    let quantity = item.get("quantity").integer().unwrap_or(1);
    Line { ids: sold_in(item), weight: unit.map(|unit| unit.saturating_mul(quantity)), ..Line::default() }
}
