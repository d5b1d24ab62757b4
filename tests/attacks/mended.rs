//! What did not hold when it was first attacked.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use refairn_bridge::domain::provider::ProviderKind::{Paystack, Stripe};

use super::target::Expected::{Refused, Taken};
use super::target::{Store, Target, signed};
use crate::kit::program::TOKEN;
use crate::kit::until;
use crate::kit::wire::{Line, Request};

on_both! {
    a_log_that_cannot_be_written_stops_nothing
    a_log_that_nobody_reads_stops_nothing
    a_replay_does_not_keep_its_connection
    broken_requests_are_counted_like_failed_signatures
    a_flood_from_an_address_costs_no_genuine_event_of_it
    guessing_the_token_is_slowed_down_and_told
    health_is_asked_with_head_and_answers_are_not_kept
    a_made_token_is_not_printed_into_a_log
}

/// Requests of each kind that a stranger sends in a row.
const FLOOD: usize = 150;
/// Lines that as many of one kind may leave in the log.
const LINES_MAX: usize = 80;
/// A connection has been closed by then: its next head may take five seconds, and some more for a machine under load.
const CLOSED_WITHIN: Duration = Duration::from_secs(15);
/// An answer that has not come by then does not come.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// As many malformed heads as fill a pipe with what was once logged of each.
const PIPE_FULL: usize = 1000;

fn stranger() -> IpAddr {
    Ipv4Addr::new(127, 0, 0, 66).into()
}

/// A bridge that writes its log to something else than a file.
async fn logging_to(store: Store, stderr: impl Into<std::process::Stdio>) -> Target {
    let mut target = Target::prepared(store, &[], "");
    target.process.start_with("info", stderr).await;
    target
}

async fn a_log_that_cannot_be_written_stops_nothing(store: Store) {
    let full = File::options().write(true).open("/dev/full").expect("a full disk");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    for stderr in [std::process::Stdio::from(full), std::process::Stdio::from(writer)] {
        let mut target = logging_to(store, stderr).await;
        for _ in 0..3 {
            target.genuine_sale().await;
            let unsigned = Request::new("POST", "/webhooks/stripe").body(b"{}");
            target.ask("no signature", &unsigned, Refused(&[401])).await;
            // Nobody can read it, which is logged as well.
            let reply =
                signed(Paystack, format!("no JSON {}", target.taken).as_bytes()).send(target.process.addr).await;
            target.holds("an unreadable event", reply.status == 200, || reply.text());
            target.taken += 1;
        }
        target.idle().await;
        target.end().await;
    }
}

async fn a_log_that_nobody_reads_stops_nothing(store: Store) {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut target = logging_to(store, writer).await;
    for _ in 0..PIPE_FULL {
        let asked = target.exchange(stranger(), b"no request\r\n\r\n");
        let answered = tokio::time::timeout(ANSWERED_WITHIN, asked).await.is_ok();
        target.holds("a malformed head", answered, || "no answer".to_owned());
        if !answered {
            break;
        }
    }
    let alive = tokio::time::timeout(ANSWERED_WITHIN, Request::new("GET", "/livez").send(target.process.addr)).await;
    assert!(alive.is_ok_and(|reply| reply.status == 200), "no answer to /livez");
    target.genuine_sale().await;
    // Whoever reads on finds lines.
    let mut some = [0; 4096];
    assert!(reader.read(&mut some).expect("read") > 0);
    target.end().await;
}

async fn a_replay_does_not_keep_its_connection(store: Store) {
    let mut target = Target::start(store).await;
    let half = b"POST /webhooks/paystack HTTP/1.1\r\nHost: x\r\n";
    let (body, email) = target.genuine_of(Paystack);
    target.ask("a sale", &signed(Paystack, &body), Taken).await;
    target.is_told(&email).await;
    let request = [signed(Paystack, &body).head("keep-alive"), body].concat();
    for behind in [&b"P"[..], &half[..]] {
        for at_once in [true, false] {
            let mut line = Line::open_from(target.attacker(), target.process.addr).await;
            let bytes = if at_once { [&request[..], behind].concat() } else { request.clone() };
            line.write(&bytes).await;
            let reply = line.next_answer().await.expect("an answer");
            target.holds("a replay", reply.json()["duplicate"] == true, || reply.text());
            line.write(behind).await;
            let closed = tokio::time::timeout(CLOSED_WITHIN, line.rest()).await.is_ok();
            target.holds("a replay and half a head", closed, || "its connection is kept open".to_owned());
        }
    }
    target.end().await;
}

async fn broken_requests_are_counted_like_failed_signatures(store: Store) {
    let mut target = Target::prepared(store, &[], "");
    target.process.start_at("info").await;
    target.genuine_sale().await;
    let post = |lines: &str| Request::new("POST", "/webhooks/stripe").head_with(lines);
    let kinds: [(&str, Vec<u8>); 5] = [
        ("a malformed head", b"no request\r\n\r\n".to_vec()),
        ("too long", post("Content-Length: 99999999\r\n")),
        ("an encoded body", [&post("Content-Encoding: gzip\r\nContent-Length: 2\r\n")[..], b"{}"].concat()),
        ("a broken body", [&post("Content-Length: 20\r\n")[..], b"{}"].concat()),
        ("a broken chunk", [&post("Transfer-Encoding: chunked\r\n")[..], b"zz\r\n"].concat()),
    ];
    let lines = |target: &Target| target.process.log().lines().count();
    for (n, (name, bytes)) in kinds.iter().enumerate() {
        let source = Ipv4Addr::new(127, 0, 2, u8::try_from(n + 1).expect("few")).into();
        let before = lines(&target);
        for _ in 0..FLOOD {
            let replies = target.exchange(source, bytes).await.unwrap_or_default();
            let refused = replies.iter().all(|r| (400..500).contains(&r.status));
            target.holds(name, refused, || format!("{replies:?}"));
        }
        let written = lines(&target) - before;
        target.holds(name, written <= LINES_MAX, || format!("{written} lines for {FLOOD} requests"));
    }
    target.end().await;
}

async fn a_flood_from_an_address_costs_no_genuine_event_of_it(store: Store) {
    let mut target = Target::start_with(store, &[], "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n").await;
    for _ in 0..FLOOD {
        target.exchange(stranger(), &Request::new("POST", "/webhooks/stripe").body(b"{}").bytes()).await;
    }
    let (body, _) = target.genuine_of(Stripe);
    let replies = target.exchange(stranger(), &signed(Stripe, &body).bytes()).await;
    target.judge("a genuine event of the flooder's address", replies, Taken).await;
    // A proxy may name the port as well.
    for (entry, address) in [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("198.51.100.7, 203.0.113.9:4711", "203.0.113.9"),
    ] {
        let request = Request::new("POST", "/webhooks/stripe").header("X-Forwarded-For", entry).body(b"{}");
        let reply = request.send(target.process.addr).await;
        target.holds(entry, reply.status == 401, || reply.text());
        let stats = target.process.get("/api/v1/stats").await;
        let source = stats["refused_requests"][0]["source"].clone();
        target.holds(entry, source == address, || format!("laid to {source}"));
    }
    target.end().await;
}

async fn guessing_the_token_is_slowed_down_and_told(store: Store) {
    let mut target = Target::prepared(store, &[], "");
    target.process.start_at("warn").await;
    target.genuine_sale().await;
    let mut turned_away = 0;
    for n in 0..2 * FLOOD {
        let request = Request::new("GET", "/api/v1/stats").header("Authorization", format!("Bearer guess-{n}"));
        let replies = target.exchange(stranger(), &request.bytes()).await.unwrap_or_default();
        turned_away += replies.iter().filter(|r| r.status == 429).count();
        let refused = replies.iter().all(|r| [401, 429].contains(&r.status));
        target.holds("a guess", refused, || format!("{replies:?}"));
    }
    target.holds("guesses", turned_away >= FLOOD, || format!("{turned_away} were turned away"));
    let log = target.process.log();
    let lines = log.lines().filter(|line| line.contains("token")).count();
    target.holds("guesses", (1..20).contains(&lines), || format!("{lines} lines in the log"));
    target.holds("guesses", !log.contains("guess-"), || "a guess is in the log".to_owned());
    // Nobody else waits for that.
    target.process.get("/api/v1/stats").await;
    target.end().await;
}

async fn health_is_asked_with_head_and_answers_are_not_kept(store: Store) {
    let mut target = Target::start(store).await;
    let addr = target.process.addr;
    for path in ["/livez", "/readyz"] {
        let reply = Request::new("HEAD", path).send(addr).await;
        target.holds(path, reply.status == 200 && reply.body.is_empty(), || format!("{reply:?}"));
    }
    let bearer = format!("Bearer {TOKEN}");
    for (method, path) in [
        ("POST", "/livez"),
        ("DELETE", "/readyz"),
        ("POST", "/metrics"),
        ("POST", "/api/v1/stats"),
        ("PUT", "/api/v1/events"),
        ("DELETE", "/api/v1/events/evt_1"),
        ("GET", "/api/v1/events/evt_1/remap"),
        ("PATCH", "/api/v1/deliveries/dlv_1"),
        ("GET", "/api/v1/deliveries/dlv_1/retry"),
    ] {
        let reply = Request::new(method, path).header("Authorization", &bearer).send(addr).await;
        let fine = reply.status == 405 && reply.header("allow").is_some();
        target.holds(&format!("{method} {path}"), fine, || format!("{reply:?}"));
    }
    for scheme in ["BEARER", "bearer", "BeArEr"] {
        let request = Request::new("GET", "/api/v1/stats").header("Authorization", format!("{scheme} {TOKEN}"));
        let reply = request.send(addr).await;
        target.holds(scheme, reply.status == 200, || reply.text());
    }
    for (first, second) in [(bearer.as_str(), "Bearer wrong"), ("Bearer wrong", bearer.as_str()), (&bearer, &bearer)] {
        let request =
            Request::new("GET", "/api/v1/stats").header("Authorization", first).header("Authorization", second);
        target.ask("two Authorization lines", &request, Refused(&[401])).await;
    }
    for path in ["/livez", "/readyz", "/metrics", "/api/v1/stats", "/api/v1/events", "/api/v1/deliveries", "/nothing"] {
        let reply = Request::new("GET", path).header("Authorization", &bearer).send(addr).await;
        let told = (reply.header("cache-control"), reply.header("x-content-type-options"));
        target.holds(path, told == (Some("no-store"), Some("nosniff")), || format!("{told:?}"));
    }
    target.end().await;
}

async fn a_made_token_is_not_printed_into_a_log(store: Store) {
    let target = Target::prepared(store, &[], "");
    let mut process = target.process;
    process.unset("BRIDGE_ADMIN_TOKEN");
    process.start().await;
    // It answers before it has said everything.
    until("it says where everything is", async || process.log().contains("data in").then_some(())).await;
    let log = process.log();
    let random = log.split(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() >= 32);
    assert_eq!(random, None, "a token in the log");
    assert!(log.contains("BRIDGE_ADMIN_TOKEN"), "it does not say what to set: {log}");
    process.end().await;
}
