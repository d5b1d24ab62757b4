//! One search over everything: an address or a part of one, a code, an agent, any id.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::customers::{CustomerRow, rows};
use super::frame::{Asked, Frame, answer, see_other};
use super::view::{EventRow, Lens, Row};
use crate::domain::event::EventId;
use crate::http::AppState;
use crate::http::missed;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::store::search::SOUGHT_CHARS_MIN;

#[derive(Template)]
#[template(path = "search.html")]
struct Page {
    frame: Frame,
    is_short: bool,
    customers: Vec<CustomerRow>,
    payments: Vec<Row>,
    deliveries: Vec<Row>,
    events: Vec<EventRow>,
    more: bool,
    /// What asks the providers for it.
    commands: Vec<String>,
}

/// `GET /search`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    let sought = query.text("q").unwrap_or_default();
    query.close()?;
    let sought = sought.trim();
    let is_short = sought.chars().count() < SOUGHT_CHARS_MIN;
    let found = state.store.search(sought, asked.caller().who.business.as_deref()).await?;
    let is_missed = found.is_empty() && !is_short;
    let commands = if is_missed { missed::commands(&state, asked.caller(), &[]) } else { Vec::new() };
    let lens = Lens::of(&state);
    let customers = rows(&state, &found.customers).await?;
    let ids: Vec<EventId> = found.events.iter().map(|event| event.id).collect();
    let mut calls = state.store.calls_of_events(&ids).await?;
    calls.retain(|view| asked.caller().who.sees(&view.business));
    let page = Page {
        frame: Frame { sought: sought.to_owned(), ..asked.frame(&state, "search", "Search") },
        is_short,
        customers,
        payments: found.payments.iter().map(|view| lens.row(view)).collect(),
        deliveries: found.deliveries.iter().map(|view| lens.row(view)).collect(),
        events: found.events.iter().map(|event| lens.event(event, &calls)).collect(),
        more: found.is_cut,
        commands,
    };
    match sole(&page) {
        Some(path) => Ok(see_other(&path)),
        None => answer(&page),
    }
}

/// The page of the only thing that was found.
fn sole(page: &Page) -> Option<String> {
    let (customers, calls) = (page.customers.len(), page.payments.len() + page.deliveries.len());
    if customers == 1 && calls == 0 && page.events.is_empty() {
        return page.customers.first().map(|customer| customer.path.clone());
    }
    if customers == 0 && calls == 1 && page.events.is_empty() {
        let call = page.payments.first().or_else(|| page.deliveries.first());
        return call.map(|row| format!("/deliveries/{}", row.id));
    }
    (customers == 0 && calls == 0 && page.events.len() == 1)
        .then(|| page.events.first().map(|event| format!("/events/{}", event.id)))
        .flatten()
}
