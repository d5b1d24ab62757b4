//! Reading the lists of providers for what was missed while nobody listened.
//!
//! A backfill goes through its states one step at a time, and each step is written with where the next one begins: so it
//! goes on after a kill where it was, and the memory that it takes is that of a page.
//!
//! * `listing`: a page is asked for, and its rows are read as events are.
//! * `answer`: what a reply means.
//!
//! * `comparing`: of a reconciliation, what was listed is compared with what we have; and those that begin by themselves.
//!
//! What was listed for a backfill is tried out by the store, and recorded once a person has said so. From there on `mapping` reads it
//! like any event.

mod answer;
mod comparing;
mod listing;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, after, chance_permille};
use crate::domain::backfill::{BackfillId, BackfillState, Purpose};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::EventId;
use crate::domain::proxy::Proxies;
use crate::mapping::Reader;
use crate::outbound::{Backoff, Client, ClientError, Limits, with_jitter};
use crate::store::{Backfill, Inbox, Mapped, Store, StoreError, ToWeigh};
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;

/// Longest a page takes, from connecting to the last byte.
const PAGE_WAIT_MAX: Duration = Duration::from_secs(60);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Idle connections are closed after this.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Longest page that is read, bytes: a hundred large invoices with their customers.
const PAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long another replica leaves a backfill to the one that took it: longer than any step.
const CLAIM: Duration = Duration::from_secs(180);
/// When a step that failed is done again.
const RETRIES: Backoff =
    Backoff { first: Duration::from_secs(1), own_max: Duration::from_secs(60), asked_max: Duration::from_secs(3600) };
/// How long a step is tried again in vain: through an outage of half an hour. A longer wait that the provider asks for is
/// waited once.
const OUTAGE_MAX: Duration = Duration::from_secs(1800);
/// How long a backfill waits for a person's word.
const WORD_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);
/// How long the worker rests when the store fails.
const STORE_REST: Duration = Duration::from_secs(1);

/// Reads lists.
pub struct Worker {
    store: Store,
    client: Client,
    clock: Clock,
    reader: Reader,
    endpoints: BTreeMap<String, Endpoint>,
    /// Longest body that the mapper reads, bytes.
    body_bytes_max: usize,
    /// Before it nothing was tried.
    begun_at: Timestamp,
}

/// What came of a step.
enum Step {
    /// The next one may begin at once, or at this time.
    Next(Option<Timestamp>),
    /// It failed, and is done again: not before this span is over, if that was asked for. The text says why.
    Again(Option<Duration>, String),
    /// It cannot be done. The text says why, and what to do.
    Failed(String),
}

impl Worker {
    /// A worker for these endpoints.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(
        store: Store,
        clock: Clock,
        endpoints: &[Endpoint],
        body_bytes_max: usize,
        proxies: &Proxies,
    ) -> Result<Self, ClientError> {
        let limits =
            Limits { whole: PAGE_WAIT_MAX, connect: CONNECT_MAX, idle: IDLE_MAX, response_bytes: PAGE_BYTES_MAX };
        let client = Client::new(limits, proxies, clock.clone())?;
        let reader = Reader::new(endpoints, body_bytes_max);
        let endpoints = endpoints.iter().map(|e| (e.name.clone(), e.clone())).collect();
        let begun_at = clock.now();
        Ok(Self { store, client, clock, reader, endpoints, body_bytes_max, begun_at })
    }

    /// Works until `stop`. Looks for work whenever `wake` is notified, and when something becomes due; notifies `inbox` of
    /// what it records.
    pub async fn run(self, inbox: Arc<Notify>, wake: Arc<Notify>, pulse: Pulse, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let turn = pulse.step(TURN_MAX);
            let next = self.work_once(&inbox, &stop).await.unwrap_or_else(|error| {
                events::store_failed("go on with a backfill", &error);
                Some(after(self.clock.now(), STORE_REST))
            });
            drop(turn);
            if next.is_some_and(|at| at <= self.clock.now()) {
                continue;
            }
            tokio::select! {
                () = wake.notified() => {}
                () = pulse.rest() => {}
                () = self.sleep_until(next) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn sleep_until(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Does one step of what has been due for longest; gives when there is something to do next.
    async fn work_once(&self, inbox: &Notify, stop: &CancellationToken) -> Result<Option<Timestamp>, StoreError> {
        let now = self.clock.now();
        let Some(backfill) = self.store.take_backfill(now, CLAIM).await? else {
            self.store.discard_unanswered(now.checked_sub(WORD_WAIT_MAX).unwrap_or(Timestamp::MIN), now).await?;
            while self.store.clear_backfills().await? || self.store.clear_unfinished_comparison().await? {}
            let next = self.begin_comparisons(now).await?;
            return Ok(self.store.next_backfill(now, CLAIM).await?.into_iter().chain(next).min());
        };
        // A defect of ours over one backfill must not end the process again and again.
        let step = AssertUnwindSafe(self.step(&backfill, inbox, stop)).catch_unwind().await;
        let step = step.unwrap_or_else(|_| Ok(Step::Failed("the bridge failed over it: update it".to_owned())));
        let step = step.unwrap_or_else(|error| {
            events::store_failed("go on with a backfill", &error);
            Step::Again(None, "the bridge's store failed".to_owned())
        });
        match step {
            Step::Next(due_at) => self.store.let_go_of_backfill(backfill.id, due_at.unwrap_or(now), None).await?,
            Step::Again(asked, why) => self.try_again(&backfill, asked, why).await?,
            Step::Failed(why) => self.fail(&backfill, why).await?,
        }
        // The next look finds what is due, and where nothing is, what is left to clear away and to begin.
        Ok(Some(now))
    }

    /// Does a step again later, unless that was in vain for too long. Says until when it will be tried.
    async fn try_again(&self, backfill: &Backfill, asked: Option<Duration>, why: String) -> Result<(), StoreError> {
        let now = self.clock.now();
        // The step may have come further before it failed.
        let seen = self.store.backfill(backfill.id).await?;
        let backfill = seen.as_ref().unwrap_or(backfill);
        // A bridge that did not run has not tried.
        let end = after(backfill.changed_at.max(self.begun_at), OUTAGE_MAX);
        if backfill.failures > 0 && now >= end {
            let minutes = OUTAGE_MAX.as_secs() / 60;
            return self.fail(backfill, format!("{why}; it was tried again for {minutes} minutes")).await;
        }
        let wait = with_jitter(RETRIES.wait(backfill.failures.saturating_add(1), asked), chance_permille());
        let due_at = after(now, wait);
        let due_at = if asked.is_none() && now < end { due_at.min(end) } else { due_at };
        let until = end.max(due_at).strftime("%H:%M:%S UTC");
        self.store
            .let_go_of_backfill(backfill.id, due_at, Some(format!("{why}; it is tried again until {until}")))
            .await
    }

    async fn step(&self, backfill: &Backfill, inbox: &Notify, stop: &CancellationToken) -> Result<Step, StoreError> {
        let Some(endpoint) = self.endpoints.get(&backfill.endpoint) else {
            return Ok(Step::Failed("its endpoint is not in the configuration any more".to_owned()));
        };
        match (backfill.state, backfill.purpose) {
            (BackfillState::Listing, _) => self.list(backfill, endpoint, stop).await,
            (BackfillState::Weighing, Purpose::Record) => self.weigh(backfill.id, endpoint).await,
            (BackfillState::Weighing, Purpose::Compare) => self.compare(backfill, endpoint).await,
            (BackfillState::Recording, _) => self.record(backfill, endpoint, inbox).await,
            (BackfillState::Ready | BackfillState::Done | BackfillState::Discarded | BackfillState::Failed, _) => {
                Ok(Step::Next(None))
            }
        }
    }

    async fn weigh(&self, id: BackfillId, endpoint: &Endpoint) -> Result<Step, StoreError> {
        let now = self.clock.now();
        let (reader, of) = (self.reader.clone(), endpoint.clone());
        let read = move |row: &ToWeigh| reader.map(recorded(row.body_zstd.clone(), &of, now));
        if !self.store.weigh(id, endpoint.provider, read, now).await? {
            events::backfill_ready(&endpoint.name, id);
        }
        Ok(Step::Next(None))
    }

    fn read(&self, row: ToWeigh, endpoint: &Endpoint, now: Timestamp) -> (ToWeigh, Mapped) {
        let mapped = self.reader.map(recorded(row.body_zstd.clone(), endpoint, now));
        (row, mapped)
    }

    async fn record(&self, backfill: &Backfill, endpoint: &Endpoint, inbox: &Notify) -> Result<Step, StoreError> {
        let Backfill { id, .. } = backfill;
        let rows = self.store.record_listed(*id, endpoint.provider, &endpoint.business, self.clock.now()).await?;
        inbox.notify_one();
        if rows == 0 {
            events::backfill_done(&endpoint.name, *id, backfill.recorded);
        }
        Ok(Step::Next(None))
    }

    async fn fail(&self, backfill: &Backfill, why: String) -> Result<(), StoreError> {
        match backfill.purpose {
            Purpose::Record => events::backfill_failed(&backfill.endpoint, backfill.id, &why),
            Purpose::Compare => events::reconciliation_failed(&backfill.endpoint, &why),
        }
        let now = self.clock.now();
        self.store.move_backfill(backfill.id, backfill.state, BackfillState::Failed, Some(why), now).await?;
        Ok(())
    }
}

/// What was listed, as the inbox would have it. It has no number yet.
fn recorded(body_zstd: Vec<u8>, endpoint: &Endpoint, now: Timestamp) -> Inbox {
    Inbox {
        id: EventId(0),
        endpoint: endpoint.name.clone(),
        provider: endpoint.provider,
        business: endpoint.business.clone(),
        received_at: now,
        body_zstd: Some(body_zstd),
    }
}
