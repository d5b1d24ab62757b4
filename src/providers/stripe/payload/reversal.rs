//! Refunds and disputes, as objects of their own. They name no customer.

use crate::domain::money::Currency;
use crate::providers::json::Json;

/// A refund.
pub(crate) struct Refund {
    /// Its id.
    pub(crate) id: Option<String>,
    /// Ids of the charge and the payment intent.
    pub(crate) keys: Vec<String>,
    /// Minor units.
    pub(crate) amount: Option<i64>,
    /// The currency of the amount.
    pub(crate) currency: Option<Currency>,
    /// How far it is.
    pub(crate) status: RefundStatus,
}

/// How far a refund is.
#[derive(PartialEq, Eq)]
pub(crate) enum RefundStatus {
    /// On its way.
    Pending,
    /// Waiting for the customer to say where to.
    RequiresAction,
    /// Done, as far as Stripe can tell.
    Succeeded,
    /// The bank sent it back.
    Failed,
    /// Called off.
    Canceled,
    /// Not said, or a value not yet invented.
    Other,
}

impl Refund {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'_>) -> Self {
        Self {
            id: object.get("id").id(),
            keys: charge_keys(object),
            amount: object.get("amount").integer(),
            currency: object.get("currency").text().and_then(|c| c.parse().ok()),
            status: match object.get("status").text() {
                Some("pending") => RefundStatus::Pending,
                Some("requires_action") => RefundStatus::RequiresAction,
                Some("succeeded") => RefundStatus::Succeeded,
                Some("failed") => RefundStatus::Failed,
                Some("canceled") => RefundStatus::Canceled,
                Some(_) | None => RefundStatus::Other,
            },
        }
    }
}

/// A dispute.
pub(crate) struct Dispute {
    /// Its id.
    pub(crate) id: Option<String>,
    /// Ids of the charge and the payment intent.
    pub(crate) keys: Vec<String>,
    /// Minor units.
    pub(crate) amount: Option<i64>,
    /// The currency of the amount.
    pub(crate) currency: Option<Currency>,
    /// Where it stands.
    pub(crate) status: DisputeStatus,
}

/// Where a dispute stands.
#[derive(PartialEq, Eq)]
pub(crate) enum DisputeStatus {
    /// An inquiry: no money is withdrawn yet.
    Inquiry,
    /// An inquiry that came to nothing.
    InquiryClosed,
    /// Open, and the money withdrawn.
    Open,
    /// The money is back.
    Won,
    /// The money is gone.
    Lost,
    /// Settled by a refund before it began.
    Prevented,
    /// Ended because the charge was refunded, which its own event reports.
    ChargeRefunded,
    /// Not said, or a value not yet invented.
    Other,
}

impl Dispute {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'_>) -> Self {
        Self {
            id: object.get("id").id(),
            keys: charge_keys(object),
            amount: object.get("amount").integer(),
            currency: object.get("currency").text().and_then(|c| c.parse().ok()),
            status: match object.get("status").text() {
                Some("warning_closed") => DisputeStatus::InquiryClosed,
                Some(text) if text.starts_with("warning_") => DisputeStatus::Inquiry,
                Some("needs_response" | "under_review") => DisputeStatus::Open,
                Some("won") => DisputeStatus::Won,
                Some("lost") => DisputeStatus::Lost,
                Some("prevented") => DisputeStatus::Prevented,
                Some("charge_refunded") => DisputeStatus::ChargeRefunded,
                Some(_) | None => DisputeStatus::Other,
            },
        }
    }
}

fn charge_keys(object: Json<'_>) -> Vec<String> {
    [object.get("charge"), object.get("payment_intent")].into_iter().filter_map(Json::id).collect()
}
