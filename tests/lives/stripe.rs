//! A life's acts as Stripe sends them, in the shapes before and since 2025-03-31.

use serde_json::{Value, json};

use crate::events::{NAME, Out, TYPED_NAME, Tells, paid_at, price_id, refunded_so_far};
use crate::life::{Charges, DAY, Fate, Lines, Paid, Place, Price, What, Why, Word};
use crate::lines::{self, Line};
use refairn_bridge::domain::mode::Mode;

/// No payment is in this currency.
pub(crate) const FOREIGN: &str = "gbp";

pub(crate) fn write(out: &mut Out<'_>) {
    match out.act.what.clone() {
        What::SignUp { created, referred } => sign_up(out, created, referred),
        What::Checkout { session, sub, bill } => {
            let ids = json!({ "id": session, "mode": "subscription", "subscription": sub, "invoice": bill, "payment_intent": null, "payment_status": "paid", "amount_total": 100 });
            let object = checkout(out, ids, "usd");
            send(out, "checkout.session.completed", out.act.at, object, Tells::ALL);
        }
        What::Paid(paid) if paid.sub.is_some() => paid_invoice(out, &paid),
        What::Paid(paid) => one_off(out, &paid),
        What::Free { bill, sub, price, covered, first } => {
            let subtotal = if covered { 2_900 } else { 0 };
            let bill = Bill {
                id: &bill,
                sub: &sub,
                minor: 0,
                subtotal,
                currency: "usd",
                lines: vec![Line::own(price, subtotal)],
                first,
                paid: true,
            };
            let object = invoice(out, &bill);
            send(out, "invoice.paid", out.act.at, object, Tells::ALL);
        }
        What::Declined { bill, sub, minor, currency, price, first } => {
            let lines = vec![Line::own(price, minor)];
            let bill = Bill { id: &bill, sub: &sub, minor, subtotal: minor, currency, lines, first, paid: false };
            let object = invoice(out, &bill);
            send(out, "invoice.payment_failed", out.act.at, object, Tells::ALL);
        }
        What::Stands { sub, word, price, trial_end } => stands(out, &sub, word, price, trial_end),
        What::Refund { bill, id, minor, foreign: true, .. } => refund_elsewhere(out, &bill, &id, minor),
        What::Refund { bill, id, minor, fate, charge, .. } => refund(out, &Back { bill, id, charge }, minor, fate),
        What::Dispute { bill, id, fate, charge } => dispute(out, &Back { bill, id, charge }, fate),
    }
}

fn send(out: &mut Out<'_>, kind: &'static str, at: i64, object: Value, tells: Tells) {
    send_changed(out, kind, at, object, None, tells);
}

/// Sends an event that says what its object was before.
fn send_changed(out: &mut Out<'_>, kind: &'static str, at: i64, object: Value, before: Option<Value>, tells: Tells) {
    let payer = out.payer();
    let mut event = json!({
        "id": format!("evt_{}x{}x{}", out.life.number, out.act.n, out.part()),
        "object": "event",
        "api_version": if payer.new_shape { "2025-09-30.clover" } else { "2024-06-20" },
        "created": at,
        "data": { "object": object },
        "livemode": payer.mode == Mode::Live,
        "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
        "type": kind,
    });
    if let Some(account) = payer.account {
        event["account"] = json!(account);
    }
    if let Some(before) = before {
        event["data"]["previous_attributes"] = before;
    }
    out.send(kind, at, &event, tells);
}

/// Words that say that there is no code.
pub(crate) const NO_CODES: [&str; 3] = ["null", "N/A", "undefined"];

/// Metadata with the code, if the act has one in a place like that.
fn metadata(out: &Out<'_>) -> Value {
    match out.act.code {
        Some((code, Place::Metadata)) => json!({ "plan": "x", "refairn_code": code }),
        Some((code, Place::OtherKey)) => json!({ "referralCode": code }),
        Some((_, Place::ClientReference)) => json!({ "refairn_code": "undefined" }),
        None if out.act.n % 3 == 0 => {
            let word = NO_CODES[out.act.n as usize / 3 % 3];
            json!({ "refairn_code": word })
        }
        Some((_, Place::CustomField | Place::TextMetadata)) | None => json!({}),
    }
}

fn name(out: &Out<'_>) -> Option<&'static str> {
    out.act.email.map(|_| NAME)
}

fn sign_up(out: &mut Out<'_>, created: bool, referred: bool) {
    let customer = json!({
        "id": out.payer().customer, "object": "customer", "email": out.life.spelled(out.act), "name": name(out),
        "metadata": metadata(out), "created": out.act.at, "currency": null, "livemode": true,
    });
    let kind = if created { "customer.created" } else { "customer.updated" };
    let before = referred.then(|| json!({ "metadata": { "refairn_code": null } }));
    send_changed(out, kind, out.act.at, customer, before, Tells::ALL);
}

fn checkout(out: &Out<'_>, ids: Value, currency: &str) -> Value {
    let reference = match out.act.code {
        Some((code, Place::ClientReference)) => json!(format!("refairn_{code}")),
        _ => json!(out.life.number.to_string()),
    };
    let mut object = json!({
        "object": "checkout.session", "customer": out.payer().customer, "customer_email": null, "client_reference_id": reference,
        "customer_details": { "email": out.life.spelled(out.act), "name": TYPED_NAME, "phone": null },
        "currency": currency, "metadata": metadata(out), "status": "complete", "total_details": { "amount_tax": 0 },
    });
    for (key, value) in ids.as_object().expect("an object") {
        object[key] = value.clone();
    }
    object
}

/// A one-off payment; the payment intent and the charge speak of it, too.
fn one_off(out: &mut Out<'_>, paid: &Paid) {
    let session = |status: &str| {
        json!({ "id": format!("cs_{}", paid.bill), "mode": "payment", "payment_intent": paid.bill, "invoice": null,
        "subscription": null, "payment_status": status, "amount_total": paid.minor })
    };
    let at = paid_at(out.act, paid);
    if paid.why == Why::Delayed || paid.charges == Charges::Hold {
        let object = checkout(out, session("unpaid"), paid.currency);
        send(out, "checkout.session.completed", out.act.at, object, Tells::ALL);
        if paid.why == Why::Delayed {
            let object = checkout(out, session("paid"), paid.currency);
            send(out, "checkout.session.async_payment_succeeded", at, object, Tells::ALL);
        }
    } else {
        let mut object = checkout(out, session("paid"), paid.currency);
        object["invoice_creation"] = json!({ "enabled": paid.charges == Charges::Receipt });
        send(out, "checkout.session.completed", at, object, Tells::ALL);
    }
    let intent = json!({ "id": paid.bill, "object": "payment_intent", "amount": paid.minor + paid.never_taken(),
        "amount_received": paid.minor, "currency": paid.currency, "customer": out.payer().customer,
        "capture_method": if paid.charges == Charges::Hold { "manual" } else { "automatic_async" },
        "latest_charge": format!("ch_{}", paid.bill), "metadata": {} });
    send(out, "payment_intent.succeeded", at, intent, Tells::NOTHING);
    if let Some(id) = paid.receipt() {
        receipt(out, paid, &id);
    }
    if paid.charges == Charges::Hold && out.act.n % 2 == 0 {
        let charge = charge(out, paid, at, 0, 0);
        send(out, "charge.refunded", at, charge, Tells::NOTHING);
    }
}

/// The invoice that a checkout lets be made for its payment, and what ties the two.
fn receipt(out: &mut Out<'_>, paid: &Paid, id: &str) {
    let mut object = json!({
        "id": id, "object": "invoice", "amount_due": paid.minor, "amount_paid": paid.minor, "amount_remaining": 0, "total": paid.minor,
        "subtotal": paid.minor, "currency": paid.currency, "billing_reason": "manual", "starting_balance": 0,
        "customer": out.payer().customer, "customer_email": out.life.spelled(out.act), "customer_name": name(out), "metadata": {},
        "status": "paid", "status_transitions": { "paid_at": out.act.at }, "total_excluding_tax": paid.minor, "created": out.act.at + 1,
        "lines": { "object": "list", "data": [{ "id": format!("il_{id}"), "object": "line_item", "amount": paid.minor,
            "currency": paid.currency, "metadata": {} }] },
    });
    let new_shape = out.payer().new_shape;
    if !new_shape {
        object["payment_intent"] = json!(paid.bill);
        object["paid"] = json!(true);
    }
    send(out, "invoice.paid", out.act.at + 2, object, Tells::EMAIL);
    if new_shape {
        link(out, id, &paid.bill, paid.minor, paid.currency);
    }
}

fn link(out: &mut Out<'_>, invoice: &str, intent: &str, minor: i64, currency: &str) {
    let object = json!({ "id": format!("inpay_{intent}"), "object": "invoice_payment", "invoice": invoice, "status": "paid",
        "amount_paid": minor, "currency": currency, "payment": { "type": "payment_intent", "payment_intent": intent },
        "status_transitions": { "paid_at": out.act.at } });
    send(out, "invoice_payment.paid", out.act.at, object, Tells::NOTHING);
}

/// An invoice of a subscription.
struct Bill<'a> {
    id: &'a str,
    sub: &'a str,
    minor: i64,
    subtotal: i64,
    currency: &'a str,
    lines: Vec<Line>,
    first: bool,
    paid: bool,
}

fn paid_invoice(out: &mut Out<'_>, paid: &Paid) {
    let sub = paid.sub.as_deref().expect("a subscription");
    let first = paid.why == Why::First;
    let bill = Bill {
        id: &paid.bill,
        sub,
        minor: paid.minor,
        subtotal: paid.minor + if paid.lines == Lines::Beside { paid.own_part() } else { 0 },
        currency: paid.currency,
        lines: lines::of(paid),
        first,
        paid: true,
    };
    let object = invoice(out, &bill);
    let late = i64::from(out.act.n % 2 == 0);
    send(out, "invoice.paid", out.act.at + late, object.clone(), Tells::ALL);
    if paid.twice {
        send(out, "invoice.payment_succeeded", out.act.at + late, object, Tells::ALL);
    }
    if out.payer().new_shape && paid.linked {
        for (n, minor) in paid.charged().into_iter().enumerate() {
            link(out, &paid.bill, &paid.intent(n), minor, paid.currency);
        }
    }
}

fn invoice(out: &Out<'_>, bill: &Bill<'_>) -> Value {
    let payer = out.payer();
    let paid_minor = if bill.paid { bill.minor } else { 0 };
    let reason = if bill.first { "subscription_create" } else { "subscription_cycle" };
    let mut object = json!({
        "id": bill.id, "object": "invoice", "amount_due": bill.minor, "amount_paid": paid_minor, "amount_remaining": bill.minor - paid_minor,
        "total": bill.minor, "subtotal": bill.subtotal, "currency": bill.currency, "billing_reason": reason, "starting_balance": 0,
        "customer": payer.customer, "customer_email": out.life.spelled(out.act), "customer_name": name(out), "metadata": {},
        "status": if bill.paid { "paid" } else { "open" }, "status_transitions": { "paid_at": bill.paid.then_some(out.act.at) },
        "total_excluding_tax": bill.minor, "created": out.act.at - 5,
    });
    let details = json!({ "metadata": metadata(out), "subscription": bill.sub });
    if payer.new_shape {
        object["parent"] = json!({ "type": "subscription_details", "subscription_details": details });
    } else {
        object["subscription"] = json!(bill.sub);
        object["subscription_details"] = json!({ "metadata": metadata(out) });
        object["paid"] = json!(bill.paid);
        object["payment_intent"] = json!(format!("pi_{}", bill.id));
        object["charge"] = json!((bill.paid && bill.minor > 0).then(|| format!("ch_{}", bill.id)));
    }
    object["lines"] = lines::list(&bill.lines, payer, bill.id, bill.sub, bill.currency);
    object
}

fn stands(out: &mut Out<'_>, sub: &str, word: Word, price: Price, trial_end: Option<i64>) {
    let (kind, status) = match word {
        Word::Incomplete => ("customer.subscription.created", "incomplete"),
        Word::Trialing => ("customer.subscription.created", "trialing"),
        Word::Active | Word::Ending => ("customer.subscription.updated", "active"),
        Word::IncompleteExpired => ("customer.subscription.updated", "incomplete_expired"),
        Word::PastDue => ("customer.subscription.updated", "past_due"),
        Word::Unpaid => ("customer.subscription.updated", "unpaid"),
        Word::Paused => ("customer.subscription.paused", "paused"),
        Word::Resumed => ("customer.subscription.resumed", "active"),
        Word::Ended => ("customer.subscription.deleted", "canceled"),
    };
    let item = json!({ "id": "si_x", "price": { "id": price_id(price, true), "product": "prod_x", "unit_amount": 100 }, "quantity": 1 });
    let object = json!({
        "id": sub, "object": "subscription", "status": status, "customer": out.payer().customer, "metadata": metadata(out),
        "cancel_at_period_end": word == Word::Ending, "items": { "object": "list", "data": [item] }, "trial_end": trial_end,
        "latest_invoice": null, "created": out.act.at,
    });
    send(out, kind, out.act.at, object, Tells::CODE);
}

/// A refund or dispute, and of what.
struct Back {
    bill: String,
    id: String,
    charge: usize,
}

/// A payment's charge, of which so much was refunded.
fn charge(out: &Out<'_>, paid: &Paid, paid_at: i64, n: usize, refunded: i64) -> Value {
    let (minor, intent, never_taken) = (paid.charged()[n], paid.intent(n), paid.never_taken());
    let mut charge = json!({
        "id": format!("ch_{intent}"), "object": "charge", "amount": minor + never_taken, "amount_captured": minor,
        "amount_refunded": refunded + never_taken, "refunded": refunded >= minor, "captured": true, "currency": paid.currency,
        "customer": out.payer().customer, "payment_intent": intent, "created": paid_at - 2,
        "billing_details": { "email": null, "name": null },
    });
    if !out.payer().new_shape && paid.sub.is_some() {
        charge["invoice"] = json!(paid.bill);
    }
    charge
}

fn refund(out: &mut Out<'_>, of: &Back, minor: i64, fate: Fate) {
    let (paid_act, paid) = out.life.paid(out.act.payer, &of.bill).expect("a payment");
    let (intent, currency) = (paid.intent(of.charge), paid.currency);
    let so_far = refunded_so_far(out.life, out.act, &of.bill, of.charge);
    let refund = |status: &str| {
        json!({ "id": of.id, "object": "refund", "amount": minor, "currency": currency, "charge": format!("ch_{intent}"),
        "payment_intent": intent, "status": status })
    };
    let charge = charge(out, paid, paid_at(paid_act, paid), of.charge, so_far);
    let (begin, later) = (out.act.at, out.act.at + 2 * DAY);
    let (first, charged, last) = match fate {
        Fate::Done | Fate::Reinstated => ("succeeded", true, None),
        Fate::SlowlyDone => ("pending", true, Some(("refund.updated", "succeeded"))),
        Fate::Failed => ("pending", out.act.n % 2 == 0, Some(("refund.failed", "failed"))),
        Fate::DoneThenFailed => ("succeeded", true, Some(("refund.failed", "failed"))),
        Fate::Open => ("pending", false, None),
    };
    send(out, "refund.created", begin, refund(first), Tells::NOTHING);
    if charged {
        send(out, "charge.refunded", begin, charge, Tells::NOTHING);
    }
    if let Some((kind, status)) = last {
        send(out, kind, later, refund(status), Tells::NOTHING);
    }
}

/// A refund that is told in another currency than the payment.
fn refund_elsewhere(out: &mut Out<'_>, bill: &str, id: &str, minor: i64) {
    let (_, paid) = out.life.paid(out.act.payer, bill).expect("a payment");
    let intent = paid.intent(0);
    let refund = json!({ "id": id, "object": "refund", "amount": minor, "currency": FOREIGN, "charge": format!("ch_{intent}"),
        "payment_intent": intent, "status": "succeeded" });
    send(out, "refund.created", out.act.at, refund, Tells::NOTHING);
}

fn dispute(out: &mut Out<'_>, of: &Back, fate: Fate) {
    let (_, paid) = out.life.paid(out.act.payer, &of.bill).expect("a payment");
    let (minor, intent, currency) = (paid.charged()[of.charge], paid.intent(of.charge), paid.currency);
    let dispute = |status: &str| {
        json!({ "id": of.id, "object": "dispute", "amount": minor, "currency": currency, "charge": format!("ch_{intent}"),
        "payment_intent": intent, "status": status })
    };
    let inquiry = fate == Fate::Failed && out.act.n % 2 == 0;
    let (opened, closed) = match (fate, inquiry) {
        (_, true) => ("warning_needs_response", Some("warning_closed")),
        (Fate::Failed, false) => ("needs_response", Some("won")),
        (Fate::Done | Fate::Reinstated, false) => ("needs_response", Some("lost")),
        (Fate::Open | Fate::SlowlyDone | Fate::DoneThenFailed, false) => ("needs_response", None),
    };
    let at = out.act.at;
    send(out, "charge.dispute.created", at, dispute(opened), Tells::NOTHING);
    if let Some(status) = closed {
        send(out, "charge.dispute.closed", at + 3 * DAY, dispute(status), Tells::NOTHING);
    }
    if fate == Fate::Reinstated {
        let mut lost = dispute("lost");
        lost["balance_transactions"] =
            json!([{ "amount": -minor, "currency": currency }, { "amount": minor / 10, "currency": currency }]);
        send(out, "charge.dispute.funds_reinstated", at + 3 * DAY + 60, lost, Tells::NOTHING);
    }
}
