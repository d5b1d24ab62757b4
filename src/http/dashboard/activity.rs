//! Activity: what the providers said, the newest first, and what became of each.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::frame::{Asked, Frame, answer};
use super::view::{EventRow, Lens};
use crate::domain::event::{EventId, EventState};
use crate::http::AppState;
use crate::http::api::{after, page_is_full};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::store::queries::EventFilter;

/// Events of a page.
const PAGE_ITEMS: u32 = 50;

#[derive(Template)]
#[template(path = "activity.html")]
struct Page {
    frame: Frame,
    rows: Vec<EventRow>,
    states: Vec<(&'static str, &'static str)>,
    state: &'static str,
    event_type: String,
    endpoint: String,
    endpoints: Vec<String>,
    next: String,
    is_first: bool,
}

/// `GET /activity`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    let wanted = query.one_of("state", EventState::ALL, EventState::code)?;
    let (event_type, endpoint, after) = (query.text("type"), query.text("endpoint"), after(&mut query, "evt_")?);
    query.close()?;
    let lens = Lens::of(&state);
    let filter = EventFilter {
        state: wanted,
        event_type: event_type.clone(),
        endpoint: endpoint.clone(),
        origin: None,
        business: asked.caller().business(),
        mode: None,
        attention: false,
        limit: PAGE_ITEMS,
        after,
    };
    let events = state.store.events(filter).await?;
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let mut calls = state.store.calls_of_events(&ids).await?;
    calls.retain(|view| asked.caller().who.sees(&view.business));
    let (event_type, endpoint) = (event_type.unwrap_or_default(), endpoint.unwrap_or_default());
    let chosen = wanted.map(EventState::code).unwrap_or_default();
    let next = ids.last().filter(|_| page_is_full(ids.len(), PAGE_ITEMS)).map(|last| {
        let parts = [("state", chosen), ("type", event_type.as_str()), ("endpoint", endpoint.as_str())];
        let given = parts.iter().filter(|(_, value)| !value.is_empty());
        let given = given.map(|(name, value)| format!("{name}={}&", utf8_percent_encode(value, NON_ALPHANUMERIC)));
        format!("/activity?{}after={last}", given.collect::<String>())
    });
    answer(&Page {
        frame: asked.frame(&state, "activity", "Activity"),
        rows: events.iter().map(|event| lens.event(event, &calls)).collect(),
        states: EventState::ALL.iter().map(|state| (state.code(), words(*state))).collect(),
        state: chosen,
        event_type,
        endpoint,
        endpoints: state
            .endpoints
            .iter()
            .filter(|endpoint| asked.caller().who.sees(&endpoint.business))
            .map(|endpoint| endpoint.name.clone())
            .collect(),
        next: next.unwrap_or_default(),
        is_first: after.is_none(),
    })
}

const fn words(state: EventState) -> &'static str {
    match state {
        EventState::Received => "Being read",
        EventState::Mapped => "A sale, or told on",
        EventState::Ignored => "Not a sale",
        EventState::Waiting => "Waits",
        EventState::Unmappable => "Could not be read",
    }
}
