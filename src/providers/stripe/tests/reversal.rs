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
    // What was held and never taken is none of it: 50 held, 29.99 taken.
    let let_go = |refunded: i64| json!({"amount": 5000, "amount_refunded": refunded, "refunded": false});
    check(let_go(2001), "ignored reversal_not_final");
    check(let_go(500), "ignored reversal_not_final");
    check(let_go(2501), &format!("Final charge:ch_1: 5 USD in total {at}"));
    check(
        json!({"amount": 5000, "amount_refunded": 5000}),
        &format!("Final full charge:ch_1: 29.99 USD in total {at}"),
    );
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
    check("refund.updated", &with(refund(), &json!({"status": null})), "Final re_1: 10 USD");
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
        for event_type in ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"] {
            check(&format!("charge.dispute.{event_type}"), &dispute, &format!("{stage} du_1: 29.99 USD"));
        }
    }
    assert_eq!(fact(&rules(), &event("charge.dispute.created", &dispute())).keys, ["ch_1", "pi_1"]);
}

#[test]
fn what_came_back_of_a_lost_dispute_lowers_it() {
    let movements = |amounts: &[i64], currency: &str| {
        let movement = |amount: &i64| json!({"amount": amount, "currency": currency, "fee": 0, "type": "adjustment"});
        amounts.iter().map(movement).collect::<Vec<_>>()
    };
    let check = |status: &str, movements: Value, expected: &str| {
        let dispute = with(dispute(), &json!({"status": status, "balance_transactions": movements}));
        for event_type in ["closed", "funds_reinstated"] {
            check(&format!("charge.dispute.{event_type}"), &dispute, expected);
        }
    };
    check("lost", json!(movements(&[-2999, 1000], "usd")), "Final du_1: 19.99 USD");
    check("lost", json!(movements(&[1000], "usd")), "Final du_1: 19.99 USD");
    check("lost", json!(movements(&[-2999, 2999], "usd")), "Void du_1: 29.99 USD");
    check("lost", json!(movements(&[-2999, 2999, -2999], "usd")), "Final du_1: 29.99 USD");
    check("lost", json!(movements(&[-2999], "usd")), "Final du_1: 29.99 USD");
    check("lost", json!([]), "Final du_1: 29.99 USD");
    check("lost", json!(movements(&[-2700, 900], "eur")), "Final du_1: 29.99 USD");
    check("under_review", json!(movements(&[-2999, 1000], "usd")), "Final du_1: 29.99 USD");
    check("won", json!(movements(&[-2999, 2999], "usd")), "Void du_1: 29.99 USD");
}

#[test]
fn a_reversal_names_its_charge_by_the_word_that_all_share() {
    let of = |event_type: &str, object: Value| {
        let FactKind::Reversal(reversal) = fact(&rules(), &event(event_type, &object)).matter else { panic!() };
        reversal.of_charge.unwrap_or_default()
    };
    for (event_type, object, id) in [
        ("charge.refunded", charge(), "id"),
        ("refund.created", refund(), "charge"),
        ("charge.dispute.closed", dispute(), "charge"),
    ] {
        assert_eq!(of(event_type, object.clone()), "pi_1", "{event_type}");
        let old = with(object.clone(), &json!({"payment_intent": null}));
        assert_eq!(of(event_type, old), object[id].as_str().unwrap(), "{event_type}");
    }
}

#[test]
fn a_credit_note_counts_as_far_as_it_is_paid_out_elsewhere() {
    let note = json!({
        "id": "cn_1", "object": "credit_note", "amount": 2999, "currency": "usd", "customer": "cus_1", "invoice": "in_1",
        "out_of_band_amount": 1000, "post_payment_amount": 2999, "pre_payment_amount": 0, "refunds": [], "status": "issued",
        "type": "post_payment", "voided_at": null
    });
    let check = |event_type: &str, changes: Value, expected: &str| {
        check(&format!("credit_note.{event_type}"), &with(note.clone(), &changes), expected);
    };
    for event_type in ["created", "updated"] {
        check(event_type, json!({}), "Final cn_1: 10 USD");
        check(event_type, json!({"status": "void"}), "Void cn_1: 10 USD");
    }
    check("voided", json!({}), "Void cn_1: 10 USD");
    check("created", json!({"type": null}), "Final cn_1: 10 USD");
    check("created", json!({"type": "pre_payment"}), "ignored credited_otherwise");
    for amount in [json!(null), json!(0)] {
        check("created", json!({"out_of_band_amount": amount}), "ignored credited_otherwise");
    }
    check("created", json!({"invoice": null}), "unmappable missing_field: data.object.invoice is missing or not an id");
    let fact = fact(&rules(), &event("credit_note.created", &note));
    assert_eq!((who(&fact).as_str(), fact.keys.join(" ").as_str()), ("-, -, -, -", "in_1"));
}

#[test]
fn what_a_reversal_must_have_is_asked_for_by_name() {
    for (event_type, object) in [("refund.created", refund()), ("charge.dispute.created", dispute())] {
        let missing =
            |field: &str, what: &str| format!("unmappable missing_field: data.object.{field} is missing or not {what}");
        let check = |field: &str, what: &str| {
            check(event_type, &with(object.clone(), &json!({field: null})), &missing(field, what));
        };
        check("amount", "an integer");
        check("currency", "a currency of three letters");
    }
    let missing = |what: &str| format!("unmappable missing_field: data.object.id is missing or not {what}");
    check("refund.created", &with(refund(), &json!({"id": null})), &missing("an id"));
    let nameless = with(dispute(), &json!({"id": null}));
    check("charge.dispute.created", &nameless, "Final dispute:pi_1: 29.99 USD");
    let nothing = with(nameless, &json!({"charge": null, "payment_intent": null}));
    check("charge.dispute.created", &nothing, &missing("an id, and so is data.object.charge"));
}
