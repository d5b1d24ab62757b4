//! `POST /webhooks/{provider}[/{endpoint}]`: the raw bytes, within limits, to the intake. No JSON is looked at here.

use std::net::IpAddr;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use serde::Serialize;

use super::problem::Problem;
use super::source::source;
use super::{Rooms, Shared};
use crate::domain::endpoint::{Endpoint, ProviderKind};
use crate::intake::Arrival;
use crate::providers::provider;

/// How long a body may take to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(15);

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
    let provider = path.into_inner();
    let mut of_provider = rooms.endpoints.iter().filter(|e| e.provider.code() == provider);
    let Some(first) = of_provider.next() else {
        return Err(Problem::unknown_endpoint(unknown_provider(&provider)));
    };
    if of_provider.next().is_some() {
        let detail = format!("{provider} has several endpoints: send to /webhooks/{provider}/NAME");
        return Err(Problem::unknown_endpoint(detail));
    }
    receive(&rooms, first, &request, payload).await
}

/// `POST /webhooks/{provider}/{endpoint}`.
pub(super) async fn receive_named(
    rooms: web::Data<Rooms>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let (provider, name) = path.into_inner();
    let endpoint = rooms.endpoints.iter().find(|e| e.name == name && e.provider.code() == provider);
    let Some(endpoint) = endpoint else {
        let detail = if ProviderKind::parse(&provider).is_some() {
            format!("{provider} has no endpoint of this name")
        } else {
            unknown_provider(&provider)
        };
        return Err(Problem::unknown_endpoint(detail));
    };
    receive(&rooms, endpoint, &request, payload).await
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
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let source = sender(rooms, request);
    let body = match read_body(request, payload, rooms.body_bytes_max).await {
        Ok(body) => body,
        Err(problem) => {
            let bytes = announced_bytes(request).unwrap_or_default();
            rooms.intake.refused_unread(endpoint, problem.code(), source, bytes, rooms.clock.now());
            return Err(problem);
        }
    };
    let arrival = Arrival {
        endpoint,
        source,
        signatures: request
            .headers()
            .get_all(provider(endpoint.provider).signature_header())
            .map(header::HeaderValue::as_bytes)
            .collect(),
        body: &body,
        at: rooms.clock.now(),
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

/// The length that the sender announces.
fn announced_bytes(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok())
}

/// The body, byte for byte, if it is not too long and does not take too long.
async fn read_body(request: &HttpRequest, mut payload: web::Payload, bytes_max: usize) -> Result<web::Bytes, Problem> {
    let identity = |v: &header::HeaderValue| v.as_bytes().eq_ignore_ascii_case(b"identity");
    if !request.headers().get_all(header::CONTENT_ENCODING).all(identity) {
        return Err(Problem::content_encoded());
    }
    let announced = announced_bytes(request);
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(Problem::body_too_large(bytes_max));
    }
    let read = async {
        let mut body = web::BytesMut::with_capacity(announced.unwrap_or_default());
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Problem::body_incomplete())?;
            if body.len() + chunk.len() > bytes_max {
                return Err(Problem::body_too_large(bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    let in_time = tokio::time::timeout(BODY_WAIT_MAX, read).await;
    in_time.unwrap_or_else(|_| Err(Problem::too_slow(BODY_WAIT_MAX.as_secs())))
}
