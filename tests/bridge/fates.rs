//! What became of payments, and what waits too long, as people see it.

use std::time::Duration;

use serde_json::{Value, json};

use super::waits::cancelled;
use crate::kit::samples::{Sale, sample};
use crate::kit::until;
use crate::kit::world::{Setup, World};

in_both! {
    a_payment_says_whom_it_credits_or_why_nobody
    what_tests_come_to_is_counted_apart
    a_payment_of_which_nobody_is_known_is_told_of_after_a_day_and_goes_on_by_itself
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

async fn payment_to(world: &World, email: &str) -> Value {
    until("the payment is told", async || {
        let found = world.deliveries_to(email).await;
        found.into_iter().find(|d| d["kind"] == "payment-succeeded" && d["fate"].is_string())
    })
    .await
}

/// The metric's value by this label, as a scraper reads it.
async fn metric(world: &World, line: &str) -> Option<String> {
    let text = world.admin("GET", "/metrics").send(world.addr()).await.text();
    text.lines().find_map(|found| found.strip_prefix(line).map(|value| value.trim().to_owned()))
}

async fn a_payment_says_whom_it_credits_or_why_nobody(new: fn() -> Setup) {
    let world = new().start().await;
    let [ada, ben, eve] = ["ada", "ben", "eve"].map(|name| world.email(name));
    world.stripe(&Sale::new("s1", &ada, world.ago(60)).code("ADA10").event()).await;
    let sale = Sale::new("s2", &ben, world.ago(60));
    world.stripe(&sale.event()).await;
    // A change of status is not where a code is looked for.
    world.stripe(&cancelled(&sale, world.ago(30))).await;
    // A session with a user id where a code might have been.
    let mut session = Sale::new("s3", &eve, world.ago(60)).checkout("x");
    session["data"]["object"]["client_reference_id"] = json!("user_4711");
    session["data"]["object"]["metadata"] = json!({ "refairn_code": "undefined" });
    world.stripe(&session).await;
    world.stripe(&Sale::new("s3", &eve, world.ago(60)).event()).await;

    let credited = payment_to(&world, &ada).await;
    let receipt = &credited["response"];
    assert_eq!(credited["fate"], "credited", "{credited}");
    assert_eq!((&credited["provider_id"], &credited["mode"]), (&json!("in_s1"), &json!("live")));
    assert_eq!((&credited["code"], &credited["paid_at"]), (&json!("ADA10"), &json!(world.ago(60).to_string())));
    for (field, theirs) in [
        ("agent_id", "agentId"),
        ("commission_id", "commissionId"),
        ("commission_amount", "commissionAmount"),
        ("hold_until", "holdUntil"),
    ] {
        assert!(credited[field].is_string(), "{field}: {credited}");
        assert_eq!(credited[field], receipt[theirs], "{field}: {credited}");
    }
    let words = credited["fate_explanation"].as_str().expect("words");
    assert!(words.contains(credited["agent_id"].as_str().unwrap()) && words.contains("on hold until"), "{words}");
    assert_eq!(credited["looked_in"], Value::Null);

    let nobody = payment_to(&world, &ben).await;
    assert_eq!(
        (&nobody["fate"], &nobody["code"], &nobody["agent_id"]),
        (&json!("credited_nobody"), &Value::Null, &Value::Null)
    );
    let looked_in = &nobody["looked_in"][0];
    assert_eq!((&looked_in["endpoint"], &looked_in["found"]), (&json!("stripe"), &json!([])), "{nobody}");
    assert_eq!(looked_in["rules"][0], "metadata.refairn_code", "{nobody}");
    let words = nobody["fate_explanation"].as_str().expect("words");
    assert!(words.contains("no referral code is known for this customer"), "{words}");
    assert!(words.contains("metadata.refairn_code, metadata.referral_code"), "{words}");

    let refused = payment_to(&world, &eve).await;
    let found = &refused["looked_in"][0]["found"][0];
    assert_eq!((&found["type"], &found["code"]), (&json!("checkout.session.completed"), &Value::Null), "{refused}");
    let why = found["refused"].as_str().expect("why it is not used");
    assert!(refused["fate_explanation"].as_str().unwrap().contains(why), "{refused}");
    assert_eq!(world.detail(&refused).await["looked_in"], refused["looked_in"], "the list says as much as one");

    for (fate, n) in [("credited", 1), ("credited_nobody", 2), ("credit_unknown", 0)] {
        assert_eq!(world.all("deliveries", &format!("fate={fate}")).await.len(), n, "{fate}");
        assert_eq!(world.get("/api/v1/stats").await["payments"][fate], n, "{fate}");
    }
    world.admin("GET", "/api/v1/deliveries?fate=lost").send(world.addr()).await.is_problem(400, "bad_parameter");
    let lead = world.all("deliveries", "kind=customer-created").await.remove(0);
    assert_eq!((&lead["fate"], &lead["provider_id"], &lead["looked_in"]), (&Value::Null, &Value::Null, &Value::Null));
    world.drive(2 * DAY).await;
    world.end().await;
}

/// The fates and numbers of some payments.
fn fates(payments: &Value) -> Vec<(String, i64)> {
    let fates = payments.as_object().expect("fates").iter();
    fates.map(|(fate, n)| (fate.clone(), n.as_i64().expect("a number"))).filter(|(_, n)| *n > 0).collect()
}

async fn what_tests_come_to_is_counted_apart(new: fn() -> Setup) {
    let world = new().start().await;
    let sale = |name: &str| Sale::new(name, &world.email(name), world.ago(60));
    world.stripe(&sale("s1").code("ADA10").event()).await;
    for name in ["s2", "s3"] {
        world.stripe(&sale(name).test_mode().event()).await;
    }
    world.idle().await;
    let stats = world.get("/api/v1/stats").await;
    assert_eq!(fates(&stats["payments"]), [("credited".to_owned(), 1)], "{stats}");
    assert_eq!(fates(&stats["test_payments"]), [("credited_nobody".to_owned(), 2)], "{stats}");
    for mode in ["live", "test"] {
        let line = format!("refairn_bridge_payments{{fate=\"credited\",mode=\"{mode}\"}} ");
        assert!(metric(&world, &line).await.is_some(), "{line}");
    }
    world.end().await;
}

/// A payment whose customer has no address.
fn without_address(sale: &Sale) -> Value {
    let mut event = sale.event();
    event["data"]["object"]["customer_email"] = Value::Null;
    event
}

async fn a_payment_of_which_nobody_is_known_is_told_of_after_a_day_and_goes_on_by_itself(new: fn() -> Setup) {
    let world = new().start().await;
    let email = world.email("late");
    let sale = Sale::new("s1", &email, world.ago(60));
    world.stripe(&without_address(&sale)).await;
    world.idle().await;
    assert!(world.all("events", "attention=true").await.is_empty());
    world.pass(DAY);
    world.pass(MINUTE);
    let seen = until("it is told of", async || world.all("events", "attention=true").await.pop()).await;
    assert_eq!(
        (&seen["state"], &seen["reason"], &seen["needs_attention"]),
        (&json!("waiting"), &json!("customer_unknown"), &json!(true))
    );
    let stats = world.get("/api/v1/stats").await;
    assert_eq!(
        (&stats["needs_attention"], &stats["attention"]),
        (&json!(1), &json!({ "customer_unknown": 1 })),
        "{stats}"
    );
    let group = json!([{ "endpoint": "stripe", "reason": "customer_unknown", "events": 1 }]);
    assert_eq!(stats["events_that_need_attention"], group);

    let mut customer = sample("stripe/customer.updated/email-changed-2024/body.json");
    customer["id"] = json!("evt_named");
    customer["data"]["object"]["id"] = json!("cus_s1");
    customer["data"]["object"]["email"] = json!(email);
    world.stripe(&customer).await;
    assert_eq!(payment_to(&world, &email).await["fate"], "credited_nobody");
    assert!(world.all("events", "attention=true").await.is_empty());
    assert_eq!(world.get("/api/v1/stats").await["needs_attention"], 0);
    world.end().await;
}
