//! The corpus: what each payload means, and which calls come of it; and of each sequence, in every order. SQLite and
//! PostgreSQL must come to the same.
//!
//! `BLESS=1 cargo test --test golden` writes what came instead of comparing it; look at the difference before you
//! commit it.

#![allow(clippy::expect_used, clippy::panic, unreachable_pub, missing_docs, reason = "a test ends where it fails")]
#![allow(clippy::disallowed_methods, reason = "BLESS is asked for where it is used")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use refairn_bridge::domain::delivery::DeliveryState;
use refairn_bridge::domain::endpoint::ProviderKind;
use refairn_bridge::domain::reason::Reason;
use serde_json::{Value, json};

use support::case::Case;
use support::place::{Place, Server};
use support::postgres::Database;
use support::{World, endpoint, fixtures};

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

fn calls_of(world: &World) -> Vec<Value> {
    world.calls.iter().map(|c| json!({ "kind": c.kind, "body": c.body })).collect()
}

/// What came of one body.
async fn run_case(place: Place, case: &Case, provider: ProviderKind, body: &[u8]) -> Value {
    let endpoints = vec![endpoint(provider, case.rules())];
    let mut world = World::new(place, endpoints, case.policy(), case.received_at());
    let recorded = world.record(provider, body).await;
    world.map_all().await;
    world.run_days(DAYS).await;
    let again = world.record(provider, body).await;
    assert!(again.duplicate && again.id == recorded.id, "a repetition was not recognised");
    world.assert_explained().await;
    let event = world.event(recorded.id).await;
    let facts: Vec<Value> = event.fact.iter().map(|f| serde_json::from_str(f).expect("json")).collect();
    json!({
        "outcome": event.event.state.code(),
        "reason": event.event.reason.map(Reason::code),
        "facts": facts,
        "calls": calls_of(&world),
    })
}

async fn check_case(folder: &Path, server: &Arc<Server>) -> Result<(), String> {
    let case = Case::read(folder);
    let (json_file, raw_file) = (folder.join("body.json"), folder.join("body.bin"));
    let body = std::fs::read(&json_file).or_else(|_| std::fs::read(&raw_file)).map_err(|e| e.to_string())?;
    let provider = provider_of(folder);
    let came = run_case(Place::file(), &case, provider, &body).await;
    settle(folder, &came)?;
    let on_server = run_case(Place::emptied(server).await, &case, provider, &body).await;
    same(&came, &on_server).map_err(|difference| format!("  on PostgreSQL:\n{difference}"))
}

#[test]
fn every_payload_means_what_it_is_expected_to() {
    let providers = folders(&fixtures());
    let types = providers.iter().flat_map(|p| folders(p)).filter(|t| !t.ends_with("sequence"));
    let cases: Vec<PathBuf> = types.flat_map(|t| folders(&t)).collect();
    assert!(cases.len() >= CASES_MIN, "only {} cases found in {}", cases.len(), fixtures().display());
    let wrong = check_all(&cases, check_case);
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Every order of `0..n`.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = orders(n - 1);
    let insert = |order: &Vec<usize>, at: usize| {
        let mut order = order.clone();
        order.insert(at, n - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..n).map(move |at| insert(order, at))).collect()
}

/// What came of one order: the calls by customer, what needs attention, and how many calls were withdrawn.
async fn run_sequence(place: Place, case: &Case, provider: ProviderKind, bodies: &[Vec<u8>]) -> Value {
    let endpoints = vec![endpoint(provider, case.rules())];
    let mut world = World::new(place, endpoints, case.policy(), case.received_at());
    for body in bodies {
        world.record(provider, body).await;
        world.map_all().await;
        assert!(world.record(provider, body).await.duplicate, "a repetition was not recognised");
    }
    world.run_days(DAYS).await;
    world.assert_explained().await;
    let mut by_email: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for call in calls_of(&world) {
        let email = call["body"]["customerEmail"].as_str().expect("an e-mail").to_lowercase();
        by_email.entry(email).or_default().push(call);
    }
    let deliveries = world.deliveries().await;
    let attention = deliveries.iter().filter(|d| d.attention);
    let mut attention: Vec<&str> = attention.map(|d| d.reason.map_or("none", Reason::code)).collect();
    attention.sort_unstable();
    let cancelled = deliveries.iter().filter(|d| d.state == DeliveryState::Cancelled).count();
    json!({ "calls": by_email.into_values().flatten().collect::<Vec<_>>(), "attention": attention, "cancelled": cancelled })
}

async fn check_sequence(folder: &Path, server: &Arc<Server>) -> Result<(), String> {
    let case = Case::read(folder);
    let files = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    let is_body = |p: &PathBuf| p.extension().is_some_and(|e| e == "json") && !p.ends_with("expected.json");
    let mut files: Vec<PathBuf> = files.filter(is_body).collect();
    files.sort();
    assert!(files.len() >= 2, "a sequence has several bodies");
    let bodies: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(f).expect("a body")).collect();
    let provider = provider_of(folder);
    let names = |order: &[usize]| {
        let names = order.iter().map(|i| files[*i].file_stem().expect("a name").to_string_lossy());
        names.collect::<Vec<_>>().join(", ")
    };
    let orders = orders(bodies.len());
    let on_server_every = orders.len().div_ceil(ORDERS_ON_SERVER);
    let mut first: Option<Value> = None;
    for (n, order) in orders.iter().enumerate() {
        let ordered: Vec<Vec<u8>> = order.iter().map(|i| bodies[*i].clone()).collect();
        let came = run_sequence(Place::file(), &case, provider, &ordered).await;
        if first.is_none() {
            settle(folder, &came)?;
        }
        let expected = first.get_or_insert_with(|| came.clone());
        if *expected != came {
            let show = |v: &Value| serde_json::to_string_pretty(v).expect("json");
            let (expected, came) = (show(expected), show(&came));
            return Err(format!("  in the order {}:\n{came}\n  but in the first order:\n{expected}", names(order)));
        }
        if n % on_server_every == 0 {
            let on_server = run_sequence(Place::emptied(server).await, &case, provider, &ordered).await;
            same(&came, &on_server)
                .map_err(|difference| format!("  on PostgreSQL in the order {}:\n{difference}", names(order)))?;
        }
    }
    Ok(())
}

#[test]
fn every_sequence_comes_to_the_same_calls_in_every_order() {
    let sequences: Vec<PathBuf> = folders(&fixtures())
        .iter()
        .map(|p| p.join("sequence"))
        .filter(|p| p.is_dir())
        .flat_map(|p| folders(&p))
        .collect();
    assert!(sequences.len() >= SEQUENCES_MIN, "only {} sequences found", sequences.len());
    let wrong = check_all(&sequences, check_sequence);
    assert!(wrong.is_empty(), "{} of {} sequences differ:\n{}", wrong.len(), sequences.len(), wrong.join("\n"));
}
