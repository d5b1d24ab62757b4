//! Refunds, disputes, and credit notes that are paid out elsewhere.

use super::super::currency::money;
use super::super::payload::{
    About, Charge, CreditNote, Dispute, DisputeStatus, OfCharge, Refund, RefundStatus, Unmapped,
};
use super::{Reader, need, need_amount, need_currency};
use crate::domain::fact::{FactKind, Reading, Reversal, ReversalName, ReversalStage, ReversedCharge};
use crate::domain::money::Money;
use crate::domain::reason::EventReason;

/// `charge.refunded`: the total of all refunds of a charge so far.
pub(super) fn charge_refunded(reader: &Reader<'_>, charge: Charge<'_>) -> Result<Reading, Unmapped> {
    let id = need(charge.id, "id", "an id")?;
    let given_back = need_amount(charge.given_back, "amount_refunded")?;
    let currency = need_currency(charge.currency)?;
    // Letting go of money that was only reserved is written as a refund, too.
    if charge.only_reserved || given_back <= 0 {
        return Ok(Reading::Ignored(EventReason::ReversalNotFinal));
    }
    let mut about = charge.about;
    if about.customer.is_some() {
        // The customer's id says whom the charge belongs to. The holder of the card may be somebody else.
        (about.email, about.name) = (None, None);
    }
    let reversal = Reversal {
        identity: format!("charge:{id}"),
        name: ReversalName::Sole,
        number: None,
        money: money(given_back, currency),
        cumulative: true,
        full: charge.refunded,
        dispute: false,
        stage: ReversalStage::Final,
        of_charge: charge.payment_intent.or(Some(id)),
        charge: charge.amount.map(|amount| ReversedCharge {
            money: money(amount, currency),
            at: charge.created.unwrap_or(reader.created),
        }),
    };
    Ok(reader.fact(about, reader.created, FactKind::Reversal(reversal)))
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
    Ok(single(
        reader,
        refund.of,
        Back { identity, name: ReversalName::Sole, stage, dispute: false, money: money(amount, currency) },
    ))
}

/// `charge.dispute.created`, `.updated`, `.closed`, `.funds_withdrawn`, `.funds_reinstated`: whatever happened, the
/// dispute's status decides. The money is withdrawn while a dispute is open, and not by an inquiry. What came back of a
/// lost one only lowers the amount: of a charge that was refunded in part before, that part does.
pub(super) fn dispute(reader: &Reader<'_>, dispute: Dispute) -> Result<Reading, Unmapped> {
    let stage = match dispute.status {
        DisputeStatus::Lost if dispute.withdrawn == Some(0) => ReversalStage::Void,
        DisputeStatus::Open | DisputeStatus::Lost | DisputeStatus::Other => ReversalStage::Final,
        DisputeStatus::Inquiry => ReversalStage::Pending,
        DisputeStatus::Won
        | DisputeStatus::Prevented
        | DisputeStatus::InquiryClosed
        | DisputeStatus::ChargeRefunded => ReversalStage::Void,
    };
    // The first disputes had no id. A charge has one dispute at a time.
    let name = if dispute.id.is_some() { ReversalName::Sole } else { ReversalName::Missing };
    let identity = dispute.id.or_else(|| dispute.of.name().map(|charge| format!("dispute:{charge}")));
    let identity = need(identity, "id", "an id, and so is data.object.charge")?;
    let amount = need_amount(dispute.amount, "amount")?;
    let currency = need_currency(dispute.currency)?;
    let left = dispute.withdrawn.filter(|left| dispute.status == DisputeStatus::Lost && *left > 0);
    let money = money(left.map_or(amount, |left| left.min(amount)), currency);
    Ok(single(reader, dispute.of, Back { identity, name, stage, dispute: true, money }))
}

/// `credit_note.created`, `.updated`, `.voided`. Only what was given back outside of Stripe has no other event.
pub(super) fn credit_note(reader: &Reader<'_>, note: CreditNote) -> Result<Reading, Unmapped> {
    let Some(amount) = note.out_of_band_amount.filter(|amount| *amount > 0 && !note.before_payment) else {
        return Ok(Reading::Ignored(EventReason::CreditedOtherwise));
    };
    let back = Back {
        identity: need(note.id, "id", "an id")?,
        name: ReversalName::Sole,
        stage: if note.is_void { ReversalStage::Void } else { ReversalStage::Final },
        // Like a dispute it is no part of any charge's refunds.
        dispute: true,
        money: money(amount, need_currency(note.currency)?),
    };
    Ok(taken_back(reader, vec![need(note.invoice, "invoice", "an id")?], None, back))
}

/// What goes back.
struct Back {
    identity: String,
    name: ReversalName,
    stage: ReversalStage,
    dispute: bool,
    money: Money,
}

/// One refund or dispute by itself. It says nothing of what is left.
fn single(reader: &Reader<'_>, of: OfCharge, back: Back) -> Reading {
    let of_charge = of.name();
    taken_back(reader, of.keys(), of_charge, back)
}

fn taken_back(reader: &Reader<'_>, keys: Vec<String>, of_charge: Option<String>, back: Back) -> Reading {
    let Back { identity, name, stage, dispute, money } = back;
    let reversal = Reversal {
        identity,
        name,
        number: None,
        money,
        cumulative: false,
        full: false,
        dispute,
        stage,
        of_charge,
        charge: None,
    };
    let about = About { keys, ..About::default() };
    reader.fact(about, reader.created, FactKind::Reversal(reversal))
}
