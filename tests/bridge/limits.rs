//! Requests beyond a limit, and trouble of our own: 4xx is for the sender's mistakes, 503 for ours.

use std::time::Duration;

use futures_util::FutureExt;
use refairn_bridge::domain::provider::ProviderKind::{Paystack, Stripe};
use serde_json::json;

use super::refusals::nothing_is_kept;
use crate::kit::samples::{Sale, charge};
use crate::kit::wire::{Line, Reply, Request};
use crate::kit::world::{Setup, World};
use crate::kit::{log, until};

#[tokio::test(flavor = "multi_thread")]
async fn too_large_a_body_is_answered_413() {
    let world = World::new().await;
    let marker = format!("marker-of-world-{}", world.n);
    let body = format!("{{\"event\":\"{marker}\",\"data\":\"{}\"}}", "x".repeat(1 << 20)).into_bytes();
    world.signed(Paystack, &body).send(world.addr()).await.is_problem(413, "body_too_large");
    world.signed(Paystack, &body).chunked(4096).send(world.addr()).await.is_problem(413, "body_too_large");
    // Announced only: nothing of it is waited for.
    let mut line = Line::open(world.addr()).await;
    line.write(&world.signed(Paystack, &body).head("keep-alive")).await;
    line.next_answer().await.expect("an answer").is_problem(413, "body_too_large");
    for length in ["18446744073709551615", "99999999999999999999999", "-1", "1,1"] {
        let mut line = Line::open(world.addr()).await;
        let head = format!("POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        line.write(head.as_bytes()).await;
        line.end().await;
        let status = line.answer().await.map(|r| r.status);
        assert!(matches!(status, None | Some(400 | 401 | 413)), "{length}: {status:?}");
    }
    nothing_is_kept(&world, &marker).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_body_is_answered_415() {
    let world = World::new().await;
    let marker = format!("marker-of-world-{}", world.n);
    let body = charge(&marker, &world.email("bola"), 500_000, "", world.ago(60)).to_string();
    for encoding in ["gzip", "br", "identity, gzip", "nonsense"] {
        let request = world.signed(Paystack, body.as_bytes()).header("Content-Encoding", encoding);
        request.send(world.addr()).await.is_problem(415, "content_encoding_unsupported");
    }
    nothing_is_kept(&world, &marker).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_body_of_a_refused_request_is_never_taken_for_the_next_request() {
    let world = World::new().await;
    let inner = charge("inner", &world.email("bola"), 500_000, "", world.ago(60)).to_string();
    let mut smuggled = world.signed(Paystack, inner.as_bytes()).head("close");
    smuggled.extend_from_slice(inner.as_bytes());
    for outer in [
        world.signed(Paystack, &smuggled).header("Content-Encoding", "gzip"),
        Request::new("POST", "/webhooks/adyen").body(&smuggled),
        Request::new("POST", "/webhooks/stripe").body(&smuggled),
        Request::new("GET", "/webhooks/stripe").body(&smuggled),
    ] {
        let mut line = Line::open(world.addr()).await;
        let mut bytes = outer.head("keep-alive");
        bytes.extend_from_slice(&smuggled);
        line.write(&bytes).await;
        line.end().await;
        let status = line.answer().await.map(|r| r.status);
        assert!(status.is_none_or(|s| (400..500).contains(&s)), "{status:?}");
    }
    nothing_is_kept(&world, "inner").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_or_slow_head_is_refused_and_others_are_served() {
    let world = World::new().await;
    let sale = |id: &str| Sale::new(id, &world.email(id), world.ago(60)).event().to_string();
    let huge = world.signed(Stripe, sale("huge").as_bytes()).header("X-Long", "x".repeat(1 << 20));
    let many = (0..500).fold(world.signed(Stripe, sale("many").as_bytes()), |r, n| r.header(&format!("X-{n}"), "x"));
    for request in [huge, many] {
        let status = request.try_send(world.addr()).await.map(|r| r.status);
        assert!(status.is_none_or(|s| (400..500).contains(&s)), "{status:?}");
    }
    let mut slow = Line::open(world.addr()).await;
    slow.write(b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\n").await;
    assert_eq!(world.signed(Stripe, sale("other").as_bytes()).send(world.addr()).await.status, 200);
    // The connection does not stay open for ever.
    let status = slow.answer().await.map(|r| r.status);
    assert!(matches!(status, None | Some(408)), "{status:?}");
    world.idle().await;
    assert_eq!(world.all("events", "").await.len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_refusals_tells_of_bodies_that_were_not_read() {
    let world = Setup::new().key("server", "body_max_bytes", "1024").start().await;
    let encoded = world.signed(Stripe, b"{}").header("Content-Encoding", "gzip");
    encoded.send(world.addr()).await.is_problem(415, "content_encoding_unsupported");
    world.signed(Stripe, &[b'x'; 2000]).send(world.addr()).await.is_problem(413, "body_too_large");
    let stats = world.get("/api/v1/stats").await;
    let reasons: Vec<_> =
        stats["refused_requests"].as_array().expect("a list").iter().map(|r| r["reason"].clone()).collect();
    assert_eq!(reasons, ["body_too_large", "content_encoding_unsupported"], "why does my webhook fail?");
    world.end().await;
}

/// Failures in the log cannot be told apart by their test.
static LOCKS: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn is_our_trouble(reply: &Reply, code: &str) {
    reply.is_problem(503, code);
    let wait: u32 = reply.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=3600).contains(&wait));
}

/// Whatever failed in the meantime is done after a rest, although nothing new comes in.
async fn the_sale_is_told(world: &World) {
    until("the sale is told", async || {
        world.pass(Duration::from_secs(1));
        (world.sandbox.look(|book| book.payments().len()) == 1).then_some(())
    })
    .await;
    world.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_answered_503_and_nothing_is_lost() {
    let _alone = LOCKS.lock().await;
    let world = World::new().await;
    let locker = rusqlite::Connection::open(world.folder.path().join("bridge.db.spool")).expect("opened");
    locker.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let sale = Sale::new("s1", &world.email("ada"), world.ago(60)).event();
    let request = world.signed(Stripe, sale.to_string().as_bytes());
    let reply = request.send(world.addr()).await;
    is_our_trouble(&reply, "storage_unavailable");
    assert!(reply.text().contains("nothing was recorded"), "{}", reply.text());
    let ready = Request::new("GET", "/readyz").send(world.addr()).await;
    is_our_trouble(&ready, ready.json()["code"].as_str().expect("a code"));
    assert_eq!(Request::new("GET", "/livez").send(world.addr()).await.status, 200);
    locker.execute_batch("ROLLBACK").expect("unlocked");
    let answer = until("the database is free", async || {
        let reply = request.send(world.addr()).await;
        (reply.status == 200).then(|| reply.json())
    });
    assert_eq!(answer.await["duplicate"], false);
    assert_eq!(Request::new("GET", "/readyz").send(world.addr()).await.status, 200);
    the_sale_is_told(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_locked_webhooks_are_taken_and_told_of_afterwards() {
    let _alone = LOCKS.lock().await;
    let world = World::new().await;
    let locker = rusqlite::Connection::open(world.folder.path().join("bridge.db")).expect("opened");
    locker.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let sale = Sale::new("s1", &world.email("ada"), world.ago(60)).event();
    let request = world.signed(Stripe, sale.to_string().as_bytes());
    for duplicate in [false, true] {
        let reply = request.send(world.addr()).await;
        assert_eq!((reply.status, reply.json()["duplicate"].clone()), (200, json!(duplicate)));
    }
    let ready = Request::new("GET", "/readyz").send(world.addr()).await;
    is_our_trouble(&ready, ready.json()["code"].as_str().expect("a code"));
    locker.execute_batch("ROLLBACK").expect("unlocked");
    the_sale_is_told(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_by_themselves_after_a_database_was_locked() {
    let _alone = LOCKS.lock().await;
    let world = World::new().await;
    let email = world.email("ada");
    world.fault(r#"{"status":503}"#);
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    world.idle().await;
    let locker = rusqlite::Connection::open(world.folder.path().join("bridge.db")).expect("opened");
    locker.execute_batch("BEGIN IMMEDIATE").expect("locked");
    // The retry becomes due, and cannot be leased for as long as the database is locked.
    world.pass(Duration::from_secs(2));
    let failures = || log::text().lines().filter(|l| l.contains("cannot lease")).count();
    let before = failures();
    until("a lease has failed", async || (failures() > before).then_some(())).await;
    locker.execute_batch("ROLLBACK").expect("unlocked");
    the_sale_is_told(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_answered_503_at_once() {
    let _alone = LOCKS.lock().await;
    let world = World::new().await;
    let locker = rusqlite::Connection::open(world.folder.path().join("bridge.db.spool")).expect("opened");
    locker.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let store = world.app().store().clone();
    let sale = Sale::new("s1", &world.email("ada"), world.ago(60)).event();
    let request = world.signed(Stripe, sale.to_string().as_bytes());
    let (mut waiting, mut full_for) = (Vec::new(), 0);
    let reply = until("the queue is full", async || {
        // Polled once, each is in the queue or was turned away.
        let more = (0..2000).map(|_| Box::pin(async { store.probe().await }));
        let before = waiting.len();
        waiting.extend(more.filter_map(|mut w| w.as_mut().now_or_never().is_none().then_some(w)));
        full_for = if waiting.len() == before { full_for + 1 } else { 0 };
        if full_for < 5 {
            return None; // The writer may just be taking some out.
        }
        let reply = request.send(world.addr()).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        (reply.json()["code"] == "overloaded").then_some(reply)
    });
    is_our_trouble(&reply.await, "overloaded");
    locker.execute_batch("ROLLBACK").expect("unlocked");
    drop(waiting);
    let answer = until("the queue has a place", async || {
        let reply = request.send(world.addr()).await;
        (reply.status == 200).then(|| reply.json())
    });
    assert_eq!(answer.await["duplicate"], json!(false));
    the_sale_is_told(&world).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_cannot_be_written_is_set_aside_and_the_others_go_on() {
    let world = World::new().await;
    let (ada, bob) = (world.email("ada"), world.email("bob"));
    world.stripe(&Sale::new("s1", &ada, world.ago(60)).event()).await;
    world.idle().await;
    // Somebody edits what is stored about Ada by hand.
    let db = rusqlite::Connection::open(world.folder.path().join("bridge.db")).expect("opened");
    let edit = |sql: &str| assert_eq!(db.execute(sql, [&ada]).expect("edited"), 1);
    edit("UPDATE facts SET data = '?' || data WHERE email_key = ?1");
    world.pass(Duration::from_secs(86_400));
    let id = world.stripe(&Sale::new("s2", &ada, world.ago(60)).event()).await;
    world.stripe(&Sale::new("s3", &bob, world.ago(60)).event()).await;
    world.idle().await;
    assert_eq!(world.sandbox.look(|book| book.payments().len()), 2, "Bob's is told");
    let aside = world.get(&format!("/api/v1/events/{id}")).await;
    assert_eq!((aside["state"].as_str(), aside["reason"].as_str()), (Some("unmappable"), Some("unreadable")));
    edit("UPDATE facts SET data = substr(data, 2) WHERE email_key = ?1 AND data LIKE '?%'");
    assert_eq!(world.act(&format!("/api/v1/events/{id}/remap")).await.status, 200);
    world.idle().await;
    assert_eq!(world.sandbox.look(|book| book.payments().len()), 3, "and Ada's, once it is mended");
    world.end().await;
}
