//! The real program under SIGKILL at random moments, with the oracle outside: what was answered 2xx, and what the
//! sandbox holds. Whatever was answered ends explained, nothing is sent that was not received, one payment is one
//! record, and a fresh event still gets through.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests may fail loudly, and their helpers are for this binary alone"
)]
#![allow(dead_code, reason = "the helpers serve more than one test binary")]

#[path = "bridge/kit/mod.rs"]
mod kit;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::endpoint::ProviderKind;
use refairn_bridge::domain::endpoint::ProviderKind::Stripe;
use refairn_bridge::sandbox::Fault;
use refairn_bridge::tasks::Tasks;
use serde_json::{Value, json};

use kit::process::{Process, copy_files, post};
use kit::samples::{Sale, corpus};
use kit::{checks, until};

/// How often it is killed.
const KILLS: usize = 8;
/// How long it lives before, milliseconds.
const LIFE_MS: std::ops::Range<u64> = 30..500;
/// Posts under way at once.
const POSTERS: usize = 6;
/// Sales that are there from the start beside the corpus; more are made as these are acknowledged.
const SALES: usize = 200;
/// More than this are not made.
const SALES_MAX: usize = 20_000;
/// Sales among which some meet a fault.
const SALES_WITH_FAULTS: usize = 900;
/// The same run again needs the same seed.
const SEED: u64 = 20_260_615;

/// One webhook, and the number by which it was acknowledged.
struct Webhook {
    name: String,
    kind: ProviderKind,
    body: Vec<u8>,
    acknowledged: Option<String>,
    times_new: usize,
}

/// All that is posted. It grows for as long as there are kills to come, so that none of them meets a bridge at rest.
#[derive(Default)]
struct Load {
    webhooks: Vec<Webhook>,
    sales: usize,
    complete: bool,
}

type Shared = Arc<Mutex<Load>>;

/// A sale to a customer of its own.
fn sale(n: usize) -> Sale {
    let sale = Sale::new(&format!("crash{n}"), &format!("crash{n}@example.com"), Clock::system().now());
    let sale = sale.cents(1000 + i64::try_from(n).expect("small"));
    if n.is_multiple_of(2) { sale.code("ADA10") } else { sale }
}

impl Load {
    fn start() -> Shared {
        let mut load = Self::default();
        for (name, kind, body) in corpus() {
            load.webhooks.push(Webhook { name, kind, body, acknowledged: None, times_new: 0 });
        }
        (0..SALES).for_each(|_| load.grow());
        Arc::new(Mutex::new(load))
    }

    fn grow(&mut self) {
        let name = format!("sale {}", self.sales);
        let body = sale(self.sales).event().to_string().into_bytes();
        self.webhooks.push(Webhook { name, kind: Stripe, body, acknowledged: None, times_new: 0 });
        self.sales += 1;
    }

    fn open(&self) -> Vec<usize> {
        (0..self.webhooks.len()).filter(|i| self.webhooks[*i].acknowledged.is_none()).collect()
    }

    /// What is posted next: mostly such as have not been acknowledged, and some once more.
    fn next(&mut self, chance: &mut StdRng) -> usize {
        if self.open().len() < POSTERS && !self.complete && self.sales < SALES_MAX {
            self.grow();
        }
        let again = chance.random_ratio(1, 5);
        let open = self.open().choose(chance).copied();
        open.filter(|_| !again).unwrap_or_else(|| chance.random_range(0..self.webhooks.len()))
    }

    fn acknowledge(&mut self, index: usize, id: &str, duplicate: bool) {
        let webhook = &mut self.webhooks[index];
        // Every answer may say that it was known, for the answer to the first time may be lost; one may say it was not.
        webhook.times_new += usize::from(!duplicate);
        assert!(webhook.times_new < 2, "{} was new twice", webhook.name);
        let known = webhook.acknowledged.get_or_insert_with(|| id.to_owned());
        assert_eq!(known, id, "{} has two numbers", webhook.name);
    }
}

/// Posts one webhook after another until told to stop.
async fn poster(addr: SocketAddr, load: Shared, seed: u64, stop: tokio_util::sync::CancellationToken) {
    let mut chance = StdRng::seed_from_u64(seed);
    while !stop.is_cancelled() {
        let (index, kind, body) = {
            let mut load = load.lock().expect("unpoisoned");
            let index = load.next(&mut chance);
            (index, load.webhooks[index].kind, load.webhooks[index].body.clone())
        };
        match post(addr, kind, &body).await {
            Some((id, duplicate)) => load.lock().expect("unpoisoned").acknowledge(index, &id, duplicate),
            // It was killed: the provider comes again later.
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Faults that leave calls in every state a kill can meet: late, lost, and recorded without an answer.
fn order_faults(process: &Process) {
    let mut faults = Vec::new();
    for n in (0..SALES_WITH_FAULTS).step_by(9) {
        let email = format!("crash{n}@example.com");
        faults.push(
            json!({ "on": "payment-succeeded", "email": email, "drop": if n % 2 == 0 { "after" } else { "before" } }),
        );
    }
    faults.push(json!({ "delay_ms": 8, "times": 1_000_000 }));
    let faults = Fault::read_all(Value::Array(faults).to_string().as_bytes()).expect("faults");
    process.sandbox.add_faults(faults).expect("taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_it_loses_nothing_and_tells_nothing_twice() {
    let mut process = Process::new(&[
        ("REFAIRN_BRIDGE__DELIVERY__FIRST_PAYMENT_WAIT_S", "0"),
        // Both would wait for the end of a day.
        ("REFAIRN_BRIDGE__DELIVERY__STATUS_UPDATES", "off"),
        ("REFAIRN_BRIDGE__DELIVERY__RETRY_MAX_WAIT_S", "1"),
    ]);
    order_faults(&process);
    let load = Load::start();
    let posters = Tasks::new();
    for n in 0..POSTERS {
        posters.spawn(poster(process.addr, load.clone(), SEED + n as u64, posters.stopping()));
    }
    let mut chance = StdRng::seed_from_u64(SEED);
    for _ in 0..KILLS {
        process.start().await;
        tokio::time::sleep(Duration::from_millis(chance.random_range(LIFE_MS))).await;
        process.kill();
    }
    load.lock().expect("unpoisoned").complete = true;
    process.start().await;
    until("every webhook is acknowledged", async || load.lock().expect("unpoisoned").open().is_empty().then_some(()))
        .await;
    assert!(posters.stop(Duration::from_secs(20)).await, "the posters did not stop");
    at_rest(&process).await;
    let sales = load.lock().expect("unpoisoned").sales;
    every_answer_was_kept(&process, &load).await;
    refairn_has_what_it_should(&process, sales).await;

    let fresh = sale(sales).event().to_string();
    let before = process.sandbox.look(|book| book.payments().len());
    process.post(Stripe, fresh.as_bytes()).await.expect("acknowledged");
    until("a fresh event gets through", async || {
        (process.sandbox.look(|book| book.payments().len()) == before + 1).then_some(())
    })
    .await;
    process.end().await;
}

/// Waits until nothing is to be read or sent any more.
async fn at_rest(process: &Process) {
    until("everything has ended", async || {
        let stats = process.get("/api/v1/stats").await;
        let open = [&stats["events"]["received"], &stats["deliveries"]["queued"], &stats["deliveries"]["sending"]];
        open.iter().all(|n| n.as_i64().unwrap_or(0) == 0).then_some(())
    })
    .await;
}

/// Every acknowledged event is there, as what it was, and explained; and there are no others.
async fn every_answer_was_kept(process: &Process, load: &Shared) {
    let events: BTreeMap<String, Value> =
        process.all("events").await.into_iter().map(|e| (e["id"].as_str().expect("an id").to_owned(), e)).collect();
    let load = load.lock().expect("unpoisoned");
    for Webhook { name, kind, body, acknowledged, .. } in &load.webhooks {
        let event = &events[acknowledged.as_ref().expect("acknowledged")];
        checks::event_is_explained(event);
        assert_eq!(event["provider"], kind.code(), "{name}");
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if let (Stripe, Some(id)) = (kind, body["id"].as_str()) {
            assert_eq!(event["provider_event_id"], id, "{name}");
        }
    }
    assert_eq!(events.len(), load.webhooks.len(), "events that nobody posted");
}

/// Refairn was told every payment once, as we say it was, and nothing else.
async fn refairn_has_what_it_should(process: &Process, sales: usize) {
    let deliveries = process.all("deliveries").await;
    deliveries.iter().for_each(|d| checks::delivery_is_explained(d, false));
    let ours: BTreeSet<String> = deliveries.iter().map(|d| d["request"].to_string()).collect();
    for call in process.sandbox.calls() {
        let body: Value = serde_json::from_str(&call.body).expect("JSON");
        assert!(ours.contains(&body.to_string()), "no delivery tells of {body}");
        assert!(call.decided.is_none_or(|status| [200, 409].contains(&status)), "{call:?}: {body}");
    }
    let key = |email: &str, day: &str, amount: &str| format!("{} {day} {amount}", email.to_lowercase());
    let mut there: Vec<String> = process.sandbox.look(|book| {
        let payments = book.payments().iter();
        payments
            .map(|p| key(&p.customer_email, &p.payment_date.to_string(), &p.amount.normalize().to_string()))
            .collect()
    });
    let told = deliveries.iter().filter(|d| d["kind"] == "payment-succeeded");
    let told = told.filter(|d| d["state"] == "delivered" || d["state"] == "duplicate");
    let mut said: Vec<String> = told
        .map(|d| {
            let r = &d["request"];
            let amount: rust_decimal::Decimal = r["amount"].to_string().parse().expect("an amount");
            let (email, day) = (r["customerEmail"].as_str().expect("text"), r["paymentDate"].as_str().expect("text"));
            key(email, day, &amount.normalize().to_string())
        })
        .collect();
    there.sort();
    said.sort();
    assert_eq!(said, there, "what we say and what Refairn holds differ");
    // Each sale of ours is one payment, and one commission where there was a code.
    let (paid, credited) = process.sandbox.look(|book| {
        let own: Vec<_> = book.payments().iter().filter(|p| p.customer_email.starts_with("crash")).collect();
        (own.len(), own.iter().filter(|p| p.commission_id.is_some()).count())
    });
    assert_eq!((paid, credited), (sales, sales.div_ceil(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_in_the_files_at_that_moment() {
    let mut process = Process::new(&[]);
    process.start().await;
    for n in 0..40 {
        let body = sale(n).event().to_string();
        let (id, duplicate) = process.post(Stripe, body.as_bytes()).await.expect("acknowledged");
        assert!(!duplicate);
        // The machine loses its power now: all that is left is what was written.
        let copy = tempfile::tempdir().expect("a folder");
        copy_files(process.folder.path(), copy.path());
        let db = rusqlite::Connection::open(copy.path().join("bridge.db")).expect("opened");
        let integrity: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        assert_eq!(integrity, "ok");
        let number: i64 = id.trim_start_matches("evt_").parse().expect("a number");
        let sql = "SELECT e.provider_event_id, b.body FROM events e JOIN bodies b ON b.event_id = e.id WHERE e.id = ?1";
        let found: (String, Vec<u8>) =
            db.query_row(sql, [number], |row| Ok((row.get(0)?, row.get(1)?))).expect("the event is not in the files");
        assert_eq!(found.0, format!("evt_crash{n}"));
        assert_eq!(zstd::bulk::decompress(&found.1, 1 << 20).expect("a body"), body.as_bytes());
    }
    at_rest(&process).await;
    process.end().await;
}
