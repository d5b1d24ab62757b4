//! The routes, over a real connection.

use serde_json::{Value, json};

use super::super::{Book, Business, Kind};
use super::running::{CUSTOMER, PAY, PAYMENT, Running, TELL, parse};

#[test]
fn both_calls_reach_the_book_and_the_state_shows_them() {
    let on = Running::demo();
    assert_eq!(on.post(TELL, CUSTOMER).0, 200);
    let (status, body) = on.post(PAY, PAYMENT);
    assert_eq!(status, 200);
    assert!(body.contains("\"commissionAmount\":5.998,"), "{body}");
    assert_eq!(on.post(PAY, PAYMENT).0, 409);
    assert_eq!(parse(&on.raw("POST", PAY, "", "")).0, 401);

    let calls = on.sandbox.calls();
    let seen: Vec<_> = calls.iter().map(|call| (call.kind, call.answered, call.decided)).collect();
    let (ok, twice, no_key) = (Some(200), Some(409), Some(401));
    assert_eq!(
        seen,
        [
            (Kind::CustomerCreated, ok, ok),
            (Kind::PaymentSucceeded, ok, ok),
            (Kind::PaymentSucceeded, twice, twice),
            (Kind::PaymentSucceeded, no_key, no_key),
        ]
    );
    assert_eq!(calls[1].body, PAYMENT);

    let (status, text) = on.get("/_sandbox/state");
    assert_eq!(status, 200);
    assert!(!text.contains("sk_sandbox_demo") && text.contains("\"amount\":29.99"), "{text}");
    let state: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(state["today"], json!("2026-06-15"));
    assert_eq!(state["businesses"][0]["products"]["prod_plus"]["referral"], json!({ "percent": 10 }));
    assert_eq!(state["agents"][0]["totals"], json!([{ "currency": "USD", "commissions": 1, "amount": 5.998 }]));
    assert_eq!(state["agents"][1]["totals"], json!([]));
    assert_eq!(state["leads"][0]["agentId"], json!("agent_ada"));
    assert_eq!(state["payments"][0]["commissionId"], json!("comm_1"));
    assert_eq!(state["commissions"][0]["commissionStatus"], json!("pending"));
    assert_eq!(state["answers"], json!({ "calls": 4, "byStatus": { "200": 2, "401": 1, "409": 1 }, "dropped": 0 }));
    assert_eq!(state["calls"][3]["answered"], json!(401));
}

#[test]
fn reset_forgets_everything_but_the_businesses() {
    let on = Running::faulty(r#"{"on":"customer-created","status":500}"#);
    on.post(PAY, PAYMENT);
    assert_eq!(on.post("/_sandbox/reset", "").0, 204);
    assert_eq!((on.sandbox.calls().len(), on.sandbox.faults().len()), (0, 0));
    assert_eq!(on.post(PAY, PAYMENT).0, 200);
}

#[test]
fn a_referral_link_sets_the_cookie() {
    let shop = Business::new("biz_shop", "k").agent("agent_ola", "Ola", "OLA1").site("https://shop.example.com/");
    let on = Running::new(Book::demo().with(shop));
    let answer = on.raw("GET", "/r/ADA10", "", "");
    let cookie = "set-cookie: refairn_code=ADA10; Max-Age=2592000; Path=/; SameSite=Lax\r\n";
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(cookie), "{answer}");
    let answer = on.raw("GET", "/r/OLA1", "", "");
    let moved = answer.starts_with("HTTP/1.1 302") && answer.contains("location: https://shop.example.com/\r\n");
    assert!(moved && answer.contains("refairn_code=OLA1;"), "{answer}");
    let answer = on.raw("GET", "/r/%3Cscript%3E", "", "");
    assert!(
        answer.starts_with("HTTP/1.1 404") && !answer.contains("cookie") && !answer.contains("<script"),
        "{answer}"
    );

    let no_code = CUSTOMER.replace(r#","referralCode":"ADA10""#, "");
    let headers = "Authorization: Bearer sk_sandbox_demo\r\nCookie: a=b; refairn_code=BAYO15\r\n";
    assert!(on.raw("POST", TELL, headers, &no_code).contains("agent_bayo"));
}

#[test]
fn help_and_unknown_paths() {
    let on = Running::demo();
    let (status, help) = on.get("/");
    assert_eq!(status, 200);
    assert!(help.contains("/_sandbox/faults") && help.contains("retry_after"), "{help}");
    assert_eq!(on.get("/nowhere").0, 404);
}

#[test]
fn a_body_over_the_limit_is_refused_and_logged_without_it() {
    let on = Running::demo();
    assert_eq!(on.post(PAY, &" ".repeat(64 * 1024)).0, 400);
    assert_eq!(on.post(PAY, &" ".repeat(64 * 1024 + 1)).0, 413);
    assert_eq!(on.sandbox.calls().last().map(|call| (call.answered, call.body.len())), Some((Some(413), 0)));
}
