//! A life's acts as Paystack sends them.

use serde_json::{Value, json};

use crate::events::{Out, Tells, price_id, rfc3339};
use crate::life::{DAY, Fate, HOUR, Paid, Place, Price, What, Why, Word};

pub(crate) fn write(out: &mut Out<'_>) {
    match out.act.what.clone() {
        What::Paid(paid) => paid_charge(out, &paid),
        What::Declined { bill, sub, minor, price, .. } => declined(out, &bill, &sub, minor, price),
        What::Stands { sub, word, price, .. } => stands(out, &sub, word, price),
        What::Refund { bill, id, minor, fate, .. } => refund(out, &bill, &id, minor, fate),
        What::Dispute { bill, id, fate, .. } => dispute(out, &bill, &id, fate),
        // Paystack has none of these.
        What::SignUp { .. } | What::Checkout { .. } | What::Free { .. } => {}
    }
}

fn send(out: &mut Out<'_>, kind: &'static str, at: i64, mut data: Value, tells: Tells) {
    data["domain"] = json!(out.payer().mode.code());
    out.send(kind, at, &json!({ "event": kind, "data": data }), tells);
}

fn customer(out: &Out<'_>) -> Value {
    json!({ "id": 1_000 + out.life.number, "customer_code": out.payer().customer, "email": out.life.spelled(out.act),
        "first_name": "Ada", "last_name": "Okafor", "phone": null, "metadata": null })
}

fn plan(price: Price) -> Value {
    json!({ "id": 7, "plan_code": price_id(price, false), "name": "A plan", "interval": "monthly" })
}

/// The merchant's metadata; a renewal has none of them.
fn metadata(out: &Out<'_>) -> Value {
    match out.act.code {
        Some((code, Place::Metadata)) => {
            json!({ "refairn_code": code, "referrer": "https://shop.example.com/?ref=NOT-A-CODE" })
        }
        Some((code, Place::OtherKey)) => json!({ "referral_code": code }),
        Some((code, Place::CustomField)) => {
            json!({ "custom_fields": [{ "display_name": "Code", "variable_name": "refairn_code", "value": code }] })
        }
        Some((code, Place::TextMetadata)) => json!(json!({ "refairn_code": code }).to_string()),
        Some((_, Place::ClientReference)) | None => {
            [json!(""), json!(null), json!(0), json!({})][usize::from(out.act.n.is_multiple_of(2)) * 3].clone()
        }
    }
}

fn paid_charge(out: &mut Out<'_>, paid: &Paid) {
    let at = out.act.at;
    let plan = if paid.sub.is_some() { plan(paid.price) } else { json!({}) };
    let charge = json!({
        "id": 9_000_000 + out.act.n, "status": "success", "reference": paid.bill, "amount": paid.minor, "currency": paid.currency,
        "paid_at": rfc3339(at), "paidAt": rfc3339(at + 1), "created_at": rfc3339(at - 30), "requested_amount": paid.minor, "fees": 100,
        "metadata": metadata(out), "authorization": { "authorization_code": "AUTH_x" }, "customer": customer(out), "plan": plan, "channel": "card",
    });
    send(out, "charge.success", at, charge, Tells::ALL);
    let (Some(sub), false) = (&paid.sub, paid.why == Why::First) else { return };
    let who = customer(out);
    let invoice = |told: bool| {
        json!({
            "invoice_code": format!("INV_{}", paid.bill), "amount": paid.minor, "status": if told { "success" } else { "pending" }, "paid": told,
            "paid_at": told.then(|| rfc3339(at)), "period_start": rfc3339(at), "created_at": rfc3339(at - 3 * DAY), "customer": who,
            "subscription": { "status": "active", "subscription_code": sub, "plan": plan },
            "transaction": if told { json!({ "reference": paid.bill, "status": "success", "amount": paid.minor, "currency": paid.currency }) } else { json!({}) },
        })
    };
    if paid.linked {
        send(out, "invoice.create", at - 3 * DAY, invoice(false), Tells::EMAIL);
    }
    if paid.twice {
        send(out, "invoice.update", at + 2, invoice(true), Tells::EMAIL);
    }
}

fn declined(out: &mut Out<'_>, bill: &str, sub: &str, minor: i64, price: Price) {
    let at = out.act.at;
    let invoice = json!({
        "invoice_code": format!("INV_{bill}"), "amount": minor, "status": "pending", "paid": false, "paid_at": null,
        "period_start": rfc3339(at), "created_at": rfc3339(at - HOUR), "customer": customer(out),
        "subscription": { "status": "active", "subscription_code": sub, "plan": plan(price) }, "transaction": {},
    });
    send(out, "invoice.payment_failed", at + 1, invoice, Tells::EMAIL);
}

fn stands(out: &mut Out<'_>, sub: &str, word: Word, price: Price) {
    let made = out
        .life
        .acts
        .iter()
        .find(|a| matches!(&a.what, What::Stands { sub: s, .. } if s == sub) && a.payer == out.act.payer);
    let made = made.map_or(out.act.at, |a| a.at);
    let (kind, status) = match word {
        Word::Ending => ("subscription.not_renew", "non-renewing"),
        Word::Ended => ("subscription.disable", if out.act.n % 3 == 0 { "complete" } else { "cancelled" }),
        _ => ("subscription.create", "active"),
    };
    let mut data = json!({
        "id": 5, "status": status, "subscription_code": sub, "amount": 100, "created_at": rfc3339(made), "plan": plan(price),
        "customer": customer(out), "next_payment_date": null,
    });
    if says_when(out.act.n) && word == Word::Ended {
        data["updated_at"] = json!(rfc3339(out.act.at));
    }
    send(out, kind, out.act.at, data, Tells::EMAIL);
}

/// Whether this act's `subscription.disable` says when it happened; most do not.
pub(crate) const fn says_when(n: u64) -> bool {
    n % 2 == 0
}

fn refund(out: &mut Out<'_>, bill: &str, id: &str, minor: i64, fate: Fate) {
    let (_, paid) = out.life.paid(out.act.payer, bill).expect("a payment");
    let amount = if out.act.n % 2 == 0 { json!(minor) } else { json!(minor.to_string()) };
    let currency = paid.currency;
    let email = out.life.spelled(out.act);
    let refund = |status: &str| {
        json!({ "status": status, "transaction_reference": bill, "refund_reference": id, "amount": amount,
        "currency": currency, "customer": { "first_name": "Ada", "last_name": "Okafor", "email": email } })
    };
    send(out, "refund.pending", out.act.at, refund("pending"), Tells::NOTHING);
    let later = out.act.at + if fate == Fate::Done { 5 } else { 2 * DAY };
    match fate {
        Fate::Done | Fate::SlowlyDone => send(out, "refund.processed", later, refund("processed"), Tells::NOTHING),
        Fate::Failed | Fate::DoneThenFailed => send(out, "refund.failed", later, refund("failed"), Tells::NOTHING),
        Fate::Open | Fate::Reinstated => {}
    }
}

fn dispute(out: &mut Out<'_>, bill: &str, id: &str, fate: Fate) {
    let (_, paid) = out.life.paid(out.act.payer, bill).expect("a payment");
    let (minor, currency, at, customer) = (paid.minor, paid.currency, out.act.at, customer(out));
    let dispute = |resolution: Option<&str>| {
        json!({
            "id": id, "refund_amount": minor, "currency": currency, "status": if resolution.is_some() { "resolved" } else { "awaiting-merchant-feedback" },
            "resolution": resolution, "transaction": { "reference": bill, "status": "success", "amount": minor, "currency": currency },
            "customer": customer, "created_at": rfc3339(at), "resolvedAt": resolution.map(|_| rfc3339(at + 2 * DAY)),
        })
    };
    send(out, "charge.dispute.create", at, dispute(None), Tells::EMAIL);
    match fate {
        Fate::Done | Fate::SlowlyDone => {
            send(out, "charge.dispute.resolve", at + 2 * DAY, dispute(Some("merchant-accepted")), Tells::NOTHING)
        }
        Fate::Failed | Fate::DoneThenFailed => {
            send(out, "charge.dispute.resolve", at + 2 * DAY, dispute(Some("declined")), Tells::NOTHING)
        }
        Fate::Open | Fate::Reinstated => {}
    }
}
