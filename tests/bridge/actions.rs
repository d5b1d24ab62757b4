//! What an operator may do, and when it makes no sense.

use std::time::Duration;

use refairn_bridge::domain::policy::SameDayPayments;
use serde_json::{Value, json};

use super::kit::samples::Sale;
use super::kit::until;
use super::kit::world::{Setup, World};

/// Acts on a delivery; gives its new state.
async fn act(world: &World, delivery: &Value, action: &str) -> Value {
    let id = delivery["id"].as_str().expect("an id");
    let reply = world.act(&format!("/api/v1/deliveries/{id}/{action}")).await;
    assert_eq!(reply.status, 200, "{action}: {}", reply.text());
    let after = reply.json();
    assert_eq!(after["id"], id);
    after
}

/// Checks that these actions are not possible now and change nothing.
async fn not_now(world: &World, delivery: &Value, actions: &[&str]) {
    let id = delivery["id"].as_str().expect("an id");
    let before = world.detail(delivery).await;
    for action in actions {
        world.act(&format!("/api/v1/deliveries/{id}/{action}")).await.is_problem(409, "not_now");
        assert_eq!(world.detail(delivery).await, before, "{action}");
    }
}

/// Two payments of one day: the second is held.
async fn held(world: &World) -> (String, Value) {
    let email = world.email("ada");
    for id in ["s1", "s2"] {
        world.stripe(&Sale::new(id, &email, world.ago(60)).event()).await;
        world.idle().await;
    }
    let held = world.deliveries_to(&email).await.remove(1);
    let found = (&held["state"], &held["reason"], &held["needs_attention"]);
    assert_eq!(found, (&json!("held"), &json!("same_day_payment"), &json!(true)), "{held}");
    (email, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_payment_is_released_to_the_next_free_day() {
    let world = World::new().await;
    let (email, held) = held(&world).await;
    not_now(&world, &held, &["retry"]).await;
    let released = act(&world, &held, "release").await;
    assert_eq!(
        (&released["state"], &released["reason"]),
        (&json!("queued"), &json!("waiting_for_free_day")),
        "{released}"
    );
    assert_eq!(
        (&released["request"]["paymentDate"], &released["needs_attention"]),
        (&json!("2026-06-16"), &json!(false))
    );
    world.drive(Duration::from_secs(86_400)).await;
    let delivered = world.deliveries_to(&email).await.remove(1);
    assert_eq!(delivered["state"], "delivered");
    not_now(&world, &delivered, &["retry", "release", "discard"]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_payment_is_discarded_and_may_be_sent_after_all() {
    let world = World::new().await;
    let (email, held) = held(&world).await;
    let discarded = act(&world, &held, "discard").await;
    let found = (&discarded["state"], &discarded["reason"], &discarded["needs_attention"]);
    assert_eq!(found, (&json!("discarded"), &json!("discarded_by_operator"), &json!(false)));
    not_now(&world, &discarded, &["release", "discard"]).await;
    // The event, repeated under another id, does not bring it back.
    let mut twin = Sale::new("s2", &email, world.ago(60)).event();
    twin["id"] = json!("evt_twin");
    world.stripe(&twin).await;
    world.drive(Duration::from_secs(2 * 86_400)).await;
    assert_eq!(world.deliveries_to(&email).await.remove(1)["state"], "discarded");
    assert_eq!(world.sandbox.calls().len(), 1);
    act(&world, &discarded, "retry").await;
    world.drive(Duration::from_secs(2 * 86_400)).await;
    let state = world.deliveries_to(&email).await.remove(1);
    assert!(["delivered", "held"].contains(&state["state"].as_str().expect("a state")), "{state}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_call_is_retried_or_discarded() {
    let world = World::new().await;
    let email = world.email("ada");
    world.fault(r#"{"status":400,"times":2}"#);
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    let rejected = world.delivery_when(&email, "rejected").await;
    act(&world, &rejected, "retry").await;
    world.idle().await;
    let rejected = world.delivery_when(&email, "rejected").await;
    assert_eq!((&rejected["attempts"], &rejected["needs_attention"]), (&json!(2), &json!(true)));
    act(&world, &rejected, "discard").await;
    assert_eq!(world.get("/api/v1/stats").await["needs_attention"], 0);
    act(&world, &rejected, "retry").await;
    world.idle().await;
    assert_eq!(world.delivery_when(&email, "delivered").await["attempts"], 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_retry_is_made_at_once_when_asked() {
    let world = World::new().await;
    let email = world.email("ada");
    world.fault(r#"{"status":429,"retry_after":3000}"#);
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    world.idle().await;
    let queued = world.delivery_when(&email, "queued").await;
    not_now(&world, &queued, &["release"]).await;
    act(&world, &queued, "retry").await;
    world.idle().await;
    assert_eq!(world.delivery_when(&email, "delivered").await["attempts"], 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_call_is_discarded_and_never_sent() {
    let world = World::new().await;
    let email = world.email("ada");
    world.fault(r#"{"status":429}"#);
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    world.idle().await;
    act(&world, &world.delivery_when(&email, "queued").await, "discard").await;
    world.drive(Duration::from_secs(3600)).await;
    assert_eq!(world.sandbox.calls().len(), 1);
    assert_eq!(world.delivery_when(&email, "discarded").await["attempts"], 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_its_way_is_left_alone() {
    let world = World::new().await;
    let email = world.email("ada");
    world.fault(r#"{"delay_ms":600}"#);
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    let sending = world.delivery_when(&email, "sending").await;
    not_now(&world, &sending, &["retry", "release", "discard"]).await;
    world.delivery_when(&email, "delivered").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_about_what_was_sent_is_acknowledged() {
    let world = World::new().await;
    let email = world.email("ada");
    world.stripe(&Sale::new("s1", &email, world.ago(60)).code("NOBODY").event()).await;
    world.idle().await;
    let lead = world.deliveries_to(&email).await.remove(0);
    let found = (&lead["state"], &lead["reason"], &lead["needs_attention"]);
    assert_eq!(found, (&json!("delivered"), &json!("referral_code_unknown"), &json!(true)), "{lead}");
    assert_eq!(world.all("deliveries", "attention=true").await.len(), 1);
    let seen = act(&world, &lead, "discard").await;
    assert_eq!((&seen["state"], &seen["needs_attention"]), (&json!("delivered"), &json!(false)), "{seen}");
    // More news of the customer does not bring the warning back.
    world.stripe(&Sale::new("s2", &email, world.ago(86_400)).event()).await;
    world.idle().await;
    assert!(world.all("deliveries", "attention=true").await.is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_read_anew_by_todays_rules() {
    let mut world = World::new().await;
    let email = world.email("ada");
    // The minimum is too high, so the sale is ignored; then it is lowered.
    let minimum = "1000".parse().expect("a number");
    let currency = "EUR".parse().expect("a currency");
    world.config.endpoints[1].rules.minimum_amount.insert(currency, minimum);
    world.config.endpoints[0].rules.minimum_amount.insert(currency, minimum);
    world.restart().await;
    let id = world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    world.idle().await;
    assert_eq!(world.get(&format!("/api/v1/events/{id}")).await["reason"], "below_minimum");
    world.config.endpoints.iter_mut().for_each(|e| e.rules.minimum_amount.clear());
    world.restart().await;
    let path = format!("/api/v1/events/{id}/remap");
    assert_eq!(world.act(&path).await.json()["id"], id);
    world.delivery_when(&email, "delivered").await;
    world.idle().await;
    // Again and again: nothing is sent twice.
    for _ in 0..3 {
        assert_eq!(world.act(&path).await.status, 200);
        until("it is read", async || {
            (world.get(&format!("/api/v1/events/{id}")).await["state"] == "mapped").then_some(())
        })
        .await;
        world.idle().await;
    }
    assert_eq!(world.sandbox.calls().len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_body_is_past_its_retention_cannot_be_read_anew() {
    let world = Setup::new().key("storage", "retention_days", "1").start().await;
    let email = world.email("ada");
    let id = world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    world.idle().await;
    // By what came in last, too, it is old enough.
    world.pass(Duration::from_secs(25 * 3600));
    world.stripe(&Sale::new("s2", &world.email("bea"), world.ago(60)).event()).await;
    until("the body is removed", async || {
        world.pass(Duration::from_secs(3600));
        world.get(&format!("/api/v1/events/{id}")).await["body"].is_null().then_some(())
    })
    .await;
    assert!(world.now().duration_since("2026-06-16T12:00:00Z".parse().expect("a time")).as_secs() >= 0);
    world.act(&format!("/api/v1/events/{id}/remap")).await.is_problem(409, "not_now");
    // A redelivery is recognised all the same.
    let stripe = refairn_bridge::domain::endpoint::ProviderKind::Stripe;
    let sale = Sale::new("s1", &email, "2026-06-15T11:59:00Z".parse().expect("a time")).event().to_string();
    assert_eq!(world.signed(stripe, sale.as_bytes()).send(world.addr()).await.json()["duplicate"], true);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_moves_by_itself_where_that_is_wished() {
    let world = Setup::new().key("delivery", "same_day_payments", "next_free_day").start().await;
    assert_eq!(world.config.policy.same_day_payments, SameDayPayments::NextFreeDay);
    let email = world.email("ada");
    for id in ["s1", "s2", "s3"] {
        world.stripe(&Sale::new(id, &email, world.ago(60)).event()).await;
        world.idle().await;
    }
    world.drive(Duration::from_secs(3 * 86_400)).await;
    let days: Vec<_> = world.deliveries_to(&email).await.iter().map(|d| d["request"]["paymentDate"].clone()).collect();
    assert_eq!(days, ["2026-06-15", "2026-06-16", "2026-06-17"]);
    assert_eq!(world.sandbox.look(|book| book.payments().len()), 3);
    world.end().await;
}
