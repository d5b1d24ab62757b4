//! An event: its body as it arrived, what it reports, and what we told Refairn.

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::cures;
use super::decisions::{self, Decided};
use super::frame::{Asked, Frame, answer};
use super::view::{ActionForm, EventRow, Lens, read_again};
use super::words::in_lines;
use crate::http::AppState;
use crate::http::api::{event_id, seen_event, showing};
use crate::http::json::raw_body;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;

#[derive(Template)]
#[template(path = "event.html")]
struct Page {
    frame: Frame,
    row: EventRow,
    cure: Cow<'static, str>,
    detail: String,
    /// Empty when it is past its retention.
    body: String,
    facts: Vec<String>,
    decisions: Vec<Decided>,
}

impl Page {
    fn read_again(&self) -> ActionForm<'_> {
        read_again(&self.row, &self.frame.csrf, &self.frame.here)
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
    let id = event_id(&state, asked.caller(), path.into_inner()).await?;
    let detail = seen_event(&state, asked.caller(), id).await?;
    let lens = Lens::of(&state);
    let decisions = decisions::about(&lens, &detail.items()).await?;
    let mut row = lens.event(&detail.event, &detail.deliveries);
    row.calls = detail.deliveries.iter().map(|view| lens.row(view)).collect();
    let words = detail.event.detail.clone();
    let body = raw_body(&detail, showing(&state)).map(|raw| in_lines(&String::from_utf8_lossy(&raw)));
    let facts = detail.fact.as_deref().map(in_lines);
    let mut frame = asked.frame(&state, "activity", &row.id);
    frame.test = row.is_test;
    let cure = detail.event.reason.map(|reason| cures::of_reason(reason.into(), frame.may_act));
    answer(&Page {
        frame,
        cure: cure.unwrap_or_default(),
        detail: words.unwrap_or_default(),
        body: body.unwrap_or_default(),
        facts: facts.into_iter().collect(),
        decisions: decisions.into_iter().map(|(_, decided)| decided).collect(),
        row,
    })
}
