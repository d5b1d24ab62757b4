//! Backfills: what was missed is listed at its provider, shown, and recorded once somebody says so.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::api::number;
use super::keys::Caller;
use super::parameters::Parameters;
use super::payments::start_of;
use super::problem::Problem;
use super::{AppState, Shared};
use crate::api::{Backfill, BackfillPage};
use crate::domain::audit::By;
use crate::domain::backfill::{BackfillId, BackfillState, Purpose};
use crate::domain::endpoint::Endpoint;
use crate::domain::provider::ProviderKind;
use crate::domain::refusal::Refusal;
use crate::providers::provider;
use crate::store;

impl Backfill {
    fn of(backfill: store::Backfill, zone: Option<&TimeZone>, unlisted_accounts: u64) -> Self {
        let store::Backfill { id, endpoint, since, until, state, note, due_at, requests, .. } = backfill;
        let store::Backfill { found, known, ignored, recorded, summary, created_at, .. } = backfill;
        let (id, state) = (id.to_string(), state.code().to_owned());
        let time_zone = zone.map_or_else(String::new, |zone| zone.iana_name().unwrap_or("UTC").to_owned());
        Self {
            id,
            endpoint,
            since,
            until,
            time_zone,
            state,
            note,
            due_at,
            requests,
            found,
            known,
            ignored,
            recorded,
            summary,
            unlisted_accounts,
            created_at,
        }
    }
}

/// `POST /api/v1/backfills`
pub(super) async fn start(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let (now, day) = (state.clock.now(), "a day, such as 2026-10-01");
    let kind = query.one_of("provider", ProviderKind::ALL, ProviderKind::code)?;
    let name = query.text("endpoint");
    let since = query.parsed("since", day, |text| text.parse::<Date>().ok())?;
    let until = query.parsed("until", day, |text| text.parse::<Date>().ok())?;
    let by = caller.by_api(&mut query)?;
    query.close()?;
    let since = since.ok_or_else(|| Problem::bad_parameter(format!("since is missing; it takes {day}")))?;
    let endpoint = askable(&state.endpoints, kind, name.as_deref())?;
    // Today, and not now: so the same is asked for when it is asked for again.
    let until = until.unwrap_or_else(|| now.to_zoned(endpoint.rules.time_zone.clone()).date());
    let id = begin(&state, endpoint, [since, until], by).await?;
    shown(&state, id).await
}

/// Begins to list what was missed on these days, where the endpoint's payments have their days.
pub(super) async fn begin(
    state: &Shared,
    endpoint: &Endpoint,
    [since, until]: [Date; 2],
    by: By,
) -> Result<BackfillId, Problem> {
    let (now, zone) = (state.clock.now(), &endpoint.rules.time_zone);
    let (Some(since), Some(until)) = (start_of(since, zone), end_of(until, zone)) else {
        return Err(Problem::bad_parameter("these days are too far away".to_owned()));
    };
    if since > until || since > now {
        return Err(Problem::bad_parameter("since is after until, or has not come yet".to_owned()));
    }
    let id = state.store.start_backfill(Purpose::Record, &endpoint.name, [since, until], Some(by), now).await?;
    state.backfills.notify_one();
    Ok(id)
}

/// The last microsecond of a day.
pub(super) fn end_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let next = start_of(day.tomorrow().ok()?, zone)?;
    next.checked_sub(jiff::SignedDuration::from_micros(1)).ok()
}

/// The endpoint of this name, or the provider's only one, whose lists can be read.
pub(super) fn askable<'a>(
    all: &'a [Endpoint],
    kind: Option<ProviderKind>,
    name: Option<&str>,
) -> Result<&'a Endpoint, Problem> {
    let kinds = ProviderKind::ALL.iter().map(|kind| kind.code()).collect::<Vec<_>>().join(", ");
    let kind = kind.ok_or_else(|| Problem::bad_parameter(format!("provider is missing; it takes {kinds}")))?;
    let endpoint = endpoint(all, kind, name)?;
    let of = provider(endpoint.provider);
    let title = of.descriptor().title;
    if of.lists().is_none() {
        let others = ProviderKind::ALL.iter().filter(|kind| provider(**kind).lists().is_some());
        let others = others.map(|kind| kind.code()).collect::<Vec<_>>().join(", ");
        let why = format!("{title} has no lists that the bridge could read");
        return Err(Refusal::new(why, format!("only these have: {others}")).into());
    }
    if endpoint.api_key.is_none() {
        let why = format!("endpoint {} has no api_key, with which {title} could be asked", endpoint.name);
        let key = of.descriptor().dashboard.api_key;
        let cure =
            format!("make {key}, set it as api_key_file (or api_key) of the endpoint, and start the bridge again");
        return Err(Refusal::new(why, cure).into());
    }
    Ok(endpoint)
}

/// The endpoint of this name, or the provider's only one.
pub(super) fn endpoint<'a>(
    all: &'a [Endpoint],
    kind: ProviderKind,
    name: Option<&str>,
) -> Result<&'a Endpoint, Problem> {
    let fits = |endpoint: &&Endpoint| endpoint.provider == kind && name.is_none_or(|name| endpoint.name == name);
    let fitting: Vec<&Endpoint> = all.iter().filter(fits).collect();
    match fitting.as_slice() {
        [one] => Ok(one),
        [] => Err(Problem::unknown_endpoint("there is no endpoint of this provider and name".to_owned())),
        several => {
            let names: Vec<&str> = several.iter().map(|endpoint| endpoint.name.as_str()).collect();
            Err(Problem::bad_parameter(format!(
                "there are several endpoints; endpoint takes one of {}",
                names.join(", ")
            )))
        }
    }
}

/// `GET /api/v1/backfills`
pub(super) async fn backfills(state: web::Data<AppState>, query: Parameters) -> Result<HttpResponse, Problem> {
    query.close()?;
    let mut backfills = Vec::new();
    for backfill in state.store.backfills(Purpose::Record).await? {
        backfills.push(answer(&state, backfill).await?);
    }
    Ok(HttpResponse::Ok().json(BackfillPage { backfills }))
}

/// `GET /api/v1/backfills/{id}`
pub(super) async fn backfill(
    state: web::Data<AppState>,
    path: web::Path<String>,
    query: Parameters,
) -> Result<HttpResponse, Problem> {
    query.close()?;
    shown(&state, id(&path)?).await
}

/// `POST /api/v1/backfills/{id}/record`, `/discard`
pub(super) async fn act(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    path: web::Path<(String, String)>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let by = caller.by_api(&mut query)?;
    query.close()?;
    let (text, action) = path.into_inner();
    let id = decide(&state, &text, &action, by).await?;
    shown(&state, id).await
}

/// Does what somebody decided about a backfill: has it recorded, or leaves it.
pub(super) async fn decide(state: &Shared, text: &str, action: &str, by: By) -> Result<BackfillId, Problem> {
    let (from, to): (&[BackfillState], BackfillState) = match action {
        "record" => (&[BackfillState::Ready], BackfillState::Recording),
        "discard" => {
            (&[BackfillState::Listing, BackfillState::Weighing, BackfillState::Ready], BackfillState::Discarded)
        }
        _ => return Err(Problem::no_such_path()),
    };
    let (id, now) = (id(text)?, state.clock.now());
    found(state, id).await?;
    for from in from {
        if state.store.decide_backfill(id, *from, to, by.clone(), now).await? {
            state.backfills.notify_one();
            return Ok(id);
        }
    }
    let found = found(state, id).await?;
    // Asked for twice, it is done once.
    if found.state == to || (to == BackfillState::Recording && found.state == BackfillState::Done) {
        return Ok(id);
    }
    Err(Refusal::new(format!("{id} is {}", found.state.code()), instead(found.state)).into())
}

/// What can be done about a backfill that stands so.
const fn instead(state: BackfillState) -> &'static str {
    match state {
        BackfillState::Listing | BackfillState::Weighing => "wait until it is ready, and see what would be told",
        BackfillState::Ready => "record it, or discard it",
        BackfillState::Recording => "wait until it is done: what is being recorded cannot be taken back",
        BackfillState::Done => "it is recorded already; what it led to is among the deliveries",
        BackfillState::Discarded | BackfillState::Failed => "begin another one of the same days",
    }
}

async fn shown(state: &Shared, id: BackfillId) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(answer(state, found(state, id).await?).await?))
}

async fn answer(state: &Shared, backfill: store::Backfill) -> Result<Backfill, Problem> {
    let unlisted = match backfill.summary {
        Some(_) => unlisted_accounts(state, &backfill.endpoint).await?,
        None => 0,
    };
    let configured = state.endpoints.iter().find(|configured| configured.name == backfill.endpoint);
    Ok(Backfill::of(backfill, configured.map(|configured| &configured.rules.time_zone), unlisted))
}

/// The connected accounts that have sent webhooks for an endpoint's business: a key lists its own account's sales alone.
pub(super) async fn unlisted_accounts(state: &Shared, endpoint: &str) -> Result<u64, Problem> {
    let Some(endpoint) = state.endpoints.iter().find(|configured| configured.name == endpoint) else { return Ok(0) };
    let accounts = state.store.connected_accounts(&endpoint.realm(), &endpoint.business).await?;
    Ok(u64::try_from(accounts.len()).unwrap_or(u64::MAX))
}

/// A backfill; a reconciliation, which is numbered with them, is none.
async fn found(state: &Shared, id: BackfillId) -> Result<store::Backfill, Problem> {
    let found = state.store.backfill(id).await?.filter(|found| found.purpose == Purpose::Record);
    found.ok_or_else(|| Problem::unknown_item(format!("there is no backfill {id}")))
}

fn id(text: &str) -> Result<BackfillId, Problem> {
    let id = number(text, "bkf_").map(BackfillId);
    id.ok_or_else(|| Problem::unknown_item("a backfill's id looks like bkf_3".to_owned()))
}
