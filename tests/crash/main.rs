//! The real program under SIGKILL, at random moments and at named points, on SQLite and as three replicas on
//! PostgreSQL, which fails too; with the oracle outside: what was answered 2xx, and what the sandbox holds. Whatever was
//! answered ends explained, nothing is sent that was not received, one payment is one record, customers go before their
//! payments and payments in their order, and a fresh event still gets through.
//!
//! `just soak` runs it long: `KILLS=200 OUTAGES=40 cargo test --features crash-points --test crash -- --nocapture`. The
//! points are there with the feature only; without it, all kills are at random. `SEED=7` makes another run of it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests may fail loudly, and their helpers are for this binary alone"
)]
#![allow(clippy::print_stdout, reason = "a soak says how far it came")]
#![allow(clippy::await_holding_lock, reason = "nobody posts any more when the load is judged")]

#[cfg(feature = "crash-points")]
mod defects;
mod files;
mod fleet;
mod ground;
#[path = "../kit/mod.rs"]
mod kit;
mod load;
mod oracle;
mod proxy;
mod run;
mod stories;
mod weather;

use std::time::Duration;

use fleet::Fleet;
use ground::Ground;
use kit::place::scratch;
use proxy::Way;
use run::Run;

/// Kills of a run, unless `KILLS` says otherwise.
const KILLS: usize = 18;
/// Outages of PostgreSQL in a run, unless `OUTAGES` says otherwise.
const OUTAGES: usize = 4;
/// Replicas on PostgreSQL.
const REPLICAS: usize = 3;
/// The same run again needs the same seed.
const SEED: u64 = 20_260_615;
/// How long the way to the server is closed, milliseconds.
const OUTAGE_MS: u64 = 1_200;
/// How long it is closed in every fourth round of a soak: longer than the bridge waits for an answer of the server.
const LONG_OUTAGE_MS: u64 = 25_000;

const SETTINGS: [(&str, &str); 4] = [
    // Whatever would wait for the end of a day.
    ("REFAIRN_BRIDGE__DELIVERY__STATUS_UPDATES", "off"),
    ("REFAIRN_BRIDGE__DELIVERY__RETRY_MAX_WAIT_S", "1"),
    ("REFAIRN_BRIDGE__REFAIRN__TIMEOUT_MS", "2000"),
    // A session may take as long as an outage.
    ("REFAIRN_BRIDGE__DELIVERY__FIRST_PAYMENT_WAIT_S", "600"),
];

fn setting(name: &str) -> Option<usize> {
    #[expect(clippy::disallowed_methods, reason = "a test's own settings")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

fn seed() -> u64 {
    setting("SEED").map_or(SEED, |seed| seed as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_loses_nothing_and_tells_nothing_twice() {
    let folder = scratch();
    let ground = Ground::sqlite(folder.path());
    let mut run = Run::begin(Fleet::new(folder, ground, 1, &SETTINGS), seed(), true).await;
    run.kill(setting("KILLS").unwrap_or(KILLS)).await;
    run.end_of_load().await;
    run.judge("SQLite").await;
    run.fresh_event_gets_through().await;
    run.fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_killed_at_any_moment_lose_nothing_and_tell_nothing_twice() {
    let kills = setting("KILLS");
    let fleet = Fleet::new(scratch(), Ground::postgres().await, REPLICAS, &SETTINGS);
    let mut run = Run::begin(fleet, seed(), kills.is_some()).await;
    run.kill(kills.unwrap_or(KILLS)).await;
    run.end_of_load().await;
    if kills.is_none() {
        // A soak waits until the leases of the killed have run out.
        run.kill_all().await;
    }
    run.judge("PostgreSQL, three replicas").await;
    run.fresh_event_gets_through().await;
    run.fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_may_fail_in_any_way_and_no_replica_needs_a_restart() {
    let outages = setting("OUTAGES");
    let fleet = Fleet::new(scratch(), Ground::postgres().await, REPLICAS, &SETTINGS);
    let mut run = Run::begin(fleet, seed(), false).await;
    let pids = run.fleet.pids();
    let mut slowest = Duration::ZERO;
    let count = outages.unwrap_or(OUTAGES);
    for n in 0..count {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let long = outages.is_some() && n / 4 % 4 == 3;
        let closed = Duration::from_millis(if long { LONG_OUTAGE_MS } else { OUTAGE_MS });
        outage(&run.fleet.ground, n, closed).await;
        let took = run.fresh_event_gets_through().await;
        println!("outage {n}: {took:.1?}");
        slowest = slowest.max(took);
    }
    println!("PostgreSQL failing: {count} outages, each time a fresh event got through within {slowest:.1?}");
    run.end_of_load().await;
    run.judge("PostgreSQL failing").await;
    assert_eq!(run.fleet.pids(), pids, "no replica was restarted");
    run.fleet.end().await;
}

async fn outage(ground: &Ground, n: usize, closed: Duration) {
    let Ground::Postgres(server, proxy) = ground else { return };
    match n % 4 {
        0 => tokio::task::block_in_place(|| server.crash()),
        1 => {
            proxy.set(Way::Refused);
            tokio::time::sleep(closed).await;
            proxy.set(Way::Open);
        }
        2 => proxy.cut(),
        _ => {
            proxy.set(Way::Silent);
            tokio::time::sleep(closed).await;
            proxy.set(Way::Open);
        }
    }
}
