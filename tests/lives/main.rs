//! Customers' lives, thousands of them: whatever the order in which a life's events come, and however often, Refairn is
//! told the same; and whatever goes wrong on the way, every payment is told once, exactly, and credited, or is held for
//! a reason that the life itself shows.
//!
//! What is odd about a life is put together of independent kinds (`kinds.rs` has the list), and a whole run fails when one
//! of them has become rare.
//!
//! A life is known by its number. `LIVES=100000 cargo test --release --test lives -- --nocapture` runs so many, from 0
//! or from `LIVES_SEED` on, until three of them have failed, or `LIVES_FAILED`; `LIVES_SEED=7 cargo test --test lives` runs
//! number 7 alone. `LIVES_LOST=5000` runs so many of which every tenth webhook is lost. `LIVES_STORE=postgres` runs them there. A failing life is made as small as it gets, and told event by event.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "a test ends where it fails"
)]
#![allow(clippy::manual_is_multiple_of, clippy::ok_expect, reason = "they read well as they are")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a new kind of act is one that most questions are not about")]
#![allow(clippy::print_stdout, reason = "a soak says how far it came")]

mod chance;
mod drive;
mod events;
mod generate;
mod kept;
mod kinds;
#[path = "../kit/mod.rs"]
mod kit;
mod life;
mod lines;
mod lost;
mod oracle;
mod payer;
mod paystack;
mod report;
mod stripe;
mod ticks;
mod truth;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use drive::{Batch, WORLD};
use kept::Kept;
use life::Life;

/// Lives of a run, unless `LIVES` says otherwise.
const LIVES: u64 = 10_000;
/// Those that are run on PostgreSQL, too.
const LIVES_ON_SERVER: u64 = 200;
/// Lives of which webhooks are lost, unless `LIVES_LOST` says otherwise; and how many share a world.
const LIVES_LOST: u64 = 240;
const LIVES_LOST_TOGETHER: u64 = 80;
/// Failing lives that are told in full, and after how many a run stops.
const TOLD_MAX: usize = 3;
const FAILED_MAX: u64 = 3;
/// Lives after which a long run says how far it is.
const PROGRESS: u64 = 5_000;

#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
fn text(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn setting(name: &str) -> Option<u64> {
    Some(text(name)?.parse().expect("a number"))
}

fn block_on<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(task)
}

/// Runs lives that share a world in all ways; gives those of which something is wrong.
fn failing(
    numbers: std::ops::Range<u64>,
    kept: Kept,
    kinds: &Mutex<BTreeMap<&'static str, u64>>,
) -> Vec<(Life, Vec<String>)> {
    let batch = Batch::new(numbers.map(generate::life).collect(), kept);
    for (kind, lives) in kinds::of(&batch) {
        *kinds.lock().expect("unpoisoned").entry(kind).or_default() += lives;
    }
    let runs: Vec<_> = kept.ways().iter().map(|way| block_on(batch.run(*way))).collect();
    let judged = batch.lives.iter().enumerate().map(|(i, (life, events))| {
        let of_life: Vec<_> = runs.iter().map(|run| &run[i]).collect();
        (life.clone(), report::verdicts(life, events, &batch, &of_life))
    });
    judged.filter(|(_, wrong)| !wrong.is_empty()).collect()
}

fn tell(life: &Life, kept: Kept, wrong: &[String]) -> String {
    let first = life.number / WORLD * WORLD;
    let story = block_on(report::smallest(life, kept)).unwrap_or_else(|| {
        format!(
            "life {} is well alone, but among those of its world (LIVES_SEED={first} LIVES={WORLD}):\n  {}\n",
            life.number,
            wrong.join("\n  ")
        )
    });
    format!("{story}  again: LIVES_SEED={} cargo test --test lives -- --nocapture\n", life.number)
}

#[test]
fn every_life_comes_to_the_same_whatever_the_order_and_the_weather() {
    let kept = match text("LIVES_STORE").as_deref() {
        Some("postgres") => Kept::Server,
        Some(other) => panic!("LIVES_STORE is postgres or nothing, not {other}"),
        None => Kept::File,
    };
    let seed = setting("LIVES_SEED");
    let first = seed.unwrap_or(0);
    run(first, first + setting("LIVES").unwrap_or(if seed.is_some() { 1 } else { LIVES }), kept);
}

#[test]
fn lives_come_to_the_same_on_postgresql_whatever_the_order() {
    // Whoever asks for certain lives asks for nothing else.
    if setting("LIVES_SEED").is_none() && setting("LIVES").is_none() {
        run(0, LIVES_ON_SERVER, Kept::Server);
    }
}

#[test]
fn lost_webhooks_come_back_and_refairn_holds_the_same() {
    if setting("LIVES_SEED").is_some() || setting("LIVES").is_some() {
        return;
    }
    let asked = setting("LIVES_LOST");
    for (kept, lives) in [(Kept::File, asked.unwrap_or(LIVES_LOST)), (Kept::Server, asked.unwrap_or(LIVES_LOST) / 4)] {
        for refairn in [lost::Refairn::Down, lost::Refairn::Up] {
            let (mut first, mut wrong) = (setting("LIVES_LOST_SEED").unwrap_or(0), Vec::new());
            let end = first + lives;
            while first < end && wrong.len() < TOLD_MAX {
                let next = (first + LIVES_LOST_TOGETHER).min(end);
                wrong.extend(block_on(lost::failing(first..next, kept, refairn)));
                first = next;
            }
            let told = wrong.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join("\n");
            assert!(wrong.is_empty(), "{} lives failed, {kept:?}:\n{told}", wrong.len());
        }
    }
}

fn run(first: u64, end: u64, kept: Kept) {
    let began = Instant::now();
    let failed_max = setting("LIVES_FAILED").unwrap_or(FAILED_MAX);
    let next = AtomicU64::new(first / WORLD);
    let ran = AtomicU64::new(0);
    let failed = Mutex::new(Vec::new());
    let kinds = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let world = next.fetch_add(1, Ordering::Relaxed);
                    let (from, to) = ((world * WORLD).max(first), (world * WORLD + WORLD).min(end));
                    if from >= to || failed.lock().expect("unpoisoned").len() as u64 >= failed_max {
                        break;
                    }
                    let wrong = failing(from..to, kept, &kinds);
                    for (life, wrong) in &wrong {
                        println!("life {}: {}", life.number, wrong.join("\n  "));
                    }
                    let before = ran.fetch_add(to - from, Ordering::Relaxed);
                    if before / PROGRESS < (before + to - from) / PROGRESS {
                        println!("{} lives so far, {:.0?}", before + to - from, began.elapsed());
                    }
                    failed.lock().expect("unpoisoned").extend(wrong);
                }
            });
        }
    });
    let failed = failed.into_inner().expect("unpoisoned");
    let ran = ran.into_inner();
    println!("{ran} lives in {:.1?}, {} of them failed", began.elapsed(), failed.len());
    for (kind, lives) in kinds.into_inner().expect("unpoisoned") {
        println!("  {lives} {kind}");
        assert!(ran < LIVES || lives * 1000 >= ran * kinds::PER_THOUSAND_MIN, "only {lives} of {ran} lives: {kind}");
    }
    let told: Vec<String> = failed.iter().take(TOLD_MAX).map(|(life, wrong)| tell(life, kept, wrong)).collect();
    assert!(failed.is_empty(), "{} lives failed:\n{}", failed.len(), told.join("\n"));
}
