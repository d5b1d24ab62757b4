//! Requests that are refused: with which answer, and that nothing of them stays but a line in the list of refusals.

use std::time::Duration;

use refairn_bridge::domain::provider::ProviderKind::{self, Paystack, Stripe};
use refairn_bridge::providers::provider;
use serde_json::{Value, json};

use crate::kit::samples::{Sale, charge};
use crate::kit::wire::{Line, Reply, Request};
use crate::kit::world::{Setup, World};
use crate::kit::{log, until};

/// Fails unless the database holds nothing at all, and neither it nor the log holds `marker`.
pub async fn nothing_is_kept(world: &World, marker: &str) {
    assert_eq!(world.get("/api/v1/events").await, json!({ "events": [], "next": null }));
    let database = world.folder.path().join("bridge.db");
    let db = rusqlite::Connection::open(&database).expect("opened");
    for table in ["events", "bodies", "facts", "identities", "unresolved", "deliveries", "queue"] {
        let rows: i64 = db.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).expect("counted");
        assert_eq!(rows, 0, "{table}");
    }
    for file in ["bridge.db", "bridge.db-wal", "bridge.db.spool", "bridge.db.spool-wal"] {
        let bytes = std::fs::read(world.folder.path().join(file)).expect("a file");
        assert!(!bytes.windows(marker.len()).any(|w| w == marker.as_bytes()), "{file} holds the body");
    }
    assert_eq!(log::line_with(marker), None);
    assert!(world.sandbox.calls().is_empty());
}

async fn refused(world: &World) -> Vec<Value> {
    world.get("/api/v1/stats").await["refused_requests"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_signature_is_answered_401() {
    let world = World::new().await;
    let (n, now) = (world.n, world.now().as_second());
    let marker = format!("marker-of-world-{n}");
    let body = Sale::new(&marker, &world.email("ada"), world.ago(60)).event().to_string();
    let sign = |secret: &str, body: &str, seconds: i64| {
        let at = jiff::Timestamp::from_second(now + seconds).expect("a time");
        provider(Stripe).sign(secret, body.as_bytes(), at)
    };
    let secret = format!("whsec_w{n}_new");
    let good = sign(&secret, &body, 0);
    let v1 = good.split_once("v1=").expect("a signature").1;
    let fullwidth = format!("t={now},v1={}", "é".repeat(32));
    let elements = format!("t={now},{}v1={v1}", "x=y,".repeat(10_000));
    let cases: Vec<(&str, Vec<&[u8]>)> = vec![
        ("signature_missing", vec![]),
        ("signature_repeated", vec![good.as_bytes(), good.as_bytes()]),
        ("signature_malformed", vec![b""]),
        ("signature_malformed", vec![b"a signature"]),
        ("signature_malformed", vec![b"t"]),
        ("signature_malformed", vec![b",,"]),
        ("signature_malformed", vec![b"\xff\xfe=\x80"]),
        ("signature_malformed", vec![fullwidth.as_bytes()]),
        ("signature_malformed", vec![elements.as_bytes()]),
    ];
    let mut cases: Vec<(String, Vec<Vec<u8>>)> =
        cases.into_iter().map(|(c, h)| (c.to_owned(), h.into_iter().map(<[u8]>::to_vec).collect())).collect();
    let mut add = |code: &str, header: String| cases.push((code.to_owned(), vec![header.into_bytes()]));
    for header in ["v1,t=1", "t=", "t,v1=,v0=", "t=99999999999999999999,v1=00"] {
        add("signature_malformed", header.to_owned());
    }
    add("signature_malformed", format!("v1={v1}"));
    add("signature_malformed", format!("t={now},v0={v1}"));
    add("signature_malformed", format!("t=not_a_number,v1={v1}"));
    add("signature_malformed", format!("t={now},t={now},v1={v1}"));
    add("signature_malformed", format!("t={now},v1=deadbeef"));
    add("signature_mismatch", format!("t={},v1={v1}", now - 1));
    add("signature_mismatch", sign("whsec_of_somebody_else", &body, 0));
    add("signature_mismatch", sign(&secret, &format!("{body} "), 0));
    add("signature_mismatch", sign("whsec_of_somebody_else", &body, -4000));
    add("signature_stale", sign(&secret, &body, -301));
    add("signature_in_future", sign(&secret, &body, 301));
    for (code, headers) in &cases {
        let request = Request::new("POST", "/webhooks/stripe").body(body.as_bytes());
        let request = headers.iter().fold(request, |r, value| r.header("Stripe-Signature", value));
        let reply = request.send(world.addr()).await;
        let shown: Vec<_> = headers.iter().map(|h| h[..60.min(h.len())].escape_ascii().to_string()).collect();
        assert_eq!((reply.status, &reply.json()["code"]), (401, &json!(code)), "{shown:?}");
        reply.is_problem(401, code);
        assert!(!reply.text().contains(&marker) && !reply.text().contains("whsec"), "{}", reply.text());
    }
    let list = refused(&world).await;
    let listed: Vec<_> = list.iter().rev().map(|r| (r["reason"].clone(), r["times"].clone())).collect();
    let mut expected: Vec<(&str, u32)> = Vec::new();
    for (code, _) in &cases {
        // Those that are alike stand together, where the last of them came.
        let before = expected.iter().position(|(c, _)| c == code).map_or(0, |n| expected.remove(n).1);
        expected.push((code, before + 1));
    }
    assert_eq!(listed, expected.iter().map(|(code, times)| (json!(code), json!(times))).collect::<Vec<_>>());
    for refusal in &list {
        let expected = (&json!("stripe"), &json!("127.0.0.1"), &json!(body.len()), &json!(world.now().to_string()));
        assert_eq!((&refusal["endpoint"], &refusal["source"], &refusal["body_bytes"], &refusal["at"]), expected);
        assert_eq!(refusal.as_object().expect("an object").len(), 6, "{refusal}");
    }
    nothing_is_kept(&world, &marker).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_the_tolerance() {
    let world = World::new().await;
    let secret = format!("whsec_w{}_new", world.n);
    for (n, (seconds, status)) in [(-300, 200), (-301, 401), (300, 200), (301, 401)].into_iter().enumerate() {
        let body = Sale::new(&format!("s{n}"), &world.email("ada"), world.ago(86_400 * n as i64)).event().to_string();
        let at = world.ago(-seconds);
        let header = provider(Stripe).sign(&secret, body.as_bytes(), at);
        let request = Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", header).body(body.as_bytes());
        assert_eq!(request.send(world.addr()).await.status, status, "{seconds} s");
    }
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paystack_signature_is_held_to_every_byte() {
    let world = World::new().await;
    let marker = format!("marker-of-world-{}", world.n);
    let body = charge(&marker, &world.email("bola"), 500_000, "", world.ago(60)).to_string();
    let good = provider(Paystack).sign(&format!("sk_live_w{}", world.n), body.as_bytes(), world.now());
    let changed = body.replacen("500000", "900000", 1);
    let crlf = format!("{body}\r\n");
    let foreign = provider(Paystack).sign("sk_live_of_somebody_else", body.as_bytes(), world.now());
    for (code, header, body) in [
        ("signature_missing", None, &body),
        ("signature_malformed", Some(""), &body),
        ("signature_malformed", Some(&good[..127]), &body),
        ("signature_malformed", Some("not hexadecimal"), &body),
        ("signature_mismatch", Some(&foreign), &body),
        ("signature_mismatch", Some(&good), &changed),
        ("signature_mismatch", Some(&good), &crlf),
    ] {
        let request = Request::new("POST", "/webhooks/paystack").body(body.as_bytes());
        let request = header.into_iter().fold(request, |r, h| r.header("x-paystack-signature", h));
        request.send(world.addr()).await.is_problem(401, code);
    }
    let times: Vec<_> = refused(&world).await.iter().map(|r| (r["reason"].clone(), r["times"].clone())).collect();
    let expected = [("signature_mismatch", 3), ("signature_malformed", 3), ("signature_missing", 1)];
    assert_eq!(times, expected.map(|(reason, times)| (json!(reason), json!(times))));
    nothing_is_kept(&world, &marker).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_are_not_there() {
    let world = Setup::new().unset("PAYSTACK_SECRET_KEY").start().await;
    let body = Sale::new("s1", &world.email("ada"), world.ago(60)).event().to_string();
    let signature = provider(Stripe).sign(&format!("whsec_w{}_new", world.n), body.as_bytes(), world.now());
    let ask = async |method: &str, path: &str| -> Reply {
        let request = Request::new(method, path).header("Stripe-Signature", &signature).body(body.as_bytes());
        request.send(world.addr()).await
    };
    for path in [
        "/webhooks/adyen",
        "/webhooks/paystack",
        "/webhooks/stripe/other",
        "/webhooks/paystack/stripe",
        "/webhooks/Stripe",
    ] {
        ask("POST", path).await.is_problem(404, "unknown_endpoint");
    }
    for path in ["/webhooks", "/webhooks/stripe/stripe/stripe", "/nothing", "/webhooks//", "/webhooks/stripe//"] {
        let reply = ask("POST", path).await;
        let code = reply.json()["code"].as_str().expect("a code").to_owned();
        assert!(["not_found", "unknown_endpoint"].contains(&code.as_str()), "{path}: {code}");
        reply.is_problem(404, &code);
    }
    for path in ["/webhooks/%FF", "/webhooks/stripe/%C3%28"] {
        let reply = ask("POST", path).await;
        assert_eq!((reply.status, reply.header("content-type")), (404, Some("application/problem+json")), "{path}");
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in ["/webhooks/stripe", "/webhooks/stripe/stripe"] {
            let reply = ask(method, path).await;
            reply.is_problem(405, "method_not_allowed");
            assert_eq!(reply.header("allow"), Some("POST"), "RFC 9110 wants Allow in a 405");
        }
    }
    // A slash at the end is easily written in a dashboard, and means nothing else.
    for path in ["/webhooks/stripe/stripe", "/webhooks/stripe/stripe/", "/webhooks/stripe", "/webhooks/stripe/"] {
        assert_eq!(ask("POST", path).await.status, 200, "{path}");
    }
    let met_none = refused(&world).await;
    let times = |reason: &str| met_none.iter().find(|r| r["reason"] == reason).map(|r| r["times"].clone());
    assert_eq!(times("method_not_allowed"), Some(json!(10)));
    assert!(times("unknown_endpoint").and_then(|t| t.as_u64()) >= Some(5), "{met_none:?}");
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_from_elsewhere_are_refused_where_addresses_are_listed() {
    let file = r#"
        [server]
        trusted_proxies = ["127.0.0.1"]
        [[endpoints]]
        provider = "paystack"
        allowed_ips = ["52.31.139.75", "198.51.100.0/24"]
    "#;
    let world = Setup::new().file(file).start().await;
    let marker = format!("marker-of-world-{}", world.n);
    let body = charge(&marker, &world.email("bola"), 500_000, "", world.ago(60)).to_string();
    let post = async |forwarded: &[&str]| {
        let request =
            forwarded.iter().fold(world.signed(Paystack, body.as_bytes()), |r, f| r.header("X-Forwarded-For", f));
        request.send(world.addr()).await
    };
    post(&[]).await.is_problem(403, "address_not_allowed");
    post(&["203.0.113.9"]).await.is_problem(403, "address_not_allowed");
    post(&["52.31.139.75, 203.0.113.9"]).await.is_problem(403, "address_not_allowed");
    // A proxy may add a line of its own instead of writing into the sender's: the last line is the proxy's.
    post(&["52.31.139.75", "203.0.113.9"]).await.is_problem(403, "address_not_allowed");
    nothing_is_kept(&world, &marker).await;
    let sources: Vec<Value> = refused(&world).await.iter().map(|r| r["source"].clone()).collect();
    assert_eq!(sources, ["203.0.113.9", "127.0.0.1"]);
    assert_eq!(post(&["203.0.113.9", "52.31.139.75"]).await.status, 200);
    assert_eq!(post(&["203.0.113.9, 52.31.139.75"]).await.status, 200);
    assert_eq!(post(&["198.51.100.77"]).await.status, 200, "it is in a range of the list");
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_refusals_is_bounded_and_the_newest_come_first() {
    let world = Setup::new().file("[server]\ntrusted_proxies = [\"127.0.0.1\"]").start().await;
    for bytes in 0..130 {
        let request = Request::new("POST", "/webhooks/stripe").body(&vec![b'x'; bytes]);
        let request = request.header("X-Forwarded-For", format!("203.0.113.{bytes}"));
        request.send(world.addr()).await.is_problem(401, "signature_missing");
    }
    let list = refused(&world).await;
    assert!((10..=100).contains(&list.len()), "{}", list.len());
    let sizes: Vec<i64> = list.iter().map(|r| r["body_bytes"].as_i64().expect("a size")).collect();
    assert!(sizes.first() == Some(&129) && sizes.windows(2).all(|w| w[0] == w[1] + 1), "{sizes:?}");
    world.end().await;
}

/// Opens a connection and sends the head and `part` of a signed body.
pub async fn begin(world: &World, kind: ProviderKind, body: &[u8], part: usize) -> Line {
    let mut line = Line::open(world.addr()).await;
    line.write(&world.signed(kind, body).head("close")).await;
    line.write(&body[..part]).await;
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_answered_400_or_not_at_all() {
    let world = World::new().await;
    let marker = format!("marker-of-world-{}", world.n);
    let body = charge(&marker, &world.email("bola"), 500_000, "", world.ago(60)).to_string();
    let mut line = begin(&world, Paystack, body.as_bytes(), body.len() - 1).await;
    line.end().await;
    if let Some(reply) = line.answer().await {
        reply.is_problem(400, "body_incomplete");
    }
    drop(begin(&world, Paystack, body.as_bytes(), 100).await);
    let mut line = Line::open(world.addr()).await;
    line.write(&world.signed(Paystack, body.as_bytes()).chunked(10).head("close")).await;
    line.write(b"zz\r\n").await;
    if let Some(reply) = line.answer().await {
        reply.is_problem(400, "body_incomplete");
    }
    nothing_is_kept(&world, &marker).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_answered_408() {
    let world = World::new().await;
    let marker = format!("marker-of-world-{}", world.n);
    let body = charge(&marker, &world.email("bola"), 500_000, "", world.ago(60)).to_string();
    let mut line = begin(&world, Paystack, body.as_bytes(), 10).await;
    // A byte now and then does not lengthen the wait.
    let reply = until("the answer", async || {
        line.write(&body.as_bytes()[10..11]).await;
        tokio::time::timeout(Duration::from_millis(250), line.next_answer()).await.ok()
    });
    let reply = reply.await.expect("an answer");
    reply.is_problem(408, "slow_request");
    nothing_is_kept(&world, &marker).await;
    world.end().await;
}
