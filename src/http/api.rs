//! The JSON API: what came in, what goes out, and what an operator may do about it.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};

use super::json::{self, Showing};
use super::keys::Caller;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{AppState, Shared, seen};
use crate::api::{
    Attempt, AuditEntry, Delivery, DeliveryPage, Event, EventPage, EventsToSee, LastReconciliation, LastWebhook,
    RefusedRequests, Route, Stats, UnderWay, explain_with,
};
use crate::domain::delivery::Action;
use crate::domain::delivery::{DeliveryId, DeliveryState, Fate, Kind};
use crate::domain::event::{EventId, EventState, Origin};
use crate::domain::reason::Reason;
use crate::intake::Refusal;
use crate::store::StoreError;
use crate::store::queries::{AttemptView, DeliveryFilter, DeliveryView, EventDetail, EventFilter, PAGE_ITEMS_MAX};
use crate::store::stats::{self, RouteView};
use crate::store::walks::Page;

/// Items of a page unless the caller says otherwise.
const PAGE_ITEMS: u32 = 50;

/// `GET /api/v1/events`
pub(super) async fn events(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let limit = limit(&mut query)?;
    let filter = EventFilter {
        state: query.one_of("state", EventState::ALL, EventState::code)?,
        event_type: query.text("type"),
        endpoint: query.text("endpoint"),
        attention: attention(&mut query)?,
        origin: query.one_of("origin", Origin::ALL, Origin::code)?,
        business: caller.business(),
        mode: None,
        limit,
        after: after(&mut query, "evt_")?,
    };
    query.close()?;
    let Page { items, next } = state.store.page_of_events(filter).await?;
    let (events, next) = (items.into_iter().map(Event::from).collect(), next.map(|id| EventId(id).to_string()));
    Ok(HttpResponse::Ok().json(EventPage { events, next }))
}

/// `GET /api/v1/events/{id}`: our number, or the provider's id.
pub(super) async fn event(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    path: web::Path<String>,
    query: Parameters,
) -> Result<HttpResponse, Problem> {
    query.close()?;
    let id = event_id(&state, &caller, path.into_inner()).await?;
    event_answer(&state, &caller, id).await
}

/// `POST /api/v1/events/{id}/remap`
pub(super) async fn remap(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    path: web::Path<String>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let by = caller.by_api(&mut query)?;
    query.close()?;
    let id = event_id(&state, &caller, path.into_inner()).await?;
    seen_event(&state, &caller, id).await?;
    state.store.remap(id, by, state.clock.now()).await?;
    state.inbox.notify_one();
    event_answer(&state, &caller, id).await
}

async fn event_answer(state: &AppState, caller: &Caller, id: EventId) -> Result<HttpResponse, Problem> {
    let detail = seen_event(state, caller, id).await?;
    let decisions = decisions(state, &detail.items()).await?;
    Ok(HttpResponse::Ok().json(json::event_detail(detail, decisions, showing(state))))
}

/// An event that its reader may see.
pub(super) async fn seen_event(state: &Shared, caller: &Caller, id: EventId) -> Result<EventDetail, Problem> {
    let detail = state.store.event(id).await?.filter(|detail| caller.who.sees(&detail.event.business));
    let mut detail = detail.ok_or_else(|| Problem::unknown_item(format!("there is no event {id}")))?;
    detail.deliveries.retain(|view| caller.who.sees(&view.business));
    Ok(detail)
}

/// A call that its reader may see, with every attempt.
pub(super) async fn seen_delivery(
    state: &Shared,
    caller: &Caller,
    id: DeliveryId,
) -> Result<(DeliveryView, Vec<AttemptView>), Problem> {
    let found = state.store.delivery(id).await?.filter(|(view, _)| caller.who.sees(&view.business));
    found.ok_or_else(|| Problem::unknown_item(format!("there is no delivery {id}")))
}

/// What people decided about these items.
pub(super) async fn decisions(state: &Shared, items: &[String]) -> Result<Vec<AuditEntry>, StoreError> {
    Ok(state.store.decisions_about(items).await?.into_iter().map(AuditEntry::from).collect())
}

/// `GET /api/v1/deliveries`
pub(super) async fn deliveries(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let limit = limit(&mut query)?;
    let filter = DeliveryFilter {
        state: query.one_of("state", DeliveryState::ALL, DeliveryState::code)?,
        attention: attention(&mut query)?,
        email: query.text("email"),
        kind: query.one_of("kind", Kind::ALL, Kind::code)?,
        fate: query.one_of("fate", Fate::ALL, Fate::code)?,
        business: caller.business(),
        mode: None,
        limit,
        after: after(&mut query, "dlv_")?,
    };
    query.close()?;
    let Page { items, next } = state.store.page_of_deliveries(filter).await?;
    let next = next.map(|id| DeliveryId(id).to_string());
    let deliveries = items.into_iter().map(|d| json::delivery(d, showing(&state))).collect();
    Ok(HttpResponse::Ok().json(DeliveryPage { deliveries, next }))
}

/// `GET /api/v1/deliveries/{id}`
pub(super) async fn delivery(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    path: web::Path<String>,
    query: Parameters,
) -> Result<HttpResponse, Problem> {
    query.close()?;
    delivery_answer(&state, &caller, delivery_id(&path)?).await
}

/// `POST /api/v1/deliveries/{id}/retry`, `/release`, `/discard`
pub(super) async fn act(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    path: web::Path<(String, String)>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let by = caller.by_api(&mut query)?;
    query.close()?;
    let (id, action) = path.into_inner();
    let (id, action) = (delivery_id(&id)?, self::action(&action)?);
    state.store.act(id, action, by, state.clock.now()).await?;
    state.outbox.notify_one();
    delivery_answer(&state, &caller, id).await
}

/// The action that a path ends with.
pub(super) fn action(code: &str) -> Result<Action, Problem> {
    match code {
        "retry" => Ok(Action::Retry),
        "release" => Ok(Action::Release),
        "discard" => Ok(Action::Discard),
        _ => Err(Problem::no_such_path()),
    }
}

async fn delivery_answer(state: &AppState, caller: &Caller, id: DeliveryId) -> Result<HttpResponse, Problem> {
    let (view, attempts) = seen_delivery(state, caller, id).await?;
    let attempt_log = Some(attempts.into_iter().map(Attempt::from).collect());
    let decided = state.store.decisions_about(&[id.to_string()]).await?;
    let d = &view.delivery;
    let seen = d
        .acknowledged
        .then(|| explain_with(d.reason.map(Reason::from), &seen::words(&decided, seen::in_utc), d.detail.as_deref()));
    let mut shown = json::delivery(view, showing(state));
    if let Some(seen) = seen {
        shown.explanation = seen;
    }
    let decisions = Some(decided.into_iter().map(AuditEntry::from).collect());
    Ok(HttpResponse::Ok().json(Delivery { attempt_log, decisions, ..shown }))
}

/// `GET /api/v1/stats`
pub(super) async fn stats(state: web::Data<AppState>, query: Parameters) -> Result<HttpResponse, Problem> {
    query.close()?;
    Ok(HttpResponse::Ok().json(numbers(&state).await?))
}

/// What the store has of these numbers, without what was compared with providers that cannot be asked any more.
pub(super) async fn stored(state: &Shared) -> Result<stats::Stats, StoreError> {
    let mut stats = state.store.stats().await?;
    let compared = |name: &str| state.endpoints.iter().any(|endpoint| endpoint.name == name && endpoint.is_compared());
    stats.compared.retain(|last| compared(&last.endpoint));
    Ok(stats)
}

/// The state of everything in a few numbers.
pub(super) async fn numbers(state: &Shared) -> Result<Stats, StoreError> {
    let stats = stored(state).await?;
    let attention = stats.attention();
    let to_see = stats.events_to_see.into_iter();
    let to_see = to_see.map(|(endpoint, reason, events)| EventsToSee { endpoint, events, reason: reason.to_string() });
    let refused = state.intake.refusals().list();
    let last_webhooks = state.store.last_webhooks(state.endpoints.iter().map(|e| e.name.as_str())).await?;
    Ok(Stats {
        last_webhooks: last_webhooks.into_iter().map(LastWebhook::from).collect(),
        needs_attention: attention.values().sum(),
        attention: attention.into_iter().map(|(reason, n)| (reason.code().to_owned(), n)).collect(),
        code_came: stats.code_came,
        deliveries: stats.deliveries.into_iter().collect(),
        events: stats.events.into_iter().collect(),
        events_that_need_attention: to_see.collect(),
        oldest_queued: stats.oldest_due,
        oldest_unread: stats.oldest_unread,
        payments: by_code(stats.fates),
        reconciliations: stats.compared.into_iter().map(LastReconciliation::from).collect(),
        refused_requests: refused.into_iter().map(RefusedRequests::from).collect(),
        routes: stats.routes.into_iter().map(Route::from).collect(),
        test_payments: by_code(stats.test_fates),
        under_way: stats.under_way.into_iter().map(UnderWay::from).collect(),
        unnamed_proxy: state.unnamed_proxy.address(),
    })
}

fn by_code(fates: Vec<(Fate, i64)>) -> BTreeMap<String, i64> {
    fates.into_iter().map(|(fate, n)| (fate.code().to_owned(), n)).collect()
}

impl From<Refusal> for RefusedRequests {
    fn from(refusal: Refusal) -> Self {
        let Refusal { at, endpoint, path, reason, source, body_bytes, times } = refusal;
        Self { at, endpoint, path, reason: reason.to_owned(), source, body_bytes, times }
    }
}

impl From<stats::LastComparison> for LastReconciliation {
    fn from(last: stats::LastComparison) -> Self {
        let stats::LastComparison { endpoint, to_see, differences, at } = last;
        Self { at, differences, endpoint, to_see }
    }
}

impl From<stats::UnderWay> for UnderWay {
    fn from(work: stats::UnderWay) -> Self {
        let stats::UnderWay { id, purpose, endpoint, state, rows, note } = work;
        Self { endpoint, id: purpose.written(id), note, rows, state: purpose.code_of(state).to_owned() }
    }
}

impl From<stats::LastWebhook> for LastWebhook {
    fn from(last: stats::LastWebhook) -> Self {
        Self { at: last.at, endpoint: last.endpoint, mode: last.mode.code().to_owned() }
    }
}

impl From<RouteView> for Route {
    fn from(route: RouteView) -> Self {
        let RouteView { business, product, state, paused_since, probe_at, detail } = route;
        Self { business, product, state: state.to_owned(), paused_since, probe_at, detail }
    }
}

pub(super) fn showing(state: &Shared) -> Showing<'_> {
    Showing { event_id: state.event_id, body_bytes_max: state.body_bytes_max, endpoints: state.endpoints.as_slice() }
}

fn attention(query: &mut Parameters) -> Result<bool, Problem> {
    Ok(query.flag("attention")?.unwrap_or(false))
}

pub(super) fn limit(query: &mut Parameters) -> Result<u32, Problem> {
    let within = |n: &u32| (1..=PAGE_ITEMS_MAX).contains(n);
    let expected = format!("a number from 1 to {PAGE_ITEMS_MAX}");
    Ok(query.parsed("limit", &expected, |text| text.parse().ok().filter(within))?.unwrap_or(PAGE_ITEMS))
}

/// Where a page begins: our number of the last item of the page before.
pub(super) fn after(query: &mut Parameters, prefix: &str) -> Result<Option<i64>, Problem> {
    query
        .parsed("after", &format!("what next says of the page before, such as {prefix}17"), |text| number(text, prefix))
}

pub(super) fn page_is_full(items: usize, limit: u32) -> bool {
    u32::try_from(items).is_ok_and(|n| n >= limit)
}

/// A number of ours, with or without its prefix.
pub(super) fn number(text: &str, prefix: &str) -> Option<i64> {
    text.strip_prefix(prefix).unwrap_or(text).parse().ok().filter(|n| *n > 0)
}

pub(super) fn delivery_id(text: &str) -> Result<DeliveryId, Problem> {
    let id = number(text, "dlv_").map(DeliveryId);
    id.ok_or_else(|| Problem::unknown_item("a delivery's id looks like dlv_17".to_owned()))
}

pub(super) async fn event_id(state: &Shared, caller: &Caller, text: String) -> Result<EventId, Problem> {
    if let Some(number) = number(&text, "evt_") {
        return Ok(EventId(number));
    }
    let mut found = state.store.event_by_provider_id(text).await?;
    if let Some(id) = found.filter(|_| caller.who.business.is_some()) {
        // In the same words whether there is none, or none that its reader may see.
        found = seen_event(state, caller, id).await.ok().map(|_| id);
    }
    found.ok_or_else(no_such_event)
}

fn no_such_event() -> Problem {
    Problem::unknown_item("there is no event of ours, or of the provider's, with this id".to_owned())
}
