//! Refairn's bad days: faults at random for as long as the run goes on, none of them for long.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use refairn_bridge::sandbox::{Fault, Sandbox};
use tokio_util::sync::CancellationToken;

/// Between two faults, milliseconds.
const EVERY_MS: std::ops::Range<u64> = 40..160;
/// Calls that are to succeed between two faults: a Refairn that only fails is another story, and takes half a minute
/// between two probes.
const GOOD_CALLS_MIN: usize = 5;

const FAULTS: &[&str] = &[
    r#"{"status": 500}"#,
    r#"{"status": 503, "times": 2}"#,
    r#"{"status": 502, "processed": true}"#,
    r#"{"status": 429, "retry_after": 1}"#,
    r#"{"drop": "after"}"#,
    r#"{"drop": "after", "delay_ms": 60}"#,
    r#"{"drop": "before"}"#,
    r#"{"delay_ms": 250}"#,
    r#"{"delay_ms": 80, "times": 5}"#,
    r#"{"garbage": true, "processed": true}"#,
];

/// Orders a fault.
pub(crate) fn order(sandbox: &Sandbox, fault: &str) {
    sandbox.add_faults(Fault::read_all(fault.as_bytes()).expect("a fault")).expect("taken");
}

/// Orders faults until told to stop.
pub(crate) async fn blow(sandbox: Sandbox, seed: u64, stop: CancellationToken) {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut good_calls = 0;
    while !stop.is_cancelled() {
        let recorded = sandbox.look(|book| book.leads().len() + book.payments().len());
        if sandbox.faults().is_empty() && recorded >= good_calls + GOOD_CALLS_MIN {
            good_calls = recorded;
            order(&sandbox, FAULTS.choose(&mut chance).expect("some"));
        }
        tokio::time::sleep(Duration::from_millis(chance.random_range(EVERY_MS))).await;
    }
    sandbox.clear_faults();
}
