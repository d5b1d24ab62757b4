//! What surrounds the object: identity, type, mode, account, time.

use super::*;
use crate::domain::mode::Mode;
use crate::providers::stripe::WANTED_EVENTS;

#[track_caller]
fn check_identity(body: &str, dedup_key: &str, id: Option<&str>, event_type: &str) {
    let identity = Stripe.identify(body.as_bytes());
    let dedup_key = match dedup_key.strip_suffix('…') {
        Some(start) => {
            assert!(identity.dedup_key.starts_with(start) && identity.dedup_key.len() == 71, "{}", identity.dedup_key);
            identity.dedup_key.clone()
        }
        None => dedup_key.to_owned(),
    };
    assert_eq!(
        (identity.dedup_key, identity.provider_event_id.as_deref(), identity.event_type.as_str()),
        (dedup_key, id, event_type)
    );
}

#[test]
fn an_event_is_identified_by_its_account_id_and_type() {
    let body = event("invoice.paid", &json!({"id": "in_1"})).to_string();
    check_identity(&body, "/evt_1/invoice.paid", Some("evt_1"), "invoice.paid");
    check_identity(r#"{"id":"evt_1","account":"acct_9","type":"a.b"}"#, "acct_9/evt_1/a.b", Some("evt_1"), "a.b");
    check_identity(
        r#"{"id":"evt_1","account":null,"context":"acct_7","type":"a.b"}"#,
        "acct_7/evt_1/a.b",
        Some("evt_1"),
        "a.b",
    );
    check_identity(r#"{"id":"evt_1","account":"acct_9","context":"acct_7"}"#, "acct_9/evt_1/", Some("evt_1"), "");
    for context in ["wksp_1", "acct_", "acct_1/acct_2", "org_1"] {
        check_identity(&json!({"id": "evt_1", "context": context}).to_string(), "/evt_1/", Some("evt_1"), "");
    }
    let thin =
        r#"{"id":"evt_2","object":"v2.core.event","type":"v1.invoice.paid","created":"2026-10-01T00:00:00.000Z"}"#;
    check_identity(thin, "/evt_2/v1.invoice.paid", Some("evt_2"), "v1.invoice.paid");
    let twin = with(serde_json::from_str(thin).unwrap(), &json!({"snapshot_event": "evt_3"})).to_string();
    assert_eq!(Stripe.identify(twin.as_bytes()).snapshot_event.as_deref(), Some("evt_3"));
    assert_eq!(Stripe.identify(thin.as_bytes()).snapshot_event, None);
}

#[test]
fn a_body_without_an_id_is_identified_by_its_hash() {
    check_identity("", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", None, "");
    check_identity(r#"{"type":"invoice.paid"}"#, "sha256:…", None, "invoice.paid");
    for body in [r#"{"id":"evt_1""#, "[]", "null", r#"{"id":{}}"#, r#"{"id":""}"#, r#"{"id":"evt_\u0000"}"#] {
        check_identity(body, "sha256:…", None, "");
    }
    check_identity(&json!({"id": "e".repeat(256), "type": "t".repeat(256)}).to_string(), "sha256:…", None, "");
}

#[test]
fn a_body_too_deep_to_be_read_is_still_identified() {
    let deep = format!(r#"{{"id":"evt_1","data":{}{},"type":"invoice.paid"}}"#, "[".repeat(5_000), "]".repeat(5_000));
    check_identity(&deep, "/evt_1/invoice.paid", Some("evt_1"), "invoice.paid");
    let reading = told(&Stripe.read(deep.as_bytes(), &rules(), Timestamp::UNIX_EPOCH));
    assert!(reading.starts_with("unmappable unreadable: the body is not JSON: recursion limit exceeded"), "{reading}");
}

#[test]
fn what_is_no_event_is_unreadable() {
    let check = |body: &[u8], expected: &str| {
        let reading = told(&Stripe.read(body, &rules(), Timestamp::UNIX_EPOCH));
        assert!(reading.starts_with(&format!("unmappable unreadable: {expected}")), "{reading}");
    };
    check(b"", "the body is not JSON: EOF");
    check(br#"{"id":"evt_1","type":"invoice.pa"#, "the body is not JSON: EOF");
    check(b"\xef\xbb\xbf{}", "the body is not JSON: expected value");
    check(b"{\"type\":\"\xff\"}", "the body is not JSON: ");
    for body in ["[]", "null", "7", "\"invoice.paid\""] {
        check(body.as_bytes(), "the body is not a JSON object");
    }
    for body in ["{}", r#"{"type":null}"#, r#"{"type":7}"#, r#"{"type":" "}"#] {
        check(body.as_bytes(), "type is missing or not a text");
    }
}

#[test]
fn a_thin_event_is_told_apart() {
    let thin =
        json!({"id": "evt_1", "object": "v2.core.event", "type": "v1.invoice.paid", "created": "2026-10-01T00:00:00Z"});
    let check = |event_type: &str, expected: &str| {
        let reading = told(&read_with(&rules(), &with(thin.clone(), &json!({"type": event_type}))));
        assert!(reading.starts_with(expected), "{event_type}: {reading}");
    };
    check("v1.invoice.paid", "unmappable thin_event: ");
    check("v1.customer.updated", "unmappable thin_event: ");
    check("a.novelty", "unmappable thin_event: ");
    for word in ["active", "past_due", "unpaid", "trialing", "incomplete", "incomplete_expired", "cancel_at_changed"] {
        check(&format!("v1.customer.subscription.{word}"), "unmappable thin_event: ");
    }
    // Objects without a part in sales, and the destination itself.
    for v2 in ["v2.core.account.created", "v2.core.event_destination.ping", "v2.billing.novelty"] {
        check(v2, "ignored not_relevant");
    }
    check("v1.customer.subscription.item_added", "ignored not_relevant");
    // Whatever it points at, Refairn is told nothing.
    check("v1.product.updated", "ignored not_relevant");
    check("v1.billing.meter.no_meter_found", "ignored not_relevant");
    check("v1.novelty.created", "ignored unknown_type");
}

#[test]
fn types_are_told_apart() {
    let check = |event_type: &str, expected: &str| {
        assert_eq!(told(&read_with(&rules(), &event(event_type, &json!({})))), expected, "{event_type}");
    };
    for event_type in [
        "invoice.created",
        "invoice.updated",
        "invoice.upcoming",
        "invoice.payment_action_required",
        "customer.deleted",
        "customer.subscription.trial_will_end",
        "customer.subscription.pending_update_applied",
        "charge.updated",
        "checkout.session.expired",
        "payment_intent.created",
        "setup_intent.succeeded",
        "payout.paid",
        "price.created",
        "transfer.created",
        "balance.available",
        "account.updated",
        "invoice.something_new",
        "radar.early_fraud_warning.created",
    ] {
        check(event_type, "ignored not_relevant");
    }
    for event_type in [
        "ping",
        "invoice",
        "invoice.",
        "invoice.loyalty_points.paid",
        "novelty.created",
        "v1.invoice.paid",
        "INVOICE.PAID",
    ] {
        check(event_type, "ignored unknown_type");
    }
    check("charge.succeeded", "ignored one_time_off");
    for event_type in [
        "apps.install.created",
        "financial_connections.authorization.upcoming_deactivation",
        "reserve.hold.created",
        "reserve.plan.expired",
        "reserve.release.created",
        "three_d_secure.authentication.succeeded",
    ] {
        check(event_type, "ignored not_relevant");
    }
}

#[test]
fn an_event_that_needs_an_object_and_has_none_is_unmappable() {
    for data in [json!(null), json!({}), json!({"object": null}), json!({"object": "in_1"}), json!([])] {
        let body = json!({"id": "evt_1", "type": "invoice.paid", "data": data});
        let expected = "unmappable missing_field: data.object is missing or not an object";
        assert_eq!(told(&read_with(&rules(), &body)), expected);
    }
    assert_eq!(told(&read_with(&rules(), &json!({"type": "invoice.updated"}))), "ignored not_relevant");
}

#[test]
fn mode_account_and_time_come_from_the_envelope() {
    let check = |changes: Value, mode: Mode, account: Option<&str>, at: i64| {
        let customer = event("customer.created", &json!({"id": "cus_1", "email": "jane@example.com"}));
        let fact = fact(&rules(), &with(customer, &changes));
        assert_eq!((fact.mode, fact.account.as_deref(), fact.at.as_second()), (mode, account, at), "{changes}");
    };
    check(json!({}), Mode::Live, None, CREATED);
    check(json!({"livemode": false}), Mode::Test, None, CREATED);
    check(json!({"livemode": null}), Mode::Live, None, CREATED);
    check(json!({"livemode": null, "data": {"object": {"livemode": false}}}), Mode::Test, None, CREATED);
    check(json!({"account": "acct_9"}), Mode::Live, Some("acct_9"), CREATED);
    check(json!({"context": "acct_9"}), Mode::Live, Some("acct_9"), CREATED);
    check(json!({"created": null}), Mode::Live, None, RECEIVED);
}

#[test]
fn test_mode_goes_to_its_own_product() {
    let customer = with(event("customer.created", &json!({"id": "cus_1"})), &json!({"livemode": false}));
    assert_eq!(told(&read_with(&rules(), &customer)), "customer for prod_test");
    let off = Rules { test_product_id: None, ..rules() };
    assert_eq!(told(&read_with(&off, &customer)), "customer NoTestProduct");
}

#[test]
fn wanted_events_are_all_of_use() {
    for event_type in WANTED_EVENTS {
        let reading = told(&read_with(&rules(), &event(event_type, &json!({}))));
        let of_no_use =
            ["not_relevant", "unknown_type", "one_time_off"].iter().any(|r| reading == format!("ignored {r}"));
        assert!(!of_no_use, "{event_type}: {reading}");
    }
    assert!(WANTED_EVENTS.len() == 22 && WANTED_EVENTS.is_sorted() && !WANTED_EVENTS.contains(&"invoice.created"));
}
