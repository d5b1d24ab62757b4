//! What a person decides on a page: a form is sent, and the browser is sent back with a word about it.

use std::future::{Ready, ready};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use jiff::civil::Date;

use super::frame::{own_path, problem_page, see_other, to_sign_in};
use crate::domain::audit::{By, Note, Via};
use crate::domain::delivery::Action;
use crate::domain::endpoint::Endpoint;
use crate::http::api::{action, delivery_id, event_id, seen_event};
use crate::http::backfills::{self, askable};
use crate::http::body::{refuse_unread, with_unread};
use crate::http::connection::trust;
use crate::http::form::{Form, is_from_us};
use crate::http::problem::Problem;
use crate::http::reconciliations::{self, month};
use crate::http::session::Session;
use crate::http::{AppState, Shared, alerts, people, rights};

/// Lets those send a form who have a right to what it asks for. Nobody is told to sign in before the form is read: it says
/// where to lead back to.
pub(super) async fn guard<B: MessageBody + 'static>(
    path: &'static str,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
        return Err(Problem::internal().into());
    };
    if request.method() == Method::POST {
        let session = match Session::of(&state, request.request()).await {
            Ok(Some(session)) => rights::check(path, request.method(), &session.caller.who).map(|()| Some(session)),
            other => other,
        };
        match session {
            Ok(Some(session)) => drop(request.extensions_mut().insert(session)),
            Ok(None) => {}
            Err(problem) => {
                let unread = request.take_payload();
                let page = with_unread(problem_page(&problem, "/"), unread);
                return Ok(request.into_response(page).map_into_right_body());
            }
        }
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

/// What a page's form is sent with. Whatever it asks for, it is read and answered in one way.
pub(super) struct Sent {
    state: AppState,
    request: HttpRequest,
    payload: web::Payload,
}

impl FromRequest for Sent {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<AppState>>().map(|state| AppState::clone(state));
        let payload = web::Payload::from_request(request, payload).into_inner();
        ready(payload.and_then(|payload| {
            let state = state.ok_or_else(Problem::internal)?;
            Ok(Self { state, request: request.clone(), payload })
        }))
    }
}

impl Sent {
    /// Does what a form of this session asks for, and leads back to its page.
    async fn decide(
        self,
        done: &str,
        act: impl AsyncFnOnce(&Shared, By, &Session) -> Result<(), Problem>,
    ) -> HttpResponse {
        self.by_form(async |state, by, session, form| {
            act(state, by, session).await?;
            Ok((own_path(form.field("back")).to_owned(), done.to_owned()))
        })
        .await
    }

    /// Does what the fields of a form of this session ask for, and leads to a page with a word about it.
    pub(super) async fn by_form(
        self,
        act: impl AsyncFnOnce(&Shared, By, &Session, &Form) -> Result<(String, String), Problem>,
    ) -> HttpResponse {
        let Self { state, request, mut payload } = self;
        let form = match Form::read(&mut payload).await {
            Ok(form) => form,
            Err(problem) => return refuse_unread(&problem, payload),
        };
        let back = own_path(form.field("back"));
        let Some(session) = request.extensions().get::<Session>().cloned() else { return to_sign_in(back) };
        if !(is_from_us(&request) && state.sessions.is_form_token(&session, form.field("csrf"))) {
            return problem_page(&Problem::not_our_form(), back);
        }
        trust(&request);
        let note = Note::parse(form.field("note")).map_err(|wrong| Problem::bad_parameter(wrong.to_owned()));
        let acted = match note {
            Ok(note) => act(&state, session.caller.by(Via::Dashboard, note), &session, &form).await,
            Err(problem) => Err(problem),
        };
        match acted {
            Ok((to, done)) => {
                let mark = if to.contains('?') { '&' } else { '?' };
                see_other(&format!("{to}{mark}done={done}"))
            }
            Err(problem) => problem_page(&problem, back),
        }
    }
}

/// `POST /deliveries/{id}/retry`, `/release`, `/discard`
pub(super) async fn act(path: web::Path<(String, String)>, sent: Sent) -> HttpResponse {
    let (id, code) = path.into_inner();
    sent.decide(&code, async |state, by, _| {
        let wanted = action(&code)?;
        // An accountant reads later why.
        if by.note.is_none() && wanted != Action::Retry {
            return Err(Problem::note_missing());
        }
        state.store.act(delivery_id(&id)?, wanted, by, state.clock.now()).await?;
        state.outbox.notify_one();
        Ok(())
    })
    .await
}

/// `POST /events/{id}/remap`
pub(super) async fn remap(path: web::Path<String>, sent: Sent) -> HttpResponse {
    sent.decide("remap", async |state, by, session| {
        let id = event_id(state, &session.caller, path.into_inner()).await?;
        seen_event(state, &session.caller, id).await?;
        state.store.remap(id, by, state.clock.now()).await?;
        state.inbox.notify_one();
        Ok(())
    })
    .await
}

/// `POST /payments/{month}/{endpoint}/compare`
pub(super) async fn compare(path: web::Path<(String, String)>, sent: Sent) -> HttpResponse {
    sent.decide("compare", async |state, _, _| {
        let (endpoint, days) = month_of(state, &path)?;
        reconciliations::begin(state, endpoint, days).await.map(|_| ())
    })
    .await
}

/// `POST /payments/{month}/{endpoint}/fetch`
pub(super) async fn fetch(path: web::Path<(String, String)>, sent: Sent) -> HttpResponse {
    sent.decide("fetch", async |state, by, _| {
        let (endpoint, days) = month_of(state, &path)?;
        backfills::begin(state, endpoint, days, by).await.map(|_| ())
    })
    .await
}

/// `POST /backfills/{id}/record`, `/discard`
pub(super) async fn answer(path: web::Path<(String, String)>, sent: Sent) -> HttpResponse {
    let (id, action) = path.into_inner();
    let done = if action == "record" { "record" } else { "leave" };
    sent.decide(done, async |state, by, _| {
        if by.note.is_none() && action == "record" {
            return Err(Problem::note_missing());
        }
        backfills::decide(state, &id, &action, by).await.map(|_| ())
    })
    .await
}

/// The endpoint and the days that a path of the page Payments is about.
fn month_of<'a>(state: &'a Shared, (text, name): &(String, String)) -> Result<(&'a Endpoint, [Date; 2]), Problem> {
    let known = state.endpoints.iter().find(|known| known.name == *name).ok_or_else(Problem::no_such_path)?;
    let endpoint = askable(&state.endpoints, Some(known.provider), Some(name))?;
    Ok((endpoint, month(text).ok_or_else(Problem::no_such_path)?))
}

/// `POST /access/{name}/revoke`
pub(super) async fn revoke(path: web::Path<String>, sent: Sent) -> HttpResponse {
    sent.decide("revoke", async |state, by, _| people::take_back(state, path.into_inner(), by).await).await
}

/// `POST /alerts/test`
pub(super) async fn test_alerts(sent: Sent) -> HttpResponse {
    sent.decide("test_alerts", async |state, by, _| {
        let tried = alerts::try_out(state, by).await?;
        let failed: Vec<String> =
            tried.into_iter().filter_map(|place| Some(format!("{}: {}", place.name, place.failed?))).collect();
        if failed.is_empty() { Ok(()) } else { Err(Problem::alerts_failed(&failed.join("; "))) }
    })
    .await
}
