//! Makes the API's events and deliveries from what the store keeps.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{credit, seen};
use crate::api::{Attempt, AuditEntry, Delivery, Event, EventDetail, PaymentFields, explain, explain_with};
use crate::domain::delivery::{Call, Fate};
use crate::domain::endpoint::Endpoint;
use crate::domain::money::Currency;
use crate::domain::reason::Reason;
use crate::store::body as stored;
use crate::store::queries::{self, AttemptView, DeliveryView, EventView};

/// What of the configuration decides how things are shown.
#[derive(Clone, Copy)]
pub(super) struct Showing<'a> {
    /// Whether calls carry `eventId`.
    pub(super) event_id: bool,
    /// Longest body, bytes.
    pub(super) body_bytes_max: usize,
    /// The endpoints as they are configured.
    pub(super) endpoints: &'a [Endpoint],
}

impl From<EventView> for Event {
    fn from(view: EventView) -> Self {
        Self {
            id: view.id.to_string(),
            endpoint: view.endpoint,
            provider: view.provider,
            provider_event_id: view.provider_event_id,
            event_type: view.event_type,
            state: view.state.code().to_owned(),
            reason: code(view.reason),
            explanation: explain(view.reason.map(Reason::from), view.detail.as_deref()),
            mode: view.mode.map(|mode| mode.code().to_owned()),
            origin: view.origin.code().to_owned(),
            needs_attention: view.attention,
            received_at: view.received_at,
        }
    }
}

impl From<AttemptView> for Attempt {
    fn from(view: AttemptView) -> Self {
        let AttemptView { n, at, took_ms, status, outcome, response } = view;
        Self { n, at, took_ms, status, outcome, response }
    }
}

/// The code of a reason.
pub(super) fn code(reason: Option<impl Into<Reason>>) -> Option<String> {
    reason.map(|reason| reason.into().code().to_owned())
}

/// The body as it arrived, unless it is past its retention.
pub(super) fn raw_body(detail: &queries::EventDetail, showing: Showing<'_>) -> Option<Vec<u8>> {
    detail.body_zstd.as_deref().and_then(|body| stored::decompress(body, showing.body_bytes_max))
}

/// An event with all that belongs to it.
pub(super) fn event_detail(
    detail: queries::EventDetail,
    decisions: Vec<AuditEntry>,
    showing: Showing<'_>,
) -> EventDetail {
    let raw = raw_body(&detail, showing);
    EventDetail {
        event: detail.event.into(),
        body: body(raw),
        facts: detail.fact.and_then(|f| serde_json::from_str(&f).ok()).into_iter().collect(),
        deliveries: detail.deliveries.into_iter().map(|d| delivery(d, showing)).collect(),
        decisions,
    }
}

/// A body as it is shown; null when there is none.
pub(super) fn body(raw: Option<Vec<u8>>) -> Value {
    // One that is no JSON is shown as the text it is.
    raw.map_or(Value::Null, |raw| serde_json::from_slice(&raw).unwrap_or_else(|_| json!(String::from_utf8_lossy(&raw))))
}

/// A delivery without its attempts.
pub(super) fn delivery(view: DeliveryView, showing: Showing<'_>) -> Delivery {
    let payment = payment(&view, showing.endpoints);
    let d = view.delivery;
    let event = d.event.to_string();
    let body = d.call.body(&view.business, showing.event_id.then_some(event.as_str())).ok();
    Delivery {
        id: d.id.map(|id| id.to_string()).unwrap_or_default(),
        kind: d.call.kind().code().to_owned(),
        what: d.what(),
        state: d.state.code().to_owned(),
        reason: code(d.reason),
        explanation: if d.acknowledged {
            explain_with(d.reason.map(Reason::from), seen::BY_SOMEBODY, d.detail.as_deref())
        } else {
            explain(d.reason.map(Reason::from), d.detail.as_deref())
        },
        needs_attention: d.attention,
        released: d.released,
        email: d.call.email().as_given().to_owned(),
        business: view.business,
        attempts: d.attempts,
        due_at: d.due_at,
        request: body.and_then(|b| RawValue::from_string(b).ok()),
        response: d.receipt.clone(),
        payment,
        event_id: event,
        attempt_log: None,
        decisions: None,
    }
}

fn payment(view: &DeliveryView, endpoints: &[Endpoint]) -> PaymentFields {
    let d = &view.delivery;
    let payment = d.subject.payment();
    let receipt = d.receipt.as_ref().filter(|_| payment.is_some()).cloned().unwrap_or_default();
    let looked_in = credit::looked_in(view, endpoints);
    let currency = match &d.call {
        Call::PaymentSucceeded { currency, .. } => Some(*currency),
        Call::CustomerCreated { .. } => None,
    };
    PaymentFields {
        mode: d.mode.code().to_owned(),
        provider_id: payment.map(str::to_owned),
        paid_at: payment.map(|_| d.at),
        fate: d.fate().map(Fate::code).map(str::to_owned),
        fate_explanation: credit::words(view, looked_in.as_deref()),
        customer_name: payment.and(view.name.clone()),
        code: payment.and(view.code.clone()),
        agent_id: receipt.agent_id,
        commission_id: receipt.commission_id,
        commission_currency: receipt.commission_amount.as_ref().and(currency).map(Currency::code),
        commission_amount: receipt.commission_amount,
        hold_until: receipt.hold_until,
        day_held_by: view.day_holder.as_ref().map(|(id, what)| format!("{id} ({what})")),
        moved_from: view.moved_from,
        looked_in,
    }
}
