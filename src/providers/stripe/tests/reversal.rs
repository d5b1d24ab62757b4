//! Refunds and disputes.

use super::*;

pub(super) fn charge() -> Value {
    json!({
        "id": "ch_1", "object": "charge", "amount": 2999, "amount_captured": 2999, "amount_refunded": 2999,
        "billing_details": {"email": "card@example.com", "name": "Card Holder"}, "captured": true, "created": CREATED - 90,
        "currency": "usd", "customer": "cus_1", "invoice": null, "metadata": {}, "payment_intent": "pi_1",
        "receipt_email": null, "refunded": true, "status": "succeeded"
    })
}

fn refund() -> Value {
    json!({
        "id": "re_1", "object": "refund", "amount": 1000, "charge": "ch_1", "currency": "usd", "metadata": {},
        "payment_intent": "pi_1", "reason": "requested_by_customer", "status": "succeeded"
    })
}

fn dispute() -> Value {
    json!({
        "id": "du_1", "object": "dispute", "amount": 2999, "charge": "ch_1", "currency": "usd", "metadata": {},
        "payment_intent": "pi_1", "reason": "fraudulent", "status": "needs_response"
    })
}

#[track_caller]
fn check(event_type: &str, object: &Value, expected: &str) {
    assert_eq!(told(&read_with(&rules(), &event(event_type, object))), expected, "{event_type} {object}");
}

#[test]
fn a_refunded_charge_tells_the_total() {
    let check = |changes: Value, expected: &str| check("charge.refunded", &with(charge(), &changes), expected);
    let at = "of 29.99 USD at 2026-06-14T11:58:30Z";
    check(json!({}), &format!("Final full charge:ch_1: 29.99 USD in total {at}"));
    check(json!({"amount_refunded": 1000, "refunded": false}), &format!("Final charge:ch_1: 10 USD in total {at}"));
    check(json!({"amount": 5000}), &format!("Final full charge:ch_1: 29.99 USD in total {at}"));
    check(json!({"amount_captured": null}), &format!("Final full charge:ch_1: 29.99 USD in total {at}"));
    check(json!({"amount": null, "amount_captured": null}), "Final full charge:ch_1: 29.99 USD in total");
    check(json!({"captured": false, "amount_captured": 0}), "ignored reversal_not_final");
    check(json!({"amount_refunded": 0, "refunded": false}), "ignored reversal_not_final");
    check(json!({"id": null}), "unmappable missing_field: data.object.id is missing or not an id");
    check(
        json!({"amount_refunded": null}),
        "unmappable missing_field: data.object.amount_refunded is missing or not an integer",
    );
    check(
        json!({"currency": null}),
        "unmappable missing_field: data.object.currency is missing or not a currency of three letters",
    );
}

#[test]
fn the_card_holders_address_counts_only_without_a_customer() {
    let of = |changes: Value| fact(&rules(), &event("charge.refunded", &with(charge(), &changes)));
    assert_eq!(who(&of(json!({}))), "cus_1, -, -, -");
    assert_eq!(who(&of(json!({"customer": null}))), "-, card@example.com, Card Holder, -");
    let receipt = of(json!({"customer": null, "billing_details": null, "receipt_email": "receipt@example.com"}));
    assert_eq!(who(&receipt), "-, receipt@example.com, -, -");
    assert_eq!(of(json!({"invoice": "in_1"})).keys, ["cus_1", "ch_1", "pi_1", "in_1"]);
    assert_eq!(of(json!({})).at.as_second(), CREATED);
}

#[test]
fn a_refund_is_as_far_as_its_status() {
    let stages = [
        ("succeeded", "Final"),
        ("pending", "Pending"),
        ("requires_action", "Pending"),
        ("a_new_status", "Pending"),
        ("failed", "Void"),
        ("canceled", "Void"),
    ];
    for (status, stage) in stages {
        let refund = with(refund(), &json!({"status": status}));
        for event_type in ["refund.created", "refund.updated", "charge.refund.updated"] {
            check(event_type, &refund, &format!("{stage} re_1: 10 USD"));
        }
        check("refund.failed", &refund, "Void re_1: 10 USD");
    }
    check("refund.updated", &with(refund(), &json!({"status": null})), "Pending re_1: 10 USD");
    let fact = fact(&rules(), &event("refund.created", &refund()));
    assert_eq!((who(&fact).as_str(), fact.keys.join(" ").as_str()), ("-, -, -, -", "ch_1 pi_1"));
}

#[test]
fn a_dispute_is_as_far_as_its_status() {
    let stages = [
        ("needs_response", "Final"),
        ("under_review", "Final"),
        ("lost", "Final"),
        ("a_new_status", "Final"),
        ("warning_needs_response", "Pending"),
        ("warning_under_review", "Pending"),
        ("warning_closed", "Void"),
        ("won", "Void"),
        ("prevented", "Void"),
        ("charge_refunded", "Void"),
    ];
    for (status, stage) in stages {
        let dispute = with(dispute(), &json!({"status": status}));
        for event_type in ["created", "updated", "closed", "funds_withdrawn"] {
            check(&format!("charge.dispute.{event_type}"), &dispute, &format!("{stage} du_1: 29.99 USD"));
        }
        check("charge.dispute.funds_reinstated", &dispute, "Void du_1: 29.99 USD");
    }
    assert_eq!(fact(&rules(), &event("charge.dispute.created", &dispute())).keys, ["ch_1", "pi_1"]);
}

#[test]
fn what_a_reversal_must_have_is_asked_for_by_name() {
    for (event_type, object) in [("refund.created", refund()), ("charge.dispute.created", dispute())] {
        let missing =
            |field: &str, what: &str| format!("unmappable missing_field: data.object.{field} is missing or not {what}");
        let check = |field: &str, what: &str| {
            check(event_type, &with(object.clone(), &json!({field: null})), &missing(field, what));
        };
        check("id", "an id");
        check("amount", "an integer");
        check("currency", "a currency of three letters");
    }
}
