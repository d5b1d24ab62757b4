//! 401, 403 and 404 are our misconfiguration, not the call's: the route pauses, everything stays queued, and one probe
//! a minute finds out when it is mended.

use std::time::Duration;

use refairn_bridge::sandbox::{Business, Program};
use serde_json::{Value, json};

use crate::kit::refairn::business;
use crate::kit::samples::Sale;
use crate::kit::until;
use crate::kit::world::{Setup, World};

const MINUTE: Duration = Duration::from_secs(60);

async fn route(world: &World, business: &str, product: &str) -> Value {
    let stats = world.get("/api/v1/stats").await;
    let mut routes = stats["routes"].as_array().expect("routes").iter();
    routes.find(|r| r["business"] == business && r["product"] == product).cloned().unwrap_or_default()
}

async fn states(world: &World) -> Vec<String> {
    let text = |d: &Value| d["state"].as_str().expect("a state").to_owned();
    world.all("deliveries", "").await.iter().map(text).collect()
}

/// Waits until the sandbox has answered so many calls with a refusal, and all of them are settled.
async fn refusals(world: &World, n: usize) {
    until(&format!("{n} refusals"), async || {
        let calls = world.sandbox.calls();
        let refused = calls.iter().filter(|c| c.answered.is_some_and(|s| [401, 403, 404].contains(&s))).count();
        assert!(refused <= n, "{refused} calls were made although the route is paused");
        let settled = !states(world).await.contains(&"sending".to_owned());
        (refused == n && settled).then_some(())
    })
    .await;
}

/// A sandbox that refuses our key with 401, 403 or 404.
fn refusing(new: fn() -> Setup, status: u16) -> Setup {
    let setup = new();
    let n = setup.n;
    match status {
        401 => setup.business(business("biz_1", "another key")),
        403 => {
            let other = Business::new("biz_other", format!("rk_live_w{n}"));
            setup.business(business("biz_1", "another key")).business(other)
        }
        _ => setup.set("REFAIRN_PRODUCT_ID", "prod_late"),
    }
}

in_both! {
    a_refused_configuration_pauses_the_route_until_a_probe_gets_through
    other_businesses_and_products_go_on
    a_pause_outlives_a_restart
    a_paused_call_is_never_given_up
}

async fn a_refused_configuration_pauses_the_route_until_a_probe_gets_through(new: fn() -> Setup) {
    for status in [401, 403, 404] {
        let mut world = refusing(new, status).start().await;
        let product = if status == 404 { "prod_late" } else { "prod_1" };
        world.stripe(&Sale::new("s0", &world.email("c0"), world.ago(60)).event()).await;
        refusals(&world, 1).await;
        let paused = route(&world, "biz_1", product).await;
        assert_eq!(
            (&paused["state"], &paused["paused_since"]),
            (&json!("paused"), &json!(world.now().to_string())),
            "{paused}"
        );
        assert!(paused["detail"].as_str().expect("a detail").contains(&status.to_string()), "{paused}");
        // Webhooks keep coming in.
        for n in 1..6 {
            world.stripe(&Sale::new(&format!("s{n}"), &world.email(&format!("c{n}")), world.ago(60)).event()).await;
        }
        let ready = super::kit::wire::Request::new("GET", "/readyz").send(world.addr()).await;
        assert_eq!(ready.status, 200, "a paused route does not make the bridge unready");
        until("all are planned", async || (states(&world).await.len() == 6).then_some(())).await;
        let probes = 4;
        for probe in 1..=probes {
            world.pass(MINUTE - Duration::from_millis(1));
            world.pass(Duration::from_millis(1));
            refusals(&world, 1 + probe).await;
            assert_eq!(states(&world).await, ["queued"; 6], "{status}");
        }
        let detail = world.detail(&world.all("deliveries", "").await[0]).await;
        let log = detail["attempt_log"].as_array().expect("attempts");
        assert!(log.iter().all(|a| a["status"] == status), "{detail}");
        mend(&world, status);
        world.pass(MINUTE);
        until("all are told", async || (states(&world).await == ["delivered"; 6]).then_some(())).await;
        let open = route(&world, "biz_1", product).await;
        assert_eq!((&open["state"], &open["detail"]), (&json!("open"), &Value::Null), "{open}");
        attempts_are_minutes_apart(&world, status).await;
        world.leave.refused_calls = true;
        world.end().await;
    }
}

/// Every attempt that was refused was the only one of its minute.
async fn attempts_are_minutes_apart(world: &World, status: u16) {
    let mut times: Vec<jiff::Timestamp> = Vec::new();
    for delivery in world.all("deliveries", "").await {
        let detail = world.detail(&delivery).await;
        let log = detail["attempt_log"].as_array().expect("attempts").clone();
        let refused = log.iter().filter(|a| a["status"] == status);
        times.extend(refused.map(|a| a["at"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time")));
    }
    times.sort();
    assert_eq!(times.len(), 5);
    assert!(times.windows(2).all(|w| w[1].duration_since(w[0]).as_secs() >= 60), "{times:?}");
}

fn mend(world: &World, status: u16) {
    let key = format!("rk_live_w{}", world.n);
    world.sandbox.change(|book| match status {
        401 => book.set_business(business("biz_1", &key)),
        403 => {
            book.set_business(Business::new("biz_other", "a third key"));
            book.set_business(business("biz_1", &key));
        }
        _ => book.set_business(business("biz_1", &key).product("prod_late", Program::recurring(20.into(), 14))),
    });
}

async fn other_businesses_and_products_go_on(new: fn() -> Setup) {
    let file = r#"
        [[businesses]]
        id = "biz_2"
        api_key = "key_2"
        product_id = "prod_1"
        [[endpoints]]
        name = "first"
        provider = "stripe"
        business = "biz_1"
        secrets = ["whsec_first"]
        [[endpoints]]
        name = "second"
        provider = "stripe"
        business = "biz_2"
        secrets = ["whsec_second"]
        [endpoints.products]
        prod_YW8koff4DaG7cO = "prod_gone"
    "#;
    let setup = new().unset("STRIPE_WEBHOOK_SECRET").unset("PAYSTACK_SECRET_KEY").file(file);
    let setup = setup.business(business("biz_1", "another key")).business(business("biz_2", "key_2"));
    let mut world = setup.start().await;
    let post = async |name: &str, sale: Value| {
        let body = sale.to_string();
        let stripe = refairn_bridge::domain::provider::ProviderKind::Stripe;
        let header =
            refairn_bridge::providers::provider(stripe).sign(&format!("whsec_{name}"), body.as_bytes(), world.now());
        let request = super::kit::wire::Request::new("POST", &format!("/webhooks/stripe/{name}"));
        let reply = request.header("Stripe-Signature", header).body(body.as_bytes()).send(world.addr()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    let sale = |id: &str| Sale::new(id, &world.email(id), world.ago(60)).event();
    // To the unknown product, to the business whose key is wrong, and past both.
    let mut unmapped = sale("fine");
    unmapped["data"]["object"]["lines"]["data"][0]["pricing"]["price_details"]["product"] = json!("prod_other");
    post("second", sale("gone")).await;
    post("first", sale("wrong")).await;
    refusals(&world, 2).await;
    post("second", unmapped).await;
    world.delivery_when(&world.email("fine"), "delivered").await;
    for email in ["gone", "wrong"] {
        world.delivery_when(&world.email(email), "queued").await;
    }
    let found: Vec<_> = [("biz_1", "prod_1"), ("biz_2", "prod_gone"), ("biz_2", "prod_1")].to_vec();
    for ((business, product), state) in found.into_iter().zip(["paused", "paused", "open"]) {
        assert_eq!(route(&world, business, product).await["state"], state, "{business} {product}");
    }
    world.leave.open = true;
    world.leave.refused_calls = true;
    world.end().await;
}

async fn a_pause_outlives_a_restart(new: fn() -> Setup) {
    let mut world = refusing(new, 401).start().await;
    world.stripe(&Sale::new("s0", &world.email("c0"), world.ago(60)).event()).await;
    refusals(&world, 1).await;
    let paused_at = route(&world, "biz_1", "prod_1").await["paused_since"].clone();
    world.pass(Duration::from_secs(30));
    world.restart().await;
    // Whoever mended the key wants to see it now: one call asks at once, and no more.
    refusals(&world, 2).await;
    let still = route(&world, "biz_1", "prod_1").await;
    assert_eq!((&still["state"], &still["paused_since"]), (&Value::from("paused"), &paused_at), "{still}");
    // A new event does not open it.
    world.stripe(&Sale::new("s1", &world.email("c1"), world.ago(60)).event()).await;
    until("both are planned", async || (states(&world).await == ["queued", "queued"]).then_some(())).await;
    world.pass(Duration::from_secs(30));
    refusals(&world, 2).await;
    mend(&world, 401);
    world.pass(Duration::from_secs(30));
    until("both are told", async || (states(&world).await == ["delivered", "delivered"]).then_some(())).await;
    world.leave.refused_calls = true;
    world.end().await;
}

async fn a_paused_call_is_never_given_up(new: fn() -> Setup) {
    let mut world = refusing(new, 401).key("delivery", "give_up_after_h", "1").start().await;
    world.stripe(&Sale::new("s0", &world.email("c0"), world.ago(60)).event()).await;
    for probes in 1..5 {
        refusals(&world, probes).await;
        world.pass(Duration::from_secs(3600));
    }
    refusals(&world, 5).await;
    assert_eq!(states(&world).await, ["queued"]);
    // What goes wrong after the pause has hours of its own.
    mend(&world, 401);
    world.fault(r#"{"status":503}"#);
    world.pass(MINUTE);
    until("the probe met other trouble", async || {
        let delivery = world.all("deliveries", "").await.remove(0);
        (delivery["attempts"] == 6 && delivery["state"] != "sending").then_some(())
    })
    .await;
    assert_eq!(states(&world).await, ["queued"], "a day of a wrong key must not turn payments into dead letters");
    world.pass(MINUTE);
    until("it is told", async || (states(&world).await == ["delivered"]).then_some(())).await;
    world.leave.refused_calls = true;
    world.end().await;
}
