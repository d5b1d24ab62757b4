//! HTTP: every route on one screen. Webhooks and health are open; the API and the metrics need the admin token.

mod admin;
mod api;
mod body;
mod health;
mod json;
pub mod problem;
mod source;
mod webhooks;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::Network;
use crate::domain::endpoint::Endpoint;
use crate::domain::secret::Secret;
use crate::intake::Intake;
use crate::store::Store;
pub use body::BodyMemory;
use problem::Problem;

/// How long a client may take to send the headers of a connection's first request.
const HEADERS_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long an idle connection is kept; longer than the usual proxies keep theirs, so that it is they who close.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long the rest of an unread body is read, so that its sender sees the answer, before the connection is closed.
const LINGER_MAX: Duration = Duration::from_secs(1);
/// How long requests may take to finish after a stop was asked for, seconds.
const SHUTDOWN_WAIT_S: u64 = 10;
/// Connections at once, over all workers; beyond that they wait to be accepted. With 32 KiB of each body, and as much of
/// what the server reads ahead, they take some 64 MiB at the most.
const CONNECTIONS_MAX: usize = 1024;

/// What the handlers share.
pub struct Shared {
    /// The configured endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Where webhooks go.
    pub intake: Intake,
    /// Where answers come from.
    pub store: Store,
    /// The time that the store goes by.
    pub clock: Clock,
    /// The time by which signatures are checked: providers sign by the true time, which a database's need not be.
    pub machine_clock: Clock,
    /// Opens the API and the metrics.
    pub admin_token: Secret,
    /// Whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<Network>,
    /// Longest webhook body, bytes.
    pub body_bytes_max: usize,
    /// What the bodies that are being read may take together.
    pub body_memory: BodyMemory,
    /// Whether calls carry `eventId`.
    pub event_id: bool,
    /// Notified when events are to be read anew.
    pub inbox: Arc<Notify>,
    /// Notified when there may be something to send.
    pub outbox: Arc<Notify>,
}

type Rooms = Arc<Shared>;

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
    config.route("/livez", web::get().to(health::live)).route("/readyz", web::get().to(health::ready));
    if side != Side::Admin {
        config
            .service(
                web::resource("/webhooks/{provider}")
                    .route(web::post().to(webhooks::receive_sole))
                    .default_service(web::to(post_only)),
            )
            .service(
                web::resource("/webhooks/{provider}/{endpoint}")
                    .route(web::post().to(webhooks::receive_named))
                    .default_service(web::to(post_only)),
            );
    }
    if side != Side::Public {
        config
            .service(web::resource("/metrics").wrap(from_fn(admin::guard)).route(web::get().to(health::metrics)))
            .service(
                web::scope("/api/v1")
                    .wrap(from_fn(admin::guard))
                    .route("/events", web::get().to(api::events))
                    .route("/events/{id}", web::get().to(api::event))
                    .route("/events/{id}/remap", web::post().to(api::remap))
                    .route("/deliveries", web::get().to(api::deliveries))
                    .route("/deliveries/{id}", web::get().to(api::delivery))
                    .route("/deliveries/{id}/{action}", web::post().to(api::act))
                    .route("/stats", web::get().to(api::stats))
                    .default_service(web::to(no_such_path)),
            );
    }
}

async fn no_such_path(payload: web::Payload) -> HttpResponse {
    body::refuse_unread(&Problem::no_such_path(), payload)
}

async fn post_only(payload: web::Payload) -> HttpResponse {
    body::refuse_unread(&Problem::method_not_allowed("POST"), payload)
}

/// Serves `side` on `listener` until its handle is stopped.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(listener: TcpListener, shared: Rooms, side: Side, workers: usize) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shared.clone()))
            .app_data(web::QueryConfig::default().error_handler(|e, _| Problem::bad_parameter(e.to_string()).into()))
            .wrap(from_fn(body::hold_unread))
            .configure(|config| routes(side, config))
            .default_service(web::to(no_such_path))
    })
    .workers(workers)
    .client_request_timeout(HEADERS_WAIT_MAX)
    .keep_alive(KEEP_ALIVE)
    .client_disconnect_timeout(LINGER_MAX)
    .max_connections(CONNECTIONS_MAX / workers.max(1))
    .shutdown_timeout(SHUTDOWN_WAIT_S)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}
