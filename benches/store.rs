//! The store alone: events recorded side by side, read, planned, leased and settled, without sockets and without Refairn.
//! `cargo bench --bench store -- [EVENTS]` says how much CPU an event costs and how much is written for it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::too_many_lines,
    reason = "a measurement may end when it cannot be made, prints what it found, reckons rates, and is told from its begin to its end"
)]
#![allow(dead_code, missing_docs, unreachable_pub, reason = "what measurements share serves each in part")]

#[path = "../tests/kit/mod.rs"]
mod kit;
#[path = "../tests/instructions/work.rs"]
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::delivery::{AttemptRecord, Receipt, Settlement};
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::mapping::Mapper;
use tokio::sync::Notify;

use kit::place::Place;
use kit::rules::{BODY_BYTES_MAX, default_rules, endpoint};

const SENDERS: u32 = 32;
const CALLS_MAX: usize = 32;

fn main() {
    let events: u32 = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(20_000);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(run(events));
}

async fn run(events: u32) {
    let place = Place::file();
    let (store, clock) = (place.open(&Policy::default()), Clock::system());
    let wake = || Arc::new(Notify::new());
    let endpoints = [endpoint(ProviderKind::Stripe, default_rules())];
    let (inbox, outbox) = (wake(), wake());
    let mapper = Mapper::new(store.clone(), clock.clone(), &endpoints, BODY_BYTES_MAX, inbox.clone(), outbox.clone());
    let bodies: Arc<Vec<_>> = Arc::new((0..events).map(|n| work::event(&work::sale(n), clock.now())).collect());
    let next = Arc::new(AtomicU32::new(0));
    let (begin, cpu) = (Instant::now(), cpu());
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (store, bodies, next, inbox) = (store.clone(), bodies.clone(), next.clone(), inbox.clone());
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(event) = bodies.get(n as usize) else { break };
                    store.record(event.clone()).await.expect("recorded");
                    inbox.notify_one();
                }
            })
        })
        .collect();
    let reading = tokio::spawn(async move {
        let mut read = 0;
        while read < events as usize {
            let n = mapper.work_once().await.expect("read");
            read += n;
            if n == 0 {
                inbox.notified().await;
            }
        }
    });
    let mut told = 0;
    let mut taken = None;
    while told < events {
        let leased = store.lease(clock.now(), Duration::from_secs(600), CALLS_MAX).await.expect("a lease");
        if leased.is_empty() {
            let _ = tokio::time::timeout(Duration::from_millis(20), outbox.notified()).await;
            continue;
        }
        told += u32::try_from(leased.len()).expect("few");
        join_all(leased.iter().map(|leased| {
            let attempt = AttemptRecord {
                at: clock.now(),
                took_ms: 1,
                status: Some(201),
                outcome: "delivered".to_owned(),
                response: Some(work::RECEIPT.to_owned()),
            };
            let (store, now) = (store.clone(), clock.now());
            async move {
                assert_eq!(
                    store.settle(leased, attempt, Settlement::Delivered(Receipt::default()), now).await,
                    Ok(true)
                )
            }
        }))
        .await;
        if taken.is_none() && next.load(Ordering::Relaxed) >= events {
            taken = Some(begin.elapsed());
        }
    }
    let wall = begin.elapsed();
    let used = cpu_seconds() - cpu;
    for task in senders {
        task.await.expect("a sender");
    }
    reading.await.expect("the reader");
    let per = |x: f64| x / f64::from(events);
    println!(
        "told {:.0}/s  taken {:.0}/s  cpu {:.0} us/event  written {:.0} B/event",
        f64::from(events) / wall.as_secs_f64(),
        f64::from(events) / taken.unwrap_or(wall).as_secs_f64(),
        per(used) * 1e6,
        per(written())
    );
    store.close().await;
}

fn cpu() -> f64 {
    cpu_seconds()
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    (fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")) / 100.0
}

fn written() -> f64 {
    let io = std::fs::read_to_string("/proc/self/io").expect("io");
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).and_then(|n| n.parse().ok()).unwrap_or(0.0)
}
