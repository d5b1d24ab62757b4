//! Invoices: payments, payments of nothing, and payments that failed.

use rust_decimal::Decimal;

use super::super::currency::{amount, money, scale};
use super::super::payload::{About, Invoice, InvoicePayment, InvoiceStatus, Tax, Unmapped};
use super::super::settings::out_of_band_counts;
use super::{Paid, Reader, need, need_amount, need_currency};
use crate::domain::fact::{FactKind, Link, Reading, Subscription};
use crate::domain::money::{Currency, share};
use crate::domain::reason::EventReason;
use crate::domain::sold::Bill;
use crate::domain::status::Status;

/// `invoice.paid`, `invoice.payment_succeeded`.
pub(super) fn paid(reader: &Reader<'_>, invoice: Invoice<'_>) -> Result<Reading, Unmapped> {
    let identity = need(invoice.id.clone(), "id", "an id")?;
    let currency = need_currency(invoice.currency)?;
    // Only the flag `paid` says that this invoice is paid: then all that was due came.
    let all_due = invoice.amount_due.filter(|_| invoice.paid == Some(true));
    let amount_paid = need_amount(invoice.amount_paid.or(all_due), "amount_paid")?;
    let at = invoice.paid_at.unwrap_or(reader.created);
    if !is_settled(&invoice) {
        return Ok(reader.no_payment(invoice.about, at, EventReason::NotPaid));
    }
    if amount_paid < 0 || invoice.total.is_some_and(|total| total < 0) {
        return Ok(reader.no_payment(invoice.about, at, EventReason::NegativeAmount));
    }
    let minor = match (invoice.out_of_band, out_of_band_counts(reader.rules)) {
        (false, _) => amount_paid,
        (true, true) => need_amount(invoice.amount_due, "amount_due")?,
        (true, false) => return Ok(reader.no_payment(invoice.about, at, EventReason::OutOfBand)),
    };
    if minor <= 0 {
        return Ok(nothing_charged(reader, invoice));
    }
    let untaxed = untaxed(&invoice, minor, currency);
    let bill = Bill { gross: invoice.total, net: untaxed_total(&invoice) };
    let paid = Paid {
        identity,
        at,
        minor,
        currency,
        untaxed,
        bill,
        // No renewal: its checkout may still be on its way.
        awaits_checkout: invoice.is_first || invoice.subscription.is_none(),
        subscription: invoice.subscription,
        awaits_invoice: false,
        needs_session: false,
        uncaptured: 0,
        primary: true,
    };
    Ok(reader.payment(invoice.about, paid))
}

/// Each partial payment makes a success. The invoice is paid with the last one.
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
        return reader.no_payment(invoice.about, at, EventReason::ZeroAmount);
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
        no_call: Some(EventReason::ZeroAmount),
    };
    reader.fact(invoice.about, at, FactKind::Subscription(subscription))
}

/// What of the paid amount is not tax, standard units. What credit paid is shared out over net and tax alike.
fn untaxed(invoice: &Invoice<'_>, minor: i64, currency: Currency) -> Option<Decimal> {
    let charged = amount(minor, currency);
    if invoice.total_excluding_tax.is_none() && invoice.tax == Tax::Unlisted {
        return Some(charged);
    }
    let (net, total) = (amount(untaxed_total(invoice)?, currency), amount(invoice.total?, currency));
    if charged == total { Some(net) } else { share(charged, net, total, scale(currency)) }
}

/// The total without tax, minor units.
fn untaxed_total(invoice: &Invoice<'_>) -> Option<i64> {
    match (invoice.total_excluding_tax, invoice.tax) {
        (Some(net), _) => Some(net),
        (None, Tax::Sum(tax)) => invoice.total?.checked_sub(tax),
        (None, Tax::Unlisted) => invoice.total,
        (None, Tax::Unreadable) => None,
    }
}

/// `invoice.payment_failed`: the subscription is past due, unless it never began.
pub(super) fn failed(reader: &Reader<'_>, invoice: Invoice<'_>) -> Reading {
    let Some(id) = invoice.subscription else {
        return reader.no_payment(invoice.about, reader.created, EventReason::NotPaid);
    };
    let subscription = Subscription {
        id,
        status: (!invoice.is_first).then_some(Status::PastDue),
        as_given: invoice.status.as_ref().map_or("payment_failed", InvoiceStatus::as_given).to_owned(),
        day: reader.rules.day(reader.created),
        before: None,
        trial_start: None,
        trial_end: None,
        no_call: invoice.is_first.then_some(EventReason::FirstInvoiceFailed),
    };
    reader.fact(invoice.about, reader.created, FactKind::Subscription(subscription))
}

/// `invoice_payment.paid`: in new versions the only event that names an invoice and its payment intent together.
pub(super) fn linked(reader: &Reader<'_>, payment: InvoicePayment) -> Result<Reading, Unmapped> {
    need(payment.keys.first(), "invoice", "an id")?;
    let paid = payment.amount_paid.zip(payment.currency).map(|(minor, currency)| money(minor, currency));
    let link = Link { of_charge: payment.paid_by, paid };
    let about = About { keys: payment.keys, ..About::default() };
    Ok(reader.fact(about, payment.paid_at.unwrap_or(reader.created), FactKind::Link(link)))
}
