//! Checkout sessions, and payment intents without one.

use rust_decimal::Decimal;

use super::super::currency::amount;
use super::super::payload::{Charge, PaymentIntent, PaymentStatus, Session, SessionMode, Tax, Unmapped};
use super::{Paid, Reader, need, need_amount, need_currency};
use crate::domain::fact::Reading;
use crate::domain::money::Currency;
use crate::domain::reason::Reason;

/// `checkout.session.completed`, `.async_payment_succeeded`.
pub(super) fn completed(reader: &Reader<'_>, session: Session<'_>) -> Result<Reading, Unmapped> {
    match session.mode {
        SessionMode::Payment if session.invoice.is_some() => {
            Ok(reader.no_payment(session.about, reader.created, Reason::ReportedByInvoice))
        }
        SessionMode::Payment => one_off(reader, session),
        SessionMode::Subscription => Ok(reader.customer(session.about, reader.created, session.subscription, None)),
        SessionMode::Setup | SessionMode::Other => Ok(reader.customer(session.about, reader.created, None, None)),
    }
}

/// `checkout.session.async_payment_failed`.
pub(super) fn failed(reader: &Reader<'_>, session: Session<'_>) -> Reading {
    let checkout_of = session.subscription.filter(|_| session.mode == SessionMode::Subscription);
    reader.customer(session.about, reader.created, checkout_of, Some(Reason::NotPaid))
}

fn one_off(reader: &Reader<'_>, session: Session<'_>) -> Result<Reading, Unmapped> {
    let status = need(session.payment_status, "payment_status", "a text")?;
    let refusal = match (status, session.amount_total) {
        (_, Some(0)) => Some(Reason::ZeroAmount),
        (PaymentStatus::Paid, Some(..0)) => Some(Reason::NegativeAmount),
        (PaymentStatus::Paid, Some(_) | None) => None,
        (PaymentStatus::Unpaid | PaymentStatus::NoPaymentRequired | PaymentStatus::Other, _) => Some(Reason::NotPaid),
    };
    if let Some(reason) = refusal {
        return Ok(reader.no_payment(session.about, reader.created, reason));
    }
    let minor = need_amount(session.amount_total, "amount_total")?;
    let currency = need_currency(session.currency)?;
    let identity = need(session.payment_intent.or(session.id), "payment_intent", "an id, and so is data.object.id")?;
    let untaxed = match session.tax {
        Tax::Unlisted => Some(amount(minor, currency)),
        listed @ (Tax::Sum(_) | Tax::Unreadable) => without(minor, listed, currency),
    };
    let at = reader.created;
    let paid =
        Paid { identity, at, minor, currency, untaxed, subscription: None, awaits_checkout: false, primary: true };
    Ok(reader.payment(session.about, paid))
}

/// `payment_intent.succeeded`, where the endpoint takes one-off payments by it.
pub(super) fn intent_succeeded(reader: &Reader<'_>, intent: PaymentIntent<'_>) -> Result<Reading, Unmapped> {
    let at = reader.created;
    if intent.invoice.is_some() {
        return Ok(reader.no_payment(intent.about, at, Reason::ReportedByInvoice));
    }
    let identity = need(intent.id, "id", "an id")?;
    let minor = need_amount(intent.amount_received, "amount_received")?;
    let currency = need_currency(intent.currency)?;
    if minor <= 0 {
        return Ok(reader.no_payment(intent.about, at, Reason::ZeroAmount));
    }
    // A payment intent is no bill: that it lists no tax does not mean there is none.
    let untaxed = without(minor, intent.tax, currency);
    // With Checkout its session says more, and is always there.
    let paid =
        Paid { identity, at, minor, currency, untaxed, subscription: None, awaits_checkout: false, primary: false };
    Ok(reader.payment(intent.about, paid))
}

/// `charge.succeeded`, where the endpoint takes one-off payments by their intents: it knows an address that the intent
/// may not.
pub(super) fn charge_succeeded(reader: &Reader<'_>, charge: Charge<'_>) -> Reading {
    let reason = if charge.invoice.is_some() {
        Reason::ReportedByInvoice
    } else if charge.payment_intent.is_some() {
        Reason::AlreadyReported
    } else {
        Reason::OneTimeOff
    };
    reader.no_payment(charge.about, reader.created, reason)
}

fn without(minor: i64, tax: Tax, currency: Currency) -> Option<Decimal> {
    match tax {
        Tax::Sum(tax) => Some(amount(minor.checked_sub(tax)?, currency)),
        Tax::Unlisted | Tax::Unreadable => None,
    }
}
