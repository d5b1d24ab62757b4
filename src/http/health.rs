//! Whether the process lives, whether it can take webhooks, and what it counts.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::AppState;
use super::api;
use super::problem::Problem;
use crate::api::{Live, Ready};
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use crate::telemetry::metrics;

/// How long a readiness probe waits for the store.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(3);
/// How long the answer of a probe counts: it is a write, and anybody may ask.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// `GET /livez`: all that the process cannot do without goes on. It is open to all, so it closes the connection like a
/// refusal does.
pub(super) async fn live(state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    aliveness(&state.tasks)
}

fn aliveness(tasks: &Tasks) -> Result<HttpResponse, Problem> {
    match tasks.failure() {
        None => Ok(HttpResponse::Ok().force_close().json(Live { live: true })),
        Some(failure) => Err(Problem::not_alive(failure)),
    }
}

/// `GET /readyz`: an event could be recorded now. Trouble at Refairn does not matter: webhooks must keep coming in.
pub(super) async fn ready(state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    state.readiness.ask(&state.store).await?;
    Ok(HttpResponse::Ok().force_close().json(Ready { ready: true }))
}

/// Whether the store takes writes, as the last probe found. All who ask at the same time share one.
#[derive(Default)]
pub struct Readiness(Mutex<Option<Probe>>);

struct Probe {
    begun: Instant,
    answer: Shared<BoxFuture<'static, Result<(), StoreError>>>,
}

impl Readiness {
    async fn ask(&self, store: &Store) -> Result<(), StoreError> {
        let store = store.clone();
        self.ask_by(async move { store.probe().await }).await
    }

    /// What the last probe found, or finds; `probe` is made when that is too long ago.
    async fn ask_by(
        &self,
        probe: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) -> Result<(), StoreError> {
        let answer = {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let counts = |last: &&Probe| last.answer.peek().is_none() || last.begun.elapsed() < PROBE_EVERY;
            match last.as_ref().filter(counts) {
                Some(last) => last.answer.clone(),
                None => {
                    let answer = within_limit(probe).boxed().shared();
                    *last = Some(Probe { begun: Instant::now(), answer: answer.clone() });
                    answer
                }
            }
        };
        answer.await
    }
}

async fn within_limit(probe: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
    tokio::time::timeout(PROBE_WAIT_MAX, probe).await.unwrap_or(Err(StoreError::Overloaded))
}

/// `GET /metrics`
pub(super) async fn metrics(state: web::Data<AppState>) -> Result<HttpResponse, Problem> {
    let stats = api::stored(&state).await?;
    let text = metrics::render(&stats, state.clock.now());
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")).body(text))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use actix_web::ResponseError;

    use super::*;

    #[tokio::test]
    async fn it_lives_as_long_as_all_that_it_cannot_do_without() {
        let tasks = Tasks::new();
        tasks.begin_vigil().unwrap();
        tasks.spawn_vital("mapper", |_| std::future::pending());
        assert!(aliveness(&tasks).is_ok());
        tasks.spawn_vital("dispatcher", |_| async {});
        tokio::time::timeout(Duration::from_secs(30), tasks.failed()).await.expect("it is seen");
        let problem = aliveness(&tasks).unwrap_err();
        assert_eq!((problem.status_code().as_u16(), problem.code()), (503, "not_alive"));
        assert!(problem.to_string().contains("the task dispatcher ended"), "{problem}");
    }

    #[tokio::test]
    async fn those_who_ask_share_a_probe_and_whoever_goes_away_does_not_keep_the_others_waiting() {
        let (readiness, probes) = (Readiness::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let probes = probes.clone();
            readiness.ask_by(async move {
                probes.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Err(StoreError::Overloaded)
            })
        };
        let mut gone = Box::pin(ask());
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        let answers = futures_util::future::join_all((0..200).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| *answer == Err(StoreError::Overloaded)));
        assert_eq!(probes.load(Ordering::Relaxed), 1);
        if let Some(last) = &mut *readiness.0.lock().unwrap() {
            last.begun = last.begun.checked_sub(PROBE_EVERY).unwrap();
        }
        assert!(ask().await.is_err());
        assert_eq!(probes.load(Ordering::Relaxed), 2);
    }
}
