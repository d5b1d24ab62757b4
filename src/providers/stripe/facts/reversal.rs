//! Refunds and disputes.

use super::super::currency::money;
use super::super::payload::{About, Charge, Dispute, DisputeStatus, Refund, RefundStatus, Unmapped};
use super::{Reader, need, need_amount, need_currency};
use crate::domain::fact::{Matter, Reading, Reversal, ReversalStage, ReversedCharge};
use crate::domain::money::Money;
use crate::domain::reason::Reason;

/// `charge.refunded`: the total of all refunds of a charge so far.
pub(super) fn charge_refunded(reader: &Reader<'_>, charge: Charge<'_>) -> Result<Reading, Unmapped> {
    let id = need(charge.id, "id", "an id")?;
    let refunded = need_amount(charge.amount_refunded, "amount_refunded")?;
    let currency = need_currency(charge.currency)?;
    // Letting go of money that was only reserved is written as a refund, too.
    if charge.only_reserved || refunded <= 0 {
        return Ok(Reading::Ignored(Reason::ReversalNotFinal));
    }
    let mut about = charge.about;
    if about.customer.is_some() {
        // The customer's id says whose it is; who holds the card need not be the customer.
        (about.email, about.name) = (None, None);
    }
    let reversal = Reversal {
        identity: format!("charge:{id}"),
        money: money(refunded, currency),
        cumulative: true,
        full: charge.refunded,
        dispute: false,
        stage: ReversalStage::Final,
        of_charge: None,
        charge: charge.amount.map(|amount| ReversedCharge {
            money: money(amount, currency),
            at: charge.created.unwrap_or(reader.created),
        }),
    };
    Ok(reader.fact(about, reader.created, Matter::Reversal(reversal)))
}

/// `refund.created`, `.updated`, `charge.refund.updated`.
pub(super) fn refund(reader: &Reader<'_>, refund: Refund) -> Result<Reading, Unmapped> {
    let stage = match refund.status {
        RefundStatus::Succeeded => ReversalStage::Final,
        RefundStatus::Pending | RefundStatus::RequiresAction | RefundStatus::Other => ReversalStage::Pending,
        RefundStatus::Failed | RefundStatus::Canceled => ReversalStage::Void,
    };
    refund_at(reader, refund, stage)
}

/// `refund.failed`, whatever the snapshot says.
pub(super) fn refund_failed(reader: &Reader<'_>, refund: Refund) -> Result<Reading, Unmapped> {
    refund_at(reader, refund, ReversalStage::Void)
}

fn refund_at(reader: &Reader<'_>, refund: Refund, stage: ReversalStage) -> Result<Reading, Unmapped> {
    let identity = need(refund.id, "id", "an id")?;
    let amount = need_amount(refund.amount, "amount")?;
    let currency = need_currency(refund.currency)?;
    Ok(single(reader, refund.keys, identity, stage, false, money(amount, currency)))
}

/// `charge.dispute.created`, `.updated`, `.closed`, `.funds_withdrawn`. The money is withdrawn while a dispute is open,
/// and not by an inquiry.
pub(super) fn dispute(reader: &Reader<'_>, dispute: Dispute) -> Result<Reading, Unmapped> {
    let stage = match dispute.status {
        DisputeStatus::Open | DisputeStatus::Lost | DisputeStatus::Other => ReversalStage::Final,
        DisputeStatus::Inquiry => ReversalStage::Pending,
        DisputeStatus::Won
        | DisputeStatus::Prevented
        | DisputeStatus::InquiryClosed
        | DisputeStatus::ChargeRefunded => ReversalStage::Void,
    };
    dispute_at(reader, dispute, stage)
}

/// `charge.dispute.funds_reinstated`: the money is back.
pub(super) fn dispute_reinstated(reader: &Reader<'_>, dispute: Dispute) -> Result<Reading, Unmapped> {
    dispute_at(reader, dispute, ReversalStage::Void)
}

fn dispute_at(reader: &Reader<'_>, dispute: Dispute, stage: ReversalStage) -> Result<Reading, Unmapped> {
    let identity = need(dispute.id, "id", "an id")?;
    let amount = need_amount(dispute.amount, "amount")?;
    let currency = need_currency(dispute.currency)?;
    Ok(single(reader, dispute.keys, identity, stage, true, money(amount, currency)))
}

/// One refund or dispute by itself. It says nothing of what is left.
fn single(
    reader: &Reader<'_>,
    keys: Vec<String>,
    identity: String,
    stage: ReversalStage,
    dispute: bool,
    money: Money,
) -> Reading {
    let reversal =
        Reversal { identity, money, cumulative: false, full: false, dispute, stage, of_charge: None, charge: None };
    let about = About { keys, ..About::default() };
    reader.fact(about, reader.created, Matter::Reversal(reversal))
}
