//! The sandbox, held to every status of the contract and to what the bridge relies on.

mod answers;
mod faults;
mod refusals;
mod running;
mod server;

use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Book, Business, Program, Referral, Reply};

const KEY: Option<&str> = Some("Bearer key_1");
const TODAY: Date = date(2026, 6, 15);

fn book() -> Book {
    let plus = Program::recurring(Decimal::from(30), 30).with_referral(Referral::Percent(Decimal::from(10)));
    let flat = Program::recurring(Decimal::from(5), 0).with_referral(Referral::Flat(Decimal::from(7)));
    Book::new()
        .with(
            Business::new("biz_1", "key_1")
                .product("prod_1", Program::recurring(Decimal::from(20), 14))
                .product("prod_plus", plus)
                .product("prod_flat", flat)
                .agent("agent_ada", "Ada", "ADA10")
                .agent("agent_bayo", "Bayo", "BAYO15"),
        )
        .with(Business::new("biz_2", "key_2").product("prod_2", Program::recurring(Decimal::TEN, 14)))
}

fn customer() -> Value {
    json!({
        "businessId": "biz_1", "productId": "prod_1", "customerEmail": "kemi@example.com",
        "customerName": "Kemi Sample", "referralCode": "ADA10",
    })
}

fn payment() -> Value {
    json!({
        "businessId": "biz_1", "productId": "prod_1", "customerEmail": "kemi@example.com", "amount": 100,
        "currency": "USD", "subscriptionStatus": "active", "paymentDate": "2026-06-14",
    })
}

/// `base` with fields set, or taken out where the value is null.
fn with(mut base: Value, changes: Value) -> String {
    for (field, value) in changes.as_object().unwrap() {
        let fields = base.as_object_mut().unwrap();
        if value.is_null() {
            fields.remove(field);
        } else {
            fields.insert(field.clone(), value.clone());
        }
    }
    base.to_string()
}

fn tell(book: &mut Book, changes: Value) -> Reply {
    book.customer_created(KEY, with(customer(), changes).as_bytes(), TODAY)
}

fn pay(book: &mut Book, changes: Value) -> Reply {
    book.payment_succeeded(KEY, with(payment(), changes).as_bytes(), TODAY)
}

/// The status of a refusal, which must say `success: false` and carry `part` in its message.
#[track_caller]
fn refused(reply: &Reply, status: u16, part: &str) {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &body["success"]), (status, &json!(false)), "{body}");
    assert!(body["message"].as_str().unwrap().contains(part), "{body}");
}

#[track_caller]
fn earned(reply: &Reply, want: &str) {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.body.contains(&format!("\"commissionAmount\":{want},")), "{}", reply.body);
}
