//! `POST /webhooks/{provider}[/{endpoint}]`: the raw bytes, within limits, to the intake. No JSON is looked at here.
//! What can be refused without its body is.

use std::time::Instant;

use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, web};

use super::body::{announced_bytes, read, refuse_unread};
use super::connection::trust;
use super::problem::Problem;
use super::source::sender;
use super::{AppState, Shared};
use crate::api::Received;
use crate::domain::endpoint::Endpoint;
use crate::domain::provider::ProviderKind;
use crate::intake::Arrival;
use crate::providers::{one_of, provider, signatures};
use crate::telemetry::events;

/// `POST /webhooks/{provider}`, when the provider has one endpoint.
pub(super) async fn receive_sole(
    state: web::Data<AppState>,
    path: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    match sole(&state, &path) {
        Ok(endpoint) => receive(&state, endpoint, &request, payload).await,
        Err(problem) => Ok(stray(&state, &request, payload, &problem)),
    }
}

/// `POST /webhooks/{provider}/{endpoint}`.
pub(super) async fn receive_named(
    state: web::Data<AppState>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let (provider, name) = path.into_inner();
    match named(&state, &provider, &name) {
        Ok(endpoint) => receive(&state, endpoint, &request, payload).await,
        Err(problem) => Ok(stray(&state, &request, payload, &problem)),
    }
}

fn sole<'a>(state: &'a Shared, provider: &str) -> Result<&'a Endpoint, Problem> {
    let mut of_provider = state.endpoints.iter().filter(|e| e.provider.code() == provider);
    let first = of_provider.next().ok_or_else(|| Problem::unknown_endpoint(unknown_provider(provider)))?;
    if of_provider.next().is_some() {
        let detail = format!("{provider} has several endpoints: send to /webhooks/{provider}/NAME");
        return Err(Problem::unknown_endpoint(detail));
    }
    Ok(first)
}

fn named<'a>(state: &'a Shared, provider: &str, name: &str) -> Result<&'a Endpoint, Problem> {
    let endpoint = state.endpoints.iter().find(|e| e.name == name && e.provider.code() == provider);
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
        None => format!("the provider is {}", one_of(ProviderKind::code)),
    }
}

async fn receive(
    state: &Shared,
    endpoint: &Endpoint,
    request: &HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let begun = Instant::now();
    let announced = announced_bytes(request).unwrap_or_default();
    let values = |header| request.headers().get_all(header).map(HeaderValue::as_bytes);
    let signatures = signatures(provider(endpoint.provider).descriptor(), values);
    let now = state.clock.now();
    let admission = match state.intake.admit(endpoint, sender(state, request), &signatures, announced, now) {
        Ok(admission) => admission,
        Err(error) => return Ok(refuse_unread(&error.into(), payload)),
    };
    let body = match read(request, &mut payload, &state.body_memory, admission).await {
        Ok(body) => body,
        Err(problem) => {
            let now = state.clock.now();
            if problem.is_to_blame_on_the_sender() {
                state.intake.refuse(admission, problem.code(), announced, now);
            } else {
                state.intake.put_off(admission, problem.code(), announced, now);
            }
            return Ok(refuse_unread(&problem, payload));
        }
    };
    let arrival = Arrival {
        admission,
        signatures,
        body: &body.bytes,
        at: state.clock.now(),
        machine_at: state.machine_clock.now(),
    };
    let recorded = state.intake.accept(arrival).await?;
    if !recorded.duplicate {
        trust(request);
    }
    events::answered(begun.elapsed());
    Ok(HttpResponse::Ok().json(Received {
        received: true,
        event: recorded.id.to_string(),
        duplicate: recorded.duplicate,
    }))
}

/// The answer to a request that meets no endpoint. It is among the refused ones: the provider may have been given a wrong
/// address.
pub(super) fn stray(state: &Shared, request: &HttpRequest, payload: web::Payload, problem: &Problem) -> HttpResponse {
    let announced = announced_bytes(request).unwrap_or_default();
    let source = sender(state, request);
    state.intake.stray(request.path(), problem.code(), source, announced, state.clock.now());
    refuse_unread(problem, payload)
}
