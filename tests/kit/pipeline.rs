//! A whole bridge without sockets: the real store, mapper, ledger and delivery rules, a sandbox for Refairn, and a clock
//! driven by hand.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use refairn_bridge::clock::{Clock, after};
use refairn_bridge::delivery::policy::{RetryPolicy, decide};
use refairn_bridge::domain::customer::CustomerKey;
use refairn_bridge::domain::delivery::{AttemptRecord, Delivery, DeliveryState, Verdict};
use refairn_bridge::domain::endpoint::Endpoint;
use refairn_bridge::domain::event::{EventId, NewEvent, Origin, Recorded};
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::mapping::Mapper;
use refairn_bridge::providers::provider;
use refairn_bridge::refairn::{Answer, classify};
use refairn_bridge::sandbox::{Book, Business, Program, Referral, Reply};
use refairn_bridge::store::queries::{DeliveryFilter, EventDetail, EventFilter, EventView, PAGE_ITEMS_MAX};
use refairn_bridge::store::{Leased, Store, body};
use tokio::sync::Notify;

pub use super::call::{MadeCall, Moment, Weather};
use super::place::Place;
use super::rules::{BODY_BYTES_MAX, BUSINESS};

/// The key of the business at the sandbox.
pub const API_KEY: &str = "key_1";
/// As patient as the default configuration.
pub const RETRY_POLICY: RetryPolicy =
    RetryPolicy { retry_max_wait: Duration::from_secs(900), give_up_after: Duration::from_secs(72 * 3600) };

/// Calls that are on their way at once.
const CALLS_AT_ONCE: usize = 256;
/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(60);

/// The way of a webhook through the bridge, and all around it.
pub struct Pipeline {
    place: Place,
    pub store: Store,
    /// The bridge's clock.
    pub clock: Clock,
    /// How far it is ahead.
    ahead: SignedDuration,
    pub mapper: Mapper,
    pub endpoints: Vec<Endpoint>,
    pub policy: Policy,
    pub book: Book,
    business: Business,
    pub calls: Vec<MadeCall>,
    /// What must never be, and whose call showed it.
    pub wrong: Vec<(CustomerKey, String)>,
    unsettled: Vec<Unsettled>,
}

/// A call that was made and is not settled.
struct Unsettled {
    lease: Leased,
    verdict: Verdict,
    /// Then whoever made it is gone.
    until: Timestamp,
    /// The bridge was started anew since: the call is whoever's that asks.
    lost: bool,
}

impl Pipeline {
    /// Starts with the store of an empty place, at `start`.
    pub fn new(place: Place, endpoints: Vec<Endpoint>, policy: Policy, start: Timestamp) -> Self {
        #[cfg(feature = "crash-points")]
        refairn_bridge::crash::distrust();
        let clock = Clock::manual(start);
        let store = place.open(&policy);
        let mapper = mapper(&store, &clock, &endpoints);
        let products = endpoints.iter().flat_map(|e| {
            let rules = &e.rules;
            rules.products.values().chain(&rules.product_id).chain(&rules.test_product_id).cloned()
        });
        let mut business = Business::new(BUSINESS, API_KEY);
        for product in products {
            // The first payment of a customer earns more, once: a call of nothing before it would use that up.
            let program = Program::recurring(20.into(), 14).with_referral(Referral::Percent(10.into()));
            business = business.product(product, program);
        }
        let book = Book::new().with(business.clone());
        Self {
            place,
            store,
            clock,
            ahead: SignedDuration::ZERO,
            mapper,
            endpoints,
            policy,
            book,
            business,
            calls: vec![],
            wrong: vec![],
            unsettled: vec![],
        }
    }

    /// Now.
    pub fn moment(&self) -> Moment {
        let by_clock = self.clock.now();
        Moment { at: by_clock - self.ahead, by_clock }
    }

    /// It is `at`, or later; the bridge's clock says so much more from now on.
    pub fn tell_time(&mut self, at: Timestamp, ahead: SignedDuration) {
        let at = at.max(self.moment().at);
        self.ahead = ahead;
        self.clock.set(at + ahead);
    }

    /// What the bridge's clock says at a time.
    pub fn by_clock(&self, at: Timestamp) -> Timestamp {
        at + self.ahead
    }

    /// Ends the bridge and starts it again on what is on disk.
    pub async fn restart(&mut self) {
        self.store.close().await;
        self.store = self.place.open(&self.policy);
        self.mapper = mapper(&self.store, &self.clock, &self.endpoints);
        // What was on its way then is nobody's any more; whoever still holds it must not settle it.
        for unsettled in &mut self.unsettled {
            unsettled.lost = true;
        }
    }

    /// Records a body as if its signature had been verified.
    pub async fn record(&self, provider_kind: ProviderKind, body: &[u8]) -> Recorded {
        let endpoint = self.endpoints.iter().find(|e| e.provider == provider_kind).expect("an endpoint");
        self.store.record(self.arrival(endpoint, body)).await.expect("recorded")
    }

    /// Records bodies that arrive together, in this order, each at the endpoint of a name.
    pub async fn record_all(&self, bodies: impl IntoIterator<Item = (&str, &[u8])>) -> Vec<Recorded> {
        let records = bodies.into_iter().map(|(name, body)| {
            let endpoint = self.endpoints.iter().find(|e| e.name == name).expect("an endpoint");
            self.store.record(self.arrival(endpoint, body))
        });
        join_all(records).await.into_iter().map(|r| r.expect("recorded")).collect()
    }

    fn arrival(&self, endpoint: &Endpoint, body: &[u8]) -> NewEvent {
        NewEvent {
            origin: Origin::Webhook,
            endpoint: endpoint.name.clone(),
            provider: endpoint.provider,
            business: endpoint.business.clone(),
            identity: provider(endpoint.provider).identify(body),
            body_zstd: body::compress(body).expect("compressed"),
            received_at: self.clock.now(),
        }
    }

    /// Reads everything in the inbox.
    pub async fn map_all(&self) {
        while self.mapper.work_once().await.expect("mapped") > 0 {}
    }

    /// Makes every call that is due now; gives how many.
    pub async fn deliver_due(&mut self) -> usize {
        self.deliver_due_in(&mut |_, _| Weather::Fine).await
    }

    /// The same in any weather.
    pub async fn deliver_due_in(&mut self, weather: &mut impl FnMut(&Leased, Timestamp) -> Weather) -> usize {
        let mut made = 0;
        loop {
            let now = self.clock.now();
            self.unsettled.retain(|unsettled| unsettled.lost || unsettled.until > now);
            let leased = self.store.lease(now, LEASE, CALLS_AT_ONCE).await.expect("leased");
            if leased.is_empty() {
                return made;
            }
            made += leased.len();
            let mut settles = Vec::new();
            for lease in leased {
                self.take_over(&lease);
                let weather = weather(&lease, now);
                let verdict = self.make(&lease, weather, now);
                if matches!(weather, Weather::Lost { .. }) {
                    self.unsettled.push(Unsettled { lease, verdict, until: after(now, LEASE), lost: false });
                } else {
                    settles.push((lease, verdict));
                }
            }
            let store = &self.store;
            let settles = settles.into_iter().map(|(lease, verdict)| async move {
                (store.settle(&lease, attempt(now), verdict, now).await.expect("settled"), lease.key)
            });
            let lost = join_all(settles).await.into_iter().filter(|(held, _)| !held);
            self.wrong.extend(lost.map(|(_, key)| (key, "a lease was lost before its time".to_owned())));
            // What comes later is later, by however little.
            self.clock.set(after(now, Duration::from_micros(1)));
        }
    }

    /// Nobody may have a call of this customer under way.
    fn take_over(&mut self, lease: &Leased) {
        for other in self.unsettled.iter().filter(|other| other.lease.key == lease.key && !other.lost) {
            self.wrong.push((lease.key.clone(), format!("two calls are on their way: {:?}, {lease:?}", other.lease)));
        }
    }

    /// Makes one call, and says what is to become of it.
    fn make(&mut self, lease: &Leased, weather: Weather, now: Timestamp) -> Verdict {
        let d = &lease.delivery;
        let text = d.call.body(&lease.key.business, None).expect("a body");
        let body: serde_json::Value = serde_json::from_str(&text).expect("json");
        let arrives = !matches!(weather, Weather::Refused(_) | Weather::Lost { recorded: false });
        let kind = d.call.kind().code();
        let reply = arrives.then(|| self.answer(kind, &body, &text, now));
        let status = reply.as_ref().map(|r| r.status);
        let (when, key) = (self.moment(), lease.key.clone());
        self.calls.push(MadeCall { when, delivery: d.id, key, kind: kind.into(), body, status, weather });
        let answer = match (weather, reply) {
            (Weather::Fine | Weather::Lost { .. }, Some(reply)) => classify(reply.status, None, reply.body.as_bytes()),
            (Weather::Refused(status), _) => classify(status, None, b""),
            (Weather::Fine | Weather::Unheard | Weather::Lost { .. }, _) => {
                Answer::TryLater { retry_after: None, outcome_unknown: true, message: "the connection broke".into() }
            }
        };
        decide(answer, d, &RETRY_POLICY, 0)
    }

    /// What the sandbox says. It knows every agent whose code it hears.
    fn answer(&mut self, kind: &str, body: &serde_json::Value, text: &str, now: Timestamp) -> Reply {
        let auth = format!("Bearer {API_KEY}");
        // Refairn refuses what is dated in its future; whose clock is right is not the question here.
        let today = now.max(self.moment().at).to_zoned(self.policy.time_zone.clone()).date();
        if let Some(code) = body["referralCode"].as_str().filter(|code| !self.business.agents().contains_key(*code)) {
            self.business = self.business.clone().agent(format!("agent_{code}"), code, code);
            self.book.set_business(self.business.clone());
        }
        match kind {
            "customer-created" => self.book.customer_created(Some(&auth), text.as_bytes(), today),
            _ => self.book.payment_succeeded(Some(&auth), text.as_bytes(), today),
        }
    }

    /// Lets whoever could not settle in time do so now: it must change nothing where somebody else has the call.
    pub async fn settle_late(&mut self) {
        let now = self.clock.now();
        for late in std::mem::take(&mut self.unsettled) {
            let settled = self.store.settle(&late.lease, attempt(now), late.verdict, now).await.expect("settled");
            if settled && late.lost {
                self.wrong.push((late.lease.key.clone(), format!("a lost lease was settled: {:?}", late.lease)));
            }
        }
    }

    /// Lets time pass until `end`, making every call when it is due.
    pub async fn run_until(&mut self, end: Timestamp) {
        self.run_until_in(end, &mut |_, _| Weather::Fine).await;
    }

    /// The same in any weather.
    pub async fn run_until_in(&mut self, end: Timestamp, weather: &mut impl FnMut(&Leased, Timestamp) -> Weather) {
        loop {
            self.deliver_due_in(weather).await;
            match self.store.next_due().await.expect("readable") {
                Some(due) if due <= end => self.clock.set(due.max(self.clock.now())),
                Some(_) | None => break,
            }
        }
        self.clock.set(end.max(self.clock.now()));
    }

    /// Lets so many days pass.
    pub async fn run_days(&mut self, days: u64) {
        self.run_until(after(self.clock.now(), Duration::from_secs(days * 86_400))).await;
    }

    /// One event with all that belongs to it.
    pub async fn event(&self, id: EventId) -> EventDetail {
        self.store.event(id).await.expect("readable").expect("an event")
    }

    /// Every delivery, the oldest first.
    pub async fn deliveries(&self) -> Vec<Delivery> {
        let mut all = Vec::new();
        loop {
            let after = all.last().and_then(|d: &Delivery| d.id).map(|id| id.0);
            let filter = DeliveryFilter { limit: PAGE_ITEMS_MAX, after, ..DeliveryFilter::default() };
            let page = self.store.deliveries(filter).await.expect("readable");
            if page.is_empty() {
                break;
            }
            all.extend(page.into_iter().map(|v| v.delivery));
        }
        all.reverse();
        all
    }

    /// Every event, the newest first.
    pub async fn events(&self) -> Vec<EventView> {
        let mut all: Vec<EventView> = Vec::new();
        loop {
            let after = all.last().map(|e| e.id.0);
            let page = self.store.events(EventFilter { limit: PAGE_ITEMS_MAX, after, ..EventFilter::default() });
            let page = page.await.expect("readable");
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// Fails unless every event and delivery is explained: nothing is open, and whatever is not plainly done says why.
    pub async fn assert_explained(&self) {
        assert!(self.wrong.is_empty(), "{:?}", self.wrong);
        for event in self.events().await {
            let state = event.state.code();
            assert!(state != "received", "{event:?} was never read");
            assert!(state == "mapped" || event.reason.is_some(), "{event:?} says no reason");
        }
        for delivery in self.deliveries().await {
            assert!(!delivery.state.is_open(), "{delivery:?} is still open");
            let plain = delivery.state == DeliveryState::Delivered;
            assert!(plain || delivery.reason.is_some(), "{delivery:?} says no reason");
        }
    }
}

fn attempt(at: Timestamp) -> AttemptRecord {
    AttemptRecord { at, took_ms: 1, status: None, outcome: String::new(), response: None }
}

fn mapper(store: &Store, clock: &Clock, endpoints: &[Endpoint]) -> Mapper {
    let notify = || Arc::new(Notify::new());
    Mapper::new(store.clone(), clock.clone(), endpoints, BODY_BYTES_MAX, notify(), notify())
}
