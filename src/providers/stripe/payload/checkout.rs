//! One-off payments: checkout sessions, payment intents, charges.

use jiff::Timestamp;

use super::about::{About, sold_in};
use super::invoice::Tax;
use crate::domain::money::Currency;
use crate::domain::sold::Line;
use crate::providers::json::Json;

/// A checkout session.
pub(crate) struct Session<'a> {
    /// The customer it is about.
    pub(crate) about: About<'a>,
    /// Stripe's id of the session, such as `cs_1X`. `None` when the event has no usable one.
    pub(crate) id: Option<String>,
    /// What it is for.
    pub(crate) mode: SessionMode,
    /// Whether money came. It says nothing of a session that had nothing to pay.
    pub(crate) payment_status: Option<PaymentStatus>,
    /// The invoice that reports the payment.
    pub(crate) invoice: Option<String>,
    /// An invoice is made for it once it is paid.
    pub(crate) makes_invoice: bool,
    /// The payment intent.
    pub(crate) payment_intent: Option<String>,
    /// The subscription it began.
    pub(crate) subscription: Option<String>,
    /// The currency of all amounts.
    pub(crate) currency: Option<Currency>,
    /// Minor units: with tax and shipping, after discounts.
    pub(crate) amount_total: Option<i64>,
    /// The tax within `amount_total`.
    pub(crate) tax: Tax,
}

/// What a session is for.
#[derive(PartialEq, Eq)]
pub(crate) enum SessionMode {
    /// A one-off payment.
    Payment,
    /// A subscription's begin.
    Subscription,
    /// A payment method, for later.
    Setup,
    /// Not said, or a value not yet invented.
    Other,
}

/// Whether a session's money came.
#[derive(PartialEq, Eq)]
pub(crate) enum PaymentStatus {
    /// It did.
    Paid,
    /// Not yet.
    Unpaid,
    /// There is nothing to pay, or not now.
    NoPaymentRequired,
    /// A value not yet invented.
    Other,
}

impl<'a> Session<'a> {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'a>) -> Self {
        let [own_id, invoice, payment_intent, subscription] =
            ["id", "invoice", "payment_intent", "subscription"].map(|key| object.get(key).id());
        let mut about = About::read(object);
        for key in [&own_id, &subscription, &invoice, &payment_intent] {
            about.add_key(key.clone());
        }
        about.find_email([object.at("customer_details.email"), object.get("customer_email")]);
        about.find_name(object.get("customer_details"));
        about.find_in_customer(object);
        for inner in ["subscription", "payment_intent", "invoice"].map(|key| object.get(key)) {
            about.add_metadata(inner.get("metadata"), inner.get("created").unix_time());
        }
        let created = object.get("created").unix_time();
        about.client_reference = object.get("client_reference_id").text().map(|text| (text, created));
        // Never in events as Stripe sends them: only a look-up expands the line items.
        about.set_sold(object.get("line_items"), object.get("amount_subtotal").integer(), line);
        let mode = match object.get("mode").text() {
            Some("payment") => SessionMode::Payment,
            Some("subscription") => SessionMode::Subscription,
            Some("setup") => SessionMode::Setup,
            // The first versions had no mode. What the session made shows it.
            Some(_) | None if subscription.is_some() => SessionMode::Subscription,
            Some(_) | None if payment_intent.is_some() => SessionMode::Payment,
            Some(_) | None => SessionMode::Other,
        };
        let payment_status = object.get("payment_status").text().map(|text| match text {
            "paid" => PaymentStatus::Paid,
            "unpaid" => PaymentStatus::Unpaid,
            "no_payment_required" => PaymentStatus::NoPaymentRequired,
            _ => PaymentStatus::Other,
        });
        Self {
            about,
            id: own_id,
            mode,
            payment_status,
            invoice,
            makes_invoice: object.at("invoice_creation.enabled").flag() == Some(true),
            payment_intent,
            subscription,
            currency: object.get("currency").text().and_then(|c| c.parse().ok()),
            amount_total: object.get("amount_total").integer(),
            tax: Tax::read(object.at("total_details.amount_tax")),
        }
    }
}

/// A line of a session, whose `amount_total` is after discounts and with all tax.
fn line(line: Json<'_>) -> Line {
    let gross = line.get("amount_total").integer();
    let net = gross.and_then(|gross| gross.checked_sub(line.get("amount_tax").integer().unwrap_or(0)));
    Line { ids: sold_in(line), weight: net, gross, net }
}

/// A payment intent.
pub(crate) struct PaymentIntent<'a> {
    /// The customer it is about.
    pub(crate) about: About<'a>,
    /// Stripe's id of the payment intent, such as `pi_1X`. `None` when the event has no usable one.
    pub(crate) id: Option<String>,
    /// Old versions: the invoice that reports the payment.
    pub(crate) invoice: Option<String>,
    /// The currency of all amounts.
    pub(crate) currency: Option<Currency>,
    /// Minor units: what was asked for, or held.
    pub(crate) amount: Option<i64>,
    /// What came.
    pub(crate) amount_received: Option<i64>,
    /// The tax within it.
    pub(crate) tax: Tax,
}

impl<'a> PaymentIntent<'a> {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'a>) -> Self {
        let (own_id, invoice) = (object.get("id").id(), object.get("invoice").id());
        let mut about = About::read(object);
        about.add_key(own_id.clone());
        about.add_key(invoice.clone());
        about.find_email([object.get("receipt_email")]);
        // Very old versions list the charges. New ones name the latest, which may be expanded.
        let latest = object.get("latest_charge");
        for charge in std::iter::once(latest).chain(object.at("charges.data").items()) {
            about.add_key(charge.id());
            about.find_email([charge.at("billing_details.email"), charge.get("receipt_email")]);
            about.find_name(charge.get("billing_details"));
            about.add_metadata(charge.get("metadata"), charge.get("created").unix_time());
        }
        about.find_in_customer(object);
        Self {
            about,
            id: own_id,
            invoice,
            currency: object.get("currency").text().and_then(|c| c.parse().ok()),
            amount: object.get("amount").integer(),
            amount_received: object.get("amount_received").integer(),
            tax: Tax::read(object.at("amount_details.tax.total_tax_amount")),
        }
    }
}

/// A charge.
pub(crate) struct Charge<'a> {
    /// The customer it is about.
    pub(crate) about: About<'a>,
    /// Stripe's id of the charge, such as `ch_1X`. `None` when the event has no usable one.
    pub(crate) id: Option<String>,
    /// Old versions: the invoice that reports the payment.
    pub(crate) invoice: Option<String>,
    /// The payment intent it was made for. Charges of the oldest interface have none.
    pub(crate) payment_intent: Option<String>,
    /// The currency of all amounts.
    pub(crate) currency: Option<Currency>,
    /// Minor units: what was taken, which may be less than what was reserved.
    pub(crate) amount: Option<i64>,
    /// The total of all refunds so far, without what was reserved and never taken.
    pub(crate) given_back: Option<i64>,
    /// Nothing is left.
    pub(crate) refunded: bool,
    /// The money was only reserved.
    pub(crate) only_reserved: bool,
    /// When it was made.
    pub(crate) created: Option<Timestamp>,
}

impl<'a> Charge<'a> {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'a>) -> Self {
        let [own_id, invoice, payment_intent] = ["id", "invoice", "payment_intent"].map(|key| object.get(key).id());
        let mut about = About::read(object);
        for key in [&own_id, &payment_intent, &invoice] {
            about.add_key(key.clone());
        }
        about.find_email([object.at("billing_details.email"), object.get("receipt_email")]);
        about.find_name(object.get("billing_details"));
        about.find_in_customer(object);
        let reserved = object.get("amount").integer();
        let captured = object.get("amount_captured").integer().filter(|amount| *amount > 0);
        // Letting go of the rest of what was reserved is written as a refund, too.
        let let_go = reserved.zip(captured).map_or(0, |(reserved, taken)| reserved.saturating_sub(taken).max(0));
        let refunded = object.get("amount_refunded").integer();
        let is_full = object.get("refunded").flag() == Some(true) && refunded.is_some_and(|sum| sum > 0);
        Self {
            about,
            id: own_id,
            invoice,
            payment_intent,
            currency: object.get("currency").text().and_then(|c| c.parse().ok()),
            amount: captured.or(reserved),
            // Of one that is refunded in full nothing is left, whatever the sums say.
            given_back: captured.filter(|_| is_full).or_else(|| refunded.map(|sum| sum.saturating_sub(let_go))),
            refunded: is_full,
            only_reserved: object.get("captured").flag() == Some(false),
            created: object.get("created").unix_time(),
        }
    }
}
