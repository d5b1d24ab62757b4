//! A provider that cannot be asked: what is said, until when it is tried again, and how that ends.

use std::time::Duration;

use refairn_bridge::domain::provider::ProviderKind;
use serde_json::Value;

use crate::bridge::{Bridge, Data, days_ago};
use crate::installation::{Installation, day, days_ago as real_days_ago};
use crate::kit::until;
use crate::shop::Sale;

/// Lets the clock run, half a minute at a time, until the backfill is as it should be.
async fn run_until(bridge: &Bridge, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    until(&format!("{id} is so"), async || {
        let seen = bridge.world.get(&format!("/api/v1/backfills/{id}")).await;
        if is_so(&seen) {
            return Some(seen);
        }
        bridge.world.pass(Duration::from_secs(30));
        None
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_does_not_answer_is_asked_again_until_a_time_that_is_said() {
    let bridge = Bridge::start(Data::Sqlite).await;
    bridge.provider.lists(|lists| lists.fails_every = Some(1));
    let begun = bridge.begin(ProviderKind::Stripe, days_ago(20)).await;
    let id = begun["id"].as_str().expect("an id");
    let waits = until("it waits", async || {
        let seen = bridge.world.get(&format!("/api/v1/backfills/{id}")).await;
        seen["note"].is_string().then_some(seen)
    })
    .await;
    let note = "Stripe fails (the provider answered 500); it is tried again until 12:30:00 UTC";
    assert_eq!((waits["state"].as_str(), waits["note"].as_str()), (Some("listing"), Some(note)));
    let failed = run_until(&bridge, id, |seen| seen["state"] == "failed").await;
    let note = "Stripe fails (the provider answered 500); it was tried again for 30 minutes";
    assert_eq!(failed["note"], note);
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_comes_back_in_time_is_listed_to_the_end() {
    let bridge = Bridge::start(Data::Sqlite).await;
    Sale::new(1, bridge.world.email("buyer"), days_ago(10)).at_stripe(&bridge.provider);
    bridge.provider.lists(|lists| lists.fails_every = Some(1));
    let begun = bridge.begin(ProviderKind::Stripe, days_ago(20)).await;
    let id = begun["id"].as_str().expect("an id");
    let begun_at = bridge.world.now();
    run_until(&bridge, id, |_| bridge.world.now().duration_since(begun_at).as_secs() > 20 * 60).await;
    bridge.provider.lists(|lists| lists.fails_every = None);
    let ready = run_until(&bridge, id, |seen| seen["state"] == "ready" || seen["state"] == "failed").await;
    assert_eq!((ready["state"].as_str(), ready["note"].as_str()), (Some("ready"), None), "{ready}");
    bridge.discard(&ready).await;
    bridge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_is_told_what_it_waits_for_and_how_to_leave() {
    let installation = Installation::open().await;
    installation.provider.lists(|lists| lists.fails_every = Some(1));
    let since = day(real_days_ago(20));
    for args in [
        vec!["backfill", "stripe", "--since", &since, "--dry-run"],
        vec!["reconcile", "stripe", "--from", &since, "--to", &since],
    ] {
        let mut watching = installation.watch(&args, "waiting: Stripe fails (the provider answered 500); ");
        assert!(watching.addr.starts_with("it is tried again until "), "{}", watching.addr);
        watching.line_with("Ctrl-C ends the watching, and the bridge goes on");
    }
}
