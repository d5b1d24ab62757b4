//! Whatever stands where Refairn should and does not speak as Refairn does: each call ends in time, is made again, and is
//! never taken for told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kit::samples::Sale;
use crate::kit::upstream::{Say, Upstream};
use crate::kit::world::{Setup, World};

const SOON: Duration = Duration::ZERO;
const DRIP: Duration = Duration::from_millis(20);
/// The longest one call may take in these tests, milliseconds.
const CALL_MS_MAX: &str = "300";
const OK_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// What came of a sale whose first call met a fault.
struct Met {
    delivery: Value,
    upstream: Upstream,
}

impl Met {
    /// The statuses of the attempts; 0 for one without an answer.
    fn statuses(&self) -> Vec<u64> {
        let log = self.delivery["attempt_log"].as_array().expect("attempts");
        log.iter().map(|attempt| attempt["status"].as_u64().unwrap_or(0)).collect()
    }

    /// The first attempt came to nothing, for this reason, and the second got through.
    #[track_caller]
    fn was_tried_again(&self, first_status: u64, words: &str) {
        assert_eq!((&self.delivery["state"], self.statuses()), (&"delivered".into(), vec![first_status, 200]));
        let outcome = self.delivery["attempt_log"][0]["outcome"].as_str().expect("an outcome");
        assert!(outcome.contains(words), "{outcome}");
    }
}

/// Posts a sale; its first call meets `fault`, every later one is Refairn's to answer.
async fn meet(fault: impl Fn() -> Say + Send + Sync + 'static) -> Met {
    let calls = AtomicUsize::new(0);
    let answer = move |_: &_| if calls.fetch_add(1, Ordering::SeqCst) == 0 { fault() } else { Say::success() };
    let upstream = Upstream::start(answer).await;
    let world = start(&upstream).await;
    let email = world.email("ada");
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    let began = Instant::now();
    world.drive(Duration::from_secs(3)).await;
    assert!(began.elapsed() < Duration::from_secs(10), "a call hung for {:?}", began.elapsed());
    let delivery = world.detail(&world.deliveries_to(&email).await[0]).await;
    world.end().await;
    Met { delivery, upstream }
}

async fn start(upstream: &Upstream) -> World {
    Setup::new().key("refairn", "timeout_ms", CALL_MS_MAX).upstream(&upstream.url()).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_before_the_answer_ends_with_the_time_out() {
    meet(|| Say::bytes("").then_silence()).await.was_tried_again(0, "no answer in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_within_the_head_ends_with_the_time_out() {
    meet(|| Say::bytes("HTTP/1.1 200 OK\r\nContent-Ty").then_silence()).await.was_tried_again(0, "no answer in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_within_the_body_ends_with_the_time_out() {
    let half = format!("{OK_HEAD}Content-Length: 100\r\n\r\n{{\"success\":");
    meet(move || Say::bytes(&half).then_silence()).await.was_tried_again(200, "no answer in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_ends_with_the_time_out() {
    let head = format!("{OK_HEAD}Content-Length: 10000\r\n\r\n");
    meet(move || Say::bytes(&head).then_again(" ", DRIP)).await.was_tried_again(200, "no answer in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_drips_ends_with_the_time_out() {
    meet(|| Say::bytes(OK_HEAD).then_again("X: x\r\n", DRIP)).await.was_tried_again(0, "no answer in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_before_the_answer_is_tried_again() {
    meet(|| Say::bytes("").then_reset()).await.was_tried_again(0, "the connection broke");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_within_the_body_is_tried_again() {
    let half = format!("{OK_HEAD}Content-Length: 100\r\n\r\n{{\"success\":");
    let met = meet(move || Say::bytes(&half).late(DRIP).then_reset()).await;
    // The head may be lost with the rest.
    let status = met.statuses()[0];
    met.was_tried_again(status, "the connection broke");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_read_up_to_the_limit() {
    for head in ["Transfer-Encoding: chunked\r\n\r\n", "Connection: close\r\n\r\n"] {
        let head = format!("{OK_HEAD}{head}");
        let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
        let met = meet(move || Say::bytes(&head).then_again(&chunk, SOON)).await;
        met.was_tried_again(200, "is not the JSON that Refairn sends");
        let kept = met.delivery["attempt_log"][0]["response"].as_str().map_or(0, str::len);
        assert!(kept <= 2048, "{kept} bytes of it were kept");
        // What the limit lets through, and what fits into the sockets.
        assert!(met.upstream.repeated_bytes() < 16 << 20, "{} bytes were read", met.upstream.repeated_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_headers_is_no_answer() {
    meet(|| Say::bytes("HTTP/1.1 200 OK\r\n").then_again("X-Flood: xxxxxxxx\r\n".repeat(1000), SOON))
        .await
        .was_tried_again(0, "");
    meet(|| Say::bytes("HTTP/1.1 200 OK\r\nX-Flood: ").then_again("x".repeat(0x4000), SOON))
        .await
        .was_tried_again(0, "");
    meet(|| Say::answer(200, &"X-Flood: x\r\n".repeat(1000), r#"{"success":true}"#)).await.was_tried_again(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_is_no_answer() {
    for text in ["SSH-2.0-Banner\r\n", "{\"success\":true}", "\r\n\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "\0\u{1}\u{2}"]
    {
        meet(move || Say::bytes(text).then_close()).await.was_tried_again(0, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_shorter_than_announced_is_tried_again() {
    let short = format!("{OK_HEAD}Content-Length: 1000\r\n\r\n{{\"success\":true}}");
    meet(move || Say::bytes(&short).then_close()).await.was_tried_again(200, "the connection broke");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lengths_are_no_answer() {
    let two = format!("{OK_HEAD}Content-Length: 16\r\nContent-Length: 17\r\n\r\n{{\"success\":true}} ");
    meet(move || Say::bytes(&two)).await.was_tried_again(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_beyond_the_announced_length_are_not_the_next_calls_answer() {
    let success = r#"{"success":true}"#;
    let whole = format!("{OK_HEAD}Content-Length: {}\r\n\r\n{success}", success.len());
    let calls = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Say::bytes(format!("{whole}{whole}")),
        _ => Say::answer(400, "", r#"{"success":false,"message":"no"}"#),
    })
    .await;
    let world = start(&upstream).await;
    for name in ["ada", "bola"] {
        world.stripe(&Sale::new(name, &world.email(name), world.ago(60)).event()).await;
        world.drive(Duration::from_secs(3)).await;
    }
    assert_eq!(world.deliveries_to(&world.email("ada")).await[0]["state"], "delivered");
    assert_eq!(world.deliveries_to(&world.email("bola")).await[0]["state"], "rejected");
    assert_eq!(upstream.seen().len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_before_the_answer_are_passed_over() {
    for before in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"] {
        let success = format!("{before}{OK_HEAD}Content-Length: 16\r\n\r\n{{\"success\":true}}");
        let met = meet(move || Say::bytes(&success)).await;
        assert_eq!((&met.delivery["state"], met.statuses()), (&"delivered".into(), vec![200]));
    }
    let without_end = || Say::bytes("").then_again("HTTP/1.1 103 Early Hints\r\n\r\n", DRIP);
    meet(without_end).await.was_tried_again(0, "no answer in time");
    meet(|| Say::bytes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"))
        .await
        .was_tried_again(101, "101");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_without_a_receipt_is_tried_again() {
    for (status, body) in [(204, ""), (206, ""), (200, ""), (206, "{\"succ")] {
        meet(move || Say::answer(status, "", body)).await.was_tried_again(status.into(), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_whose_connection_is_dropped_ends_as_a_duplicate() {
    let calls = AtomicUsize::new(0);
    let head = format!("{OK_HEAD}Content-Length: 100\r\n\r\n{{\"success\":true,");
    let upstream = Upstream::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Say::bytes(&head).then_close(),
        _ => Say::answer(409, "", r#"{"success":false,"message":"already recorded"}"#),
    })
    .await;
    let world = start(&upstream).await;
    let email = world.email("ada");
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    world.drive(Duration::from_secs(3)).await;
    let delivery = world.deliveries_to(&email).await.remove(0);
    assert_eq!((&delivery["state"], &delivery["needs_attention"]), (&"duplicate".into(), &false.into()), "{delivery}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_is_tried_again() {
    let world = Setup::new().upstream("https://refairn.invalid").start().await;
    let email = world.email("ada");
    world.stripe(&Sale::new("s1", &email, world.ago(60)).event()).await;
    world.idle().await;
    let delivery = world.deliveries_to(&email).await.remove(0);
    assert_eq!((&delivery["state"], &delivery["reason"]), (&"queued".into(), &"retrying".into()), "{delivery}");
    assert!(delivery["explanation"].as_str().expect("an explanation").contains("cannot connect"), "{delivery}");
    let mut world = world;
    world.leave.open = true;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_one_after_the_other_share_a_connection_whatever_is_answered() {
    let answers = [
        (200, r#"{"success":true}"#),
        (409, r#"{"success":false,"message":"known"}"#),
        (400, r#"{"success":false,"message":"no"}"#),
        (503, "<html>busy</html>"),
    ];
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let answer = move |_: &_| {
        let (status, body) = answers[counter.fetch_add(1, Ordering::SeqCst) % answers.len()];
        Say::answer(status, "", body)
    };
    let upstream = Upstream::start(answer).await;
    let mut world = start(&upstream).await;
    for n in 0..24 {
        let name = format!("c{n}");
        world.stripe(&Sale::new(&name, &world.email(&name), world.ago(60)).event()).await;
        world.idle().await;
    }
    assert_eq!((upstream.seen().len(), upstream.connections()), (24, 1));
    world.leave.open = true;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_refairn_closes_in_between_are_made_anew() {
    let upstream = Upstream::start(|_| Say::success().then_close()).await;
    let world = start(&upstream).await;
    for n in 0..8 {
        let email = world.email(&format!("c{n}"));
        world.stripe(&Sale::new(&format!("s{n}"), &email, world.ago(60)).event()).await;
        world.drive(Duration::from_secs(3)).await;
        assert_eq!(world.deliveries_to(&email).await[0]["state"], "delivered");
    }
    world.end().await;
}
