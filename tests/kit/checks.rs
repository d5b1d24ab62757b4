//! What holds at the end of every test, whatever it did: each event and delivery is explained, Refairn was sent what we
//! say we sent and nothing else, and nothing private is in the log.

use std::collections::{BTreeMap, BTreeSet};

use refairn_bridge::domain::reason::{Reason, Stand};
use serde_json::Value;

use super::log;
use super::until;
use super::world::World;

/// What a test says it leaves behind.
#[derive(Debug, Default)]
pub struct Leave {
    /// Calls that have not gone out yet.
    pub open: bool,
    /// Calls the sandbox's book answered with 400, 401, 403 or 404.
    pub refused_calls: bool,
    /// Calls that were made again with another date.
    pub redated: usize,
    /// A customer was forgotten: what Refairn was told of them is not what we have any more.
    pub forgotten: bool,
}

pub async fn at_the_end(world: &World) {
    // The last ones may have come a moment ago.
    let events = until("every event is read", async || {
        let events = world.all("events", "").await;
        events.iter().all(|event| event["state"] != "received").then_some(events)
    })
    .await;
    let deliveries = world.all("deliveries", "").await;
    events.iter().for_each(event_is_explained);
    deliveries.iter().for_each(|d| delivery_is_explained(d, world.leave.open));
    if !world.leave.forgotten {
        nothing_unexpected_was_sent(world, &deliveries);
        one_payment_one_record(world, &deliveries);
    }
    nothing_private_is_logged(world);
}

pub fn event_is_explained(event: &Value) {
    if event["state"] != "mapped" {
        assert!(event["reason"].is_string(), "no reason: {event}");
        assert!(event["explanation"].as_str().is_some_and(|e| e.len() > 20), "no explanation: {event}");
    }
    stands_where_it_may(event, [Stand::Event, Stand::EventToSee]);
}

/// A reason stands on nothing but what its sentence is true of, and is to be seen only where it says so.
fn stands_where_it_may(item: &Value, [quiet, to_see]: [Stand; 2]) {
    let Some(reason) = item["reason"].as_str() else { return };
    let listed = Reason::ALL.iter().find(|listed| listed.code() == reason).expect("a reason of the list");
    let stands = listed.stands_on();
    let may = stands.contains(&to_see) || (stands.contains(&quiet) && item["needs_attention"] == false);
    assert!(may, "{reason} stands where it may not: {item}");
}

pub fn delivery_is_explained(delivery: &Value, may_be_open: bool) {
    let state = delivery["state"].as_str().expect("a state");
    let open = ["queued", "sending"].contains(&state);
    assert!(may_be_open || !open, "still open: {delivery}");
    if !open && state != "delivered" {
        assert!(delivery["reason"].is_string(), "no reason: {delivery}");
        assert!(delivery["explanation"].as_str().is_some_and(|e| e.len() > 20), "no explanation: {delivery}");
    }
    if delivery["needs_attention"] == true {
        assert!(delivery["reason"].is_string(), "no reason: {delivery}");
    }
    stands_where_it_may(delivery, [Stand::Delivery, Stand::DeliveryToSee]);
}

/// Every call that reached the sandbox is one of our deliveries, word for word.
fn nothing_unexpected_was_sent(world: &World, deliveries: &[Value]) {
    let key = |kind: &str, body: &Value| format!("{kind} {body}");
    let ours: BTreeSet<String> =
        deliveries.iter().map(|d| key(d["kind"].as_str().expect("a kind"), &d["request"])).collect();
    let mut strange = 0;
    for call in world.sandbox.calls() {
        let kind = serde_json::to_value(call.kind).expect("a kind");
        let body: Value = serde_json::from_str(&call.body).expect("a JSON body");
        strange += usize::from(!ours.contains(&key(kind.as_str().expect("a kind"), &body)));
        let refused = call.decided.is_some_and(|status| [400, 401, 403, 404].contains(&status));
        assert!(!refused || world.leave.refused_calls, "the sandbox refused {call:?}");
    }
    assert_eq!(strange, world.leave.redated, "calls that no delivery tells of");
}

/// One payment is one record at Refairn: each of ours that got through is there once, with its amount.
fn one_payment_one_record(world: &World, deliveries: &[Value]) {
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    world.sandbox.look(|book| {
        for p in book.payments() {
            let key = format!(
                "{} {} {} {}",
                p.customer_email.to_lowercase(),
                p.payment_date,
                p.amount.normalize(),
                p.currency
            );
            *there.entry(key).or_default() += 1;
        }
    });
    assert!(there.values().all(|n| *n == 1), "{there:?}");
    let told = deliveries.iter().filter(|d| d["kind"] == "payment-succeeded" && d["state"] == "delivered");
    for d in told.filter(|_| world.has_sandbox()) {
        let r = &d["request"];
        let amount: rust_decimal::Decimal = r["amount"].to_string().parse().expect("an amount");
        let text = |field: &str| r[field].as_str().expect("a text").to_owned();
        let email = text("customerEmail").to_lowercase();
        let key = format!("{email} {} {} {}", text("paymentDate"), amount.normalize(), text("currency"));
        assert_eq!(there.remove(&key), Some(1), "not at Refairn, or told twice: {d}");
    }
}

fn nothing_private_is_logged(world: &World) {
    let n = world.n;
    let private = [
        format!("@w{n}.example.com"),
        format!("whsec_w{n}_"),
        format!("sk_live_w{n}\""),
        format!("rk_live_w{n}"),
        format!("admin-token-of-world-{n}"),
    ];
    for text in private {
        let line = log::line_with(&text);
        assert!(line.is_none(), "{text:?} is in the log: {line:?}");
    }
}
