//! HTTP: every route on one screen. Webhooks and health are open; the API, the metrics and the dashboard need a token, or a
//! session that was opened with one. `rights` says which role each of them takes.

mod admin;
mod alerts;
mod api;
mod backfills;
mod body;
mod changed;
mod connection;
mod credit;
mod dashboard;
mod forget;
mod form;
mod health;
mod json;
mod keys;
mod live;
mod missed;
mod openapi;
mod parameters;
mod payments;
mod people;
mod places;
pub mod problem;
mod reconciliations;
pub mod rights;
mod script;
mod search;
mod seen;
mod serve;
mod session;
mod source;
mod story;
mod webhooks;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, web};
use futures_util::FutureExt;
use jiff::tz::TimeZone;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::domain::endpoint::Endpoint;
use crate::domain::network::Network;
use crate::intake::Intake;
use crate::mapping::Reader;
use crate::store::Store;
use crate::tasks::Tasks;
pub use admin::Guesses;
pub use alerts::AlertPlaces;
pub use body::BodyMemory;
pub use health::Readiness;
pub use keys::Keys;
pub use live::Live;
use problem::Problem;
pub use serve::{listen, serve};
pub use session::Sessions;
pub use source::UnnamedProxy;

/// What the handlers share.
pub struct Shared {
    /// The configured endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Where webhooks go.
    pub intake: Intake,
    /// Where answers come from.
    pub store: Store,
    /// How events are read today.
    pub reader: Reader,
    /// The time that the store goes by.
    pub clock: Clock,
    /// The time by which signatures are checked: providers sign by the true time, which a database's need not be.
    pub machine_clock: Clock,
    /// The tokens that open the dashboard, the API and the metrics.
    pub keys: Keys,
    /// Who has guessed at them.
    pub guesses: Guesses,
    /// What signs the sessions that are opened with them.
    pub sessions: Sessions,
    /// Where people open the dashboard, without a slash at the end; nothing where the configuration does not say it.
    pub public_url: Option<String>,
    /// Where alerts go.
    pub alerts: AlertPlaces,
    /// What open pages are told.
    pub live: Live,
    /// What of the configuration deserves a look, each a sentence.
    pub warnings: Vec<String>,
    /// Where Refairn is.
    pub refairn_url: String,
    /// Whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<Network>,
    /// Who sends one that is not.
    pub unnamed_proxy: UnnamedProxy,
    /// Longest webhook body, bytes.
    pub body_bytes_max: usize,
    /// What the bodies that are being read may take together.
    pub body_memory: BodyMemory,
    /// Whether calls carry `eventId`.
    pub event_id: bool,
    /// Where payments have their days.
    pub time_zone: TimeZone,
    /// What the last readiness probe found.
    pub readiness: Readiness,
    /// What has to go on.
    pub tasks: Tasks,
    /// Notified when events have to be read anew.
    pub inbox: Arc<Notify>,
    /// Notified when there may be something to send.
    pub outbox: Arc<Notify>,
    /// Notified when a backfill was begun, or may be recorded.
    pub backfills: Arc<Notify>,
}

impl Shared {
    /// Whether `address` is a proxy that is believed about who sent a request.
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|proxy| proxy.contains(address))
    }
}

type AppState = Arc<Shared>;

/// Which routes a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Everything.
    Both,
    /// Webhooks and health: open to the world.
    Public,
    /// The API, the metrics and health.
    Admin,
}

fn routes(side: Side, config: &mut web::ServiceConfig) {
    config.service(get("/livez", health::live)).service(get("/readyz", health::ready));
    if side != Side::Admin {
        // A slash at the end is easily written in a dashboard, and means nothing else.
        let of_provider = web::resource(["/webhooks/{provider}", "/webhooks/{provider}/"]);
        let of_endpoint = web::resource(["/webhooks/{provider}/{endpoint}", "/webhooks/{provider}/{endpoint}/"]);
        config
            .service(get(script::PATH, script::script))
            .service(of_provider.route(web::post().to(webhooks::receive_sole)).default_service(web::to(post_only)))
            .service(of_endpoint.route(web::post().to(webhooks::receive_named)).default_service(web::to(post_only)));
    }
    if side != Side::Public {
        config.service(looks("/metrics", health::metrics)).service(
            web::scope(API)
                .service(looks("/api/v1/events", api::events))
                .service(looks("/api/v1/events/changed", changed::changed))
                .service(looks("/api/v1/events/{id}", api::event))
                .service(acts("/api/v1/events/{id}/remap", api::remap))
                .service(looks("/api/v1/deliveries", api::deliveries))
                .service(looks("/api/v1/deliveries/{id}", api::delivery))
                .service(acts("/api/v1/deliveries/{id}/{action}", api::act))
                .service(looks("/api/v1/search", search::search))
                .service(looks("/api/v1/why", story::why))
                // Before the address, of which it looks like one.
                .service(acts("/api/v1/customers/forget", forget::forget))
                .service(looks("/api/v1/customers/{email}", story::customer))
                .service(looks("/api/v1/payments", payments::payments))
                .service(both("/api/v1/backfills", backfills::backfills, backfills::start))
                .service(looks("/api/v1/backfills/{id}", backfills::backfill))
                .service(acts("/api/v1/backfills/{id}/{action}", backfills::act))
                .service(both("/api/v1/reconciliations", reconciliations::reconciliations, reconciliations::start))
                .service(looks("/api/v1/reconciliations/{id}", reconciliations::reconciliation))
                .service(looks("/api/v1/reconciliations/{id}/payments", reconciliations::payments))
                .service(looks("/api/v1/stats", api::stats))
                .service(looks("/api/v1/stream", live::stream))
                .service(looks("/api/v1/openapi.json", openapi::openapi))
                .service(looks("/api/v1/audit", people::audit))
                .service(both("/api/v1/access", people::list, people::create))
                .service(acts("/api/v1/access/{name}/revoke", people::revoke))
                .service(acts("/api/v1/alerts/test", alerts::test))
                .default_service(web::to(no_such_call)),
        );
        dashboard::routes(config);
    }
}

/// Where the API begins.
const API: &str = "/api/v1";

/// A path for those who have a right to look at it.
fn looks<F, Args>(path: &'static str, handler: F) -> impl HttpServiceFactory + use<F, Args>
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    guarded(path, get(in_scope(path), handler))
}

/// A path for those who have a right to act on it.
fn acts<F, Args>(path: &'static str, handler: F) -> impl HttpServiceFactory + use<F, Args>
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    guarded(path, post(in_scope(path), handler))
}

/// A path that is looked at and acted on, each by those who have a right to that.
fn both<L, LookArgs, A, ActArgs>(
    path: &'static str,
    look: L,
    act: A,
) -> impl HttpServiceFactory + use<L, LookArgs, A, ActArgs>
where
    L: Handler<LookArgs>,
    LookArgs: FromRequest + 'static,
    L::Output: Responder + 'static,
    A: Handler<ActArgs>,
    ActArgs: FromRequest + 'static,
    A::Output: Responder + 'static,
{
    let looked_at = web::resource(in_scope(path)).route(web::get().to(look.clone())).route(web::head().to(look));
    guarded(path, looked_at.route(web::post().to(act)).default_service(web::to(get_or_post)))
}

/// A path within the scope that it is registered in.
fn in_scope(path: &str) -> &str {
    path.strip_prefix(API).unwrap_or(path)
}

/// Asks of each caller what `rights` has for the path.
fn guarded(path: &'static str, resource: Resource) -> impl HttpServiceFactory {
    resource.wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| admin::guard(path, request, next)))
}

/// A path that is looked at. HEAD is answered as GET is, without the body.
fn get<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let looked_at = web::resource(path).route(web::get().to(handler.clone())).route(web::head().to(handler));
    looked_at.default_service(web::to(get_only))
}

/// A path that acts.
fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path).route(web::post().to(handler)).default_service(web::to(post_only))
}

/// Those who have no token are not told which paths there are.
async fn no_such_call(state: web::Data<AppState>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let problem = admin::let_in(&state, &request).await.err().unwrap_or_else(Problem::no_such_path);
    turn_away(&state, &request, payload, &problem)
}

async fn no_such_path(state: web::Data<AppState>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    turn_away(&state, &request, payload, &Problem::no_such_path())
}

async fn get_only(state: web::Data<AppState>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    turn_away(&state, &request, payload, &Problem::method_not_allowed("GET, HEAD"))
}

async fn get_or_post(state: web::Data<AppState>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    turn_away(&state, &request, payload, &Problem::method_not_allowed("GET, HEAD, POST"))
}

async fn post_only(state: web::Data<AppState>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    turn_away(&state, &request, payload, &Problem::method_not_allowed("POST"))
}

fn turn_away(state: &Shared, request: &HttpRequest, payload: web::Payload, problem: &Problem) -> HttpResponse {
    if request.path().starts_with("/webhooks/") {
        webhooks::stray(state, request, payload, problem)
    } else if dashboard::is_asked_for_a_page(request) {
        body::with_unread(dashboard::problem(problem), payload.into_inner())
    } else {
        body::refuse_unread(problem, payload)
    }
}

/// A handler that panics is trouble of ours, and no reason to leave its sender without an answer.
async fn catch_panics(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let answer = AssertUnwindSafe(async move { next.call(request).await }).catch_unwind().await;
    answer.unwrap_or_else(|_| Err(Problem::internal().into()))
}
