//! A Refairn that answers as no Refairn does: whatever it says, a payment is told again until it says clearly that it
//! has it, no key goes to another host, and the others go on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use refairn_bridge::domain::provider::ProviderKind::Stripe;
use serde_json::Value;
use tokio::net::TcpListener;

use super::target::{Store, Target, signed};
use crate::kit::samples::Sale;
use crate::kit::until;
use crate::kit::upstream::{Say, Seen, Upstream};

on_both! { a_hostile_refairn }

const SETTINGS: [(&str, &str); 2] =
    [("REFAIRN_BRIDGE__REFAIRN__TIMEOUT_MS", "700"), ("REFAIRN_BRIDGE__DELIVERY__RETRY_MAX_WAIT_S", "1")];

/// What becomes of a call that was answered so.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It is made again, and then delivered.
    Again,
    /// It is delivered at once.
    Delivered,
    /// It was known.
    Known,
    /// A person has to look.
    Refused,
}

/// An answer, and what follows from it.
type Case = (&'static str, End, Say);

const JSON: &str = "Content-Type: application/json\r\n";

fn ok(body: &str) -> Say {
    Say::answer(200, JSON, body)
}

/// What is no answer of HTTP, or not the whole of one.
fn broken() -> Vec<Case> {
    let raw = |bytes: &str| Say::bytes(bytes).then_close();
    let long = "x".repeat(200_000);
    vec![
        ("silence", End::Again, Say::bytes("").then_silence()),
        ("a hang-up", End::Again, Say::bytes("").then_close()),
        ("a reset", End::Again, Say::bytes("").then_reset()),
        ("half a head", End::Again, raw("HTTP/1.1 200 OK\r\nContent-Le")),
        ("half a body", End::Again, raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"success\":true")),
        ("a drip", End::Again, Say::bytes("HTTP/1.1 200 OK\r\nX: ").then_again("x", Duration::from_millis(50))),
        (
            "a dripped body",
            End::Again,
            Say::bytes("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n").then_again(" ", Duration::from_millis(50)),
        ),
        (
            "an endless body",
            End::Again,
            Say::bytes("HTTP/1.1 200 OK\r\n\r\n").then_again(" ".repeat(65_536), Duration::ZERO),
        ),
        (
            "an endless head",
            End::Again,
            Say::bytes("HTTP/1.1 200 OK\r\n").then_again("X-A: b\r\n".repeat(1000), Duration::ZERO),
        ),
        ("a long header", End::Again, Say::answer(200, &format!("X-Long: {long}\r\n{long}"), "{\"success\":true}")),
        ("no HTTP", End::Again, raw("SSH-2.0-OpenSSH_9.6\r\n")),
        ("no content", End::Again, raw("HTTP/1.1 204 No Content\r\n\r\n")),
        ("no status", End::Again, raw("HTTP/1.1 abc OK\r\n\r\n")),
        ("status 99", End::Again, raw("HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n")),
        (
            "another protocol",
            End::Again,
            raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
        ),
        (
            "two lengths",
            End::Again,
            raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 16\r\n\r\n{\"success\":true}"),
        ),
        ("broken chunks", End::Again, raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}")),
        ("an error in pieces", End::Again, raw("HTTP/1.1 500 X\r\nContent-Length: 99\r\n\r\n{\"mess")),
    ]
}

/// What is an answer of HTTP, and none of Refairn's, or an odd one.
fn odd() -> Vec<Case> {
    let long = "x".repeat(200_000);
    vec![
        ("HTML", End::Again, Say::answer(200, "Content-Type: text/html\r\n", "<html>Welcome to the network</html>")),
        ("nothing", End::Again, ok("")),
        ("status 999", End::Again, Say::answer(999, "", "")),
        (
            "gzip",
            End::Again,
            Say::answer(200, "Content-Encoding: gzip\r\n", "\u{1f}\u{8b}\u{8}\0\0\0\0\0\0\u{3}\u{ab}"),
        ),
        ("a text for true", End::Again, ok("{\"success\":\"true\"}")),
        ("one for true", End::Again, ok("{\"success\":1}")),
        ("an array", End::Again, ok("[{\"success\":true}]")),
        ("deep arrays", End::Again, ok(&("[".repeat(30_000) + &"]".repeat(30_000)))),
        ("cut off", End::Again, ok("{\"success\":true")),
        ("NUL", End::Again, ok("\0\0\0\0")),
        ("busy, come back at some time", End::Again, Say::answer(429, "Retry-After: soon\r\n", "{}")),
        ("busy, come back in the past", End::Again, Say::answer(429, "Retry-After: -99999999999999999999\r\n", "{}")),
        (
            "an error with control characters",
            End::Again,
            Say::answer(500, JSON, "{\"message\":\"\\u0000\\u001b[2J\\r\\nERROR made-up line\"}"),
        ),
        ("an endless error", End::Again, Say::answer(503, JSON, &format!("{{\"message\":\"{long}\"}}"))),
        (
            "odd receipts",
            End::Delivered,
            ok(
                "{\"success\":true,\"leadId\":\"\\u0000\\u001b[2J\",\"agentId\":5,\"commissionAmount\":1e400,\"commissionId\":{\"a\":[]},\"holdUntil\":\"\\u202e\"}",
            ),
        ),
        (
            "endless receipts",
            End::Delivered,
            ok(&format!("{{\"success\":true,\"leadId\":\"{}\"}}", "x".repeat(50_000))),
        ),
        ("known", End::Known, Say::answer(409, JSON, "\0\u{1b}[2J<html>")),
        (
            "refused in odd words",
            End::Refused,
            Say::answer(400, JSON, "{\"message\":\"\\u001b]0;x\\u0007\\u0000\\r\\nERROR made-up line\"}"),
        ),
        ("refused in endless words", End::Refused, Say::answer(422, JSON, &format!("{{\"error\":\"{long}\"}}"))),
        ("refused in no words", End::Refused, Say::answer(400, JSON, "{\"message\":{\"message\":[]}}")),
        ("a success that is none", End::Refused, ok("{\"success\":false,\"message\":\"\\ud83d\\ude00\"}")),
        ("a teapot", End::Refused, Say::answer(418, "", "")),
    ]
}

const REDIRECTS: [(u16, &str); 5] = [
    (301, "http://CANARY/"),
    (302, "//CANARY/x"),
    (303, "http://CANARY"),
    (307, "http://CANARY/api/events/"),
    (308, "/elsewhere"),
];

fn email(n: usize) -> String {
    format!("hostile{n}@example.com")
}

/// Says what `hostile` has for a customer, once; whoever comes again, or is another, is taken. Notes who was.
fn answer(hostile: Vec<Say>, told: Arc<Mutex<Vec<String>>>) -> impl Fn(&Seen) -> Say + Send + Sync {
    let hostile = Mutex::new(hostile.into_iter().map(Some).collect::<Vec<_>>());
    move |seen| {
        let email = seen.email();
        let n = email.strip_prefix("hostile").and_then(|rest| rest.split_once('@')?.0.parse::<usize>().ok());
        let say = n.and_then(|n| hostile.lock().expect("unpoisoned")[n].take());
        say.unwrap_or_else(|| {
            told.lock().expect("unpoisoned").push(email);
            Say::success()
        })
    }
}

async fn a_hostile_refairn(store: Store) {
    // Nobody may ever connect to it.
    let canary = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let host = canary.local_addr().expect("an address").to_string();
    let (mut names, mut ends, mut says) = (Vec::new(), Vec::new(), Vec::new());
    for (name, end, say) in broken().into_iter().chain(odd()) {
        names.push(name);
        ends.push(end);
        says.push(say);
    }
    for (status, location) in REDIRECTS {
        let location = location.replace("CANARY", &host);
        says.push(Say::answer(status, &format!("Location: {location}\r\n"), &location));
    }
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let upstream = Upstream::start(answer(says, told.clone())).await;
    let url = upstream.url();
    let mut settings = SETTINGS.to_vec();
    settings.push(("REFAIRN_BASE_URL", &url));
    let mut target = Target::prepared(store, &settings, "");
    target = target.told_as(move || told.lock().expect("unpoisoned").clone());
    target.also_told = vec!["hostile"];
    target.process.start_at("trace").await;
    for (n, name) in names.iter().enumerate() {
        hostile_sale(&mut target, n, name).await;
        // The next call of another gets through: Refairn does not count as down.
        target.genuine_sale().await;
    }
    let deliveries = target.idle().await;
    let of = |n: usize| deliveries.iter().find(|d| d["email"] == email(n)).cloned().unwrap_or_default();
    for (n, (name, end)) in names.iter().zip(&ends).enumerate() {
        let (delivery, mut seen) = (of(n), 0);
        upstream.seen().iter().for_each(|s| seen += usize::from(s.email() == email(n)));
        let (state, calls) = match end {
            End::Again => ("delivered", 2),
            End::Delivered => ("delivered", 1),
            End::Known => ("duplicate", 1),
            End::Refused => ("rejected", 1),
        };
        target.holds(name, delivery["state"] == state && seen == calls, || format!("{seen} calls: {delivery}"));
        let plain = !delivery["explanation"].as_str().unwrap_or_default().contains(char::is_control);
        target.holds(name, plain, || format!("control characters: {delivery}"));
    }
    let shown: BTreeSet<&str> = deliveries.iter().filter_map(|d| d["explanation"].as_str()).collect();
    let long = shown.iter().any(|text| text.len() > 2000);
    target.holds("explanations", !long, || "one is endless".to_owned());
    redirects(&mut target, names.len()).await;
    let nobody = tokio::time::timeout(Duration::from_millis(50), canary.accept()).await;
    target.holds("redirects", nobody.is_err(), || format!("the other host was called: {nobody:?}"));
    target.end().await;
}

/// A sale to which the answer will be odd; waits until it was.
async fn hostile_sale(target: &mut Target, n: usize, name: &str) {
    let sale = Sale::new(&format!("hostile{n}"), &email(n), target.began).event().to_string();
    let reply = target.send(&signed(Stripe, sale.as_bytes())).await;
    target.holds(name, reply.status == 200, || reply.text());
    target.taken += 1;
    let path = format!("/api/v1/deliveries?email={}", email(n));
    until(name, async || {
        let answer = target.process.get(&path).await;
        let tried = answer["deliveries"][0]["attempts"].as_u64().is_some_and(|n| n > 0);
        (tried && answer["deliveries"][0]["state"] != "sending").then_some(())
    })
    .await;
}

/// A redirect leads nowhere: it pauses the route, and says so.
async fn redirects(target: &mut Target, first: usize) {
    for (n, (status, _)) in (first..).zip(REDIRECTS) {
        let name = format!("redirect {status}");
        hostile_sale(target, n, &name).await;
        let stats = target.process.get("/api/v1/stats").await;
        let says = stats["routes"].to_string().contains("redirect");
        target.holds(&name, says, || stats["routes"].to_string());
        let found = target.process.get(&format!("/api/v1/deliveries?email={}", email(n))).await;
        let id = found["deliveries"][0]["id"].as_str().expect("an id").to_owned();
        // The minute until a paused route is tried again is over now; whoever retries a call wakes the dispatcher.
        target.run_sql("UPDATE routes SET probe_at = 0 WHERE paused_since IS NOT NULL");
        target.process.act(&format!("/api/v1/deliveries/{id}/retry")).await;
        target.is_told(&email(n)).await;
        let all_told =
            |d: &Value| d["state"] != "rejected" || d["email"].as_str().is_some_and(|e| e.starts_with("hostile"));
        let deliveries = target.idle().await;
        target.holds(&name, deliveries.iter().all(all_told), || format!("{deliveries:?}"));
    }
}
