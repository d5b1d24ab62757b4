//! Floods of forged webhooks: who sends them is turned away before a body is read, and nobody else is.

use std::time::Duration;

use refairn_bridge::domain::endpoint::ProviderKind::{Paystack, Stripe};
use serde_json::{Value, json};

use super::kit::log;
use super::kit::samples::Sale;
use super::kit::wire::{Line, Reply, Request};
use super::kit::world::{Setup, World};

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
    // Not a byte of these bodies is sent, and still they are answered: at either endpoint, of any kind.
    for kind in [Stripe, Paystack] {
        for request in [world.signed(kind, &[b'x'; 1 << 20]), world.signed(kind, b"{}").chunked(10)] {
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
    let reasons: Vec<Value> = refused(&world).await.iter().map(|r| r["reason"].clone()).collect();
    assert_eq!(reasons, [CODE, "signature_malformed", "signature_malformed", "signature_malformed"]);
    // Other tests log into the same place, but none in hundreds.
    assert!(lines() < 40, "{}", lines());
    world.pass(Duration::from_secs(61));
    assert_eq!(flood(&world, "203.0.113.9").await, 3);
    let news = refused(&world).await;
    assert_eq!(news.iter().filter(|r| r["reason"] == CODE).count(), 2, "once a minute: {news:?}");
    assert_eq!((&news[0]["source"], &news[0]["body_bytes"]), (&json!("203.0.113.9"), &json!(2)));
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
