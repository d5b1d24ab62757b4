//! A bridge whose provider answers look-ups, and what Stripe sends.

use std::time::Duration;

use jiff::Timestamp;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::store::queries::{EventFilter, EventView};
use serde_json::{Value, json};

use crate::kit::provider::{PROVIDER_KEY, Provider};
use crate::kit::until;
use crate::kit::world::{Setup, World};

/// When every test begins.
const START: &str = "2026-11-20T12:00:00Z";

/// Where a bridge keeps its data.
#[derive(Clone, Copy)]
pub enum Data {
    Sqlite,
    Postgres,
}

/// A world, and the provider whose API its bridge asks. It has to be ended by [`Bridge::end`].
pub struct Bridge {
    pub world: World,
    pub provider: Provider,
}

pub fn start_time() -> Timestamp {
    START.parse().expect("a time")
}

impl Bridge {
    /// Starts everything; `keys` are added to the Stripe endpoint.
    pub async fn start(keys: &str) -> Self {
        Self::start_on(Data::Sqlite, keys).await
    }

    /// The same with its data there.
    pub async fn start_on(data: Data, keys: &str) -> Self {
        let provider = Provider::start().await;
        let setup = match data {
            Data::Sqlite => Setup::new(),
            Data::Postgres => Setup::on_server(),
        };
        let api = format!("api_base_url = \"http://{}\"", provider.addr);
        let endpoints = format!(
            "[[endpoints]]\nprovider = \"stripe\"\n{api}\n{keys}\n\
             [[endpoints]]\nprovider = \"paystack\"\n{api}\napi_key = \"{PROVIDER_KEY}\"\n"
        );
        let mut world = setup.at(START).file(&endpoints).start().await;
        // The clock stands where a test leaves it, and calls may be due later.
        world.leave.open = true;
        Self { world, provider }
    }

    pub async fn with_key() -> Self {
        Self::start(&format!("api_key = \"{PROVIDER_KEY}\"")).await
    }

    /// Ends the bridge and starts it again on the same data.
    pub async fn restart(mut self) -> Self {
        self.world.restart().await;
        self
    }

    /// Lets the bridge do what is due, and ends it with the checks of every world.
    pub async fn end(self) {
        self.world.idle().await;
        self.world.end().await;
    }

    /// Sends a webhook as the provider would, perhaps once more; it has to be taken.
    pub async fn post(&self, kind: ProviderKind, event: &Value) {
        let reply = self.world.signed(kind, event.to_string().as_bytes()).send(self.world.addr()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    pub async fn stripe(&self, event: &Value) {
        self.post(ProviderKind::Stripe, event).await;
    }

    /// The events of a type, the oldest first.
    pub async fn events(&self, event_type: &str) -> Vec<EventView> {
        let filter = EventFilter { event_type: Some(event_type.into()), limit: 500, ..EventFilter::default() };
        let mut events = self.world.app().store().events(filter).await.expect("readable");
        events.reverse();
        events
    }

    /// Waits until the first event of a type is in a state, with a reason if one is given, and a detail that holds a text.
    pub async fn until(&self, event_type: &str, state: &str, reason: Option<&str>, detail: &str) {
        until(&format!("the first {event_type} is {state}, {reason:?}, {detail:?}"), async || {
            let first = self.events(event_type).await.into_iter().next()?;
            let detail_fits = detail.is_empty() || first.detail.as_deref().is_some_and(|d| d.contains(detail));
            let fits = first.state.code() == state && first.reason.map(|r| r.code()) == reason && detail_fits;
            fits.then_some(())
        })
        .await;
    }

    pub async fn until_asked(&self, path: &str, times: usize) {
        until(&format!("{path} is asked for {times} times"), async || {
            (self.provider.times(path) >= times).then_some(())
        })
        .await;
    }

    /// Waits until Refairn was called so often; gives the bodies of the calls.
    pub async fn calls(&self, count: usize) -> Vec<Value> {
        let calls = until(&format!("Refairn is called {count} times"), async || {
            Some(self.world.sandbox.calls()).filter(|calls| calls.len() >= count)
        })
        .await;
        calls.iter().map(|c| serde_json::from_str(&c.body).expect("json")).collect()
    }

    /// Lets time pass.
    pub fn wait(&self, seconds: u64) {
        self.world.pass(Duration::from_secs(seconds));
    }

    /// Gives the bridge time to do what it must not do.
    pub async fn idle(&self) {
        tokio::time::sleep(Duration::from_millis(300)).await;
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
