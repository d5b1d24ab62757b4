//! Backfills from outside: a whole bridge on a port, a sandbox for Refairn, and a provider that lists what it has.

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

mod accounts;
mod bridge;
mod command;
mod connect;
mod doubled;
mod export;
mod installation;
mod killed;
#[path = "../kit/mod.rs"]
mod kit;
mod reconcile;
mod reversals;
mod shop;
mod sold_as;
mod told;
mod unreachable;

use std::time::Duration;

use refairn_bridge::domain::provider::ProviderKind;
use serde_json::{Value, json};

use bridge::{Bridge, Data, days_ago, sales};
use kit::wire::Reply;
use shop::Webhook;

on_both! {
    lost_webhooks_of_the_last_weeks_come_back
    lost_webhooks_of_the_last_months_come_back
    lost_webhooks_of_paystack_come_back
    what_is_known_changes_nothing
    what_is_discarded_leaves_nothing
    a_bridge_that_stops_goes_on_where_it_was
}

/// Every so many webhooks of the tests are lost.
const LOST_EVERY: usize = 3;
/// Refairn is down, for as long as nothing else is said.
const DOWN: &str = r#"{"status":503,"times":100000}"#;

/// What Refairn holds after all webhooks came, but for those that were lost, and a backfill if there is one.
async fn told(data: Data, kind: ProviderKind, days: i64, loses: bool) -> (Vec<Value>, Option<Value>) {
    let bridge = Bridge::start(data).await;
    bridge.world.fault(DOWN);
    let sales = sales(&bridge, 28, days);
    let mut webhooks: Vec<Webhook> = sales
        .iter()
        .flat_map(|sale| match kind {
            ProviderKind::Stripe => sale.at_stripe(&bridge.provider),
            ProviderKind::Paystack => sale.at_paystack(&bridge.provider),
        })
        .collect();
    webhooks.sort_by_key(|webhook| webhook.at);
    let heard: Vec<&Webhook> = webhooks
        .iter()
        .enumerate()
        .filter(|(n, _)| !loses || n % LOST_EVERY != 1)
        .map(|(_, webhook)| webhook)
        .collect();
    bridge.hear(kind, &heard).await;
    let mut summary = None;
    if loses {
        let listed = bridge.list(kind, days_ago(days + 5)).await;
        assert!(bridge.held().is_empty(), "nothing is told before that");
        summary = Some(listed["summary"].clone());
        bridge.record(&listed).await;
    }
    bridge.world.sandbox.clear_faults();
    bridge.drive().await;
    let held = bridge.held();
    bridge.end().await;
    (held, summary)
}

/// The payments and leads, without changes of status and without how a subscription stood.
fn money(held: &[Value]) -> Vec<Value> {
    let mut money: Vec<Value> = held.iter().filter(|item| item["amount"] != "0").cloned().collect();
    for item in &mut money {
        item.as_object_mut().expect("an object").remove("status");
    }
    money
}

async fn lost_webhooks_of_the_last_weeks_come_back(data: Data) {
    let (all, _) = told(data, ProviderKind::Stripe, 25, false).await;
    let (back, summary) = told(data, ProviderKind::Stripe, 25, true).await;
    assert!(all.len() > 30, "{all:?}");
    assert_eq!(back, all, "{summary:?}");
}

async fn lost_webhooks_of_the_last_months_come_back(data: Data) {
    let (all, _) = told(data, ProviderKind::Stripe, 100, false).await;
    let (back, summary) = told(data, ProviderKind::Stripe, 100, true).await;
    assert!(all.len() > 30, "{all:?}");
    // How a subscription stood then no list tells.
    assert_eq!(money(&back), money(&all), "{summary:?}");
}

async fn lost_webhooks_of_paystack_come_back(data: Data) {
    let (all, _) = told(data, ProviderKind::Paystack, 100, false).await;
    let (back, summary) = told(data, ProviderKind::Paystack, 100, true).await;
    assert!(all.len() > 30, "{all:?}");
    assert_eq!(back, all, "{summary:?}");
}

async fn what_is_known_changes_nothing(data: Data) {
    for kind in [ProviderKind::Stripe, ProviderKind::Paystack] {
        let bridge = Bridge::start(data).await;
        let sales = sales(&bridge, 14, 100);
        let webhooks: Vec<Webhook> = sales
            .iter()
            .flat_map(|sale| match kind {
                ProviderKind::Stripe => sale.at_stripe(&bridge.provider),
                ProviderKind::Paystack => sale.at_paystack(&bridge.provider),
            })
            .collect();
        bridge.hear(kind, &webhooks.iter().collect::<Vec<_>>()).await;
        // Changes of status wait for their day to be over.
        bridge.world.drive(Duration::from_secs(2 * 86_400)).await;
        let (before, deliveries) = (bridge.held(), bridge.world.all("deliveries", "").await.len());
        let listed = bridge.list(kind, days_ago(110)).await;
        let calls = listed["summary"]["calls"].as_array().expect("calls");
        let new =
            calls.iter().filter(|call| ["told", "held", "changed"].contains(&call["fate"].as_str().expect("a fate")));
        assert_eq!(new.count(), 0, "{listed}");
        // Somebody records it all the same.
        bridge.record(&listed).await;
        bridge.drive().await;
        assert_eq!(bridge.held(), before);
        assert_eq!(bridge.world.all("deliveries", "").await.len(), deliveries);
        for event in bridge.world.all("events", "origin=backfill").await {
            let says_it_again = event["type"].as_str().is_some_and(|kind| kind.starts_with("refund"));
            assert!(says_it_again || event["state"] != "mapped", "{event}");
            assert_eq!(event["needs_attention"], false, "{event}");
        }
        bridge.end().await;
    }
}

async fn what_is_discarded_leaves_nothing(data: Data) {
    let bridge = Bridge::start(data).await;
    for sale in sales(&bridge, 10, 25) {
        sale.at_stripe(&bridge.provider);
    }
    let listed = bridge.list(ProviderKind::Stripe, days_ago(30)).await;
    let told = listed["summary"]["calls"].as_array().expect("calls").iter().find(|call| call["kind"] == "payment");
    assert!(told.is_some_and(|sum| sum["fate"] == "told"), "{listed}");
    bridge.discard(&listed).await;
    let over = bridge.world.act(&format!("/api/v1/backfills/{}/record", listed["id"].as_str().expect("an id"))).await;
    assert_eq!((over.status, over.json()["code"].as_str()), (409, Some("not_now")));
    bridge.drive().await;
    assert_eq!(bridge.world.all("events", "").await.len(), 0);
    assert!(bridge.held().is_empty());
    // What was discarded can be listed anew.
    let again = bridge.list(ProviderKind::Stripe, days_ago(30)).await;
    assert_ne!(again["id"], listed["id"]);
    assert_eq!(again["summary"], listed["summary"]);
    bridge.discard(&again).await;
    bridge.end().await;
}

async fn a_bridge_that_stops_goes_on_where_it_was(data: Data) {
    let mut bridge = Bridge::start(data).await;
    for sale in sales(&bridge, 130, 100) {
        sale.at_stripe(&bridge.provider);
    }
    let begun = bridge.begin(ProviderKind::Stripe, days_ago(110)).await;
    let id = begun["id"].as_str().expect("an id").to_owned();
    for state in ["listing", "weighing"] {
        bridge.until(&id, &[state, "ready"]).await;
        bridge.world.restart().await;
        let again = bridge.begin(ProviderKind::Stripe, days_ago(110)).await;
        assert_eq!(again["id"], begun["id"], "it is not begun anew");
    }
    let listed = bridge.until(&id, &["ready", "failed"]).await;
    assert_eq!(listed["state"], "ready", "{listed}");
    let requests = listed["requests"].as_u64().expect("a number");
    let asked = u64::try_from(bridge.provider.lists(|lists| lists.requests)).expect("a number");
    assert!(asked - requests <= 2, "a page is asked for once more for each stop: {asked} and {requests}");
    bridge.world.act(&format!("/api/v1/backfills/{id}/record")).await;
    bridge.world.restart().await;
    assert_eq!(bridge.until(&id, &["done", "failed"]).await["state"], "done");
    bridge.drive().await;
    let held = bridge.held();
    let payments: Vec<&Value> = held.iter().filter(|item| item["paid"].is_string() && item["amount"] != "0").collect();
    let told = listed["summary"]["calls"].as_array().expect("calls").iter();
    let told: u64 =
        told.filter(|c| c["kind"] == "payment" && c["fate"] == "told").filter_map(|c| c["count"].as_u64()).sum();
    assert_eq!(u64::try_from(payments.len()).expect("a number"), told, "{listed}");
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_busy_or_fails_is_asked_again() {
    let bridge = Bridge::start(Data::Sqlite).await;
    for sale in sales(&bridge, 120, 100) {
        sale.at_stripe(&bridge.provider);
    }
    bridge.provider.lists(|lists| (lists.busy_every, lists.fails_every) = (Some(3), Some(4)));
    let listed = bridge.list(ProviderKind::Stripe, days_ago(110)).await;
    bridge.provider.lists(|lists| (lists.busy_every, lists.fails_every) = (None, None));
    bridge.discard(&listed).await;
    let calm = bridge.list(ProviderKind::Stripe, days_ago(110)).await;
    assert_eq!(listed["summary"]["calls"], calm["summary"]["calls"]);
    bridge.discard(&calm).await;
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_not_read_a_list_is_told_which() {
    let bridge = Bridge::start(Data::Sqlite).await;
    bridge.provider.lists(|lists| lists.forbidden.insert("/v1/invoices".to_owned()));
    let begun = bridge.begin(ProviderKind::Stripe, days_ago(110)).await;
    let failed = bridge.until(begun["id"].as_str().expect("an id"), &["ready", "failed"]).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    let note = failed["note"].as_str().expect("a note");
    assert!(note.contains("may not read Invoices at Stripe") && note.contains("endpoint stripe"), "{note}");
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_comes_after_its_backfill_is_known() {
    let bridge = Bridge::start(Data::Sqlite).await;
    let webhooks: Vec<Webhook> =
        sales(&bridge, 9, 100).iter().flat_map(|sale| sale.at_stripe(&bridge.provider)).collect();
    let listed = bridge.list(ProviderKind::Stripe, days_ago(110)).await;
    bridge.record(&listed).await;
    bridge.drive().await;
    let before = bridge.held();
    let stripes_own = bridge.world.all("events", "origin=backfill").await;
    let known = |webhook: &&Webhook| stripes_own.iter().any(|event| event["provider_event_id"] == webhook.body["id"]);
    for webhook in &webhooks {
        let body = webhook.body.to_string();
        let reply: Reply = bridge.world.signed(ProviderKind::Stripe, body.as_bytes()).send(bridge.world.addr()).await;
        assert_eq!(reply.json()["duplicate"], json!(known(&webhook)), "{body}");
    }
    bridge.drive().await;
    assert_eq!(money(&bridge.held()), money(&before));
    for event in bridge.world.all("events", "type=invoice.paid&origin=webhook").await {
        assert_eq!(event["reason"], "already_reported", "{event}");
    }
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_asked_for_is_said() {
    let bridge = Bridge::start(Data::Sqlite).await;
    let check = async |query: &str, status: u16, says: &str| {
        let reply = bridge.world.act(&format!("/api/v1/backfills?{query}")).await;
        assert_eq!(reply.status, status, "{query}: {}", reply.text());
        assert!(reply.text().contains(says), "{query}: {}", reply.text());
    };
    check("provider=stripe", 400, "since is missing").await;
    check("provider=stripe&since=yesterday", 400, "such as").await;
    check("provider=stripe&since=2030-01-01", 400, "has not come yet").await;
    check("provider=stripe&since=2026-05-02&until=2026-05-01", 400, "after until").await;
    check("provider=stripe&since=2026-05-02&endpoint=other", 404, "no endpoint").await;
    check("since=2026-05-02", 400, "stripe, paystack").await;
    bridge.end().await;
}
