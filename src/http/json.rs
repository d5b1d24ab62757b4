//! Events and deliveries as the API writes them.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::credit::{self, LookedIn};
use crate::domain::delivery::{Fate, Receipt, Subject};
use crate::domain::endpoint::Endpoint;
use crate::domain::fact::Fact;
use crate::domain::reason::{DeliveryReason, EventReason, Reason};
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
    needs_attention: bool,
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
    #[serde(flatten)]
    payment: PaymentJson,
}

/// What is known of a delivery's payment, and what became of it; nothing but the mode of other calls.
#[derive(Serialize)]
struct PaymentJson {
    mode: &'static str,
    /// The payment's identity at the provider: an invoice, a payment intent, a session or a reference.
    provider_id: Option<String>,
    paid_at: Option<String>,
    fate: Option<&'static str>,
    fate_explanation: Option<String>,
    /// The referral code with which the customer was, or will be, reported.
    code: Option<String>,
    agent_id: Option<String>,
    commission_id: Option<String>,
    /// As Refairn wrote it.
    commission_amount: Option<String>,
    hold_until: Option<String>,
    looked_in: Option<Vec<LookedIn>>,
}

/// What of the configuration decides how things are shown.
#[derive(Clone, Copy)]
pub(crate) struct Showing<'a> {
    /// Whether calls carry `eventId`.
    pub(crate) event_id: bool,
    /// Longest body, bytes.
    pub(crate) body_bytes_max: usize,
    /// The endpoints as they are configured.
    pub(crate) endpoints: &'a [Endpoint],
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
            reason: e.reason.map(EventReason::code),
            explanation: explain(e.reason.map(Reason::from), e.detail.as_deref()),
            needs_attention: e.attention,
            received_at: e.received_at.to_string(),
        }
    }
}

impl PaymentJson {
    fn of(view: &DeliveryView, endpoints: &[Endpoint]) -> Self {
        let d = &view.delivery;
        let payment = match &d.subject {
            Subject::Payment { identity, .. } => Some(identity),
            Subject::Lead(_) | Subject::Status(_) => None,
        };
        let receipt = d.receipt.as_ref().filter(|_| payment.is_some()).cloned().unwrap_or_default();
        let looked_in = credit::looked_in(view, endpoints);
        Self {
            mode: d.mode.code(),
            provider_id: payment.cloned(),
            paid_at: payment.map(|_| d.at.to_string()),
            fate: d.fate().map(Fate::code),
            fate_explanation: credit::words(view, looked_in.as_deref()),
            code: payment.and(view.code.clone()),
            agent_id: receipt.agent_id,
            commission_id: receipt.commission_id,
            commission_amount: receipt.commission_amount,
            hold_until: receipt.hold_until,
            looked_in,
        }
    }
}

impl DeliveryJson {
    pub(crate) fn new(view: DeliveryView, showing: Showing<'_>) -> Self {
        let payment = PaymentJson::of(&view, showing.endpoints);
        let d = view.delivery;
        let event = d.event.to_string();
        let body = d.call.body(&view.business, showing.event_id.then_some(event.as_str())).ok();
        Self {
            id: d.id.map(|id| id.to_string()).unwrap_or_default(),
            kind: d.call.kind().code(),
            state: d.state.code(),
            reason: d.reason.map(DeliveryReason::code),
            explanation: explain(d.reason.map(Reason::from), d.detail.as_deref()),
            needs_attention: d.attention,
            email: d.call.email().as_given().to_owned(),
            business: view.business,
            attempts: d.attempts,
            due_at: d.due_at.to_string(),
            request: body.and_then(|b| RawValue::from_string(b).ok()),
            response: d.receipt.clone(),
            payment,
            event_id: event,
        }
    }
}

impl DeliveryDetailJson {
    pub(crate) fn new(view: DeliveryView, attempt_log: Vec<AttemptView>, showing: Showing<'_>) -> Self {
        Self { delivery: DeliveryJson::new(view, showing), attempt_log }
    }
}

impl EventDetailJson {
    pub(crate) fn new(detail: EventDetail, showing: Showing<'_>) -> Self {
        let raw = detail.body_zstd.as_deref().and_then(|b| body::decompress(b, showing.body_bytes_max));
        let shown = match raw {
            None => Value::Null,
            // A body that is no JSON is shown as the text it is.
            Some(raw) => serde_json::from_slice(&raw).unwrap_or_else(|_| json!(String::from_utf8_lossy(&raw))),
        };
        Self {
            event: detail.event.into(),
            body: shown,
            facts: detail.fact.and_then(|f| serde_json::from_str(&f).ok()).into_iter().collect(),
            deliveries: detail.deliveries.into_iter().map(|d| DeliveryJson::new(d, showing)).collect(),
        }
    }
}
