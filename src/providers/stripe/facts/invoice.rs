//! Invoices: payments, payments of nothing, and payments that failed.

use rust_decimal::Decimal;

use super::super::currency::{amount, scale};
use super::super::payload::{About, Invoice, InvoicePayment, InvoiceStatus, Tax, Unmapped};
use super::{Paid, Reader, need, need_amount, need_currency};
use crate::domain::endpoint::OutOfBand;
use crate::domain::fact::{Link, Matter, Reading, Subscription};
use crate::domain::money::{Currency, share};
use crate::domain::reason::Reason;
use crate::domain::status::Status;

/// `invoice.paid`, `invoice.payment_succeeded`.
pub(super) fn paid(reader: &Reader<'_>, invoice: Invoice<'_>) -> Result<Reading, Unmapped> {
    let identity = need(invoice.id.clone(), "id", "an id")?;
    let currency = need_currency(invoice.currency)?;
    let amount_paid = need_amount(invoice.amount_paid, "amount_paid")?;
    let at = invoice.paid_at.unwrap_or(reader.created);
    if !is_settled(&invoice) {
        return Ok(reader.no_payment(invoice.about, at, Reason::NotPaid));
    }
    if amount_paid < 0 || invoice.total.is_some_and(|total| total < 0) {
        return Ok(reader.no_payment(invoice.about, at, Reason::NegativeAmount));
    }
    let minor = match (invoice.out_of_band, reader.rules.out_of_band) {
        (false, _) => amount_paid,
        (true, OutOfBand::Send) => need_amount(invoice.amount_due, "amount_due")?,
        (true, OutOfBand::Ignore) => return Ok(reader.no_payment(invoice.about, at, Reason::OutOfBand)),
    };
    if minor <= 0 {
        return Ok(nothing_charged(reader, invoice));
    }
    let untaxed = untaxed(&invoice, minor, currency);
    let paid = Paid {
        identity,
        at,
        minor,
        currency,
        untaxed,
        subscription: invoice.subscription,
        awaits_checkout: invoice.is_first,
        primary: true,
    };
    Ok(reader.payment(invoice.about, paid))
}

/// Several partial payments make several successes; the invoice is paid with the last.
const fn is_settled(invoice: &Invoice<'_>) -> bool {
    match (&invoice.status, invoice.paid) {
        (Some(InvoiceStatus::Paid), _) | (_, Some(true)) => true,
        (Some(InvoiceStatus::Other(_)) | None, None) => true,
        (Some(InvoiceStatus::Other(_)) | None, Some(false)) => false,
        (
            Some(InvoiceStatus::Draft | InvoiceStatus::Open | InvoiceStatus::Uncollectible | InvoiceStatus::Void),
            Some(false) | None,
        ) => false,
    }
}

/// Nothing was charged: a trial begins, or a coupon or the customer's credit covered it all. Then the subscription is
/// active, which a trial's is not.
fn nothing_charged(reader: &Reader<'_>, invoice: Invoice<'_>) -> Reading {
    let at = invoice.paid_at.unwrap_or(reader.created);
    let Some(id) = invoice.subscription else {
        return reader.no_payment(invoice.about, at, Reason::ZeroAmount);
    };
    let covered = invoice.subtotal.is_some_and(|subtotal| subtotal > 0);
    let subscription = Subscription {
        id,
        status: covered.then_some(Status::Active),
        as_given: invoice.status.as_ref().map_or("paid", InvoiceStatus::as_given).to_owned(),
        day: reader.rules.day(at),
        before: None,
        trial_start: None,
        trial_end: None,
        no_call: Some(Reason::ZeroAmount),
    };
    reader.fact(invoice.about, at, Matter::Subscription(subscription))
}

/// What of the paid amount is not tax, standard units. What credit paid is shared out over net and tax alike.
fn untaxed(invoice: &Invoice<'_>, minor: i64, currency: Currency) -> Option<Decimal> {
    let charged = amount(minor, currency);
    let net = match (invoice.total_excluding_tax, invoice.tax) {
        (Some(net), _) => net,
        (None, Tax::Sum(tax)) => invoice.total?.checked_sub(tax)?,
        (None, Tax::Unlisted) => return Some(charged),
        (None, Tax::Unreadable) => return None,
    };
    let (net, total) = (amount(net, currency), amount(invoice.total?, currency));
    if charged == total { Some(net) } else { share(charged, net, total, scale(currency)) }
}

/// `invoice.payment_failed`: the subscription is past due, unless it never began.
pub(super) fn failed(reader: &Reader<'_>, invoice: Invoice<'_>) -> Reading {
    let Some(id) = invoice.subscription else {
        return reader.no_payment(invoice.about, reader.created, Reason::NotPaid);
    };
    let subscription = Subscription {
        id,
        status: (!invoice.is_first).then_some(Status::PastDue),
        as_given: invoice.status.as_ref().map_or("payment_failed", InvoiceStatus::as_given).to_owned(),
        day: reader.rules.day(reader.created),
        before: None,
        trial_start: None,
        trial_end: None,
        no_call: invoice.is_first.then_some(Reason::FirstInvoiceFailed),
    };
    reader.fact(invoice.about, reader.created, Matter::Subscription(subscription))
}

/// `invoice_payment.paid`: in new versions the only event that names an invoice and its payment intent together.
pub(super) fn linked(reader: &Reader<'_>, payment: InvoicePayment) -> Result<Reading, Unmapped> {
    need(payment.keys.first(), "invoice", "an id")?;
    let about = About { keys: payment.keys, ..About::default() };
    Ok(reader.fact(about, payment.paid_at.unwrap_or(reader.created), Matter::Link(Link::default())))
}
