//! A bridge that can do nothing does nothing: it waits, and does not spin.

#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::sandbox::Fault;

use crate::kit::process::Process;
use crate::kit::samples::Sale;
use crate::kit::until;

/// How long it is watched.
const WATCH: Duration = Duration::from_millis(1500);

/// The processor time that a process has used, in hundredths of a second, as Linux counts it.
fn used(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    fields[11].parse::<u64>().expect("user time") + fields[12].parse::<u64>().expect("system time")
}

/// Fails when the process uses more than a thirtieth of a processor for a while.
async fn rests(process: &Process, when: &str) {
    let (before, start) = (used(process.pid()), Instant::now());
    until("the watch is over", async || (start.elapsed() > WATCH).then_some(())).await;
    let used = used(process.pid()) - before;
    assert!(used < 5, "{used} hundredths of a second were used in {WATCH:?} {when}");
}

/// A bridge whose first three calls failed, so that Refairn counts as down for a second.
async fn after_three_failures(then: &str) -> Process {
    let mut process = Process::new(&[("REFAIRN_BRIDGE__REFAIRN__TIMEOUT_MS", "20000")]);
    process.start().await;
    rests(&process, "before anything came").await;
    let faults = Fault::read_all(format!(r#"[{{"status":503,"times":3}}{then}]"#).as_bytes()).expect("faults");
    process.sandbox.add_faults(faults).expect("taken");
    for n in 0..3 {
        let sale = Sale::new(&format!("s{n}"), &format!("c{n}@example.com"), Clock::system().now());
        process.post(Stripe, sale.event().to_string().as_bytes()).await.expect("acknowledged");
    }
    until("three calls failed", async || (process.sandbox.calls().len() == 3).then_some(())).await;
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_probe_is_on_its_way_the_bridge_rests() {
    let process = after_three_failures(r#",{"delay_ms":15000}"#).await;
    until("a probe is on its way", async || (process.sandbox.calls().len() == 4).then_some(())).await;
    rests(&process, "while a probe is on its way").await;
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_is_left_to_probe_with_the_bridge_rests() {
    let process = after_three_failures("").await;
    until("everything is discarded", async || {
        for delivery in process.all("deliveries").await.iter().filter(|d| d["state"] == "queued") {
            process.act(&format!("/api/v1/deliveries/{}/discard", delivery["id"].as_str()?)).await;
        }
        (process.get("/api/v1/stats").await["deliveries"]["discarded"] == 3).then_some(())
    })
    .await;
    let start = Instant::now();
    until("the time of the next probe has passed", async || (start.elapsed() > WATCH).then_some(())).await;
    rests(&process, "when Refairn counts as down and nothing is left to be sent").await;
    process.end().await;
}
