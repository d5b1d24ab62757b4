//! Events and the helpers that read them, for the tests of each topic; and what all events share.

mod changes;
mod payments;
mod properties;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::read;
use crate::domain::endpoint::{CodeRule, CommissionBase, Rules, Unmapped};
use crate::domain::fact::{Fact, FactKind, Payment, Reading, Reversal, Subscription};
use crate::domain::mode::Mode;
use crate::domain::product::Product;
use crate::domain::reason::EventReason;
use crate::domain::setting::Settings;
use crate::providers::paystack::settings::{NET_OF_FEES, REQUESTED};

/// One that Paystack's events do not tell.
const OF_ANOTHER: CommissionBase = CommissionBase { code: "of_another", meaning: "" };

fn rules() -> Rules {
    Rules {
        rank: 0,
        product_id: Some("prod_1".to_owned()),
        test_product_id: Some("prod_test".to_owned()),
        products: [("PLN_pro".to_owned(), "prod_pro".to_owned())].into(),
        unmapped: Unmapped::Default,
        commission_base: CommissionBase::PAID,
        minimum_amount: [("NGN".parse().unwrap(), Decimal::ONE_HUNDRED)].into(),
        settings: Settings::default(),
        referral_code_from: CodeRule::defaults(),
        time_zone: jiff::tz::TimeZone::UTC,
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn received_at() -> Timestamp {
    at("2026-08-01T12:00:00Z")
}

fn reading(event: &str, data: &Value, rules: &Rules) -> Reading {
    read(json!({"event": event, "data": data}).to_string().as_bytes(), rules, received_at())
}

#[track_caller]
fn fact_by(event: &str, data: &Value, rules: &Rules) -> Fact {
    let reading = reading(event, data, rules);
    let Reading::Fact(fact) = reading else { panic!("{event}: {reading:?}") };
    *fact
}

#[track_caller]
fn fact(event: &str, data: &Value) -> Fact {
    fact_by(event, data, &rules())
}

#[track_caller]
fn payment(event: &str, data: &Value, rules: &Rules) -> Payment {
    let fact = fact_by(event, data, rules);
    let FactKind::Payment(payment) = fact.matter else { panic!("{event}: {fact:?}") };
    payment
}

#[track_caller]
fn subscription(event: &str, data: &Value) -> (Timestamp, Subscription) {
    let fact = fact(event, data);
    let FactKind::Subscription(subscription) = fact.matter else { panic!("{event}: {fact:?}") };
    (fact.at, subscription)
}

#[track_caller]
fn reversal(event: &str, data: &Value) -> (Timestamp, Reversal) {
    let fact = fact(event, data);
    let FactKind::Reversal(reversal) = fact.matter else { panic!("{event}: {fact:?}") };
    (fact.at, reversal)
}

/// `data` with members replaced, by dotted path.
fn with(mut data: Value, changes: &[(&str, Value)]) -> Value {
    for (path, value) in changes {
        *data.pointer_mut(&format!("/{}", path.replace('.', "/"))).expect(path) = value.clone();
    }
    data
}

fn customer() -> Value {
    json!({"id": 41_000_001, "first_name": "Ada", "last_name": "Eze", "email": "ada@example.com",
           "customer_code": "CUS_ada", "phone": null, "metadata": null, "risk_action": "default"})
}

fn plan() -> Value {
    json!({"id": 60_001, "name": "Pro", "plan_code": "PLN_pro", "amount": 500_000, "interval": "monthly", "currency": "NGN"})
}

fn charge() -> Value {
    json!({"id": u64::MAX, "domain": "live", "status": "success", "reference": "ref_1", "amount": 500_000, "message": null,
           "paid_at": "2026-05-07T10:00:00.000Z", "created_at": "2026-05-06T09:59:00.000Z", "channel": "card",
           "currency": "NGN", "metadata": {"refairn_code": "AGENT1"}, "fees": 17_500, "authorization": {"account_name": null},
           "customer": customer(), "plan": plan(), "paidAt": "2026-05-08T10:00:00.000Z", "requested_amount": 480_000})
}

fn invoice() -> Value {
    json!({"domain": "live", "invoice_code": "INV_1", "amount": 500_000, "period_start": "2026-05-07T06:00:00.000Z",
           "period_end": "2026-05-06T23:59:59.000Z", "status": "success", "paid": true, "paid_at": "2026-05-07T10:00:00.000Z",
           "description": null, "authorization": {}, "customer": customer(), "created_at": "2026-05-04T06:00:03.000Z",
           "subscription": {"status": "active", "subscription_code": "SUB_1", "amount": 500_000, "open_invoice": null},
           "transaction": {"reference": "ref_1", "status": "success", "amount": 500_000, "currency": "NGN"}})
}

fn subscribed() -> Value {
    json!({"id": 90_001, "domain": "live", "status": "active", "subscription_code": "SUB_1", "amount": 500_000,
           "cron_expression": "0 6 7 * *", "next_payment_date": null, "plan": plan(), "authorization": {},
           "customer": customer(), "created_at": "2026-05-07T06:00:20.000Z", "updatedAt": null, "cancelledAt": null})
}

fn refund() -> Value {
    json!({"status": "processed", "transaction_reference": "ref_1", "refund_reference": "TRF_1", "amount": "12550",
           "currency": "NGN", "customer": {"first_name": "Ada", "last_name": "Eze", "email": "ada@example.com"},
           "integration": 330_771, "domain": "live"})
}

fn dispute() -> Value {
    json!({"id": 358_950, "refund_amount": 120_000, "currency": null, "status": "resolved", "resolution": null, "domain": "live",
           "transaction": {"reference": "ref_1", "status": "success", "amount": 500_000, "currency": "NGN",
                           "paid_at": "2026-05-07T10:00:00.000Z", "metadata": ""},
           "transaction_reference": null, "customer": customer(), "createdAt": "2026-05-09T13:46:57.000Z",
           "resolvedAt": "2026-05-11T08:00:00.000Z", "updatedAt": "2026-05-12T08:00:00.000Z"})
}

#[test]
fn no_product_is_guessed_where_plans_decide() {
    let ignore = Rules { unmapped: Unmapped::Ignore, ..rules() };
    let one_off = with(charge(), &[("plan", json!({}))]);
    assert_eq!(fact_by("charge.success", &one_off, &ignore).product, Product::Unmapped);
    assert_eq!(fact_by("charge.success", &charge(), &ignore).product, Product::Id("prod_pro".to_owned()));
    assert_eq!(fact("invoice.payment_failed", &invoice()).product, Product::Unnamed);
    assert_eq!(fact("refund.processed", &refund()).product, Product::Unnamed);
    let no_map = Rules { products: [].into(), ..rules() };
    assert_eq!(fact_by("invoice.payment_failed", &invoice(), &no_map).product, Product::Id("prod_1".to_owned()));
}

#[test]
fn the_mode_is_found_wherever_it_stands() {
    #[track_caller]
    fn check(event: &str, data: Value, mode: Mode) {
        assert_eq!(fact(event, &data).mode, mode);
    }
    check("charge.success", with(charge(), &[("domain", json!("test"))]), Mode::Test);
    for live in [json!("live"), json!(null), json!("elsewhere")] {
        check("charge.success", with(charge(), &[("domain", live)]), Mode::Live);
    }
    for place in ["transaction", "customer"] {
        let mut data = with(dispute(), &[("domain", json!(null))]);
        data[place]["domain"] = json!("test");
        check("charge.dispute.create", data, Mode::Test);
    }
    let test = with(charge(), &[("domain", json!("test"))]);
    assert_eq!(fact("charge.success", &test).product, Product::Id("prod_test".to_owned()));
    let off = Rules { test_product_id: None, ..rules() };
    assert_eq!(fact_by("charge.success", &test, &off).product, Product::NoTestProduct);
}

#[test]
fn people_are_read_as_far_as_they_are_told() {
    #[track_caller]
    fn check(changes: &[(&str, Value)], name: Option<&str>) {
        assert_eq!(fact("charge.success", &with(charge(), changes)).name.as_deref(), name);
    }
    let (first, last, account) = ("customer.first_name", "customer.last_name", "authorization.account_name");
    check(&[(last, json!(" "))], Some("Ada"));
    check(&[(first, json!(null)), (account, json!("EZE ADA"))], Some("Eze"));
    check(&[(first, json!("")), (last, json!("")), (account, json!(" EZE ADA "))], Some("EZE ADA"));
    check(&[(first, json!(7)), (last, json!(null))], None);
    check(&[(first, json!("A\u{0}da\n"))], Some("Ada Eze"));
    let bare =
        fact("charge.success", &with(charge(), &[("customer", json!(41_000_001)), ("authorization", json!(null))]));
    assert_eq!((bare.customer.as_deref(), bare.email), (Some("41000001"), None));
    let own = with(charge(), &[("metadata", json!("")), ("customer.metadata", json!({"referral_code": "a b"}))]);
    let own = fact("charge.success", &own);
    assert!(own.code.is_none() && own.code_refused.is_some());
}

#[test]
fn other_types_are_ignored_whatever_they_hold() {
    #[track_caller]
    fn check(event: &str, data: &Value, why: EventReason) {
        assert_eq!(reading(event, data, &rules()), Reading::Ignored(why), "{event}");
    }
    for event in ["subscription.expiring_cards", "transfer.success", "transfer.new", "customeridentification.success"] {
        check(event, &json!([charge()]), EventReason::NotRelevant);
    }
    for event in ["paymentrequest.success", "dedicatedaccount.assign.failed", "bulkcharge.paused", "settlement.success"]
    {
        check(event, &charge(), EventReason::NotRelevant);
    }
    for event in ["charge.failed", "charge.success.v2", "CHARGE.SUCCESS", "subscription.enable", "transfer", "ping"] {
        check(event, &charge(), EventReason::UnknownType);
    }
}

#[test]
fn what_cannot_be_read_says_why_without_saying_what() {
    #[track_caller]
    fn check(body: &str, reason: EventReason) {
        let Reading::Unmappable(found, text) = read(body.as_bytes(), &rules(), received_at()) else { panic!("{body}") };
        assert_eq!(found, reason, "{body}");
        assert!(!text.is_empty() && !text.contains("secret"), "{text}");
    }
    for body in ["", "secret", "null", "7", "[]", "{}", "\"{}\"", r#"{"event":{"secret":1}}"#, r#"{"event":" "}"#] {
        check(body, EventReason::Unreadable);
    }
    check(
        &format!(r#"{{"event":"charge.success","data":{}{}}}"#, "[".repeat(9_000), "]".repeat(9_000)),
        EventReason::Unreadable,
    );
    for data in ["null", "[]", "\"secret\"", "{}", r#"{"reference":"secret"}"#] {
        check(&format!(r#"{{"event":"charge.success","data":{data}}}"#), EventReason::MissingField);
    }
    check(r#"{"event":"charge.success"}"#, EventReason::MissingField);
}
