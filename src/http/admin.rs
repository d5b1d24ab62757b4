//! The door to the API and the metrics: the admin token, compared in constant time, or a session of the dashboard's, which
//! was opened with it.
//!
//! The right token always opens. A limit on it would protect nobody: to guess 24 random bytes is hopeless at any rate,
//! and a stranger who shares an address with the operator could lock the operator out. So the wrong ones are limited:
//! what they write, and what they are answered.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, ResponseError, web};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::connection::trust;
use super::form::is_from_us;
use super::problem::Problem;
use super::session::Session;
use super::source::sender;
use super::{AppState, Shared};
use crate::intake::{RateLimited, Throttle};
use crate::telemetry::events;

/// So many wrong tokens a minute are an operator's mistake; more of one source are guesses.
const WRONG_TOKENS_PER_MINUTE: u32 = 10;

/// Wrong admin tokens by source. Webhooks have a table of their own, so that neither speaks for the other.
#[derive(Debug)]
pub struct Guesses(Throttle);

impl Default for Guesses {
    fn default() -> Self {
        Self(Throttle::new(WRONG_TOKENS_PER_MINUTE))
    }
}

/// The header in which a script of ours sends what forms carry.
const FORM_TOKEN: &str = "x-csrf-token";

/// Lets a request through when it carries the admin token, or a session's cookie.
pub(super) async fn guard<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let judged = match request.app_data::<web::Data<AppState>>() {
        Some(state) => judge(state, request.request()),
        None => Err(Problem::unauthorized()),
    };
    match judged {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_left_body),
        Err(problem) => Ok(request.into_response(problem.error_response()).map_into_right_body()),
    }
}

fn judge(state: &Shared, request: &HttpRequest) -> Result<(), Problem> {
    let mut lines = request.headers().get_all(header::AUTHORIZATION);
    // Of two lines, another program on the way may have looked at the other.
    let given = match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok().and_then(token),
        (None, _) | (Some(_), Some(_)) => None,
    };
    let was_given = request.headers().contains_key(header::AUTHORIZATION);
    if !was_given && let Some(session) = state.sessions.of(request, state.clock.now()) {
        return with_session(state, request, &session);
    }
    check(state, request, given, was_given)
}

/// What is only looked at needs no more than the session. What acts has to come from a page of ours.
fn with_session(state: &Shared, request: &HttpRequest, session: &Session) -> Result<(), Problem> {
    let token = request.headers().get(FORM_TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let may_act = || session.may_act() && is_from_us(request) && state.sessions.is_form_token(session, token);
    if request.method().is_safe() || may_act() {
        trust(request);
        return Ok(());
    }
    Err(Problem::not_our_form())
}

/// Whether `given` is the admin token. A wrong one counts against its source; the right one always opens.
///
/// # Errors
/// It is none, or a wrong one, or one of too many wrong ones.
pub(super) fn check(
    state: &Shared,
    request: &HttpRequest,
    given: Option<&str>,
    was_given: bool,
) -> Result<(), Problem> {
    // Hashes have one length, so that not even the token's length can be timed.
    let wanted = Sha256::digest(state.admin_token.expose().as_bytes());
    let is_right = |given: &str| bool::from(wanted.as_slice().ct_eq(Sha256::digest(given.as_bytes()).as_slice()));
    if given.is_some_and(is_right) {
        trust(request);
        return Ok(());
    }
    let (source, now) = (sender(state, request), state.clock.now());
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
