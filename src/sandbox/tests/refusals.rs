//! What the book refuses: every status of the contract but 200, in the order they are checked.

use serde_json::json;

use super::{KEY, TODAY, book, customer, earned, pay, payment, refused, tell};

#[test]
fn the_key_is_checked_before_anything_else() {
    for authorization in
        [None, Some(""), Some("key_1"), Some("Bearer"), Some("Bearer "), Some("Bearer x"), Some("Basic key_1")]
    {
        for body in ["", "{}", &payment().to_string()] {
            let mut book = book();
            refused(&book.payment_succeeded(authorization, body.as_bytes(), TODAY), 401, "API key");
            refused(&book.customer_created(authorization, body.as_bytes(), TODAY), 401, "API key");
            assert_eq!((book.leads(), book.payments()), (&[][..], &[][..]));
        }
    }
}

#[test]
fn a_body_that_is_no_json_object_is_refused() {
    let mut book = book();
    for (body, part) in
        [("", "valid JSON"), ("{", "valid JSON"), ("{\"amount\":1", "valid JSON"), ("[]", "object"), ("1", "object")]
    {
        refused(&book.payment_succeeded(KEY, body.as_bytes(), TODAY), 400, part);
        refused(&book.customer_created(KEY, body.as_bytes(), TODAY), 400, part);
    }
    refused(&book.payment_succeeded(KEY, b"{\"amount\":\"\xff\"}", TODAY), 400, "");
}

#[test]
fn every_missing_field_is_named() {
    let mut book = book();
    for field in ["businessId", "productId", "customerEmail", "customerName"] {
        refused(&tell(&mut book, json!({ field: null })), 400, &format!("{field} is required"));
    }
    for field in ["businessId", "productId", "customerEmail", "amount", "currency", "subscriptionStatus", "paymentDate"]
    {
        refused(&pay(&mut book, json!({ field: null })), 400, &format!("{field} is required"));
    }
    let null = payment().to_string().replace("100", "null");
    refused(&book.payment_succeeded(KEY, null.as_bytes(), TODAY), 400, "amount is required");
}

#[test]
fn every_invalid_field_is_named() {
    let mut book = book();
    for (field, value) in [
        ("businessId", json!(1)),
        ("productId", json!("")),
        ("customerName", json!(" ")),
        ("customerEmail", json!("kemi")),
        ("customerEmail", json!("@example.com")),
        ("customerEmail", json!("kemi @example.com")),
        ("referralCode", json!("")),
        ("referralCode", json!(7)),
    ] {
        refused(&tell(&mut book, json!({ field: value })), 400, &format!("{field} must be"));
    }
    for (field, value) in [
        ("amount", json!("100")),
        ("amount", json!(-1)),
        ("amount", json!(true)),
        ("amount", json!([])),
        ("currency", json!("usd")),
        ("currency", json!("US")),
        ("currency", json!("USDT")),
        ("subscriptionStatus", json!("canceled")),
        ("subscriptionStatus", json!("Active")),
        ("paymentDate", json!("2026-6-14")),
        ("paymentDate", json!("20260614")),
        ("paymentDate", json!("2026-02-30")),
        ("paymentDate", json!("2026-06-14T00:00:00Z")),
        ("paymentDate", json!(20260614)),
        ("paymentDate", json!("9999-12-31")),
    ] {
        refused(&pay(&mut book, json!({ field: value })), 400, &format!("{field} must be"));
    }
    let null = customer().to_string().replace("\"ADA10\"", "null");
    refused(&book.customer_created(KEY, null.as_bytes(), TODAY), 400, "referralCode must be");
    assert_eq!((book.leads(), book.payments()), (&[][..], &[][..]));
}

#[test]
fn another_business_is_forbidden_and_unknown_ids_are_not_found() {
    let mut book = book();
    refused(&tell(&mut book, json!({ "businessId": "biz_2" })), 403, "businessId");
    refused(&pay(&mut book, json!({ "businessId": "biz_2", "productId": "prod_9" })), 403, "businessId");
    refused(&tell(&mut book, json!({ "businessId": "biz_9" })), 404, "businessId");
    refused(&pay(&mut book, json!({ "businessId": "biz_9" })), 404, "businessId");
    refused(&tell(&mut book, json!({ "productId": "prod_2" })), 404, "productId");
    refused(&pay(&mut book, json!({ "productId": "prod_9" })), 404, "productId");
    refused(&pay(&mut book, json!({ "businessId": "biz_2", "amount": "1" })), 400, "amount");
}

#[test]
fn duplicates_change_nothing() {
    let mut book = book();
    tell(&mut book, json!({}));
    refused(
        &tell(&mut book, json!({ "customerEmail": "KEMI@Example.com", "referralCode": "BAYO15" })),
        409,
        "customerEmail",
    );
    earned(&pay(&mut book, json!({})), "20");
    let again = json!({ "customerEmail": "Kemi@example.com", "amount": 50, "productId": "prod_plus" });
    refused(&pay(&mut book, again), 409, "paymentDate");
    earned(&pay(&mut book, json!({ "paymentDate": "2026-06-15" })), "20");
    assert_eq!((book.leads().len(), book.payments().len(), book.commissions().len()), (1, 2, 2));
    assert_eq!(book.leads()[0].agent_id.as_deref(), Some("agent_ada"));
}
