//! Stripe's webhooks, as Stripe writes them since its version of August 2025: compact, but of its shape.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::customers::{Cash, Customer, PRICE_PLUS, PRICE_STARTER};

const API_VERSION: &str = "2025-08-27.basil";
/// A month's length on invoices, in seconds.
const MONTH_S: i64 = 30 * 86_400;

/// Numbers what it writes, so that ids are unique.
#[derive(Default)]
pub(super) struct Stripe {
    serial: u32,
    test_mode: bool,
}

/// Where a referral code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeIn {
    /// In the session's `client_reference_id`, as a Payment Link puts it there.
    ClientReference,
    /// In the session's metadata.
    Session,
    /// In the subscription's metadata, which its invoices repeat.
    Subscription,
}

/// What an invoice says beyond whose it is.
pub(super) struct Invoice {
    /// Counts the customer's invoices.
    pub(super) number: u8,
    pub(super) reason: &'static str,
    pub(super) cash: Cash,
    /// Price and minor units; the last line bills the current period.
    pub(super) lines: Vec<(&'static str, i64)>,
    pub(super) code: Option<CodeIn>,
}

impl Invoice {
    /// One line, which bills `price`.
    pub(super) fn of(number: u8, reason: &'static str, price: &'static str, cash: Cash) -> Self {
        Self { number, reason, cash, lines: vec![(price, cash.minor)], code: None }
    }
}

/// What a subscription says beyond whose it is.
#[derive(Clone, Copy)]
pub(super) struct Subscription {
    /// Stripe's word.
    pub(super) status: &'static str,
    pub(super) price: &'static str,
    pub(super) trial_end: Option<Timestamp>,
}

impl Subscription {
    /// Of the usual price, without a trial.
    pub(super) const fn of(status: &'static str) -> Self {
        Self { status, price: PRICE_STARTER, trial_end: None }
    }
}

/// An id of something that belongs to a customer.
pub(super) fn id(prefix: &str, person: &Customer, number: u8) -> String {
    format!("{prefix}_demo{number}{}", person.slug)
}

fn customer_id(person: &Customer) -> String {
    id("cus", person, 1)
}

fn subscription_id(person: &Customer) -> String {
    id("sub", person, 1)
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

fn metadata(person: &Customer, here: bool) -> Value {
    match person.code() {
        Some(code) if here => json!({ "refairn_code": code }),
        Some(_) | None => json!({}),
    }
}

impl Stripe {
    /// What is written next is of the test mode, or no longer.
    pub(super) const fn set_test_mode(&mut self, on: bool) {
        self.test_mode = on;
    }

    /// An event, pretty-printed as Stripe does.
    pub(super) fn event(&mut self, kind: &str, at: Timestamp, mut object: Value) -> Vec<u8> {
        self.serial += 1;
        set(&mut object, "livemode", json!(!self.test_mode));
        let event = json!({
            "id": format!("evt_demo{:04}", self.serial),
            "object": "event",
            "api_version": API_VERSION,
            "created": at.as_second(),
            "data": { "object": object },
            "livemode": !self.test_mode,
            "pending_webhooks": 1,
            "request": { "id": null, "idempotency_key": null },
            "type": kind,
        });
        format!("{event:#}").into_bytes()
    }

    pub(super) fn customer_created(&mut self, person: &Customer, at: Timestamp) -> Vec<u8> {
        let object = json!({
            "id": customer_id(person), "object": "customer", "address": null, "balance": 0, "created": at.as_second(),
            "currency": null, "default_source": null, "delinquent": false, "description": null, "discount": null,
            "email": person.email, "invoice_prefix": "DEMO", "livemode": true, "metadata": {}, "name": person.name(),
            "phone": null, "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": null,
        });
        self.event("customer.created", at, object)
    }

    /// The session that began a subscription.
    pub(super) fn subscribed(&mut self, person: &Customer, at: Timestamp, cash: Cash, code: Option<CodeIn>) -> Vec<u8> {
        let mut object = session(person, 1, at, cash, code);
        set(&mut object, "mode", json!("subscription"));
        set(&mut object, "subscription", json!(subscription_id(person)));
        set(&mut object, "invoice", json!(id("in", person, 1)));
        self.event("checkout.session.completed", at, object)
    }

    /// The session of a one-off purchase.
    pub(super) fn bought(&mut self, person: &Customer, number: u8, at: Timestamp, cash: Cash) -> Vec<u8> {
        let mut object = session(person, number, at, cash, Some(CodeIn::Session));
        set(&mut object, "mode", json!("payment"));
        set(&mut object, "payment_intent", json!(id("pi", person, number)));
        self.event("checkout.session.completed", at, object)
    }

    /// `customer.subscription.*`.
    pub(super) fn subscription(&mut self, kind: &str, person: &Customer, at: Timestamp, told: Subscription) -> Vec<u8> {
        let Subscription { status, price, trial_end } = told;
        let (start, trial_end) = (at.as_second(), trial_end.map(Timestamp::as_second));
        let canceled_at = (status == "canceled").then_some(start);
        let object = json!({
            "id": subscription_id(person), "object": "subscription", "billing_cycle_anchor": start,
            "cancel_at": null, "cancel_at_period_end": false, "canceled_at": canceled_at,
            "collection_method": "charge_automatically", "created": start, "currency": "usd",
            "customer": customer_id(person), "ended_at": canceled_at,
            "items": { "object": "list", "has_more": false, "data": [{
                "id": id("si", person, 1), "object": "subscription_item", "current_period_start": start,
                "current_period_end": start + MONTH_S, "metadata": {}, "price": price_object(price), "quantity": 1,
                "subscription": subscription_id(person),
            }] },
            "latest_invoice": id("in", person, 1), "livemode": true, "metadata": {}, "start_date": start,
            "status": status, "trial_end": trial_end, "trial_start": trial_end.map(|_| start),
        });
        self.event(kind, at, object)
    }

    /// `invoice.*`, of a paid one unless the type says otherwise.
    pub(super) fn invoice(&mut self, kind: &str, person: &Customer, at: Timestamp, invoice: &Invoice) -> Vec<u8> {
        let paid = matches!(kind, "invoice.paid" | "invoice.payment_succeeded");
        let (total, created) = (invoice.cash.minor, at.as_second());
        let amount_paid = if paid { total } else { 0 };
        let details = json!({
            "metadata": metadata(person, invoice.code == Some(CodeIn::Subscription)),
            "subscription": subscription_id(person),
        });
        let lines: Vec<Value> =
            invoice.lines.iter().map(|line| invoice_line(person, invoice, *line, created)).collect();
        let object = json!({
            "id": id("in", person, invoice.number), "object": "invoice", "account_country": "US",
            "account_name": "Demo Shop", "amount_due": total, "amount_overpaid": 0, "amount_paid": amount_paid,
            "amount_remaining": total - amount_paid, "attempt_count": 1, "attempted": true, "auto_advance": false,
            "billing_reason": invoice.reason, "collection_method": "charge_automatically", "created": created,
            "currency": invoice.cash.currency, "customer": customer_id(person), "customer_email": person.email,
            "customer_name": person.name(), "discounts": [], "due_date": null, "ending_balance": 0,
            "lines": { "object": "list", "data": lines, "has_more": false, "total_count": lines.len() },
            "livemode": true, "metadata": {}, "number": format!("DEMO-{:04}", invoice.number),
            "parent": { "quote_details": null, "subscription_details": details, "type": "subscription_details" },
            "period_end": created, "period_start": created, "starting_balance": 0,
            "status": if paid { "paid" } else { "open" },
            "status_transitions": {
                "finalized_at": created, "marked_uncollectible_at": null, "paid_at": paid.then_some(created),
                "voided_at": null,
            },
            "subtotal": total, "subtotal_excluding_tax": total, "total": total, "total_excluding_tax": total,
            "total_discount_amounts": [], "total_taxes": [],
        });
        self.event(kind, at, object)
    }

    /// What ties an invoice to its payment intent.
    pub(super) fn invoice_payment_paid(&mut self, person: &Customer, number: u8, at: Timestamp, cash: Cash) -> Vec<u8> {
        let object = json!({
            "id": id("inpay", person, number), "object": "invoice_payment", "amount_paid": cash.minor,
            "amount_requested": cash.minor, "created": at.as_second(), "currency": cash.currency,
            "invoice": id("in", person, number), "is_default": true, "livemode": true,
            "payment": { "payment_intent": id("pi", person, number), "type": "payment_intent" }, "status": "paid",
            "status_transitions": { "canceled_at": null, "paid_at": at.as_second() },
        });
        self.event("invoice_payment.paid", at, object)
    }

    pub(super) fn payment_intent_succeeded(
        &mut self,
        person: &Customer,
        number: u8,
        at: Timestamp,
        cash: Cash,
    ) -> Vec<u8> {
        let object = json!({
            "id": id("pi", person, number), "object": "payment_intent", "amount": cash.minor,
            "amount_received": cash.minor, "capture_method": "automatic_async", "created": at.as_second(),
            "currency": cash.currency, "customer": customer_id(person), "latest_charge": id("ch", person, number),
            "livemode": true, "metadata": {}, "payment_method_types": ["card"], "receipt_email": null,
            "status": "succeeded",
        });
        self.event("payment_intent.succeeded", at, object)
    }

    /// The whole charge went back at `at`; it was made at `charged_at`.
    pub(super) fn charge_refunded(
        &mut self,
        person: &Customer,
        number: u8,
        (charged_at, at): (Timestamp, Timestamp),
        cash: Cash,
    ) -> Vec<u8> {
        let object = json!({
            "id": id("ch", person, number), "object": "charge", "amount": cash.minor, "amount_captured": cash.minor,
            "amount_refunded": cash.minor,
            "billing_details": { "address": null, "email": person.email, "name": person.name(), "phone": null },
            "captured": true, "created": charged_at.as_second(), "currency": cash.currency,
            "customer": customer_id(person), "disputed": false, "livemode": true, "metadata": {}, "paid": true,
            "payment_intent": id("pi", person, number), "receipt_email": null, "refunded": true, "status": "succeeded",
        });
        self.event("charge.refunded", at, object)
    }
}

/// What all checkout sessions have.
fn session(person: &Customer, number: u8, at: Timestamp, cash: Cash, code: Option<CodeIn>) -> Value {
    let reference =
        person.code().filter(|_| code == Some(CodeIn::ClientReference)).map(|code| format!("refairn_{code}"));
    json!({
        "id": id("cs", person, number), "object": "checkout.session", "amount_subtotal": cash.minor,
        "amount_total": cash.minor, "client_reference_id": reference, "created": at.as_second(),
        "currency": cash.currency, "custom_fields": [], "customer": customer_id(person),
        "customer_details": {
            "address": null, "email": person.email, "name": person.name(), "phone": null, "tax_exempt": "none", "tax_ids": [],
        },
        "customer_email": null, "invoice": null, "livemode": true,
        "metadata": metadata(person, code == Some(CodeIn::Session)), "mode": null, "payment_intent": null,
        "payment_link": null, "payment_status": if cash.minor == 0 { "no_payment_required" } else { "paid" }, "status": "complete", "subscription": null,
        "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
    })
}

fn invoice_line(person: &Customer, invoice: &Invoice, (price, amount): (&str, i64), start: i64) -> Value {
    let proration = invoice.reason == "subscription_update";
    json!({
        "id": format!("il_demo{}{}{price}", invoice.number, person.slug), "object": "line_item", "amount": amount,
        "currency": invoice.cash.currency, "description": null, "discounts": [],
        "invoice": id("in", person, invoice.number), "livemode": true, "metadata": {},
        "parent": {
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null, "proration": proration, "subscription": subscription_id(person),
                "subscription_item": id("si", person, 1),
            },
            "type": "subscription_item_details",
        },
        "period": { "start": start, "end": start + MONTH_S },
        "pricing": { "price_details": { "price": price, "product": product_of(price) }, "type": "price_details" },
        "quantity": 1, "taxes": [],
    })
}

fn price_object(id: &str) -> Value {
    json!({ "id": id, "object": "price", "active": true, "product": product_of(id), "type": "recurring" })
}

fn product_of(price: &str) -> &'static str {
    if price == PRICE_PLUS { "prod_shop_plus" } else { "prod_shop_starter" }
}
