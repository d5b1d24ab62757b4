//! The real program told to end, with work under way on every side: it ends well, in bounded time, and loses nothing.

use std::time::{Duration, Instant};

use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::sandbox::Fault;
use serde_json::json;

use crate::kit::process::Process;
use crate::kit::samples::Sale;
use crate::kit::until;
use crate::kit::wire::Line;

fn sale(id: &str) -> Vec<u8> {
    let now = refairn_bridge::clock::Clock::system().now();
    Sale::new(id, &format!("{id}@example.com"), now).event().to_string().into_bytes()
}

fn fault(process: &Process, fault: &str) {
    process.sandbox.add_faults(Fault::read_all(fault.as_bytes()).expect("a fault")).expect("taken");
}

/// A bridge with one call under way at a Refairn that does not answer.
async fn with_a_hanging_call() -> Process {
    let mut process = Process::new(&[("REFAIRN_BRIDGE__REFAIRN__TIMEOUT_MS", "3000")]);
    fault(&process, r#"{"delay_ms":600000}"#);
    process.start().await;
    process.post(Stripe, &sale("hanging")).await.expect("taken");
    until("the call is under way", async || (process.sandbox.calls().len() == 1).then_some(())).await;
    process
}

/// Starts it again, and waits until Refairn has so many payments.
async fn goes_on(process: &mut Process, payments: usize) {
    process.start().await;
    until("what was left is done", async || {
        (process.sandbox.look(|book| book.payments().len()) == payments).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_finishes_what_is_under_way() {
    let mut process = Process::new(&[]);
    fault(&process, r#"{"delay_ms":1500}"#);
    process.start().await;
    let mut idle = Line::open(process.addr).await;
    let first = sale("s1");
    idle.write(&process.signed(Stripe, &first).head("keep-alive")).await;
    idle.write(&first).await;
    assert_eq!(idle.next_answer().await.expect("an answer").status, 200);
    until("the call is under way", async || (process.sandbox.calls().len() == 1).then_some(())).await;
    let second = sale("s2");
    let mut slow = Line::open(process.addr).await;
    slow.write(&process.signed(Stripe, &second).head("keep-alive")).await;
    slow.write(&second[..100]).await;
    // Each asks over a connection of its own, which is taken after that one.
    for _ in 0..8 {
        process.all("events").await;
    }

    let began = Instant::now();
    process.signal("TERM");
    until("it says so", async || process.log().contains("SIGTERM: finishing").then_some(())).await;
    assert!(idle.next_answer().await.is_none(), "an idle connection is closed");
    slow.write(&second[100..]).await;
    let reply = slow.answer().await.expect("an answer, and the connection's end");
    assert_eq!((reply.status, &reply.json()["duplicate"]), (200, &json!(false)), "what was begun is taken");
    assert_eq!(process.ended().await, Some(0));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());

    goes_on(&mut process, 2).await;
    let attempts: Vec<_> = process.all("deliveries").await.iter().map(|d| d["attempts"].clone()).collect();
    assert_eq!(attempts, [1, 1], "nothing was sent twice");
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_end_it_waits_for_nobody_for_ever() {
    let mut process = with_a_hanging_call().await;
    let body = sale("slow");
    let (mut slow, mut slower) = (Line::open(process.addr).await, Line::open(process.addr).await);
    slow.write(&process.signed(Stripe, &body).head("close")).await;
    slow.write(&body[..100]).await;
    slower.write(b"POST /webhooks/stripe HTTP/1.1\r\n").await;
    let began = Instant::now();
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    assert!(began.elapsed() < Duration::from_secs(14), "{:?}", began.elapsed());
    assert!(process.log().contains("stopped"), "{}", process.log());
    goes_on(&mut process, 1).await;
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    for second in ["TERM", "INT"] {
        let mut process = with_a_hanging_call().await;
        process.signal("TERM");
        until("it says so", async || process.log().contains("SIGTERM: finishing").then_some(())).await;
        let began = Instant::now();
        process.signal(second);
        assert_eq!(process.ended().await, Some(1));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        goes_on(&mut process, 1).await;
        process.end().await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn what_it_holds_in_memory_is_in_no_core_dump() {
    let mut process = Process::new(&[]);
    process.start().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.pid())).expect("its limits");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("one of core dumps");
    let words: Vec<&str> = line.split_whitespace().skip(4).take(2).collect();
    assert_eq!(words, ["0", "0"], "{line}");
    // A dump is handed to a program in spite of that limit; this signal ends with one, where one is allowed.
    process.signal("ABRT");
    let status = process.status().await;
    assert!(!std::os::unix::process::ExitStatusExt::core_dumped(&status), "{status:?}");
}
