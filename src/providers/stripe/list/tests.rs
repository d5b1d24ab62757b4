//! Rows of lists are read as the webhooks that tell the same.

use serde_json::json;

use super::*;
use crate::domain::fact::{Fact, FactKind, Payment, Reading};
use crate::providers::Provider;
use crate::providers::stripe::Stripe;
use crate::providers::toy;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn lists(since: &str) -> Vec<List> {
    let period = Period { since: at(since), until: at("2026-06-30T23:59:59Z"), begun_at: at("2026-06-30T00:00:00Z") };
    Stripe.of_period(&period, &toy::rules())
}

#[test]
fn a_request_for_events_names_twenty_types_at_most() {
    let recent = lists("2026-06-10T00:00:00Z");
    let types: Vec<usize> = recent.iter().map(|list| list.path.matches("types[]=").count()).collect();
    // With what captures holds.
    assert_eq!(types, [20, WANTED_EVENTS.len() + 1 - 20]);
    let beginning = "/v1/events?created[gte]=1781049600&limit=100&types[]=charge.dispute.closed";
    assert!(recent[0].path.starts_with(beginning), "{}", recent[0].path);
}

#[test]
fn what_is_older_than_events_is_listed_by_its_objects() {
    let names: Vec<&str> = lists("2026-03-01T00:00:00Z").iter().map(|list| list.name).collect();
    assert_eq!(names, [EVENTS, EVENTS_AND_CAPTURES, INVOICES, SESSIONS, REFUNDS, DISPUTES, SUBSCRIPTIONS]);
    let paths: Vec<String> = lists("2026-03-01T00:00:00Z").into_iter().map(|list| list.path).collect();
    // Made 35 days before, and up to the day whose events may be gone meanwhile.
    assert!(paths[2].contains("?status=paid&created[gte]=1769299200&created[lte]=1780272000&"), "{}", paths[2]);
    assert!(paths[6].contains("status=all"), "{}", paths[6]);
}

/// What the only row of a page stands for.
fn read(list: &str, object: &Value) -> (Option<String>, Fact) {
    let all = lists("2026-03-01T00:00:00Z");
    let list = all.iter().find(|known| known.name == list).unwrap();
    let body = json!({"object": "list", "has_more": false, "data": [object]}).to_string();
    let page = Stripe.page(list, &list.path, body.as_bytes(), at("2026-06-30T00:00:00Z")).unwrap();
    let [row] = page.rows.try_into().unwrap();
    assert_eq!(page.next, None);
    let Reading::Fact(fact) = Stripe.read(&row.body, &toy::rules(), at("2026-06-30T00:00:00Z")) else {
        panic!("no fact: {}", row.body.escape_ascii());
    };
    (row.name, *fact)
}

#[test]
fn an_invoice_of_a_list_is_the_payment_that_its_webhook_tells() {
    let invoice = json!({"id": "in_1", "object": "invoice", "customer": "cus_1", "customer_email": "jane@example.com",
        "currency": "usd", "amount_paid": 2999, "amount_due": 2999, "total": 2999, "status": "paid",
        "billing_reason": "subscription_cycle", "created": 1_772_000_000, "livemode": true,
        "status_transitions": {"paid_at": 1_772_366_400}});
    let event = json!({"id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1_772_366_401,
        "livemode": true, "data": {"object": invoice}});
    let sent = Stripe.read(event.to_string().as_bytes(), &toy::rules(), at("2026-03-01T12:00:00Z"));
    let Reading::Fact(sent) = sent else { panic!("no fact") };
    let mut with_more = invoice;
    with_more["customer"] = json!({"id": "cus_1", "object": "customer", "metadata": {"refairn_code": "ADA10"}});
    with_more["payments"] = json!({"data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_1"}}]});
    let (name, listed) = read(INVOICES, &with_more);
    assert_eq!(name.as_deref(), Some("in_1"));
    let paid = |fact: &Fact| {
        let FactKind::Payment(payment) = &fact.matter else { panic!("no payment") };
        let Payment { identity, amount, charged, currency, day, .. } = payment;
        (identity.clone(), *amount, *charged, *currency, *day, fact.at, fact.mode, fact.email.clone())
    };
    assert_eq!(paid(&listed), paid(&sent));
    assert_eq!(listed.code.as_deref(), Some("ADA10"));
    // How long the code has been there no list tells.
    assert_eq!(listed.code_at, None);
}

#[test]
fn a_session_is_dated_by_its_charge_and_a_status_by_today() {
    let session = json!({"id": "cs_1", "object": "checkout.session", "mode": "payment", "status": "complete",
        "payment_status": "paid", "amount_total": 500, "currency": "usd", "created": 1_772_000_000, "livemode": true,
        "customer_details": {"email": "jane@example.com"},
        "payment_intent": {"id": "pi_1", "latest_charge": {"id": "ch_1", "created": 1_772_000_600}}});
    let (name, fact) = read(SESSIONS, &session);
    assert_eq!((name.as_deref(), fact.at.as_second()), (Some("cs_1/paid"), 1_772_000_600));
    let FactKind::Payment(payment) = fact.matter else { panic!("no payment") };
    assert_eq!(payment.identity, "pi_1");
    let standing = |status: &str| json!({"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status, "created": 1_600_000_000});
    let ((active, fact), (ended, _)) =
        (read(SUBSCRIPTIONS, &standing("active")), read(SUBSCRIPTIONS, &standing("canceled")));
    assert_eq!(fact.at, at("2026-06-30T00:00:00Z"));
    assert_ne!(active, ended, "each way to stand is an event of its own");
    let refund = json!({"id": "re_1", "object": "refund", "amount": 500, "currency": "usd", "payment_intent": "pi_1",
        "status": "succeeded", "created": 1_772_000_900});
    assert_eq!(read(REFUNDS, &refund).0.as_deref(), Some("re_1/succeeded"));
}

#[test]
fn pages_follow_each_other_by_the_last_id() {
    let list = &lists("2026-06-10T00:00:00Z")[0];
    let page = |path: &str, ids: &[&str], more: bool| {
        let data: Vec<Value> =
            ids.iter().map(|id| json!({"id": id, "object": "event", "type": "invoice.paid"})).collect();
        let body = json!({"object": "list", "has_more": more, "data": data}).to_string();
        Stripe.page(list, path, body.as_bytes(), at("2026-06-30T00:00:00Z")).unwrap()
    };
    let first = page(&list.path, &["evt_9", "evt_8"], true);
    assert_eq!(first.rows.iter().filter(|row| row.name.is_none()).count(), 2);
    let second = first.next.unwrap();
    assert_eq!(second, format!("{}&starting_after=evt_8", list.path));
    assert_eq!(page(&second, &["evt_7"], true).next.unwrap(), format!("{}&starting_after=evt_7", list.path));
    assert_eq!(page(&second, &["evt_7"], false).next, None);
    assert_eq!(page(&second, &[], true).next, None);
    for unlike in ["", "{}", "[]", r#"{"data":[{}],"has_more":false}"#, r#"{"data":[{"id":7}],"has_more":false}"#] {
        assert!(Stripe.page(list, &list.path, unlike.as_bytes(), Timestamp::UNIX_EPOCH).is_err(), "{unlike}");
    }
}

#[test]
fn a_hold_that_was_captured_is_what_its_intent_tells_of_it() {
    let intent = json!({"id": "pi_1", "object": "payment_intent", "capture_method": "manual", "status": "succeeded",
        "amount": 5000, "amount_received": 3000, "currency": "usd", "customer": "cus_1", "livemode": true, "metadata": {},
        "latest_charge": {"id": "ch_1", "created": 1_772_000_100}});
    let session = json!({"id": "cs_1", "object": "checkout.session", "mode": "payment", "status": "complete",
        "payment_status": "paid", "amount_total": 5000, "currency": "usd", "created": 1_772_000_000, "livemode": true,
        "customer": "cus_1", "customer_details": {"email": "jane@example.com"}, "payment_intent": intent, "invoice": null});
    let rows = rows_of(SESSIONS, "cs_1", &session, &written(&session).unwrap(), at("2026-06-30T00:00:00Z")).unwrap();
    let names: Vec<_> = rows.iter().map(|row| row.name.as_deref()).collect();
    assert_eq!(names, [Some("cs_1/unpaid"), Some("pi_1/captured")]);
    let facts = rows.iter().map(|row| match Stripe.read(&row.body, &toy::rules(), at("2026-06-30T00:00:00Z")) {
        Reading::Fact(fact) => *fact,
        Reading::Ignored(_) | Reading::Unmappable(..) => panic!("no fact: {}", row.body.escape_ascii()),
    });
    let [held, captured] = facts.collect::<Vec<_>>().try_into().unwrap();
    assert!(matches!(held.matter, FactKind::Customer(_)), "{held:?}");
    let FactKind::Payment(payment) = captured.matter else { panic!("no payment") };
    assert_eq!(
        (payment.identity.as_str(), payment.amount, captured.at.as_second()),
        ("pi_1", Some(30.into()), 1_772_000_100)
    );
    // One that nobody has captured yet, or whose money came at once, is told by its session alone.
    for (method, status) in [("manual", "requires_capture"), ("automatic", "succeeded")] {
        let mut other = session.clone();
        other["payment_intent"]["capture_method"] = json!(method);
        other["payment_intent"]["status"] = json!(status);
        let rows = rows_of(SESSIONS, "cs_1", &other, &written(&other).unwrap(), at("2026-06-30T00:00:00Z")).unwrap();
        assert_eq!(rows.len(), 1, "{method} {status}");
    }
}

#[test]
fn of_intents_that_succeeded_only_holds_are_events_of_the_list() {
    let count = |list: &'static str, kind: &str, method: &str| {
        let event = json!({"id": "evt_1", "type": kind, "data": {"object": {"id": "pi_1", "capture_method": method}}});
        rows_of(list, "evt_1", &event, &written(&event).unwrap(), at("2026-06-30T00:00:00Z")).unwrap().len()
    };
    assert_eq!(count(EVENTS_AND_CAPTURES, PAYMENT_INTENT_SUCCEEDED, "manual"), 1);
    assert_eq!(count(EVENTS_AND_CAPTURES, PAYMENT_INTENT_SUCCEEDED, "automatic_async"), 0);
    assert_eq!(count(EVENTS_AND_CAPTURES, "credit_note.created", ""), 1);
    assert_eq!(count(EVENTS, PAYMENT_INTENT_SUCCEEDED, "automatic_async"), 1);
}
