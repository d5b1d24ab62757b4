//! What an operator may do, and when it makes no sense.

use std::time::Duration;

use refairn_bridge::domain::policy::SameDayPayments;
use serde_json::{Value, json};

use crate::kit::samples::{Sale, charge, refund};
use crate::kit::until;
use crate::kit::world::{Setup, World};

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
    let stripe = refairn_bridge::domain::provider::ProviderKind::Stripe;
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

in_both! {
    what_went_back_after_an_attempt_that_nobody_knows_of_is_a_persons_to_decide
    of_two_calls_for_a_day_that_nobody_knows_of_neither_is_taken_for_the_other
}

/// A payment whose attempt ends unheard and which is then refunded; gives its call.
async fn taken_back_unheard(world: &World, name: &str, drop: &str) -> Value {
    let email = world.email(name);
    world.fault(&json!({ "drop": drop, "email": email }).to_string());
    world.paystack(&charge(name, &email, 500_000, "", world.ago(60))).await;
    world.idle().await;
    world.paystack(&refund(name, 500_000)).await;
    world.drive(Duration::from_secs(600)).await;
    let held = world.deliveries_to(&email).await.remove(0);
    let found = (&held["state"], &held["reason"], &held["needs_attention"], &held["attempts"]);
    assert_eq!(found, (&json!("held"), &json!("reversed_outcome_unknown"), &json!(true), &json!(1)), "{held}");
    held
}

/// Another payment of that customer and day.
async fn pay_again(world: &World, name: &str) -> Value {
    let email = world.email(name);
    world.paystack(&charge(&format!("{name}-again"), &email, 700_000, "", world.ago(60))).await;
    world.drive(Duration::from_secs(60)).await;
    world.deliveries_to(&email).await.remove(1)
}

async fn what_went_back_after_an_attempt_that_nobody_knows_of_is_a_persons_to_decide(new: fn() -> Setup) {
    let mut world = new().key("delivery", "same_day_payments", "send").start().await;
    // Released, it goes out as it was: Refairn had it, or has it now.
    for (name, drop, state, reason) in
        [("ada", "after", "duplicate", "reversed"), ("bola", "before", "delivered", "reversed_nobody_credited")]
    {
        let held = taken_back_unheard(&world, name, drop).await;
        not_now(&world, &held, &["retry"]).await;
        let released = act(&world, &held, "release").await;
        // The call may have been made before the answer was read.
        assert_ne!(released["state"], "held", "{released}");
        assert_eq!(released["request"], held["request"], "{released}");
        world.drive(Duration::from_secs(60)).await;
        let told = world.detail(&held).await;
        assert_eq!((&told["state"], &told["reason"]), (&json!(state), &json!(reason)), "{told}");
        assert_eq!(told["request"], held["request"]);
    }
    // Discarded, its day stays taken: nobody knows of what.
    let held = taken_back_unheard(&world, "chidi", "after").await;
    assert_eq!(act(&world, &held, "discard").await["state"], "discarded");
    let again = pay_again(&world, "chidi").await;
    let found = (&again["state"], &again["reason"], &again["needs_attention"]);
    assert_eq!(found, (&json!("rejected"), &json!("day_slot_taken"), &json!(true)), "{again}");
    act(&world, &again, "release").await;
    world.drive(Duration::from_secs(86_400)).await;
    let again = world.detail(&again).await;
    assert_eq!((&again["state"], &again["request"]["paymentDate"]), (&json!("delivered"), &json!("2026-06-16")));
    world.leave.redated = 1;
    world.end().await;
}

async fn of_two_calls_for_a_day_that_nobody_knows_of_neither_is_taken_for_the_other(new: fn() -> Setup) {
    let world = new().key("delivery", "same_day_payments", "send").start().await;
    let first = taken_back_unheard(&world, "ada", "before").await;
    // The second gets through, and its answer is lost.
    world.fault(&json!({ "drop": "after", "email": world.email("ada") }).to_string());
    let second = pay_again(&world, "ada").await;
    act(&world, &first, "release").await;
    world.drive(Duration::from_secs(60)).await;
    for call in [&first, &second] {
        let call = world.detail(call).await;
        let found = (&call["state"], &call["reason"], &call["needs_attention"]);
        assert_eq!(found, (&json!("rejected"), &json!("day_slot_taken"), &json!(true)), "{call}");
        assert!(call["explanation"].as_str().expect("an explanation").contains("nobody knows"), "{call}");
    }
    // Whoever looks in Refairn finds the second.
    act(&world, &second, "discard").await;
    act(&world, &first, "release").await;
    world.drive(Duration::from_secs(86_400)).await;
    let first = world.detail(&first).await;
    assert_eq!(
        (&first["state"], &first["reason"]),
        (&json!("cancelled"), &json!("reversed_before_sending")),
        "{first}"
    );
    assert_eq!(world.sandbox.look(|book| book.payments().len()), 1);
    world.end().await;
}
