//! Clocks that are set while things wait, by hours and days, both ways: nothing waits for a time that was told in error,
//! and nothing goes out or goes away by it.

use std::time::Duration;

use jiff::Timestamp;
use refairn_bridge::clock::{Clock, after};
use refairn_bridge::domain::event::{Identity, NewEvent, Origin};
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::store::{Store, body};
use refairn_bridge::tasks::Pulse;
use refairn_bridge::upkeep;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::kit::place::scratch;
use crate::kit::samples::{Sale, sample};
use crate::kit::world::{Setup, World};
use crate::kit::{log, until};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

in_both! {
    what_waits_by_a_clock_that_was_ahead_goes_out_within_two_minutes
    what_waits_by_a_clock_that_was_behind_goes_out_at_once
    a_status_waits_for_its_day_whatever_the_clock_was_set_to
    a_status_waits_for_its_day_in_todays_time_zone
    a_clock_that_is_ahead_at_a_start_removes_no_body
}

/// The end of the sale's subscription.
pub(super) fn cancelled(sale: &Sale, at: Timestamp) -> Value {
    let mut event = sample("stripe/customer.subscription.deleted/canceled-after-failures-clover/body.json");
    event["id"] = json!(format!("evt_end_{}", sale.id));
    event["created"] = json!(at.as_second());
    let subscription = &mut event["data"]["object"];
    subscription["id"] = json!(format!("sub_{}", sale.id));
    subscription["customer"] = json!(format!("cus_{}", sale.id));
    subscription["canceled_at"] = json!(at.as_second());
    subscription["ended_at"] = json!(at.as_second());
    event
}

/// A first payment that waits for its code, a call that Refairn wants an hour later, and one whose route is paused.
async fn three_that_wait(world: &World) {
    let [first, later, paused] = ["first", "later", "paused"].map(|name| world.email(name));
    world.fault(&json!({ "status": 503, "retry_after": "3600", "times": 1, "email": later }).to_string());
    world.fault(&json!({ "status": 401, "times": 1, "email": paused }).to_string());
    world.stripe(&Sale::new("s1", &first, world.ago(1)).first().event()).await;
    world.stripe(&Sale::new("s2", &later, world.ago(60)).event()).await;
    reason(world, &later, "retrying").await;
    world.stripe(&Sale::new("s3", &paused, world.ago(60)).event()).await;
    reason(world, &paused, "route_paused").await;
    reason(world, &first, "waiting_for_referral_code").await;
}

async fn reason(world: &World, email: &str, reason: &str) {
    until(reason, async || world.deliveries_to(email).await.into_iter().find(|d| d["reason"] == reason)).await;
}

/// When a queued delivery is due.
fn due(delivery: &Value) -> Timestamp {
    delivery["due_at"].as_str().expect("a time").parse().expect("a time")
}

async fn what_waits_by_a_clock_that_was_ahead_goes_out_within_two_minutes(new: fn() -> Setup) {
    for ahead in [HOUR / 2, 3 * HOUR, 3 * DAY] {
        let mut world = new().start().await;
        world.pass(ahead);
        three_that_wait(&world).await;
        world.set_back(ahead);
        let right = world.now();
        world.pass(MINUTE);
        until("the waits are ended", async || {
            let queued = world.all("deliveries", "state=queued").await;
            queued.iter().all(|d| due(d) <= after(world.now(), MINUTE)).then_some(())
        })
        .await;
        world.pass(MINUTE);
        assert!(world.now() <= after(right, 2 * MINUTE));
        until("all are told", async || (world.sandbox.look(|book| book.payments().len()) == 3).then_some(())).await;
        world.idle().await;
        world.leave.refused_calls = true;
        world.end().await;
    }
}

async fn what_waits_by_a_clock_that_was_behind_goes_out_at_once(new: fn() -> Setup) {
    for behind in [3 * HOUR, 3 * DAY] {
        let mut world = new().start().await;
        world.set_back(behind);
        three_that_wait(&world).await;
        world.pass(behind);
        until("all are told", async || (world.sandbox.look(|book| book.payments().len()) == 3).then_some(())).await;
        world.idle().await;
        world.leave.refused_calls = true;
        world.end().await;
    }
}

/// Statuses that Refairn was told for an address.
fn statuses(world: &World) -> Vec<Value> {
    let calls = world.sandbox.calls().into_iter().map(|call| serde_json::from_str::<Value>(&call.body).expect("JSON"));
    calls.filter(|call| call["subscriptionStatus"] == "cancelled").collect()
}

async fn a_status_waits_for_its_day_whatever_the_clock_was_set_to(new: fn() -> Setup) {
    // It is noon; so the day is not over while the clock is ahead either.
    for (set_by, forward) in [(3 * HOUR, true), (3 * HOUR, false), (3 * DAY, false)] {
        let world = new().start().await;
        let (noon, email) = (world.now(), world.email("ada"));
        let sale = Sale::new("s1", &email, world.ago(86_400));
        let end = cancelled(&sale, world.ago(60));
        world.stripe(&sale.event()).await;
        world.idle().await;
        if forward {
            world.pass(set_by)
        } else {
            world.set_back(set_by)
        }
        world.stripe(&end).await;
        reason(&world, &email, "waiting_for_day_end").await;
        world.clock.set(noon);
        world.pass(2 * MINUTE);
        world.drive(Duration::from_secs(14 * 3600)).await;
        assert_eq!(statuses(&world).len(), 0, "three hours after the day are not over");
        world.pass(HOUR);
        until("the status is told", async || (statuses(&world).len() == 1).then_some(())).await;
        world.idle().await;
        world.end().await;
    }
}

async fn a_status_waits_for_its_day_in_todays_time_zone(new: fn() -> Setup) {
    let mut world = new().key("delivery", "time_zone", "Asia/Kathmandu").start().await;
    let email = world.email("ada");
    let sale = Sale::new("s1", &email, world.ago(86_400));
    world.stripe(&sale.event()).await;
    world.idle().await;
    world.stripe(&cancelled(&sale, world.ago(60))).await;
    reason(&world, &email, "waiting_for_day_end").await;
    // In Kathmandu the day ends at 18:15, in New York at 04:00; a status waits three hours more.
    assert_eq!(world.idle().await.map(|due| due.to_string()).as_deref(), Some("2026-06-15T21:15:00Z"));
    let zone = jiff::tz::TimeZone::get("America/New_York").expect("a zone");
    world.config.policy.time_zone = zone.clone();
    world.config.endpoints.iter_mut().for_each(|endpoint| endpoint.rules.time_zone = zone.clone());
    world.restart().await;
    world.drive(18 * HOUR).await;
    assert_eq!(statuses(&world).len(), 0, "the day of New York was over two hours ago");
    world.drive(2 * HOUR).await;
    let told = statuses(&world);
    assert_eq!((told.len(), &told[0]["paymentDate"]), (1, &json!("2026-06-15")));
    world.end().await;
}

async fn a_clock_that_is_ahead_at_a_start_removes_no_body(new: fn() -> Setup) {
    let mut world = new().start().await;
    let old = world.stripe(&Sale::new("s1", &world.email("ada"), world.ago(60)).event()).await;
    world.idle().await;
    world.pass(100 * DAY);
    world.restart().await;
    world.stripe(&Sale::new("s2", &world.email("bola"), world.ago(60)).event()).await;
    world.idle().await;
    world.restart().await;
    world.idle().await;
    world.set_back(100 * DAY);
    world.idle().await;
    world.restart().await;
    // The clock has been right for hours, and another event is the newest.
    world.stripe(&Sale::new("s3", &world.email("chi"), world.ago(60)).event()).await;
    for _ in 0..5 {
        world.pass(HOUR);
        world.idle().await;
    }
    assert!(has_body(&world, &old).await);
    // Time that passes removes it: as long as nothing comes in, nothing is old.
    world.pass(91 * DAY);
    world.idle().await;
    assert!(has_body(&world, &old).await);
    world.stripe(&Sale::new("s4", &world.email("dayo"), world.ago(60)).event()).await;
    until("the body is removed", async || {
        world.pass(HOUR);
        (!has_body(&world, &old).await).then_some(())
    })
    .await;
    world.idle().await;
    world.end().await;
}

async fn has_body(world: &World, event: &str) -> bool {
    !world.get(&format!("/api/v1/events/{event}")).await["body"].is_null()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_nobody_reads_is_told_of() {
    log::capture();
    let folder = scratch();
    let store = Store::open(&folder.path().join("bridge.db"), Policy::default()).expect("a store");
    let clock = Clock::manual("2026-06-15T12:00:00Z".parse().expect("a time"));
    let event = NewEvent {
        origin: Origin::Webhook,
        endpoint: "stripe".into(),
        provider: ProviderKind::Stripe,
        business: "biz_1".into(),
        identity: Identity {
            dedup_key: "1".into(),
            provider_event_id: None,
            event_type: "t".into(),
            snapshot_event: None,
            mode: None,
        },
        body_zstd: body::compress(b"{}").expect("compressed"),
        received_at: clock.now(),
    };
    store.record(event).await.expect("recorded");
    let first = store.first_unread().await.expect("readable").expect("an event");
    let (stop, look) = (CancellationToken::new(), format!("{first} has waited to be read for more than a minute"));
    let looking = upkeep::look_for_unread(store.clone(), clock.clone(), Pulse::new("unread"), stop.clone());
    let told = async {
        until("it is told of", async || {
            clock.set(after(clock.now(), MINUTE));
            log::line_with(&look)
        })
        .await;
        stop.cancel();
    };
    tokio::join!(looking, told);
    store.close().await;
}
