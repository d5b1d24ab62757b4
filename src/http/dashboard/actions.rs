//! What a person decides on a page: a form is sent, and the browser is sent back with a word about it.

use actix_web::{HttpRequest, HttpResponse, web};

use super::frame::{own_path, problem_page, see_other, to_sign_in};
use crate::domain::delivery::Action;
use crate::http::api::{delivery_id, event_id};
use crate::http::backfills::askable;
use crate::http::body::refuse_unread;
use crate::http::connection::trust;
use crate::http::form::{Form, is_from_us};
use crate::http::problem::Problem;
use crate::http::reconciliations::{begin, month};
use crate::http::{AppState, Shared};

/// `POST /deliveries/{id}/retry`, `/release`, `/discard`
pub(super) async fn act(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    payload: web::Payload,
) -> HttpResponse {
    let (id, action) = path.into_inner();
    decide(&state, &request, payload, &action, async || {
        let wanted = match action.as_str() {
            "retry" => Action::Retry,
            "release" => Action::Release,
            "discard" => Action::Discard,
            _ => return Err(Problem::no_such_path()),
        };
        state.store.act(delivery_id(&id)?, wanted, state.clock.now()).await?;
        state.outbox.notify_one();
        Ok(())
    })
    .await
}

/// `POST /events/{id}/remap`
pub(super) async fn remap(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    decide(&state, &request, payload, "remap", async || {
        let id = event_id(&state, path.as_str().to_owned()).await?;
        state.store.remap(id).await?;
        state.inbox.notify_one();
        Ok(())
    })
    .await
}

/// `POST /payments/compare/{endpoint}/{month}`
pub(super) async fn compare(
    state: web::Data<AppState>,
    request: HttpRequest,
    path: web::Path<(String, String)>,
    payload: web::Payload,
) -> HttpResponse {
    let (endpoint, text) = path.into_inner();
    decide(&state, &request, payload, "compare", async || {
        let endpoint = askable(&state.endpoints, None, Some(&endpoint))?;
        let days = month(&text).ok_or_else(Problem::no_such_path)?;
        begin(&state, endpoint, days).await.map(|_| ())
    })
    .await
}

/// Does what a form of this session asks for, and leads back to its page.
async fn decide(
    state: &Shared,
    request: &HttpRequest,
    mut payload: web::Payload,
    done: &str,
    act: impl AsyncFnOnce() -> Result<(), Problem>,
) -> HttpResponse {
    let form = match Form::read(&mut payload).await {
        Ok(form) => form,
        Err(problem) => return refuse_unread(&problem, payload),
    };
    let back = own_path(form.field("back"));
    let Some(session) = state.sessions.of(request, state.clock.now()) else { return to_sign_in(back) };
    if !(session.may_act() && is_from_us(request) && state.sessions.is_form_token(&session, form.field("csrf"))) {
        return problem_page(&Problem::not_our_form(), back);
    }
    trust(request);
    match act().await {
        Ok(()) => {
            let mark = if back.contains('?') { '&' } else { '?' };
            see_other(&format!("{back}{mark}done={done}"))
        }
        Err(problem) => problem_page(&problem, back),
    }
}
