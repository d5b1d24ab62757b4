//! What went back is counted once, whichever of a webhook and a list tells it first, and by whatever name; and what went
//! back twice is counted twice.

use std::time::Duration;

use refairn_bridge::domain::provider::ProviderKind;
use serde_json::{Value, json};

use crate::bridge::{Bridge, Data, days_ago};
use crate::shop::{Sale, Webhook};

on_both! {
    what_went_back_at_paystack_is_counted_once_by_whatever_name
    what_went_back_at_stripe_is_counted_once
}

/// What is told of one payment: by webhooks before a backfill, by the lists, by webhooks after it; and what went back.
struct Case {
    what: &'static str,
    before: Vec<Value>,
    listed: Vec<(&'static str, Value)>,
    after: Vec<Value>,
    back: &'static str,
}

/// When the backfill is made: days after a test begins.
const LATER: i64 = 3;

fn iso(days_ago_: i64) -> String {
    days_ago(days_ago_).to_string()
}

/// Tells payments, then what went back of each, and compares what is said of it.
async fn check(data: Data, kind: ProviderKind, cases: Vec<Case>) {
    let bridge = Bridge::start(data).await;
    let email = |n: usize| bridge.world.email(&format!("buyer{n}"));
    for n in 0..cases.len() {
        let sale = Sale::new(n, email(n), days_ago(10)).code("ADA10");
        let webhooks = match kind {
            ProviderKind::Stripe => sale.at_stripe(&bridge.provider),
            ProviderKind::Paystack => sale.at_paystack(&bridge.provider),
        };
        bridge.hear(kind, &webhooks.iter().collect::<Vec<_>>()).await;
    }
    bridge.drive().await;
    let hear = async |bodies: Vec<&Value>| {
        let at = bridge.world.now().as_second();
        let webhooks: Vec<Webhook> = bodies.into_iter().map(|body| Webhook { at, body: body.clone() }).collect();
        bridge.hear(kind, &webhooks.iter().collect::<Vec<_>>()).await;
    };
    hear(cases.iter().flat_map(|case| &case.before).collect()).await;
    bridge.drive().await;
    bridge.world.pass(Duration::from_secs(LATER.unsigned_abs() * 86_400));
    bridge.provider.lists(|lists| {
        lists.now = Some(bridge.world.now());
        let listed = cases.iter().flat_map(|case| &case.listed);
        listed.for_each(|(path, row)| lists.add(path, row.clone()));
    });
    let listed = bridge.list(kind, days_ago(20)).await;
    bridge.record(&listed).await;
    bridge.drive().await;
    hear(cases.iter().flat_map(|case| &case.after).collect()).await;
    bridge.drive().await;
    for (n, case) in cases.iter().enumerate() {
        let sent = bridge.world.deliveries_to(&email(n)).await;
        let payment = sent.iter().find(|call| call["kind"] == "payment-succeeded").expect("a payment");
        let said = payment["explanation"].as_str().unwrap_or_default();
        let is_said =
            said.contains(&format!("({} of 2999", case.back)) || said.contains(&format!("({} of 29.99", case.back));
        assert!(is_said, "{}: {} is not {}: {payment}", case.what, said, case.back);
    }
    bridge.end().await;
}

#[expect(clippy::too_many_lines, reason = "it is a table of cases")]
async fn what_went_back_at_paystack_is_counted_once_by_whatever_name(data: Data) {
    // A webhook of a refund of the payment `n`, and a row of one.
    let heard = |n: usize, more: Value| {
        let mut refund = json!({"status": "processed", "transaction_reference": format!("ref_{n}_0"),
            "refund_reference": null, "amount": "100000", "currency": "NGN", "domain": "live", "customer": {}});
        more.as_object().expect("an object").iter().for_each(|(key, value)| refund[key] = value.clone());
        json!({"event": "refund.processed", "data": refund})
    };
    let row = |n: usize, id: usize, days_ago_: i64| {
        let row = json!({"id": id, "domain": "live", "transaction": 10_000 * n, "refund_type": "partial",
            "transaction_reference": format!("ref_{n}_0"), "amount": 100_000, "currency": "NGN", "status": "processed",
            "createdAt": iso(days_ago_), "refunded_at": iso(days_ago_)});
        ("/refund", row)
    };
    let dispute = |n: usize, id: Option<usize>| {
        json!({"id": id, "domain": "live", "refund_amount": 100_000, "currency": "NGN", "status": "resolved",
            "resolution": "merchant-accepted", "transaction": {"reference": format!("ref_{n}_0"), "amount": 299_900,
            "currency": "NGN", "status": "success"}, "createdAt": iso(2), "resolvedAt": iso(1)})
    };
    let heard_dispute = |n: usize| json!({"event": "charge.dispute.resolve", "data": dispute(n, None)});
    let (none, a, b) = (json!({}), json!({"merchant_note": "one"}), json!({"merchant_note": "another"}));
    let by = |name: &str| json!({"refund_reference": name});
    let cases = [
        ("listed, then heard without a name", vec![], vec![row(0, 500, 1)], vec![heard(0, none.clone())], "1000"),
        ("heard without a name, then listed", vec![heard(1, none.clone())], vec![row(1, 501, 1)], vec![], "1000"),
        (
            "listed by its number, then heard by its reference",
            vec![],
            vec![row(2, 502, 1)],
            vec![heard(2, by("TRF_2"))],
            "1000",
        ),
        ("heard by its reference, then listed", vec![heard(3, by("TRF_3"))], vec![row(3, 503, 1)], vec![], "1000"),
        (
            "two, listed, and both heard",
            vec![heard(4, a.clone())],
            vec![row(4, 504, 1), row(4, 604, 1)],
            vec![heard(4, b.clone())],
            "2000",
        ),
        (
            "two, listed, and one heard",
            vec![],
            vec![row(5, 505, 1), row(5, 605, 2)],
            vec![heard(5, none.clone())],
            "2000",
        ),
        ("two, heard without names", vec![heard(6, a.clone())], vec![], vec![heard(6, b.clone())], "2000"),
        (
            "two, heard by references, and listed",
            vec![heard(7, by("TRF_7"))],
            vec![row(7, 507, 1), row(7, 607, 1)],
            vec![heard(7, by("TRF_8"))],
            "2000",
        ),
        (
            "one heard, and another made two days after",
            vec![heard(8, none.clone())],
            vec![row(8, 508, -2)],
            vec![],
            "2000",
        ),
        (
            "listed, and another made two days after is heard",
            vec![],
            vec![row(9, 509, 1)],
            vec![heard(9, json!({"created_at": iso(-LATER - 2)}))],
            "2000",
        ),
        (
            "a number and a reference in one webhook",
            vec![heard(10, json!({"refund_reference": "TRF_10", "id": 510}))],
            vec![row(10, 510, 1)],
            vec![heard(10, by("TRF_10"))],
            "1000",
        ),
        (
            "a dispute, listed, then heard without a name",
            vec![],
            vec![("/dispute", dispute(11, Some(511)))],
            vec![heard_dispute(11)],
            "1000",
        ),
        (
            "a dispute, heard without a name, then listed",
            vec![heard_dispute(12)],
            vec![("/dispute", dispute(12, Some(512)))],
            vec![],
            "1000",
        ),
        (
            "a refund and a dispute of the same amount",
            vec![heard(13, none)],
            vec![("/dispute", dispute(13, Some(513)))],
            vec![],
            "2000",
        ),
    ];
    let case = |(what, before, listed, after, back)| Case { what, before, listed, after, back };
    check(data, ProviderKind::Paystack, cases.into_iter().map(case).collect()).await;
}

#[expect(clippy::too_many_lines, reason = "it is a table of cases")]
async fn what_went_back_at_stripe_is_counted_once(data: Data) {
    let made = days_ago(1).as_second();
    let event = |id: &str, kind: &str, object: Value| {
        json!({"id": id, "object": "event", "api_version": "2026-07-29.dahlia", "created": made, "type": kind,
            "livemode": true, "pending_webhooks": 1, "request": null, "data": {"object": object}})
    };
    let refund = |n: usize, id: &str| {
        json!({"id": id, "object": "refund", "amount": 1000, "currency": "usd", "payment_intent": format!("pi_{n}_0"),
            "charge": format!("ch_{n}_0"), "status": "succeeded", "created": made})
    };
    let total = |n: usize, cents: i64| {
        json!({"id": format!("ch_{n}_0"), "object": "charge", "amount": 2999, "amount_captured": 2999, "captured": true,
            "amount_refunded": cents, "refunded": false, "currency": "usd", "payment_intent": format!("pi_{n}_0"),
            "customer": format!("cus_{n}"), "created": days_ago(10).as_second()})
    };
    let dispute = |n: usize, id: Option<&str>| {
        json!({"id": id, "object": "dispute", "amount": 1000, "currency": "usd", "payment_intent": format!("pi_{n}_0"),
            "charge": format!("ch_{n}_0"), "status": "lost", "created": made})
    };
    let heard = |id: &str, n: usize, name: &str| event(id, "refund.created", refund(n, name));
    let disputed = |id: &str, n: usize, name: Option<&str>| event(id, "charge.dispute.closed", dispute(n, name));
    let charged = |id: &str, n: usize, cents: i64| event(id, "charge.refunded", total(n, cents));
    let listed = |event: Value| ("/v1/events", event);
    let cases = [
        (
            "listed, then heard by another event",
            vec![],
            vec![listed(heard("evt_a", 0, "re_0"))],
            vec![heard("evt_b", 0, "re_0")],
            "10",
        ),
        (
            "heard, then the charge's total is listed",
            vec![heard("evt_c", 1, "re_1")],
            vec![listed(charged("evt_d", 1, 1000))],
            vec![],
            "10",
        ),
        (
            "the total of two, and one of them",
            vec![charged("evt_e", 2, 2000)],
            vec![listed(heard("evt_f", 2, "re_2"))],
            vec![],
            "20",
        ),
        (
            "two of the same amount",
            vec![heard("evt_g", 3, "re_3")],
            vec![listed(heard("evt_h", 3, "re_4"))],
            vec![],
            "20",
        ),
        (
            "a dispute, listed and heard",
            vec![disputed("evt_i", 4, Some("dp_4"))],
            vec![listed(disputed("evt_j", 4, Some("dp_4")))],
            vec![],
            "10",
        ),
        (
            "a dispute, heard without a name",
            vec![disputed("evt_k", 5, None)],
            vec![listed(disputed("evt_l", 5, Some("dp_5")))],
            vec![],
            "10",
        ),
        (
            "a refund and a dispute",
            vec![heard("evt_m", 6, "re_6")],
            vec![listed(disputed("evt_n", 6, Some("dp_6")))],
            vec![],
            "20",
        ),
    ];
    let case = |(what, before, listed, after, back)| Case { what, before, listed, after, back };
    check(data, ProviderKind::Stripe, cases.into_iter().map(case).collect()).await;
}
