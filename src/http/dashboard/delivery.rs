//! What we told Refairn, or will: the call, every attempt, and what may be done about it.

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::cures;
use super::decisions::{self, Decided};
use super::frame::{Asked, Frame, answer};
use super::view::{ActionForm, Lens, Row, form, name_days};
use super::words::{Moment, in_lines};
use crate::domain::reason::{DeliveryReason, Reason};
use crate::http::AppState;
use crate::http::api::{delivery_id, seen_delivery, showing};
use crate::http::json;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::seen;
use crate::store::audit::AuditView;

/// One attempt.
struct Attempt {
    n: i64,
    at: Moment,
    took_ms: i64,
    status: String,
    outcome: String,
    response: String,
}

#[derive(Template)]
#[template(path = "delivery.html")]
struct Page {
    frame: Frame,
    row: Row,
    kind: &'static str,
    event: String,
    why: &'static str,
    cure: Cow<'static, str>,
    detail: String,
    fate: String,
    holder: String,
    holder_what: String,
    due: Option<Moment>,
    request: String,
    attempts: Vec<Attempt>,
    decisions: Vec<Decided>,
}

impl Page {
    fn form(&self) -> Option<ActionForm<'_>> {
        form(&self.row, &self.frame.csrf, &self.frame.here)
    }
}

/// `GET /deliveries/{id}`
pub(super) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::of(&state, &request, &mut query).await?;
    query.close()?;
    let (id, lens) = (delivery_id(&path)?, Lens::of(&state));
    let (view, attempts) = seen_delivery(&state, asked.caller(), id).await?;
    let decisions = decisions::about(&lens, &[id.to_string()]).await?;
    let mut row = lens.row(&view);
    let mut frame = asked.frame(&state, "activity", &row.id);
    frame.test = row.is_test;
    if frame.may_act {
        name_days(&lens, vec![&mut row]).await?;
    }
    let d = &view.delivery;
    let reason = d.reason.map(DeliveryReason::reason);
    let cure = if d.acknowledged {
        let decided: Vec<AuditView> = decisions.iter().map(|(view, _)| view.clone()).collect();
        Cow::Owned(seen::words(&decided, |at| lens.moment(at).text()))
    } else {
        reason.map(|reason| cures::of_reason(reason, frame.may_act)).unwrap_or_default()
    };
    let (due, detail) = (d.state.is_open().then(|| lens.moment(d.due_at)), lens.noted(d));
    let holder = view.day_holder.clone();
    let (kind, event) = (d.call.kind().code(), d.event.to_string());
    let shown = json::delivery(view, showing(&state));
    let attempts = attempts.into_iter().map(|attempt| Attempt {
        n: attempt.n,
        at: lens.moment(attempt.at),
        took_ms: attempt.took_ms,
        status: attempt.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string()),
        outcome: attempt.outcome,
        response: attempt.response.unwrap_or_default(),
    });
    answer(&Page {
        frame,
        row,
        kind,
        event,
        why: reason.map(Reason::sentence).unwrap_or_default(),
        cure,
        detail,
        fate: lens.written(&shown.payment.fate_explanation.unwrap_or_default()),
        holder: holder.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default(),
        holder_what: holder.map(|(_, what)| lens.written(&what)).unwrap_or_default(),
        due,
        // To the letter as it is sent.
        request: shown.request.map(|body| in_lines(body.get())).unwrap_or_default(),
        attempts: attempts.collect(),
        decisions: decisions.into_iter().map(|(_, decided)| decided).collect(),
    })
}
