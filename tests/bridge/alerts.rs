//! What somebody has to know is told once, to each place, and never with an address in it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::kit::refairn::business;
use crate::kit::samples::{Sale, charge, refund};
use crate::kit::until;
use crate::kit::upstream::{Say, Seen, Upstream};
use crate::kit::world::{Setup, World};

const KEY: [u8; 32] = [7; 32];

in_both! {
    what_needs_a_person_is_told_once_to_each_place_and_so_is_that_nothing_does
    a_silent_endpoint_is_told_of_and_that_it_is_heard_again
    a_place_that_fails_hears_it_later_and_keeps_nobody_waiting
    a_paused_route_is_told_of_once_and_so_is_that_calls_go_out_again
    an_outage_of_refairn_is_told_of_once_whatever_restarts
    an_outage_that_keeps_a_single_customer_waiting_is_told_of_too
    an_endpoint_that_is_taken_out_of_the_configuration_is_no_recovery
    a_commission_to_reverse_is_told_of_two_days_before_its_hold_date
}

fn setup(new: fn() -> Setup, slack: &Upstream, webhook: &Upstream) -> Setup {
    new()
        .key("alerts", "slack_url", &format!("{}/services/T/B/secret", slack.url()))
        .key("alerts", "webhook_url", &format!("{}/hook", webhook.url()))
        .key("alerts", "webhook_secret", &format!("whsec_{}", STANDARD.encode(KEY)))
        .key("server", "public_url", "https://bridge.example.com")
}

async fn place() -> Upstream {
    Upstream::start(|_| Say::answer(200, "", "ok")).await
}

/// Lets the bridge look until there are so many messages, and then some more.
async fn told(world: &World, place: &Upstream, messages: usize) -> Vec<Value> {
    until(&format!("{messages} messages"), async || {
        world.pass(Duration::from_secs(20));
        (place.seen().len() >= messages).then_some(())
    })
    .await;
    for _ in 0..5 {
        world.pass(Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seen = place.seen();
    assert_eq!(seen.len(), messages, "{:?}", seen.iter().map(|seen| &seen.body).collect::<Vec<_>>());
    seen.iter().map(|seen| serde_json::from_str(&seen.body).expect("JSON")).collect()
}

/// Whether it is signed as Standard Webhooks has it.
fn is_signed(seen: &Seen) -> bool {
    let header = |name: &str| {
        let line = seen.head.lines().find(|line| line.to_lowercase().starts_with(name));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned()).expect("a header")
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).expect("a key");
    mac.update(format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), seen.body).as_bytes());
    header("webhook-signature") == format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

async fn what_needs_a_person_is_told_once_to_each_place_and_so_is_that_nothing_does(new: fn() -> Setup) {
    let (slack, webhook) = (place().await, place().await);
    let mut world = setup(new, &slack, &webhook).start().await;
    let email = world.email("hal");
    for id in ["h1", "h2"] {
        world.stripe(&Sale::new(id, &email, world.ago(2000)).event()).await;
        world.idle().await;
    }
    let held = world.deliveries_to(&email).await.into_iter().find(|d| d["state"] == "held").expect("a held one");
    let id = held["id"].as_str().expect("an id").to_owned();
    let said = told(&world, &webhook, 1).await;
    let data = &said[0]["data"];
    assert_eq!((&said[0]["type"], &data["kind"]), (&json!("alert.began"), &json!("attention")), "{said:?}");
    assert_eq!(data["link"], format!("https://bridge.example.com/deliveries/{id}"));
    assert!(data["text"].as_str().expect("a text").contains(&format!("{id} needs a person: same_day_payment")));
    let said = told(&world, &slack, 1).await;
    let link = format!("<https://bridge.example.com/deliveries/{id}|Open>");
    assert!(said[0]["text"].as_str().expect("a text").ends_with(&link), "{said:?}");
    // Another replica has nothing to look for.
    let store = world.app().store();
    assert!(
        !store.watches_alerts("another".to_owned(), Duration::from_secs(90), world.now()).await.expect("an answer")
    );
    // A restart repeats nothing; what a person decided ends it.
    world.restart().await;
    world.pass(Duration::from_secs(100));
    told(&world, &webhook, 1).await;
    world.act(&format!("/api/v1/deliveries/{id}/discard?note=paid%20twice")).await;
    let said = told(&world, &webhook, 2).await;
    assert_eq!(said[1]["type"], "alert.over");
    assert_eq!(said[1]["data"]["text"], "All well again: nothing needs a person.");
    for seen in webhook.seen().iter().chain(&slack.seen()) {
        assert!(!seen.body.contains('@') && !seen.head.contains('@'), "{}", seen.body);
    }
    assert!(webhook.seen().iter().all(is_signed));
    told(&world, &slack, 2).await;
    world.end().await;
}

async fn a_silent_endpoint_is_told_of_and_that_it_is_heard_again(new: fn() -> Setup) {
    let (slack, webhook) = (place().await, place().await);
    let world = setup(new, &slack, &webhook).key("alerts", "silent_after_h", "2").start().await;
    world.stripe(&Sale::new("s1", &world.email("ada"), world.ago(60)).event()).await;
    world.idle().await;
    told(&world, &webhook, 0).await;
    world.pass(Duration::from_secs(2 * 3600));
    let said = told(&world, &webhook, 1).await;
    assert_eq!(said[0]["data"]["text"], "No live webhook has come to endpoint stripe for 2 hours.");
    world.stripe(&Sale::new("s2", &world.email("bea"), world.ago(60)).event()).await;
    world.idle().await;
    let said = told(&world, &webhook, 2).await;
    assert_eq!(said[1]["data"]["text"], "All well again: webhooks come to endpoint stripe.");
    world.end().await;
}

/// What a place was sent, as it says of each: `began` or `over`, its kind and its item.
fn in_short(said: &[Value]) -> Vec<String> {
    let text = |of: &Value| of.as_str().expect("a text").to_owned();
    let short = |one: &Value| {
        let phase = text(&one["type"]).replace("alert.", "");
        format!("{phase} {}: {}", text(&one["data"]["kind"]), text(&one["data"]["item"]))
    };
    said.iter().map(short).collect()
}

/// No message names anybody.
fn names_nobody(places: &[&Upstream]) {
    for seen in places.iter().flat_map(|place| place.seen()) {
        let is_clean = !["@", "%40", "Name Of"].iter().any(|word| seen.body.contains(word));
        assert!(is_clean, "{}", seen.body);
    }
}

/// The last of so many messages to the first place says that all is well again, the other has heard as much, and neither whom it
/// is about.
async fn is_well_again(world: &World, places: &[&Upstream; 2], messages: usize, words: &str) {
    let said = told(world, places[0], messages).await;
    assert_eq!(said[messages - 1]["data"]["text"], format!("All well again: {words}"));
    told(world, places[1], messages).await;
    names_nobody(places);
}

async fn a_paused_route_is_told_of_once_and_so_is_that_calls_go_out_again(new: fn() -> Setup) {
    let (slack, webhook) = (place().await, place().await);
    let mut world = setup(new, &slack, &webhook).business(business("biz_1", "another key")).start().await;
    world.leave.refused_calls = true;
    for n in 0..3 {
        let email = world.email(&format!("c{n}"));
        world.stripe(&Sale::new(&format!("p{n}"), &email, world.ago(60)).event()).await;
    }
    let said = told(&world, &webhook, 1).await;
    assert_eq!(in_short(&said), ["began route_paused: route biz_1/prod_1"]);
    let link = &said[0]["data"]["link"];
    assert_eq!(link, "https://bridge.example.com/attention");
    world.restart().await;
    world.pass(Duration::from_secs(100));
    told(&world, &webhook, 1).await;
    world.sandbox.change(|book| book.set_business(business("biz_1", &format!("rk_live_w{}", world.n))));
    is_well_again(&world, &[&webhook, &slack], 2, "Refairn takes calls for biz_1/prod_1.").await;
    world.drive(Duration::from_secs(3600)).await;
    world.end().await;
}

async fn an_outage_of_refairn_is_told_of_once_whatever_restarts(new: fn() -> Setup) {
    let (slack, webhook) = (place().await, place().await);
    let mut world = setup(new, &slack, &webhook).start().await;
    world.fault(r#"{"status":503,"times":100000}"#);
    for n in 0..4 {
        let email = world.email(&format!("c{n}"));
        world.stripe(&Sale::new(&format!("d{n}"), &email, world.ago(60)).event()).await;
    }
    let said = told(&world, &webhook, 1).await;
    assert_eq!(in_short(&said), ["began refairn_down: refairn"]);
    assert_eq!(said[0]["data"]["text"], "Refairn does not answer: calls wait, and go out by themselves when it does.");
    // Who has just started has asked nobody yet, and does not say that all is well.
    for _ in 0..2 {
        world.restart().await;
        world.pass(Duration::from_secs(100));
        told(&world, &webhook, 1).await;
    }
    world.sandbox.clear_faults();
    is_well_again(&world, &[&webhook, &slack], 2, "Refairn answers.").await;
    world.drive(Duration::from_secs(3600)).await;
    world.end().await;
}

async fn an_outage_that_keeps_a_single_customer_waiting_is_told_of_too(new: fn() -> Setup) {
    let (slack, webhook) = (place().await, place().await);
    let world = setup(new, &slack, &webhook).start().await;
    world.fault(r#"{"status":503,"times":100000}"#);
    world.stripe(&Sale::new("d1", &world.email("ada"), world.ago(60)).event()).await;
    let begun = world.now();
    let said = told(&world, &webhook, 1).await;
    assert_eq!(in_short(&said), ["began refairn_down: refairn"]);
    assert!(world.now().duration_since(begun).as_secs() >= 300, "it is tried for some minutes first");
    let text = said[0]["data"]["text"].as_str().expect("a text");
    assert!(text.starts_with("Calls to Refairn fail, and none has gone through since"), "{text}");
    world.sandbox.clear_faults();
    is_well_again(&world, &[&webhook, &slack], 2, "Refairn answers.").await;
    world.drive(Duration::from_secs(3600)).await;
    world.end().await;
}

async fn an_endpoint_that_is_taken_out_of_the_configuration_is_no_recovery(new: fn() -> Setup) {
    let (slack, webhook) = (place().await, place().await);
    let mut world = setup(new, &slack, &webhook).key("alerts", "silent_after_h", "2").start().await;
    world.paystack(&charge("ref_1", &world.email("ada"), 500_000, "ADA10", world.ago(60))).await;
    world.idle().await;
    world.pass(Duration::from_secs(2 * 3600));
    let said = told(&world, &webhook, 1).await;
    assert_eq!(in_short(&said), ["began silent: silent paystack"]);
    told(&world, &slack, 1).await;
    world.config.endpoints.retain(|endpoint| endpoint.name != "paystack");
    world.restart().await;
    world.pass(Duration::from_secs(100));
    told(&world, &webhook, 1).await;
    told(&world, &slack, 1).await;
    world.end().await;
}

async fn a_commission_to_reverse_is_told_of_two_days_before_its_hold_date(new: fn() -> Setup) {
    let (slack, webhook) = (place().await, place().await);
    let mut world = setup(new, &slack, &webhook).start().await;
    let email = world.email("ada");
    world.paystack(&charge("ref_1", &email, 500_000, "ADA10", world.ago(60))).await;
    world.idle().await;
    world.paystack(&refund("ref_1", 500_000)).await;
    world.idle().await;
    let all = world.deliveries_to(&email).await;
    let call = all.iter().find(|call| call["reason"] == "reversed").expect("a call that was taken back");
    let id = call["id"].as_str().expect("an id").to_owned();
    assert_eq!(call["hold_until"], "2026-06-29", "{call}");
    told(&world, &webhook, 1).await;
    world.clock.set("2026-06-26T23:56:00Z".parse().expect("a time"));
    told(&world, &webhook, 1).await;
    world.clock.set("2026-06-27T00:00:00Z".parse().expect("a time"));
    let said = told(&world, &webhook, 2).await;
    assert_eq!(in_short(&said), [format!("began attention: attention {id}"), format!("began deadline: deadline {id}")]);
    let text = format!("The commission of {id} has to be reversed in Refairn by 2026-06-29.");
    assert_eq!(said[1]["data"]["text"], text);
    assert_eq!(said[1]["data"]["link"], format!("https://bridge.example.com/deliveries/{id}"));
    world.restart().await;
    world.pass(Duration::from_secs(24 * 3600));
    told(&world, &webhook, 2).await;
    world.act(&format!("/api/v1/deliveries/{id}/discard?note=reversed")).await;
    is_well_again(&world, &[&webhook, &slack], 3, "nothing needs a person.").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_is_told_of_once_and_so_is_that_it_has_room() {
    let (slack, webhook) = (place().await, place().await);
    let setup = setup(Setup::new, &slack, &webhook).key("alerts", "disk_free_min_mib", &(1 << 30).to_string());
    let mut world = setup.start().await;
    let said = told(&world, &webhook, 1).await;
    assert_eq!(in_short(&said), ["began disk_nearly_full: disk"]);
    let text = said[0]["data"]["text"].as_str().expect("a text");
    assert!(
        text.starts_with("The disk of the database is nearly full: ") && text.ends_with(" MiB are free."),
        "{text}"
    );
    world.restart().await;
    world.pass(Duration::from_secs(100));
    told(&world, &webhook, 1).await;
    // No test can make a disk larger: what is asked of it becomes less.
    world.config.alerts.disk_free_min_mib = 1;
    world.restart().await;
    world.pass(Duration::from_secs(100));
    is_well_again(&world, &[&webhook, &slack], 2, "the disk has room.").await;
    world.end().await;
}

async fn a_place_that_fails_hears_it_later_and_keeps_nobody_waiting(new: fn() -> Setup) {
    let calls = AtomicUsize::new(0);
    let webhook = Upstream::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0..3 => Say::answer(500, "", "not now"),
        _ => Say::answer(204, "", ""),
    })
    .await;
    let slack = place().await;
    let world = setup(new, &slack, &webhook).start().await;
    let reply = world.act("/api/v1/alerts/test?note=is%20it%20right").await;
    let expected = json!({ "places": [
        { "name": "slack", "failed": null },
        { "name": "webhook", "failed": "it answered 500" },
    ] });
    assert_eq!((reply.status, reply.json()), (200, expected), "{}", reply.text());
    world.stripe(&json!({ "id": "evt_odd", "object": "event", "type": "invoice.paid", "data": 7 })).await;
    world.idle().await;
    let said = told(&world, &slack, 2).await;
    assert!(said[1]["text"].as_str().expect("a text").contains("evt_1 needs a person"), "{said:?}");
    let said = told(&world, &webhook, 4).await;
    assert_eq!(said[3]["data"]["item"], "attention evt_1", "{said:?}");
    let ids: Vec<String> = webhook.seen()[1..].iter().map(|seen| seen.body.clone()).collect();
    assert!(ids.iter().all(|body| *body == ids[0]), "each try says the same: {ids:?}");
    assert_eq!(world.get("/api/v1/audit?decision=test_alerts").await["audit"][0]["note"], "is it right");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_nobody_is_told_and_the_log_says_what_needs_a_person() {
    let world = World::new().await;
    world.act("/api/v1/alerts/test").await.is_problem(409, "no_alerts");
    world.stripe(&json!({ "id": "evt_odd", "object": "event", "type": "invoice.paid", "data": 7 })).await;
    world.idle().await;
    until("a line of the log", async || {
        world.pass(Duration::from_secs(20));
        let lines = crate::kit::log::text();
        lines.contains("evt_1 needs a person: missing_field").then_some(())
    })
    .await;
    world.end().await;
}
