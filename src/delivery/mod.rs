//! Delivery: lease what is due, send it with no transaction open, decide, settle.
//!
//! A customer has at most one call on its way, for the lease is on the customer. Everything survives a crash: a call
//! that was leased and never settled is due again when its lease runs out, and Refairn's 409 then tells whether the
//! first attempt had got through.

mod breaker;
mod pace;
pub mod policy;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, chance_permille};
use crate::domain::secret::Secret;
use crate::refairn::{Answer, Client};
use crate::store::{AttemptRecord, Leased, Settlement, Store};
use crate::telemetry::events;
use breaker::Breaker;
use pace::Pace;
use policy::Patience;

/// How long the dispatcher rests when the store fails.
const STORE_REST: Duration = Duration::from_secs(1);
/// What a lease allows beyond the call itself: waiting for its turn, and the settle.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

/// What delivery is told by the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Calls that may be on their way at once.
    pub concurrency: usize,
    /// Calls that may begin in one second.
    pub max_per_second: Option<u32>,
    /// How patient it is.
    pub patience: Patience,
    /// The longest a call takes.
    pub timeout: Duration,
    /// Whether calls carry `eventId`.
    pub event_id: bool,
    /// API keys by business.
    pub api_keys: BTreeMap<String, Secret>,
}

/// Sends what is due.
pub struct Dispatcher {
    store: Store,
    client: Client,
    clock: Clock,
    settings: Settings,
    wake: Arc<Notify>,
}

/// How one call ended, for the breaker.
enum Ended {
    Answered,
    Failed,
}

impl Dispatcher {
    /// A dispatcher that looks for work whenever `wake` is notified, and when something becomes due.
    #[must_use]
    pub const fn new(store: Store, client: Client, clock: Clock, settings: Settings, wake: Arc<Notify>) -> Self {
        Self { store, client, clock, settings, wake }
    }

    /// Works until `stop`; calls that are on their way are finished first.
    pub async fn run(self, stop: CancellationToken) {
        let mut breaker = Breaker::default();
        let mut pace = Pace::new(self.settings.max_per_second);
        let mut in_flight = FuturesUnordered::new();
        let mut ready: VecDeque<Leased> = VecDeque::new();
        let mut look = true;
        loop {
            let stopping = stop.is_cancelled();
            if stopping && in_flight.is_empty() {
                break;
            }
            let mut wait_until = None;
            if !stopping {
                let mut room = breaker.room(self.settings.concurrency, in_flight.len(), self.clock.now());
                if look && ready.len() < room {
                    look = self.refill(&mut ready, in_flight.len(), room).await;
                    if look && ready.is_empty() {
                        // The store has failed, and a rest is over.
                        continue;
                    }
                }
                while room > 0
                    && !ready.is_empty()
                    && pace.take(self.clock.now())
                    && let Some(leased) = ready.pop_front()
                {
                    in_flight.push(self.deliver(leased));
                    room -= 1;
                }
                // With calls on their way and no room for more, only the end of one of them changes anything.
                if !ready.is_empty() && room > 0 {
                    wait_until = pace.next();
                } else if room == 0 && in_flight.is_empty() {
                    wait_until = breaker.probe_at();
                } else if room > 0 && !look {
                    wait_until = self.next_due().await;
                }
            }
            tokio::select! {
                Some(ended) = in_flight.next() => {
                    look = true;
                    match ended {
                        Ended::Answered => breaker.answered(),
                        Ended::Failed => {
                            breaker.failed(self.clock.now());
                            if breaker.probe_at().is_some() {
                                // Refairn is down: what was leased ahead is not on its way after all.
                                self.give_back(&mut ready).await;
                            }
                        }
                    }
                }
                () = self.wake.notified(), if !stopping => look = true,
                () = self.sleep_until(wait_until), if !stopping => look = true,
                () = stop.cancelled(), if !stopping => {}
            }
        }
        self.give_back(&mut ready).await;
    }

    async fn give_back(&self, ready: &mut VecDeque<Leased>) {
        if let Err(error) = self.store.give_back(ready.drain(..).collect(), self.clock.now()).await {
            events::store_failed("give back leases", &error);
        }
    }

    /// Leases enough to keep every place busy while the next lease is being written. True when there may be more.
    async fn refill(&self, ready: &mut VecDeque<Leased>, in_flight: usize, room: usize) -> bool {
        let probing = room == 1 && in_flight == 0 && self.settings.concurrency > 1;
        let ahead = if probing { 0 } else { self.settings.concurrency };
        let wanted = (room + ahead).saturating_sub(ready.len());
        let lease = self.settings.timeout * 2 + LEASE_MARGIN;
        match self.store.lease(self.clock.now(), lease, wanted).await {
            Ok(leased) => {
                let more = leased.len() >= wanted;
                ready.extend(leased);
                more
            }
            Err(error) => {
                events::store_failed("lease", &error);
                self.clock.sleep(STORE_REST).await;
                true
            }
        }
    }

    async fn next_due(&self) -> Option<Timestamp> {
        match self.store.next_due().await {
            Ok(due) => due,
            Err(error) => {
                events::store_failed("look for what is due", &error);
                Some(crate::clock::after(self.clock.now(), STORE_REST))
            }
        }
    }

    async fn sleep_until(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Makes one call and settles it.
    async fn deliver(&self, leased: Leased) -> Ended {
        let at = self.clock.now();
        let (answer, status, response) = self.send(&leased).await;
        let now = self.clock.now();
        let took_ms = u64::try_from(now.duration_since(at).as_millis()).unwrap_or(0);
        let ended = if matches!(answer, Answer::TryLater { .. }) { Ended::Failed } else { Ended::Answered };
        let settlement = policy::decide(answer, &leased.delivery, &self.settings.patience, now, chance_permille());
        events::attempted(&leased, status, took_ms, &settlement);
        let outcome = describe(&settlement);
        let attempt = AttemptRecord { at, took_ms, status, outcome, response };
        match self.store.settle(&leased, attempt, settlement, now).await {
            Ok(true) => {}
            Ok(false) => events::lease_lost(&leased),
            // The lease runs out and the call is made again; Refairn's 409 tells that it had it.
            Err(error) => events::store_failed("settle", &error),
        }
        ended
    }

    async fn send(&self, leased: &Leased) -> (Answer, Option<u16>, Option<String>) {
        let Leased { key, delivery, .. } = leased;
        let Some(api_key) = self.settings.api_keys.get(&key.business) else {
            let message = format!("business {:?} is no longer in the configuration", key.business);
            return (Answer::Misconfigured(message), None, None);
        };
        let event_id = self.settings.event_id.then(|| delivery.event.to_string());
        match delivery.call.body(&key.business, event_id.as_deref()) {
            Ok(body) => {
                let sent = self.client.send(delivery.call.kind(), api_key, body).await;
                (sent.answer, sent.status, sent.excerpt)
            }
            Err(error) => (Answer::Refused(format!("the call cannot be written as JSON: {error}")), None, None),
        }
    }
}

/// What an attempt came to, for its history.
fn describe(settlement: &Settlement) -> String {
    match settlement {
        Settlement::Delivered(_) => "delivered".to_owned(),
        Settlement::Duplicate | Settlement::Conflict => "Refairn had recorded it before (409)".to_owned(),
        Settlement::Rejected(_, detail) | Settlement::PauseRoute(detail) | Settlement::Retry { detail, .. } => {
            detail.clone()
        }
    }
}
