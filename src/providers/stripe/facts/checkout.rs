//! Checkout sessions, and payment intents without one.

use rust_decimal::Decimal;

use super::super::currency::amount;
use super::super::payload::{Charge, PaymentIntent, PaymentStatus, Session, SessionMode, Tax, Unmapped};
use super::super::settings::intents_count;
use super::{Paid, Reader, need, need_amount, need_currency};
use crate::domain::fact::{Customer, FactKind, Reading};
use crate::domain::money::Currency;
use crate::domain::reason::EventReason;
use crate::domain::sold::Bill;

/// `checkout.session.completed`, `.async_payment_succeeded`.
pub(super) fn completed(reader: &Reader<'_>, session: Session<'_>) -> Result<Reading, Unmapped> {
    match session.mode {
        SessionMode::Payment if session.invoice.is_some() => {
            Ok(checked_out(reader, session, Some(EventReason::ReportedByInvoice)))
        }
        SessionMode::Payment => one_off(reader, session),
        SessionMode::Subscription | SessionMode::Setup | SessionMode::Other => Ok(checked_out(reader, session, None)),
    }
}

/// `checkout.session.async_payment_failed`.
pub(super) fn failed(reader: &Reader<'_>, session: Session<'_>) -> Reading {
    checked_out(reader, session, Some(EventReason::NotPaid))
}

/// Stripe has no session of what is named here: it need wait no longer.
pub(super) fn none(reader: &Reader<'_>, session: Session<'_>) -> Reading {
    let customer = Customer { checkout_of: session.subscription, checkout: true, ..Customer::default() };
    reader.fact(session.about, reader.created, FactKind::Customer(customer))
}

/// A session that is no payment, or none yet: the customer it names, and the payments that need not wait for it any more.
fn checked_out(reader: &Reader<'_>, session: Session<'_>, no_payment: Option<EventReason>) -> Reading {
    let checkout_of = session.subscription.filter(|_| session.mode == SessionMode::Subscription);
    let customer = Customer { checkout_of, checkout: true, no_payment, ..Customer::default() };
    reader.customer(session.about, reader.created, customer)
}

/// A session without an invoice whose money has not come. The money may be held for a later capture.
fn held(reader: &Reader<'_>, session: Session<'_>) -> Reading {
    let customer = Customer {
        checkout_of: None,
        checkout: true,
        captures: session.payment_intent,
        no_payment: Some(EventReason::NotPaid),
        charged: None,
    };
    reader.customer(session.about, reader.created, customer)
}

fn one_off(reader: &Reader<'_>, session: Session<'_>) -> Result<Reading, Unmapped> {
    let status = need(session.payment_status.as_ref(), "payment_status", "a text")?;
    match (status, session.amount_total) {
        (_, Some(0)) => Ok(checked_out(reader, session, Some(EventReason::ZeroAmount))),
        (PaymentStatus::Paid, Some(..0)) => Ok(checked_out(reader, session, Some(EventReason::NegativeAmount))),
        (PaymentStatus::Paid, Some(_) | None) => paid(reader, session),
        (PaymentStatus::Unpaid, _) => Ok(held(reader, session)),
        (PaymentStatus::NoPaymentRequired | PaymentStatus::Other, _) => {
            Ok(checked_out(reader, session, Some(EventReason::NotPaid)))
        }
    }
}

fn paid(reader: &Reader<'_>, session: Session<'_>) -> Result<Reading, Unmapped> {
    let minor = need_amount(session.amount_total, "amount_total")?;
    let currency = need_currency(session.currency)?;
    let identity = need(session.payment_intent.or(session.id), "payment_intent", "an id, and so is data.object.id")?;
    let (net, untaxed) = match session.tax {
        Tax::Unlisted => (Some(minor), Some(amount(minor, currency))),
        Tax::Sum(tax) => (minor.checked_sub(tax), without(minor, session.tax, currency)),
        Tax::Unreadable => (None, None),
    };
    let paid = Paid {
        identity,
        at: reader.created,
        minor,
        currency,
        untaxed,
        bill: Bill { gross: Some(minor), net },
        subscription: None,
        awaits_checkout: false,
        awaits_invoice: session.makes_invoice,
        needs_session: false,
        uncaptured: 0,
        primary: true,
    };
    Ok(reader.payment(session.about, paid))
}

/// `payment_intent.succeeded`. Unless the endpoint takes one-off payments by it, it counts only as the capture of what a
/// session without an invoice held: any other may be an invoice's.
pub(super) fn intent_succeeded(reader: &Reader<'_>, intent: PaymentIntent<'_>) -> Result<Reading, Unmapped> {
    let at = reader.created;
    if intent.invoice.is_some() {
        return Ok(reader.no_payment(intent.about, at, EventReason::ReportedByInvoice));
    }
    let identity = need(intent.id, "id", "an id")?;
    let minor = need_amount(intent.amount_received, "amount_received")?;
    let currency = need_currency(intent.currency)?;
    if minor <= 0 {
        return Ok(reader.no_payment(intent.about, at, EventReason::ZeroAmount));
    }
    let counts_alone = intents_count(reader.rules);
    let paid = Paid {
        identity,
        at,
        minor,
        currency,
        // A payment intent is no bill: that it lists no tax does not mean there is none.
        untaxed: without(minor, intent.tax, currency),
        bill: Bill::default(),
        subscription: None,
        awaits_checkout: counts_alone,
        awaits_invoice: false,
        needs_session: !counts_alone,
        uncaptured: intent.amount.map_or(0, |held| held.saturating_sub(minor)),
        // With Checkout its session says more, and is always there.
        primary: false,
    };
    Ok(reader.payment(intent.about, paid))
}

/// `charge.succeeded`, where the endpoint takes one-off payments by their intents: it knows an address that the intent
/// may not.
pub(super) fn charge_succeeded(reader: &Reader<'_>, charge: Charge<'_>) -> Reading {
    if !intents_count(reader.rules) {
        return Reading::Ignored(EventReason::OneTimeOff);
    }
    let reason = if charge.invoice.is_some() {
        EventReason::ReportedByInvoice
    } else if charge.payment_intent.is_some() {
        EventReason::AlreadyReported
    } else {
        EventReason::OneTimeOff
    };
    reader.no_payment(charge.about, reader.created, reason)
}

fn without(minor: i64, tax: Tax, currency: Currency) -> Option<Decimal> {
    match tax {
        Tax::Sum(tax) => Some(amount(minor.checked_sub(tax)?, currency)),
        Tax::Unlisted | Tax::Unreadable => None,
    }
}
