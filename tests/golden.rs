//! The corpus: what each payload means, and which calls come of it; and of each sequence, in every order. SQLite and
//! PostgreSQL must come to the same.
//!
//! `BLESS=1 cargo test --test golden` writes what came instead of comparing it; look at the difference before you
//! commit it.

#![allow(clippy::expect_used, clippy::panic, unreachable_pub, missing_docs, reason = "a test ends where it fails")]
#![allow(clippy::disallowed_methods, reason = "BLESS is asked for where it is used")]

mod kit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use refairn_bridge::clock::after;
use refairn_bridge::domain::delivery::{Delivery, DeliveryState};
use refairn_bridge::domain::event::EventState;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::domain::reason::{DeliveryReason, EventReason};
use serde_json::{Value, json};

use kit::case::{Case, Step};
use kit::pipeline::{Pipeline, Weather};
use kit::place::{Place, Server};
use kit::postgres::Database;
use kit::rules::{endpoint, fixtures};

/// Days after the last event in which everything must have come to rest.
const DAYS: u64 = 5;
/// Fewer folders than this mean that the corpus was not found.
const CASES_MIN: usize = 60;
const SEQUENCES_MIN: usize = 8;
/// Of each sequence's orders so many are tried on PostgreSQL; SQLite has all of them.
const ORDERS_ON_SERVER: usize = 3;

fn folders(parent: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(parent)
        .expect("a folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.is_dir())
        .collect();
    all.sort();
    all
}

/// Runs `check` on every folder on as many threads as there are cores, each with a database of its own; gives what it
/// found wrong.
fn check_all(
    folders: &[PathBuf],
    check: impl AsyncFn(&Path, &Arc<Server>) -> Result<(), String> + Sync,
) -> Vec<String> {
    let queue = Mutex::new(folders.iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                let server = Arc::new(runtime.block_on(Server::new(&Database::make())));
                while let Some(folder) = queue.lock().expect("unpoisoned").next_back() {
                    if let Err(difference) = runtime.block_on(check(folder, &server)) {
                        let name = folder.strip_prefix(fixtures()).expect("inside").display();
                        wrong.lock().expect("unpoisoned").push(format!("── {name}\n{difference}"));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().expect("unpoisoned");
    wrong.sort();
    wrong
}

fn provider_of(folder: &Path) -> ProviderKind {
    let inside = folder.strip_prefix(fixtures()).expect("inside");
    let name = inside.components().next().expect("a provider").as_os_str().to_str().expect("a name");
    ProviderKind::parse(name).expect("a provider")
}

/// Compares with `expected.json`, or writes it.
fn settle(folder: &Path, came: &Value) -> Result<(), String> {
    let path = folder.join("expected.json");
    if std::env::var_os("BLESS").is_some() {
        let text = serde_json::to_string_pretty(came).expect("json") + "\n";
        std::fs::write(path, text).expect("written");
        return Ok(());
    }
    let text =
        std::fs::read_to_string(&path).map_err(|e| format!("{e}: run with BLESS=1 and look at what it writes"))?;
    let expected: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    same(&expected, came).map_err(|difference| format!("  {}\n{difference}", Case::read(folder).about))
}

/// The lines in which they differ.
fn same(expected: &Value, came: &Value) -> Result<(), String> {
    if expected == came {
        return Ok(());
    }
    let show = |v: &Value| serde_json::to_string_pretty(v).expect("json");
    let (expected, came) = (show(expected), show(came));
    let lines = expected.lines().filter(|l| !came.contains(*l)).map(|l| format!("  - {l}"));
    let more = came.lines().filter(|l| !expected.contains(*l)).map(|l| format!("  + {l}"));
    Err(lines.chain(more).collect::<Vec<_>>().join("\n"))
}

/// The calls that reached Refairn.
fn calls_of(world: &Pipeline) -> Vec<Value> {
    world.calls.iter().filter(|c| c.status.is_some()).map(|c| json!({ "kind": c.kind, "body": c.body })).collect()
}

/// What came of one body.
async fn run_case(place: Place, case: &Case, provider: ProviderKind, body: &[u8]) -> Value {
    let endpoints = vec![endpoint(provider, case.rules())];
    let mut world = Pipeline::new(place, endpoints, case.policy(), case.received_at());
    let recorded = world.record(provider, body).await;
    world.map_all().await;
    world.run_days(DAYS).await;
    let again = world.record(provider, body).await;
    assert!(again.duplicate && again.id == recorded.id, "a repetition was not recognised");
    world.assert_explained().await;
    let event = world.event(recorded.id).await;
    let facts: Vec<Value> = event.fact.iter().map(|f| serde_json::from_str(f).expect("json")).collect();
    let mut came = json!({
        "outcome": event.event.state.code(),
        "reason": event.event.reason.map(EventReason::code),
        "facts": facts,
        "calls": calls_of(&world),
    });
    if let Some(detail) = event.event.detail {
        came["detail"] = detail.into();
    }
    came
}

async fn check_case(folder: &Path, server: &Arc<Server>) -> Result<(), String> {
    let case = Case::read(folder);
    let (json_file, raw_file) = (folder.join("body.json"), folder.join("body.bin"));
    let body = std::fs::read(&json_file).or_else(|_| std::fs::read(&raw_file)).map_err(|e| e.to_string())?;
    let provider = provider_of(folder);
    let came = run_case(Place::file(), &case, provider, &body).await;
    settle(folder, &came)?;
    let on_server = run_case(Place::emptied(server, &case.policy()).await, &case, provider, &body).await;
    same(&came, &on_server).map_err(|difference| format!("  on PostgreSQL:\n{difference}"))
}

#[test]
fn every_payload_means_what_it_is_expected_to() {
    let providers = folders(&fixtures());
    let types = providers.iter().flat_map(|p| folders(p)).filter(|t| !t.ends_with("_sequence"));
    let cases: Vec<PathBuf> = types.flat_map(|t| folders(&t)).collect();
    assert!(cases.len() >= CASES_MIN, "only {} cases found in {}", cases.len(), fixtures().display());
    let wrong = check_all(&cases, check_case);
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Every order of some numbers.
fn orders(of: &[usize]) -> Vec<Vec<usize>> {
    let Some((last, shorter)) = of.split_last() else { return vec![vec![]] };
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, *last);
        order
    };
    orders(shorter).iter().flat_map(|order| (0..of.len()).map(move |at| insert(order, at))).collect()
}

/// Every order in which the steps' bodies may come, step by step.
fn orders_of(steps: &[Step]) -> Vec<Vec<Vec<usize>>> {
    let Some((last, before)) = steps.split_last() else { return vec![vec![]] };
    let own = if last.in_order { vec![last.bodies.clone()] } else { orders(&last.bodies) };
    let with = |before: &Vec<Vec<usize>>, own: &Vec<usize>| [before.clone(), vec![own.clone()]].concat();
    orders_of(before).iter().flat_map(|before| own.iter().map(move |own| with(before, own))).collect()
}

/// A sequence: its settings and bodies.
struct Sequence {
    case: Case,
    provider: ProviderKind,
    bodies: Vec<Vec<u8>>,
}

impl Sequence {
    fn read(folder: &Path) -> Self {
        let files = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
        let is_body = |p: &PathBuf| p.extension().is_some_and(|e| e == "json") && !p.ends_with("expected.json");
        let mut files: Vec<PathBuf> = files.filter(is_body).collect();
        files.sort();
        assert!(files.len() >= 2, "a sequence has several bodies");
        let bodies = files.iter().map(|f| std::fs::read(f).expect("a body")).collect();
        Self { case: Case::read(folder), provider: provider_of(folder), bodies }
    }

    /// What came of one order: the calls by customer, what needs attention and why, how many calls were withdrawn, and
    /// which events wait or could not be read.
    async fn run(&self, place: Place, steps: &[Step], order: &[Vec<usize>]) -> Value {
        let endpoints = vec![endpoint(self.provider, self.case.rules())];
        let mut world = Pipeline::new(place, endpoints, self.case.policy(), self.case.received_at());
        for (step, numbers) in steps.iter().zip(order) {
            for number in numbers {
                let body = &self.bodies[number - 1];
                world.record(self.provider, body).await;
                world.map_all().await;
                assert!(world.record(self.provider, body).await.duplicate, "a repetition was not recognised");
            }
            let weather = if step.refairn_down { Weather::Refused(503) } else { Weather::Fine };
            let next = after(world.clock.now(), Duration::from_secs(step.then_s));
            // What comes together is there before anything is sent.
            world.run_until_in(next, &mut |_, _| weather).await;
        }
        world.run_days(DAYS).await;
        world.assert_explained().await;
        result(&world).await
    }
}

async fn result(world: &Pipeline) -> Value {
    let mut by_email: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for call in calls_of(world) {
        let email = call["body"]["customerEmail"].as_str().expect("an e-mail").to_lowercase();
        by_email.entry(email).or_default().push(call);
    }
    let deliveries = world.deliveries().await;
    let mut attention: Vec<String> = deliveries.iter().filter(|d| d.attention).map(explained).collect();
    attention.sort_unstable();
    // A test's call is there to be withdrawn only if it came before its customer was known from live mode; and a
    // customer's, if it came before what gave the payment to another address.
    let cancelled = deliveries.iter().filter(|d| d.state == DeliveryState::Cancelled);
    let by_chance = [Some(DeliveryReason::TestOfALiveCustomer), Some(DeliveryReason::Remapped)];
    let cancelled = cancelled.filter(|d| !by_chance.contains(&d.reason)).count();
    let is_open = |state| matches!(state, EventState::Waiting | EventState::Unmappable);
    let open = world.events().await.into_iter().filter(|e| is_open(e.state));
    let mut open: Vec<String> =
        open.map(|e| format!("{}: {}", e.event_type, e.reason.map_or("none", EventReason::code))).collect();
    open.sort_unstable();
    let calls: Vec<Value> = by_email.into_values().flatten().collect();
    json!({ "calls": calls, "attention": attention, "cancelled": cancelled, "open": open })
}

/// Why a call needs attention. A commission's id depends on the order of calls.
fn explained(delivery: &Delivery) -> String {
    let commission = delivery.receipt.as_ref().and_then(|receipt| receipt.commission_id.as_deref());
    let detail = delivery.detail.as_deref().map_or_else(String::new, |detail| format!(": {detail}"));
    let detail = commission.map_or(detail.clone(), |id| detail.replace(id, "…"));
    format!("{}{detail}", delivery.reason.map_or("none", DeliveryReason::code))
}

async fn check_sequence(folder: &Path, server: &Arc<Server>) -> Result<(), String> {
    let sequence = Sequence::read(folder);
    let steps = sequence.case.steps(sequence.bodies.len());
    let orders = orders_of(&steps);
    let on_server_every = orders.len().div_ceil(ORDERS_ON_SERVER);
    let mut first: Option<Value> = None;
    for (n, order) in orders.iter().enumerate() {
        let came = sequence.run(Place::file(), &steps, order).await;
        if first.is_none() {
            settle(folder, &came)?;
        }
        let expected = first.get_or_insert_with(|| came.clone());
        if *expected != came {
            let show = |v: &Value| serde_json::to_string_pretty(v).expect("json");
            let (expected, came) = (show(expected), show(&came));
            return Err(format!("  in the order {order:?}:\n{came}\n  but in the first order:\n{expected}"));
        }
        if n % on_server_every == 0 {
            let on_server = sequence.run(Place::emptied(server, &sequence.case.policy()).await, &steps, order).await;
            same(&came, &on_server)
                .map_err(|difference| format!("  on PostgreSQL in the order {order:?}:\n{difference}"))?;
        }
    }
    Ok(())
}

#[test]
fn every_sequence_comes_to_the_same_calls_in_every_order() {
    let sequences: Vec<PathBuf> = folders(&fixtures())
        .iter()
        .map(|p| p.join("_sequence"))
        .filter(|p| p.is_dir())
        .flat_map(|p| folders(&p))
        .collect();
    assert!(sequences.len() >= SEQUENCES_MIN, "only {} sequences found", sequences.len());
    let wrong = check_all(&sequences, check_sequence);
    assert!(wrong.is_empty(), "{} of {} sequences differ:\n{}", wrong.len(), sequences.len(), wrong.join("\n"));
}
