//! The real program on machines whose clocks are wrong, or are set while it runs: `libfaketime` tells it another time. The
//! time that passes is the true one.

#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::providers::provider;
use refairn_bridge::sandbox::Fault;

use crate::kit::postgres::Database;
use crate::kit::process::Process;
use crate::kit::program::{STRIPE_SECRET, TOKEN};
use crate::kit::samples::Sale;
use crate::kit::until;
use crate::kit::wire::Request;

/// How long a first payment waits in these tests, seconds.
const WAIT_S: u64 = 4;

/// Where the library is, whatever this machine's architecture.
fn library() -> String {
    let folders = std::fs::read_dir("/usr/lib").expect("a folder").flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|file| file.is_file());
    found.expect("libfaketime is needed for the tests: install the package faketime").display().to_string()
}

/// A bridge whose clock goes by what a file in its folder says.
fn with_odd_clock(variables: &[(&'static str, &str)], seconds: i64) -> Process {
    let mut process = Process::new(variables);
    let file = process.folder.path().join("clock");
    process.set("LD_PRELOAD", &library());
    process.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    process.set("FAKETIME_NO_CACHE", "1");
    process.set("FAKETIME_TIMESTAMP_FILE", &file.display().to_string());
    set(&process, seconds);
    process
}

/// Sets its clock so many seconds ahead of the true time; in one move, for it looks at any moment.
fn set(process: &Process, seconds: i64) {
    let (file, new) = (process.folder.path().join("clock"), process.folder.path().join("clock.new"));
    std::fs::write(&new, format!("{seconds:+}s\n")).expect("written");
    std::fs::rename(&new, &file).expect("renamed");
}

/// Posts an event, signed by the clock of the machine it comes to.
async fn post(process: &Process, ahead_s: i64, sale: &Sale) {
    let body = sale.event().to_string().into_bytes();
    let at = Clock::system().now() + SignedDuration::from_secs(ahead_s);
    let signature = provider(Stripe).sign(STRIPE_SECRET, &body, at);
    let request = Request::new("POST", "/webhooks/stripe").header(provider(Stripe).signature_header(), signature);
    let reply = request.header("Content-Type", "application/json").body(&body).send(process.addr).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Waits until Refairn has asked for this customer's call later. What is on its way still shows why it waited before.
async fn is_set_back(process: &Process, email: &str) {
    until("it is to be tried in twenty minutes", async || {
        let waits = |d: &serde_json::Value| d["email"] == email && d["state"] == "queued" && d["reason"] == "retrying";
        process.all("deliveries").await.into_iter().find(waits)
    })
    .await;
}

/// What a metric says, in whole seconds.
async fn metric(process: &Process, name: &str) -> i64 {
    let request = Request::new("GET", "/metrics").header("Authorization", format!("Bearer {TOKEN}"));
    let text = request.send(process.addr).await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}"));
    line.trim().split('.').next().and_then(|whole| whole.parse().ok()).expect("a number")
}

/// When each of the bridges' Refairns hears of these addresses, from `begin` on.
async fn told_after(begin: Instant, processes: [&Process; 2], emails: &[String]) -> Vec<Duration> {
    let mut told = vec![None; emails.len()];
    until("all are told", async || {
        let calls: Vec<_> = processes.iter().flat_map(|process| process.sandbox.calls()).collect();
        for (told, email) in told.iter_mut().zip(emails) {
            if told.is_none() && calls.iter().any(|call| call.body.contains(email)) {
                *told = Some(begin.elapsed());
            }
        }
        told.iter().copied().collect::<Option<Vec<_>>>()
    })
    .await
}

/// Two replicas, one of which is ten minutes off: a first payment waits for its code, whichever of them it comes to and
/// whichever of them sends it.
async fn a_replica_that_is_off(ahead_s: i64) {
    let url = Database::make().url();
    let wait = WAIT_S.to_string();
    let variables = [("DATABASE_URL", url.as_str()), ("REFAIRN_BRIDGE__DELIVERY__FIRST_PAYMENT_WAIT_S", wait.as_str())];
    let (mut odd, mut right) = (with_odd_clock(&variables, ahead_s), Process::new(&variables));
    let check = odd.command(&["check"]).output().expect("the program");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    let how = if ahead_s > 0 { "ahead of the database's" } else { "behind the database's" };
    assert!(said.contains(how), "{said}");
    let check = right.command(&["check"]).output().expect("the program");
    assert!(!String::from_utf8_lossy(&check.stdout).contains("the database's"), "only the odd one is told of");
    odd.start().await;
    right.start().await;
    let begin = Instant::now();
    let paid_at = Clock::system().now() - Duration::from_secs(5);
    let sales: Vec<Sale> =
        (0..6).map(|n| Sale::new(&format!("s{n}"), &format!("c{n}@example.com"), paid_at).first()).collect();
    for sale in &sales[..3] {
        post(&odd, ahead_s, sale).await;
    }
    for sale in &sales[3..] {
        post(&right, 0, sale).await;
    }
    let emails: Vec<String> = sales.iter().map(|sale| sale.email.clone()).collect();
    let told = told_after(begin, [&odd, &right], &emails).await;
    // A clock that follows another is behind by the time of one answer.
    let least = Duration::from_secs(WAIT_S) - Duration::from_millis(200);
    assert!(told.iter().all(|told| *told >= least), "too early: {told:?}");
    assert!(told.iter().all(|told| *told < least + Duration::from_secs(30)), "too late: {told:?}");
    let received = odd.all("events").await;
    let off = |at: &str| at.parse::<Timestamp>().expect("a time").duration_since(Clock::system().now()).unsigned_abs();
    assert!(received.iter().all(|e| off(e["received_at"].as_str().expect("a time")) < Duration::from_secs(60)));
    let skew = metric(&odd, "refairn_bridge_clock_skew_seconds").await;
    assert!((skew - ahead_s).abs() <= 2, "{skew}");
    assert!(metric(&right, "refairn_bridge_clock_skew_seconds").await.abs() < 2);
    assert_eq!(odd.log().matches("synchronise both").count(), 1, "{}", odd.log());
    assert!(!right.log().contains("synchronise both"));
    odd.end().await;
    right.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_payments_wait_for_their_code_though_one_replica_is_ten_minutes_ahead() {
    a_replica_that_is_off(600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_payments_wait_for_their_code_though_one_replica_is_ten_minutes_behind() {
    a_replica_that_is_off(-600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_while_all_sleep_is_noticed_and_told_of() {
    let mut process = with_odd_clock(&[], 0);
    let later = r#"{"status":503,"retry_after":"1200","times":1}"#;
    process.sandbox.add_faults(Fault::read_all(later.as_bytes()).expect("a fault")).expect("taken");
    process.start().await;
    let quiet = process.log();
    assert!(!quiet.contains("the clock was set"), "{quiet}");
    let now = Clock::system().now();
    post(&process, 0, &Sale::new("s1", "ada@example.com", now)).await;
    is_set_back(&process, "ada@example.com").await;
    let hours = 3 * 3600;
    let begin = Instant::now();
    set(&process, hours);
    until("it is told", async || (process.sandbox.look(|book| book.payments().len()) == 1).then_some(())).await;
    assert!(begin.elapsed() < Duration::from_secs(30), "noticed after {:?}", begin.elapsed());
    until("it is told of", async || process.log().contains("the clock was set forward by").then_some(())).await;
    // What waits by that clock does not wait for hours when it is right again.
    process.sandbox.add_faults(Fault::read_all(later.as_bytes()).expect("a fault")).expect("taken");
    post(&process, hours, &Sale::new("s2", "bola@example.com", now)).await;
    is_set_back(&process, "bola@example.com").await;
    set(&process, 0);
    until("it is told", async || (process.sandbox.look(|book| book.payments().len()) == 2).then_some(())).await;
    let log = process.log();
    assert!(log.contains("the clock was set back by") && log.contains("waits that began by it are over: 1\""), "{log}");
    process.end().await;
}
