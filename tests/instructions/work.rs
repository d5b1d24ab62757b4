//! What is counted: each stage of the path, so many times, on a sale through Stripe.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::customer::{CustomerHistory, CustomerKey, KnownFact};
use refairn_bridge::domain::delivery::Receipt;
use refairn_bridge::domain::delivery::{AttemptRecord, Settlement};
use refairn_bridge::domain::email::Email;
use refairn_bridge::domain::event::{EventId, NewEvent, Origin};
use refairn_bridge::domain::fact::{Fact, FactKind, Reading};
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::ledger::plan;
use refairn_bridge::mapping::Mapper;
use refairn_bridge::providers::{Signature, provider, verify};
use refairn_bridge::store::body;
use tokio::sync::Notify;

use crate::kit::place::Place;
use crate::kit::rules::{BODY_BYTES_MAX, BUSINESS, SECRET, default_rules, endpoint};

/// A renewal, as Stripe sends it.
const SALE: &str = include_str!("../fixtures/stripe/invoice.paid/renewal-clover/body.json");
/// Months for which the customer whose calls are planned has paid.
const MONTHS: i64 = 12;
/// What Refairn answers.
pub(crate) const RECEIPT: &str = r#"{"success":true,"commissionId":"comm_1"}"#;

/// What is counted by itself.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    Verify,
    Identify,
    Map,
    Plan,
    /// Recorded, read, planned, leased and settled, in SQLite.
    Event,
    /// The same of one customer, who has had some dozens.
    Renewal,
}

impl Stage {
    pub(crate) const ALL: [Self; 6] = [Self::Verify, Self::Identify, Self::Map, Self::Plan, Self::Event, Self::Renewal];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Identify => "identify",
            Self::Map => "map",
            Self::Plan => "plan",
            Self::Event => "event",
            Self::Renewal => "renewal",
        }
    }

    /// Few times and many.
    pub(crate) const fn times(self) -> (u32, u32) {
        match self {
            Self::Verify | Self::Identify | Self::Map | Self::Plan => (10, 110),
            Self::Event => (10, 60),
            Self::Renewal => (60, 80),
        }
    }
}

pub(crate) fn run(stage: Stage, times: u32) {
    let (stripe, now, rules) = (provider(ProviderKind::Stripe), Timestamp::UNIX_EPOCH, default_rules());
    let body = SALE.as_bytes();
    match stage {
        Stage::Verify => {
            let (endpoint, header) = (endpoint(ProviderKind::Stripe, rules), stripe.signature_header());
            let value = stripe.sign(SECRET, body, now);
            for _ in 0..times {
                let signatures = [Signature { header, value: value.as_bytes() }];
                assert!(verify(&endpoint, &signatures, black_box(body), now).is_ok());
            }
        }
        Stage::Identify => (0..times).for_each(|_| {
            black_box(stripe.identify(black_box(body)));
        }),
        Stage::Map => (0..times).for_each(|_| {
            black_box(stripe.read(black_box(body), &rules, now));
        }),
        Stage::Plan => {
            let (person, policy) = (customer(&read(body)), Policy::default());
            (0..times).for_each(|_| {
                black_box(plan(black_box(&person), &policy, now));
            });
        }
        Stage::Event => finish(events(times, sale)),
        Stage::Renewal => finish(events(times, renewal)),
    }
}

fn finish(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work);
}

fn read(body: &[u8]) -> Fact {
    match provider(ProviderKind::Stripe).read(body, &default_rules(), Timestamp::UNIX_EPOCH) {
        Reading::Fact(fact) => *fact,
        other @ (Reading::Ignored(_) | Reading::Unmappable(..)) => panic!("{other:?} is no fact"),
    }
}

/// A customer with a payment a month, each reported twice.
fn customer(fact: &Fact) -> CustomerHistory {
    let facts = (0..MONTHS * 2).map(|n| {
        let mut fact = fact.clone();
        if let FactKind::Payment(payment) = &mut fact.matter {
            payment.identity = format!("in_{}", n / 2);
        }
        let (event, scope) = (EventId(n + 1), "stripe//live".into());
        KnownFact { event, scope, received_at: Timestamp::UNIX_EPOCH, is_related: false, has_stayed: false, fact }
    });
    let email_key = fact.email.as_ref().map(Email::key).unwrap_or_default();
    CustomerHistory {
        key: CustomerKey { business: BUSINESS.into(), email_key },
        facts: facts.collect(),
        deliveries: vec![],
    }
}

/// One event after the other goes its whole way, but for the call itself.
async fn events(times: u32, sale: fn(u32) -> Vec<u8>) {
    let (place, start) = (Place::file(), Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 50));
    let (store, clock) = (place.open(&Policy::default()), Clock::manual(start));
    let wake = || Arc::new(Notify::new());
    let endpoints = [endpoint(ProviderKind::Stripe, default_rules())];
    let mapper = Mapper::new(store.clone(), clock.clone(), &endpoints, BODY_BYTES_MAX, wake(), wake());
    for n in 0..times {
        let now = clock.now();
        store.record(event(&sale(n), now)).await.expect("recorded");
        assert_eq!(mapper.work_once().await.expect("read"), 1);
        let leased = store.lease(now, Duration::from_secs(600), 16).await.expect("a lease");
        let [leased] = leased.as_slice() else { panic!("{} calls are due", leased.len()) };
        let response = Some(RECEIPT.to_owned());
        let attempt =
            AttemptRecord { at: now, took_ms: 1, status: Some(201), outcome: "delivered".to_owned(), response };
        let settlement = Settlement::Delivered(Receipt::default());
        assert_eq!(store.settle(leased, attempt, settlement, now).await, Ok(true));
    }
    store.close().await;
}

/// A sale of a customer of its own.
pub(crate) fn sale(n: u32) -> Vec<u8> {
    let mut event: serde_json::Value = serde_json::from_str(SALE).expect("JSON");
    event["id"] = format!("evt_{n}").into();
    let invoice = &mut event["data"]["object"];
    invoice["id"] = format!("in_{n}").into();
    invoice["customer"] = format!("cus_{n}").into();
    invoice["customer_email"] = format!("customer-{n}@example.com").into();
    invoice["parent"]["subscription_details"]["subscription"] = format!("sub_{n}").into();
    event.to_string().into_bytes()
}

/// A sale of the one customer, a day before the last.
fn renewal(n: u32) -> Vec<u8> {
    let mut event: serde_json::Value = serde_json::from_slice(&sale(n)).expect("JSON");
    let invoice = &mut event["data"]["object"];
    let paid_at = invoice["status_transitions"]["paid_at"].as_i64().expect("a time");
    invoice["status_transitions"]["paid_at"] = (paid_at - i64::from(n) * 86_400).into();
    for (name, value) in [("customer", "cus_1"), ("customer_email", "customer-1@example.com")] {
        invoice[name] = value.into();
    }
    invoice["parent"]["subscription_details"]["subscription"] = "sub_1".into();
    event.to_string().into_bytes()
}

pub(crate) fn event(bytes: &[u8], now: Timestamp) -> NewEvent {
    NewEvent {
        origin: Origin::Webhook,
        endpoint: "stripe".into(),
        provider: ProviderKind::Stripe,
        business: BUSINESS.into(),
        identity: provider(ProviderKind::Stripe).identify(bytes),
        body_zstd: body::compress(bytes).expect("compressed"),
        received_at: now,
    }
}
