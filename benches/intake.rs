//! How fast webhooks are taken: the real program, and senders on connections they keep.
//!
//! `cargo bench --bench intake`. Every webhook is another customer's sale, signed as Stripe would. Nobody listens where
//! Refairn should be: what is measured is verifying, recording and reading, not delivering.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    unreachable_pub,
    reason = "a measurement may end when it cannot be made, prints what it found, and reckons rates"
)]
#![allow(dead_code, reason = "what measurements share serves each in part")]

#[path = "../tests/kit/mod.rs"]
mod kit;
mod measure;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::future::try_join_all;
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::providers::provider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The port of nobody.
const NOBODY: &str = "http://127.0.0.1:9";

/// Post webhooks, and wait for their answers.
#[derive(Parser)]
struct Args {
    /// Webhooks for each number of senders
    #[arg(long, default_value_t = 8_000)]
    webhooks: usize,
    /// Numbers of senders, one after the other
    #[arg(long, value_delimiter = ',', default_value = "1,16,64")]
    senders: Vec<usize>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let mut bridge = measure::Bridge::new();
    bridge.start(NOBODY).await;
    let mut numbers = 0..;
    for senders in args.senders {
        // One sender waits for each answer, and needs no crowd to be measured.
        let each = if senders == 1 { args.webhooks / 8 } else { args.webhooks / senders };
        let mut requests: Vec<Vec<Vec<u8>>> = Vec::new();
        for _ in 0..senders {
            requests.push(numbers.by_ref().take(each).map(request).collect());
        }
        let started = Instant::now();
        let sent = requests.into_iter().map(|own| send(bridge.addr, own));
        let mut times = try_join_all(sent).await.expect("answers").concat();
        let rate = times.len() as f64 / started.elapsed().as_secs_f64();
        println!(
            "{} webhooks from {senders} senders: {rate:.0} a second; answer p50 {}, p99 {}",
            times.len(),
            measure::milliseconds(measure::percentile(&mut times, 50)),
            measure::milliseconds(measure::percentile(&mut times, 99)),
        );
    }
    println!("peak memory of the bridge: {:.1} MiB", bridge.memory_mib());
    bridge.stop().await;
}

/// A webhook as it goes over the wire.
fn request(n: usize) -> Vec<u8> {
    let now = Clock::system().now();
    let (stripe, body) = (provider(ProviderKind::Stripe), measure::sale(n, now));
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: bridge.example.com\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{}: {}\r\n\r\n",
        body.len(),
        stripe.signature_header(),
        stripe.sign(kit::program::STRIPE_SECRET, &body, now),
    );
    [head.into_bytes(), body].concat()
}

/// Sends one after the other over one connection; gives how long each answer took.
async fn send(to: SocketAddr, requests: Vec<Vec<u8>>) -> std::io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let (mut times, mut answer) = (Vec::with_capacity(requests.len()), Vec::new());
    for request in requests {
        let began = Instant::now();
        stream.write_all(&request).await?;
        answer.clear();
        // The answer is one flat object.
        while !answer.ends_with(b"}") {
            let mut buffer = [0; 4096];
            let n = stream.read(&mut buffer).await?;
            assert_ne!(n, 0, "the connection was closed");
            answer.extend(buffer.iter().take(n));
        }
        times.push(began.elapsed());
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    Ok(times)
}
