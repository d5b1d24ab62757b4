//! Refunds, disputes and credit notes, as objects of their own.

use crate::domain::money::Currency;
use crate::providers::json::Json;

/// A refund.
pub(crate) struct Refund {
    /// Stripe's id of the refund, such as `re_1X`. `None` when the event has no usable one.
    pub(crate) id: Option<String>,
    /// The charge, by those of its ids that the event has.
    pub(crate) of: OfCharge,
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
    /// A value not yet invented.
    Other,
}

impl Refund {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'_>) -> Self {
        Self {
            id: object.get("id").id(),
            of: OfCharge::read(object),
            amount: object.get("amount").integer(),
            currency: object.get("currency").text().and_then(|c| c.parse().ok()),
            status: match object.get("status").text() {
                Some("pending") => RefundStatus::Pending,
                Some("requires_action") => RefundStatus::RequiresAction,
                // The first refunds had no status: they were done when their event was sent.
                Some("succeeded") | None => RefundStatus::Succeeded,
                Some("failed") => RefundStatus::Failed,
                Some("canceled") => RefundStatus::Canceled,
                Some(_) => RefundStatus::Other,
            },
        }
    }
}

/// A dispute.
pub(crate) struct Dispute {
    /// Stripe's id of the dispute, such as `dp_1X`. `None` when the event has no usable one.
    pub(crate) id: Option<String>,
    /// The charge, by those of its ids that the event has.
    pub(crate) of: OfCharge,
    /// Minor units.
    pub(crate) amount: Option<i64>,
    /// What of it is withdrawn now, where some of it was given back and the dispute lists it in its own currency.
    pub(crate) withdrawn: Option<i64>,
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
            of: OfCharge::read(object),
            amount: object.get("amount").integer(),
            withdrawn: withdrawn(object),
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

/// What is withdrawn now, by the movements that a dispute lists; nothing where none of them gave anything back, or where
/// they are in another currency than the dispute.
fn withdrawn(dispute: Json<'_>) -> Option<i64> {
    let currency = dispute.get("currency").text()?;
    let (mut taken, mut given_back) = (0_i64, 0_i64);
    for movement in dispute.get("balance_transactions").items() {
        let amount = movement.get("amount").integer()?;
        movement.get("currency").text().filter(|c| c.eq_ignore_ascii_case(currency))?;
        let sum = if amount < 0 { &mut taken } else { &mut given_back };
        *sum = sum.checked_add(amount.checked_abs()?)?;
    }
    let taken = if taken > 0 { taken } else { dispute.get("amount").integer()? };
    (given_back > 0).then_some(taken.saturating_sub(given_back).max(0))
}

/// The charge that a refund or a dispute is about.
pub(crate) struct OfCharge {
    /// Stripe's id of the charge, such as `ch_1X`. `None` when the event does not name it.
    pub(crate) charge: Option<String>,
    /// The payment intent it was made for.
    pub(crate) payment_intent: Option<String>,
}

impl OfCharge {
    fn read(object: Json<'_>) -> Self {
        Self { charge: object.get("charge").id(), payment_intent: object.get("payment_intent").id() }
    }

    /// The one id that all events about it share. `None` when this event does not have it.
    pub(crate) fn name(&self) -> Option<String> {
        self.payment_intent.clone().or_else(|| self.charge.clone())
    }

    /// Both ids.
    pub(crate) fn keys(self) -> Vec<String> {
        [self.charge, self.payment_intent].into_iter().flatten().collect()
    }
}

/// A credit note.
pub(crate) struct CreditNote {
    /// Stripe's id of the credit note, such as `cn_1X`. `None` when the event has no usable one.
    pub(crate) id: Option<String>,
    /// The invoice that it lowers.
    pub(crate) invoice: Option<String>,
    /// Minor units: what was given back outside of Stripe. The rest lowered the amount due, went to the customer's
    /// balance, or is a refund with events of its own.
    pub(crate) out_of_band_amount: Option<i64>,
    /// The currency of the amount.
    pub(crate) currency: Option<Currency>,
    /// It was issued before the invoice was paid.
    pub(crate) before_payment: bool,
    /// It was taken back.
    pub(crate) is_void: bool,
}

impl CreditNote {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'_>) -> Self {
        Self {
            id: object.get("id").id(),
            invoice: object.get("invoice").id(),
            out_of_band_amount: object.get("out_of_band_amount").integer(),
            currency: object.get("currency").text().and_then(|c| c.parse().ok()),
            before_payment: object.get("type").text() == Some("pre_payment"),
            is_void: object.get("status").text() == Some("void") || object.get("voided_at").is_some(),
        }
    }
}
