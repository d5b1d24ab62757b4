//! What Refairn is sent: word for word, in the right order, one call at a time for each customer.

use std::collections::BTreeMap;
use std::time::Duration;

use refairn_bridge::sandbox::Kind;
use serde_json::{Value, json};

use crate::kit::samples::{Sale, charge, refund};
use crate::kit::until;
use crate::kit::upstream::{Say, Upstream};
use crate::kit::world::{Setup, World};

/// The headers of a head, without its first line; lower case.
fn headers(head: &str) -> BTreeMap<String, String> {
    let pairs = head.lines().skip(1).filter_map(|l| l.split_once(": "));
    pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_calls_reach_refairn_as_the_contract_has_them() {
    let upstream = Upstream::start(|_| Say::success()).await;
    let world = Setup::new().upstream(&format!("{}/some/path", upstream.url())).start().await;
    let email = format!("Ada.Obi+books@w{}.example.com", world.n);
    let sale =
        Sale::new("s1", &format!("  {email} "), "2026-06-14T23:59:59Z".parse().unwrap()).cents(512_400).code("ADA10");
    world.stripe(&sale.event()).await;
    world.idle().await;
    let seen = upstream.seen();
    let lines: Vec<&str> = seen.iter().map(|s| s.head.lines().next().expect("a line")).collect();
    let path = "POST /some/path/api/events";
    assert_eq!(lines, [format!("{path}/customer-created HTTP/1.1"), format!("{path}/payment-succeeded HTTP/1.1")]);
    let customer = format!(
        r#"{{"businessId":"biz_1","productId":"prod_1","customerEmail":"{email}","customerName":"Name Of s1","referralCode":"ADA10"}}"#
    );
    let payment = format!(
        r#"{{"businessId":"biz_1","productId":"prod_1","customerEmail":"{email}","amount":5124,"currency":"EUR","subscriptionStatus":"active","paymentDate":"2026-06-14"}}"#
    );
    assert_eq!([&seen[0].body, &seen[1].body], [&customer, &payment]);
    for call in &seen {
        let headers = headers(&call.head);
        assert_eq!(headers["authorization"], format!("Bearer rk_live_w{}", world.n));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["content-length"], call.body.len().to_string());
        assert_eq!(headers["host"], upstream.addr.to_string());
        assert!(headers["user-agent"].starts_with("refairn-bridge/"));
    }
    // The API shows the very same bytes.
    let deliveries = world.admin("GET", "/api/v1/deliveries").send(world.addr()).await.text();
    assert!(deliveries.contains(&format!("\"request\":{customer}")), "{deliveries}");
    assert!(deliveries.contains(&format!("\"request\":{payment}")), "{deliveries}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_exact_to_the_digit() {
    let upstream = Upstream::start(|_| Say::success()).await;
    let world = Setup::new().upstream(&upstream.url()).start().await;
    let amounts = [
        (1, "0.01"),
        (10, "0.1"),
        (2999, "29.99"),
        (100, "1"),
        (99_999_999, "999999.99"),
        (110, "1.1"),
        (123_456_789_012_345_678, "1234567890123456.78"),
    ];
    for (n, (cents, written)) in amounts.into_iter().enumerate() {
        let sale = Sale::new(&format!("s{n}"), &world.email(&format!("c{n}")), world.ago(60)).cents(cents);
        world.stripe(&sale.event()).await;
        world.idle().await;
        let body = upstream.seen().last().expect("a call").body.clone();
        assert!(body.contains(&format!("\"amount\":{written},")), "{cents}: {body}");
        let shown = world.admin("GET", "/api/v1/deliveries?limit=1").send(world.addr()).await.text();
        assert!(shown.contains(&format!("\"request\":{body}")), "the API shows another body: {shown}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_id_is_sent_when_it_is_asked_for() {
    let upstream = Upstream::start(|_| Say::success()).await;
    let world = Setup::new().key("refairn", "event_id", "true").upstream(&upstream.url()).start().await;
    let event = world.stripe(&Sale::new("s1", &world.email("ada"), world.ago(60)).code("ADA10").event()).await;
    world.idle().await;
    for call in upstream.seen() {
        let body: Value = serde_json::from_str(&call.body).expect("JSON");
        assert_eq!(body["eventId"], event, "{body}");
    }
    assert_eq!(upstream.seen().len(), 2);
    world.end().await;
}

in_both! {
    the_customer_goes_first_and_the_agent_is_credited
    a_first_payment_waits_for_the_code_that_may_be_on_its_way
    calls_for_one_customer_never_overlap_and_keep_their_order
    payments_that_wait_go_out_in_the_order_in_which_they_were_made
}

async fn the_customer_goes_first_and_the_agent_is_credited(new: fn() -> Setup) {
    let world = new().start().await;
    let email = world.email("ada");
    // The reply to the customer's call is late; the payment has to wait for it.
    world.fault(r#"{"on":"customer-created","delay_ms":150}"#);
    world.stripe(&Sale::new("s1", &email, world.ago(60)).code("ADA10").event()).await;
    world.idle().await;
    let payment = &world.deliveries_to(&email).await[1];
    let receipt = [
        ("commissionId", "comm_1"),
        ("agentId", "agent_ada"),
        ("commissionAmount", "5.998"),
        ("commissionStatus", "pending"),
        ("holdUntil", "2026-06-29"),
    ];
    for (field, value) in receipt {
        assert_eq!(payment["response"][field], value, "{payment}");
    }
    let kinds: Vec<_> = world.sandbox.calls().iter().map(|c| c.kind).collect();
    assert_eq!(kinds, [Kind::CustomerCreated, Kind::PaymentSucceeded]);
    world.end().await;
}

async fn a_first_payment_waits_for_the_code_that_may_be_on_its_way(new: fn() -> Setup) {
    let world = new().start().await;
    let (ada, bola) = (world.email("ada"), world.email("bola"));
    let with_code = Sale::new("s1", &ada, world.ago(5)).first();
    world.stripe(&with_code.event()).await;
    world.stripe(&Sale::new("s2", &bola, world.ago(5)).first().event()).await;
    let due = world.idle().await.expect("two payments wait");
    assert_eq!(due.duration_since(world.now()).as_secs(), 15);
    assert!(world.sandbox.calls().is_empty());
    assert_eq!(world.deliveries_to(&ada).await[0]["reason"], "waiting_for_referral_code");
    world.pass(Duration::from_secs(3));
    world.stripe(&with_code.checkout("BAYO15")).await;
    world.idle().await;
    assert_eq!(world.sandbox.look(|book| book.commissions().len()), 1, "the code came, and nothing waits any longer");
    world.drive(Duration::from_secs(12)).await;
    let credited: Vec<_> = world
        .sandbox
        .look(|book| book.payments().iter().map(|p| (p.customer_email.clone(), p.commission_id.is_some())).collect());
    assert_eq!(credited, [(ada, true), (bola, false)]);
    world.end().await;
}

async fn calls_for_one_customer_never_overlap_and_keep_their_order(new: fn() -> Setup) {
    let upstream = Upstream::start(|_| Say::success().late(Duration::from_millis(15))).await;
    let world = new().upstream(&upstream.url()).start().await;
    let (customers, months) = (12, 4);
    for month in (0..months).rev() {
        for n in 0..customers {
            let paid_at = world.ago(60 + 86_400 * 30 * month);
            let id = format!("c{n}m{month}");
            world.stripe(&Sale::new(&id, &world.email(&format!("c{n}")), paid_at).code("ADA10").event()).await;
        }
    }
    world.idle().await;
    let (for_one, in_all) = upstream.most_at_once();
    assert_eq!(for_one, 1, "calls for one customer overlapped");
    assert!(in_all > 4, "only {in_all} customers were served at once");
    let mut by_email: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for call in upstream.seen() {
        let body: Value = serde_json::from_str(&call.body).expect("JSON");
        let day = body["paymentDate"].as_str().unwrap_or("customer").to_owned();
        by_email.entry(call.email()).or_default().push(day);
    }
    assert_eq!(by_email.len(), customers);
    for (email, days) in by_email {
        assert_eq!(days[0], "customer", "{email}: {days:?}");
        assert_eq!(days.len(), 1 + months as usize, "{email}: {days:?}");
    }
    world.end().await;
}

async fn payments_that_wait_go_out_in_the_order_in_which_they_were_made(new: fn() -> Setup) {
    let world = new().start().await;
    let email = world.email("ada");
    world.fault(r#"{"status":503}"#);
    for (id, days) in [("late", 1), ("first", 40), ("middle", 20)] {
        world.stripe(&Sale::new(id, &email, world.ago(86_400 * days)).event()).await;
    }
    world.drive(Duration::from_secs(10)).await;
    let days: Vec<_> = world.sandbox.look(|book| book.payments().iter().map(|p| p.payment_date.to_string()).collect());
    let mut sorted = days.clone();
    sorted.sort();
    assert_eq!(days.len(), 3);
    // The one that was on its way first keeps its turn; the others follow in their order.
    assert!(days == sorted || days[1] < days[2], "{days:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn test_events_go_to_the_test_product_and_nowhere_without_one() {
    let world = World::new().await;
    world.stripe(&Sale::new("s1", &world.email("ada"), world.ago(60)).test_mode().code("ADA10").event()).await;
    world.idle().await;
    let products: Vec<_> = world.sandbox.look(|book| book.payments().iter().map(|p| p.product_id.clone()).collect());
    assert_eq!(products, ["prod_test"]);
    assert!(world.sandbox.look(|book| book.commissions().iter().all(|c| c.amount.is_zero())));
    world.end().await;

    let world = Setup::new().unset("REFAIRN_TEST_PRODUCT_ID").start().await;
    let id = world.stripe(&Sale::new("s1", &world.email("ada"), world.ago(60)).test_mode().code("ADA10").event()).await;
    world.idle().await;
    assert_eq!(world.get(&format!("/api/v1/events/{id}")).await["reason"], "test_mode_off");
    assert!(world.sandbox.calls().is_empty());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_cancels_what_was_not_sent_and_flags_what_was() {
    let world = World::new().await;
    let (ada, bola) = (world.email("ada"), world.email("bola"));
    world.paystack(&charge("ref1", &ada, 500_000, "ADA10", world.ago(60))).await;
    world.idle().await;
    world.paystack(&refund("ref1", 500_000)).await;
    world.idle().await;
    let sent = world.deliveries_to(&ada).await.remove(1);
    assert_eq!(
        (&sent["state"], &sent["reason"], &sent["needs_attention"]),
        (&json!("delivered"), &json!("reversed"), &json!(true))
    );
    let explanation = sent["explanation"].as_str().expect("an explanation");
    assert!(explanation.contains("comm_1") && explanation.contains("2026-06-29"), "{explanation}");
    world.fault(r#"{"status":503}"#);
    world.paystack(&charge("ref2", &bola, 500_000, "", world.ago(60))).await;
    world.idle().await;
    // Refairn may have the first attempt: the call cannot be cancelled in silence any more, nor sent again.
    world.paystack(&refund("ref2", 500_000)).await;
    world.drive(Duration::from_secs(10)).await;
    let unsure = world.deliveries_to(&bola).await.remove(0);
    assert_eq!(
        (&unsure["state"], &unsure["reason"], &unsure["needs_attention"], &unsure["attempts"]),
        (&json!("held"), &json!("reversed_outcome_unknown"), &json!(true), &json!(1)),
        "{unsure}"
    );
    world.paystack(&refund("ref3", 500_000)).await;
    world.paystack(&charge("ref3", &world.email("chidi"), 500_000, "", world.ago(60))).await;
    world.idle().await;
    let cancelled =
        until("the third is planned", async || world.deliveries_to(&world.email("chidi")).await.pop()).await;
    assert_eq!((&cancelled["state"], &cancelled["reason"]), (&json!("cancelled"), &json!("reversed_before_sending")));
    world.end().await;
}
