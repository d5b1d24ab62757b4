//! Each shape is read back as it was written, without what a newer bridge may add, and without what may be missing.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// `text` is read as a `T`, and written to the letter as it was. With one more field in every object it is read alike.
#[track_caller]
fn read_back<T: Serialize + DeserializeOwned>(text: &str) -> T {
    let read: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let mut newer: Value = serde_json::from_str(text).unwrap();
    add_to_objects(&mut newer);
    let newer: T = serde_json::from_value(newer).unwrap_or_else(|error| panic!("with more fields: {error}: {text}"));
    assert_eq!(serde_json::to_value(newer).unwrap()["added"], Value::Null);
    read
}

/// Adds a field to every object but those that hold counts by name, and the product of a fact, which is one of several.
fn add_to_objects(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let counts = !fields.is_empty() && fields.values().all(Value::is_i64);
            fields.iter_mut().filter(|(name, _)| *name != "product").for_each(|(_, value)| add_to_objects(value));
            if !counts {
                fields.insert("added".to_owned(), json!("by a newer bridge"));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(add_to_objects),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What is read without `fields` has none of them; written, they are null or left out.
#[track_caller]
fn read_without<T: Serialize + DeserializeOwned>(text: &str, fields: &[&str]) -> Value {
    let mut lacking: Value = serde_json::from_str(text).unwrap();
    for field in fields {
        assert!(lacking.as_object_mut().unwrap().remove(*field).is_some(), "{field}");
    }
    let read: T = serde_json::from_value(lacking).unwrap_or_else(|error| panic!("without {fields:?}: {error}"));
    let written = serde_json::to_value(read).unwrap();
    assert!(fields.iter().all(|field| written[field].is_null()), "{written}");
    written
}

const EVENT: &str = r#"{"id":"evt_17","endpoint":"stripe","provider":"stripe","provider_event_id":"evt_1X","type":"invoice.paid","state":"ignored","reason":"unknown_type","explanation":"Words.","mode":null,"origin":"webhook","needs_attention":false,"received_at":"2026-03-01T10:00:00.5Z"}"#;

const DELIVERY: &str = r#"{"id":"dlv_9","event_id":"evt_17","kind":"payment-succeeded","what":"2026-03-01 49.1 USD","state":"delivered","reason":"already_at_refairn","explanation":"Words.","needs_attention":false,"released":false,"email":"Jane@example.com","business":"biz_1","attempts":2,"due_at":"2026-03-01T10:00:01Z","request":{"paymentDate":"2026-03-01","amount":49.10},"response":{"commissionId":"com_1","agentId":"agt_1"},"mode":"live","provider_id":"in_1","paid_at":"2026-03-01T09:59:00Z","fate":"credited","fate_explanation":"Words.","code":"ADA10","agent_id":"agt_1","commission_id":"com_1","commission_amount":"4.91","commission_currency":"USD","hold_until":"2026-03-31","day_held_by":null,"moved_from":null,"looked_in":[{"endpoint":"stripe","rules":["metadata.refairn_code"],"found":[{"event_id":"evt_17","type":"invoice.paid","code":null,"refused":"too long"}]}]}"#;

const ATTEMPTS: &str =
    r#"[{"n":1,"at":"2026-03-01T10:00:01Z","took_ms":12,"status":null,"outcome":"no_answer","response":null}]"#;

#[test]
fn events_are_read_back() {
    let event: Event = read_back(EVENT);
    assert_eq!((event.event_type.as_str(), event.reason.as_deref()), ("invoice.paid", Some("unknown_type")));
    read_without::<Event>(EVENT, &["provider_event_id", "reason", "explanation"]);
    let page = format!(r#"{{"events":[{EVENT}],"next":"evt_17"}}"#);
    assert_eq!(read_back::<EventPage>(&page).events.len(), 1);
    read_without::<EventPage>(&page, &["next"]);

    let fact = r#"{"mode":"live","at":"2026-03-01T10:00:00Z","product":{"id":"prod_1"},"matter":{"kind":"link"}}"#;
    let whole = EVENT.strip_suffix('}').unwrap();
    let detail = format!(r#"{whole},"body":{{"a":[1]}},"facts":[{fact}],"deliveries":[{DELIVERY}],"decisions":[]}}"#);
    let detail: EventDetail = read_back(&detail);
    assert_eq!((detail.event.id.as_str(), detail.facts.len()), ("evt_17", 1));
    assert_eq!(detail.deliveries[0].request.as_ref().unwrap().get(), r#"{"paymentDate":"2026-03-01","amount":49.10}"#);
}

#[test]
fn what_is_read_otherwise_is_read_back() {
    let standings = r#""now":{"state":"ignored","reason":"unknown_type"},"then":{"state":"mapped","reason":null}"#;
    let page = format!(
        r#"{{"looked_at":100,"events":[{{"id":"evt_17",{standings}}}],"calls":[{DELIVERY}],"next":"evt_117"}}"#
    );
    let page: ChangedPage = read_back(&page);
    assert_eq!((page.events[0].then.state.as_str(), &page.events[0].then.reason), ("mapped", &None));
}

#[test]
fn deliveries_are_read_back() {
    let delivery: Delivery = read_back(DELIVERY);
    assert_eq!((delivery.payment.fate.as_deref(), delivery.attempt_log), (Some("credited"), None));
    let mut optional = vec!["reason", "explanation", "request", "response"];
    optional.extend(["provider_id", "paid_at", "fate", "fate_explanation", "code", "agent_id", "commission_id"]);
    optional.extend(["commission_amount", "commission_currency", "hold_until", "looked_in"]);
    let bare = read_without::<Delivery>(DELIVERY, &optional);
    assert!(bare.get("attempt_log").is_none(), "{bare}");

    let whole = DELIVERY.strip_suffix('}').unwrap();
    let with_attempts = format!(r#"{whole},"attempt_log":{ATTEMPTS}}}"#);
    let delivery: Delivery = read_back(&with_attempts);
    assert_eq!(delivery.attempt_log.unwrap()[0].took_ms, 12);
    let page = format!(r#"{{"deliveries":[{DELIVERY}],"next":null}}"#);
    assert_eq!(read_back::<DeliveryPage>(&page).deliveries[0].attempts, 2);
}

#[test]
fn stats_are_read_back_in_the_order_of_their_names() {
    let refused = r#"{"at":"2026-03-01T10:00:00Z","body_bytes":7,"endpoint":null,"path":"/webhooks/x","reason":"unknown_endpoint","source":"203.0.113.9","times":3}"#;
    let route = r#"{"business":"biz_1","detail":"Words.","paused_since":"2026-03-01T10:00:00Z","probe_at":null,"product":"prod_1","state":"paused"}"#;
    let to_see = r#"{"endpoint":"stripe","events":1,"reason":"thin_event"}"#;
    let last = r#"{"at":null,"endpoint":"stripe","mode":"test"}"#;
    let compared = r#"{"at":"2026-03-01T10:00:00Z","differences":2,"endpoint":"stripe","to_see":3}"#;
    let work = r#"{"endpoint":"stripe","id":"bkf_3","note":null,"rows":100,"state":"listing"}"#;
    let text = format!(
        r#"{{"attention":{{"thin_event":1}},"code_came":true,"deliveries":{{"queued":2}},"events":{{"mapped":3}},"events_that_need_attention":[{to_see}],"last_webhooks":[{last}],"needs_attention":1,"oldest_queued":null,"oldest_unread":null,"payments":{{"credited":4}},"reconciliations":[{compared}],"refused_requests":[{refused}],"routes":[{route}],"test_payments":{{"credited_nobody":1}},"under_way":[{work}],"unnamed_proxy":null}}"#
    );
    let stats: Stats = read_back(&text);
    assert_eq!((stats.attention["thin_event"], stats.refused_requests[0].times), (1, 3));
    read_without::<Stats>(&text, &["oldest_queued", "unnamed_proxy"]);
    read_without::<RefusedRequests>(refused, &["endpoint", "path", "source"]);
    read_without::<Route>(route, &["detail", "paused_since", "probe_at"]);
    let counted = |now: &str| stats.things_to_see(now.parse().unwrap());
    assert_eq!(counted("2026-03-01T10:00:00Z"), 1 + 1 + 2, "an event, a route, two payments");
    let unread = Stats { oldest_unread: Some("2026-03-01T10:00:00Z".parse().unwrap()), ..stats.clone() };
    assert_eq!(unread.things_to_see("2026-03-01T10:01:00Z".parse().unwrap()), 4);
    assert_eq!(unread.things_to_see("2026-03-01T10:01:01Z".parse().unwrap()), 5);
    // Keys in the order of their names: what a reader of JSON would sort stands as it is.
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap().to_string(), text);
}

#[test]
fn health_and_webhooks_are_read_back() {
    assert!(read_back::<Live>(r#"{"live":true}"#).live);
    assert!(read_back::<Ready>(r#"{"ready":true}"#).ready);
    assert!(!read_back::<Received>(r#"{"received":true,"event":"evt_17","duplicate":false}"#).duplicate);
}

#[test]
fn a_problem_is_read_back_and_what_it_lacks_is_empty() {
    let problem: Problem = read_back(r#"{"type":"urn:x:full","title":"Full","status":503,"code":"full","detail":"d"}"#);
    assert_eq!((problem.status, problem.code.as_str()), (503, "full"));
    let bare: Problem = serde_json::from_str("{}").unwrap();
    assert_eq!(bare, Problem::default());
}
