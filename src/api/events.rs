//! Events: what came in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{AuditEntry, Delivery};
use crate::domain::fact::Fact;

/// `GET /api/v1/events`: a page, the newest event first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events.
    pub events: Vec<Event>,
    /// The value of `after` for the next page. `None` on the last page.
    pub next: Option<String>,
}

/// An event in a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The bridge's id, such as `evt_17`.
    pub id: String,
    /// The name of the endpoint it came to.
    pub endpoint: String,
    /// The provider's code.
    pub provider: String,
    /// The provider's id. `None` for providers that send none.
    pub provider_event_id: Option<String>,
    /// The provider's type. Empty when it could not be read.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The code of its state.
    pub state: String,
    /// The code of the reason for its state. `None` when the state needs no reason.
    pub reason: Option<String>,
    /// The reason in words, and what to do about it.
    pub explanation: Option<String>,
    /// The code of the mode. `None` where the event does not say it.
    #[serde(default)]
    pub mode: Option<String>,
    /// How the bridge came by it: `webhook`, `lookup` or `backfill`.
    #[serde(default)]
    pub origin: String,
    /// Whether a person should look at it.
    pub needs_attention: bool,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// `GET /api/v1/events/{id}`: an event with all that belongs to it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct EventDetail {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// The body as it arrived; a body that is no JSON, as text. Null when it is past its retention.
    pub body: Value,
    /// What it reports: one fact, or none. A list for compatibility of the form.
    #[schema(value_type = Vec<Object>)]
    pub facts: Vec<Fact>,
    /// The calls made in its name, or about the payment it reports.
    pub deliveries: Vec<Delivery>,
    /// What people decided about it and its calls, the first decision first.
    #[serde(default)]
    pub decisions: Vec<AuditEntry>,
}

/// `GET /api/v1/events/changed`: a part of the events that an earlier version read.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ChangedPage {
    /// How many events were looked at for this page.
    pub looked_at: usize,
    /// Those that would be read otherwise today.
    pub events: Vec<ChangedEvent>,
    /// Calls that would be new, or would change.
    pub calls: Vec<Delivery>,
    /// The value of `after` for the next page. `None` on the last page.
    pub next: Option<String>,
}

/// An event that would be read otherwise today.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChangedEvent {
    /// The bridge's id, such as `evt_17`.
    pub id: String,
    /// Where it stands.
    pub now: Standing,
    /// Where it would stand.
    pub then: Standing,
}

/// Where an event stands, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Standing {
    /// The code of the state.
    pub state: String,
    /// The code of the reason. `None` when the state needs no reason.
    pub reason: Option<String>,
}
