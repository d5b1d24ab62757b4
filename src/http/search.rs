//! Where something is, whatever people know of it.

use actix_web::{HttpResponse, web};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::AppState;
use super::json::code;
use super::keys::Caller;
use super::missed;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::api::{Hit, SearchPage};
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::Fate;
use crate::store::queries::{DeliveryView, EventView};
use crate::store::search::SOUGHT_CHARS_MIN;

/// `GET /api/v1/search`
pub(super) async fn search(
    state: web::Data<AppState>,
    caller: web::ReqData<Caller>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let expected = format!("{SOUGHT_CHARS_MIN} characters or more");
    let long_enough = |text: &str| (text.trim().chars().count() >= SOUGHT_CHARS_MIN).then(|| text.to_owned());
    let sought = query.parsed("q", &expected, long_enough)?;
    query.close()?;
    let sought = sought.ok_or_else(|| Problem::bad_parameter(format!("q takes {expected}")))?;
    let found = state.store.search(&sought, caller.who.business.as_deref()).await?;
    let commands = if found.is_empty() { missed::commands(&state, &caller, &[]) } else { Vec::new() };
    let calls = found.payments.into_iter().chain(found.deliveries);
    let hits = found.customers.into_iter().map(Hit::from).chain(calls.map(Hit::from));
    let hits = hits.chain(found.events.into_iter().map(Hit::from)).collect();
    Ok(HttpResponse::Ok().json(SearchPage { hits, more: found.is_cut, commands }))
}

/// The path of a customer's story.
pub(super) fn customer_path(key: &CustomerKey) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!("/api/v1/customers/{}?business={}", encoded(&key.email_key), encoded(&key.business))
}

impl From<CustomerKey> for Hit {
    fn from(key: CustomerKey) -> Self {
        Self {
            kind: "customer".to_owned(),
            id: key.email_key.clone(),
            link: customer_path(&key),
            what: "customer".to_owned(),
            business: Some(key.business),
            email: Some(key.email_key),
            mode: None,
            provider_id: None,
            state: None,
            reason: None,
            fate: None,
            at: None,
        }
    }
}

impl From<DeliveryView> for Hit {
    fn from(view: DeliveryView) -> Self {
        let kind = if view.is_payment() { "payment" } else { "delivery" };
        let d = &view.delivery;
        let id = d.id.map(|id| id.to_string()).unwrap_or_default();
        Self {
            kind: kind.to_owned(),
            link: format!("/api/v1/deliveries/{id}"),
            id,
            what: d.what(),
            email: Some(d.call.email().as_given().to_owned()),
            mode: Some(d.mode.code().to_owned()),
            provider_id: d.subject.payment().map(str::to_owned),
            state: Some(d.state.code().to_owned()),
            reason: code(d.reason),
            fate: d.fate().map(Fate::code).map(str::to_owned),
            at: Some(if view.is_payment() { d.at } else { d.created_at }),
            business: Some(view.business),
        }
    }
}

impl From<EventView> for Hit {
    fn from(event: EventView) -> Self {
        let id = event.id.to_string();
        Self {
            kind: "event".to_owned(),
            link: format!("/api/v1/events/{id}"),
            id,
            what: event.event_type,
            business: None,
            email: None,
            mode: event.mode.map(|mode| mode.code().to_owned()),
            provider_id: event.provider_event_id,
            state: Some(event.state.code().to_owned()),
            reason: code(event.reason),
            fate: None,
            at: Some(event.received_at),
        }
    }
}
