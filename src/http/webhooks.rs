//! `POST /webhooks/{provider}[/{endpoint}]`: the raw bytes, within limits, to the intake. No JSON is looked at here.
//! What can be refused without its body is.

use std::net::IpAddr;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::body::{announced_bytes, read, refuse_unread};
use super::problem::Problem;
use super::source::source;
use super::{Rooms, Shared};
use crate::domain::endpoint::{Endpoint, ProviderKind};
use crate::intake::Arrival;
use crate::providers::provider;

/// The answer to a webhook.
#[derive(Serialize)]
struct Received {
    received: bool,
    event: String,
    duplicate: bool,
}

/// `POST /webhooks/{provider}`, when the provider has one endpoint.
pub(super) async fn receive_sole(
    rooms: web::Data<Rooms>,
    path: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    match sole(&rooms, &path) {
        Ok(endpoint) => receive(&rooms, endpoint, &request, payload).await,
        Err(problem) => Ok(refuse_unread(&problem, payload)),
    }
}

/// `POST /webhooks/{provider}/{endpoint}`.
pub(super) async fn receive_named(
    rooms: web::Data<Rooms>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let (provider, name) = path.into_inner();
    match named(&rooms, &provider, &name) {
        Ok(endpoint) => receive(&rooms, endpoint, &request, payload).await,
        Err(problem) => Ok(refuse_unread(&problem, payload)),
    }
}

fn sole<'a>(rooms: &'a Shared, provider: &str) -> Result<&'a Endpoint, Problem> {
    let mut of_provider = rooms.endpoints.iter().filter(|e| e.provider.code() == provider);
    let first = of_provider.next().ok_or_else(|| Problem::unknown_endpoint(unknown_provider(provider)))?;
    if of_provider.next().is_some() {
        let detail = format!("{provider} has several endpoints: send to /webhooks/{provider}/NAME");
        return Err(Problem::unknown_endpoint(detail));
    }
    Ok(first)
}

fn named<'a>(rooms: &'a Shared, provider: &str, name: &str) -> Result<&'a Endpoint, Problem> {
    let endpoint = rooms.endpoints.iter().find(|e| e.name == name && e.provider.code() == provider);
    endpoint.ok_or_else(|| {
        Problem::unknown_endpoint(if ProviderKind::parse(provider).is_some() {
            format!("{provider} has no endpoint of this name")
        } else {
            unknown_provider(provider)
        })
    })
}

fn unknown_provider(provider: &str) -> String {
    match ProviderKind::parse(provider) {
        Some(provider) => format!("no endpoint is configured for {provider}"),
        None => "the provider is stripe or paystack".to_owned(),
    }
}

async fn receive(
    rooms: &Shared,
    endpoint: &Endpoint,
    request: &HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let announced = announced_bytes(request).unwrap_or_default();
    let visitor = match rooms.intake.admit(endpoint, sender(rooms, request), announced, rooms.clock.now()) {
        Ok(visitor) => visitor,
        Err(error) => return Ok(refuse_unread(&error.into(), payload)),
    };
    let body = match read(request, &mut payload, &rooms.body_memory, visitor.is_known()).await {
        Ok(body) => body,
        Err(problem) => {
            rooms.intake.refuse(visitor, problem.code(), announced, rooms.clock.now());
            return Ok(refuse_unread(&problem, payload));
        }
    };
    let arrival = Arrival {
        visitor,
        signatures: request
            .headers()
            .get_all(provider(endpoint.provider).signature_header())
            .map(header::HeaderValue::as_bytes)
            .collect(),
        body: &body.bytes,
        at: rooms.clock.now(),
        machine_at: rooms.machine_clock.now(),
    };
    let recorded = rooms.intake.accept(arrival).await?;
    Ok(HttpResponse::Ok().json(Received {
        received: true,
        event: recorded.id.to_string(),
        duplicate: recorded.duplicate,
    }))
}

/// Who sent the request, as far as trusted proxies tell. A proxy may add a line to the header instead of writing into
/// the sender's, so all lines count, in their order.
fn sender(rooms: &Shared, request: &HttpRequest) -> Option<IpAddr> {
    let lines = request.headers().get_all(header::X_FORWARDED_FOR).map(|v| v.to_str().unwrap_or_default());
    let forwarded_for = lines.collect::<Vec<_>>().join(",");
    let trusted = |ip| rooms.trusted_proxies.iter().any(|p| p.contains(ip));
    request.peer_addr().map(|peer| source(peer.ip(), &forwarded_for, trusted))
}
