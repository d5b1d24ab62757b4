//! Signing in and out: a token opens a session, which the browser keeps in a cookie.

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::assets;
use super::frame::{answer, answer_to, own_path, problem_page, see_other, to_sign_in};
use crate::http::body::refuse_unread;
use crate::http::form::{Form, is_from_us, is_secure};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::session::{COOKIE, Session};
use crate::http::{AppState, Shared, admin};

/// The form.
#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    css: String,
    js: String,
    back: &'a str,
    /// What was wrong with what was sent before.
    wrong: Option<&'a str>,
    /// The browser did not keep the cookie.
    no_cookie: bool,
}

fn the_form<'a>(back: &'a str, wrong: Option<&'a str>, no_cookie: bool) -> SignIn<'a> {
    let (css, js) = (assets::address("dashboard.css"), assets::address("dashboard.js"));
    SignIn { css, js, back: own_path(back), wrong, no_cookie }
}

/// `GET /sign-in`
pub(super) async fn form(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let back = query.text("back").unwrap_or_default();
    query.close()?;
    if Session::of(&state, &request).await?.is_some() {
        return Ok(see_other(own_path(&back)));
    }
    answer(&the_form(&back, None, false))
}

/// `POST /sign-in`
pub(super) async fn sign_in(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> HttpResponse {
    let form = match Form::read(&mut payload).await {
        Ok(form) => form,
        Err(problem) => return refuse_unread(&problem, payload),
    };
    let back = own_path(form.field("back"));
    // Another site could sign a visitor in where it can read what they do.
    if !is_from_us(&request) {
        return problem_page(&Problem::not_our_form(), "/sign-in");
    }
    let token = form.field("token").trim();
    let given = Some(token).filter(|token| !token.is_empty());
    match admin::check(&state, &request, given, given.is_some()).await {
        Ok(caller) => {
            let session = Session::new(caller, state.clock.now());
            let mut answer = see_other(&format!("/signed-in?back={}", utf8_percent_encode(back, NON_ALPHANUMERIC)));
            let left = session.until.duration_since(state.clock.now());
            let cookie = cookie(&state, &session, left, is_secure(&request));
            // It holds nothing that a header may not hold.
            let _ = answer.add_cookie(&cookie);
            answer
        }
        Err(problem) => wrong(&problem, back),
    }
}

/// The form again, with what was wrong.
fn wrong(problem: &Problem, back: &str) -> HttpResponse {
    let words = match problem.code() {
        "too_many_wrong_tokens" => "Too many wrong tokens came from your address. The right one still opens.",
        "unauthorized" => {
            "This token opens nothing, or has ended. The admin token is what BRIDGE_ADMIN_TOKEN is set to, or was shown at \
             the start."
        }
        _ => problem.detail(),
    };
    let form = the_form(back, Some(words), false);
    answer_to(problem, &form)
}

fn cookie(state: &Shared, session: &Session, left: SignedDuration, secure: bool) -> Cookie<'static> {
    Cookie::build(COOKIE, state.sessions.cookie(session))
        .path("/")
        .http_only(true)
        // Links to pages are sent by mail and chat: Strict would bring everybody to the form.
        .same_site(SameSite::Lax)
        .secure(secure)
        .max_age(time::Duration::seconds(left.as_secs()))
        .finish()
}

/// `GET /signed-in`: goes on where the browser kept the cookie. Else it would come to the form again and again.
pub(super) async fn signed_in(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut query: Parameters,
) -> Result<HttpResponse, Problem> {
    let back = query.text("back").unwrap_or_default();
    query.close()?;
    if Session::of(&state, &request).await?.is_some() {
        return Ok(see_other(own_path(&back)));
    }
    answer(&the_form(&back, None, true))
}

/// `POST /sign-out`
pub(super) async fn sign_out(
    state: web::Data<AppState>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> HttpResponse {
    let form = match Form::read(&mut payload).await {
        Ok(form) => form,
        Err(problem) => return refuse_unread(&problem, payload),
    };
    let session = match Session::of(&state, &request).await {
        Ok(session) => session,
        Err(problem) => return problem_page(&problem, "/"),
    };
    if let Some(session) = session {
        let ours = is_from_us(&request) && state.sessions.is_form_token(&session, form.field("csrf"));
        if !ours {
            return problem_page(&Problem::not_our_form(), "/");
        }
    }
    let mut answer = to_sign_in("/");
    let gone = Cookie::build(COOKIE, "").path("/").http_only(true).same_site(SameSite::Lax).secure(is_secure(&request));
    let _ = answer.add_cookie(&gone.max_age(time::Duration::ZERO).finish());
    answer
}

/// `GET /session`: whether the session still holds. A page that comes back from the browser's memory asks.
pub(super) async fn session(state: web::Data<AppState>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let session = Session::of(&state, &request).await?.ok_or_else(Problem::unauthorized)?;
    let (name, until) = (session.caller.who.name, session.until.to_string());
    Ok(HttpResponse::Ok().json(serde_json::json!({ "name": name, "until": until })))
}
