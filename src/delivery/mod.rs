//! Delivery: lease what is due, send it with no transaction open, decide, settle.
//!
//! A customer has at most one call on its way, for the lease is on the customer, and as long as a process has one it
//! leases none. Everything survives a crash: a call that was leased and never settled is due again at the next start, or
//! when its lease runs out, and Refairn's 409 then tells whether the first attempt had got through.

mod breaker;
mod pace;
pub mod policy;
mod ready;
mod round;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, after, chance_permille};
use crate::crash::{self, Point};
use crate::domain::delivery::{AttemptRecord, DELIVERED, Settlement, Verdict};
use crate::domain::reach::Reach;
use crate::domain::secret::Secret;
use crate::refairn::{Answer, Client, Sent};
use crate::store::{Leased, Store};
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;
use policy::RetryPolicy;
use round::{DueCalls, Round};

/// How long the dispatcher rests when the store fails.
const STORE_REST: Duration = Duration::from_secs(1);
/// What a lease allows beyond the call itself: waiting for its turn, and the settle.
const LEASE_MARGIN: Duration = Duration::from_secs(60);

/// How often a settle is tried over which we panic: waiting heals that for nobody, and the place is another's.
const DEFECTS_MAX: u32 = 30;

/// What delivery is told by the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Calls that may be on their way at once.
    pub concurrency: usize,
    /// Calls that may begin in one second.
    pub max_per_second: Option<u32>,
    /// How patient it is.
    pub retry_policy: RetryPolicy,
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
    reach: watch::Sender<Option<Reach>>,
}

/// Something the dispatcher waits for has come to its end.
enum Step {
    DueCalls(DueCalls),
    Answered(Box<Answered>),
    Settled,
    GivenBack,
}

/// A call that has ended and is not settled yet.
struct Answered {
    leased: Leased,
    probe: bool,
    /// What came of it; nothing when we failed over it.
    sent: Option<Sent>,
    at: Timestamp,
}

impl Dispatcher {
    /// A dispatcher that looks for work whenever `wake` is notified, and when something becomes due.
    #[must_use]
    pub fn new(store: Store, client: Client, clock: Clock, settings: Settings, wake: Arc<Notify>) -> Self {
        Self { store, client, clock, settings, wake, reach: watch::Sender::default() }
    }

    /// What calls tell of Refairn. `None` until one has told anything: after a start nobody knows.
    #[must_use]
    pub fn reach(&self) -> watch::Receiver<Option<Reach>> {
        self.reach.subscribe()
    }

    /// Works until `stop`; calls that are on their way are finished first.
    pub async fn run(self, pulse: Pulse, stop: CancellationToken) {
        let mut round = Round::new(self.settings.concurrency, self.settings.max_per_second);
        // Leases, calls and settles go on side by side: no place is empty because something else is being written.
        let mut steps: FuturesUnordered<BoxFuture<'_, Step>> = FuturesUnordered::new();
        loop {
            let stopping = stop.is_cancelled();
            if stopping && steps.is_empty() {
                break;
            }
            let _turn = pulse.step(TURN_MAX);
            let now = self.clock.now();
            let mut wait_until = None;
            if !stopping {
                while let Some((leased, probe)) = round.next_call(now) {
                    steps.push(self.call(leased, probe, &pulse).boxed());
                }
                if let Some(wanted) = round.next_lease(now) {
                    steps.push(self.lease(wanted, &pulse).boxed());
                }
                wait_until = round.wait_until(now);
            }
            tokio::select! {
                Some(step) = steps.next() => {
                    let now = self.clock.now();
                    match step {
                        Step::DueCalls(due) => round.found_due(due),
                        Step::Answered(end) => {
                            let answered = !matches!(end.sent, Some(Sent { answer: Answer::TryLater { .. }, .. }));
                            round.ended(&end.leased.key, end.probe, answered, now);
                            self.note(answered, round.is_down(), now);
                            steps.push(self.settle(*end, now, &pulse, &stop).boxed());
                        }
                        Step::Settled => round.settled(),
                        Step::GivenBack => round.look(),
                    }
                    let unwanted = round.unwanted(now);
                    if !unwanted.is_empty() {
                        steps.push(self.give_back(unwanted, &pulse, &stop).boxed());
                    }
                }
                () = self.wake.notified(), if !stopping => round.look(),
                () = self.sleep_until(wait_until), if !stopping => round.look(),
                () = pulse.rest(), if !stopping => round.look(),
                () = stop.cancelled(), if !stopping => {}
            }
        }
        self.give_back(round.rest(), &pulse, &stop).await;
    }

    /// Notes what a call told of Refairn.
    fn note(&self, answered: bool, is_down: bool, now: Timestamp) {
        self.reach.send_if_modified(|known| {
            let told = Reach::after(*known, answered, is_down, now);
            known.replace(told) != Some(told)
        });
    }

    async fn give_back(&self, unused: Vec<Leased>, pulse: &Pulse, stop: &CancellationToken) -> Step {
        loop {
            let step = pulse.step(TURN_MAX);
            let given_back = self.store.give_back(&unused, self.clock.now()).await;
            drop(step);
            let Err(error) = given_back else { break };
            events::store_failed("give back leases", &error);
            if !self.rests(stop).await {
                break;
            }
        }
        Step::GivenBack
    }

    /// Lets the store come to itself; false when there is no time for it, because the end has come.
    async fn rests(&self, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = self.clock.sleep(STORE_REST) => true,
            () = stop.cancelled() => false,
        }
    }

    /// Leases up to `wanted` calls; finds out when the next is due when there are fewer.
    async fn lease(&self, wanted: usize, pulse: &Pulse) -> Step {
        let _step = pulse.step(TURN_MAX);
        let lease = lease_length(self.settings.timeout);
        let rest = || Some(after(self.clock.now(), STORE_REST));
        let leased = match self.store.lease(self.clock.now(), lease, wanted).await {
            Ok(leased) => leased,
            Err(error) => {
                events::store_failed("lease", &error);
                return Step::DueCalls(DueCalls { leased: Vec::new(), more: false, due: rest() });
            }
        };
        let more = leased.len() >= wanted;
        let due = if more {
            None
        } else {
            self.store.next_due().await.unwrap_or_else(|error| {
                events::store_failed("look for what is due", &error);
                rest()
            })
        };
        Step::DueCalls(DueCalls { leased, more, due })
    }

    async fn sleep_until(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Makes one call. A defect of ours that it brings out is no reason for the others to wait.
    async fn call(&self, leased: Leased, probe: bool, pulse: &Pulse) -> Step {
        let _step = pulse.step(self.settings.timeout + TURN_MAX);
        let at = self.clock.now();
        let send = async {
            crash::here(Point::Leased);
            let sent = self.send(&leased).await;
            crash::here(Point::Sent);
            sent
        };
        let sent = AssertUnwindSafe(send).catch_unwind().await.ok();
        Step::Answered(Box::new(Answered { leased, probe, sent, at }))
    }

    /// Writes what became of a call.
    async fn settle(&self, end: Answered, now: Timestamp, pulse: &Pulse, stop: &CancellationToken) -> Step {
        let Answered { leased, probe: _, sent, at } = end;
        let took_ms = u64::try_from(now.duration_since(at).as_millis()).unwrap_or(0);
        let status = sent.as_ref().and_then(|sent| sent.status);
        let excerpt = sent.as_ref().and_then(|sent| sent.excerpt.clone());
        let verdict = self.decide(sent, &leased);
        events::attempted(&leased, status, took_ms, &verdict);
        let outcome = describe(&verdict);
        let attempt = AttemptRecord { at, took_ms, status, outcome, response: excerpt };
        // What Refairn said is worth waiting for the store, however long: there are no more of these than places. At
        // the end of the process the call stays on its way, is made again, and Refairn's 409 tells that it had it.
        let mut defects = 0;
        loop {
            let step = pulse.step(TURN_MAX);
            match self.store.settle(&leased, attempt.clone(), verdict.clone(), now).await {
                Ok(true) => {
                    crash::here(Point::Settled);
                    break;
                }
                Ok(false) => {
                    events::lease_lost(&leased);
                    break;
                }
                Err(error) => {
                    events::store_failed("settle", &error);
                    defects += u32::from(error.is_a_defect());
                }
            }
            drop(step);
            if defects >= DEFECTS_MAX || !self.rests(stop).await {
                break;
            }
        }
        Step::Settled
    }

    /// What a call comes to after its attempt. `sent` is `None` when we failed over it.
    fn decide(&self, sent: Option<Sent>, leased: &Leased) -> Verdict {
        let decide =
            |sent: Sent| policy::decide(sent.answer, &leased.delivery, &self.settings.retry_policy, chance_permille());
        let decided = sent.and_then(|sent| catch_unwind(AssertUnwindSafe(|| decide(sent))).ok());
        decided
            .unwrap_or_else(|| Settlement::failed_over("the bridge failed over the call; Refairn may have it").into())
    }

    async fn send(&self, leased: &Leased) -> Sent {
        let unsent = |answer| Sent { answer, status: None, excerpt: None };
        let Leased { key, delivery, .. } = leased;
        let Some(api_key) = self.settings.api_keys.get(&key.business) else {
            let message = format!("business {:?} is no longer in the configuration", key.business);
            return unsent(Answer::Misconfigured(message));
        };
        let event_id = self.settings.event_id.then(|| delivery.event.to_string());
        match delivery.call.body(&key.business, event_id.as_deref()) {
            Ok(body) => self.client.send(delivery.call.kind(), api_key, body, delivery.call.redactor()).await,
            Err(error) => unsent(Answer::Refused(format!("the call cannot be written as JSON: {error}"))),
        }
    }
}

/// How long a call is ours: longer than any call takes whose longest time is `timeout`.
#[must_use]
pub fn lease_length(timeout: Duration) -> Duration {
    timeout * 2 + LEASE_MARGIN
}

/// What an attempt came to, for its history.
fn describe(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Settled(Settlement::Delivered(_)) => DELIVERED.to_owned(),
        Verdict::Settled(Settlement::Duplicate) | Verdict::Conflict => {
            "Refairn had recorded it before (409)".to_owned()
        }
        Verdict::Settled(
            Settlement::Rejected(_, detail) | Settlement::PauseRoute(detail) | Settlement::Retry { detail, .. },
        ) => detail.clone(),
    }
}
