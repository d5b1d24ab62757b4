//! What is slow, down or plenty does not keep others waiting longer than it must.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::kit::samples::{Sale, charge};
use crate::kit::until;
use crate::kit::upstream::{Say, Upstream};
use crate::kit::world::{Setup, World};

/// How long a call may hang: all that a test does meanwhile takes less, on a busy machine, too.
const HANGS_MS: &str = "12000";
const SECOND: Duration = Duration::from_secs(1);
const BUSY: &str = r#"{"success":false,"message":"busy"}"#;

async fn sales(world: &World, names: impl Iterator<Item = String>) {
    for name in names {
        world.stripe(&Sale::new(&name, &world.email(&name), world.ago(60)).event()).await;
    }
}

async fn count(world: &World, state: &str) -> u64 {
    world.get("/api/v1/stats").await["deliveries"][state].as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_customers_call_hangs_others_go_on() {
    let answer = |seen: &_| match seen_name(seen).as_str() {
        "stuck" => Say::bytes("").then_silence(),
        _ => Say::success(),
    };
    let upstream = Upstream::start(answer).await;
    let setup = Setup::new().key("delivery", "concurrency", "2").key("refairn", "timeout_ms", HANGS_MS);
    let mut world = setup.upstream(&upstream.url()).start().await;
    sales(&world, std::iter::once("stuck".to_owned())).await;
    until("the call hangs", async || (upstream.seen().len() == 1).then_some(())).await;
    sales(&world, (0..20).map(|n| format!("c{n}"))).await;
    until("the others are told", async || (count(&world, "delivered").await == 20).then_some(())).await;
    assert_eq!(count(&world, "sending").await, 1, "it hangs no longer");
    until("the hanging call is cut off", async || (count(&world, "queued").await == 1).then_some(())).await;
    world.leave.open = true;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_does_not_keep_the_probe_in() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    let upstream = Upstream::start(move |seen| match seen_name(seen).as_str() {
        "stuck" => Say::bytes("").then_silence(),
        _ if is_down.load(Ordering::SeqCst) => Say::answer(503, "", BUSY),
        _ => Say::success(),
    })
    .await;
    let setup = Setup::new().key("delivery", "concurrency", "4").key("refairn", "timeout_ms", HANGS_MS);
    let mut world = setup.upstream(&upstream.url()).start().await;
    // Its call goes out before there is an outage, which would keep it in.
    sales(&world, std::iter::once("stuck".to_owned())).await;
    until("the call hangs", async || (upstream.seen().len() == 1).then_some(())).await;
    sales(&world, (0..12).map(|n| format!("c{n}"))).await;
    // Three were tried beside it, and none of them is on its way any more: they have failed.
    until("Refairn counts as down", async || {
        let failed = upstream.seen().len() > 3 && count(&world, "queued").await == 12;
        failed.then_some(())
    })
    .await;
    down.store(false, Ordering::SeqCst);
    world.pass(2 * SECOND);
    until("a probe has ended the outage", async || (count(&world, "delivered").await == 12).then_some(())).await;
    assert_eq!(count(&world, "sending").await, 1, "it hangs no longer");
    until("the hanging call is cut off", async || (count(&world, "queued").await == 1).then_some(())).await;
    world.leave.open = true;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_fail_together_are_one_outage_and_the_probe_comes_after_a_second() {
    let (down, gate) = (Arc::new(AtomicBool::new(true)), watch::Sender::new(false));
    let (is_down, closed) = (down.clone(), gate.clone());
    let upstream = Upstream::start(move |_| {
        if is_down.load(Ordering::SeqCst) { Say::answer(503, "", BUSY).behind(&closed) } else { Say::success() }
    })
    .await;
    let world = Setup::new().upstream(&upstream.url()).start().await;
    sales(&world, (0..40).map(|n| format!("c{n}"))).await;
    until("sixteen calls are under way", async || (upstream.seen().len() == 16).then_some(())).await;
    gate.send_replace(true);
    until("all of them have failed", async || (count(&world, "queued").await == 40).then_some(())).await;
    // The first two failures are no outage yet.
    let failed = upstream.seen().len();
    assert!((16..=18).contains(&failed), "{failed} calls");
    down.store(false, Ordering::SeqCst);
    let down_at = world.now();
    world.pass(SECOND);
    until("those who did not fail are told", async || (count(&world, "delivered").await >= 22).then_some(())).await;
    assert_eq!(world.now().duration_since(down_at).as_secs(), 1);
    world.drive(2 * SECOND).await;
    assert_eq!(count(&world, "delivered").await, 40);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_with_a_backlog_does_not_delay_another() {
    let (places, backlog) = (4, 300);
    let gate = watch::Sender::new(false);
    let closed = gate.clone();
    let upstream = Upstream::start(move |_| Say::success().behind(&closed)).await;
    let setup = Setup::new().key("delivery", "concurrency", &places.to_string()).upstream(&upstream.url());
    let world = setup.file(TWO_BUSINESSES).start().await;
    sales(&world, (0..backlog).map(|n| format!("c{n}"))).await;
    until("the places are taken", async || (upstream.seen().len() == places).then_some(())).await;
    let email = world.email("fresh");
    world.paystack(&charge("ref_fresh", &email, 500_000, "", world.ago(60))).await;
    until("the fresh call is planned", async || world.deliveries_to(&email).await.pop()).await;
    gate.send_replace(true);
    world.idle().await;
    let seen = upstream.seen();
    assert_eq!(seen.len(), backlog + 1);
    // Those under way, those leased before it came, and then its turn.
    let at = seen.iter().position(|s| s.email() == email).expect("it was made");
    assert!(at <= 3 * places, "{at} calls went before it");
    world.end().await;
}

/// Stripe is one business's, Paystack another's.
const TWO_BUSINESSES: &str = r#"
[[businesses]]
id = "biz_2"
api_key = "rk_live_of_the_other"
product_id = "prod_1"

[[endpoints]]
provider = "stripe"
business = "biz_1"

[[endpoints]]
provider = "paystack"
business = "biz_2"
"#;

/// The customer's name in a call.
fn seen_name(seen: &super::kit::upstream::Seen) -> String {
    seen.email().split('@').next().unwrap_or_default().to_owned()
}
