//! Connections that dawdle, lie about lengths, or speak in odd ways: each ends in bounded time, and none is in the way
//! of another.

use std::time::{Duration, Instant};

use refairn_bridge::domain::provider::ProviderKind::{Paystack, Stripe};

use super::refusals::nothing_is_kept;
use crate::kit::samples::Sale;
use crate::kit::wire::{Line, Request};
use crate::kit::world::{Setup, World};
use crate::kit::{log, until};

/// A connection that was refused, or whose body was not read, is closed by then.
const CLOSED_WITHIN: Duration = Duration::from_secs(4);

/// A head that is late has cost its connection by then.
const HEAD_CUT_WITHIN: Duration = Duration::from_secs(20);

fn sale(world: &World, id: &str) -> Vec<u8> {
    Sale::new(id, &world.email(id), world.ago(60)).event().to_string().into_bytes()
}

/// Drips chunks into a connection until it is closed.
async fn drips(line: &mut Line) {
    let began = Instant::now();
    until("the connection is closed", async || {
        line.write(b"1\r\nx\r\n").await;
        let end = tokio::time::timeout(Duration::from_millis(50), line.next_answer()).await;
        end.is_ok_and(|answer| answer.is_none()).then_some(())
    })
    .await;
    assert!(began.elapsed() < CLOSED_WITHIN, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_reads_does_not_keep_its_connection() {
    let world = World::new().await;
    let chunked = |method: &str, path: &str| Request::new(method, path).chunked(1);
    let encoded = world.signed(Stripe, b"").header("Content-Encoding", "gzip").chunked(1);
    for (status, request) in [
        (415, encoded),
        (404, chunked("POST", "/webhooks/adyen")),
        (404, chunked("POST", "/webhooks/stripe/other")),
        (404, chunked("POST", "/webhooks/stripe/a/b")),
        (405, chunked("PUT", "/webhooks/stripe")),
        (404, chunked("POST", "/nothing")),
        (401, chunked("POST", "/api/v1/events/evt_1/remap")),
        (404, chunked("POST", "/api/v1/nothing").header("Authorization", world.bearer())),
        (200, chunked("GET", "/livez")),
        (200, chunked("GET", "/readyz")),
        (200, chunked("GET", "/metrics").header("Authorization", world.bearer())),
    ] {
        let mut line = Line::open(world.addr()).await;
        line.write(&request.head("keep-alive")).await;
        let reply = line.next_answer().await.expect("an answer");
        assert_eq!(reply.status, status, "{request:?}");
        drips(&mut line).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_let_in_gets_one_request_a_connection() {
    let world = World::new().await;
    let forged = Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", "t=1,v1=00");
    let open = ["/livez", "/readyz", "/nothing", "/api/v1/stats"].map(|path| Request::new("GET", path));
    for request in [forged].into_iter().chain(open) {
        let mut line = Line::open(world.addr()).await;
        line.write(&request.head("keep-alive")).await;
        let reply = line.answer().await.expect("an answer, and the connection's end");
        assert_eq!(reply.header("connection"), Some("close"), "{request:?}");
    }
    // Who is let in may go on.
    let mut line = Line::open(world.addr()).await;
    for id in ["s1", "s2"] {
        let body = sale(&world, id);
        line.write(&world.signed(Stripe, &body).head("keep-alive")).await;
        line.write(&body).await;
        assert_eq!(line.next_answer().await.expect("an answer").status, 200);
    }
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_head_has_its_time_and_not_only_a_connections_first() {
    let world = World::new().await;
    let body = sale(&world, "s1");
    let request = world.signed(Stripe, &body).head("keep-alive");
    let half = &request[..request.len() / 2];
    // What comes after an answer: nothing, and parts of a head.
    let after = async |part: &[u8]| {
        let mut line = Line::open(world.addr()).await;
        line.write(&request).await;
        line.write(&body).await;
        assert_eq!(line.next_answer().await.expect("an answer").status, 200);
        line.write(part).await;
        line
    };
    let (mut idle, byte, half) = (after(b"").await, after(b"P").await, after(half).await);
    let mut dripping = after(b"P").await;
    let mut first_byte = Line::open(world.addr()).await;
    first_byte.write(b"P").await;
    let drip = until("a dripping head is cut off", async || {
        dripping.write(b"x").await;
        let end = tokio::time::timeout(Duration::from_millis(200), dripping.some()).await;
        end.is_ok_and(|bytes| bytes.is_empty()).then_some(())
    });
    let began = Instant::now();
    let ends = futures_util::future::join_all([byte, half, first_byte].map(Line::rest));
    let (_, ends) = tokio::time::timeout(HEAD_CUT_WITHIN, async { tokio::join!(drip, ends) })
        .await
        .unwrap_or_else(|_| panic!("they are open after {:?}", began.elapsed()));
    assert!(ends.iter().all(Vec::is_empty), "{ends:?}");
    assert!(began.elapsed() > Duration::from_secs(3), "{:?}: nobody is hurried", began.elapsed());
    // Who has begun nothing may wait: a proxy sends its next request here.
    idle.write(&request).await;
    idle.write(&body).await;
    assert_eq!(idle.next_answer().await.expect("an answer").status, 200);
    let metrics = world.admin("GET", "/metrics").send(world.addr()).await.text();
    assert!(metrics.contains("refairn_bridge_disconnected_total{reason=\"slow_head\"}"), "{metrics}");
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_does_not_keep_its_connection() {
    let world = World::new().await;
    assert_eq!(world.signed(Paystack, &vec![b'x'; 1 << 20]).send(world.addr()).await.status, 200);
    world.idle().await;
    let ended = async || {
        let metrics = world.admin("GET", "/metrics").send(world.addr()).await.text();
        metrics.contains("refairn_bridge_disconnected_total{reason=\"unread_answer\"} 1\n").then_some(())
    };
    assert_eq!(ended().await, None);
    let mut line = Line::open_narrow(world.addr()).await;
    let request = world.admin("GET", "/api/v1/events/evt_1").head("keep-alive");
    for _ in 0..16 {
        line.write(&request).await;
    }
    until("the connection is ended", ended).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_none_are_counted_and_fill_no_log() {
    let world = World::new().await;
    for _ in 0..200 {
        let mut line = Line::open(world.addr()).await;
        line.write(b"no request at all\r\n\r\n").await;
        let text = String::from_utf8(line.rest().await).expect("text");
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
    }
    until("they are counted", async || {
        let metrics = world.admin("GET", "/metrics").send(world.addr()).await.text();
        let line = metrics
            .lines()
            .find(|l| l.starts_with("refairn_bridge_disconnected_total{reason=\"malformed_request\"}"))?;
        (line.rsplit(' ').next()?.parse::<u32>().ok()? >= 200).then_some(())
    })
    .await;
    let lines = log::text().lines().filter(|l| l.contains("connection ended: malformed_request")).count();
    assert!(lines < 20, "{lines} lines: one of this world's and of each other's");
    // They count like failed signatures.
    let unsigned = Request::new("POST", "/webhooks/stripe").send(world.addr()).await;
    unsigned.is_problem(429, "too_many_failed_signatures");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_sent_before_the_answer_are_answered_in_their_order() {
    let world = World::new().await;
    let mut line = Line::open(world.addr()).await;
    let mut bytes = Vec::new();
    for n in 0..12 {
        let body = sale(&world, &format!("s{n}"));
        bytes.extend(world.signed(Stripe, &body).head("keep-alive"));
        bytes.extend(body);
    }
    let last = sale(&world, "last");
    bytes.extend(world.signed(Stripe, &last).head("close"));
    bytes.extend(last);
    line.write(&bytes).await;
    let text = String::from_utf8(line.rest().await).expect("text");
    let place = |n: usize| text.find(&format!("\"evt_{n}\"")).unwrap_or_else(|| panic!("evt_{n} is not in {text}"));
    assert!((1..13).all(|n| place(n) < place(n + 1)), "{text}");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 13, "{text}");
    world.idle().await;
    assert_eq!(world.all("events", "").await.len(), 13);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_waits_for_100_continue_is_told_to_go_on() {
    let world = World::new().await;
    let body = sale(&world, "s1");
    let mut line = Line::open(world.addr()).await;
    line.write(&world.signed(Stripe, &body).header("Expect", "100-continue").head("close")).await;
    let mut told = Vec::new();
    until("100", async || {
        told.extend(line.some().await);
        String::from_utf8_lossy(&told).starts_with("HTTP/1.1 100 Continue\r\n\r\n").then_some(())
    })
    .await;
    line.write(&body).await;
    assert_eq!(line.answer().await.expect("an answer").status, 200);
    // What is refused by its head is refused at once; the body is not waited for.
    let mut line = Line::open(world.addr()).await;
    line.write(&world.signed(Stripe, &[b'x'; 2 << 20]).header("Expect", "100-continue").head("close")).await;
    let text = String::from_utf8(line.rest().await).expect("text");
    assert!(text.contains("HTTP/1.1 413 "), "{text}");
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_and_lengths_that_contradict_each_other_are_refused() {
    let world = World::new().await;
    let body = sale(&world, "inner");
    let length = body.len();
    let signed = |head: &str| {
        let mut bytes = world.signed(Stripe, &body).head_with(head);
        bytes.extend_from_slice(&body);
        bytes
    };
    for bytes in [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"no request at all\r\n\r\n".to_vec(),
        signed(&format!("Content-Length: {length}\r\nContent-Length: 3\r\n")),
        signed(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n")),
        signed("Transfer-Encoding: gzip\r\n"),
        // More is announced than comes.
        signed(&format!("Content-Length: {}\r\n", length + 1)),
    ] {
        let shown = bytes[..bytes.len().min(80)].escape_ascii().to_string();
        let mut line = Line::open(world.addr()).await;
        line.write(&bytes).await;
        line.end().await;
        let status = line.answer().await.map(|r| r.status);
        assert!(status.is_none_or(|s| (400..500).contains(&s)), "{status:?} to {shown}");
    }
    nothing_is_kept(&world, "inner").await;
    // Less is announced than comes: the rest is another request, and none that means anything.
    let mut line = Line::open(world.addr()).await;
    line.write(&signed(&format!("Content-Length: {}\r\n", length - 1))).await;
    line.end().await;
    assert_eq!(line.answer().await.map(|r| r.status), Some(401));
    nothing_is_kept(&world, "inner").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_have_their_memory_and_small_ones_come_through() {
    let world = World::new().await;
    // More than there is memory for, all but the last byte of each, and held there.
    let large = vec![b'x'; 1 << 20];
    let mut lines = Vec::new();
    for _ in 0..40 {
        let mut line = Line::open(world.addr()).await;
        line.write(&world.signed(Paystack, &large).head("close")).await;
        lines.push(line);
    }
    let answers = lines.into_iter().map(|mut line| {
        let most = &large[1..];
        async move {
            line.write(most).await;
            let reply = tokio::time::timeout(Duration::from_secs(8), line.next_answer()).await;
            (line, reply.ok().flatten())
        }
    });
    let small = async {
        let mut statuses = Vec::new();
        for n in 0..20 {
            statuses.push(world.signed(Stripe, &sale(&world, &format!("s{n}"))).send(world.addr()).await.status);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        statuses
    };
    let (answers, small) = tokio::join!(futures_util::future::join_all(answers), small);
    assert_eq!(small, vec![200; 20], "small bodies are taken all the while");
    let (turned_away, held): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, reply)| reply.is_some());
    assert!((1..=17).contains(&held.len()), "{} large bodies are held in memory", held.len());
    for (_, reply) in &turned_away {
        let reply = reply.as_ref().expect("an answer");
        reply.is_problem(503, "overloaded");
        assert!(reply.header("retry-after").is_some());
    }
    // Those that were let in are finished, and then there is memory again.
    for (mut line, _) in held {
        line.write(b"x").await;
        assert_eq!(line.answer().await.expect("an answer").status, 200);
    }
    assert_eq!(world.signed(Paystack, &vec![b'y'; 1 << 20]).send(world.addr()).await.status, 200);
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_longer_than_the_memory_for_several() {
    let world = Setup::new().key("server", "body_max_bytes", "16777216").start().await;
    assert_eq!(world.signed(Paystack, &vec![b'x'; 16 << 20]).send(world.addr()).await.status, 200);
    world.idle().await;
    world.end().await;
}
