//! What people paste when they have no webhook as sent: a part of one, a list, what a tool wrapped around it.

use serde_json::Value;

use crate::cli::configuration::title;
use crate::domain::provider::ProviderKind;
use crate::providers::{Piece, provider};

/// How many wrappings are taken off.
const WRAPPINGS_MAX: usize = 4;

/// Where tools put the body of a request that they show or pass on.
const WRAPPED_AT: &[&str] = &["body", "rawBody", "detail", "payload", "event", "request", "data"];

/// What is read, and what had to be done for that.
pub(super) struct Pasted {
    pub(super) provider: ProviderKind,
    pub(super) body: Vec<u8>,
    /// How it differs from a webhook as sent; empty when it does not.
    pub(super) notes: Vec<String>,
}

/// The event in `body`, which is said to be of `provider`; `body` itself where none can be told.
pub(super) fn unwrap(provider: ProviderKind, body: Vec<u8>) -> Pasted {
    let found = serde_json::from_slice(&body).ok().and_then(|json| event_in(provider, json));
    match found {
        Some((of, event, notes)) if !notes.is_empty() => {
            Pasted { provider: of, body: event.to_string().into_bytes(), notes }
        }
        // Byte for byte as it is.
        Some(_) | None => Pasted { provider, body, notes: Vec::new() },
    }
}

fn event_in(kind: ProviderKind, mut json: Value) -> Option<(ProviderKind, Value, Vec<String>)> {
    let others = ProviderKind::ALL.iter().copied().filter(|other| *other != kind);
    let providers: Vec<ProviderKind> = std::iter::once(kind).chain(others).collect();
    let mut notes = Vec::new();
    for _ in 0..WRAPPINGS_MAX {
        let found = providers.iter().find_map(|of| Some((*of, provider(*of).piece(&json)?)));
        if let Some((of, piece)) = found {
            if of != kind {
                notes.push(format!("this looks like {}'s, not {}'s", title(of), title(kind)));
            }
            return Some(match piece {
                Piece::Event => (of, json, notes),
                Piece::Part { what, event } => {
                    let event_type = provider(of).identify(event.to_string().as_bytes()).event_type;
                    notes.push(format!("this is {what}, not an event: read as {event_type}"));
                    (of, event, notes)
                }
            });
        }
        let (inner, note) = inside(json)?;
        json = inner;
        notes.push(note);
    }
    None
}

/// What is inside of a wrapping, and what that is.
fn inside(json: Value) -> Option<(Value, String)> {
    match json {
        Value::Array(items) => first(items),
        Value::Object(mut map) => {
            if let Some(Value::Array(items)) = map.get_mut("data").map(Value::take).filter(Value::is_array) {
                return first(items);
            }
            WRAPPED_AT.iter().find_map(|key| {
                let inner = match map.get_mut(*key)?.take() {
                    Value::String(text) => serde_json::from_str(&text).ok()?,
                    inner @ (Value::Object(_) | Value::Array(_)) => inner,
                    Value::Null | Value::Bool(_) | Value::Number(_) => return None,
                };
                Some((inner, format!("this is wrapped by a tool: only what stands under {key:?} is read")))
            })
        }
        Value::String(text) => {
            let inner = serde_json::from_str(&text).ok()?;
            Some((inner, "this is JSON inside of a text: only what is inside is read".to_owned()))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn first(items: Vec<Value>) -> Option<(Value, String)> {
    let count = items.len();
    let first = items.into_iter().next()?;
    let note = if count == 1 {
        "this is a list of one".to_owned()
    } else {
        format!("this is a list of {count}: the first is read")
    };
    Some((first, note))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(said: ProviderKind, json: &Value, of: ProviderKind, event_type: &str, notes: &[&str]) {
        let pasted = unwrap(said, json.to_string().into_bytes());
        assert_eq!((pasted.provider, pasted.notes), (of, notes.iter().map(|n| (*n).to_owned()).collect()), "{json}");
        assert_eq!(provider(of).identify(&pasted.body).event_type, event_type);
    }

    #[test]
    fn an_event_is_found_in_what_is_pasted() {
        let (stripe, paystack) = (ProviderKind::Stripe, ProviderKind::Paystack);
        let invoice = json!({"id": "in_1", "object": "invoice", "status": "paid"});
        let event = json!({"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": invoice}});
        let bare = "this is an invoice, not an event: read as invoice.paid";
        let body = r#"this is wrapped by a tool: only what stands under "body" is read"#;
        check(stripe, &event, stripe, "invoice.paid", &[]);
        check(stripe, &invoice, stripe, "invoice.paid", &[bare]);
        let data = "this is the data of an event, around its invoice, not an event: read as invoice.paid";
        check(stripe, &event["data"], stripe, "invoice.paid", &[data]);
        let list = json!({"object": "list", "url": "/v1/events", "data": [event, event]});
        check(stripe, &list, stripe, "invoice.paid", &["this is a list of 2: the first is read"]);
        let wrapped = json!([{"headers": {"a": "b"}, "body": event}]);
        check(stripe, &wrapped, stripe, "invoice.paid", &["this is a list of one", body]);
        check(stripe, &json!({"body": event.to_string()}), stripe, "invoice.paid", &[body]);
        let bridge = json!({"detail-type": "x", "source": "aws.partner", "detail": event});
        check(stripe, &bridge, stripe, "invoice.paid", &[&body.replace("body", "detail")]);
        let charge = json!({"reference": "ref_1", "amount": 5, "gateway_response": "Approved"});
        let told = json!({"event": "charge.success", "data": charge});
        check(paystack, &told, paystack, "charge.success", &[]);
        check(stripe, &told, paystack, "charge.success", &["this looks like Paystack's, not Stripe's"]);
        check(paystack, &event, stripe, "invoice.paid", &["this looks like Stripe's, not Paystack's"]);
        let answer = json!({"status": true, "message": "Verification successful", "data": charge});
        let verified = "this is an answer of its API with a transaction, not an event: read as charge.success";
        check(paystack, &answer, paystack, "charge.success", &[verified]);
    }

    #[test]
    fn what_holds_no_event_stays_as_it_is() {
        let deep = (0..9).fold(json!({"object": "event"}), |inner, _| json!({"body": inner}));
        for json in [json!({}), json!([]), json!(7), json!({"data": []}), json!({"body": 7}), deep] {
            let pasted = unwrap(ProviderKind::Stripe, json.to_string().into_bytes());
            assert_eq!((pasted.body, pasted.notes.len()), (json.to_string().into_bytes(), 0));
        }
        assert_eq!(unwrap(ProviderKind::Stripe, b"<html>".to_vec()).body, b"<html>");
    }
}
