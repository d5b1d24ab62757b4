//! Checkout sessions, payment intents, charges.

use super::*;
use crate::domain::fact::Customer;

fn session() -> Value {
    json!({
        "id": "cs_1", "object": "checkout.session", "amount_subtotal": 4900, "amount_total": 5831, "client_reference_id": null,
        "currency": "eur", "customer": null, "customer_details": {"email": "sam@example.org", "name": "Sam Poe"},
        "customer_email": null, "invoice": null, "metadata": {}, "mode": "payment", "payment_intent": "pi_1",
        "payment_status": "paid", "status": "complete", "subscription": null,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 931}
    })
}

fn intent() -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "amount": 5831, "amount_received": 5831, "currency": "eur",
        "customer": "cus_1", "latest_charge": "ch_1", "metadata": {}, "receipt_email": "sam@example.org", "status": "succeeded"
    })
}

#[track_caller]
fn check_with(rules: &Rules, event_type: &str, changes: &Value, expected: &str) {
    let base = match event_type.split_once('.') {
        Some(("checkout", _)) => session(),
        Some(("payment_intent", _)) => intent(),
        Some((_, _)) | None => super::reversal::charge(),
    };
    assert_eq!(told(&read_with(rules, &event(event_type, &with(base, changes)))), expected, "{event_type} {changes}");
}

#[track_caller]
fn check(changes: &Value, expected: &str) {
    for event_type in ["checkout.session.completed", "checkout.session.async_payment_succeeded"] {
        check_with(&rules(), event_type, changes, expected);
    }
}

const PAID: &str = "payment pi_1: 58.31 on 58.31 EUR on 2026-06-14";
const PAID_BY_INTENT_ALONE: &str =
    "payment pi_1: 58.31 on 58.31 EUR on 2026-06-14 awaiting checkout as a rule by another";
const CAPTURED: &str = "payment pi_1: 58.31 on 58.31 EUR on 2026-06-14 if a session holds it as a rule by another";

#[test]
fn that_there_is_no_session_ends_the_wait_of_what_it_was_asked_for() {
    for (field, expected) in
        [("subscription", "customer checked out id_1"), ("payment_intent", "customer"), ("invoice", "customer")]
    {
        let none = event(super::super::NO_SESSION, &json!({"object": "checkout.session", field: "id_1"}));
        let fact = fact(&rules(), &none);
        assert_eq!(matter(&fact), expected);
        assert_eq!(fact.keys, ["id_1"]);
        assert!(
            matches!(fact.matter, FactKind::Customer(Customer { checkout: true, no_payment: None, .. })),
            "{fact:?}"
        );
        assert_eq!(who(&fact), "-, -, -, -");
    }
}

#[test]
fn a_paid_session_is_a_payment() {
    check(&json!({}), PAID);
    check(&json!({"payment_intent": null}), &PAID.replace("pi_1", "cs_1"));
    check(&json!({"payment_intent": {"id": "pi_2"}}), &PAID.replace("pi_1", "pi_2"));
    check(&json!({"mode": null}), PAID);
    check(&json!({"currency": "jpy"}), "payment pi_1: 5831 on 5831 JPY on 2026-06-14");
    let fact = fact(&rules(), &event("checkout.session.completed", &with(session(), &json!({"customer": "cus_1"}))));
    assert_eq!(who(&fact), "cus_1, sam@example.org, Sam Poe, -");
    assert_eq!(fact.keys, ["cus_1", "cs_1", "pi_1"]);
    assert_eq!(fact.at.as_second(), CREATED);
}

#[test]
fn amounts_decide_before_labels() {
    check(&json!({"amount_total": 0}), "customer zero_amount");
    check(&json!({"amount_total": 0, "payment_status": "no_payment_required"}), "customer zero_amount");
    check(&json!({"amount_total": -1}), "customer negative_amount");
    for status in ["no_payment_required", "a_new_status"] {
        check(&json!({"payment_status": status}), "customer not_paid");
    }
    check(&json!({"payment_status": "unpaid"}), "customer capturing pi_1 not_paid");
    check(&json!({"payment_status": "unpaid", "customer_details": null}), "customer capturing pi_1 not_paid");
    let nothing = json!({"payment_status": "unpaid", "customer_details": null, "payment_intent": null});
    check(&nothing, "ignored not_paid");
    check(&json!({"currency": "ngn"}), "customer below_minimum");
}

#[test]
fn what_a_payment_must_have_is_asked_for_by_name() {
    let missing =
        |field: &str, what: &str| format!("unmappable missing_field: data.object.{field} is missing or not {what}");
    check(&json!({"amount_total": null}), &missing("amount_total", "an integer"));
    check(&json!({"currency": "euro"}), &missing("currency", "a currency of three letters"));
    check(&json!({"payment_status": 1}), &missing("payment_status", "a text"));
    check(&json!({"id": null, "payment_intent": null}), &missing("payment_intent", "an id, and so is data.object.id"));
}

#[test]
fn invoices_subscriptions_and_set_ups_are_customers_only() {
    check(&json!({"invoice": "in_1"}), "customer reported_by_invoice");
    check(&json!({"mode": "subscription", "subscription": "sub_1", "invoice": "in_1"}), "customer checked out sub_1");
    check(&json!({"mode": "subscription"}), "customer");
    check(
        &json!({"mode": "subscription", "subscription": "sub_1", "customer_details": null}),
        "customer checked out sub_1",
    );
    check(&json!({"mode": null, "subscription": "sub_1"}), "customer checked out sub_1");
    check(&json!({"mode": "setup", "payment_intent": null, "amount_total": null}), "customer");
    check(&json!({"mode": "setup", "customer_details": null, "payment_intent": null}), "ignored names_nobody");
    check(&json!({"mode": "a_new_mode", "payment_intent": null}), "customer");
}

#[test]
fn a_failed_session_is_a_customer() {
    let check = |changes: Value, expected: &str| {
        check_with(&rules(), "checkout.session.async_payment_failed", &changes, expected);
    };
    check(json!({"payment_status": "unpaid"}), "customer not_paid");
    check(json!({"mode": "subscription", "subscription": "sub_1"}), "customer checked out sub_1 not_paid");
    check(json!({"customer_details": null}), "customer not_paid");
    check(json!({"customer_details": null, "payment_intent": null}), "ignored not_paid");
}

#[test]
fn a_session_ends_the_wait_for_it_under_each_of_its_ids() {
    let check = |event_type: &str, changes: Value, keys: &str| {
        let fact = fact(&rules(), &event(event_type, &with(session(), &changes)));
        let FactKind::Customer(customer) = &fact.matter else { panic!("{fact:?}") };
        assert!(customer.checkout, "{changes}");
        assert_eq!(fact.keys.join(" "), keys);
    };
    let completed = "checkout.session.completed";
    check(completed, json!({"invoice": "in_1"}), "cs_1 in_1 pi_1");
    check(
        completed,
        json!({"mode": "subscription", "subscription": "sub_1", "invoice": "in_1", "payment_intent": null}),
        "cs_1 sub_1 in_1",
    );
    check(completed, json!({"mode": "setup", "payment_intent": null}), "cs_1");
    check(completed, json!({"payment_status": "unpaid"}), "cs_1 pi_1");
    check(completed, json!({"amount_total": 0}), "cs_1 pi_1");
    check("checkout.session.async_payment_failed", json!({}), "cs_1 pi_1");
}

#[test]
fn a_session_that_makes_its_invoice_awaits_it() {
    let enabled = json!({"invoice_creation": {"enabled": true, "invoice_data": {}}});
    check(&enabled, &format!("{PAID} awaiting its invoice"));
    check(&json!({"invoice_creation": {"enabled": false}}), PAID);
    check(&json!({"invoice_creation": null}), PAID);
    check(&with(enabled, &json!({"invoice": "in_1"})), "customer reported_by_invoice");
}

#[test]
fn tax_is_left_out_if_asked_for() {
    let check = |event_type: &str, changes: Value, expected: &str| {
        let rules = Rules { settings: by_intents(), ..untaxed_rules() };
        let paid = if event_type == "payment_intent.succeeded" { PAID_BY_INTENT_ALONE } else { PAID };
        check_with(&rules, event_type, &changes, &paid.replace("58.31 on", &format!("{expected} on")));
    };
    check("checkout.session.completed", json!({}), "49");
    check("checkout.session.completed", json!({"total_details": null}), "58.31");
    check("checkout.session.completed", json!({"total_details": {"amount_tax": "?"}}), "?");
    check("payment_intent.succeeded", json!({}), "?");
    check("payment_intent.succeeded", json!({"amount_details": {"tax": {"total_tax_amount": 931}}}), "49");
}

#[test]
fn whom_a_session_is_about() {
    let check = |changes: Value, expected: &str| {
        assert_eq!(who(&fact(&rules(), &event("checkout.session.completed", &with(session(), &changes)))), expected);
    };
    check(
        json!({"customer_details": {"email": null}, "customer_email": "typed@example.org"}),
        "-, typed@example.org, Sam Poe, -",
    );
    check(json!({"customer_details": {"name": null, "business_name": "Poe\nLtd"}}), "-, sam@example.org, Poe Ltd, -");
    check(json!({"client_reference_id": "refairn_ADA"}), "-, sam@example.org, Sam Poe, ADA");
    check(json!({"client_reference_id": "refairn_"}), "-, sam@example.org, Sam Poe, -");
    check(json!({"client_reference_id": "user_77"}), "-, sam@example.org, Sam Poe, -");
    check(
        json!({"client_reference_id": "refairn_ADA", "metadata": {"referralCode": "BOB"}}),
        "-, sam@example.org, Sam Poe, BOB",
    );
    let bare = Rules { referral_code_from: vec![CodeRule::parse("client_reference_id").unwrap()], ..rules() };
    let given = event("checkout.session.completed", &with(session(), &json!({"client_reference_id": "ADA"})));
    assert_eq!(fact(&bare, &given).code.as_deref(), Some("ADA"));
}

#[test]
fn expanded_line_items_name_the_product() {
    let line =
        |total: i64, price: &str| json!({"amount_total": total, "amount_tax": total / 10, "price": {"id": price}});
    let lines = json!({"line_items": {"data": [line(5831, "price_team")]}});
    check(&lines, &format!("{PAID} for prod_team"));
    let several = json!({"line_items": {"data": [line(831, "price_team"), line(5000, "price_x")]}});
    let ignore = Rules { unmapped: Unmapped::Ignore, ..rules() };
    let part = PAID.replace("58.31 on", "8.31 on");
    check_with(&ignore, "checkout.session.completed", &several, &format!("{part} for prod_team"));
    let cut = with(several, &json!({"line_items": {"has_more": true}}));
    let undecided = r#"Undecided { otherwise: None, seen: 2, total: None }"#;
    check_with(
        &ignore,
        "checkout.session.completed",
        &cut,
        &format!("{} {undecided}", PAID.replace("58.31 on", "? on")),
    );
}

#[test]
fn intents_count_if_asked_for_else_if_a_session_held_them() {
    let check = |changes: Value, expected: &str| {
        let held = expected.replace("awaiting checkout", "if a session holds it");
        check_with(&rules(), "payment_intent.succeeded", &changes, &held);
        check_with(&one_time_rules(), "payment_intent.succeeded", &changes, expected);
    };
    check(json!({}), PAID_BY_INTENT_ALONE);
    check_with(&rules(), "payment_intent.succeeded", &json!({}), CAPTURED);
    let part = PAID_BY_INTENT_ALONE.replace("checkout", "checkout letting go of 41.69");
    check_with(&one_time_rules(), "payment_intent.succeeded", &json!({"amount": 10_000}), &part);
    check(json!({"amount": null}), PAID_BY_INTENT_ALONE);
    check(json!({"invoice": "in_1"}), "customer reported_by_invoice");
    check(json!({"amount_received": 0}), "customer zero_amount");
    check(
        json!({"amount_received": null}),
        "unmappable missing_field: data.object.amount_received is missing or not an integer",
    );
    check(json!({"id": null}), "unmappable missing_field: data.object.id is missing or not an id");
    let who_and_keys = |changes: Value| {
        let fact = fact(&one_time_rules(), &event("payment_intent.succeeded", &with(intent(), &changes)));
        format!("{}; {}", who(&fact), fact.keys.join(" "))
    };
    assert_eq!(who_and_keys(json!({})), "cus_1, sam@example.org, -, -; cus_1 pi_1 ch_1");
    let charge = json!({"id": "ch_2", "billing_details": {"email": "card@example.org", "name": "Card Holder"}, "metadata": {"refairn_code": "ADA"}});
    assert_eq!(
        who_and_keys(json!({"receipt_email": null, "latest_charge": charge})),
        "cus_1, card@example.org, Card Holder, ADA; cus_1 pi_1 ch_2"
    );
    let listed = json!({"receipt_email": null, "latest_charge": null, "charges": {"data": [charge]}});
    assert_eq!(who_and_keys(listed), "cus_1, card@example.org, Card Holder, ADA; cus_1 pi_1 ch_2");
}

#[test]
fn charges_only_bring_an_address() {
    let check = |changes: Value, expected: &str| {
        check_with(&rules(), "charge.succeeded", &changes, "ignored one_time_off");
        check_with(&one_time_rules(), "charge.succeeded", &changes, expected);
    };
    check(json!({}), "customer already_reported");
    check(json!({"invoice": "in_1"}), "customer reported_by_invoice");
    check(json!({"payment_intent": null}), "customer one_time_off");
    let changes = json!({"customer": null, "billing_details": {"email": null}, "receipt_email": "receipt@example.org"});
    let fact = fact(&one_time_rules(), &event("charge.succeeded", &with(super::reversal::charge(), &changes)));
    assert_eq!(who(&fact), "-, receipt@example.org, Card Holder, -");
    assert_eq!(fact.keys, ["ch_1", "pi_1"]);
}
