//! Reconciliations: a provider's list beside what we have. It is begun, watched, and read payment by payment.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::api::{limit, number};
use super::backfills::{askable, end_of, unlisted_accounts};
use super::parameters::Parameters;
use super::payments::start_of;
use super::problem::Problem;
use super::{AppState, Shared};
use crate::api::{ComparedPage, ComparedPayment, Reconciliation, ReconciliationPage, ToldCall};
use crate::domain::backfill::{BackfillId, Purpose};
use crate::domain::delivery::Fate;
use crate::domain::endpoint::Endpoint;
use crate::domain::mode::Mode;
use crate::domain::provider::ProviderKind;
use crate::domain::reconciliation::{Compared, Comparison, Field, Told};
use crate::providers::{READING, provider};
use crate::store::{After, Backfill, ComparedFilter};

/// `POST /api/v1/reconciliations`
pub(super) async fn start(state: web::Data<AppState>, mut query: Parameters) -> Result<HttpResponse, Problem> {
    let day = "a day, such as 2026-10-01";
    let kind = query.one_of("provider", ProviderKind::ALL, ProviderKind::code)?;
    let name = query.text("endpoint");
    let month = query.parsed("month", "a month, such as 2026-10", month)?;
    let from = query.parsed("from", day, |text| text.parse::<Date>().ok())?;
    let to = query.parsed("to", day, |text| text.parse::<Date>().ok())?;
    query.close()?;
    let endpoint = askable(&state.endpoints, kind, name.as_deref())?;
    let days = match (month, from, to) {
        (Some(month), None, None) => Some(month),
        (None, Some(from), to) => Some([from, to.unwrap_or(from)]),
        (_, _, _) => None,
    };
    let days = days.ok_or_else(|| Problem::bad_parameter("give month, or from and to".to_owned()))?;
    let id = begin(&state, endpoint, days).await?;
    shown(&state, id).await
}

/// The first and the last day of a month.
pub(super) fn month(text: &str) -> Option<[Date; 2]> {
    let first: Date = format!("{text}-01").parse().ok()?;
    Some([first, first.last_of_month()])
}

/// Begins to compare these days, as far as they have come, where the endpoint's payments have their days.
pub(super) async fn begin(state: &Shared, endpoint: &Endpoint, [from, to]: [Date; 2]) -> Result<BackfillId, Problem> {
    let (now, zone) = (state.clock.now(), &endpoint.rules.time_zone);
    let (since, until) = (start_of(from, zone), end_of(to, zone));
    let (Some(since), Some(until)) = (since, until) else {
        return Err(Problem::bad_parameter("these days are too far away".to_owned()));
    };
    if since > until || since > now {
        return Err(Problem::bad_parameter("from is after to, or has not come yet".to_owned()));
    }
    if from.checked_add(LONGEST_DAYS.days()).is_ok_and(|last| to > last) {
        return Err(Problem::bad_parameter(format!("{LONGEST_DAYS} days at most are compared at once")));
    }
    let id = state.store.start_backfill(Purpose::Compare, &endpoint.name, [since, until], None, now).await?;
    state.backfills.notify_one();
    Ok(id)
}

/// Most days of one reconciliation.
const LONGEST_DAYS: i64 = 366;

/// `GET /api/v1/reconciliations`
pub(super) async fn reconciliations(state: web::Data<AppState>, query: Parameters) -> Result<HttpResponse, Problem> {
    query.close()?;
    let kept = state.store.reconciliations(None).await?;
    let mut kept: BTreeMap<BackfillId, _> = kept.into_iter().map(|kept| (kept.id, kept)).collect();
    let all = state.store.backfills(Purpose::Compare).await?;
    let mut reconciliations = Vec::new();
    for backfill in all {
        reconciliations.push(answer(&state, kept.remove(&backfill.id), backfill).await?);
    }
    Ok(HttpResponse::Ok().json(ReconciliationPage { reconciliations }))
}

/// `GET /api/v1/reconciliations/{id}`
pub(super) async fn reconciliation(
    state: web::Data<AppState>,
    path: web::Path<String>,
    query: Parameters,
) -> Result<HttpResponse, Problem> {
    query.close()?;
    shown(&state, id(&path)?).await
}

/// `GET /api/v1/reconciliations/{id}/payments`
pub(super) async fn payments(
    state: web::Data<AppState>,
    path: web::Path<String>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let filter = ComparedFilter {
        comparison: query.one_of("comparison", Comparison::ALL, Comparison::code)?,
        limit: limit(&mut query)?,
        after: query.parsed("after", "the value of next", after)?,
    };
    query.close()?;
    let id = id(&path)?;
    if state.store.reconciliation(id).await?.is_none() {
        return Err(Problem::unknown_item(format!("there is no result of {}", Purpose::Compare.written(id))));
    }
    let (found, next) = state.store.compared(id, &filter).await?;
    let payments = found.into_iter().map(ComparedPayment::from).collect();
    let next = next.map(|After { at, subject_key }| format!("{at} {subject_key}"));
    Ok(HttpResponse::Ok().json(ComparedPage { payments, next }))
}

fn after(text: &str) -> Option<After> {
    let (at, subject_key) = text.split_once(' ')?;
    Some(After { at: at.parse().ok()?, subject_key: subject_key.to_owned() })
}

async fn shown(state: &Shared, id: BackfillId) -> Result<HttpResponse, Problem> {
    let found = state.store.backfill(id).await?.filter(|found| found.purpose == Purpose::Compare);
    let found = found
        .ok_or_else(|| Problem::unknown_item(format!("there is no reconciliation {}", Purpose::Compare.written(id))))?;
    let kept = state.store.reconciliation(id).await?;
    Ok(HttpResponse::Ok().json(answer(state, kept, found).await?))
}

fn id(text: &str) -> Result<BackfillId, Problem> {
    let id = number(text, "rec_").map(BackfillId);
    id.ok_or_else(|| Problem::unknown_item("a reconciliation's id looks like rec_3".to_owned()))
}

async fn answer(
    state: &Shared,
    kept: Option<crate::store::Reconciliation>,
    backfill: Backfill,
) -> Result<Reconciliation, Problem> {
    let Backfill { id, endpoint, since, until, state: at, note, due_at, requests, found, created_at, .. } = backfill;
    let configured = state.endpoints.iter().find(|configured| configured.name == endpoint);
    let own = configured.map_or_else(|| TimeZone::UTC, |configured| configured.rules.time_zone.clone());
    let named = kept.as_ref().and_then(|kept| TimeZone::get(&kept.time_zone).ok());
    let zone = named.unwrap_or(own);
    let day = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let unlisted_accounts = if kept.is_some() { unlisted_accounts(state, &endpoint).await? } else { 0 };
    Ok(Reconciliation {
        id: Purpose::Compare.written(id),
        endpoint,
        provider: configured.map(|configured| configured.provider.code().to_owned()).unwrap_or_default(),
        account: configured.and_then(|configured| configured.account.clone()),
        mode: configured.and_then(mode_of_key).map(|mode| mode.code().to_owned()),
        from: day(since),
        to: day(until),
        time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        state: Purpose::Compare.code_of(at).to_owned(),
        note,
        due_at: Some(due_at),
        requests,
        found,
        to_see: kept.as_ref().map(|kept| kept.summary.to_see()),
        compared_at: kept.as_ref().map(|kept| kept.compared_at),
        summary: kept.map(|kept| kept.summary),
        unlisted_accounts,
        created_at,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        reading: READING,
    })
}

/// The mode of the key with which an endpoint's provider is asked, where the key says it.
pub(super) fn mode_of_key(endpoint: &Endpoint) -> Option<Mode> {
    let key = endpoint.api_key.as_ref()?;
    provider(endpoint.provider).descriptor().mode_of_key(key.expose())
}

impl From<Compared> for ComparedPayment {
    fn from(compared: Compared) -> Self {
        let Compared { id, paid_at, comparison, reason, differs, provider, ours, told } = compared;
        let differs = differs.into_iter().map(|field| Field::code(field).to_owned()).collect();
        let told = told.into_iter().map(ToldCall::from).collect();
        Self { id, paid_at, comparison: comparison.code().to_owned(), reason, differs, provider, ours, told }
    }
}

impl From<Told> for ToldCall {
    fn from(told: Told) -> Self {
        let Told { delivery, state, fate, amount, currency, day } = told;
        Self {
            delivery_id: delivery.to_string(),
            state: state.code().to_owned(),
            fate: fate.map(Fate::code).map(str::to_owned),
            amount: amount.normalize().to_string(),
            currency: currency.code(),
            day,
        }
    }
}
