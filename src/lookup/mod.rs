//! Looking up what events do not say: the address of a customer that no event has named, what a thin event points at, the
//! lines that an invoice's event leaves out, and the checkout session of a payment that was heard of late.
//!
//! The answer is recorded as an event of our own, and then read like any other event. So no other room has to know of
//! look-ups. The event's body says that it is one. Events whose endpoint has no API key are left as they are.
//!
//! * `question`: what to ask for an event. What to ask a provider for that, and how its answers are read, it says itself.
//! * `client`: the HTTP client. `answer`: what a reply means. `policy`: what follows, and when to ask again.
//! * `breaker`: how much an endpoint is asked at once, and when not at all.

mod answer;
mod breaker;
mod client;
mod policy;
mod question;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, after, chance_permille};
use crate::crash::{self, Point};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{EventId, Identity, NewEvent, Origin, Recorded};
use crate::domain::proxy::Proxies;
use crate::domain::redact::Redactor;
use crate::domain::secret::Secret;
use crate::outbound::ClientError;
use crate::providers::lookup::{LookupResult, Question};
use crate::store::{Lookup, LookupEnd, Store, StoreError, body};
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;
use answer::{Brought, LookupError, answer};
use breaker::{CircuitBreaker, Ended};
use client::Client;
use policy::decide;
use question::question;

/// Look-ups under way at once, over all endpoints: far below what the providers allow.
const CONCURRENCY: usize = 4;
/// Longest a question takes, from connecting to the last byte.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Requests of one look-up: an answer may have parts.
const REQUESTS_MAX: usize = 16;
/// How long a look-up that was taken is kept from others: longer than all questions of one look-up can take.
const LEASE: Duration = Duration::from_secs(180);
/// How long the worker rests when the store fails.
const STORE_REST: Duration = Duration::from_secs(1);

/// Asks the providers.
pub struct Worker {
    store: Store,
    client: Client,
    clock: Clock,
    endpoints: BTreeMap<String, (Endpoint, Secret)>,
    /// Longest body that the mapper reads, bytes.
    body_bytes_max: usize,
}

impl Worker {
    /// A worker for those of `endpoints` that have an API key. `None` when none has.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(
        store: Store,
        clock: Clock,
        endpoints: &[Endpoint],
        body_bytes_max: usize,
        proxies: &Proxies,
    ) -> Result<Option<Self>, ClientError> {
        let with_key = |e: &Endpoint| Some((e.name.clone(), (e.clone(), e.api_key.clone()?)));
        let endpoints: BTreeMap<_, _> = endpoints.iter().filter_map(with_key).collect();
        if endpoints.is_empty() {
            return Ok(None);
        }
        let client = Client::new(TIMEOUT, proxies, clock.clone())?;
        Ok(Some(Self { store, client, clock, endpoints, body_bytes_max }))
    }

    /// Works until `stop`; look-ups that are on their way are finished first. Looks for work whenever `wake` is notified,
    /// and when something becomes due; notifies `inbox` of what it records.
    pub async fn run(self, inbox: Arc<Notify>, wake: Arc<Notify>, pulse: Pulse, stop: CancellationToken) {
        let mut breakers: BTreeMap<&str, CircuitBreaker> =
            self.endpoints.keys().map(|name| (name.as_str(), CircuitBreaker::default())).collect();
        let mut in_flight = FuturesUnordered::new();
        loop {
            let stopping = stop.is_cancelled();
            if stopping && in_flight.is_empty() {
                break;
            }
            let _turn = pulse.step(TURN_MAX);
            let mut wait_until = None;
            if !stopping {
                let (taken, next) = match self.take(&mut breakers).await {
                    Ok(taken) => taken,
                    Err(error) => {
                        events::store_failed("look for look-ups", &error);
                        (Vec::new(), Some(after(self.clock.now(), STORE_REST)))
                    }
                };
                wait_until = next;
                in_flight.extend(taken.into_iter().map(|lookup| self.look_up(lookup, &pulse)));
            }
            tokio::select! {
                Some((endpoint, ended, at)) = in_flight.next() => {
                    inbox.notify_one();
                    if let Some(breaker) = breakers.get_mut(endpoint.as_str()) {
                        log_change(&endpoint, breaker, &ended);
                        breaker.ended(&ended, at);
                    }
                }
                () = wake.notified(), if !stopping => {}
                () = pulse.rest(), if !stopping => {}
                () = self.sleep_until(wait_until), if !stopping => {}
                () = stop.cancelled(), if !stopping => {}
            }
        }
    }

    async fn sleep_until(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Takes what is due as far as there is room, the endpoints with the least under way first; and says when to look
    /// again.
    async fn take(
        &self,
        breakers: &mut BTreeMap<&str, CircuitBreaker>,
    ) -> Result<(Vec<Lookup>, Option<Timestamp>), StoreError> {
        let now = self.clock.now();
        let mut room = CONCURRENCY.saturating_sub(breakers.values().map(CircuitBreaker::in_flight).sum());
        let retry_at = breakers.values().filter_map(|breaker| breaker.retry_at(now)).min();
        let mut ready: Vec<(&str, &mut CircuitBreaker)> =
            breakers.iter_mut().map(|(name, breaker)| (*name, breaker)).collect();
        ready.retain(|(_, breaker)| breaker.room(now, CONCURRENCY) > 0);
        if room == 0 || ready.is_empty() {
            return Ok((Vec::new(), retry_at));
        }
        let names = ready.iter().map(|(name, _)| (*name).to_owned()).collect();
        let next = self.store.next_lookup(names).await?;
        let mut taken = Vec::new();
        if next.is_some_and(|due| due <= now) {
            ready.sort_by_key(|(_, breaker)| breaker.in_flight());
            let mut left = ready.len();
            for (name, breaker) in ready {
                let share = room.div_ceil(left.max(1)).min(breaker.room(now, CONCURRENCY));
                left = left.saturating_sub(1);
                if share == 0 {
                    break;
                }
                // Look-ups that were taken before the failure are asked for all the same.
                match self.store.take_lookups(name, share, now, LEASE).await {
                    Ok(lookups) => {
                        room = room.saturating_sub(lookups.len());
                        breaker.began(lookups.len());
                        taken.extend(lookups);
                    }
                    Err(error) => {
                        events::store_failed("take look-ups", &error);
                        return Ok((taken, Some(after(now, STORE_REST))));
                    }
                }
            }
        }
        Ok((taken, [next, retry_at].into_iter().flatten().min()))
    }

    /// Asks for one thing and writes down how it ended; gives the endpoint, the end and when it came.
    async fn look_up(&self, lookup: Lookup, pulse: &Pulse) -> (String, Ended, Timestamp) {
        let _step = pulse.step(TURN_MAX);
        // A defect of ours over one look-up must not make the others wait, nor ask again and again.
        let (end, ended) = AssertUnwindSafe(self.ask(&lookup)).catch_unwind().await.unwrap_or_else(|_| {
            let note = "the bridge failed over it: update it, then remap the event".to_owned();
            (Ok(LookupEnd::Open { due_at: None, counted: true, note }), Ended::Idle)
        });
        let at = self.clock.now();
        match end {
            Ok(end) => {
                events::looked_up(&lookup, ended.code(), &end);
                if let Err(error) = self.store.end_lookup(&lookup, end, at).await {
                    events::store_failed("end a look-up", &error);
                }
            }
            // The look-up is asked for again when its lease is over.
            Err(error) => events::store_failed("record a look-up", &error),
        }
        (lookup.endpoint, ended, at)
    }

    async fn ask(&self, lookup: &Lookup) -> (Result<LookupEnd, StoreError>, Ended) {
        crash::here(Point::Asking);
        let Some((endpoint, api_key)) = self.endpoints.get(&lookup.endpoint) else {
            let note = "its endpoint is not in the configuration any more".to_owned();
            return (Ok(LookupEnd::Open { due_at: None, counted: false, note }), Ended::Idle);
        };
        let question = match question(endpoint.provider, &lookup.missing, self.body_bytes_max) {
            Ok(question) => question,
            Err(note) => return (Ok(LookupEnd::Open { due_at: None, counted: true, note }), Ended::Idle),
        };
        let answer = self.converse(endpoint, api_key, question, lookup.event).await;
        let now = self.clock.now();
        match answer {
            Ok(found) => {
                let recorded = self.record(endpoint, lookup, found, now).await;
                (recorded.map(|r| LookupEnd::Recorded(r.id)), Ended::Answered)
            }
            Err(miss) => {
                let ended = Ended::of(&miss);
                (Ok(decide(miss, lookup.attempt, now, chance_permille())), ended)
            }
        }
    }

    /// Asks until all parts of the answer are there.
    async fn converse(
        &self,
        endpoint: &Endpoint,
        api_key: &Secret,
        mut question: Question,
        event: EventId,
    ) -> Result<LookupResult, LookupError> {
        let mut path = question.path.clone();
        let private = Redactor::of(api_key);
        for _ in 0..REQUESTS_MAX {
            let url = format!("{}{path}", endpoint.api_base_url);
            let reply = self.client.get(&url, &question.headers, api_key).await;
            match answer(reply, &mut question, event, self.clock.now(), &private)? {
                Brought::Part(next) => path = next,
                Brought::Whole(found) if found.body.len() > self.body_bytes_max => {
                    return Err(LookupError::Nothing("the answer is longer than body_max_bytes allows".to_owned()));
                }
                Brought::Whole(found) => return Ok(found),
            }
        }
        Err(LookupError::Nothing(format!("the answer has more than {REQUESTS_MAX} parts, and no more are asked for")))
    }

    /// Records an answer as an event; the same thing is recorded once.
    async fn record(
        &self,
        endpoint: &Endpoint,
        lookup: &Lookup,
        found: LookupResult,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let event = NewEvent {
            origin: Origin::Lookup,
            endpoint: endpoint.name.clone(),
            provider: endpoint.provider,
            business: endpoint.business.clone(),
            identity: Identity {
                dedup_key: format!("lookup/{}", lookup.thing),
                provider_event_id: None,
                event_type: found.event_type,
                snapshot_event: None,
                mode: None,
            },
            body_zstd: body::compress(&found.body)?,
            received_at: now,
        };
        self.store.record(event).await
    }
}

/// Logs a refused key, once until the endpoint is answered again.
fn log_change(endpoint: &str, breaker: &CircuitBreaker, ended: &Ended) {
    if let Ended::Refused(message) = ended
        && !breaker.is_refused()
    {
        events::lookups_refused(endpoint, message);
    }
}
