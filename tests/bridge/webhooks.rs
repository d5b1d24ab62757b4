//! Webhooks that are taken: what they are answered, and what is kept of them.

use std::process::{Command, Stdio};

use refairn_bridge::domain::provider::ProviderKind::{Paystack, Stripe};
use serde_json::json;

use crate::kit::samples::{Sale, charge};
use crate::kit::wire::{Line, Request};
use crate::kit::world::{Setup, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_answered_200_with_its_number() {
    let world = World::new().await;
    let sale = Sale::new("s1", &world.email("ada"), world.ago(60)).event().to_string();
    let reply = world.signed(Stripe, sale.as_bytes()).send(world.addr()).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"received":true,"event":"evt_1","duplicate":false}"#));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let charge = charge("ref1", &world.email("bola"), 500_000, "ADA10", world.ago(60)).to_string();
    let reply = world.signed(Paystack, charge.as_bytes()).send(world.addr()).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"received":true,"event":"evt_2","duplicate":false}"#));
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_reached_by_its_name_always_and_by_its_provider_when_it_is_the_only_one() {
    let file = r#"
        [[endpoints]]
        name = "books"
        provider = "stripe"
        secrets = ["whsec_books"]
        [[endpoints]]
        name = "courses"
        provider = "stripe"
        secrets = ["whsec_courses"]
    "#;
    let world = Setup::new().unset("STRIPE_WEBHOOK_SECRET").file(file).start().await;
    let post = async |path: &str, secret: &str, id: &str| {
        let body = Sale::new(id, &world.email(id), world.ago(60)).event().to_string();
        let signature = refairn_bridge::providers::provider(Stripe).sign(secret, body.as_bytes(), world.now());
        Request::new("POST", path).header("Stripe-Signature", signature).body(body.as_bytes()).send(world.addr()).await
    };
    assert_eq!(post("/webhooks/stripe/books", "whsec_books", "b1").await.status, 200);
    assert_eq!(post("/webhooks/stripe/courses", "whsec_courses", "c1").await.status, 200);
    // The same event at another endpoint is another event.
    assert_eq!(post("/webhooks/stripe/courses", "whsec_courses", "b1").await.json()["duplicate"], false);
    post("/webhooks/stripe/courses", "whsec_books", "c2").await.is_problem(401, "signature_mismatch");
    post("/webhooks/stripe", "whsec_books", "b2").await.is_problem(404, "unknown_endpoint");
    let charge = charge("ref1", &world.email("bola"), 500_000, "", world.ago(60)).to_string();
    assert_eq!(world.signed(Paystack, charge.as_bytes()).send(world.addr()).await.status, 200);
    let endpoints: Vec<_> = world.all("events", "").await.iter().map(|e| e["endpoint"].clone()).collect();
    assert_eq!(endpoints, ["books", "courses", "courses", "paystack"]);
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_is_answered_200_and_recorded_once() {
    let world = World::new().await;
    let mut sale = Sale::new("s1", &world.email("ada"), world.ago(60)).code("ADA10").event();
    let first = world.stripe(&sale).await;
    // Stripe's redelivery differs in this field, and is signed afresh.
    sale["pending_webhooks"] = json!(0);
    world.idle().await;
    world.pass(std::time::Duration::from_secs(3600));
    let reply = world.signed(Stripe, sale.to_string().as_bytes()).send(world.addr()).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "received": true, "event": first, "duplicate": true })));
    let charge = charge("ref1", &world.email("bola"), 500_000, "", world.ago(60));
    let first = world.paystack(&charge).await;
    world.idle().await;
    let reply = world.signed(Paystack, charge.to_string().as_bytes()).send(world.addr()).await;
    assert_eq!((reply.status, reply.json()), (200, json!({ "received": true, "event": first, "duplicate": true })));
    assert_eq!(world.all("events", "").await.len(), 2);
    world.idle().await;
    assert_eq!(world.sandbox.calls().len(), 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_equal_webhooks_at_once_exactly_one_is_new() {
    let world = World::new().await;
    let sale = Sale::new("s1", &world.email("ada"), world.ago(60)).event().to_string();
    let request = world.signed(Stripe, sale.as_bytes());
    let posts = (0..24).map(|_| request.send(world.addr()));
    let answers: Vec<_> = futures_util::future::join_all(posts).await.iter().map(|r| (r.status, r.json())).collect();
    assert!(answers.iter().all(|(status, a)| *status == 200 && a["event"] == "evt_1"), "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, a)| a["duplicate"] == false).count(), 1, "{answers:?}");
    world.idle().await;
    assert_eq!(world.sandbox.look(|book| book.payments().len()), 1);
    world.end().await;
}

/// Signs with a program that shares nothing with the bridge.
fn sign_elsewhere(algorithm: &str, secret: &str, signed: &[u8]) -> String {
    let script = "import hashlib, hmac, sys\nprint(hmac.new(sys.argv[2].encode(), sys.stdin.buffer.read(), sys.argv[1]).hexdigest())";
    let openssl: &[&str] = &["dgst", &format!("-{algorithm}"), "-r", "-hmac", secret];
    for (program, arguments) in [("python3", &["-c", script, algorithm, secret][..]), ("openssl", openssl)] {
        let child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else { continue };
        std::io::Write::write_all(&mut child.stdin.take().expect("its input"), signed).expect("written");
        let output = child.wait_with_output().expect("ended");
        assert!(output.status.success(), "{program} failed");
        let text = String::from_utf8(output.stdout).expect("text");
        return text.split_whitespace().next().expect("a signature").to_owned();
    }
    panic!("neither python3 nor openssl is here to sign with");
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_of_an_independent_program_are_taken() {
    let world = World::new().await;
    let (n, t) = (world.n, world.now().as_second());
    let mut sale = Sale::new("s1", &world.email("ada"), world.ago(60)).event();
    sale["data"]["object"]["customer_name"] = json!("Ọlá 山田 🦀");
    let sale = serde_json::to_string_pretty(&sale).expect("JSON") + "\r\n";
    let signature = sign_elsewhere("sha256", &format!("whsec_w{n}_new"), format!("{t}.{sale}").as_bytes());
    let post = async |path: &str, header: &str, value: String, body: &str| {
        let request = Request::new("POST", path).header(header, value).body(body.as_bytes());
        request.send(world.addr()).await.status
    };
    assert_eq!(post("/webhooks/stripe", "Stripe-Signature", format!("t={t},v1={signature}"), &sale).await, 200);
    let charge = charge("ref1", &world.email("bola"), 500_000, "", world.ago(60)).to_string();
    let signature = sign_elsewhere("sha512", &format!("sk_live_w{n}"), charge.as_bytes());
    assert_eq!(post("/webhooks/paystack", "x-paystack-signature", signature.clone(), &charge).await, 200);
    assert_eq!(post("/webhooks/paystack", "X-Paystack-Signature", signature.to_uppercase(), &charge).await, 200);
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_secret_is_replaced_either_may_have_signed() {
    let world = World::new().await;
    let (n, now) = (world.n, world.now());
    let body = Sale::new("s1", &world.email("ada"), world.ago(60)).event().to_string();
    let signature = |secret: &str| {
        let header = refairn_bridge::providers::provider(Stripe).sign(secret, body.as_bytes(), now);
        header.split_once("v1=").expect("a signature").1.to_owned()
    };
    let (old, new) = (signature(&format!("whsec_w{n}_old")), signature(&format!("whsec_w{n}_new")));
    let (foreign, t) = (signature("whsec_of_somebody_else"), now.as_second());
    for header in [
        format!("t={t},v1={old}"),
        format!("t={t},v1={new},v0={foreign}"),
        format!("t={t},v1={foreign},v1={old}"),
        format!(" t={t} , v1={foreign} , v1=bad , scheme , v1={} ", new.to_uppercase()),
    ] {
        let request =
            Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", &header).body(body.as_bytes());
        assert_eq!(request.send(world.addr()).await.status, 200, "{header}");
    }
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_recorded_even_if_it_cannot_be_read() {
    let world = World::new().await;
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        &deep,
        br#"{"object":"event","type":"invoice.paid","id":"evt_bare"}"#,
    ];
    for kind in [Stripe, Paystack] {
        for body in bodies {
            let shown = body.get(..40.min(body.len())).expect("a part").escape_ascii().to_string();
            let reply = world.signed(kind, body).send(world.addr()).await;
            assert_eq!((reply.status, &reply.json()["duplicate"]), (200, &json!(false)), "{kind} {shown}");
            let again = world.signed(kind, body).send(world.addr()).await;
            assert_eq!((again.status, &again.json()["duplicate"]), (200, &json!(true)), "{kind} {shown}");
        }
    }
    world.idle().await;
    let events = world.all("events", "").await;
    assert_eq!(events.len(), 2 * bodies.len());
    for event in &events {
        let bare = event["provider_event_id"] == "evt_bare";
        let reason = if bare { "missing_field" } else { "unreadable" };
        assert_eq!((&event["state"], &event["reason"]), (&json!("unmappable"), &json!(reason)), "{event}");
    }
    assert_eq!(world.get("/api/v1/events/evt_2").await["body"], "{", "what is no JSON is shown as it came");
    assert!(world.sandbox.calls().is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types_nobody_knows_are_recorded_and_ignored() {
    let world = World::new().await;
    let stripe = json!({ "id": "evt_x", "object": "event", "type": "teleporter.used", "created": 1, "livemode": true,
        "data": { "object": { "id": "in_x", "object": "invoice" } } });
    let stripe = world.stripe(&stripe).await;
    let paystack = world.paystack(&json!({ "event": "teleporter.used", "data": {} })).await;
    world.idle().await;
    for id in [stripe, paystack] {
        let event = world.get(&format!("/api/v1/events/{id}")).await;
        assert_eq!((&event["state"], &event["reason"]), (&json!("ignored"), &json!("unknown_type")), "{event}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_connections_and_encodings_make_no_difference() {
    let world = World::new().await;
    let body = |id: &str| Sale::new(id, &world.email(id), world.ago(60)).event().to_string();
    let chunked = world.signed(Stripe, body("chunked").as_bytes()).chunked(7);
    assert_eq!(chunked.send(world.addr()).await.status, 200);
    let plain = world.signed(Stripe, body("plain").as_bytes()).header("Content-Encoding", "identity");
    assert_eq!(plain.send(world.addr()).await.status, 200);
    let mut line = Line::open(world.addr()).await;
    for id in ["first", "second", "third"] {
        let text = body(id);
        line.write(&world.signed(Stripe, text.as_bytes()).head("keep-alive")).await;
        line.write(text.as_bytes()).await;
        let reply = line.next_answer().await.expect("an answer");
        assert_eq!((reply.status, &reply.json()["duplicate"]), (200, &json!(false)), "{id}");
    }
    world.idle().await;
    assert_eq!(world.sandbox.look(|book| book.payments().len()), 5);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_exactly_the_limit_is_taken() {
    let world = Setup::new().key("server", "body_max_bytes", "1024").start().await;
    let body = |bytes: usize| format!("{{\"event\":\"x\",\"data\":\"{}\"}}", "x".repeat(bytes - 23)).into_bytes();
    assert_eq!(body(1024).len(), 1024);
    assert_eq!(world.signed(Paystack, &body(1024)).send(world.addr()).await.status, 200);
    assert_eq!(world.signed(Paystack, &body(1023)).chunked(100).send(world.addr()).await.status, 200);
    world.signed(Paystack, &body(1025)).send(world.addr()).await.is_problem(413, "body_too_large");
    world.signed(Paystack, &body(1025)).chunked(100).send(world.addr()).await.is_problem(413, "body_too_large");
    world.idle().await;
    world.end().await;
}
