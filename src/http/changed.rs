//! What an update of the bridge reads otherwise than it was read: nothing of it is told until somebody says so.

use actix_web::{HttpResponse, web};

use super::AppState;
use super::api::{after, showing};
use super::json;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::api::{ChangedEvent, ChangedPage, Standing};
use crate::domain::event::{EventId, EventState};
use crate::domain::reason::EventReason;
use crate::providers::READING;
use crate::store::queries::DeliveryView;

impl From<(EventState, Option<EventReason>)> for Standing {
    fn from((state, reason): (EventState, Option<EventReason>)) -> Self {
        Self { state: state.code().to_owned(), reason: json::code(reason) }
    }
}

/// `GET /api/v1/events/changed`: the oldest first, after the event that `after` names.
pub(super) async fn changed(state: web::Data<AppState>, mut query: Parameters) -> Result<HttpResponse, Problem> {
    let after = after(&mut query, "evt_")?;
    query.close()?;
    let found = state.store.read_before(READING, EventId(after.unwrap_or(0))).await?;
    let next = found.last().map(|event| event.id.to_string());
    let looked_at = found.len();
    let mapped = found.into_iter().map(|event| state.reader.map(event)).collect();
    let preview = state.store.preview(mapped, state.clock.now()).await?;
    let events = preview.events.into_iter();
    let events =
        events.map(|e| ChangedEvent { id: e.id.to_string(), now: e.now.into(), then: e.then.into() }).collect();
    let views = preview.calls.into_iter().map(|call| DeliveryView::planned(call.key.business, call.delivery));
    let calls = views.map(|view| json::delivery(view, showing(&state))).collect();
    Ok(HttpResponse::Ok().json(ChangedPage { looked_at, events, calls, next }))
}
