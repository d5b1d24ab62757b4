//! Money that goes back: refunds and disputes. Both name the reference of the transaction they are about; their only
//! key is that, for by the customer's key they would be joined to any payment of the customer.

use jiff::Timestamp;

use super::{Context, Missing, SCALE, required, transaction_key};
use crate::domain::fact::{Fact, FactKind, Reversal, ReversalName, ReversalStage};
use crate::domain::money::Money;
use crate::providers::paystack::fingerprint;
use crate::providers::paystack::payload::{Dispute, Refund, Resolution, TransactionStatus};

/// `refund.*`: the type of the event is the stage.
pub(super) fn refund(context: &Context<'_>, refund: &Refund, stage: ReversalStage) -> Result<Fact, Missing> {
    let reference = required(refund.transaction_reference.as_deref(), "data.transaction_reference")?;
    let amount = required(refund.amount.filter(|amount| *amount >= 0), "data.amount")?;
    let currency = required(refund.currency, "data.currency")?;
    // These events bear no time. A request that arrives after its own end must not count as the later word, so it is
    // kept apart: it takes nothing back either way.
    let identity = |name: &str| match stage {
        ReversalStage::Pending => format!("refund-request:{name}"),
        ReversalStage::Final | ReversalStage::Void => format!("refund:{name}"),
    };
    let number = refund.number.as_deref().map(identity);
    let (identity, name, number) = match (&refund.reference, number) {
        (Some(reference), number) => (identity(reference), ReversalName::Reference, number),
        (None, Some(number)) => (number, ReversalName::Number, None),
        (None, None) => (identity(&fingerprint(context.body)), ReversalName::Missing, None),
    };
    let at = refund.at.unwrap_or(context.received_at);
    let money = Money::from_minor(amount, SCALE, currency);
    Ok(reversal(context, at, reference, Back { identity, name, number, money, dispute: false, stage }))
}

/// `charge.dispute.create` and `.remind`: nothing is decided.
pub(super) fn dispute_opened(context: &Context<'_>, dispute: &Dispute) -> Result<Fact, Missing> {
    // The time of its making even for a reminder: so it is never a later word than the resolution.
    let at = dispute.created_at.unwrap_or(context.received_at);
    of_dispute(context, dispute, at, ReversalStage::Pending)
}

/// `charge.dispute.resolve`.
pub(super) fn dispute_resolved(context: &Context<'_>, dispute: &Dispute) -> Result<Fact, Missing> {
    let at = dispute.resolved_at.unwrap_or(context.received_at);
    let reversed = dispute.transaction.status == Some(TransactionStatus::Reversed);
    let stage = match &dispute.resolution {
        Some(Resolution::MerchantAccepted | Resolution::AutoAccepted) => ReversalStage::Final,
        Some(Resolution::Declined | Resolution::Other(_)) | None if reversed => ReversalStage::Final,
        Some(Resolution::Declined) => ReversalStage::Void,
        Some(Resolution::Other(_)) | None => ReversalStage::Pending,
    };
    of_dispute(context, dispute, at, stage)
}

fn of_dispute(context: &Context<'_>, dispute: &Dispute, at: Timestamp, stage: ReversalStage) -> Result<Fact, Missing> {
    let reference = required(dispute.transaction.reference.as_deref(), "data.transaction.reference")?;
    // One that bears no id is its transaction's only one.
    let (id, name) = dispute.id.as_deref().map_or((reference, ReversalName::Missing), |id| (id, ReversalName::Number));
    let part = dispute.refund_amount.filter(|amount| *amount > 0);
    let amount = required(part.or(dispute.transaction.amount), "data.refund_amount")?;
    let currency = required(dispute.currency, "data.currency")?;
    let (identity, money) = (format!("dispute:{id}"), Money::from_minor(amount, SCALE, currency));
    Ok(reversal(context, at, reference, Back { identity, name, number: None, money, dispute: true, stage }))
}

/// What goes back.
struct Back {
    identity: String,
    name: ReversalName,
    number: Option<String>,
    money: Money,
    dispute: bool,
    stage: ReversalStage,
}

fn reversal(context: &Context<'_>, at: Timestamp, reference: &str, back: Back) -> Fact {
    let Back { identity, name, number, money, dispute, stage } = back;
    let reversal = Reversal {
        identity,
        name,
        number,
        money,
        cumulative: false,
        // No field says so. The amounts show it.
        full: false,
        dispute,
        stage,
        // Not needed where every reversal names its transaction, and a guess could hit another payment.
        of_charge: None,
        charge: None,
    };
    context.fact(at, vec![transaction_key(reference)], context.product_known(), FactKind::Reversal(reversal))
}
