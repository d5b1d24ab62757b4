//! Floods of forged webhooks: who sends them is turned away before a body is read, and nobody else is.

use std::time::Duration;

use refairn_bridge::domain::provider::ProviderKind::{Paystack, Stripe};
use serde_json::{Value, json};

use crate::kit::log;
use crate::kit::samples::Sale;
use crate::kit::wire::{Line, Reply, Request};
use crate::kit::world::{Setup, World};

const CODE: &str = "too_many_failed_signatures";
const FROM: &str = "X-Forwarded-For";

/// A world in which every request comes through a trusted proxy.
fn behind_a_proxy() -> Setup {
    Setup::new().file("[server]\ntrusted_proxies = [\"127.0.0.1\"]")
}

async fn forged(world: &World, forwarded_for: &str) -> Reply {
    let request = Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", "t=1,v1=00");
    request.header(FROM, forwarded_for).body(b"{}").send(world.addr()).await
}

/// Posts forged webhooks until one is turned away; gives how many were looked at.
async fn flood(world: &World, forwarded_for: &str) -> usize {
    for n in 0..200 {
        let reply = forged(world, forwarded_for).await;
        if reply.status == 429 {
            return n;
        }
        reply.is_problem(401, "signature_malformed");
    }
    200
}

async fn valid(world: &World, id: &str, forwarded_for: &str) -> Reply {
    let body = Sale::new(id, &world.email(id), world.ago(60)).event().to_string();
    world.signed(Stripe, body.as_bytes()).header(FROM, forwarded_for).send(world.addr()).await
}

async fn refused(world: &World) -> Vec<Value> {
    world.get("/api/v1/stats").await["refused_requests"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_turned_away_before_its_bodies_are_read_and_others_are_served() {
    let world = behind_a_proxy().start().await;
    assert_eq!(flood(&world, "203.0.113.9").await, 60);
    let reply = forged(&world, "203.0.113.9").await;
    reply.is_problem(429, CODE);
    assert_eq!(reply.header("retry-after"), Some("1"));
    // Not a byte of these bodies is sent, and still they are answered: large ones, and those that nothing can verify.
    for (kind, path, header) in
        [(Stripe, "/webhooks/stripe", "Stripe-Signature"), (Paystack, "/webhooks/paystack", "x-paystack-signature")]
    {
        let unsigned = Request::new("POST", path).chunked(10);
        let malformed = unsigned.clone().header(header, "a signature");
        for request in [world.signed(kind, &[b'x'; 1 << 20]), unsigned, malformed] {
            let mut line = Line::open(world.addr()).await;
            line.write(&request.header(FROM, "203.0.113.9").head("keep-alive")).await;
            line.answer().await.expect("an answer, and the connection's end").is_problem(429, CODE);
        }
    }
    assert_eq!(flood(&world, "203.0.113.10").await, 60, "another address has its own count");
    assert_eq!(valid(&world, "s1", "198.51.100.1").await.status, 200);
    world.pass(Duration::from_secs(5));
    assert_eq!(flood(&world, "203.0.113.9").await, 5, "one is looked at again each second");
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_fills_neither_the_log_nor_the_list_of_refusals_and_is_counted() {
    let world = behind_a_proxy().key("server", "failed_signatures_per_minute", "3").start().await;
    let lines = || log::text().lines().filter(|l| l.contains("webhook refused") && l.contains(CODE)).count();
    let count = async || {
        let metrics = world.admin("GET", "/metrics").send(world.addr()).await.text();
        let line = metrics.lines().find(|l| l.contains(CODE) && l.contains("endpoint=\"stripe\"")).map(str::to_owned);
        line.map_or(0, |l| l.rsplit(' ').next().expect("a number").parse::<usize>().expect("a number"))
    };
    let before = count().await;
    assert_eq!(flood(&world, "203.0.113.9").await, 3);
    for _ in 0..50 {
        forged(&world, "203.0.113.9").await.is_problem(429, CODE);
    }
    assert!(count().await >= before + 51, "every one is counted");
    let told = async || {
        let list = refused(&world).await;
        list.iter().map(|r| (r["reason"].clone(), r["times"].as_u64().expect("a number"))).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [(json!(CODE), 51), (json!("signature_malformed"), 3)]);
    // Other tests log into the same place, but none in hundreds.
    assert!(lines() < 40, "{}", lines());
    world.pass(Duration::from_secs(61));
    assert_eq!(flood(&world, "203.0.113.9").await, 3);
    assert_eq!(told().await, [(json!(CODE), 52), (json!("signature_malformed"), 6)]);
    let last = &refused(&world).await[0];
    assert_eq!((&last["source"], &last["body_bytes"]), (&json!("203.0.113.9"), &json!(2)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_stranger_sends_in_vain_counts_and_fills_no_more_than_a_line_a_minute() {
    let file = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n[[endpoints]]\nprovider = \"stripe\"\n\
                [[endpoints]]\nprovider = \"paystack\"\nallowed_ips = [\"198.51.100.1\"]\n";
    let world = Setup::new().file(file).key("server", "failed_signatures_per_minute", "20").start().await;
    let signed = || world.signed(Stripe, b"{}");
    let kinds: [(u16, &str, Request); 6] = [
        (415, "content_encoding_unsupported", signed().header("Content-Encoding", "gzip")),
        (413, "body_too_large", world.signed(Stripe, &vec![b'x'; 2 << 20])),
        (403, "address_not_allowed", world.signed(Paystack, b"{}")),
        (404, "unknown_endpoint", Request::new("POST", "/webhooks/adyen")),
        (404, "not_found", Request::new("POST", "/webhooks/stripe/a/b")),
        (405, "method_not_allowed", Request::new("GET", "/webhooks/stripe")),
    ];
    for (n, (status, code, request)) in kinds.into_iter().enumerate() {
        let from = format!("203.0.113.{n}");
        let request = request.header(FROM, &from);
        for _ in 0..20 {
            request.send(world.addr()).await.is_problem(status, code);
        }
        assert_eq!(forged(&world, &from).await.status, 429, "{code} counts like a failed signature");
        let list = refused(&world).await;
        let of_source: Vec<_> =
            list.iter().filter(|r| r["source"] == json!(from)).map(|r| (&r["reason"], &r["times"])).collect();
        assert_eq!(of_source, [(&json!(CODE), &json!(1)), (&json!(code), &json!(20))]);
        let lines = log::text().lines().filter(|l| l.contains(&format!("source={from}")) && l.contains(code)).count();
        // Other tests name this address, too, but not with such a reason twice.
        assert!((1..=2).contains(&lines), "{code}: {lines} lines");
    }
    let strays = refused(&world).await;
    let path =
        |code: &str| strays.iter().find(|r| r["reason"] == code).map(|r| (r["endpoint"].clone(), r["path"].clone()));
    assert_eq!(path("unknown_endpoint"), Some((Value::Null, json!("/webhooks/adyen"))));
    assert_eq!(path("method_not_allowed"), Some((Value::Null, json!("/webhooks/stripe"))));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_event_that_is_signed_is_recorded_wherever_it_comes_from() {
    let world = behind_a_proxy().key("server", "failed_signatures_per_minute", "5").start().await;
    assert_eq!(flood(&world, "203.0.113.9").await, 5);
    // Forged ones whose signature might be right are looked at, and refused for what they are.
    for _ in 0..20 {
        let request =
            Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", format!("t=1,v1={}", "0".repeat(64)));
        let reply = request.header(FROM, "203.0.113.9").body(b"{}").send(world.addr()).await;
        reply.is_problem(401, "signature_mismatch");
    }
    // In a body of chunks its length shows as it comes.
    let large = world.signed(Stripe, &vec![b'x'; 40 << 10]).chunked(1000).header(FROM, "203.0.113.9");
    large.send(world.addr()).await.is_problem(429, CODE);
    assert_eq!(forged(&world, "203.0.113.9").await.status, 429);
    assert_eq!(valid(&world, "s1", "203.0.113.9").await.status, 200);
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_vouches_for_nobody() {
    let world = behind_a_proxy().key("server", "failed_signatures_per_minute", "5").start().await;
    assert_eq!(valid(&world, "s1", "198.51.100.1").await.json()["duplicate"], false);
    for _ in 0..3 {
        assert_eq!(valid(&world, "s1", "203.0.113.9").await.json()["duplicate"], true);
    }
    assert_eq!(flood(&world, "203.0.113.9").await, 5, "who only repeats is a stranger");
    assert_eq!(flood(&world, "198.51.100.1").await, 200, "who brought it is not");
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_in_forwarded_addresses_are_read_and_a_proxy_that_nobody_named_is_told_of() {
    let world = behind_a_proxy().start().await;
    for from in ["203.0.113.9:49152", "[2001:db8::9]:49152", "[2001:db8::9]"] {
        assert_eq!(forged(&world, from).await.status, 401);
    }
    let sources: Vec<Value> = refused(&world).await.iter().map(|r| r["source"].clone()).collect();
    assert_eq!(sources, ["2001:db8::9", "203.0.113.9"]);
    assert_eq!(world.get("/api/v1/stats").await["unnamed_proxy"], Value::Null);
    world.end().await;
    let world = World::new().await;
    assert_eq!(world.get("/api/v1/stats").await["unnamed_proxy"], Value::Null);
    for _ in 0..3 {
        assert_eq!(forged(&world, "203.0.113.9").await.status, 401);
    }
    assert_eq!(world.get("/api/v1/stats").await["unnamed_proxy"], "127.0.0.1");
    assert!(log::line_with("127.0.0.1 sends X-Forwarded-For and is not believed").is_some());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_which_a_valid_webhook_came_is_never_turned_away() {
    // No proxy is trusted: the provider and whoever sends rubbish through the same proxy have one address.
    let world = Setup::new().key("server", "failed_signatures_per_minute", "5").start().await;
    assert_eq!(valid(&world, "s1", "198.51.100.1").await.status, 200);
    assert_eq!(flood(&world, "203.0.113.9").await, 200);
    assert_eq!(valid(&world, "s2", "198.51.100.1").await.status, 200);
    world.pass(Duration::from_secs(86_000));
    assert_eq!(flood(&world, "203.0.113.9").await, 200);
    // After a day without a valid one it is as any other.
    world.pass(Duration::from_secs(500));
    assert_eq!(flood(&world, "203.0.113.9").await, 5);
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_escapes_by_pretending_other_addresses() {
    let world = Setup::new().key("server", "failed_signatures_per_minute", "5").start().await;
    for n in 0..20 {
        let status = forged(&world, &format!("203.0.113.{n}")).await.status;
        assert_eq!(status, if n < 5 { 401 } else { 429 }, "no proxy is trusted: request {n}");
    }
    world.end().await;
    let world = behind_a_proxy().key("server", "failed_signatures_per_minute", "5").start().await;
    for n in 0..20 {
        // The sender's own line comes first, the proxy's last.
        let status = forged(&world, &format!("198.51.100.{n}, 203.0.113.9")).await.status;
        assert_eq!(status, if n < 5 { 401 } else { 429 }, "behind a trusted proxy: request {n}");
    }
    for n in 0..20 {
        let status = forged(&world, &format!("2001:db8:0:1::{n:x}")).await.status;
        assert_eq!(status, if n < 5 { 401 } else { 429 }, "one /64: request {n}");
    }
    assert_eq!(flood(&world, "2001:db8:0:2::1").await, 5);
    world.end().await;
}
