//! A bridge whose provider has lists, and what is asked of its API.

use std::time::Duration;

use jiff::Timestamp;
use refairn_bridge::domain::provider::ProviderKind;
use serde_json::{Value, json};

use crate::kit::provider::Provider;
use crate::kit::until;
use crate::kit::world::{Setup, World};
use crate::shop::{Sale, Webhook};

/// When every test begins.
pub const START: &str = "2026-11-20T12:00:00Z";

/// A key of live mode, as the sales are.
pub const LIVE_KEY: &str = "rk_live_of_the_tests";

/// Where a bridge keeps its data.
#[derive(Clone, Copy)]
pub enum Data {
    Sqlite,
    Postgres,
}

/// A world, and the provider whose lists its bridge reads. It has to be ended by [`Bridge::end`].
pub struct Bridge {
    pub world: World,
    pub provider: Provider,
}

/// So many days before every test begins.
pub fn days_ago(days: i64) -> Timestamp {
    let start: Timestamp = START.parse().expect("a time");
    Timestamp::from_second(start.as_second() - days * 86_400).expect("a time")
}

impl Bridge {
    pub async fn start(data: Data) -> Self {
        Self::start_with(data, "").await
    }

    /// The same with more settings of the endpoint at Stripe.
    pub async fn start_with(data: Data, more: &str) -> Self {
        Self::start_as(data, more, |setup| setup).await
    }

    /// The same with more of the setup.
    pub async fn start_as(data: Data, more: &str, with: impl FnOnce(Setup) -> Setup) -> Self {
        let provider = Provider::start().await;
        let setup = match data {
            Data::Sqlite => Setup::new(),
            Data::Postgres => Setup::on_server(),
        };
        provider.takes_key(&format!("sk_live_w{}", setup.n));
        provider.takes_key(LIVE_KEY);
        let api = format!("api_base_url = \"http://{}\"", provider.addr);
        let endpoints = format!(
            "[[endpoints]]\nprovider = \"stripe\"\n{api}\napi_key = \"{LIVE_KEY}\"\n{more}\
             [[endpoints]]\nprovider = \"paystack\"\n{api}\n"
        );
        let mut world = with(setup).at(START).file(&endpoints).start().await;
        // Calls of status may be due later than a test ends.
        world.leave.open = true;
        provider.lists(|lists| lists.now = Some(world.now()));
        Self { world, provider }
    }

    /// Sends webhooks as the provider would.
    pub async fn hear(&self, kind: ProviderKind, webhooks: &[&Webhook]) {
        for webhook in webhooks {
            let reply = self.world.signed(kind, webhook.body.to_string().as_bytes()).send(self.world.addr()).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
    }

    /// Begins a backfill.
    pub async fn begin(&self, kind: ProviderKind, since: Timestamp) -> Value {
        let day = since.strftime("%Y-%m-%d");
        let reply = self.world.act(&format!("/api/v1/backfills?provider={}&since={day}", kind.code())).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Lets the clock run until the backfill is in one of these states.
    pub async fn until(&self, id: &str, states: &[&str]) -> Value {
        until(&format!("{id} is {states:?}"), async || {
            let seen = self.world.get(&format!("/api/v1/backfills/{id}")).await;
            if states.iter().any(|state| seen["state"] == *state) {
                return Some(seen);
            }
            self.world.pass(Duration::from_millis(100));
            None
        })
        .await
    }

    /// Lists all that was paid since then; gives what it would come to.
    pub async fn list(&self, kind: ProviderKind, since: Timestamp) -> Value {
        let begun = self.begin(kind, since).await;
        let listed = self.until(begun["id"].as_str().expect("an id"), &["ready", "failed"]).await;
        assert_eq!(listed["state"], "ready", "{listed}");
        listed
    }

    /// Records what was listed, and waits until it has been read: until then a call that was due before may go out.
    pub async fn record(&self, listed: &Value) -> Value {
        let id = listed["id"].as_str().expect("an id");
        let reply = self.world.act(&format!("/api/v1/backfills/{id}/record")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let done = self.until(id, &["done", "failed"]).await;
        assert_eq!(done["state"], "done", "{done}");
        until("what was recorded is read", async || {
            let unread = self.world.get("/api/v1/stats").await["events"]["received"].as_i64();
            (unread.unwrap_or(0) == 0).then_some(())
        })
        .await;
        done
    }

    /// Discards what was listed.
    pub async fn discard(&self, listed: &Value) {
        let reply =
            self.world.act(&format!("/api/v1/backfills/{}/discard", listed["id"].as_str().expect("an id"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// What Refairn holds: each payment and each customer, without what depends on the order in which they came.
    pub fn held(&self) -> Vec<Value> {
        let domain = format!("@w{}.example.com", self.world.n);
        let name = |address: &str| address.trim_end_matches(&domain).to_owned();
        let mut held: Vec<Value> = self.world.sandbox.look(|book| {
            let payment = |p: &refairn_bridge::sandbox::Payment| {
                let agent = book.commissions().iter().find(|c| Some(&c.commission_id) == p.commission_id.as_ref());
                json!({"paid": name(&p.customer_email), "amount": p.amount.to_string(), "currency": p.currency,
                    "day": p.payment_date.to_string(), "status": p.subscription_status,
                    "agent": agent.map(|c| c.agent_id.clone())})
            };
            let lead = |l: &refairn_bridge::sandbox::Lead| {
                json!({"lead": name(&l.customer_email), "code": l.referral_code, "agent": l.agent_id})
            };
            book.payments().iter().map(payment).chain(book.leads().iter().map(lead)).collect()
        });
        held.sort_by_key(Value::to_string);
        held
    }

    /// Lets hours pass in which everything that is due is done.
    pub async fn drive(&self) {
        self.world.drive(Duration::from_secs(3 * 3600)).await;
    }

    pub async fn end(self) {
        self.world.idle().await;
        self.world.end().await;
    }
}

/// Sales of some weeks: with and without a code, with renewals, given back, ended.
pub fn sales(bridge: &Bridge, count: usize, oldest_days: i64) -> Vec<Sale> {
    let sale = |n: usize| {
        let nth = i64::try_from(n).expect("small");
        let count = i64::try_from(count).expect("small");
        let at = days_ago(2 + (oldest_days - 2) * nth / count.max(1));
        let sale = Sale::new(n, bridge.world.email(&format!("buyer{n}")), at);
        let sale = if n.is_multiple_of(2) { sale.code("ADA10") } else { sale };
        let sale = if n % 7 == 3 { sale.refunded() } else { sale };
        let sale = if n % 5 == 1 { sale.ended() } else { sale };
        if oldest_days > 60 && n.is_multiple_of(3) && at < days_ago(65) { sale.renewals(1) } else { sale }
    };
    (0..count).map(sale).collect()
}
