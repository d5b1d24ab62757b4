//! Look-ups from outside: the whole bridge on a port, a sandbox for Refairn, and a provider that answers as providers do.

#![allow(clippy::expect_used, clippy::panic, unreachable_pub, missing_docs, reason = "a test ends where it fails")]
#![allow(clippy::disallowed_methods, reason = "a test waits for nothing but its own outcome")]

/// Runs each of these tests with its data in SQLite, and in PostgreSQL.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::bridge::Data::Sqlite).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::bridge::Data::Postgres).await;
            })*
        }
    };
}

mod bridge;
#[path = "../kit/mod.rs"]
mod kit;
mod lines;
mod sessions;

use std::time::Duration;

use refairn_bridge::domain::audit::By;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::store::body;
use serde_json::{Value, json};

use bridge::{Bridge, customer, event, invoice, thin};
use kit::provider::{Asked, Says, error};
use kit::rules::BODY_BYTES_MAX;
use kit::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_of_an_unknown_customer_becomes_a_call_after_the_look_up() {
    let bridge = Bridge::with_key().await;
    bridge.provider.says("/v1/customers/cus_1", [Says::Object(customer("cus_1", Some("Jane@example.com")))]);
    bridge.stripe(&event("evt_1", "invoice.paid", invoice("in_1", "cus_1", None))).await;
    let calls = bridge.calls(1).await;
    assert_eq!((&calls[0]["customerEmail"], &calls[0]["amount"]), (&json!("Jane@example.com"), &json!(29.99)));
    bridge.until("invoice.paid", "mapped", None, "").await;
    // The answer is an event that says what it is.
    bridge.until("customer.updated", "ignored", Some("no_referral_code"), "").await;
    let answer =
        bridge.world.app().store().event(bridge.events("customer.updated").await[0].id).await.unwrap().unwrap();
    assert_eq!(answer.event.provider_event_id, None);
    let kept = body::decompress(&answer.body_zstd.unwrap(), BODY_BYTES_MAX).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!((&kept["id"], &kept["request"]), (&json!("lookup_cus_1"), &Value::Null));
    let lookup = json!({"path": "/v1/customers/cus_1", "at": "2026-11-20T12:00:00Z", "event": "evt_1"});
    assert_eq!(kept["lookup"], lookup);
    // Known for ever: the next payment asks nobody.
    bridge.stripe(&event("evt_2", "invoice.paid", invoice("in_2", "cus_1", None))).await;
    bridge.wait(86_400 * 2);
    bridge.until("invoice.paid", "mapped", None, "").await;
    bridge.idle().await;
    assert_eq!(bridge.provider.asked(), [Asked { path: "/v1/customers/cus_1".into(), account: None }]);
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_of_a_connected_account_finds_its_customer() {
    let bridge = Bridge::with_key().await;
    bridge.provider.says("/v1/customers/cus_1", [Says::Object(customer("cus_1", Some("jane@example.com")))]);
    let mut event = event(
        "evt_1",
        "customer.subscription.updated",
        json!({"id": "sub_1", "customer": "cus_1", "status": "past_due"}),
    );
    event["account"] = json!("acct_9");
    bridge.stripe(&event).await;
    bridge.until("customer.subscription.updated", "ignored", Some("no_payment_yet"), "").await;
    assert_eq!(bridge.provider.asked(), [Asked { path: "/v1/customers/cus_1".into(), account: Some("acct_9".into()) }]);
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thin_event_becomes_a_payment() {
    let bridge = Bridge::with_key().await;
    bridge.provider.says("/v1/invoices/in_1", [Says::Object(invoice("in_1", "cus_1", Some("jane@example.com")))]);
    let event = thin("evt_1", "v1.invoice.paid", "invoice", "in_1", "/v1/invoices/in_1");
    bridge.stripe(&event).await;
    assert_eq!(bridge.calls(1).await[0]["amount"], json!(29.99));
    bridge.until("v1.invoice.paid", "ignored", Some("looked_up"), "recorded as evt_2").await;
    bridge.until("invoice.paid", "mapped", None, "").await;
    // Sent again by Stripe, and read anew by an operator: still one payment.
    bridge.stripe(&event).await;
    let id = bridge.events("v1.invoice.paid").await[0].id;
    bridge.world.app().store().remap(id, By::admin(), bridge.world.now()).await.unwrap();
    bridge
        .stripe(&thin("evt_3", "v2.core.account.created", "v2.core.account", "acct_1", "/v2/core/accounts/acct_1"))
        .await;
    bridge.until("v2.core.account.created", "ignored", Some("not_relevant"), "").await;
    bridge.until("v1.invoice.paid", "ignored", Some("looked_up"), "recorded as evt_2").await;
    bridge.idle().await;
    assert_eq!((bridge.world.sandbox.calls().len(), bridge.events("invoice.paid").await.len()), (1, 1));
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thin_event_of_nobody_known_is_looked_up_in_two_steps() {
    let bridge = Bridge::with_key().await;
    let subscription = json!({"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active"});
    bridge.provider.says("/v1/subscriptions/sub_1", [Says::Object(subscription)]);
    bridge.provider.says("/v1/customers/cus_1", [Says::Object(customer("cus_1", Some("jane@example.com")))]);
    let url = "/v1/subscriptions/sub_1";
    bridge.stripe(&thin("evt_1", "v1.customer.subscription.created", "subscription", "sub_1", url)).await;
    bridge.until("customer.subscription.created", "ignored", Some("no_payment_yet"), "").await;
    assert_eq!(bridge.provider.asked().len(), 2);
    // A status that only thin events tell is read off the subscription, too.
    bridge.stripe(&thin("evt_2", "v1.customer.subscription.past_due", "subscription", "sub_1", url)).await;
    bridge.until("customer.subscription.updated", "ignored", Some("no_payment_yet"), "").await;
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_nobody_is_asked() {
    let bridge = Bridge::start("").await;
    bridge.stripe(&thin("evt_1", "v1.invoice.paid", "invoice", "in_1", "/v1/invoices/in_1")).await;
    bridge.stripe(&event("evt_2", "invoice.paid", invoice("in_2", "cus_1", None))).await;
    bridge.until("v1.invoice.paid", "unmappable", Some("thin_event"), "points at").await;
    bridge.until("invoice.paid", "waiting", Some("customer_unknown"), "").await;
    bridge.wait(86_400 * 30);
    bridge.idle().await;
    assert_eq!(bridge.provider.asked(), []);
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paystack_subscription_finds_its_customer() {
    let bridge = Bridge::with_key().await;
    let reply = json!({"status": true, "message": "Customer retrieved", "data": {"id": 1, "customer_code": "CUS_a",
        "email": "jane@example.com", "first_name": "Jane", "last_name": "Roe", "metadata": {"refairn_code": "AGENT1"}}});
    bridge.provider.says("/customer/CUS_a", [Says::Object(reply)]);
    let data = json!({"domain": "live", "status": "active", "subscription_code": "SUB_1", "created_at": "2026-11-20T10:00:00Z",
        "plan": {"plan_code": "PLN_1"}, "customer": {"customer_code": "CUS_a"}});
    bridge.post(ProviderKind::Paystack, &json!({"event": "subscription.create", "data": data})).await;
    let calls = bridge.calls(1).await;
    assert_eq!((&calls[0]["customerEmail"], &calls[0]["referralCode"]), (&json!("jane@example.com"), &json!("AGENT1")));
    bridge.until("subscription.create", "ignored", Some("no_payment_yet"), "").await;
    bridge.until("customer.lookup", "mapped", None, "").await;
    assert_eq!(bridge.provider.asked().len(), 1);
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_is_waited_out() {
    let bridge = Bridge::with_key().await;
    let found = Says::Object(customer("cus_1", Some("jane@example.com")));
    let trouble = [
        Says::Status(500, "<html>".into()),
        Says::HangUp,
        Says::Status(200, "<html>garbage".into()),
        error(503, "Down for a moment"),
        found,
    ];
    bridge.provider.says("/v1/customers/cus_1", trouble);
    bridge.stripe(&event("evt_1", "invoice.paid", invoice("in_1", "cus_1", None))).await;
    let notes = ["answered 500", "connection broke", "not what was asked for", "answered 503: Down for a moment"];
    for (attempt, (wait, note)) in (1..).zip([1, 2, 4, 8].into_iter().zip(notes)) {
        bridge.until("invoice.paid", "waiting", Some("customer_unknown"), note).await;
        assert_eq!(bridge.provider.times("/v1/customers/cus_1"), attempt);
        // Jitter adds up to a fifth.
        bridge.wait(wait * 2);
        bridge.until_asked("/v1/customers/cus_1", attempt + 1).await;
    }
    assert_eq!(bridge.calls(1).await[0]["customerEmail"], json!("jane@example.com"));
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_provider_is_left_alone_as_long_as_it_asks() {
    let bridge = Bridge::with_key().await;
    let found = Says::Object(customer("cus_1", Some("jane@example.com")));
    bridge.provider.says("/v1/customers/cus_1", [Says::Busy(300), found]);
    bridge.provider.says("/v1/customers/cus_2", [Says::Object(customer("cus_2", Some("john@example.org")))]);
    bridge.stripe(&event("evt_1", "invoice.paid", invoice("in_1", "cus_1", None))).await;
    bridge.until("invoice.paid", "waiting", Some("customer_unknown"), "answered 429").await;
    bridge.idle().await;
    // It asked for it, so it holds for every other question too.
    bridge.stripe(&event("evt_2", "invoice.paid", invoice("in_2", "cus_2", None))).await;
    bridge.wait(299);
    bridge.idle().await;
    assert_eq!(bridge.provider.asked().len(), 1);
    bridge.wait(61);
    bridge.calls(2).await;
    assert_eq!(bridge.provider.asked().len(), 3);
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_leaves_the_event_waiting_and_is_asked_for_a_day_later() {
    let bridge = Bridge::with_key().await;
    let answers = [
        error(404, "No such customer: 'cus_1'"),
        Says::Object(json!({"id": "cus_1", "object": "customer", "deleted": true})),
        Says::Object(customer("cus_1", None)),
        Says::Flood,
        Says::Object(customer("cus_1", Some("jane@example.com"))),
    ];
    bridge.provider.says("/v1/customers/cus_1", answers);
    bridge.stripe(&event("evt_1", "invoice.paid", invoice("in_1", "cus_1", None))).await;
    let notes = ["does not know it (404)", "was deleted", "no e-mail address", "too long"];
    for (asked, note) in (1..).zip(notes) {
        bridge.until("invoice.paid", "waiting", Some("customer_unknown"), note).await;
        bridge.wait(86_399);
        // Another event of the same customer asks no earlier.
        let id = format!("in_{}", asked + 1);
        bridge.stripe(&event(&format!("evt_{id}"), "invoice.payment_succeeded", invoice(&id, "cus_1", None))).await;
        bridge.until("invoice.payment_succeeded", "waiting", Some("customer_unknown"), note).await;
        bridge.idle().await;
        assert_eq!(bridge.provider.times("/v1/customers/cus_1"), asked);
        bridge.wait(86_400 / 5 + 1);
    }
    bridge.until("invoice.paid", "mapped", None, "").await;
    assert_eq!(bridge.provider.times("/v1/customers/cus_1"), 5);
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_key_pauses_the_endpoint_for_ten_minutes() {
    let bridge = Bridge::with_key().await;
    bridge.provider.refuses_key(true);
    bridge.provider.says("/v1/customers/cus_1", [Says::Object(customer("cus_1", Some("jane@example.com")))]);
    bridge.provider.says("/v1/customers/cus_2", [Says::Object(customer("cus_2", Some("john@example.org")))]);
    bridge.stripe(&event("evt_1", "invoice.paid", invoice("in_1", "cus_1", None))).await;
    bridge.until("invoice.paid", "waiting", Some("customer_unknown"), "answered 401").await;
    bridge.idle().await;
    bridge.stripe(&event("evt_2", "invoice.paid", invoice("in_2", "cus_2", None))).await;
    bridge.wait(599);
    bridge.idle().await;
    assert_eq!(bridge.provider.asked().len(), 1);
    // Then one question finds out whether that is over.
    bridge.wait(2);
    until("one question is asked", async || (bridge.provider.asked().len() == 2).then_some(())).await;
    bridge.idle().await;
    assert_eq!(bridge.provider.asked().len(), 2);
    bridge.provider.refuses_key(false);
    until("both payments are told", async || {
        bridge.wait(60);
        (bridge.world.sandbox.calls().len() == 2).then_some(())
    })
    .await;
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_provider_holds_up_no_webhook_and_is_asked_four_things_at_once() {
    let bridge = Bridge::with_key().await;
    for n in 0..12 {
        let found = customer(&format!("cus_{n}"), Some(&format!("jane{n}@example.com")));
        bridge.provider.says(&format!("/v1/customers/cus_{n}"), [Says::Slowly(Duration::from_millis(200), found)]);
    }
    for n in 0..12 {
        let invoice = invoice(&format!("in_{n}"), &format!("cus_{n}"), None);
        bridge.stripe(&event(&format!("evt_{n}"), "invoice.paid", invoice.clone())).await;
        bridge.stripe(&event(&format!("evt_again_{n}"), "invoice.payment_succeeded", invoice)).await;
    }
    bridge.calls(12).await;
    assert_eq!((bridge.provider.asked().len(), bridge.provider.most_at_once()), (12, 4));
    bridge.end().await;
}
