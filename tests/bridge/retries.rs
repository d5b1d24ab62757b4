//! When a call is tried again, how long, and that Refairn is spared while it is down.

use std::time::Duration;

use jiff::Timestamp;
use refairn_bridge::clock::after;
use serde_json::{Value, json};

use super::kit::samples::Sale;
use super::kit::until;
use super::kit::world::{Setup, World};

const HOUR: Duration = Duration::from_secs(3600);

/// The times between a delivery's attempts, in milliseconds.
fn pauses(delivery: &Value) -> Vec<u64> {
    let log = delivery["attempt_log"].as_array().expect("attempts");
    let at: Vec<Timestamp> = log.iter().map(|a| a["at"].as_str().expect("a time").parse().expect("a time")).collect();
    at.windows(2).map(|w| u64::try_from(w[1].duration_since(w[0]).as_millis()).expect("in order")).collect()
}

/// Lets the clock run from attempt to attempt until the only delivery to `email` has ended, or `span` is over. It goes in
/// steps of a second where Refairn counts as down, because a probe may wait longer than the call itself.
async fn run(world: &World, email: &str, span: Duration) -> Value {
    let end = after(world.now(), span);
    until("the delivery has ended", async || {
        let delivery = world.deliveries_to(email).await.pop()?;
        let due: Timestamp = delivery["due_at"].as_str()?.parse().ok()?;
        let open = ["queued", "sending"].contains(&delivery["state"].as_str()?);
        if !open || world.now() >= end {
            return Some(delivery);
        }
        if delivery["state"] == "queued" && due > world.now() {
            world.clock.set(due.min(end));
        } else if delivery["state"] == "queued" {
            world.pass(Duration::from_millis(100));
        }
        None
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_are_1_2_4_seconds_and_double_and_jitter_only_adds() {
    let world = World::new().await;
    let email = world.email("c0");
    world.fault(r#"{"status":500,"times":7}"#);
    world.stripe(&Sale::new("s0", &email, world.ago(60)).event()).await;
    let delivery = run(&world, &email, HOUR).await;
    assert_eq!(delivery["state"], "delivered");
    let pauses = pauses(&world.detail(&delivery).await);
    assert_eq!(pauses.len(), 7);
    for (n, pause) in pauses.iter().enumerate() {
        let least = 1000 << n;
        // A fifth of jitter, and the tenths of a second by which this test moves the clock.
        assert!((least..=least * 12 / 10 + 200).contains(pause), "pause {n}: {pause} ms, {pauses:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_never_gets_through_is_given_up_with_attention() {
    let world = World::new().await;
    let email = world.email("c0");
    world.fault(r#"{"status":503,"times":100000}"#);
    world.stripe(&Sale::new("s0", &email, world.ago(60)).event()).await;
    let started = world.now();
    let delivery = run(&world, &email, HOUR * 80).await;
    let found = (&delivery["state"], &delivery["reason"], &delivery["needs_attention"]);
    assert_eq!(found, (&json!("rejected"), &json!("given_up"), &json!(true)), "{delivery}");
    let took = world.now().duration_since(started).as_hours();
    assert!((72..=73).contains(&took), "{took} h");
    let detail = world.detail(&delivery).await;
    let pauses = pauses(&detail);
    assert!(pauses.iter().max().expect("pauses") <= &(1080 * 1000 + 200), "{pauses:?}");
    assert!(pauses.iter().rev().take(100).all(|p| *p >= 900_000), "{pauses:?}");
    // An operator may try again, and the hours count anew.
    world.sandbox.clear_faults();
    let id = delivery["id"].as_str().expect("an id");
    assert_eq!(world.act(&format!("/api/v1/deliveries/{id}/retry")).await.status, 200);
    assert_eq!(run(&world, &email, HOUR).await["state"], "delivered");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_pause_is_configurable() {
    let world = Setup::new().key("delivery", "retry_max_wait_s", "3").start().await;
    let email = world.email("c0");
    world.fault(r#"{"status":502,"times":6}"#);
    world.stripe(&Sale::new("s0", &email, world.ago(60)).event()).await;
    let delivery = run(&world, &email, HOUR).await;
    let pauses = pauses(&world.detail(&delivery).await);
    // From the third failure on Refairn counts as down, and is left alone for up to half a minute.
    assert!(pauses[..2].iter().all(|p| *p <= 2600) && pauses.iter().all(|p| *p <= 36_200), "{pauses:?}");
    assert_eq!(delivery["state"], "delivered");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_refairn_is_down_one_probe_goes_out_and_not_the_backlog() {
    let world = Setup::new().key("delivery", "concurrency", "4").start().await;
    world.fault(r#"{"status":503,"times":100000}"#);
    for n in 0..40 {
        world.stripe(&Sale::new(&format!("s{n}"), &world.email(&format!("c{n}")), world.ago(60)).event()).await;
    }
    let settled = async || world.get("/api/v1/stats").await["deliveries"]["sending"].as_i64().unwrap_or(0) == 0;
    until("the first calls have failed", async || (world.sandbox.calls().len() >= 3 && settled().await).then_some(()))
        .await;
    let at_first = world.sandbox.calls().len();
    assert!(at_first <= 10, "{at_first} calls before Refairn counted as down");
    // Five minutes of an outage.
    for _ in 0..150 {
        world.pass(Duration::from_secs(2));
        until("what was begun is over", async || settled().await.then_some(())).await;
    }
    let probes = world.sandbox.calls().len() - at_first;
    assert!((5..=25).contains(&probes), "{probes} calls in five minutes of an outage");
    world.sandbox.clear_faults();
    until("all are told", async || {
        world.pass(Duration::from_secs(1));
        let stats = world.get("/api/v1/stats").await;
        (stats["deliveries"]["delivered"] == 40).then_some(())
    })
    .await;
    let calls = world.sandbox.calls();
    assert_eq!(calls.iter().filter(|c| c.decided == Some(200)).count(), 40);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_customers_trouble_does_not_hold_up_others() {
    let world = World::new().await;
    let (stuck, other) = (world.email("stuck"), world.email("other"));
    world.fault(&json!({ "status": 500, "times": 2, "email": stuck }).to_string());
    world.stripe(&Sale::new("s0", &stuck, world.ago(60)).event()).await;
    world.idle().await;
    world.stripe(&Sale::new("s1", &other, world.ago(60)).event()).await;
    world.idle().await;
    assert_eq!(world.deliveries_to(&other).await[0]["state"], "delivered");
    assert_eq!(world.deliveries_to(&stuck).await[0]["state"], "queued");
    world.drive(Duration::from_secs(10)).await;
    assert_eq!(world.deliveries_to(&stuck).await[0]["state"], "delivered");
    world.end().await;
}
