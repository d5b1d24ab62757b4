//! When a call is tried again, how long, and that Refairn is spared while it is down.

use std::time::Duration;

use jiff::Timestamp;
use refairn_bridge::clock::after;
use serde_json::{Value, json};

use crate::kit::samples::Sale;
use crate::kit::until;
use crate::kit::world::{Setup, World};

const HOUR: Duration = Duration::from_secs(3600);

/// The times between a delivery's attempts, in milliseconds.
fn pauses(delivery: &Value) -> Vec<u64> {
    let log = delivery["attempt_log"].as_array().expect("attempts");
    let at: Vec<Timestamp> = log.iter().map(|a| a["at"].as_str().expect("a time").parse().expect("a time")).collect();
    at.windows(2).map(|w| u64::try_from(w[1].duration_since(w[0]).as_millis()).expect("in order")).collect()
}

/// How often a call that is due is looked at before a second is passed: it may wait for Refairn to count as well again.
const LOOKS: u32 = 10;

/// Lets the clock run from attempt to attempt until the only delivery to `email` has ended, or `span` is over. Gives the
/// delivery, and the waits that were told after each attempt, in milliseconds.
async fn run(world: &World, email: &str, span: Duration) -> (Value, Vec<u64>) {
    let end = after(world.now(), span);
    let (mut waits, mut looks) = (Vec::new(), 0);
    let delivery = until("the delivery has ended", async || {
        let delivery = world.deliveries_to(email).await.pop()?;
        let due: Timestamp = delivery["due_at"].as_str()?.parse().ok()?;
        let open = ["queued", "sending"].contains(&delivery["state"].as_str()?);
        if !open || world.now() >= end {
            return Some(delivery);
        }
        looks += 1;
        if delivery["state"] == "queued" && due > world.now() {
            waits.push(u64::try_from(due.duration_since(world.now()).as_millis()).ok()?);
            world.clock.set(due.min(end));
            looks = 0;
        } else if delivery["state"] == "queued" && looks > LOOKS {
            world.pass(Duration::from_secs(1));
        }
        None
    })
    .await;
    (delivery, waits)
}

in_both! {
    pauses_are_1_2_4_seconds_and_double_and_jitter_only_adds
    the_longest_pause_is_configurable
    while_refairn_is_down_one_probe_goes_out_and_not_the_backlog
    one_customers_trouble_does_not_hold_up_others
    while_refairn_is_down_nothing_counts_as_on_its_way
}

async fn pauses_are_1_2_4_seconds_and_double_and_jitter_only_adds(new: fn() -> Setup) {
    let world = new().start().await;
    let email = world.email("c0");
    world.fault(r#"{"status":500,"times":7}"#);
    world.stripe(&Sale::new("s0", &email, world.ago(60)).event()).await;
    let (delivery, waits) = run(&world, &email, HOUR).await;
    assert_eq!(delivery["state"], "delivered");
    let pauses = pauses(&world.detail(&delivery).await);
    assert_eq!((waits.len(), pauses.len()), (7, 7));
    for (n, (wait, pause)) in waits.iter().zip(&pauses).enumerate() {
        let least = 1000 << n;
        assert!((least..=least * 12 / 10).contains(wait), "wait {n}: {waits:?}");
        assert!(pause >= wait, "attempt {n} was early: {pauses:?}, {waits:?}");
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
    let (delivery, waits) = run(&world, &email, HOUR * 80).await;
    let found = (&delivery["state"], &delivery["reason"], &delivery["needs_attention"]);
    assert_eq!(found, (&json!("rejected"), &json!("given_up"), &json!(true)), "{delivery}");
    let took = world.now().duration_since(started).as_hours();
    assert!((72..=73).contains(&took), "{took} h");
    assert!(waits.iter().skip(10).all(|wait| (900_000..=1_080_000).contains(wait)), "{waits:?}");
    assert!(waits.len() > 200, "{waits:?}");
    // An operator may try again, and the hours count anew.
    world.sandbox.clear_faults();
    let id = delivery["id"].as_str().expect("an id");
    assert_eq!(world.act(&format!("/api/v1/deliveries/{id}/retry")).await.status, 200);
    assert_eq!(run(&world, &email, HOUR).await.0["state"], "delivered");
    world.end().await;
}

async fn the_longest_pause_is_configurable(new: fn() -> Setup) {
    let world = new().key("delivery", "retry_max_wait_s", "3").start().await;
    let email = world.email("c0");
    world.fault(r#"{"status":502,"times":6}"#);
    world.stripe(&Sale::new("s0", &email, world.ago(60)).event()).await;
    let (delivery, waits) = run(&world, &email, HOUR).await;
    assert!(waits.len() == 6 && waits.iter().skip(2).all(|wait| (3000..=3600).contains(wait)), "{waits:?}");
    assert_eq!(delivery["state"], "delivered");
    world.end().await;
}

async fn while_refairn_is_down_one_probe_goes_out_and_not_the_backlog(new: fn() -> Setup) {
    let world = new().key("delivery", "concurrency", "4").start().await;
    world.fault(r#"{"status":503,"times":100000}"#);
    for n in 0..40 {
        world.stripe(&Sale::new(&format!("s{n}"), &world.email(&format!("c{n}")), world.ago(60)).event()).await;
    }
    until("the first calls have failed, and nothing is on its way", async || {
        let failed = world.sandbox.calls().iter().filter(|c| c.answered.is_some()).count();
        let stats = world.get("/api/v1/stats").await;
        let none = |of: &Value| of.as_i64().unwrap_or(0) == 0;
        (failed >= 3 && none(&stats["events"]["received"]) && none(&stats["deliveries"]["sending"])).then_some(())
    })
    .await;
    let at_first = world.sandbox.calls().len();
    assert!(at_first <= 10, "{at_first} calls before Refairn counted as down");
    let down_at = world.now();
    until("eight probes went out", async || {
        world.pass(Duration::from_secs(1));
        (world.sandbox.calls().len() >= at_first + 8).then_some(())
    })
    .await;
    let took = world.now().duration_since(down_at).as_secs();
    assert!(took >= 1 + 2 + 4 + 8 + 16 + 30 + 30, "eight calls in {took} s of an outage");
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

async fn one_customers_trouble_does_not_hold_up_others(new: fn() -> Setup) {
    let world = new().start().await;
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

async fn while_refairn_is_down_nothing_counts_as_on_its_way(new: fn() -> Setup) {
    let world = new().key("delivery", "concurrency", "4").start().await;
    // The first answers are late, so that all of them are queued by then.
    world.fault(r#"[{"status":503,"delay_ms":800,"times":4},{"status":503,"times":100000}]"#);
    let sales = 12;
    for n in 0..sales {
        world.stripe(&Sale::new(&format!("s{n}"), &world.email(&format!("c{n}")), world.ago(60)).event()).await;
    }
    until("Refairn counts as down", async || {
        let calls = world.sandbox.calls();
        (calls.len() >= 4 && calls.iter().all(|c| c.answered.is_some())).then_some(())
    })
    .await;
    // What is not being sent is queued, and an operator may act on it.
    until("all are queued", async || (world.get("/api/v1/stats").await["deliveries"]["queued"] == sales).then_some(()))
        .await;
    let (first, last) = (world.email("c0"), world.email(&format!("c{}", sales - 1)));
    let id = world.deliveries_to(&first).await[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(world.act(&format!("/api/v1/deliveries/{id}/discard")).await.status, 200);
    // A referral code that comes now comes in time.
    world.stripe(&Sale::new(&format!("s{}", sales - 1), &last, world.ago(60)).checkout("ADA10")).await;
    world.sandbox.clear_faults();
    world.drive(Duration::from_secs(600)).await;
    let credited: Vec<_> = world.sandbox.look(|book| book.leads().iter().map(|l| l.customer_email.clone()).collect());
    assert_eq!((credited, world.sandbox.look(|book| book.commissions().len())), (vec![last], 1));
    assert_eq!(world.sandbox.look(|book| book.payments().len()), sales - 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_by_hours_keeps_nobody_waiting_for_them_and_sends_nothing_twice() {
    let world = World::new().await;
    world.fault(r#"[{"status":503,"times":6}]"#);
    for n in 0..4 {
        world.stripe(&Sale::new(&format!("s{n}"), &world.email(&format!("c{n}")), world.ago(60)).event()).await;
    }
    // Refairn may count as down before the fourth is read.
    world.drive(Duration::ZERO).await;
    world.set_back(5 * HOUR);
    let mut minutes = 0;
    until("all are told", async || {
        minutes += 1;
        world.drive(Duration::from_secs(60)).await;
        (world.sandbox.look(|book| book.payments().len()) == 4).then_some(())
    })
    .await;
    assert!(minutes <= 30, "it took {minutes} minutes");
    assert_eq!(world.sandbox.calls().iter().filter(|call| call.decided.is_some()).count(), 4, "none was told twice");
    world.end().await;
}
