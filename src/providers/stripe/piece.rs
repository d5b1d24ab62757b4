//! Parts of Stripe's events: the object alone, and the `data` around it.

use serde_json::{Value, json};

use crate::providers::json::Json;
use crate::providers::piece::Piece;
use crate::providers::tree::Tree;

/// What `json` is, if it is Stripe's.
pub(super) fn piece(json: &Value) -> Option<Piece> {
    let kind = json.get("object")?;
    if kind.is_object() {
        let (_, mut event) = around(kind)?;
        if let Some(before) = json.get("previous_attributes") {
            event["data"]["previous_attributes"] = before.clone();
        }
        let kind = kind.get("object").and_then(Value::as_str).unwrap_or("object");
        return Some(Piece::part(format!("the data of an event, around its {kind}"), event));
    }
    match kind.as_str()?.trim() {
        "event" | "v2.core.event" => Some(Piece::Event),
        _ => around(json).map(|(what, event)| Piece::part(what, event)),
    }
}

/// What an object is called, and the event that it stands for by its state alone.
fn around(json: &Value) -> Option<(&'static str, Value)> {
    let tree = Tree::from(json);
    let object = Json::new(&tree);
    let given_back = object.get("amount_refunded").integer().is_some_and(|amount| amount > 0);
    let is_failed = object.get("status").text() == Some("open") && object.get("attempted").flag() == Some(true);
    let (what, event_type) = match object.get("object").text()? {
        "charge" if given_back => ("a charge", "charge.refunded"),
        "charge" => ("a charge", "charge.succeeded"),
        "checkout.session" => ("a checkout session", "checkout.session.completed"),
        "credit_note" => ("a credit note", "credit_note.updated"),
        "customer" => ("a customer", "customer.updated"),
        "dispute" => ("a dispute", "charge.dispute.updated"),
        "invoice" if is_failed => ("an invoice", "invoice.payment_failed"),
        "invoice" => ("an invoice", "invoice.paid"),
        "invoice_payment" => ("a payment of an invoice", "invoice_payment.paid"),
        "payment_intent" => ("a payment intent", "payment_intent.succeeded"),
        "refund" => ("a refund", "refund.updated"),
        "subscription" => ("a subscription", "customer.subscription.updated"),
        _ => return None,
    };
    // When a customer or a subscription was made is not when it became what it is.
    let lasting = ["customer.updated", "customer.subscription.updated"].contains(&event_type);
    let created = object.get("created").integer().filter(|_| !lasting);
    let (id, livemode) = (object.get("id").scalar_text(), object.get("livemode").flag());
    let event = json!({
        "id": id.map(|id| format!("around_{id}")), "object": "event", "created": created,
        "data": {"object": json}, "livemode": livemode, "type": event_type
    });
    Some((what, event))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &Value, what: &str, event_type: &str) {
        let Some(Piece::Part { what: found, event }) = piece(json) else { panic!("{json}") };
        assert_eq!((found.as_str(), event["type"].as_str()), (what, Some(event_type)));
    }

    #[test]
    fn parts_of_events_are_told_by_their_shape() {
        let invoice = json!({"id": "in_1", "object": "invoice", "created": 7, "livemode": false, "status": "paid"});
        check(&invoice, "an invoice", "invoice.paid");
        let Some(Piece::Part { event, .. }) = piece(&invoice) else { panic!() };
        assert_eq!(
            (&event["data"]["object"], &event["created"], &event["livemode"]),
            (&invoice, &json!(7), &json!(false))
        );
        let failed = json!({"id": "in_1", "object": "invoice", "status": "open", "attempted": true});
        check(&failed, "an invoice", "invoice.payment_failed");
        check(&json!({"object": "charge", "amount_refunded": 5}), "a charge", "charge.refunded");
        check(&json!({"object": "charge", "amount_refunded": 0}), "a charge", "charge.succeeded");
        check(&json!({"object": "checkout.session"}), "a checkout session", "checkout.session.completed");
        check(&json!({"object": "subscription", "created": 7}), "a subscription", "customer.subscription.updated");
        let data = json!({"object": {"object": "customer"}, "previous_attributes": {"email": "old@example.com"}});
        check(&data, "the data of an event, around its customer", "customer.updated");
        let Some(Piece::Part { event, .. }) = piece(&data) else { panic!() };
        assert_eq!(event["data"], data);
        for event in [json!({"object": "event"}), json!({"object": "v2.core.event"})] {
            assert_eq!(piece(&event), Some(Piece::Event));
        }
        for other in [json!({}), json!([]), json!({"object": "list"}), json!({"object": {}}), json!({"object": "plan"})]
        {
            assert_eq!(piece(&other), None, "{other}");
        }
    }
}
