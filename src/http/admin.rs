//! The door to the API, the metrics and the pages: a token, or a session of the dashboard's that was opened with one.
//!
//! The right token always opens. A limit on it would protect nobody: to guess 24 random bytes is hopeless at any rate,
//! and a stranger who shares an address with the operator could lock the operator out. So the wrong ones are limited:
//! what they write, and what they are answered.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError, web};

use super::body::with_unread;
use super::connection::trust;
use super::form::is_from_us;
use super::keys::Caller;
use super::problem::Problem;
use super::session::Session;
use super::source::sender;
use super::{AppState, Shared, rights};
use crate::intake::{RateLimited, Throttle};
use crate::telemetry::events;

/// So many wrong tokens a minute are an operator's mistake; more of one source are guesses.
const WRONG_TOKENS_PER_MINUTE: u32 = 10;

/// Wrong tokens by source. Webhooks have a table of their own, so that neither speaks for the other.
#[derive(Debug)]
pub struct Guesses(Throttle);

impl Default for Guesses {
    fn default() -> Self {
        Self(Throttle::new(WRONG_TOKENS_PER_MINUTE))
    }
}

/// The header in which a script of ours sends what forms carry.
const FORM_TOKEN: &str = "x-csrf-token";

/// Lets a request through to the route of this pattern when its sender has a right to that.
pub(super) async fn guard<B: MessageBody>(
    path: &'static str,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let judged = match request.app_data::<web::Data<AppState>>() {
        Some(state) => let_in(state, request.request()).await,
        None => Err(Problem::internal()),
    };
    let allowed = judged.and_then(|caller| rights::check(path, request.method(), &caller.who).map(|()| caller));
    match allowed {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await.map(ServiceResponse::map_into_left_body)
        }
        Err(problem) => {
            let answer = with_unread(problem.error_response(), request.take_payload());
            Ok(request.into_response(answer).map_into_right_body())
        }
    }
}

/// Who sends a request, by its token or its session.
///
/// # Errors
/// Nobody who is known, or not from a page of ours.
pub(super) async fn let_in(state: &Shared, request: &HttpRequest) -> Result<Caller, Problem> {
    let mut lines = request.headers().get_all(header::AUTHORIZATION);
    // Of two lines, another program on the way may have looked at the other.
    let given = match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok().and_then(token),
        (None, _) | (Some(_), Some(_)) => None,
    };
    let was_given = request.headers().contains_key(header::AUTHORIZATION);
    if !was_given && let Some(session) = Session::of(state, request).await? {
        return with_session(state, request, session);
    }
    check(state, request, given, was_given).await
}

/// What is only looked at needs no more than the session. What acts has to come from a page of ours.
fn with_session(state: &Shared, request: &HttpRequest, session: Session) -> Result<Caller, Problem> {
    let token = request.headers().get(FORM_TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_ours = || is_from_us(request) && state.sessions.is_form_token(&session, token);
    if request.method().is_safe() || is_ours() {
        trust(request);
        return Ok(session.caller);
    }
    Err(Problem::not_our_form())
}

/// Whose token `given` is. A wrong one counts against its source; the right one always opens.
///
/// # Errors
/// It is none, or a wrong one, or one of too many wrong ones; or the store cannot say.
pub(super) async fn check(
    state: &Shared,
    request: &HttpRequest,
    given: Option<&str>,
    was_given: bool,
) -> Result<Caller, Problem> {
    let now = state.clock.now();
    if let Some(given) = given
        && let Some(caller) = state.keys.holder(&state.store, given, now).await?
    {
        trust(request);
        return Ok(caller);
    }
    let source = sender(state, request);
    let (reason, problem) = if was_given {
        match state.guesses.0.check(source, now) {
            Ok(()) => {
                state.guesses.0.failed(source, now);
                ("wrong", Problem::unauthorized())
            }
            Err(RateLimited { retry_after_s }) => ("too_many_wrong", Problem::too_many_wrong_tokens(retry_after_s)),
        }
    } else {
        ("missing", Problem::unauthorized())
    };
    events::admin_refused(reason, source, state.intake.lines().ask(source, reason, now));
    Err(problem)
}

/// The token of an Authorization line. The scheme's name is the same in any case of its letters.
fn token(line: &str) -> Option<&str> {
    let (scheme, token) = line.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
