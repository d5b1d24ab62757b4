//! How it is run: health, metrics, a listener of its own for the operator, and a log that tells nothing private.

use std::time::Duration;

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use serde_json::{Value, json};

use crate::kit::log;
use crate::kit::process::Process;
use crate::kit::program::TOKEN;
use crate::kit::samples::{Sale, charge};
use crate::kit::until;
use crate::kit::wire::Request;
use crate::kit::world::{Setup, World};

/// The value of a metric line; the process counts for all tests, so only names and labels of one's own can be trusted.
fn value(metrics: &str, line: &str) -> Option<f64> {
    metrics.lines().find_map(|l| l.strip_prefix(line)?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_came_in_and_what_went_out() {
    let file = r#"
        [[endpoints]]
        name = "metrics-of-this-test"
        provider = "stripe"
    "#;
    let world = Setup::new().file(file).start().await;
    let sale = Sale::new("s1", &world.email("ada"), world.ago(60)).code("ADA10").event().to_string();
    for _ in 0..2 {
        assert_eq!(world.signed(Stripe, sale.as_bytes()).send(world.addr()).await.status, 200);
    }
    Request::new("POST", "/webhooks/stripe")
        .body(sale.as_bytes())
        .send(world.addr())
        .await
        .is_problem(401, "signature_missing");
    world.idle().await;
    let reply = world.admin("GET", "/metrics").send(world.addr()).await;
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").expect("a type").starts_with("text/plain; version=0.0.4"));
    let text = reply.text();
    let own = |outcome: &str| {
        value(
            &text,
            &format!("refairn_bridge_webhooks_total{{endpoint=\"metrics-of-this-test\",outcome=\"{outcome}\"}} "),
        )
    };
    assert_eq!([own("recorded"), own("duplicate"), own("signature_missing")], [Some(1.0); 3], "{text}");
    for line in [
        "refairn_bridge_calls_total{kind=\"customer-created\",outcome=\"delivered\"} ",
        "refairn_bridge_calls_total{kind=\"payment-succeeded\",outcome=\"delivered\"} ",
        "refairn_bridge_call_seconds_count ",
        "refairn_bridge_deliveries{state=\"delivered\"} ",
        "refairn_bridge_events{state=\"mapped\"} ",
    ] {
        assert!(value(&text, line).is_some_and(|v| v > 0.0), "{line}: {text}");
    }
    for line in ["refairn_bridge_attention{reason=\"reversed\"} ", "refairn_bridge_routes_paused "] {
        assert!(value(&text, line).is_some(), "{line}: {text}");
    }
    assert!(!text.contains('@'), "{text}");
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a name");
        assert!(name.starts_with("refairn_bridge_") || name.starts_with("process_"), "{line}");
        assert!(line.rsplit(' ').next().expect("a value").parse::<f64>().is_ok(), "{line}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gauge_does_not_keep_the_count_of_a_state_that_is_empty() {
    let world = World::new().await;
    world.fault(r#"{"status":400}"#);
    world.stripe(&Sale::new("s1", &world.email("ada"), world.ago(60)).event()).await;
    world.idle().await;
    let stats = world.get("/api/v1/stats").await;
    assert_eq!((&stats["needs_attention"], &stats["deliveries"]["rejected"]), (&json!(1), &json!(1)), "{stats}");
    let delivery = world.delivery_when(&world.email("ada"), "rejected").await;
    world.act(&format!("/api/v1/deliveries/{}/retry", delivery["id"].as_str().expect("an id"))).await;
    world.idle().await;
    let stats = world.get("/api/v1/stats").await;
    assert_eq!((&stats["needs_attention"], &stats["deliveries"]["delivered"]), (&json!(0), &json!(1)), "{stats}");
    assert_eq!(stats["deliveries"]["rejected"].as_i64().unwrap_or(0), 0, "{stats}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_listener_takes_everything_but_webhooks_and_the_public_one_nothing_else() {
    let world = Setup::new().key("server", "admin_listen", "127.0.0.1:0").start().await;
    let (public, admin) = (world.addr(), world.app().admin_addr());
    assert_ne!(public, admin);
    world.stripe(&Sale::new("s1", &world.email("ada"), world.ago(60)).event()).await;
    world.idle().await;
    for path in ["/api/v1/events", "/api/v1/deliveries", "/api/v1/stats", "/metrics", "/api/v1/events/1"] {
        assert_eq!(world.admin("GET", path).send(admin).await.status, 200, "{path}");
        world.admin("GET", path).send(public).await.is_problem(404, "not_found");
        Request::new("GET", path).send(admin).await.is_problem(401, "unauthorized");
    }
    world.admin("POST", "/api/v1/events/1/remap").send(public).await.is_problem(404, "not_found");
    let body = Sale::new("s2", &world.email("bola"), world.ago(60)).event().to_string();
    world.signed(Stripe, body.as_bytes()).send(admin).await.is_problem(404, "not_found");
    assert_eq!(world.all("events", "").await.len(), 1);
    for addr in [public, admin] {
        for path in ["/livez", "/readyz"] {
            let reply = Request::new("GET", path).send(addr).await;
            assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")), "{path}");
        }
    }
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_refairn_does_not_make_the_bridge_unready() {
    let world = Setup::new().key("refairn", "timeout_ms", "200").start().await;
    world.fault(r#"{"drop":"before","times":8}"#);
    for n in 0..8 {
        world.stripe(&Sale::new(&format!("s{n}"), &world.email(&format!("c{n}")), world.ago(60)).event()).await;
        assert_eq!(Request::new("GET", "/readyz").send(world.addr()).await.status, 200);
    }
    super::kit::until("all are told", async || {
        world.pass(Duration::from_secs(1));
        (world.get("/api/v1/stats").await["deliveries"]["delivered"] == 8).then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_private_is_logged_whatever_goes_wrong() {
    let mut world = World::new().await;
    let (n, email) = (world.n, world.email("ada"));
    let words = format!("the customer {email} (Name Of s1) is unknown here");
    let body = json!({ "success": false, "message": words });
    let markers = [
        format!("marker-of-world-{n}"),
        format!("nomen-of-world-{n}"),
        email.clone(),
        email.to_uppercase(),
        email.replace('@', "%40"),
    ];
    // Refairn's own words may name the customer.
    for status in [400, 200, 503, 401] {
        world.fault(&json!({ "status": status, "body": body, "email": email }).to_string());
    }
    let mut sale = Sale::new("s1", &email, world.ago(60)).code("ADA10").event();
    sale["data"]["object"]["customer_name"] = json!(format!("nomen-of-world-{n}"));
    sale["data"]["object"]["description"] = json!(format!("marker-of-world-{n}"));
    world.stripe(&sale).await;
    for attempts in 1..=5 {
        super::kit::until("the attempt is over", async || {
            if world.sandbox.calls().len() < attempts {
                world.pass(Duration::from_secs(1));
                return None;
            }
            let stats = world.get("/api/v1/stats").await;
            let none = |of: &serde_json::Value| of.as_i64().unwrap_or(0) == 0;
            (none(&stats["deliveries"]["sending"]) && none(&stats["events"]["received"])).then_some(())
        })
        .await;
        for delivery in world.all("deliveries", "state=rejected").await {
            world.act(&format!("/api/v1/deliveries/{}/retry", delivery["id"].as_str().expect("an id"))).await;
        }
        world.pass(Duration::from_secs(90));
    }
    // Unsigned, wrongly signed, signed but unreadable, of a field's wrong kind; asked for by its address.
    let unsigned = charge("marker", &email, 500_000, "", world.ago(60)).to_string();
    Request::new("POST", "/webhooks/paystack")
        .body(unsigned.as_bytes())
        .send(world.addr())
        .await
        .is_problem(401, "signature_missing");
    world.signed(Stripe, format!("{{\"marker-of-world-{n}\":\"{email}\"").as_bytes()).send(world.addr()).await;
    let mut odd = Sale::new("s2", &email, world.ago(60)).event();
    odd["data"]["object"]["amount_paid"] = json!(format!("marker-of-world-{n}"));
    odd["data"]["object"]["currency"] = json!(email);
    world.stripe(&odd).await;
    world.get(&format!("/api/v1/deliveries?email={email}")).await;
    world.idle().await;
    assert!(log::text().lines().count() > 20, "the log is captured");
    for marker in markers {
        assert_eq!(log::line_with(&marker), None, "{marker} is in the log");
    }
    world.leave.refused_calls = true;
    world.end().await;
}

/// As if a customer had so many events more: copies of the one there is.
fn add_events(process: &Process, count: i64) {
    let db = rusqlite::Connection::open(process.folder.path().join("bridge.db")).expect("opened");
    let sql = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
         INSERT INTO events (endpoint, provider, business, dedup_key, type, state, reason, received_at) \
         SELECT endpoint, provider, business, 'more ' || n, type, 'ignored', 'already_reported', received_at \
         FROM events, n WHERE id = 1";
    db.execute(sql, [count]).expect("added");
    let sql = "INSERT INTO facts SELECT e.id, f.business, f.scope, f.customer, f.email_key, f.speaks_for_related, f.received_at, \
         f.data FROM events e, facts f WHERE f.event_id = 1 AND e.id > 1";
    db.execute(sql, []).expect("added");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_many_buyers_share_is_told_once_without_the_address() {
    let mut process = Process::new(&[]);
    let sale = |n: usize| Sale::new(&format!("till{n}"), "till@example.com", Clock::system().now()).event().to_string();
    process.start().await;
    process.post(Stripe, sale(0).as_bytes()).await.expect("answered 2xx");
    super::kit::until("it is told", async || process.sandbox.look(|book| book.payments().len() == 1).then_some(()))
        .await;
    process.kill();
    add_events(&process, 1000);
    process.start().await;
    for n in 1..4 {
        let (event, _) = process.post(Stripe, sale(n).as_bytes()).await.expect("answered 2xx");
        super::kit::until("it is read", async || {
            (process.get(&format!("/api/v1/events/{event}")).await["state"] != "received").then_some(())
        })
        .await;
    }
    let told = process.log().lines().filter(|line| line.contains("each further one takes longer")).count();
    assert_eq!(told, 1, "once for each customer");
    assert!(process.log().contains("evt_1002 has 1002 events"), "{}", process.log());
    let metrics = Request::new("GET", "/metrics").header("Authorization", format!("Bearer {TOKEN}"));
    let metrics = metrics.send(process.addr).await.text();
    assert_eq!(value(&metrics, "refairn_bridge_crowded_customers_total "), Some(1.0));
    process.kill();
    let mut check = process.command(&["check"]);
    let said = tokio::task::block_in_place(|| check.output()).expect("it runs").stdout;
    let said = String::from_utf8(said).expect("UTF-8");
    assert!(
        said.contains("customers with more than 1000 events, which makes each further one slow: 1;")
            && !said.contains('@'),
        "{said}"
    );
    process.end().await;
}

/// The names of our metrics in a text.
fn names(text: &str) -> std::collections::BTreeSet<&str> {
    let is_of_a_name = |c: char| c.is_ascii_lowercase() || c == '_';
    text.split(|c| !is_of_a_name(c)).filter(|word| word.starts_with("refairn_bridge_")).collect()
}

/// Payments that differ from what a provider lists.
const DIFFERENCES: &str = "refairn_bridge_reconciliation_differences";

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_an_alert_or_a_dashboard_asks_for_is_there() {
    let world = World::new().await;
    world.stripe(&Sale::new("s1", &world.email("ada"), world.ago(60)).code("ADA10").event()).await;
    world.idle().await;
    let metrics = world.admin("GET", "/metrics").send(world.addr()).await.text();
    let there: std::collections::BTreeSet<&str> =
        metrics.lines().filter(|l| !l.starts_with('#')).flat_map(|line| names(line).into_iter().next()).collect();

    let alerts = include_str!("../../config/alerts.yaml");
    let expressions: Vec<&str> = alerts.lines().filter_map(|l| l.trim().strip_prefix("expr: ")).collect();
    assert_eq!(expressions.len(), alerts.matches("- alert: ").count(), "an expression is one line");
    let dashboard: Value = serde_json::from_str(include_str!("../../config/grafana-dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let queries: Vec<&str> = targets.map(|target| target["expr"].as_str().expect("a query")).collect();
    assert!(queries.len() >= panels.len());
    for query in expressions.iter().chain(&queries) {
        let asked = names(query);
        assert!(!asked.is_empty() || query.starts_with("up{"), "{query} asks for nothing of ours");
        for name in asked {
            // It is there after the first comparison.
            let is_named =
                || name == DIFFERENCES && include_str!("../../src/telemetry/metrics.rs").contains(DIFFERENCES);
            assert!(there.contains(name) || is_named(), "{name} of {query} is not in /metrics: {there:?}");
        }
    }
    // What is called worth an alert has one.
    let worth = include_str!("../../docs/operating.md");
    let worth =
        worth.split("These are worth an alert").nth(1).and_then(|text| text.split("\n\n").nth(1)).expect("a table");
    let alerted = names(alerts);
    for name in names(worth) {
        assert!(alerted.iter().any(|alert| alert.starts_with(name)), "{name} has no alert");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_calls_are_due_and_senders_wait_is_measured() {
    let mut world = World::new().await;
    world.leave.open = true;
    world.fault(r#"{"status":503,"times":1000}"#);
    for n in 0..6 {
        world.stripe(&Sale::new(&format!("s{n}"), &world.email(&format!("ada{n}")), world.ago(60)).event()).await;
    }
    let metrics = async || world.admin("GET", "/metrics").send(world.addr()).await.text();
    assert!(value(&metrics().await, "refairn_bridge_webhook_seconds_count ") >= Some(1.0));
    // While Refairn is down one call is tried now and then, and the others are due.
    until("a call is due for a while", async || {
        world.pass(Duration::from_secs(1));
        (value(&metrics().await, "refairn_bridge_oldest_due_seconds ") >= Some(5.0)).then_some(())
    })
    .await;
    world.end().await;
}
