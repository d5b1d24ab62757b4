//! Ending and starting again: what was on disk goes on, nothing twice, nothing less.

use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::samples::{Sale, charge, sample};
use crate::kit::until;
use crate::kit::world::{Setup, World};

async fn everything(world: &World) -> (Vec<Value>, Vec<Value>) {
    (world.all("events", "").await, world.all("deliveries", "").await)
}

in_both! {
    a_restart_in_the_middle_keeps_everything
    a_call_that_is_on_its_way_is_finished_before_the_end
    events_that_nobody_had_read_are_read_after_the_start
    an_endpoint_that_is_gone_leaves_its_events_explained
}

async fn a_restart_in_the_middle_keeps_everything(new: fn() -> Setup) {
    let mut world = new().start().await;
    let (ada, bola, chidi, dayo) = (world.email("ada"), world.email("bola"), world.email("chidi"), world.email("dayo"));
    // Delivered; held for its day; retrying; waiting for a code; waiting for its customer; ignored.
    world.stripe(&Sale::new("s1", &ada, world.ago(60)).code("ADA10").event()).await;
    world.idle().await;
    world.stripe(&Sale::new("s2", &ada, world.ago(30)).event()).await;
    world.fault(&json!({ "status": 503, "email": bola, "times": 3 }).to_string());
    world.paystack(&charge("ref1", &bola, 500_000, "BAYO15", world.ago(60))).await;
    world.stripe(&Sale::new("s3", &chidi, world.ago(5)).first().event()).await;
    let mut nameless = Sale::new("s4", &dayo, world.ago(60)).event();
    nameless["data"]["object"]["customer_email"] = Value::Null;
    world.stripe(&nameless).await;
    world
        .stripe(&json!({ "id": "evt_odd", "object": "event", "type": "odd.thing", "created": 1, "livemode": true,
        "data": { "object": { "id": "odd_1", "object": "odd" } } }))
        .await;
    world.idle().await;
    let before = everything(&world).await;
    let states: Vec<&str> = before.1.iter().map(|d| d["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["delivered", "delivered", "held", "queued", "queued", "queued"]);
    for _ in 0..3 {
        world.restart().await;
        world.idle().await;
        assert_eq!(everything(&world).await, before);
    }
    // A repetition is recognised, and what was missing still fits.
    let again = world.signed(refairn_bridge::domain::provider::ProviderKind::Stripe, nameless.to_string().as_bytes());
    assert_eq!(again.send(world.addr()).await.json()["duplicate"], true);
    let mut customer = sample("stripe/_sequence/first-sale/01-customer-created.json");
    customer["id"] = json!("evt_customer");
    customer["data"]["object"]["id"] = json!("cus_s4");
    customer["data"]["object"]["email"] = json!(dayo);
    world.stripe(&customer).await;
    world.drive(Duration::from_secs(60)).await;
    for email in [&bola, &chidi, &dayo] {
        let all = world.deliveries_to(email).await;
        assert!(!all.is_empty() && all.iter().all(|d| d["state"] == "delivered"), "{all:?}");
    }
    assert_eq!(world.sandbox.look(|book| (book.payments().len(), book.commissions().len())), (4, 2));
    world.end().await;
}

async fn a_call_that_is_on_its_way_is_finished_before_the_end(new: fn() -> Setup) {
    let mut world = new().start().await;
    let email = world.email("ada");
    world.fault(r#"{"on":"customer-created","delay_ms":400}"#);
    world.stripe(&Sale::new("s1", &email, world.ago(60)).code("ADA10").event()).await;
    until("the call is on its way", async || (world.sandbox.calls().len() == 1).then_some(())).await;
    world.restart().await;
    world.idle().await;
    let attempts: Vec<_> =
        world.deliveries_to(&email).await.iter().map(|d| (d["state"].clone(), d["attempts"].clone())).collect();
    assert_eq!(attempts, vec![(json!("delivered"), json!(1)); 2]);
    world.end().await;
}

async fn events_that_nobody_had_read_are_read_after_the_start(new: fn() -> Setup) {
    let mut world = new().start().await;
    // Posted and ended at once: some of these are recorded and not read yet.
    for n in 0..30 {
        world.stripe(&Sale::new(&format!("s{n}"), &world.email(&format!("c{n}")), world.ago(60)).event()).await;
    }
    world.restart().await;
    world.idle().await;
    assert_eq!(world.sandbox.look(|book| book.payments().len()), 30);
    let all = world.all("deliveries", "").await;
    assert!(all.len() == 30 && all.iter().all(|d| d["state"] == "delivered" && d["attempts"] == 1), "{all:?}");
    world.end().await;
}

async fn an_endpoint_that_is_gone_leaves_its_events_explained(new: fn() -> Setup) {
    let setup = new();
    let secret = format!("whsec_w{}_new", setup.n);
    let mut world = setup.start().await;
    world.fault(r#"{"status":503,"times":1}"#);
    world.stripe(&Sale::new("s1", &world.email("ada"), world.ago(60)).event()).await;
    world.idle().await;
    world.config.endpoints.retain(|e| e.name != "stripe");
    world.restart().await;
    world.drive(Duration::from_secs(5)).await;
    // What was planned goes out; nothing new is taken.
    assert_eq!(world.sandbox.look(|book| book.payments().len()), 1);
    let body = Sale::new("s2", &world.email("bola"), world.ago(60)).event().to_string();
    let stripe = refairn_bridge::providers::provider(refairn_bridge::domain::provider::ProviderKind::Stripe);
    let header = stripe.sign(&secret, body.as_bytes(), world.now());
    let request = super::kit::wire::Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", header);
    request.body(body.as_bytes()).send(world.addr()).await.is_problem(404, "unknown_endpoint");
    world.end().await;
}
