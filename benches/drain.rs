//! How fast a backlog drains: the real program on a database full of calls, and an upstream that takes its time.
//!
//! `cargo bench --bench drain -- --latency-ms 20`. No bridge can be faster than `concurrency / latency`; what is missing
//! to that is ours. A timer never ends early, so the upstream takes a little longer than it is told to: the share is of
//! the latency it had.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    unreachable_pub,
    reason = "a measurement may end when it cannot be made, prints what it found, and reckons shares"
)]
#![allow(dead_code, reason = "what measurements share serves each in part")]

#[path = "../tests/kit/mod.rs"]
mod kit;
mod measure;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::future::join_all;
use jiff::Timestamp;
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::delivery::{AttemptRecord, Receipt, Settlement};
use refairn_bridge::domain::event::{NewEvent, Origin};
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::mapping::Mapper;
use refairn_bridge::providers::provider;
use refairn_bridge::store::{Store, body};
use refairn_bridge::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use kit::rules::{BODY_BYTES_MAX, BUSINESS, default_rules, endpoint};

/// Events that are recorded side by side while the store is filled.
const FILL_AT_ONCE: usize = 256;
/// Calls that are settled without an upstream, to see what the store alone takes.
const SETTLES: usize = 4096;
/// Without a call for so long, it is over.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Drain a backlog of calls.
#[derive(Parser)]
struct Args {
    /// Customers with a call each
    #[arg(long, default_value_t = 100_000)]
    backlog: usize,
    /// Calls to wait for; all of the backlog when it is left out
    #[arg(long)]
    calls: Option<usize>,
    /// How long the upstream takes for an answer
    #[arg(long, default_value_t = 20)]
    latency_ms: u64,
    /// Calls under way at once
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let mut bridge = measure::Bridge::new();
    let store = open(&bridge);
    fill(&store, args.backlog + SETTLES).await;
    settle_alone(&store, args.concurrency).await;
    store.close().await;

    let upstream = Upstream::start(Duration::from_millis(args.latency_ms)).await;
    let wanted = args.calls.unwrap_or(args.backlog).min(args.backlog);
    bridge.set("REFAIRN_BRIDGE__DELIVERY__CONCURRENCY", &args.concurrency.to_string());
    bridge.start(&upstream.url).await;
    let (calls, took, served, mut gaps) = upstream.watch(wanted).await;
    let memory_mib = bridge.memory_mib();
    bridge.stop().await;
    let rate = calls as f64 / took.as_secs_f64();
    println!("{calls} calls in {:.2} s: {rate:.0} calls/s with {} at once", took.as_secs_f64(), args.concurrency);
    if args.latency_ms > 0 {
        let latency_ms = served.as_secs_f64() * 1000.0 / calls as f64;
        for latency_ms in [args.latency_ms as f64, latency_ms] {
            let bound = args.concurrency as f64 * 1000.0 / latency_ms;
            println!("that is {:.1} % of {bound:.0} calls/s, the bound at {latency_ms:.2} ms", 100.0 * rate / bound);
        }
    }
    let (middle, late) = (measure::quantile(&mut gaps, 500), measure::quantile(&mut gaps, 990));
    println!(
        "from an answer to the next call on its connection: p50 {}, p99 {}",
        measure::milliseconds(middle),
        measure::milliseconds(late)
    );
    println!("peak memory of the bridge: {memory_mib:.1} MiB");

    let store = open(&bridge);
    let stats = store.stats().await.expect("counts");
    let sent = upstream.notes.lock().expect("unpoisoned").customers.len();
    let delivered = stats.deliveries.iter().find(|(state, _)| state == "delivered").map_or(0, |(_, n)| *n);
    assert_eq!(usize::try_from(delivered), Ok(sent + SETTLES), "what was sent and what is settled differ");
    println!("{sent} customers were told of, each once, and each is settled");
    store.close().await;
}

fn open(bridge: &measure::Bridge) -> Store {
    Store::open(&bridge.database(), Policy::default()).expect("a store")
}

/// Records so many sales, each of its own customer, and has them read and planned.
async fn fill(store: &Store, sales: usize) {
    let clock = Clock::system();
    let endpoint = endpoint(ProviderKind::Stripe, default_rules());
    let started = Instant::now();
    let numbers: Vec<usize> = (0..sales).collect();
    for chunk in numbers.chunks(FILL_AT_ONCE) {
        let now = clock.now();
        let recorded = chunk.iter().map(|n| store.record(event(&measure::sale(*n, now), now)));
        assert!(join_all(recorded).await.iter().all(Result::is_ok));
    }
    let wake = || Arc::new(Notify::new());
    let mapper = Mapper::new(store.clone(), clock, &[endpoint], BODY_BYTES_MAX, wake(), wake());
    while mapper.work_once().await.expect("read") > 0 {}
    println!("{sales} sales recorded, read and planned in {:.1} s", started.elapsed().as_secs_f64());
}

fn event(bytes: &[u8], now: Timestamp) -> NewEvent {
    NewEvent {
        origin: Origin::Webhook,
        endpoint: "stripe".into(),
        provider: ProviderKind::Stripe,
        business: BUSINESS.into(),
        identity: provider(ProviderKind::Stripe).identify(bytes),
        body_zstd: body::compress(bytes).expect("compressed"),
        received_at: now,
    }
}

/// Leases and settles without any call in between: the store's own pace.
async fn settle_alone(store: &Store, concurrency: usize) {
    let clock = Clock::system();
    let (mut times, mut leases) = (Vec::new(), Vec::new());
    let started = Instant::now();
    while times.len() < SETTLES {
        let began = Instant::now();
        let wanted = concurrency.min(SETTLES - times.len());
        let leased = store.lease(clock.now(), Duration::from_secs(600), wanted).await.expect("a lease");
        assert!(!leased.is_empty(), "nothing is due");
        leases.push(began.elapsed());
        let settled = leased.into_iter().map(async |leased| {
            let (began, at) = (Instant::now(), clock.now());
            let response = Some(RECEIPT.to_owned());
            let attempt =
                AttemptRecord { at, took_ms: 1, status: Some(200), outcome: "delivered".to_owned(), response };
            let settlement = Settlement::Delivered(Receipt::default());
            assert_eq!(store.settle(&leased, attempt, settlement, at).await, Ok(true));
            began.elapsed()
        });
        times.extend(join_all(settled).await);
    }
    let rate = SETTLES as f64 / started.elapsed().as_secs_f64();
    println!(
        "the store alone, {concurrency} at once: {rate:.0} calls/s; settle p50 {}, p99 {}; lease p50 {}, p99 {}",
        measure::milliseconds(measure::quantile(&mut times, 500)),
        measure::milliseconds(measure::quantile(&mut times, 990)),
        measure::milliseconds(measure::quantile(&mut leases, 500)),
        measure::milliseconds(measure::quantile(&mut leases, 990)),
    );
}

const RECEIPT: &str = r#"{"success":true,"commissionId":"comm_1","agentId":"agent_1","commissionAmount":5.998,"commissionStatus":"pending","holdUntil":"2030-01-15"}"#;

#[derive(Default)]
struct Notes {
    customers: BTreeSet<String>,
    first: Option<Instant>,
    last: Option<Instant>,
    answered: usize,
    /// How long it had the calls that it has answered, all of them together.
    served: Duration,
    gaps: Vec<Duration>,
}

/// Answers every call with a success, after a while.
struct Upstream {
    url: String,
    notes: Arc<Mutex<Notes>>,
    _tasks: Tasks,
}

impl Upstream {
    async fn start(latency: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (notes, tasks) = (Arc::<Mutex<Notes>>::default(), Tasks::new());
        let (shared, each) = (notes.clone(), tasks.clone());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = shared.clone();
                // A connection that breaks ends; its calls are missed below.
                each.spawn(async move { converse(stream, latency, &notes).await.unwrap_or_default() });
            }
        });
        Self { url, notes, _tasks: tasks }
    }

    /// Waits for so many answers; gives how many there were, in which time, how long they took together, and the gaps
    /// between them.
    async fn watch(&self, wanted: usize) -> (usize, Duration, Duration, Vec<Duration>) {
        let started = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let mut notes = self.notes.lock().expect("unpoisoned");
            let (first, last) = (notes.first.unwrap_or(started), notes.last.unwrap_or(started));
            assert!(last.elapsed() < SILENCE_MAX, "only {} calls came", notes.answered);
            if notes.answered >= wanted {
                let gaps = std::mem::take(&mut notes.gaps);
                return (notes.answered, last.duration_since(first), notes.served, gaps);
            }
        }
    }
}

async fn converse(mut stream: TcpStream, latency: Duration, notes: &Mutex<Notes>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{RECEIPT}",
        RECEIPT.len()
    );
    let (mut bytes, mut answered_at) = (Vec::new(), None::<Instant>);
    while let Some(customer) = call(&mut stream, &mut bytes).await? {
        let came_at = Instant::now();
        {
            let mut notes = notes.lock().expect("unpoisoned");
            notes.first = notes.first.or(Some(came_at));
            assert!(notes.customers.insert(customer), "a customer was told of twice");
            notes.gaps.extend(answered_at.map(|at| came_at.duration_since(at)));
        }
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        stream.write_all(answer.as_bytes()).await?;
        let now = Instant::now();
        answered_at = Some(now);
        let mut notes = notes.lock().expect("unpoisoned");
        notes.last = Some(now);
        notes.answered += 1;
        notes.served += now.duration_since(came_at);
    }
    Ok(())
}

/// The next call's customer.
async fn call(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<Option<String>> {
    bytes.clear();
    loop {
        // The body is the last thing of a request, and ours is one flat object.
        if bytes.ends_with(b"}") {
            let text = String::from_utf8_lossy(bytes);
            let customer = text.split("\"customerEmail\":\"").nth(1).and_then(|rest| rest.split('"').next());
            return Ok(customer.map(str::to_owned));
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await? {
            0 => return Ok(None),
            n => bytes.extend(buffer.iter().take(n)),
        }
    }
}
