//! The JSON API: what came in, what goes out, and what an operator may do about it.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::AppState;
use super::json::{self, Showing};
use super::problem::Problem;
use crate::api::{Attempt, Delivery, DeliveryPage, Event, EventPage, EventsToSee, RefusedRequests, Route, Stats};
use crate::domain::delivery::Action;
use crate::domain::delivery::{DeliveryId, DeliveryState, Fate, Kind};
use crate::domain::event::{EventId, EventState};
use crate::intake::Refusal;
use crate::store::queries::{DeliveryFilter, EventFilter, PAGE_ITEMS_MAX};
use crate::store::stats::RouteView;

/// Items of a page unless the caller says otherwise.
const PAGE_ITEMS: u32 = 50;

#[derive(Deserialize)]
pub(super) struct EventQuery {
    state: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    endpoint: Option<String>,
    attention: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct DeliveryQuery {
    state: Option<String>,
    email: Option<String>,
    kind: Option<String>,
    fate: Option<String>,
    attention: Option<String>,
    limit: Option<String>,
    after: Option<String>,
}

/// `GET /api/v1/events`
pub(super) async fn events(state: web::Data<AppState>, query: web::Query<EventQuery>) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let limit = limit(query.limit.as_deref())?;
    let filter = EventFilter {
        state: parse(query.state.as_deref(), "state", EventState::parse)?,
        event_type: query.event_type,
        endpoint: query.endpoint,
        attention: attention(query.attention.as_deref())?,
        limit,
        after: parse(query.after.as_deref(), "after", |t| number(t, "evt_"))?,
    };
    let events = state.store.events(filter).await?;
    let next = page_is_full(events.len(), limit).then(|| events.last().map(|e| e.id.to_string())).flatten();
    let events = events.into_iter().map(Event::from).collect();
    Ok(HttpResponse::Ok().json(EventPage { events, next }))
}

/// `GET /api/v1/events/{id}`: our number, or the provider's id.
pub(super) async fn event(state: web::Data<AppState>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let id = event_id(&state, path.into_inner()).await?;
    event_answer(&state, id).await
}

/// `POST /api/v1/events/{id}/remap`
pub(super) async fn remap(state: web::Data<AppState>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let id = event_id(&state, path.into_inner()).await?;
    state.store.remap(id).await?;
    state.inbox.notify_one();
    event_answer(&state, id).await
}

async fn event_answer(state: &AppState, id: EventId) -> Result<HttpResponse, Problem> {
    let detail = state.store.event(id).await?;
    let detail = detail.ok_or_else(|| Problem::unknown_item(format!("there is no event {id}")))?;
    Ok(HttpResponse::Ok().json(json::event_detail(detail, showing(state))))
}

/// `GET /api/v1/deliveries`
pub(super) async fn deliveries(
    state: web::Data<AppState>,
    query: web::Query<DeliveryQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.into_inner();
    let limit = limit(query.limit.as_deref())?;
    let filter = DeliveryFilter {
        state: parse(query.state.as_deref(), "state", DeliveryState::parse)?,
        attention: attention(query.attention.as_deref())?,
        email: query.email,
        kind: parse(query.kind.as_deref(), "kind", Kind::parse)?,
        fate: parse(query.fate.as_deref(), "fate", Fate::parse)?,
        limit,
        after: parse(query.after.as_deref(), "after", |t| number(t, "dlv_"))?,
    };
    let found = state.store.deliveries(filter).await?;
    let last = found.last().and_then(|d| d.delivery.id).map(|id| id.to_string());
    let next = last.filter(|_| page_is_full(found.len(), limit));
    let deliveries = found.into_iter().map(|d| json::delivery(d, showing(&state))).collect();
    Ok(HttpResponse::Ok().json(DeliveryPage { deliveries, next }))
}

/// `GET /api/v1/deliveries/{id}`
pub(super) async fn delivery(state: web::Data<AppState>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    delivery_answer(&state, delivery_id(&path)?).await
}

/// `POST /api/v1/deliveries/{id}/retry`, `/release`, `/discard`
pub(super) async fn act(
    state: web::Data<AppState>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (id, action) = path.into_inner();
    let action = match action.as_str() {
        "retry" => Action::Retry,
        "release" => Action::Release,
        "discard" => Action::Discard,
        _ => return Err(Problem::no_such_path()),
    };
    let id = delivery_id(&id)?;
    state.store.act(id, action, state.clock.now()).await?;
    state.outbox.notify_one();
    delivery_answer(&state, id).await
}

async fn delivery_answer(state: &AppState, id: DeliveryId) -> Result<HttpResponse, Problem> {
    let found = state.store.delivery(id).await?;
    let (view, attempts) = found.ok_or_else(|| Problem::unknown_item(format!("there is no delivery {id}")))?;
    let attempt_log = Some(attempts.into_iter().map(Attempt::from).collect());
    Ok(HttpResponse::Ok().json(Delivery { attempt_log, ..json::delivery(view, showing(state)) }))
}

/// `GET /api/v1/stats`
pub(super) async fn stats(state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    let stats = state.store.stats().await?;
    let attention = stats.attention();
    let to_see = stats.events_to_see.into_iter();
    let to_see = to_see.map(|(endpoint, reason, events)| EventsToSee { endpoint, events, reason: reason.to_string() });
    let refused = state.intake.refusals().list();
    Ok(HttpResponse::Ok().json(Stats {
        needs_attention: attention.values().sum(),
        attention: attention.into_iter().map(|(reason, n)| (reason.code().to_owned(), n)).collect(),
        deliveries: stats.deliveries.into_iter().collect(),
        events: stats.events.into_iter().collect(),
        events_that_need_attention: to_see.collect(),
        oldest_queued: stats.oldest_due,
        payments: stats.fates.into_iter().map(|(fate, n)| (fate.code().to_owned(), n)).collect(),
        refused_requests: refused.into_iter().map(RefusedRequests::from).collect(),
        routes: stats.routes.into_iter().map(Route::from).collect(),
        unnamed_proxy: state.unnamed_proxy.address(),
    }))
}

impl From<Refusal> for RefusedRequests {
    fn from(refusal: Refusal) -> Self {
        let Refusal { at, endpoint, path, reason, source, body_bytes, times } = refusal;
        Self { at, endpoint, path, reason: reason.to_owned(), source, body_bytes, times }
    }
}

impl From<RouteView> for Route {
    fn from(route: RouteView) -> Self {
        let RouteView { business, product, state, paused_since, probe_at, detail } = route;
        Self { business, product, state: state.to_owned(), paused_since, probe_at, detail }
    }
}

pub(super) fn showing(state: &AppState) -> Showing<'_> {
    Showing { event_id: state.event_id, body_bytes_max: state.body_bytes_max, endpoints: state.endpoints.as_slice() }
}

fn attention(text: Option<&str>) -> Result<bool, Problem> {
    Ok(parse(text, "attention", |t| t.parse().ok())?.unwrap_or(false))
}

/// A parameter that may be absent, but not wrong.
pub(super) fn parse<T>(text: Option<&str>, name: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(None) };
    let wrong = || Problem::bad_parameter(format!("{name} has a value that is not known"));
    read(text).map(Some).ok_or_else(wrong)
}

fn limit(text: Option<&str>) -> Result<u32, Problem> {
    let within = |n: &u32| (1..=PAGE_ITEMS_MAX).contains(n);
    let limit = parse(text, "limit", |t| t.parse().ok().filter(within))?;
    Ok(limit.unwrap_or(PAGE_ITEMS))
}

fn page_is_full(items: usize, limit: u32) -> bool {
    u32::try_from(items).is_ok_and(|n| n >= limit)
}

/// A number of ours, with or without its prefix.
pub(super) fn number(text: &str, prefix: &str) -> Option<i64> {
    text.strip_prefix(prefix).unwrap_or(text).parse().ok().filter(|n| *n > 0)
}

fn delivery_id(text: &str) -> Result<DeliveryId, Problem> {
    let id = number(text, "dlv_").map(DeliveryId);
    id.ok_or_else(|| Problem::unknown_item("a delivery's id looks like dlv_17".to_owned()))
}

async fn event_id(state: &AppState, text: String) -> Result<EventId, Problem> {
    if let Some(number) = number(&text, "evt_") {
        return Ok(EventId(number));
    }
    let found = state.store.event_by_provider_id(text).await?;
    found.ok_or_else(|| {
        Problem::unknown_item("there is no event of ours, or of the provider's, with this id".to_owned())
    })
}
