//! What an update of the bridge reads otherwise than it was read: nothing of it is told until somebody says so.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::Rooms;
use super::api::{number, parse, showing};
use super::json::DeliveryJson;
use super::problem::Problem;
use crate::domain::event::{EventId, EventState};
use crate::domain::reason::EventReason;
use crate::providers::READING;
use crate::store::views::DeliveryView;

#[derive(Deserialize)]
pub(super) struct Query {
    after: Option<String>,
}

/// A part of the events that an earlier reading read.
#[derive(Serialize)]
struct Page {
    /// How many were looked at.
    looked_at: usize,
    /// Those that would be read otherwise.
    events: Vec<EventJson>,
    /// Calls that would be new, or others than they are.
    calls: Vec<DeliveryJson>,
    next: Option<String>,
}

#[derive(Serialize)]
struct EventJson {
    id: String,
    now: EndJson,
    then: EndJson,
}

#[derive(Serialize)]
struct EndJson {
    state: &'static str,
    reason: Option<&'static str>,
}

impl From<(EventState, Option<EventReason>)> for EndJson {
    fn from((state, reason): (EventState, Option<EventReason>)) -> Self {
        Self { state: state.code(), reason: reason.map(EventReason::code) }
    }
}

/// `GET /api/v1/events/changed`: the oldest first, after the event that `after` names.
pub(super) async fn changed(rooms: web::Data<Rooms>, query: web::Query<Query>) -> Result<HttpResponse, Problem> {
    let after = parse(query.after.as_deref(), "after", |text| number(text, "evt_"))?;
    let found = rooms.store.read_before(READING, EventId(after.unwrap_or(0))).await?;
    let next = found.last().map(|event| event.id.to_string());
    let looked_at = found.len();
    let mapped = found.into_iter().map(|event| rooms.reader.map(event)).collect();
    let preview = rooms.store.preview(mapped, rooms.clock.now()).await?;
    let events = preview.events.into_iter();
    let events = events.map(|e| EventJson { id: e.id.to_string(), now: e.now.into(), then: e.then.into() }).collect();
    let views = preview.calls.into_iter().map(|call| DeliveryView::planned(call.key.business, call.delivery));
    let calls = views.map(|view| DeliveryJson::new(view, showing(&rooms))).collect();
    Ok(HttpResponse::Ok().json(Page { looked_at, events, calls, next }))
}
