//! Payments by the day on which they were paid, and what they add up to.

use actix_web::{HttpResponse, web};
use futures_util::future::try_join;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::AppState;
use super::api::{after, limit, page_is_full, showing};
use super::json;
use super::keys::Caller;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::api::{PaymentPage, Sum, Totals};
use crate::domain::delivery::Fate;
use crate::domain::mode::Mode;
use crate::domain::money::json_number;
use crate::store::payments::PaymentFilter;
use crate::store::totals::Total;

/// `GET /api/v1/payments`
pub(super) async fn payments(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let zone = &state.time_zone;
    let day = "a day, such as 2026-10-01";
    let limit = limit(&mut query)?;
    let filter = PaymentFilter {
        from: query.parsed("from", day, |text| start_of(text.parse().ok()?, zone))?,
        to: query.parsed("to", day, |text| start_of(text.parse::<Date>().ok()?.tomorrow().ok()?, zone))?,
        agent: query.text("agent"),
        code: query.text("code"),
        mode: query.one_of("mode", &[Mode::Live, Mode::Test], Mode::code)?,
        fates: query.one_of("fate", Fate::ALL, Fate::code)?.into_iter().collect(),
        business: caller.business(),
        limit,
        after: after(&mut query, "dlv_")?,
    };
    let wants_totals = query.flag("totals")?;
    query.close()?;
    let (found, complete) = try_join(state.store.payments(&filter), state.store.lists_all(&filter)).await?;
    let totals = if filter.after.is_none() && wants_totals != Some(false) {
        Some(state.store.totals(&filter).await?)
    } else {
        None
    };
    let last = found.last().and_then(|view| view.delivery.id).map(|id| id.to_string());
    let next = last.filter(|_| page_is_full(found.len(), limit));
    let payments = found.into_iter().map(|view| json::delivery(view, showing(&state))).collect();
    let totals = totals.map(|(sums, complete)| Totals { sums: sums.into_iter().map(Sum::from).collect(), complete });
    Ok(HttpResponse::Ok().json(PaymentPage { payments, next, complete, totals }))
}

/// When a day begins where payments have their days.
pub(super) fn start_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    day.to_zoned(zone.clone()).ok().map(|start| start.timestamp())
}

impl From<Total> for Sum {
    fn from(total: Total) -> Self {
        let Total { mode, currency, fate, payments, amount } = total;
        let fate = fate.map(|fate| fate.code().to_owned());
        Self {
            mode: mode.code().to_owned(),
            currency: currency.code(),
            fate,
            payments,
            amount: amount.map(json_number),
        }
    }
}
