//! What all pages have: who may see them, their headers, and what stands around them.

use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::assets;
use super::words::sentence;
use crate::http::connection::trust;
use crate::http::keys::Caller;
use crate::http::live::{self, State};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::rights::{self, DECIDE};
use crate::http::session::Session;
use crate::http::{AppState, Shared};

/// What a browser may load for a page, and who may frame it: nothing but our own files, and nobody.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// Characters of an address of ours that a form may lead back to.
const BACK_CHARS_MAX: usize = 1000;

/// What stands around a page.
pub(super) struct Frame {
    /// What the page is about.
    pub(super) title: String,
    /// Which part of the dashboard it is in.
    pub(super) section: &'static str,
    /// Who is signed in, and as what.
    pub(super) who: String,
    pub(super) role: &'static str,
    /// Whether they may decide anything.
    pub(super) may_act: bool,
    /// The only business that they see; empty when they see all.
    pub(super) business: String,
    /// What forms carry.
    pub(super) csrf: String,
    /// Where forms lead back to.
    pub(super) here: String,
    /// How many things need a person.
    pub(super) needs: i64,
    /// What was done just now.
    pub(super) message: Option<&'static str>,
    /// The state that the page shows.
    pub(super) fingerprint: String,
    /// Whether what is shown is a test.
    pub(super) test: bool,
    /// What stands in the search box.
    pub(super) sought: String,
    /// The addresses of our own files.
    pub(super) css: String,
    pub(super) js: String,
}

impl Frame {
    /// Whom things need: who may only look is not told that they need him.
    pub(super) const fn whom(&self) -> &'static str {
        if self.may_act { "you" } else { "a person" }
    }
}

/// A request for a page, by somebody who is signed in.
pub(super) struct Asked {
    session: Session,
    here: String,
    done: Option<String>,
    /// The state of everything.
    pub(super) now: Arc<State>,
}

impl Asked {
    /// Takes from a request what all pages need. `query` keeps what only this page takes.
    pub(super) async fn of(state: &Shared, request: &HttpRequest, query: &mut Parameters) -> Result<Self, Problem> {
        let session = request.extensions().get::<Session>().cloned().ok_or_else(Problem::unauthorized)?;
        let done = query.text("done");
        // What an action leads to shows what came of it.
        let now = match &session.caller.who.business {
            Some(business) => live::of_business(state, business).await?,
            None if done.is_some() => live::fresh(state).await?,
            None => live::state(state).await?,
        };
        Ok(Self { session, here: without_done(request), done, now })
    }

    /// Who is signed in.
    pub(super) const fn caller(&self) -> &Caller {
        &self.session.caller
    }

    /// The frame of a page.
    pub(super) fn frame(&self, state: &Shared, section: &'static str, title: &str) -> Frame {
        let who = &self.session.caller.who;
        Frame {
            title: title.to_owned(),
            section,
            who: who.name.clone(),
            role: who.role.code(),
            may_act: rights::may_post(DECIDE, who),
            business: who.business.clone().unwrap_or_default(),
            csrf: state.sessions.form_token(&self.session),
            here: self.here.clone(),
            needs: self.now.stats.things_to_see(state.clock.now()),
            message: self.done.as_deref().and_then(message),
            fingerprint: self.now.fingerprint.clone(),
            test: false,
            sought: String::new(),
            css: assets::address("dashboard.css"),
            js: assets::address("dashboard.js"),
        }
    }
}

/// What was done, in words.
fn message(done: &str) -> Option<&'static str> {
    match done {
        "release" => Some("Done: it goes out by itself now."),
        "retry" => Some("Done: it is tried again."),
        "discard" => Some("Done: it is off the list."),
        "remap" => Some("Done: the event is read again."),
        "compare" => Some("The provider is being asked: what it lists stands here when all is compared."),
        "fetch" => Some("The provider is being asked: what would be told stands here when all is listed."),
        "record" => Some("Done: it is being recorded, and is told from now on."),
        "leave" => Some("Done: nothing of it is told."),
        "test_alerts" => Some("Done: a message was sent to every place."),
        "forget" => Some("Done: the customer is forgotten, and this stands for the address from now on."),
        "forget_some" => Some(
            "The customer is forgotten, but gaps in the database's file could not be overwritten: the log says why.",
        ),
        "revoke" => Some("Done: the access is taken back, and whoever had it is signed out."),
        _ => None,
    }
}

/// The address of a page, without what only said what was done before.
fn without_done(request: &HttpRequest) -> String {
    let kept = request.query_string().split('&').filter(|part| !part.is_empty() && !part.starts_with("done="));
    let kept = kept.collect::<Vec<_>>().join("&");
    if kept.is_empty() { request.path().to_owned() } else { format!("{}?{kept}", request.path()) }
}

/// A path of ours that a browser may be sent to; the first page instead of anything else.
pub(super) fn own_path(text: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_graphic() && c != '\\';
    let is_own = text.starts_with('/') && !text.starts_with("//") && text.chars().all(is_plain);
    // Pages that only lead elsewhere would lead in a circle.
    let leads_on = ["/sign", "/session", "/webhooks", "/assets"].iter().any(|start| text.starts_with(start));
    if is_own && !leads_on && text.len() <= BACK_CHARS_MAX { text } else { "/" }
}

/// The form to sign in, which leads back to `here`.
pub(super) fn to_sign_in(here: &str) -> HttpResponse {
    let here = own_path(here);
    let back =
        if here == "/" { String::new() } else { format!("?back={}", utf8_percent_encode(here, NON_ALPHANUMERIC)) };
    see_other(&format!("/sign-in{back}"))
}

/// Sends the browser on, by GET.
pub(super) fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// Lets those see a page who are signed in. What goes wrong is a page, too.
pub(super) async fn guard<B: MessageBody + 'static>(
    path: &'static str,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
        return Err(Problem::internal().into());
    };
    // Pages are only looked at: what answers other methods says so to everybody.
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    let session = match Session::of(&state, request.request()).await {
        Ok(Some(session)) => session,
        Ok(None) => {
            let form = to_sign_in(&without_done(request.request()));
            return Ok(request.into_response(form).map_into_right_body());
        }
        Err(problem) => return Ok(request.into_response(problem_page(&problem, "/")).map_into_right_body()),
    };
    trust(request.request());
    if let Err(problem) = rights::check(path, request.method(), &session.caller.who) {
        // A reader of one business begins where that can be seen.
        let one_only = path == "/" && session.caller.who.business.is_some();
        let answer = if one_only { see_other("/attention") } else { problem_page(&problem, "/") };
        return Ok(request.into_response(answer).map_into_right_body());
    }
    request.extensions_mut().insert(session);
    let answer = next.call(request).await?;
    let problem = answer.response().error().and_then(|error| error.as_error::<Problem>()).cloned();
    match problem {
        Some(problem) => {
            let page = problem_page(&problem, "/");
            Ok(answer.into_response(page).map_into_right_body())
        }
        None => Ok(answer.map_into_left_body()),
    }
}

/// What went wrong, for a person.
#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    title: &'a str,
    code: &'a str,
    detail: String,
    is_grave: bool,
    back: &'a str,
    css: String,
}

/// A problem as a page, with a way back.
pub(super) fn problem_page(problem: &Problem, back: &str) -> HttpResponse {
    let page = ProblemPage {
        title: problem.title(),
        code: problem.code(),
        detail: sentence(problem.detail()),
        is_grave: problem.keeps_webhooks_out(),
        back: own_path(back),
        css: assets::address("dashboard.css"),
    };
    answer_to(problem, &page)
}

/// A page with the status of a problem.
pub(super) fn answer_to(problem: &Problem, page: &impl Template) -> HttpResponse {
    let Ok(text) = page.render() else { return problem.error_response() };
    let mut answer = problem.error_response().set_body(text).map_into_boxed_body();
    headers(&mut answer);
    answer
}

/// A page.
pub(super) fn answer(page: &impl Template) -> Result<HttpResponse, Problem> {
    let text = page.render().map_err(|_| Problem::internal())?;
    let mut answer = HttpResponse::Ok().body(text);
    headers(&mut answer);
    Ok(answer)
}

fn headers<B>(answer: &mut HttpResponse<B>) {
    let headers = answer.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // Under no-referrer the browser would send forms without an origin.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::{own_path, problem_page};
    use crate::http::problem::Problem;
    use crate::store::StoreError;

    #[actix_web::test]
    async fn only_what_keeps_webhooks_out_is_an_alarm() {
        let check = async |problem: Problem, status: u16, is_alarm: bool| {
            let answer = problem_page(&problem, "/attention");
            assert_eq!(answer.status().as_u16(), status);
            let page = String::from_utf8(to_bytes(answer.into_body()).await.unwrap().to_vec()).unwrap();
            assert_eq!(page.contains("We cannot take webhooks."), is_alarm, "{page}");
            assert!(page.contains("href=\"/attention\"") && page.contains(problem.code()), "{page}");
        };
        check(StoreError::Full("no room".into()).into(), 503, true).await;
        check(StoreError::Closed.into(), 503, true).await;
        check(StoreError::Overloaded.into(), 503, false).await;
        check(Problem::internal(), 503, false).await;
        check(Problem::not_our_form(), 403, false).await;
    }

    #[test]
    fn nobody_is_sent_elsewhere() {
        for own in ["/", "/attention", "/customers/a%40example.com?business=biz_1", "/payments?mode=test#totals"] {
            assert_eq!(own_path(own), own);
        }
        for other in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "attention",
            "/a\r\nSet-Cookie: x=1",
            "/a b",
            "/\u{e9}",
            "/sign-out",
            "/sign-in?back=/sign-in",
        ] {
            assert_eq!(own_path(other), "/", "{other:?}");
        }
    }
}
