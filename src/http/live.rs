//! What open pages are told: the state of everything in a few numbers, at the beginning and whenever it has changed. All
//! pages share one look at the store.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use std::sync::Arc;

use super::api::numbers;
use super::keys::Caller;
use super::parameters::Parameters;
use super::problem::Problem;
use super::{AppState, Shared};
use crate::api::{Route, Stats};
use crate::domain::access::AccessId;
use crate::store::StoreError;

/// Pages that are shown live at once.
const STREAMS_MAX: usize = 64;
/// How often the state is looked at while any page is open.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so much silence a page hears that its stream still goes on: proxies end what is silent for a minute.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// How long one stream lasts; its page opens the next one by itself, and is asked who it is.
const STREAM_WAIT_MAX: Duration = Duration::from_mins(30);
/// When a browser comes back after its stream broke off, milliseconds.
const RETRY_MS: u32 = 3000;
/// Digits of a fingerprint.
const FINGERPRINT_DIGITS: usize = 16;

/// What open pages are told.
#[derive(Debug)]
pub struct Live {
    streams: Arc<Semaphore>,
    last: Mutex<Option<(Instant, Arc<State>)>>,
}

impl Default for Live {
    fn default() -> Self {
        Self { streams: Arc::new(Semaphore::new(STREAMS_MAX)), last: Mutex::new(None) }
    }
}

/// The state of everything at one moment.
#[derive(Debug)]
pub(super) struct State {
    /// The numbers.
    pub(super) stats: Stats,
    /// Tells this state from any other.
    pub(super) fingerprint: String,
    json: String,
}

/// What a page is told.
#[derive(Serialize)]
struct Told<'a> {
    fingerprint: &'a str,
    needs_attention: i64,
    stats: &'a Stats,
}

impl State {
    fn new(stats: Stats) -> Self {
        let text = serde_json::to_string(&stats).unwrap_or_default();
        let mut fingerprint = hex::encode(Sha256::digest(text.as_bytes()));
        fingerprint.truncate(FINGERPRINT_DIGITS);
        let told = Told { fingerprint: &fingerprint, needs_attention: stats.needs_attention, stats: &stats };
        let json = serde_json::to_string(&told).unwrap_or_default();
        Self { json, stats, fingerprint }
    }
}

/// The state now. Those who ask within one second are given the same.
pub(super) async fn state(state: &Shared) -> Result<Arc<State>, StoreError> {
    let mut last = state.live.last.lock().await;
    if let Some((_, found)) = last.as_ref().filter(|(at, _)| at.elapsed() < LOOK_EVERY) {
        return Ok(found.clone());
    }
    let found = Arc::new(State::new(numbers(state).await?));
    *last = Some((Instant::now(), found.clone()));
    Ok(found)
}

/// The state as it is now, whenever it was looked at last: for the page that an action leads to.
pub(super) async fn fresh(shared: &Shared) -> Result<Arc<State>, StoreError> {
    shared.live.last.lock().await.take();
    state(shared).await
}

/// What of the state is one business's: its routes, and how many of its things need a person. No stream tells of it.
pub(super) async fn of_business(shared: &Shared, business: &str) -> Result<Arc<State>, StoreError> {
    let routes = shared.store.stats().await?.routes.into_iter();
    let routes = routes.filter(|route| route.business == business).map(Route::from).collect();
    let needs_attention = shared.store.needs_of(business).await?;
    Ok(Arc::new(State {
        stats: Stats { routes, needs_attention, ..Stats::default() },
        fingerprint: String::new(),
        json: String::new(),
    }))
}

/// Where one stream is.
struct Stream {
    shared: AppState,
    stopping: CancellationToken,
    begun: Instant,
    told_at: Instant,
    told: Option<String>,
    /// By which token its reader was let in.
    access: Option<AccessId>,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// What the page is told next; nothing at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            let is_first = self.told.is_none();
            if !is_first {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = self.stopping.cancelled() => return None,
                }
            }
            if self.stopping.is_cancelled() || self.begun.elapsed() >= STREAM_WAIT_MAX {
                return None;
            }
            let shared = &self.shared;
            let Ok(Some(_)) = shared.keys.of(&shared.store, self.access, shared.clock.now()).await else {
                // The token has ended, or was taken back.
                return None;
            };
            let Ok(now) = state(shared).await else {
                // It is the store's trouble, and passes: the page hears of it when it asks again.
                return None;
            };
            if self.told.as_ref() != Some(&now.fingerprint) {
                (self.told, self.told_at) = (Some(now.fingerprint.clone()), Instant::now());
                let retry = if is_first { format!("retry: {RETRY_MS}\n") } else { String::new() };
                return Some(format!("{retry}event: state\nid: {}\ndata: {}\n\n", now.fingerprint, now.json));
            }
            if self.told_at.elapsed() >= HEARTBEAT_EVERY {
                self.told_at = Instant::now();
                return Some(": still here\n\n".to_owned());
            }
        }
    }
}

/// `GET /api/v1/stream`: server-sent events. Each is the whole state, so nothing is lost where a stream breaks off.
pub(super) async fn stream(
    state: web::Data<AppState>,
    request: HttpRequest,
    caller: web::ReqData<Caller>,
    query: Parameters,
) -> Result<HttpResponse, Problem> {
    query.close()?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CONTENT_TYPE, "text/event-stream"));
    // nginx would hold every event until the end.
    answer.insert_header(("X-Accel-Buffering", "no"));
    if request.method() == actix_web::http::Method::HEAD {
        return Ok(answer.finish());
    }
    let place = state.live.streams.clone().try_acquire_owned().map_err(|_| Problem::too_many_streams())?;
    let now = Instant::now();
    let stream = Stream {
        shared: AppState::clone(&state),
        stopping: state.tasks.stopping(),
        begun: now,
        told_at: now,
        told: None,
        access: caller.access,
        _place: place,
    };
    let told = stream::unfold(stream, |mut stream| async move {
        let text = stream.next().await?;
        Some((Ok::<_, Infallible>(web::Bytes::from(text)), stream))
    });
    Ok(answer.streaming(told))
}
