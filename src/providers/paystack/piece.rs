//! Parts of Paystack's events, and answers of its API: they show the same objects.

use serde_json::{Value, json};

use crate::providers::json::Json;
use crate::providers::piece::Piece;
use crate::providers::tree::Tree;

/// What `json` is, if it is Paystack's.
pub(super) fn piece(json: &Value) -> Option<Piece> {
    let tree = Tree::from(json);
    let view = Json::new(&tree);
    if view.get("event").text().is_some() && view.get("data").is_some() {
        return Some(Piece::Event);
    }
    // An answer of the API: `status` says whether it was given, not what came of a charge.
    if view.get("status").flag().is_some() && view.get("message").text().is_some() {
        let (what, event) = around(json.get("data")?)?;
        return Some(Piece::part(format!("an answer of its API with {what}"), event));
    }
    around(json).map(|(what, event)| Piece::part(what, event))
}

/// What an object is called, and the event that it stands for.
fn around(data: &Value) -> Option<(&'static str, Value)> {
    let tree = Tree::from(data);
    let view = Json::new(&tree);
    let has = |keys: &[&str]| keys.iter().all(|key| view.get(key).is_some());
    let event = |event_type: &str, data: Value| json!({"event": event_type, "data": data});
    if has(&["reference", "amount", "gateway_response"]) || has(&["reference", "amount", "paid_at"]) {
        Some(("a transaction", event("charge.success", data.clone())))
    } else if has(&["subscription_code", "status"]) {
        Some(("a subscription", event("subscription.create", data.clone())))
    } else if has(&["customer_code", "email"]) {
        let domain = view.get("domain").text();
        Some(("a customer", event("customer.lookup", json!({"domain": domain, "customer": data}))))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_events_are_told_by_their_shape() {
        let check = |json: Value, expected: Option<(&str, &str)>| {
            let found = match piece(&json) {
                Some(Piece::Part { what, event }) => Some((what, event["event"].as_str().unwrap().to_owned())),
                Some(Piece::Event) => Some(("an event".to_owned(), String::new())),
                None => None,
            };
            assert_eq!(found, expected.map(|(what, event)| (what.to_owned(), event.to_owned())), "{json}");
        };
        let charge = json!({"reference": "ref_1", "amount": 5, "status": "success", "gateway_response": "Approved"});
        let charged = "charge.success";
        check(json!({"event": charged, "data": charge}), Some(("an event", "")));
        check(charge.clone(), Some(("a transaction", charged)));
        let answer = json!({"status": true, "message": "Verification successful", "data": charge});
        check(answer, Some(("an answer of its API with a transaction", charged)));
        let subscription = json!({"subscription_code": "SUB_1", "status": "active"});
        check(subscription, Some(("a subscription", "subscription.create")));
        check(json!({"customer_code": "CUS_1", "email": "ada@example.com"}), Some(("a customer", "customer.lookup")));
        for other in [json!({}), json!([]), json!({"status": true, "message": "x"}), json!({"event": "charge.success"})]
        {
            check(other, None);
        }
    }
}
