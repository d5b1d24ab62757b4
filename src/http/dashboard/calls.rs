//! The calls that are on their way: what goes out next, and what it waits for.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::frame::{Asked, Frame, answer};
use super::view::{Lens, Row};
use super::words::Moment;
use crate::domain::delivery::DeliveryState;
use crate::domain::mode::Mode;
use crate::domain::reason::{DeliveryReason, Reason};
use crate::http::AppState;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::store::queries::DeliveryView;

/// Calls of the page.
const PAGE_ITEMS: u32 = 50;

/// A call that is on its way.
struct Waiting {
    row: Row,
    due: Moment,
    why: &'static str,
    /// What its last attempt came to.
    note: String,
}

#[derive(Template)]
#[template(path = "calls.html")]
struct Page {
    frame: Frame,
    rows: Vec<Waiting>,
    more: bool,
}

/// `GET /calls`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    let mode = query.one_of("mode", &[Mode::Live, Mode::Test], Mode::code)?.unwrap_or(Mode::Live);
    query.close()?;
    let lens = Lens::of(&state);
    let mut calls = state
        .store
        .calls_on_their_way(asked.caller().business().as_deref(), mode, PAGE_ITEMS.saturating_add(1))
        .await?;
    let more = calls.len() > PAGE_ITEMS as usize;
    calls.truncate(PAGE_ITEMS as usize);
    let mut frame = asked.frame(&state, "", "Calls on their way");
    frame.test = mode == Mode::Test;
    answer(&Page { frame, rows: calls.iter().map(|view| waiting(&lens, view)).collect(), more })
}

fn waiting(lens: &Lens<'_>, view: &DeliveryView) -> Waiting {
    let d = &view.delivery;
    let why = match (d.state, d.reason.map(DeliveryReason::reason)) {
        (DeliveryState::Sending, _) => "It is being told now.",
        (_, Some(reason)) => Reason::sentence(reason),
        (_, None) => "It goes out when it is its turn.",
    };
    // Never earlier than now, as Today has it.
    Waiting { row: lens.row(view), due: lens.moment(d.due_at.max(lens.now)), why, note: lens.noted(d) }
}
