//! The JSON API: what it shows, to whom, in pages.

use std::collections::BTreeSet;
use std::time::Duration;

use refairn_bridge::domain::provider::ProviderKind::Stripe;
use serde_json::{Value, json};

use crate::kit::log;
use crate::kit::samples::{Sale, charge};
use crate::kit::wire::{Reply, Request};
use crate::kit::world::{Setup, World};

const GETS: [&str; 10] = [
    "/api/v1/events",
    "/api/v1/events/1",
    "/api/v1/deliveries",
    "/api/v1/deliveries/1",
    "/api/v1/search?q=none",
    "/api/v1/why?q=none",
    "/api/v1/customers/jane@example.com",
    "/api/v1/payments",
    "/api/v1/stats",
    "/metrics",
];
const POSTS: [&str; 4] = [
    "/api/v1/deliveries/1/retry",
    "/api/v1/deliveries/1/release",
    "/api/v1/deliveries/1/discard",
    "/api/v1/events/1/remap",
];

/// Ten sales to five customers, two charges, and something odd.
async fn some_events(world: &World) {
    for n in 0..10 {
        let email = world.email(&format!("c{}", n % 5));
        world.stripe(&Sale::new(&format!("s{n}"), &email, world.ago(60 + 86_400 * n)).code("ADA10").event()).await;
    }
    for n in 0..2 {
        world.paystack(&charge(&format!("ref{n}"), &world.email("p"), 500_000, "", world.ago(60 + 86_400 * n))).await;
    }
    world.paystack(&json!({ "event": "odd.thing", "data": {} })).await;
    world.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_admin_token_nothing_is_shown_or_done() {
    let world = World::new().await;
    some_events(&world).await;
    let token = format!("admin-token-of-world-{}", world.n);
    let wrong = [
        None,
        Some("Bearer wrong".to_owned()),
        Some(format!("Bearer {token}x")),
        Some(format!("Bearer {}", &token[1..])),
        Some(format!("Bearer {}", token.to_uppercase())),
        Some(format!("Basic {token}")),
        Some(token.clone()),
        Some("Bearer ".to_owned()),
        Some(String::new()),
    ];
    let before = world.all("deliveries", "").await;
    for (method, paths) in [("GET", &GETS[..]), ("POST", &POSTS[..]), ("GET", &["/api/v1/nothing"])] {
        for path in paths {
            for header in &wrong {
                let request = header.iter().fold(Request::new(method, path), |r, h| r.header("Authorization", h));
                let reply = request.send(world.addr()).await;
                reply.is_problem(401, "unauthorized");
                assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
                // So slowly, nobody is taken for one who guesses.
                world.pass(Duration::from_secs(6));
            }
            let query = format!("{path}{}token={token}", if path.contains('?') { '&' } else { '?' });
            Request::new(method, &query).send(world.addr()).await.is_problem(401, "unauthorized");
        }
    }
    let twice = world.admin("GET", "/api/v1/stats").header("Authorization", world.bearer());
    twice.send(world.addr()).await.is_problem(401, "unauthorized");
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let right = Request::new("GET", "/api/v1/stats").header("Authorization", format!("{scheme} {token}"));
        assert_eq!(right.send(world.addr()).await.status, 200, "{scheme}");
    }
    assert_eq!(world.all("deliveries", "").await, before);
    for open in ["/livez", "/readyz"] {
        assert_eq!(Request::new("GET", open).send(world.addr()).await.status, 200, "{open}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_counted_told_of_and_limited_and_the_right_one_always_opens() {
    let world = Setup::new().file("[server]\ntrusted_proxies = [\"127.0.0.1\"]").start().await;
    let ask = async |token: &str| {
        let request = Request::new("GET", "/api/v1/stats").header("X-Forwarded-For", "192.0.2.77");
        request.header("Authorization", format!("Bearer {token}")).send(world.addr()).await
    };
    let count = async || {
        let metrics = world.admin("GET", "/metrics").send(world.addr()).await.text();
        let lines = metrics.lines().filter(|l| l.starts_with("refairn_bridge_admin_refused_total{"));
        lines.map(|l| l.rsplit(' ').next().expect("a number").parse::<u32>().expect("a number")).sum::<u32>()
    };
    let before = count().await;
    for n in 0..50 {
        let reply = ask(&format!("guess-{n}")).await;
        if n < 10 {
            reply.is_problem(401, "unauthorized");
        } else {
            reply.is_problem(429, "too_many_wrong_tokens");
            assert_eq!(reply.header("retry-after"), Some("6"));
        }
    }
    assert!(count().await >= before + 50);
    let lines =
        || log::text().lines().filter(|l| l.contains("admin token refused") && l.contains("192.0.2.77")).count();
    assert_eq!(lines(), 2, "one that it was wrong, one that there are too many");
    assert_eq!(ask(&format!("admin-token-of-world-{}", world.n)).await.status, 200, "from the same address");
    world.pass(Duration::from_secs(61));
    ask("guess").await.is_problem(401, "unauthorized");
    assert_eq!(lines(), 3, "a minute later");
    // Who guesses there is no stranger here.
    let forged = Request::new("POST", "/webhooks/stripe").header("X-Forwarded-For", "192.0.2.77");
    forged.send(world.addr()).await.is_problem(401, "signature_missing");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_says_which_methods_it_takes_and_head_is_like_get() {
    let world = World::new().await;
    let ask = async |method: &str, path: &str| world.admin(method, path).send(world.addr()).await;
    for path in GETS.into_iter().chain(["/livez", "/readyz"]) {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let reply = ask(method, path).await;
            reply.is_problem(405, "method_not_allowed");
            assert_eq!(reply.header("allow"), Some("GET, HEAD"), "{method} {path}");
        }
        let (get, head) = (ask("GET", path).await, ask("HEAD", path).await);
        assert_eq!((head.status, head.header("content-type")), (get.status, get.header("content-type")), "{path}");
        assert!(head.body.is_empty() && !get.body.is_empty(), "{path}: {head:?}");
    }
    for path in POSTS {
        for method in ["GET", "HEAD", "PUT"] {
            let reply = ask(method, path).await;
            assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")), "{method} {path}");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_kept_on_its_way_or_taken_for_something_else() {
    let world = World::new().await;
    some_events(&world).await;
    let sale = Sale::new("s1", &world.email("x"), world.ago(60)).event().to_string();
    let requests = [
        world.signed(Stripe, sale.as_bytes()),
        Request::new("POST", "/webhooks/stripe"),
        Request::new("POST", "/webhooks/adyen"),
        Request::new("GET", "/webhooks/stripe"),
        Request::new("GET", "/nothing"),
        Request::new("GET", "/livez"),
        Request::new("GET", "/readyz"),
        Request::new("GET", "/api/v1/stats"),
        world.admin("GET", "/api/v1/deliveries"),
        world.admin("GET", "/api/v1/deliveries?limit=none"),
        world.admin("GET", "/api/v1/nothing"),
        world.admin("GET", "/metrics"),
    ];
    for request in requests {
        let reply = request.send(world.addr()).await;
        let headers = (reply.header("cache-control"), reply.header("x-content-type-options"));
        assert_eq!(headers, (Some("no-store"), Some("nosniff")), "{request:?}");
    }
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_newest_first_and_filtered() {
    let world = World::new().await;
    some_events(&world).await;
    let page = world.get("/api/v1/events?limit=1").await;
    let newest = &page["events"][0];
    let fields: BTreeSet<&str> = newest.as_object().expect("an object").keys().map(String::as_str).collect();
    let documented = ["id", "endpoint", "provider", "provider_event_id", "type", "state", "reason", "received_at"];
    assert!(documented.iter().all(|f| fields.contains(f)), "{fields:?}");
    assert_eq!(
        (&newest["id"], &newest["type"], &newest["reason"]),
        (&json!("evt_13"), &json!("odd.thing"), &json!("unknown_type"))
    );
    assert_eq!(
        (&newest["endpoint"], &newest["provider"], &newest["provider_event_id"]),
        (&json!("paystack"), &json!("paystack"), &Value::Null)
    );
    assert_eq!(newest["received_at"], world.now().to_string());
    for (filter, count) in [
        ("", 13),
        ("state=ignored", 1),
        ("state=mapped", 12),
        ("type=charge.success", 2),
        ("endpoint=stripe", 10),
        ("endpoint=paystack&state=mapped", 2),
        ("type=nothing", 0),
        ("endpoint=nothing", 0),
        ("state=", 13),
        ("state=waiting", 0),
    ] {
        assert_eq!(world.all("events", filter).await.len(), count, "{filter}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_newest_first_and_filtered() {
    let world = World::new().await;
    some_events(&world).await;
    let newest = &world.get("/api/v1/deliveries?limit=1").await["deliveries"][0];
    let fields: BTreeSet<&str> = newest.as_object().expect("an object").keys().map(String::as_str).collect();
    let documented =
        ["id", "event_id", "kind", "state", "reason", "email", "attempts", "due_at", "request", "response"];
    assert!(documented.iter().all(|f| fields.contains(f)), "{fields:?}");
    let c1 = world.email("c1");
    for (filter, count) in [
        (String::new(), 17),
        ("state=delivered".into(), 17),
        ("state=queued".into(), 0),
        ("kind=customer-created".into(), 5),
        ("kind=payment-succeeded".into(), 12),
        (format!("email={c1}"), 3),
        (format!("email={}", c1.to_uppercase()), 3),
        (format!("email={c1}&kind=payment-succeeded"), 2),
        ("email=nobody@example.com".into(), 0),
        ("attention=true".into(), 0),
    ] {
        assert_eq!(world.all("deliveries", &filter).await.len(), count, "{filter}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let world = World::new().await;
    some_events(&world).await;
    for (list, count) in [("events", 13), ("deliveries", 17)] {
        for limit in [1, 4, 13, 17, 500] {
            let mut seen: Vec<String> = Vec::new();
            let mut after = String::new();
            loop {
                let page = world.get(&format!("/api/v1/{list}?limit={limit}&after={after}")).await;
                let items = page[list].as_array().expect("a list");
                assert!(items.len() <= limit);
                seen.extend(items.iter().map(|i| i["id"].as_str().expect("an id").to_owned()));
                let Some(next) = page["next"].as_str() else { break };
                after = next.to_owned();
                // What arrives in the meantime shifts nothing.
                if seen.len() == 4 {
                    let odd = json!({ "event": "odd.thing", "data": { "list": list, "limit": limit } });
                    world.paystack(&odd).await;
                    world.idle().await;
                }
            }
            let number = |id: &String| id.split_once('_').expect("a prefix").1.parse::<u32>().expect("a number");
            assert!(seen.windows(2).all(|w| number(&w[0]) > number(&w[1])), "{seen:?}");
            assert!(seen.len() >= count && number(seen.last().expect("an item")) == 1, "{limit}: {seen:?}");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_shows_its_body_its_facts_and_its_deliveries() {
    let world = World::new().await;
    let email = world.email("ada");
    let sale = Sale::new("s1", &email, world.ago(60)).code("ADA10").event();
    let id = world.stripe(&sale).await;
    world.idle().await;
    for name in [id.as_str(), "1", "evt_s1"] {
        let event = world.get(&format!("/api/v1/events/{name}")).await;
        assert_eq!(event["id"], id);
        assert_eq!(event["body"], sale);
        assert_eq!(event["facts"].as_array().map(Vec::len), Some(1), "{event}");
        assert_eq!(event["deliveries"].as_array().map(Vec::len), Some(2), "{event}");
    }
    // Another event about the same payment shows its call, too.
    let mut twin = sale.clone();
    twin["id"] = json!("evt_twin");
    twin["type"] = json!("invoice.payment_succeeded");
    let twin = world.stripe(&twin).await;
    world.idle().await;
    let event = world.get(&format!("/api/v1/events/{twin}")).await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("ignored"), &json!("already_reported")));
    assert_eq!(event["deliveries"][0]["kind"], "payment-succeeded", "{event}");
    assert_eq!(event["deliveries"].as_array().map(Vec::len), Some(1), "{event}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_delivery_shows_every_attempt() {
    let world = World::new().await;
    let email = world.email("ada");
    world.fault(r#"{"status":503,"body":{"success":false,"message":"maintenance"}}"#);
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    world.drive(std::time::Duration::from_secs(2)).await;
    let delivery = world.detail(&world.deliveries_to(&email).await[0]).await;
    let log = delivery["attempt_log"].as_array().expect("attempts");
    assert_eq!((&delivery["attempts"], log.len()), (&json!(2), 2));
    assert_eq!((&log[0]["n"], &log[0]["status"], &log[1]["status"]), (&json!(1), &json!(503), &json!(200)));
    assert!(log[0]["outcome"].as_str().expect("an outcome").contains("maintenance"), "{delivery}");
    assert!(log[0]["response"].as_str().expect("a response").contains("maintenance"), "{delivery}");
    assert_eq!(log[0]["at"], "2026-06-15T12:00:00Z");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_count_by_state() {
    let world = Setup::new().key("delivery", "retry_max_wait_s", "900").start().await;
    some_events(&world).await;
    world.fault(r#"{"status":503}"#);
    world.stripe(&Sale::new("late", &world.email("late"), world.ago(60)).event()).await;
    let due = world.idle().await.expect("a retry");
    let stats = world.get("/api/v1/stats").await;
    assert_eq!((&stats["events"]["mapped"], &stats["events"]["ignored"]), (&json!(13), &json!(1)), "{stats}");
    assert_eq!((&stats["deliveries"]["delivered"], &stats["deliveries"]["queued"]), (&json!(17), &json!(1)), "{stats}");
    assert_eq!((&stats["needs_attention"], &stats["oldest_queued"]), (&json!(0), &json!(due.to_string())), "{stats}");
    let route = &stats["routes"][0];
    assert_eq!(
        (&route["business"], &route["product"], &route["state"]),
        (&json!("biz_1"), &json!("prod_1"), &json!("open"))
    );
    world.drive(std::time::Duration::from_secs(5)).await;
    assert_eq!(world.get("/api/v1/stats").await["oldest_queued"], Value::Null);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_and_unknown_items_are_problems() {
    let world = World::new().await;
    some_events(&world).await;
    let ask = async |method: &str, path: &str| -> Reply { world.admin(method, path).send(world.addr()).await };
    for query in [
        "events?limit=0",
        "events?limit=501",
        "events?limit=-1",
        "events?limit=ten",
        "events?state=nonsense",
        "events?after=dlv_1",
        "events?after=0",
        "deliveries?state=mapped",
        "deliveries?kind=refund",
        "deliveries?limit=99999999999",
        "deliveries?after=x",
        "deliveries?attention=perhaps",
        "events?limit=1&limit=2",
        "deliveries?state=queued&state=held",
    ] {
        ask("GET", &format!("/api/v1/{query}")).await.is_problem(400, "bad_parameter");
    }
    // A filter of a wrong name would find everything.
    for query in [
        "events?email=jane@example.com",
        "deliveries?from=2026-10-01",
        "deliveries?state=queued&Email=jane@example.com",
        "events/changed?limit=5",
        "stats?since=today",
        "events/evt_1?full",
        "deliveries/dlv_1?json=1",
    ] {
        ask("GET", &format!("/api/v1/{query}")).await.is_problem(400, "unknown_parameter");
    }
    for path in [
        "events/evt_999",
        "events/999",
        "events/evt_of_nobody",
        "events/-1",
        "events/99999999999999999999",
        "deliveries/dlv_999",
        "deliveries/evt_1",
        "deliveries/x",
        "deliveries/0",
    ] {
        ask("GET", &format!("/api/v1/{path}")).await.is_problem(404, "unknown_item");
    }
    for path in ["deliveries/dlv_999/retry", "deliveries/x/discard", "events/999/remap", "events/x/remap"] {
        ask("POST", &format!("/api/v1/{path}")).await.is_problem(404, "unknown_item");
    }
    for (method, path) in
        [("POST", "deliveries/dlv_1/explode"), ("GET", "nothing"), ("POST", "events/1/retry"), ("GET", "")]
    {
        ask(method, &format!("/api/v1/{path}")).await.is_problem(404, "not_found");
    }
    for (method, path) in
        [("DELETE", "events/1"), ("GET", "deliveries/dlv_1/retry"), ("POST", "stats"), ("PUT", "deliveries/1")]
    {
        let reply = ask(method, &format!("/api/v1/{path}")).await;
        let code = reply.json()["code"].as_str().expect("a code").to_owned();
        assert!(matches!(reply.status, 404 | 405), "{method} {path}");
        reply.is_problem(reply.status, &code);
    }
    world.end().await;
}
