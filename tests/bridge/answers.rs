//! Every answer of the contract's table, and what becomes of the call.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::samples::Sale;
use crate::kit::upstream::{Say, Upstream};
use crate::kit::world::{Setup, World};

/// Posts one sale without a code for each fault, each of its own customer.
async fn sales(world: &World, faults: &[&str]) {
    for (n, fault) in faults.iter().enumerate() {
        let email = world.email(&format!("c{n}"));
        let mut fault: Value = serde_json::from_str(fault).expect("JSON");
        fault["email"] = json!(email);
        world.fault(&fault.to_string());
        world.stripe(&Sale::new(&format!("s{n}"), &email, world.ago(60)).event()).await;
    }
}

async fn only_delivery(world: &World, n: usize) -> Value {
    let all = world.deliveries_to(&world.email(&format!("c{n}"))).await;
    assert_eq!(all.len(), 1, "{all:?}");
    world.detail(&all[0]).await
}

/// The statuses of a delivery's attempts; 0 for one without an answer.
fn statuses(delivery: &Value) -> Vec<u64> {
    let log = delivery["attempt_log"].as_array().expect("attempts");
    log.iter().map(|a| a["status"].as_u64().unwrap_or(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_needs_attention_and_shows_refairns_words() {
    let world = World::new().await;
    let cases = [
        r#"{"status":400,"body":{"success":false,"message":"amount must be positive"}}"#,
        r#"{"status":422,"body":{"success":false,"message":"currency is odd"}}"#,
        r#"{"status":200,"body":{"success":false,"message":"the program is over"}}"#,
        r#"{"status":201,"body":{"success":false}}"#,
        r#"{"status":400,"body":"<html>Bad Request</html>"}"#,
        r#"{"status":410}"#,
    ];
    sales(&world, &cases).await;
    world.drive(Duration::from_secs(3600)).await;
    for (n, words) in
        ["amount must be positive", "currency is odd", "the program is over", "201", "400", "410"].iter().enumerate()
    {
        let delivery = only_delivery(&world, n).await;
        let found = (&delivery["state"], &delivery["reason"], &delivery["needs_attention"]);
        assert_eq!(found, (&json!("rejected"), &json!("refused_by_refairn"), &json!(true)), "{delivery}");
        assert!(delivery["explanation"].as_str().expect("an explanation").contains(words), "{delivery}");
        assert_eq!(statuses(&delivery).len(), 1, "{delivery}");
    }
    assert_eq!(world.get("/api/v1/stats").await["needs_attention"], cases.len());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_passes_is_tried_again() {
    let world = World::new().await;
    let statuses_ = [408, 425, 429, 500, 501, 502, 503, 504, 520, 599];
    for (n, status) in statuses_.iter().enumerate() {
        // One at a time, or Refairn would count as down.
        let email = world.email(&format!("c{n}"));
        world.fault(&json!({ "status": status, "email": email }).to_string());
        world.stripe(&Sale::new(&format!("s{n}"), &email, world.ago(60)).event()).await;
        world.idle().await;
        let delivery = only_delivery(&world, n).await;
        assert_eq!(
            (&delivery["state"], &delivery["reason"]),
            (&json!("queued"), &json!("retrying")),
            "{status}: {delivery}"
        );
        world.drive(Duration::from_secs(2)).await;
        let delivery = only_delivery(&world, n).await;
        assert_eq!(delivery["state"], "delivered", "{status}: {delivery}");
        assert_eq!(statuses(&delivery), [*status, 200]);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_means_that_refairn_has_it() {
    let world = World::new().await;
    let email = world.email("c0");
    let sale = Sale::new("s0", &email, world.ago(60));
    // Somebody else told Refairn of this very payment before.
    let known = world.sandbox.change(|book| {
        let body = json!({ "businessId": "biz_1", "productId": "prod_1", "customerEmail": email, "amount": 29.99,
            "currency": "EUR", "subscriptionStatus": "active", "paymentDate": "2026-06-15" });
        let key = format!("Bearer rk_live_w{}", world.n);
        book.payment_succeeded(Some(&key), body.to_string().as_bytes(), jiff::civil::date(2026, 6, 15))
    });
    assert_eq!(known.status, 200);
    world.stripe(&sale.event()).await;
    world.idle().await;
    let delivery = only_delivery(&world, 0).await;
    let found = (&delivery["state"], &delivery["reason"], &delivery["needs_attention"]);
    assert_eq!(found, (&json!("duplicate"), &json!("already_at_refairn"), &json!(false)), "{delivery}");
    world.end().await;
}

in_both! {
    a_conflict_with_another_payment_of_ours_needs_attention
    a_call_that_was_recorded_although_no_answer_came_is_sent_again_and_is_a_duplicate
}

async fn a_conflict_with_another_payment_of_ours_needs_attention(new: fn() -> Setup) {
    let mut world = new().key("delivery", "same_day_payments", "send").start().await;
    let email = world.email("c0");
    for (id, cents) in [("s0", 2999), ("s1", 5000)] {
        world.stripe(&Sale::new(id, &email, world.ago(60)).cents(cents).event()).await;
        world.idle().await;
    }
    let second = world.deliveries_to(&email).await.remove(1);
    let found = (&second["state"], &second["reason"], &second["needs_attention"]);
    assert_eq!(found, (&json!("rejected"), &json!("day_slot_taken"), &json!(true)), "{second}");
    // One click sends it dated on the next free day.
    let id = second["id"].as_str().expect("an id");
    assert_eq!(world.act(&format!("/api/v1/deliveries/{id}/release")).await.status, 200);
    world.drive(Duration::from_secs(86_400)).await;
    let second = world.deliveries_to(&email).await.remove(1);
    assert_eq!(
        (&second["state"], &second["request"]["paymentDate"]),
        (&json!("delivered"), &json!("2026-06-16")),
        "{second}"
    );
    world.leave.redated = 1;
    world.end().await;
}

async fn a_call_that_was_recorded_although_no_answer_came_is_sent_again_and_is_a_duplicate(new: fn() -> Setup) {
    let world = new().key("refairn", "timeout_ms", "200").start().await;
    let cases = [
        r#"{"drop":"after"}"#,
        r#"{"processed":true,"delay_ms":2000}"#,
        r#"{"processed":true,"status":502,"body":"<html>Bad Gateway</html>"}"#,
        r#"{"processed":true,"status":200,"body":"<html>welcome to the hotel network</html>"}"#,
        r#"{"processed":true,"garbage":true}"#,
        r#"{"processed":true,"flood_bytes":1073741824}"#,
        r#"{"processed":true,"status":200,"body":""}"#,
    ];
    for (n, fault) in cases.iter().enumerate() {
        let email = world.email(&format!("c{n}"));
        let mut fault: Value = serde_json::from_str(fault).expect("JSON");
        fault["email"] = json!(email);
        world.fault(&fault.to_string());
        world.stripe(&Sale::new(&format!("s{n}"), &email, world.ago(60)).event()).await;
        world.drive(Duration::from_secs(3)).await;
        let delivery = only_delivery(&world, n).await;
        assert_eq!(
            (&delivery["state"], &delivery["needs_attention"]),
            (&json!("duplicate"), &json!(false)),
            "{delivery}"
        );
        assert_eq!(statuses(&delivery).last(), Some(&409));
    }
    assert_eq!(world.sandbox.look(|book| book.payments().len()), cases.len());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_refairn_does_not_give_are_no_success() {
    let world = Setup::new().key("refairn", "timeout_ms", "200").start().await;
    let cases = [
        r#"{"drop":"before"}"#,
        r#"{"delay_ms":5000}"#,
        r#"{"status":200,"body":"<html>welcome to the hotel network</html>"}"#,
        r#"{"garbage":true}"#,
        r#"{"flood_bytes":1073741824}"#,
        r#"{"status":200,"body":"{\"success\":\"true\"}"}"#,
        r#"{"status":200,"body":[true]}"#,
        r#"{"status":204,"body":""}"#,
        r#"{"status":503,"body":"<html>"}"#,
    ];
    for (n, fault) in cases.iter().enumerate() {
        let email = world.email(&format!("c{n}"));
        let mut fault: Value = serde_json::from_str(fault).expect("JSON");
        fault["email"] = json!(email);
        world.fault(&fault.to_string());
        world.stripe(&Sale::new(&format!("s{n}"), &email, world.ago(60)).event()).await;
        world.drive(Duration::from_secs(3)).await;
        let delivery = only_delivery(&world, n).await;
        assert_eq!(delivery["state"], "delivered", "{fault}: {delivery}");
        assert_eq!(statuses(&delivery).last(), Some(&200));
        assert_eq!(statuses(&delivery).len(), 2, "{delivery}");
        let kept = delivery["attempt_log"][0]["response"].as_str().map_or(0, str::len);
        assert!(kept <= 4096, "{kept} bytes of an answer were kept");
    }
    assert_eq!(world.sandbox.look(|book| book.payments().len()), cases.len());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_in_retry_after_is_measured_by_the_clock_of_whoever_wrote_it() {
    // Theirs is three hours before ours; without their Date it can only be ours.
    let theirs = "Date: Mon, 15 Jun 2026 09:00:00 GMT\r\n";
    let cases = [
        ("Mon, 15 Jun 2026 09:02:00 GMT", theirs),
        ("Monday, 15-Jun-26 09:02:00 GMT", theirs),
        ("Mon Jun 15 09:02:00 2026", theirs),
        ("Mon, 15 Jun 2026 12:02:00 GMT", ""),
    ];
    for (asked, date) in cases {
        let headers = format!("Retry-After: {asked}\r\n{date}");
        let calls = AtomicUsize::new(0);
        let is_first = move || calls.fetch_add(1, Ordering::Relaxed) == 0;
        let upstream =
            Upstream::start(move |_| if is_first() { Say::answer(429, &headers, "") } else { Say::success() }).await;
        let world = Setup::new().at("2026-06-15T12:00:00Z").upstream(&upstream.url()).start().await;
        world.stripe(&Sale::new("s0", &world.email("c0"), world.ago(60)).event()).await;
        let due = world.idle().await.expect("a retry");
        let wait = due.duration_since(world.now()).as_millis();
        assert!((120_000..=144_000).contains(&wait), "{asked}: {wait} ms");
        world.drive(Duration::from_secs(150)).await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_refairn_repeats_of_a_call_is_neither_logged_nor_kept_nor_shown() {
    for status in [400, 503, 200] {
        let calls = AtomicUsize::new(0);
        let is_first = move || calls.fetch_add(1, Ordering::Relaxed) == 0;
        let upstream = Upstream::start(move |seen| {
            if !is_first() {
                return Say::success();
            }
            let header = seen.head.lines().find_map(|line| line.split_once("earer ")).expect("a key").1.to_owned();
            let email = seen.email();
            let percent: String = email.bytes().map(|b| format!("%{b:02x}")).collect();
            let told = json!({ "success": status == 200, "leadId": "lead_1", "message": format!(
                "{header} {} {email} {} {percent} {} of Name Of kept",
                header.to_uppercase(), email.replace('@', "%40"), email.replace('@', "&#64;")) });
            let mut body = told.to_string();
            // Spelt as nobody but a machine does, and beyond what is kept of an answer.
            body.push_str(&format!("<!-- {} {} -->", email.replace('@', "\\u0040"), " ".repeat(1900)));
            body.push_str(&header);
            if status == 200 {
                body = told.to_string();
            }
            Say::answer(status, "", &body)
        })
        .await;
        let world = Setup::new().upstream(&upstream.url()).start().await;
        let email = world.email("kept");
        let key = format!("rk_live_w{}", world.n);
        world.stripe(&Sale::new("kept", &email, world.ago(60)).code("ADA10").event()).await;
        world.drive(Duration::from_secs(60)).await;
        let all = world.deliveries_to(&email).await;
        let first = all.iter().find(|d| d["kind"] == "customer-created").expect("the first call");
        let mut detail = world.detail(first).await;
        assert!(!statuses(&detail).is_empty(), "{detail}");
        // What we send ourselves is shown, of course.
        detail["request"].take();
        let local = email.split('@').next().expect("a part").to_owned() + "@";
        detail["customer_email"].take();
        detail["email"].take();
        let shown = detail.to_string().to_lowercase();
        assert!(shown.contains('…'), "{shown}");
        let percent: String = email.bytes().take(6).map(|b| format!("%{b:02x}")).collect();
        let spelt = ["%40", "&#64;"].map(|at| local.replace('@', at));
        for private in [&key, &local, &spelt[0], &spelt[1], &percent, "name of"] {
            assert!(!shown.contains(private), "{private}: {shown}");
        }
        let log = super::kit::log::text().to_lowercase();
        for private in [format!("{key} "), email.replace('@', "%40"), email.clone()] {
            assert!(!log.contains(&private), "{private} is in the log");
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed_and_nonsense_is_not() {
    let cases = [
        (json!(90), 90, 108),
        (json!("soon"), 1, 2),
        (json!(0), 1, 2),
        (json!(-5), 1, 2),
        (json!("Thu, 01 Jan 1970 00:00:00 GMT"), 1, 2),
        (json!(86_400), 3600, 4320),
        (json!("99999999999999999999"), 1, 2),
    ];
    for (n, (retry_after, least, most)) in cases.iter().enumerate() {
        let world = World::new().await;
        let email = world.email("c0");
        world.fault(&json!({ "status": 429, "retry_after": retry_after }).to_string());
        world.stripe(&Sale::new(&format!("s{n}"), &email, world.ago(60)).event()).await;
        let due = world.idle().await.expect("a retry");
        let wait = due.duration_since(world.now()).as_millis();
        assert!((least * 1000..=most * 1000).contains(&wait), "{retry_after}: {wait} ms");
        world.drive(Duration::from_secs(5000)).await;
        assert_eq!(only_delivery(&world, 0).await["state"], "delivered");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_pauses_the_route() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Upstream::start(|_| Say::success()).await;
        let location = format!("Location: {}/api/events/payment-succeeded\r\n", elsewhere.url());
        let upstream = Upstream::start(move |_| Say::answer(status, &location, "")).await;
        let mut world = Setup::new().upstream(&upstream.url()).start().await;
        let email = world.email("c0");
        world.stripe(&Sale::new("s0", &email, world.ago(60)).event()).await;
        let delivery = super::kit::until("the attempt is over", async || {
            let delivery = world.deliveries_to(&email).await.pop()?;
            (delivery["state"] == "queued" && delivery["attempts"] == 1).then_some(delivery)
        });
        assert!(delivery.await["explanation"].as_str().expect("an explanation").contains("redirect"));
        let route = &world.get("/api/v1/stats").await["routes"][0];
        assert_eq!(route["state"], "paused", "{route}");
        assert!(route["detail"].as_str().expect("a detail").contains("redirect"), "{route}");
        assert_eq!(elsewhere.connections(), 0, "the key went to another host");
        world.leave.open = true;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_listens_calls_wait() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let addr = gone.local_addr().expect("an address");
    drop(gone);
    let world = Setup::new().upstream(&format!("http://{addr}")).start().await;
    let email = world.email("c0");
    world.stripe(&Sale::new("s0", &email, world.ago(60)).event()).await;
    world.idle().await;
    let delivery = only_delivery(&world, 0).await;
    assert_eq!((&delivery["state"], &delivery["reason"]), (&json!("queued"), &json!("retrying")), "{delivery}");
    assert!(delivery["explanation"].as_str().expect("an explanation").contains("connect"), "{delivery}");
    let upstream = Upstream::listen(tokio::net::TcpListener::bind(addr).await.expect("bound"), |_| Say::success());
    world.drive(Duration::from_secs(2)).await;
    assert_eq!(only_delivery(&world, 0).await["state"], "delivered");
    assert_eq!(upstream.seen().len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_own_call_that_is_refused_holds_the_payment() {
    let world = World::new().await;
    let email = world.email("ada");
    world.fault(
        r#"{"on":"customer-created","status":400,"body":{"success":false,"message":"customerName is too short"}}"#,
    );
    world.stripe(&Sale::new("s1", &email, world.ago(60)).code("ADA10").event()).await;
    world.idle().await;
    let all = world.deliveries_to(&email).await;
    let states: Vec<_> = all.iter().map(|d| (d["state"].clone(), d["reason"].clone())).collect();
    let rejected = (json!("rejected"), json!("refused_by_refairn"));
    assert_eq!(states, [rejected, (json!("held"), json!("customer_created_rejected"))]);
    let lead = all[0]["id"].as_str().expect("an id");
    assert_eq!(world.act(&format!("/api/v1/deliveries/{lead}/retry")).await.status, 200);
    world.idle().await;
    let states: Vec<_> = world.deliveries_to(&email).await.iter().map(|d| d["state"].clone()).collect();
    assert_eq!(states, ["delivered", "delivered"]);
    assert_eq!(world.sandbox.look(|book| book.commissions().len()), 1);
    world.end().await;
}
