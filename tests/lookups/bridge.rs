//! A bridge on a port, its provider and its Refairn, and what Stripe sends.

use std::time::Duration;

use jiff::Timestamp;
use refairn_bridge::app::App;
use refairn_bridge::clock::{Clock, after};
use refairn_bridge::config::{Config, Sources, load};
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::domain::secret::Secret;
use refairn_bridge::providers::provider;
use refairn_bridge::sandbox::Sandbox;
use refairn_bridge::store::views::{EventFilter, EventView};
use serde_json::{Value, json};

use crate::kit::pipeline::API_KEY;
use crate::kit::place;
use crate::kit::postgres::Database;
use crate::kit::provider::{PROVIDER_KEY, Provider};
use crate::kit::refairn::{self, Refairn, business};
use crate::kit::rules::{BUSINESS, SECRET};

/// Real time after which a test gives up on what should happen at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a bridge keeps its data.
#[derive(Clone, Copy)]
pub enum Data {
    Sqlite,
    Postgres,
}

/// A bridge, its provider and its Refairn.
pub struct Bridge {
    pub app: App,
    pub provider: Provider,
    pub sandbox: Sandbox,
    clock: Clock,
    config: Config,
    http: reqwest::Client,
    _refairn: Refairn,
    _folder: tempfile::TempDir,
}

pub fn start_time() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().expect("a time")
}

impl Bridge {
    /// Starts everything; `keys` are added to the Stripe endpoint.
    pub async fn start(keys: &str) -> Self {
        Self::start_on(Data::Sqlite, keys).await
    }

    /// The same with its data there.
    pub async fn start_on(data: Data, keys: &str) -> Self {
        let folder = place::scratch();
        let url = match data {
            Data::Sqlite => "sqlite://bridge.db".to_owned(),
            Data::Postgres => Database::make().url(),
        };
        let clock = Clock::manual(start_time());
        let provider = Provider::start().await;
        let sandbox = refairn::sandbox(business(BUSINESS, API_KEY));
        let refairn = Refairn::start(&sandbox, &clock);
        let refairn_url = &refairn.url;
        let api = format!("api_base_url = \"http://{}\"\n", provider.addr);
        let toml = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[storage]\nurl = \"{url}\"\n\
             [refairn]\nbase_url = \"{refairn_url}\"\nbusiness_id = \"{BUSINESS}\"\napi_key = \"{API_KEY}\"\n\
             product_id = \"prod_1\"\n\
             [[endpoints]]\nprovider = \"stripe\"\nsecrets = [\"{SECRET}\"]\n{api}{keys}\n\
             [[endpoints]]\nprovider = \"paystack\"\nsecrets = [\"{SECRET}\"]\n{api}api_key = \"{PROVIDER_KEY}\"\n"
        );
        std::fs::write(folder.path().join("bridge.toml"), toml).expect("written");
        let sources = Sources {
            config_file: Some(folder.path().join("bridge.toml")),
            environment: Default::default(),
            working_dir: Some(folder.path().to_owned()),
        };
        let config = load(sources).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let app = Self::run(&config, &clock).await;
        Self { app, provider, sandbox, clock, config, http: reqwest::Client::new(), _refairn: refairn, _folder: folder }
    }

    async fn run(config: &Config, clock: &Clock) -> App {
        App::start(config, Secret::parse("an-admin-token").expect("a secret"), clock).await.expect("a bridge")
    }

    /// Ends the bridge and starts it again on the same data.
    pub async fn restart(self) -> Self {
        self.app.stop().await;
        Self { app: Self::run(&self.config, &self.clock).await, ..self }
    }

    pub async fn with_key() -> Self {
        Self::start(&format!("api_key = \"{PROVIDER_KEY}\"")).await
    }

    /// Sends a webhook as the provider would; it has to be taken.
    pub async fn post(&self, kind: ProviderKind, event: &Value) {
        let body = event.to_string();
        let signature = provider(kind).sign(SECRET, body.as_bytes(), self.clock.now());
        let url = format!("http://{}/webhooks/{kind}", self.app.addr());
        let request = self.http.post(url).header(provider(kind).signature_header(), signature).body(body);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), 200);
    }

    pub async fn stripe(&self, event: &Value) {
        self.post(ProviderKind::Stripe, event).await;
    }

    /// The events of a type, the oldest first.
    pub async fn events(&self, event_type: &str) -> Vec<EventView> {
        let filter = EventFilter { event_type: Some(event_type.into()), limit: 500, ..EventFilter::default() };
        let mut events = self.app.store().events(filter).await.expect("readable");
        events.reverse();
        events
    }

    /// Waits until the first event of a type is in a state, with a reason if one is given, and a detail that holds a text.
    pub async fn until(&self, event_type: &str, state: &str, reason: Option<&str>, detail: &str) {
        let there = async || {
            self.events(event_type).await.first().is_some_and(|e| {
                let detail_fits = detail.is_empty() || e.detail.as_deref().is_some_and(|d| d.contains(detail));
                e.state.code() == state && e.reason.map(|r| r.code()) == reason && detail_fits
            })
        };
        eventually(there, async || format!("{:?}", self.events(event_type).await)).await;
    }

    pub async fn until_asked(&self, path: &str, times: usize) {
        eventually(async || self.provider.times(path) >= times, async || format!("{:?}", self.provider.asked())).await;
    }

    /// Waits until Refairn was called so often; gives the bodies of the calls.
    pub async fn calls(&self, count: usize) -> Vec<Value> {
        eventually(async || self.sandbox.calls().len() >= count, async || format!("{:?}", self.sandbox.calls())).await;
        self.sandbox.calls().iter().map(|c| serde_json::from_str(&c.body).expect("json")).collect()
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: u64) {
        self.clock.set(after(self.clock.now(), Duration::from_secs(seconds)));
    }

    /// Gives the bridge time to do what it must not do.
    pub async fn idle(&self) {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

pub async fn eventually(there: impl AsyncFn() -> bool, seen: impl AsyncFn() -> String) {
    let waiting = async {
        while !there().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
        panic!("it does not come; there is {}", seen().await);
    }
}

pub fn event(id: &str, event_type: &str, object: Value) -> Value {
    let created = start_time().as_second();
    json!({"id": id, "object": "event", "type": event_type, "created": created, "livemode": true, "data": {"object": object}})
}

pub fn invoice(id: &str, customer: &str, email: Option<&str>) -> Value {
    json!({"id": id, "object": "invoice", "customer": customer, "customer_email": email, "currency": "usd",
        "amount_paid": 2999, "amount_due": 2999, "total": 2999, "subtotal": 2999, "status": "paid",
        "subscription": format!("sub_of_{customer}"), "status_transitions": {"paid_at": start_time().as_second()}})
}

pub fn customer(id: &str, email: Option<&str>) -> Value {
    json!({"id": id, "object": "customer", "email": email, "name": "Jane Roe", "metadata": {}})
}

pub fn thin(id: &str, event_type: &str, kind: &str, object: &str, url: &str) -> Value {
    json!({"id": id, "object": "v2.core.event", "type": event_type, "created": "2026-11-19T10:00:00.123Z", "livemode": true,
        "context": null, "related_object": {"id": object, "type": kind, "url": url}})
}
