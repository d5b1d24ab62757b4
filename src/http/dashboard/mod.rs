//! The dashboard: what people ask, on pages. They show what the API tells, work without script, and are kept up to date by
//! `GET /api/v1/stream` with it. Each page is a file here and one in `templates/`.

mod actions;
mod activity;
mod assets;
mod attention;
mod calls;
mod chart;
mod compared;
mod cures;
mod customer;
mod customers;
mod decisions;
mod delivery;
mod event;
mod fetching;
mod forget;
mod frame;
mod payments;
mod period;
mod search;
mod set_up;
mod sign_in;
mod today;
mod view;
mod words;
mod written;

use actix_web::body::BoxBody;
use actix_web::dev::{HttpServiceFactory, ServiceRequest};
use actix_web::http::header;
use actix_web::middleware::{Next, from_fn};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder, web};

use super::problem::Problem;
use super::rights::{ANSWER, COMPARE, DECIDE, FETCH, FORGET, REVOKE, TEST_ALERTS};
use super::{Side, get, get_only, post, script};

/// The pages, what belongs to them, and what their forms are sent to.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    let sign_in = web::resource("/sign-in")
        .route(web::get().to(sign_in::form))
        .route(web::head().to(sign_in::form))
        .route(web::post().to(sign_in::sign_in))
        .default_service(web::to(get_only));
    config
        .service(get("/assets/{name}", assets::asset))
        .service(sign_in)
        .service(get("/signed-in", sign_in::signed_in))
        .service(post("/sign-out", sign_in::sign_out))
        .service(get("/session", sign_in::session))
        .service(page("/", today::page))
        .service(page("/attention", attention::page))
        .service(page("/customers", customers::page))
        // Before the address, of which it looks like one.
        .service(sent(FORGET, forget::send))
        .service(page("/customers/{email}", customer::page))
        .service(page("/customers/{email}/forget", forget::page))
        .service(page("/payments", payments::page))
        .service(page("/activity", activity::page))
        .service(page("/calls", calls::page))
        .service(page("/search", search::page))
        .service(page("/set-up", set_up::page))
        .service(page("/events/{id}", event::page))
        .service(page("/deliveries/{id}", delivery::page))
        .service(sent("/events/{id}/remap", actions::remap))
        .service(sent(DECIDE, actions::act))
        .service(sent(COMPARE, actions::compare))
        .service(sent(FETCH, actions::fetch))
        .service(sent(ANSWER, actions::answer))
        .service(sent(REVOKE, actions::revoke))
        .service(sent(TEST_ALERTS, actions::test_alerts));
}

/// Where programs ask, and are answered as programs are.
const OF_PROGRAMS: &[&str] = &["/api", "/webhooks", "/metrics", "/livez", "/readyz", "/assets", script::PATH];

/// Whether a browser asks for a page where there are pages: what is not there, or takes no such method, is told on one.
pub(super) fn is_asked_for_a_page(request: &HttpRequest) -> bool {
    let has_pages = request.app_data::<Side>().is_some_and(|side| *side != Side::Public);
    let is_within = |start: &&str| {
        let rest = request.path().strip_prefix(*start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut accepted = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    has_pages && !OF_PROGRAMS.iter().any(is_within) && accepted.any(|types| types.contains("text/html"))
}

/// What is wrong, on a page.
pub(super) fn problem(problem: &Problem) -> HttpResponse {
    frame::problem_page(problem, "/")
}

/// A page for those who are signed in. The others get the form, and come back to it.
fn page<F, Args>(path: &'static str, handler: F) -> impl HttpServiceFactory + use<F, Args>
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    get(path, handler)
        .wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| frame::guard(path, request, next)))
}

/// What a form is sent to, by those who have a right to that. Its handler reads the form and asks whether a page of theirs
/// sent it.
fn sent<F, Args>(path: &'static str, handler: F) -> impl HttpServiceFactory + use<F, Args>
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    post(path, handler)
        .wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| actions::guard(path, request, next)))
}
