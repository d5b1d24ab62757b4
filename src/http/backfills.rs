//! Backfills: what was missed is listed at its provider, shown, and recorded once somebody says so.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::AppState;
use super::api::number;
use super::keys::Caller;
use super::parameters::Parameters;
use super::payments::start_of;
use super::problem::Problem;
use crate::api::{Backfill, BackfillPage};
use crate::domain::backfill::{BackfillId, BackfillState, Purpose};
use crate::domain::endpoint::Endpoint;
use crate::domain::provider::ProviderKind;
use crate::providers::provider;
use crate::store;
use crate::store::ActionError;

impl From<store::Backfill> for Backfill {
    fn from(backfill: store::Backfill) -> Self {
        let store::Backfill { id, endpoint, since, until, state, note, due_at, requests, .. } = backfill;
        let store::Backfill { found, known, ignored, recorded, summary, created_at, .. } = backfill;
        let (id, state) = (id.to_string(), state.code().to_owned());
        Self {
            id,
            endpoint,
            since,
            until,
            state,
            note,
            due_at,
            requests,
            found,
            known,
            ignored,
            recorded,
            summary,
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
    let (now, zone) = (state.clock.now(), &state.time_zone);
    let day = "a day, such as 2026-10-01";
    let kind = query.one_of("provider", ProviderKind::ALL, ProviderKind::code)?;
    let name = query.text("endpoint");
    let since = query.parsed("since", day, |text| start_of(text.parse().ok()?, zone))?;
    let until = query.parsed("until", day, |text| end_of(text.parse().ok()?, zone))?;
    let by = caller.by_api(&mut query)?;
    query.close()?;
    let since = since.ok_or_else(|| Problem::bad_parameter(format!("since is missing; it takes {day}")))?;
    // Today's end: so the same is asked for when it is asked for again.
    let today = end_of(now.to_zoned(zone.clone()).date(), zone).unwrap_or(now);
    let until = until.unwrap_or(today);
    if since > until || since > now {
        return Err(Problem::bad_parameter("since is after until, or has not come yet".to_owned()));
    }
    let endpoint = askable(&state.endpoints, kind, name.as_deref())?;
    let id = state.store.start_backfill(Purpose::Record, &endpoint.name, [since, until], Some(by), now).await?;
    state.backfills.notify_one();
    shown(&state, id).await
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
        return Err(ActionError::NotNow(format!("{title} has no lists that the bridge could read")).into());
    }
    if endpoint.api_key.is_none() {
        let detail = format!("endpoint {} has no api_key, with which {title} could be asked", endpoint.name);
        return Err(ActionError::NotNow(detail).into());
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
    let backfills = state.store.backfills(Purpose::Record).await?.into_iter().map(Backfill::from).collect();
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
    let (from, to): (&[BackfillState], BackfillState) = match action.as_str() {
        "record" => (&[BackfillState::Ready], BackfillState::Recording),
        "discard" => {
            (&[BackfillState::Listing, BackfillState::Weighing, BackfillState::Ready], BackfillState::Discarded)
        }
        _ => return Err(Problem::no_such_path()),
    };
    let id = id(&text)?;
    let now = state.clock.now();
    found(&state, id).await?;
    for from in from {
        if state.store.decide_backfill(id, *from, to, by.clone(), now).await? {
            state.backfills.notify_one();
            return shown(&state, id).await;
        }
    }
    let found = found(&state, id).await?;
    // Asked for twice, it is done once.
    if found.state == to || (to == BackfillState::Recording && found.state == BackfillState::Done) {
        return shown(&state, id).await;
    }
    Err(ActionError::NotNow(format!("{id} is {}", found.state.code())).into())
}

async fn shown(state: &AppState, id: BackfillId) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(Backfill::from(found(state, id).await?)))
}

/// A backfill; a reconciliation, which is numbered with them, is none.
async fn found(state: &AppState, id: BackfillId) -> Result<store::Backfill, Problem> {
    let found = state.store.backfill(id).await?.filter(|found| found.purpose == Purpose::Record);
    found.ok_or_else(|| Problem::unknown_item(format!("there is no backfill {id}")))
}

fn id(text: &str) -> Result<BackfillId, Problem> {
    let id = number(text, "bkf_").map(BackfillId);
    id.ok_or_else(|| Problem::unknown_item("a backfill's id looks like bkf_3".to_owned()))
}
