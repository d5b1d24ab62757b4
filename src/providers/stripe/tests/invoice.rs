//! Invoices: payments and their amounts, payments of nothing, payments that failed, links.

use super::*;

/// A renewal as versions before 2025-03-31 write it.
fn old() -> Value {
    json!({
        "id": "in_1", "object": "invoice", "amount_due": 2999, "amount_paid": 2999, "amount_remaining": 0,
        "billing_reason": "subscription_cycle", "charge": "ch_1", "currency": "usd", "customer": "cus_1",
        "customer_email": "Jane.Doe@example.com", "customer_name": "Jane Doe", "livemode": true,
        "lines": {"object": "list", "data": [{
            "id": "il_1", "object": "line_item", "amount": 2999, "metadata": {}, "plan": {"id": "price_solo", "product": "prod_S"},
            "price": {"id": "price_solo", "product": "prod_S"}, "proration": false, "quantity": 1
        }]},
        "metadata": {}, "paid": true, "paid_out_of_band": false, "payment_intent": "pi_1", "starting_balance": 0,
        "status": "paid", "status_transitions": {"finalized_at": CREATED - 9000, "paid_at": CREATED - 5},
        "subscription": "sub_1", "subscription_details": {"metadata": {}}, "subtotal": 2999, "tax": null,
        "total": 2999, "total_excluding_tax": 2999, "total_tax_amounts": []
    })
}

/// The same as versions since then write it.
pub(super) fn new() -> Value {
    json!({
        "id": "in_1", "object": "invoice", "amount_due": 2999, "amount_paid": 2999, "amount_remaining": 0,
        "billing_reason": "subscription_cycle", "currency": "usd", "customer": "cus_1", "customer_account": null,
        "customer_email": "Jane.Doe@example.com", "customer_name": "Jane Doe", "livemode": true,
        "lines": {"object": "list", "data": [{
            "id": "il_1", "object": "line_item", "amount": 2999, "metadata": {}, "quantity": 1,
            "parent": {"type": "subscription_item_details", "subscription_item_details": {"proration": false}},
            "pricing": {"type": "price_details", "price_details": {"price": "price_solo", "product": "prod_S"}}
        }]},
        "metadata": {}, "parent": {"type": "subscription_details",
            "subscription_details": {"metadata": {}, "subscription": "sub_1"}},
        "starting_balance": 0, "status": "paid", "status_transitions": {"finalized_at": CREATED - 9000, "paid_at": CREATED - 5},
        "subtotal": 2999, "total": 2999, "total_excluding_tax": 2999, "total_taxes": []
    })
}

#[track_caller]
fn check_with(rules: &Rules, changes: &Value, expected: &str) {
    let invoice = event("invoice.paid", &with(new(), changes));
    assert_eq!(told(&read_with(rules, &invoice)), expected, "{changes}");
}

#[track_caller]
fn check(changes: &Value, expected: &str) {
    check_with(&rules(), changes, expected);
}

const PAID: &str = "payment in_1: 29.99 on 29.99 USD on 2026-06-14 of sub_1";

#[test]
fn a_paid_invoice_is_a_payment_in_every_version_and_by_both_events() {
    for invoice in [old(), new(), with(old(), &new()), with(new(), &old())] {
        for event_type in ["invoice.paid", "invoice.payment_succeeded"] {
            let fact = fact(&rules(), &event(event_type, &invoice));
            assert_eq!(told(&Reading::Fact(Box::new(fact.clone()))), PAID);
            assert_eq!(who(&fact), "cus_1, Jane.Doe@example.com, Jane Doe, -");
            assert_eq!(fact.at.as_second(), CREATED - 5);
        }
    }
    let keys = |invoice: Value| fact(&rules(), &event("invoice.paid", &invoice)).keys;
    assert_eq!(keys(old()), ["cus_1", "sub_1", "in_1", "pi_1", "ch_1"]);
    assert_eq!(keys(new()), ["cus_1", "sub_1", "in_1"]);
    let payments =
        json!({"payments": {"data": [{"payment": {"type": "payment_intent", "payment_intent": {"id": "pi_2"}}}]}});
    assert_eq!(keys(with(new(), &payments)), ["cus_1", "sub_1", "in_1", "pi_2"]);
}

#[test]
fn ids_may_be_expanded_and_the_customer_of_the_newer_kind() {
    let customer = json!({"id": "cus_2", "email": "expanded@example.com", "name": "Ex Panded", "metadata": {"refairn_code": "ADA"}});
    let changes =
        json!({"customer": customer, "customer_email": null, "customer_name": null, "subscription": {"id": "sub_1"}});
    let expanded = fact(&rules(), &event("invoice.paid", &with(old(), &changes)));
    assert_eq!(who(&expanded), "cus_2, expanded@example.com, Ex Panded, ADA");
    assert_eq!(expanded.keys, ["cus_2", "sub_1", "in_1", "pi_1", "ch_1"]);
    let changes = json!({"customer": null, "customer_account": "acct_5", "customer_email": "no address"});
    assert_eq!(who(&fact(&rules(), &event("invoice.paid", &with(new(), &changes)))), "acct_5, -, Jane Doe, -");
}

#[test]
fn what_is_no_renewal_awaits_its_checkout() {
    check(&json!({"billing_reason": "subscription_create"}), &format!("{PAID} awaiting checkout"));
    let single = "payment in_1: 29.99 on 29.99 USD on 2026-06-14 awaiting checkout";
    check(&json!({"billing_reason": "manual", "parent": null}), single);
    check(&json!({"billing_reason": "a_new_reason"}), PAID);
}

#[test]
fn the_day_is_that_of_the_payment_in_the_endpoints_zone() {
    check(&json!({"status_transitions": {"paid_at": CREATED - 86_400}}), &PAID.replace("14", "13"));
    check(&json!({"status_transitions": null}), PAID);
    let auckland = Rules { time_zone: jiff::tz::TimeZone::get("Pacific/Auckland").unwrap(), ..rules() };
    check_with(&auckland, &json!({}), PAID);
    check_with(&auckland, &json!({"status_transitions": {"paid_at": CREATED + 60}}), &PAID.replace("14", "15"));
}

#[test]
fn an_unsettled_invoice_is_no_payment() {
    for status in ["draft", "open", "uncollectible", "void"] {
        check(&json!({"status": status}), "customer not_paid");
        check(&json!({"status": status, "paid": true}), PAID);
    }
    check(&json!({"status": null}), PAID);
    check(&json!({"status": "a_new_status"}), PAID);
    check(&json!({"status": null, "paid": false}), "customer not_paid");
}

#[test]
fn what_a_payment_must_have_is_asked_for_by_name() {
    for (field, what) in [("id", "an id"), ("currency", "a currency of three letters"), ("amount_paid", "an integer")] {
        for wrong in [json!(null), json!([]), json!({}), json!(true), json!("")] {
            check(
                &json!({field: wrong}),
                &format!("unmappable missing_field: data.object.{field} is missing or not {what}"),
            );
        }
    }
    check(
        &json!({"amount_paid": 29.99}),
        "unmappable missing_field: data.object.amount_paid is missing or not an integer",
    );
    check(&json!({"amount_paid": "2999"}), PAID);
    check(&json!({"amount_paid": null, "paid": true}), PAID);
    let unpaid = "unmappable missing_field: data.object.amount_paid is missing or not an integer";
    check(&json!({"amount_paid": null, "paid": false}), unpaid);
    check(&json!({"total": null, "subtotal": null, "lines": null, "customer": null, "customer_email": null}), PAID);
}

#[test]
fn nothing_charged_is_a_status_or_only_a_customer() {
    let zero = |subtotal: i64| json!({"amount_paid": 0, "amount_due": 0, "total": 0, "subtotal": subtotal});
    check(&zero(0), "sub_1 is ? (paid) zero_amount on 2026-06-14");
    check(&zero(2999), "sub_1 is active (paid) zero_amount on 2026-06-14");
    check(
        &json!({"amount_paid": 0, "amount_due": 0, "starting_balance": -5000}),
        "sub_1 is active (paid) zero_amount on 2026-06-14",
    );
    check(&with(zero(0), &json!({"parent": null})), "customer zero_amount");
    check(&with(zero(0), &json!({"parent": null, "customer": null, "customer_email": null})), "ignored zero_amount");
}

#[test]
fn negative_and_small_amounts_are_no_payments() {
    check(&json!({"amount_paid": 0, "total": -1500, "subtotal": -1500}), "customer negative_amount");
    check(&json!({"amount_paid": -1}), "customer negative_amount");
    check(&json!({"currency": "ngn", "amount_paid": 9_999}), "customer below_minimum");
    check(&json!({"currency": "ngn", "amount_paid": 10_000}), "payment in_1: 100 on 100 NGN on 2026-06-14 of sub_1");
}

#[test]
fn out_of_band_payments_count_only_if_asked_for() {
    let flagged = json!({"paid_out_of_band": true, "amount_paid": 0});
    check(&flagged, "customer out_of_band");
    let send = Rules { settings: out_of_band_sent(), ..rules() };
    check_with(&send, &flagged, PAID);
    check_with(
        &send,
        &with(flagged.clone(), &json!({"amount_due": 0})),
        "sub_1 is active (paid) zero_amount on 2026-06-14",
    );
    let missing = "unmappable missing_field: data.object.amount_due is missing or not an integer";
    check_with(&send, &with(flagged, &json!({"amount_due": null})), missing);
}

#[test]
fn tax_is_left_out_if_asked_for() {
    let check = |changes: Value, expected: &str| {
        let charged = changes.get("amount_paid").map_or("29.99", |_| "9");
        let expected = format!("payment in_1: {expected} on {charged} USD on 2026-06-14 of sub_1");
        check_with(&untaxed_rules(), &changes, &expected);
    };
    check(json!({"total_excluding_tax": 2520}), "25.2");
    check(json!({"total": 3000, "total_excluding_tax": 2500, "amount_paid": 900}), "7.5");
    check(json!({"total": 3000, "total_excluding_tax": 2521, "amount_paid": 900}), "7.56");
    let unsaid = |tax: Value| with(json!({"total_excluding_tax": null}), &tax);
    check(unsaid(json!({})), "29.99");
    check(unsaid(json!({"tax": 479})), "25.2");
    check(unsaid(json!({"tax": 0})), "29.99");
    check(
        unsaid(json!({"total_tax_amounts": [{"amount": 400, "inclusive": false}, {"amount": 79, "inclusive": true}]})),
        "25.2",
    );
    check(unsaid(json!({"total_taxes": [{"amount": 400}, {"amount": 79}], "tax": 479})), "25.2");
    check(unsaid(json!({"tax": 500, "total": 3000, "amount_paid": 900})), "7.5");
    check(unsaid(json!({"total_taxes": [{"amount": 400}, {"amount": null}]})), "?");
    check(unsaid(json!({"tax": 479, "total": null})), "?");
}

#[test]
fn an_unavailable_commission_base_leaves_the_amount_open() {
    let rules = Rules { commission_base: CommissionBase { code: "of_another", meaning: "" }, ..rules() };
    check_with(&rules, &json!({}), &PAID.replace("29.99 on", "? on"));
}

#[test]
fn the_product_is_that_of_the_largest_line() {
    let line = |amount: i64, price: &str| json!({"amount": amount, "pricing": {"price_details": {"price": price, "product": "prod_X"}}});
    let rules = Rules {
        products: [("price_a", "prod_a"), ("price_b", "prod_b"), ("prod_S", "prod_s")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        ..rules()
    };
    let check = |lines: Value, expected: &str| {
        let invoice = event("invoice.paid", &with(new(), &json!({"lines": {"data": lines}})));
        assert_eq!(fact(&rules, &invoice).product, Product::Id(expected.to_owned()));
    };
    check(json!([line(100, "price_a"), line(900, "price_b")]), "prod_b");
    check(json!([line(900, "price_a"), line(900, "price_b")]), "prod_a");
    check(json!([line(-900, "price_a"), line(100, "price_b")]), "prod_b");
    check(json!([line(900, "price_x"), line(100, "price_b")]), "prod_b");
    check(json!([line(900, "price_x")]), "prod_1");
    check(json!([]), "prod_1");
    check(old().pointer("/lines/data").unwrap().clone(), "prod_s");
    check(json!([{"amount": 1, "plan": {"id": "price_a"}}]), "prod_a");
    check(json!([{"amount": 1, "price": "price_a"}]), "prod_a");
    let ignore = Rules { unmapped: Unmapped::Ignore, ..rules.clone() };
    assert_eq!(
        told(&read_with(
            &ignore,
            &event("invoice.paid", &with(new(), &json!({"lines": {"data": [line(1, "price_x")]}})))
        )),
        format!("{PAID} Unmapped")
    );
}

#[test]
fn codes_are_found_on_the_invoice_its_subscription_and_its_lines() {
    let check = |changes: Value, expected: &str| {
        assert_eq!(
            who(&fact(&rules(), &event("invoice.paid", &with(new(), &changes)))),
            format!("cus_1, Jane.Doe@example.com, Jane Doe, {expected}")
        );
    };
    check(json!({"metadata": {"refairn_code": " ADA-10 "}}), "ADA-10");
    check(json!({"metadata": {"referralCode": 77}}), "77");
    check(json!({"parent": {"subscription_details": {"metadata": {"referral_code": "GRACE"}}}}), "GRACE");
    check(json!({"subscription_details": {"metadata": {"referral_code": "OLD"}}}), "OLD");
    check(json!({"lines": {"data": [{"metadata": {"referral_code": "LINE"}}]}}), "LINE");
    // The rules' order comes before the objects'.
    check(
        json!({"metadata": {"referral_code": "SECOND"}, "subscription_details": {"metadata": {"refairn_code": "FIRST"}}}),
        "FIRST",
    );
    check(
        json!({"metadata": {"refairn_code": " "}, "subscription_details": {"metadata": {"refairn_code": "NEXT"}}}),
        "NEXT",
    );
    check(
        json!({"metadata": {"refairn_code": "not a code"}}),
        "the referral code has a ' '; letters, digits, '-', '_' and '.' are allowed",
    );
    check(json!({"metadata": null}), "-");
    // What is no code gives way to the next place, of whatever object.
    check(
        json!({"metadata": {"refairn_code": "undefined"}, "subscription_details": {"metadata": {"referral_code": "ADA1"}}}),
        "ADA1",
    );
    check(json!({"metadata": {"refairn_code": "n/a", "referral_code": "a b", "referralCode": "ADA1"}}), "ADA1");
    let none = "the referral code is a word for none, such as undefined or null";
    check(json!({"metadata": {"refairn_code": "NULL"}}), none);
}

#[test]
fn a_failed_payment_is_past_due_unless_the_subscription_never_began() {
    let check = |changes: Value, expected: &str| {
        let failed = with(with(new(), &json!({"status": "open", "amount_paid": 0})), &changes);
        assert_eq!(told(&read_with(&rules(), &event("invoice.payment_failed", &failed))), expected, "{changes}");
    };
    check(json!({}), "sub_1 is past_due (open) on 2026-06-14");
    check(json!({"billing_reason": "subscription_create"}), "sub_1 is ? (open) first_invoice_failed on 2026-06-14");
    check(json!({"parent": null}), "customer not_paid");
    check(json!({"parent": null, "customer": null, "customer_email": null}), "ignored not_paid");
    check(
        json!({"parent": null, "customer": null, "customer_email": null, "metadata": {"refairn_code": "ADA"}}),
        "customer not_paid",
    );
}

#[test]
fn an_invoice_payment_ties_its_ids_together() {
    let check = |changes: Value, expected: &str| {
        let payment = json!({
            "id": "inpay_1", "object": "invoice_payment", "amount_paid": 2999, "currency": "usd", "invoice": "in_1", "status": "paid",
            "payment": {"type": "payment_intent", "payment_intent": "pi_1"}, "status_transitions": {"paid_at": CREATED - 1}
        });
        assert_eq!(told(&read_with(&rules(), &event("invoice_payment.paid", &with(payment, &changes)))), expected);
    };
    check(json!({}), "link in_1 pi_1: 29.99 USD by pi_1");
    check(json!({"payment": {"payment_intent": null, "charge": "ch_1"}}), "link in_1 ch_1: 29.99 USD by ch_1");
    let elsewhere = json!({"payment": {"payment_intent": null, "payment_record": "pr_1"}});
    check(elsewhere, "link in_1 pr_1: 29.99 USD by pr_1");
    check(json!({"payment": null}), "link in_1: 29.99 USD");
    check(json!({"amount_paid": null}), "link in_1 pi_1 by pi_1");
    check(
        json!({"payment": null, "invoice": null}),
        "unmappable missing_field: data.object.invoice is missing or not an id",
    );
}
