//! The real program under floods: its memory stays within a fixed bound, and a valid webhook still gets through.

#![cfg(target_os = "linux")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::{Paystack, Stripe};
use refairn_bridge::tasks::Tasks;

use crate::kit::process::Process;
use crate::kit::program::post;
use crate::kit::samples::Sale;
use crate::kit::until;
use crate::kit::wire::{Line, Request};

/// The most that it may have had more than when it was started, whatever came, in MiB. The allocator keeps what was freed for a
/// second, in case it is wanted again.
const GROWTH_MAX_MIB: u64 = 96;
/// How long each flood lasts.
const FLOOD: Duration = Duration::from_millis(2500);

fn sale(id: &str) -> Vec<u8> {
    Sale::new(id, &format!("{id}@example.com"), Clock::system().now()).event().to_string().into_bytes()
}

/// A valid webhook is taken, even if not at the first time.
async fn is_served(process: &Process, id: &str) -> Duration {
    let began = Instant::now();
    let body = sale(id);
    until("a valid webhook is taken", async || process.post(Stripe, &body).await).await;
    began.elapsed()
}

/// The most that it has had so far. Only Linux tells.
fn peak_mib(process: &Process) -> Option<u64> {
    process.memory_peak_kib().map(|kib| kib / 1024)
}

fn stays_small(process: &Process, at_start: Option<u64>, what: &str) {
    let (Some(peak), Some(at_start)) = (peak_mib(process), at_start) else { return };
    eprintln!("after {what}: {peak} MiB at the most");
    assert!(peak <= at_start + GROWTH_MAX_MIB, "{what} took it from {at_start} to {peak} MiB");
}

/// Posts forged bodies of 1 MiB, one after another.
async fn forge(addr: SocketAddr, until: Instant, answers: Arc<AtomicU32>) {
    let request = Request::new("POST", "/webhooks/paystack").header("x-paystack-signature", "00".repeat(64));
    let request = request.body(&vec![b'x'; 1 << 20]);
    while Instant::now() < until {
        let Some(reply) = request.try_send(addr).await else { continue };
        assert!(matches!(reply.status, 401 | 503), "{}", reply.status);
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_do_not_make_it_grow() {
    // Even if nobody is turned away for failed signatures.
    let mut process = Process::new(&[("REFAIRN_BRIDGE__SERVER__FAILED_SIGNATURES_PER_MINUTE", "0")]);
    process.start().await;
    let at_start = peak_mib(&process);
    let addr = process.addr;

    let (tasks, answers, end) = (Tasks::new(), Arc::new(AtomicU32::new(0)), Instant::now() + FLOOD);
    (0..200).for_each(|_| tasks.spawn(forge(addr, end, answers.clone())));
    let took = is_served(&process, "while_bodies_are_forged").await;
    assert!(tasks.stop(Duration::from_secs(60)).await);
    eprintln!("{} forged bodies answered; the valid webhook took {took:?}", answers.load(Ordering::Relaxed));
    stays_small(&process, at_start, "forged bodies of 1 MiB over 200 connections");

    // From several addresses: of one alone there may not be so many.
    let slow = join_all((0..1000_u16).map(|n| async move {
        let mut line = Line::try_open_from(IpAddr::from([127, 0, 0, 10 + (n / 200) as u8]), addr).await?;
        line.write(b"POST /webhooks/stripe HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        line.write(&[b'x'; 2000]).await;
        Some(line)
    }));
    let slow: Vec<_> = slow.await.into_iter().flatten().collect();
    assert!(slow.len() > 900, "{} connections", slow.len());
    let took = is_served(&process, "while_heads_are_slow").await;
    eprintln!("beside {} slow heads, the valid webhook took {took:?}", slow.len());
    assert!(took < Duration::from_secs(5), "{took:?}");
    stays_small(&process, at_start, "1000 slow heads");
    drop(slow);

    let (tasks, end) = (Tasks::new(), Instant::now() + FLOOD);
    let taken = Arc::new(AtomicU32::new(0));
    for poster in 0..100 {
        let taken = taken.clone();
        tasks.spawn(async move {
            for n in 0.. {
                let body = format!("{{\"event\":\"odd.thing\",\"data\":\"{poster} {n} {}\"}}", "x".repeat(20_000));
                let answer = post(addr, Paystack, body.as_bytes()).await;
                taken.fetch_add(u32::from(answer.is_some()), Ordering::Relaxed);
                if Instant::now() > end {
                    break;
                }
            }
        });
    }
    assert!(tasks.stop(Duration::from_secs(60)).await);
    eprintln!("{} valid webhooks taken", taken.load(Ordering::Relaxed));
    stays_small(&process, at_start, "valid webhooks faster than they are written");
    assert!(taken.load(Ordering::Relaxed) > 0);
    process.end().await;
}
