//! First payments that are heard of late: their checkout session is asked for, and the answer ends their wait.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::bridge::{Bridge, Data, event, invoice, start_time};
use crate::kit::provider::{Asked, PROVIDER_KEY, Says, error};

on_both! {
    a_session_that_is_found_brings_its_code_and_ends_the_wait
    that_there_is_no_session_ends_the_wait
    without_an_answer_the_payment_waits_as_long_as_it_was_late
    an_answer_goes_on_over_a_restart
    a_payment_without_a_subscription_is_found_by_its_intent_or_its_customer
}

const BY_SUBSCRIPTION: &str = "/v1/checkout/sessions?subscription=sub_of_cus_1&limit=1";

async fn bridge(data: Data) -> Bridge {
    Bridge::start_on(data, &format!("api_key = \"{PROVIDER_KEY}\"")).await
}

fn before(minutes: i64) -> Timestamp {
    start_time() - SignedDuration::from_mins(minutes)
}

/// A subscription's first invoice, paid so many minutes ago.
fn first_invoice(minutes: i64) -> Value {
    let mut invoice = invoice("in_1", "cus_1", Some("jane@example.com"));
    invoice["billing_reason"] = json!("subscription_create");
    invoice["status_transitions"]["paid_at"] = json!(before(minutes).as_second());
    invoice
}

fn late(event_type: &str, object: Value) -> Value {
    let mut event = event("evt_1", event_type, object);
    event["created"] = json!(before(20).as_second());
    event
}

/// A checkout session, made 30 minutes ago, that names what `of` says.
fn session(of: &[(&str, &str)], code: Option<&str>) -> Value {
    let mut session = json!({"id": "cs_1", "object": "checkout.session", "created": before(30).as_second(),
        "customer": "cus_1", "customer_details": {"email": "jane@example.com"}, "payment_status": "paid",
        "mode": "subscription", "metadata": code.map_or(json!({}), |code| json!({"refairn_code": code}))});
    for (field, id) in of {
        session[*field] = json!(id);
    }
    session
}

fn list(sessions: &[Value]) -> Says {
    Says::Object(json!({"object": "list", "data": sessions, "has_more": false, "url": "/v1/checkout/sessions"}))
}

async fn a_session_that_is_found_brings_its_code_and_ends_the_wait(data: Data) {
    let bridge = bridge(data).await;
    let found = session(&[("subscription", "sub_of_cus_1"), ("invoice", "in_1")], Some("ADA10"));
    bridge.provider.says(BY_SUBSCRIPTION, [list(&[found])]);
    let mut told = late("invoice.paid", first_invoice(20));
    told["account"] = json!("acct_9");
    bridge.stripe(&told).await;
    // No time passes.
    let calls = bridge.calls(2).await;
    assert_eq!(calls[0]["referralCode"], json!("ADA10"));
    assert_eq!((&calls[1]["amount"], &calls[1]["paymentDate"]), (&json!(29.99), &json!("2026-11-20")));
    bridge.until("checkout.session.completed", "mapped", None, "").await;
    bridge.until("invoice.paid", "mapped", None, "").await;
    // Stripe's own event of it comes after all.
    let mut event =
        event("evt_2", "checkout.session.completed", session(&[("subscription", "sub_of_cus_1")], Some("ADA10")));
    event["account"] = json!("acct_9");
    bridge.stripe(&event).await;
    bridge.wait(86_400 * 2);
    bridge.idle().await;
    assert_eq!(bridge.provider.asked(), [Asked { path: BY_SUBSCRIPTION.into(), account: Some("acct_9".into()) }]);
    assert_eq!(bridge.world.sandbox.calls().len(), 2);
    bridge.end().await;
}

async fn that_there_is_no_session_ends_the_wait(data: Data) {
    let bridge = bridge(data).await;
    bridge.provider.says(BY_SUBSCRIPTION, [list(&[])]);
    bridge.stripe(&late("invoice.paid", first_invoice(20))).await;
    assert_eq!(bridge.calls(1).await[0]["amount"], json!(29.99));
    bridge.until("checkout.session.none", "ignored", Some("no_referral_code"), "").await;
    assert_eq!(bridge.provider.asked().len(), 1);
    bridge.end().await;
}

async fn without_an_answer_the_payment_waits_as_long_as_it_was_late(data: Data) {
    let bridge = bridge(data).await;
    let another = session(&[("subscription", "sub_of_another")], Some("ADA10"));
    let answers = [error(503, "Down"), Says::HangUp, list(&[another]), Says::Object(json!({"data": {}})), Says::Flood];
    let count = answers.len();
    bridge.provider.says(BY_SUBSCRIPTION, answers);
    bridge.stripe(&late("invoice.paid", first_invoice(20))).await;
    for attempt in 1..=count {
        bridge.until_asked(BY_SUBSCRIPTION, attempt).await;
        bridge.idle().await;
        bridge.wait(2 << attempt);
    }
    bridge.idle().await;
    assert_eq!((bridge.world.sandbox.calls().len(), bridge.events("checkout.session.none").await.len()), (0, 0));
    bridge.wait(60 * 20);
    assert_eq!(bridge.calls(1).await[0]["amount"], json!(29.99));
    // It waits no more, so nobody is asked any more.
    let asked = bridge.provider.asked().len();
    bridge.wait(86_400 * 2);
    bridge.idle().await;
    assert_eq!(bridge.provider.asked().len(), asked);
    bridge.end().await;
}

async fn an_answer_goes_on_over_a_restart(data: Data) {
    let bridge = bridge(data).await;
    let found = session(&[("subscription", "sub_of_cus_1")], Some("ADA10"));
    bridge.provider.says(BY_SUBSCRIPTION, [error(503, "Down"), list(&[found])]);
    bridge.stripe(&late("invoice.paid", first_invoice(20))).await;
    bridge.until_asked(BY_SUBSCRIPTION, 1).await;
    let bridge = bridge.restart().await;
    bridge.wait(2);
    assert_eq!(bridge.calls(2).await[0]["referralCode"], json!("ADA10"));
    bridge.end().await;
}

async fn a_payment_without_a_subscription_is_found_by_its_intent_or_its_customer(data: Data) {
    let keys = format!("api_key = \"{PROVIDER_KEY}\"\none_time = \"payment_intent\"");
    let bridge = Bridge::start_on(data, &keys).await;
    let mut one_off = session(&[("payment_intent", "pi_1"), ("mode", "payment")], Some("ADA10"));
    (one_off["amount_total"], one_off["currency"]) = (json!(4000), json!("usd"));
    // Made on one day, paid on the next, asked for on a third: the payment's own day counts.
    one_off["created"] = json!(before(37 * 60).as_second());
    bridge.provider.says("/v1/checkout/sessions?payment_intent=pi_1&limit=1", [list(&[one_off])]);
    let intent = json!({"id": "pi_1", "object": "payment_intent", "customer": "cus_1", "amount_received": 4000,
        "receipt_email": "jane@example.com", "currency": "usd", "amount": 4000});
    let mut told = late("payment_intent.succeeded", intent);
    told["created"] = json!(before(13 * 60).as_second());
    bridge.stripe(&told).await;
    let calls = bridge.calls(2).await;
    assert_eq!(calls[0]["referralCode"], json!("ADA10"));
    assert_eq!((&calls[1]["amount"], &calls[1]["paymentDate"]), (&json!(40), &json!("2026-11-19")));
    // An invoice that names neither subscription nor intent is named by one of its customer's sessions.
    let mut by_hand = invoice("in_2", "cus_2", Some("john@example.org"));
    by_hand["subscription"] = Value::Null;
    by_hand["status_transitions"]["paid_at"] = json!(before(20).as_second());
    let mut own = session(&[("invoice", "in_2"), ("customer", "cus_2"), ("mode", "payment")], Some("ADA10"));
    own["customer_details"]["email"] = json!("john@example.org");
    let others = [session(&[("invoice", "in_1")], None), own];
    bridge.provider.says("/v1/checkout/sessions?customer=cus_2&limit=100", [list(&others)]);
    let mut told = late("invoice.paid", by_hand);
    told["id"] = json!("evt_2");
    bridge.stripe(&told).await;
    assert_eq!(bridge.calls(4).await[3]["customerEmail"], json!("john@example.org"));
    assert_eq!(bridge.provider.asked().len(), 2);
    bridge.end().await;
}

/// Only what waits longer than any payment is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_is_heard_in_time_or_carries_all_asks_nobody() {
    let bridge = bridge(Data::Sqlite).await;
    bridge.stripe(&event("evt_1", "invoice.paid", first_invoice(4))).await;
    bridge.until("invoice.paid", "mapped", None, "").await;
    bridge.idle().await;
    assert_eq!(bridge.world.sandbox.calls().len(), 0);
    bridge.wait(16);
    bridge.calls(1).await;
    // A renewal that is late.
    let mut renewal = first_invoice(3 * 24 * 60);
    (renewal["id"], renewal["billing_reason"]) = (json!("in_2"), json!("subscription_cycle"));
    bridge.stripe(&event("evt_2", "invoice.payment_succeeded", renewal)).await;
    bridge.calls(2).await;
    bridge.idle().await;
    assert_eq!(bridge.provider.asked(), []);
    bridge.end().await;
}

/// A key that may not read sessions keeps nothing else waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_not_read_sessions_leaves_the_payment_waiting() {
    let bridge = bridge(Data::Sqlite).await;
    bridge.provider.says(BY_SUBSCRIPTION, [error(403, "The provided key lacks a permission")]);
    bridge.stripe(&late("invoice.paid", first_invoice(20))).await;
    bridge.until_asked(BY_SUBSCRIPTION, 1).await;
    bridge.provider.says("/v1/invoices/in_9", [Says::Object(invoice("in_9", "cus_9", Some("john@example.org")))]);
    let thin = crate::bridge::thin("evt_9", "v1.invoice.paid", "invoice", "in_9", "/v1/invoices/in_9");
    bridge.stripe(&thin).await;
    assert_eq!(bridge.calls(1).await[0]["customerEmail"], json!("john@example.org"));
    bridge.wait(60 * 21);
    assert_eq!(bridge.calls(2).await[1]["customerEmail"], json!("jane@example.com"));
    bridge.end().await;
}
