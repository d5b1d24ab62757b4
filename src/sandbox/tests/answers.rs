//! What the book answers to a call it takes: attribution, commissions, hold dates.

use jiff::civil::date;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::{ApiCall, Business, Kind, Program};
use super::{KEY, TODAY, book, customer, earned, pay, payment, refused, tell, with};

#[test]
fn a_referred_customer_and_a_payment_are_answered_as_the_contract_says() {
    let mut book = book();
    let body: Value = serde_json::from_str(&tell(&mut book, json!({})).body).unwrap();
    let message = body["message"].clone();
    assert_eq!(
        body,
        json!({
            "success": true, "leadId": "lead_1", "agentId": "agent_ada", "attribution": "first_touch",
            "message": message,
        })
    );
    assert_eq!(
        pay(&mut book, json!({})).body,
        r#"{"success":true,"commissionId":"comm_1","agentId":"agent_ada","commissionAmount":20,"commissionStatus":"pending","holdUntil":"2026-06-28"}"#
    );
    let (commission, payment) = (&book.commissions()[0], &book.payments()[0]);
    assert_eq!((commission.amount, commission.currency.as_str()), (Decimal::from(20), "USD"));
    assert_eq!(payment.commission_id.as_deref(), Some("comm_1"));
    assert_eq!(commission.status(date(2026, 6, 28)), "pending");
    assert_eq!(commission.status(date(2026, 6, 29)), "approved");
}

#[test]
fn without_an_agent_there_is_no_commission() {
    let mut book = book();
    let nobody = r#"{"success":true,"commissionId":null,"agentId":null,"commissionAmount":0,"commissionStatus":"pending","holdUntil":"2026-06-28"}"#;
    assert_eq!(pay(&mut book, json!({})).body, nobody);
    let reply = tell(&mut book, json!({ "customerEmail": "tobi@example.com", "referralCode": null }));
    assert!(reply.body.contains("\"agentId\":null"), "{}", reply.body);
    assert_eq!(pay(&mut book, json!({ "customerEmail": "tobi@example.com" })).body, nobody);
    let reply = tell(&mut book, json!({ "customerEmail": "uma@example.com", "referralCode": "NOBODY" }));
    assert!(reply.body.contains("\"agentId\":null"), "{}", reply.body);
    assert_eq!(book.commissions(), []);
}

#[test]
fn one_business_does_not_see_the_customers_of_another() {
    let mut book = book();
    tell(&mut book, json!({}));
    pay(&mut book, json!({}));
    let changes = json!({ "businessId": "biz_2", "productId": "prod_2" });
    let key = Some("bearer key_2");
    assert_eq!(book.customer_created(key, with(customer(), changes.clone()).as_bytes(), TODAY).status, 200);
    let reply = book.payment_succeeded(key, with(payment(), changes).as_bytes(), TODAY);
    earned(&reply, "0");
}

#[test]
fn commission_goes_to_the_agent_known_when_the_payment_arrives() {
    let mut book = book();
    earned(&pay(&mut book, json!({})), "0");
    tell(&mut book, json!({}));
    refused(&pay(&mut book, json!({})), 409, "paymentDate");
    earned(&pay(&mut book, json!({ "paymentDate": "2026-07-14" })), "20");
}

#[test]
fn amounts_stay_exact() {
    let mut book = book();
    tell(&mut book, json!({}));
    for (day, (amount, want)) in [
        ("29.99", "5.998"),
        ("0.1", "0.02"),
        ("5.124", "1.0248"),
        ("1e3", "200"),
        ("0", "0"),
        ("9007199254740993.01", "1801439850948198.602"),
    ]
    .iter()
    .enumerate()
    {
        let body = with(payment(), json!({ "paymentDate": format!("2026-06-{:02}", day + 1) }));
        let body = body.replace("\"amount\":100", &format!("\"amount\":{amount}"));
        earned(&book.payment_succeeded(KEY, body.as_bytes(), TODAY), want);
    }
}

#[test]
fn the_first_payment_event_uses_up_the_one_time_commission() {
    let mut book = book();
    tell(&mut book, json!({}));
    let plus = |day: &str, amount: u32| json!({ "productId": "prod_plus", "paymentDate": day, "amount": amount });
    earned(&pay(&mut book, plus("2026-06-01", 100)), "40");
    earned(&pay(&mut book, plus("2026-07-01", 100)), "30");

    tell(&mut book, json!({ "customerEmail": "tobi@example.com" }));
    let tobi = |day: &str, amount: u32, product: &str| json!({ "customerEmail": "tobi@example.com", "productId": product, "paymentDate": day, "amount": amount });
    earned(&pay(&mut book, tobi("2026-06-01", 0, "prod_plus")), "0");
    earned(&pay(&mut book, tobi("2026-06-02", 100, "prod_plus")), "30");
    earned(&pay(&mut book, tobi("2026-06-03", 0, "prod_flat")), "7");
    earned(&pay(&mut book, tobi("2026-06-04", 100, "prod_flat")), "5");
}

#[test]
fn a_cookie_names_the_agent_when_the_body_does_not() {
    let mut book = book();
    let mut tell = |email: &str, code: Value| {
        let body = with(customer(), json!({ "customerEmail": email, "referralCode": code }));
        let kind = Kind::CustomerCreated;
        book.call(ApiCall {
            kind,
            authorization: KEY,
            cookie_code: Some("BAYO15"),
            body: body.as_bytes(),
            today: TODAY,
        })
        .body
    };
    assert!(tell("kemi@example.com", Value::Null).contains("agent_bayo"));
    assert!(tell("tobi@example.com", json!("ADA10")).contains("agent_ada"));
}

#[test]
fn a_new_key_replaces_the_old_one_and_customers_stay() {
    let mut book = book();
    tell(&mut book, json!({}));
    book.set_business(Business::new("biz_1", "key_new").product("prod_1", Program::recurring(Decimal::TEN, 1)));
    refused(&pay(&mut book, json!({})), 401, "API key");
    let reply = book.payment_succeeded(Some("Bearer key_new"), payment().to_string().as_bytes(), TODAY);
    earned(&reply, "10");
    assert!(reply.body.contains("agent_ada"), "{}", reply.body);
}

#[test]
fn after_a_reset_everything_starts_again() {
    let mut book = book();
    let first = (tell(&mut book, json!({})), pay(&mut book, json!({})));
    book.reset();
    assert_eq!((tell(&mut book, json!({})), pay(&mut book, json!({}))), first);
}

#[test]
fn debug_shows_neither_keys_nor_people() {
    let mut book = book();
    tell(&mut book, json!({}));
    pay(&mut book, json!({}));
    let business = Business::new("biz_1", "key_1");
    let call =
        ApiCall { kind: Kind::CustomerCreated, authorization: KEY, cookie_code: None, body: b"kemi", today: TODAY };
    let shown = format!("{book:?} {business:?} {call:?} {:?} {:?}", book.leads(), book.payments());
    assert!(!shown.contains("key_1") && !shown.to_lowercase().contains("kemi"), "{shown}");
}

#[test]
fn tens_of_thousands_of_customers_fit() {
    let mut book = book();
    for n in 0..30_000 {
        let email = format!("c{n}@example.com");
        assert_eq!(tell(&mut book, json!({ "customerEmail": email })).status, 200);
        assert_eq!(pay(&mut book, json!({ "customerEmail": email })).status, 200);
    }
    assert_eq!(book.commissions().len(), 30_000);
}
