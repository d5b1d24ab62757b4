//! Whether the process lives, whether it can take webhooks, and what it counts.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use super::Rooms;
use super::problem::Problem;
use crate::store::StoreError;
use crate::telemetry::metrics;

/// How long a readiness probe waits for the store.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(3);

/// `GET /livez`. It is open to all, so it closes the connection like a refusal does.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().force_close().json(serde_json::json!({ "live": true }))
}

/// `GET /readyz`: an event could be recorded now. Trouble at Refairn does not matter: webhooks must keep coming in.
pub(super) async fn ready(rooms: web::Data<Rooms>) -> Result<HttpResponse, Problem> {
    let probe = tokio::time::timeout(PROBE_WAIT_MAX, rooms.store.probe()).await;
    probe.unwrap_or(Err(StoreError::Overloaded))?;
    Ok(HttpResponse::Ok().force_close().json(serde_json::json!({ "ready": true })))
}

/// `GET /metrics`
pub(super) async fn metrics(rooms: web::Data<Rooms>) -> Result<HttpResponse, Problem> {
    let stats = rooms.store.stats().await?;
    let text = metrics::render(&stats, rooms.clock.now());
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")).body(text))
}
