//! Subscriptions and customers.

use super::*;

fn subscription() -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "cancel_at": null, "cancel_at_period_end": false, "currency": "usd",
        "customer": "cus_1", "items": {"object": "list", "data": [
            {"id": "si_1", "quantity": 1, "price": {"id": "price_seat", "product": "prod_S", "unit_amount": 500}},
            {"id": "si_2", "quantity": 9, "price": {"id": "price_team", "product": "prod_T", "unit_amount": 100}}
        ]},
        "latest_invoice": "in_1", "metadata": {}, "pause_collection": null, "status": "active", "trial_end": null
    })
}

#[track_caller]
fn check(event_type: &str, changes: &Value, expected: &str) {
    let event = event(&format!("customer.subscription.{event_type}"), &with(subscription(), changes));
    assert_eq!(told(&read_with(&rules(), &event)), expected, "{event_type} {changes}");
}

#[test]
fn every_status_has_its_word() {
    let words = [
        ("active", "active"),
        ("trialing", "trialing"),
        ("past_due", "past_due"),
        ("unpaid", "past_due"),
        ("paused", "past_due"),
        ("canceled", "cancelled"),
        ("incomplete_expired", "cancelled"),
        ("incomplete", "?"),
        ("a_new_status", "?"),
    ];
    for event_type in ["created", "updated", "resumed"] {
        for (given, word) in words {
            let expected = format!("sub_1 is {word} ({given}) on 2026-06-14 for prod_team");
            check(event_type, &json!({"status": given}), &expected);
        }
    }
    for (given, _) in words {
        check(
            "deleted",
            &json!({"status": given}),
            &format!("sub_1 is cancelled ({given}) on 2026-06-14 for prod_team"),
        );
        check("paused", &json!({"status": given}), &format!("sub_1 is past_due ({given}) on 2026-06-14 for prod_team"));
    }
}

#[test]
fn pending_ends_and_paused_collection_change_nothing() {
    let active = "sub_1 is active (active) on 2026-06-14 for prod_team";
    check("updated", &json!({"cancel_at_period_end": true, "cancel_at": CREATED + 9}), active);
    check("updated", &json!({"pause_collection": {"behavior": "void", "resumes_at": null}}), active);
}

#[test]
fn a_trial_tells_its_end_and_only_while_it_lasts() {
    let end = json!({"trial_end": CREATED + 86_400});
    check(
        "updated",
        &with(end.clone(), &json!({"status": "trialing"})),
        "sub_1 is trialing (trialing) until 2026-06-15T12:00:00Z on 2026-06-14 for prod_team",
    );
    check("updated", &end, "sub_1 is active (active) on 2026-06-14 for prod_team");
}

#[test]
fn what_a_subscription_must_have_is_asked_for_by_name() {
    check("updated", &json!({"status": null}), "unmappable missing_field: data.object.status is missing or not a text");
    check("deleted", &json!({"status": null}), "sub_1 is cancelled (canceled) on 2026-06-14 for prod_team");
    for event_type in ["created", "paused", "deleted"] {
        let fact = fact(
            &rules(),
            &event(&format!("customer.subscription.{event_type}"), &with(subscription(), &json!({"id": null}))),
        );
        assert!(matches!(fact.matter, FactKind::Subscription(s) if s.id == "cus_1"));
        check(
            event_type,
            &json!({"id": null, "customer": null}),
            "unmappable missing_field: data.object.id is missing or not an id, and so is data.object.customer",
        );
    }
}

#[test]
fn whom_a_subscription_is_about() {
    let of = |changes: Value| fact(&rules(), &event("customer.subscription.updated", &with(subscription(), &changes)));
    let plain = of(json!({}));
    assert_eq!((who(&plain).as_str(), plain.at.as_second()), ("cus_1, -, -, -", CREATED));
    assert_eq!(plain.keys, ["cus_1", "sub_1", "in_1"]);
    assert_eq!(who(&of(json!({"metadata": {"refairn_code": "ADA"}}))), "cus_1, -, -, ADA");
    let expanded = of(json!({"customer": {"id": "cus_2", "email": "jane@example.com", "name": "Jane"}}));
    assert_eq!(who(&expanded), "cus_2, jane@example.com, Jane, -");
    assert_eq!(of(json!({"items": null, "plan": {"id": "price_team"}})).product, Product::Id("prod_team".to_owned()));
}

#[test]
fn customers_are_what_they_say() {
    let check = |changes: Value, expected: &str| {
        let customer = json!({"id": "cus_1", "object": "customer", "email": "jane@example.com", "metadata": {}, "name": "Jane Doe"});
        for event_type in ["customer.created", "customer.updated"] {
            let fact = fact(&rules(), &event(event_type, &with(customer.clone(), &changes)));
            assert_eq!((who(&fact).as_str(), matter(&fact).as_str()), (expected, "customer"));
            assert_eq!(fact.keys, ["cus_1"]);
        }
    };
    check(json!({}), "cus_1, jane@example.com, Jane Doe, -");
    check(json!({"email": null, "name": null, "metadata": null}), "cus_1, -, -, -");
    check(
        json!({"name": "", "business_name": "Doe Ltd", "metadata": {"referral_code": "ADA"}}),
        "cus_1, jane@example.com, Doe Ltd, ADA",
    );
    let nobody = told(&read_with(&rules(), &event("customer.created", &json!({"email": "jane@example.com"}))));
    assert_eq!(nobody, "unmappable missing_field: data.object.id is missing or not an id");
}

#[test]
fn a_change_tells_what_it_replaced_and_a_trial_when_it_began() {
    let of = |before: Value, changes: Value| {
        let changed = event("customer.subscription.updated", &with(subscription(), &changes));
        let fact = fact(&rules(), &with(changed, &json!({"data": {"previous_attributes": before}})));
        let FactKind::Subscription(subscription) = fact.matter else { panic!() };
        (subscription.before, subscription.trial_start.map(Timestamp::as_second))
    };
    let trial = json!({"status": "trialing", "trial_start": CREATED - 9, "trial_end": CREATED + 9});
    assert_eq!(of(json!({"status": "incomplete"}), trial.clone()), (Some("incomplete".to_owned()), Some(CREATED - 9)));
    assert_eq!(of(json!({"quantity": 2}), with(trial, &json!({"status": "active"}))), (None, None));
    assert_eq!(of(json!(null), json!({})), (None, None));
}

#[test]
fn items_that_were_cut_off_decide_on_nothing() {
    let of = |changes: Value| {
        fact(&rules(), &event("customer.subscription.updated", &with(subscription(), &changes))).product
    };
    let team = || Product::Id("prod_team".to_owned());
    // One product is all that the map can lead to, and an item of it is seen.
    assert_eq!(of(json!({"items": {"has_more": true}})), team());
    let seats = json!([{"quantity": 1, "price": {"id": "price_seat", "unit_amount": 500}}]);
    let cut = of(json!({"items": {"has_more": true, "total_count": 12, "data": seats}}));
    assert_eq!(cut, Product::Undecided { otherwise: Some("prod_1".to_owned()), seen: 1, total: Some(12) });
}

#[test]
fn a_code_is_as_old_as_its_last_change_else_as_what_holds_it() {
    let made = CREATED - 86_400 * 90;
    let of = |event_type: &str, object: Value, before: Value| {
        let with_code = with(json!({"created": made, "metadata": {"refairn_code": "ADA"}}), &object);
        let told = with(event(event_type, &with_code), &json!({"data": {"previous_attributes": before}}));
        let fact = fact(&rules(), &told);
        assert_eq!(fact.code.as_deref(), Some("ADA"), "{event_type}");
        fact.code_at.map(Timestamp::as_second)
    };
    let (none, added) = (json!(null), json!({"metadata": {"refairn_code": null}}));
    let other = json!({"metadata": {"seat": "4"}, "email": "old@example.com"});
    let customer = || json!({"id": "cus_1", "email": "jane@example.com"});
    assert_eq!(of("customer.created", customer(), none.clone()), Some(made));
    assert_eq!(of("customer.updated", customer(), added.clone()), Some(CREATED));
    assert_eq!(of("customer.updated", customer(), other.clone()), None);
    assert_eq!(of("customer.updated", customer(), none.clone()), None);
    let updated = "customer.subscription.updated";
    assert_eq!(of(updated, subscription(), added.clone()), Some(CREATED));
    assert_eq!(of(updated, subscription(), other), Some(made));
    // The code of an expanded customer is of another object than the one that changed.
    let inside = json!({"metadata": {"refairn_code": null}, "customer": {"id": "cus_1", "created": made, "metadata": {"refairn_code": "ADA"}}});
    assert_eq!(of(updated, with(subscription(), &inside), added), None);
    let session = json!({"id": "cs_1", "mode": "setup", "metadata": null, "client_reference_id": "refairn_ADA"});
    assert_eq!(of("checkout.session.completed", session, none.clone()), Some(made));
    let invoice = json!({
        "id": "in_1", "currency": "usd", "amount_paid": 100, "metadata": null,
        "parent": {"subscription_details": {"metadata": {"refairn_code": "ADA"}}}
    });
    assert_eq!(of("invoice.paid", invoice, none), Some(made));
}
