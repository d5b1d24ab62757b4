//! Events and deliveries as the API writes them.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::domain::delivery::Receipt;
use crate::domain::fact::Fact;
use crate::domain::reason::Reason;
use crate::store::body;
use crate::store::views::{AttemptView, DeliveryView, EventDetail, EventView};

/// An event in a list.
#[derive(Serialize)]
pub(crate) struct EventJson {
    id: String,
    endpoint: String,
    provider: String,
    provider_event_id: Option<String>,
    #[serde(rename = "type")]
    event_type: String,
    state: &'static str,
    reason: Option<&'static str>,
    explanation: Option<String>,
    received_at: String,
}

/// A delivery in a list.
#[derive(Serialize)]
pub(crate) struct DeliveryJson {
    id: String,
    event_id: String,
    kind: &'static str,
    state: &'static str,
    reason: Option<&'static str>,
    explanation: Option<String>,
    needs_attention: bool,
    email: String,
    business: String,
    attempts: u32,
    due_at: String,
    /// The exact body for Refairn.
    request: Option<Box<RawValue>>,
    response: Option<Receipt>,
}

/// A delivery with its history.
#[derive(Serialize)]
pub(crate) struct DeliveryDetailJson {
    #[serde(flatten)]
    delivery: DeliveryJson,
    attempt_log: Vec<AttemptView>,
}

/// An event with all that belongs to it.
#[derive(Serialize)]
pub(crate) struct EventDetailJson {
    #[serde(flatten)]
    event: EventJson,
    body: Value,
    facts: Vec<Fact>,
    deliveries: Vec<DeliveryJson>,
}

/// A reason in words, and what to do about it.
pub(crate) fn explain(reason: Option<Reason>, detail: Option<&str>) -> Option<String> {
    let words = reason.map(|r| format!("{} {}", r.sentence(), r.cure()));
    match (words, detail) {
        (Some(words), Some(detail)) => Some(format!("{words} ({detail})")),
        (Some(words), None) => Some(words),
        (None, detail) => detail.map(str::to_owned),
    }
}

impl From<EventView> for EventJson {
    fn from(e: EventView) -> Self {
        Self {
            id: e.id.to_string(),
            endpoint: e.endpoint,
            provider: e.provider,
            provider_event_id: e.provider_event_id,
            event_type: e.event_type,
            state: e.state.code(),
            reason: e.reason.map(Reason::code),
            explanation: explain(e.reason, e.detail.as_deref()),
            received_at: e.received_at.to_string(),
        }
    }
}

impl DeliveryJson {
    pub(crate) fn new(view: DeliveryView, event_id: bool) -> Self {
        let d = view.delivery;
        let event = d.event.to_string();
        let body = d.call.body(&view.business, event_id.then_some(event.as_str())).ok();
        Self {
            id: d.id.map(|id| id.to_string()).unwrap_or_default(),
            kind: d.call.kind().code(),
            state: d.state.code(),
            reason: d.reason.map(Reason::code),
            explanation: explain(d.reason, d.detail.as_deref()),
            needs_attention: d.attention,
            email: d.call.email().as_given().to_owned(),
            business: view.business,
            attempts: d.attempts,
            due_at: d.due_at.to_string(),
            request: body.and_then(|b| RawValue::from_string(b).ok()),
            response: d.receipt,
            event_id: event,
        }
    }
}

impl DeliveryDetailJson {
    pub(crate) fn new(view: DeliveryView, attempt_log: Vec<AttemptView>, event_id: bool) -> Self {
        Self { delivery: DeliveryJson::new(view, event_id), attempt_log }
    }
}

impl EventDetailJson {
    pub(crate) fn new(detail: EventDetail, body_bytes_max: usize, event_id: bool) -> Self {
        let raw = detail.body_zstd.as_deref().and_then(|b| body::decompress(b, body_bytes_max));
        let shown = match raw {
            None => Value::Null,
            // A body that is no JSON is shown as the text it is.
            Some(raw) => serde_json::from_slice(&raw).unwrap_or_else(|_| json!(String::from_utf8_lossy(&raw))),
        };
        Self {
            event: detail.event.into(),
            body: shown,
            facts: detail.fact.and_then(|f| serde_json::from_str(&f).ok()).into_iter().collect(),
            deliveries: detail.deliveries.into_iter().map(|d| DeliveryJson::new(d, event_id)).collect(),
        }
    }
}
