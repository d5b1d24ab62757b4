//! A whole bridge without sockets: the real store, mapper, ledger and delivery rules, a sandbox for Refairn, and a clock
//! driven by hand.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod case;
pub mod provider;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use refairn_bridge::app::Ledger;
use refairn_bridge::clock::{Clock, after};
use refairn_bridge::delivery::policy::{Patience, decide};
use refairn_bridge::domain::delivery::{Delivery, DeliveryState};
use refairn_bridge::domain::endpoint::{CodeRule, Endpoint, ProviderKind, Rules};
use refairn_bridge::domain::event::{EventId, NewEvent, Recorded};
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::secret::Secret;
use refairn_bridge::mapping::Mapper;
use refairn_bridge::providers::provider;
use refairn_bridge::refairn::classify;
use refairn_bridge::sandbox::{Book, Business, Program};
use refairn_bridge::store::views::{DeliveryFilter, EventDetail, EventFilter};
use refairn_bridge::store::{AttemptRecord, Store};
use tokio::sync::Notify;

/// The business of every test.
pub const BUSINESS: &str = "biz_1";
/// Its key at the sandbox.
pub const API_KEY: &str = "key_1";
/// Longest body.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// As patient as the default configuration.
pub const PATIENCE: Patience =
    Patience { retry_max_wait: Duration::from_secs(900), give_up_after: Duration::from_secs(72 * 3600) };

/// A folder in memory where the system has one: tests open thousands of databases, and prove no durability with them.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}

/// The rules that hold unless a test says otherwise.
pub fn default_rules() -> Rules {
    Rules {
        product_id: Some("prod_1".into()),
        test_product_id: Some("prod_test".into()),
        products: BTreeMap::new(),
        unmapped: Default::default(),
        commission_base: Default::default(),
        minimum_amount: BTreeMap::new(),
        one_time: Default::default(),
        out_of_band: Default::default(),
        referral_code_from: CodeRule::defaults(),
        time_zone: jiff::tz::TimeZone::UTC,
    }
}

/// An endpoint with these rules, named after its provider.
pub fn endpoint(provider: ProviderKind, rules: Rules) -> Endpoint {
    Endpoint {
        name: provider.code().into(),
        provider,
        secrets: vec![Secret::parse("a-secret-of-the-tests").expect("a secret")],
        signature_tolerance: Duration::from_secs(300),
        allowed_ips: vec![],
        business: BUSINESS.into(),
        api_key: None,
        api_base_url: provider.api_base_url().into(),
        rules,
    }
}

/// A call as the sandbox got it.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeCall {
    /// `customer-created` or `payment-succeeded`
    pub kind: String,
    /// The body.
    pub body: serde_json::Value,
    /// What the sandbox answered.
    pub status: u16,
}

/// The bridge and its world.
pub struct World {
    pub folder: tempfile::TempDir,
    pub store: Store,
    pub clock: Clock,
    pub mapper: Mapper,
    pub endpoints: Vec<Endpoint>,
    pub policy: Policy,
    pub book: Book,
    business: Business,
    pub calls: Vec<MadeCall>,
}

impl World {
    /// Starts with an empty store, at `start`.
    pub fn new(endpoints: Vec<Endpoint>, policy: Policy, start: Timestamp) -> Self {
        let folder = scratch();
        let clock = Clock::manual(start);
        let store = open(folder.path(), &policy);
        let mapper = mapper(&store, &clock, &endpoints);
        let products = endpoints.iter().flat_map(|e| {
            let rules = &e.rules;
            rules.products.values().chain(&rules.product_id).chain(&rules.test_product_id).cloned()
        });
        let mut business = Business::new(BUSINESS, API_KEY);
        for product in products {
            business = business.product(product, Program::recurring(20.into(), 14));
        }
        Self {
            folder,
            store,
            clock,
            mapper,
            endpoints,
            policy,
            book: Book::new().with(business.clone()),
            business,
            calls: vec![],
        }
    }

    /// Ends the bridge and starts it again on what is on disk.
    pub async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(self.folder.path(), &self.policy);
        self.mapper = mapper(&self.store, &self.clock, &self.endpoints);
    }

    /// Records a body as if its signature had been verified.
    pub async fn record(&self, provider_kind: ProviderKind, body: &[u8]) -> Recorded {
        let endpoint = self.endpoints.iter().find(|e| e.provider == provider_kind).expect("an endpoint");
        let event = NewEvent {
            endpoint: endpoint.name.clone(),
            provider: provider_kind,
            business: endpoint.business.clone(),
            identity: provider(provider_kind).identify(body),
            body_zstd: zstd::bulk::compress(body, 1).expect("compressed"),
            received_at: self.clock.now(),
        };
        self.store.record(event).await.expect("recorded")
    }

    /// Reads everything in the inbox.
    pub async fn map_all(&self) {
        while self.mapper.work_once().await.expect("mapped") > 0 {}
    }

    /// Makes every call that is due now; gives how many.
    pub async fn deliver_due(&mut self) -> usize {
        let mut made = 0;
        loop {
            let now = self.clock.now();
            let leased = self.store.lease(now, Duration::from_secs(60), 16).await.expect("leased");
            if leased.is_empty() {
                return made;
            }
            for lease in leased {
                made += 1;
                let d = &lease.delivery;
                let body = d.call.body(&lease.key.business, None).expect("a body");
                let auth = format!("Bearer {API_KEY}");
                let today = now.to_zoned(self.policy.time_zone.clone()).date();
                let call: serde_json::Value = serde_json::from_str(&body).expect("json");
                if let Some(code) = call["referralCode"].as_str() {
                    self.business = self.business.clone().agent(format!("agent_{code}"), code, code);
                    self.book.set_business(self.business.clone());
                }
                let reply = match d.call.kind().code() {
                    "customer-created" => self.book.customer_created(Some(&auth), body.as_bytes(), today),
                    _ => self.book.payment_succeeded(Some(&auth), body.as_bytes(), today),
                };
                self.calls.push(MadeCall { kind: d.call.kind().code().into(), body: call, status: reply.status });
                let answer = classify(reply.status, None, reply.body.as_bytes());
                let settlement = decide(answer, d, &PATIENCE, now, 0);
                let attempt = AttemptRecord {
                    at: now,
                    took_ms: 1,
                    status: Some(reply.status),
                    outcome: String::new(),
                    response: None,
                };
                assert!(
                    self.store.settle(&lease, attempt, settlement, now).await.expect("settled"),
                    "the lease was lost"
                );
            }
        }
    }

    /// Lets time pass until `end`, making every call when it is due.
    pub async fn run_until(&mut self, end: Timestamp) {
        loop {
            self.deliver_due().await;
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
        let filter = DeliveryFilter { limit: 500, ..DeliveryFilter::default() };
        let mut all: Vec<Delivery> =
            self.store.deliveries(filter).await.expect("readable").into_iter().map(|v| v.delivery).collect();
        all.reverse();
        all
    }

    /// Fails unless every event and delivery is explained: nothing is open, and whatever is not plainly done says why.
    pub async fn assert_explained(&self) {
        let events = self.store.events(EventFilter { limit: 500, ..EventFilter::default() }).await.expect("readable");
        for event in events {
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

fn open(folder: &Path, policy: &Policy) -> Store {
    Store::open(&folder.join("bridge.db"), Arc::new(Ledger(policy.clone()))).expect("a store")
}

fn mapper(store: &Store, clock: &Clock, endpoints: &[Endpoint]) -> Mapper {
    let notify = || Arc::new(Notify::new());
    Mapper::new(store.clone(), clock.clone(), endpoints, BODY_BYTES_MAX, notify(), notify())
}

/// The corpus.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}
