//! An event: its body as it arrived, what it reports, and what we told Refairn.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::frame::{Asked, Frame, answer};
use super::view::{ActionForm, EventRow, Lens};
use super::words::in_lines;
use crate::http::AppState;
use crate::http::api::{event_id, showing};
use crate::http::json::raw_body;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;

#[derive(Template)]
#[template(path = "event.html")]
struct Page {
    frame: Frame,
    row: EventRow,
    cure: &'static str,
    detail: String,
    /// Empty when it is past its retention.
    body: String,
    facts: Vec<String>,
}

impl Page {
    fn read_again(&self) -> ActionForm<'_> {
        ActionForm {
            path: format!("/events/{}/remap", self.row.id),
            words: "Read again",
            is_first: false,
            csrf: &self.frame.csrf,
            back: &self.frame.here,
            about: &self.row.event_type,
        }
    }
}

/// `GET /events/{id}`: our number, or the provider's id.
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    query.close()?;
    let id = event_id(&state, path.into_inner()).await?;
    let detail = state.store.event(id).await?;
    let detail = detail.ok_or_else(|| Problem::unknown_item(format!("there is no event {id}")))?;
    let lens = Lens::of(&state);
    let mut row = lens.event(&detail.event, &detail.deliveries);
    row.calls = detail.deliveries.iter().map(|view| lens.row(view)).collect();
    let (cure, words) = (detail.event.reason.map(|reason| reason.cure()), detail.event.detail.clone());
    let body = raw_body(&detail, showing(&state)).map(|raw| in_lines(&String::from_utf8_lossy(&raw)));
    let facts = detail.fact.as_deref().map(in_lines);
    let mut frame = asked.frame(&state, "activity", &row.id);
    frame.test = row.is_test;
    answer(&Page {
        frame,
        cure: cure.unwrap_or_default(),
        detail: words.unwrap_or_default(),
        body: body.unwrap_or_default(),
        facts: facts.into_iter().collect(),
        row,
    })
}
