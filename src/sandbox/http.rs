//! The sandbox's HTTP server: Refairn's two calls, referral links, and what only a sandbox has.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};

use super::Today;
use super::book::ApiCall;
use super::calls::Kind;
use super::faults::{Answer, Content, Effect, Fault};
use super::reply::Reply;
use super::shared::{Sandbox, Turn};

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long an idle connection stays open, in seconds.
const KEEP_ALIVE_S: u64 = 75;
/// How long a stop waits for calls under way, in seconds.
const SHUTDOWN_S: u64 = 1;
/// How long a browser keeps a referral code, in seconds: 30 days.
const COOKIE_AGE_S: u32 = 30 * 24 * 60 * 60;
/// The cookie that Refairn's tracking links set.
const COOKIE: &str = "refairn_code";

const HELP: &str = "\
A local Refairn. Nothing here leaves this machine, and nothing is kept when it stops.

POST   /api/events/customer-created    record a customer, credit an agent
POST   /api/events/payment-succeeded   record a payment, queue the commission
GET    /r/{code}                       a referral link: sets the cookie refairn_code
GET    /_sandbox/state                 all it holds, as JSON
POST   /_sandbox/faults                misbehave on the next calls
DELETE /_sandbox/faults                behave again
POST   /_sandbox/reset                 forget customers, payments, faults and calls

";

/// What every handler is given.
struct Site {
    sandbox: Sandbox,
    today: Today,
}

/// Serves `sandbox` on `listener` with so many worker threads, until the returned server is stopped through
/// its handle. The server runs once it is polled; it takes no signals.
///
/// # Errors
/// When the listener cannot be used.
pub fn start(listener: TcpListener, sandbox: Sandbox, today: Today, workers: usize) -> io::Result<Server> {
    let site = web::Data::new(Site { sandbox, today });
    let server = HttpServer::new(move || App::new().app_data(site.clone()).configure(routes))
        .workers(workers.max(1))
        .keep_alive(Duration::from_secs(KEEP_ALIVE_S))
        // A client that leaves ends its call, so a delayed one is not recorded behind its back.
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_S)
        .listen(listener)?
        .run();
    Ok(server)
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(help))
        .route("/r/{code}", web::get().to(referral_link))
        .route("/api/events/customer-created", web::post().to(customer_created))
        .route("/api/events/payment-succeeded", web::post().to(payment_succeeded))
        .route("/_sandbox/state", web::get().to(state))
        .route("/_sandbox/faults", web::post().to(add_faults))
        .route("/_sandbox/faults", web::delete().to(clear_faults))
        .route("/_sandbox/reset", web::post().to(reset))
        .default_service(web::to(not_found));
}

async fn customer_created(request: HttpRequest, body: web::Payload, site: web::Data<Site>) -> HttpResponse {
    event(Kind::CustomerCreated, &request, body, &site).await
}

async fn payment_succeeded(request: HttpRequest, body: web::Payload, site: web::Data<Site>) -> HttpResponse {
    event(Kind::PaymentSucceeded, &request, body, &site).await
}

async fn event(kind: Kind, request: &HttpRequest, body: web::Payload, site: &Site) -> HttpResponse {
    let body = match read(body).await {
        Ok(body) => body,
        Err(reply) => {
            site.sandbox.refused_unread(kind, reply.status);
            return respond(reply);
        }
    };
    let call = ApiCall {
        kind,
        authorization: text(request.headers(), header::AUTHORIZATION),
        cookie_code: cookie_code(request.headers()),
        body: &body,
        today: (site.today)(),
    };
    match site.sandbox.receive(call) {
        Turn::Reply(reply) => respond(reply),
        Turn::Fault { seq, fault, reply } => misbehave(&site.sandbox, call, seq, &fault, reply).await,
    }
}

async fn misbehave(
    sandbox: &Sandbox,
    call: ApiCall<'_>,
    seq: u64,
    fault: &Fault,
    decided: Option<Reply>,
) -> HttpResponse {
    tokio::time::sleep(fault.delay()).await;
    match fault.effect() {
        Effect::Late {} => {
            let reply = decided.unwrap_or_else(|| sandbox.decide(seq, call));
            sandbox.answered(seq, Some(reply.status));
            respond(reply)
        }
        Effect::Answer(answer) => {
            sandbox.answered(seq, Some(answer.status));
            wrong_answer(answer)
        }
        Effect::Drop { .. } => {
            sandbox.answered(seq, None);
            HttpResponse::Ok().body(Cut)
        }
    }
}

fn wrong_answer(answer: &Answer) -> HttpResponse {
    let mut builder = HttpResponse::build(status_code(answer.status));
    if let Some(retry_after) = &answer.retry_after {
        builder.insert_header((header::RETRY_AFTER, retry_after.as_str()));
    }
    if let Some(location) = &answer.location {
        builder.insert_header((header::LOCATION, location.as_str()));
    }
    builder.content_type("application/json");
    match &answer.content {
        Content::Error {} => builder.body(Reply::refusal(answer.status, "a fault, as ordered").body),
        Content::Text { body } => {
            if body.trim_start().starts_with('<') {
                builder.content_type("text/html; charset=utf-8");
            }
            builder.body(body.clone())
        }
        Content::Garbage { .. } => builder.body(&b"{\"success\": tr\xff\xfe\x00]]"[..]),
        Content::Flood { flood_bytes } => builder.body(Flood { left: *flood_bytes }),
    }
}

async fn referral_link(code: web::Path<String>, site: web::Data<Site>) -> HttpResponse {
    // What may stand in a cookie and in a page without escaping.
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let target = site.sandbox.look(|book| {
        let (business, _) = book.agent_by_code(&code).filter(|_| plain(&code))?;
        Some(business.site_url().map(str::to_owned))
    });
    let Some(target) = target else {
        return page(StatusCode::NOT_FOUND, "<p>No agent has this referral code.</p>");
    };
    let mut response = match target {
        Some(url) => HttpResponse::Found().insert_header((header::LOCATION, url)).finish(),
        None => page(StatusCode::OK, &format!("<p>Referred by <b>{code}</b>: the cookie {COOKIE} is set.</p>")),
    };
    let cookie = format!("{COOKIE}={code}; Max-Age={COOKIE_AGE_S}; Path=/; SameSite=Lax");
    if let Ok(cookie) = header::HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

async fn state(site: web::Data<Site>) -> HttpResponse {
    match site.sandbox.state((site.today)()) {
        Ok(body) => HttpResponse::Ok().content_type("application/json").body(body),
        Err(error) => respond(Reply::refusal(500, &error.to_string())),
    }
}

async fn add_faults(body: web::Payload, site: web::Data<Site>) -> HttpResponse {
    let body = match read(body).await {
        Ok(body) => body,
        Err(reply) => return respond(reply),
    };
    match Fault::read_all(&body).and_then(|faults| site.sandbox.add_faults(faults)) {
        Ok(()) => faults_left(&site.sandbox),
        Err(error) => respond(Reply::refusal(400, &error.to_string())),
    }
}

async fn clear_faults(site: web::Data<Site>) -> HttpResponse {
    site.sandbox.clear_faults();
    faults_left(&site.sandbox)
}

async fn reset(site: web::Data<Site>) -> HttpResponse {
    site.sandbox.reset();
    HttpResponse::NoContent().finish()
}

async fn help() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format!("{HELP}{}\n", Fault::HELP))
}

async fn not_found() -> HttpResponse {
    respond(Reply::refusal(404, "no such path; GET / lists them"))
}

fn faults_left(sandbox: &Sandbox) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "faults": sandbox.faults() }))
}

/// The whole body, or the reply to one that is too large or breaks off.
async fn read(body: web::Payload) -> Result<Bytes, Reply> {
    match body.to_bytes_limited(BODY_BYTES_MAX).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(Reply::refusal(400, "the body broke off")),
        Err(_) => Err(Reply::refusal(413, "the body is larger than 64 KiB")),
    }
}

fn respond(reply: Reply) -> HttpResponse {
    HttpResponse::build(status_code(reply.status)).content_type("application/json").body(reply.body)
}

fn page(status: StatusCode, content: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .body(format!("<!doctype html><title>Refairn sandbox</title>{content}\n"))
}

/// Faults and replies hold no status that is none, so the fallback is never seen.
fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn cookie_code(headers: &HeaderMap) -> Option<&str> {
    let pairs = text(headers, header::COOKIE)?.split(';');
    pairs.filter_map(|pair| pair.trim().split_once('=')).find_map(|(name, code)| (name == COOKIE).then_some(code))
}

/// A body that fails before its first byte. The server writes head and body in one go and closes the
/// connection when a body fails, so the client gets nothing at all: `src/sandbox/tests/faults.rs` holds it to that.
struct Cut;

impl MessageBody for Cut {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }
}

/// So many spaces.
struct Flood {
    left: u64,
}

impl MessageBody for Flood {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.left)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        const CHUNK: &[u8] = &[b' '; 16 * 1024];
        let chunk = CHUNK.get(..usize::try_from(self.left).unwrap_or(usize::MAX)).unwrap_or(CHUNK);
        if chunk.is_empty() {
            return Poll::Ready(None);
        }
        self.left -= chunk.len() as u64;
        Poll::Ready(Some(Ok(Bytes::from_static(chunk))))
    }
}
