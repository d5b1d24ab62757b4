//! Money that was paid: charges, and invoices whose charge had no event.

use jiff::Timestamp;

use super::{Context, Missing, SCALE, required, transaction_key};
use crate::domain::endpoint::CommissionBase;
use crate::domain::fact::{Fact, FactKind, Payment};
use crate::domain::money::{Currency, standard};
use crate::domain::reason::EventReason;
use crate::providers::paystack::payload::{Capture, Invoice, Transaction, TransactionStatus};
use crate::providers::paystack::settings::{NET_OF_FEES, REQUESTED};

/// `charge.success`: the event that always reports a payment.
pub(super) fn charge(context: &Context<'_>, charge: &Transaction) -> Result<Fact, Missing> {
    match &charge.status {
        None | Some(TransactionStatus::Success) => {}
        Some(TransactionStatus::Reversed | TransactionStatus::Other(_)) => {
            let at = charge.paid_at.or(charge.created_at).unwrap_or(context.received_at);
            let reference = charge.reference.as_deref();
            return Ok(context.customer_only(at, reference, context.product_sold(), EventReason::NotPaid));
        }
    }
    let reference = required(charge.reference.clone(), "data.reference")?;
    let paid = required(charge.amount, "data.amount")?;
    let base = match context.rules.commission_base {
        CommissionBase::PAID => Some(paid),
        REQUESTED => Some(charge.requested_amount.unwrap_or(paid)),
        NET_OF_FEES => charge.fees.and_then(|fees| paid.checked_sub(fees)),
        // Paystack's events have no other amount, such as one without tax, and the configuration refuses it.
        _ => None,
    };
    let currency = required(charge.currency, "data.currency")?;
    // One without any date was made when it was heard of.
    let heard = Some(context.received_at).filter(|_| charge.is_dateless);
    let at = required(charge.paid_at.or(charge.created_at).or(heard), "data.paid_at")?;
    Ok(payment(context, Paid { reference, paid, base, currency, at, primary: true }))
}

/// `invoice.create` and `invoice.update`: the same payment once more, or the only word of it.
pub(super) fn invoice(context: &Context<'_>, invoice: &Invoice) -> Result<Fact, Missing> {
    let Invoice { own, transaction, .. } = invoice;
    // An invoice is made up to days before it is paid, so its creation is the last resort.
    let times = [own.paid_at, transaction.paid_at, own.created_at, transaction.created_at];
    let at = times.into_iter().flatten().next();
    if !invoice.paid {
        let at = at.unwrap_or(context.received_at);
        let reference = transaction.reference.as_deref();
        return Ok(context.customer_only(at, reference, context.product_known(), EventReason::NotPaid));
    }
    let reference = required(transaction.reference.clone(), "data.transaction.reference")?;
    let paid = required(own.amount.or(transaction.amount), "data.amount")?;
    // The requested amount is only a part here. Where the event does not have the whole, the charge's own event must.
    let requested = || own.requested_amount.or(transaction.requested_amount);
    let fees = || own.fees.or(transaction.fees);
    let base = match context.rules.commission_base {
        CommissionBase::PAID => Some(paid),
        REQUESTED => requested(),
        NET_OF_FEES => fees().and_then(|fees| paid.checked_sub(fees)),
        _ => None,
    };
    let currency = required(transaction.currency.or(own.currency), "data.transaction.currency")?;
    let at = required(at, "data.paid_at")?;
    Ok(payment(context, Paid { reference, paid, base, currency, at, primary: false }))
}

/// `preauthorization.capture.success`: what was taken of a hold. A charge may report it, too.
pub(super) fn captured(context: &Context<'_>, capture: &Capture) -> Result<Fact, Missing> {
    let reference = required(capture.reference.clone(), "data.transaction.reference")?;
    let paid = required(capture.amount, "data.captured_amount")?;
    let base = match context.rules.commission_base {
        // Nothing is asked for beside what is taken.
        CommissionBase::PAID | REQUESTED => Some(paid),
        NET_OF_FEES => capture.fees.and_then(|fees| paid.checked_sub(fees)),
        _ => None,
    };
    let currency = required(capture.currency, "data.currency")?;
    let at = capture.at.unwrap_or(context.received_at);
    Ok(payment(context, Paid { reference, paid, base, currency, at, primary: false }))
}

/// A payment as the provider reports it. Amounts are in hundredths.
struct Paid {
    reference: String,
    paid: i64,
    base: Option<i64>,
    currency: Currency,
    at: Timestamp,
    primary: bool,
}

fn payment(context: &Context<'_>, paid: Paid) -> Fact {
    let Paid { reference, paid, base, currency, at, primary } = paid;
    let charged = standard(paid, SCALE);
    let below = context.rules.minimum_amount.get(&currency).is_some_and(|minimum| charged < *minimum);
    let no_payment = match (paid, base.unwrap_or(paid)) {
        (..0, _) => Some(EventReason::NegativeAmount),
        (0, _) => Some(EventReason::ZeroAmount),
        (1.., ..=0) if context.rules.commission_base == NET_OF_FEES => Some(EventReason::NothingAfterFees),
        (1.., ..0) => Some(EventReason::NegativeAmount),
        (1.., 0) => Some(EventReason::ZeroAmount),
        (1.., 1..) => below.then_some(EventReason::BelowMinimum),
    };
    if let Some(why) = no_payment {
        return context.customer_only(at, Some(&reference), context.product_sold(), why);
    }
    let mut keys = context.lasting_keys();
    let own = transaction_key(&reference);
    keys.push(own.clone());
    let payment = Payment {
        identity: reference,
        ties: vec![own],
        amount: base.map(|base| standard(base, SCALE)),
        charged,
        currency,
        day: context.rules.day(at),
        subscription: context.subscription(),
        // A charge carries all that it will ever carry.
        awaits_checkout: false,
        awaits_invoice: false,
        needs_session: false,
        uncaptured: None,
        primary,
    };
    context.fact(at, keys, context.product_sold(), FactKind::Payment(payment))
}
