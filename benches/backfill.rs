//! How long a backfill takes until it says what would be told, and until it is recorded: the real program, and an account at
//! Stripe that lists its invoices, 25 times a second at most.
//!
//! `cargo bench --bench backfill`. It prints how long the listing took and the weighing after it, the processor time of
//! the bridge, and its peak memory.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    unreachable_pub,
    reason = "a measurement may end when it cannot be made, prints what it found, and reckons shares"
)]
#![allow(dead_code, reason = "what measurements share serves each in part")]

#[path = "turns/machine/cpu.rs"]
mod cpu;
#[path = "../tests/kit/mod.rs"]
mod kit;
mod measure;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use refairn_bridge::clock::Clock;
use refairn_bridge::tasks::Tasks;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use kit::postgres::Server;

const KEY: &str = "rk_live_of_the_measurement";
/// Requests that the account takes in a second.
const REQUESTS_PER_SECOND: usize = 25;
/// Rows of a page.
const ROWS: usize = 100;
const DAY_S: i64 = 86_400;
/// Stripe's own events tell of the last 30 days; all invoices are from before.
const BEFORE_DAYS: i64 = 31;
/// The days over which they are spread.
const PERIOD_DAYS: i64 = 360;
/// How often the bridge is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Without an end for so long it has none.
const PATIENCE: Duration = Duration::from_secs(1200);

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

/// Time a backfill.
#[derive(Parser)]
struct Args {
    /// Paid invoices that are listed
    #[arg(long, default_value_t = 100_000)]
    invoices: usize,
    /// Invoices of each customer, over the year
    #[arg(long, default_value_t = 4)]
    of_each: usize,
    /// Stores to measure with
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    stores: Vec<Kind>,
    /// The program that is measured, if it is not the one that Cargo has just built
    #[arg(long)]
    binary: Option<std::path::PathBuf>,
    /// Say yes then, and time the recording
    #[arg(long)]
    record: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let account = Account::start(args.invoices, args.of_each.max(1)).await;
    println!("{} invoices, {} of each customer", args.invoices, args.of_each.max(1));
    for kind in &args.stores {
        measure(&args, &account, *kind).await;
    }
}

/// One backfill on an empty store.
async fn measure(args: &Args, account: &Account, kind: Kind) {
    let mut bridge = measure::Bridge::new();
    args.binary.iter().for_each(|binary| bridge.binary.clone_from(binary));
    let (name, server) = match kind {
        Kind::Sqlite => ("SQLite", None),
        Kind::Postgres => ("PostgreSQL", Some(Server::durable())),
    };
    if let Some(server) = &server {
        let folder = server.socket().parent().expect("a folder").display().to_string();
        bridge.set("DATABASE_URL", &format!("postgres:///postgres?user=postgres&host={folder}"));
    }
    bridge.unset("PAYSTACK_SECRET_KEY");
    bridge.write(
        "config/refairn-bridge.toml",
        &format!("[[endpoints]]\nprovider = \"stripe\"\napi_key = \"{KEY}\"\napi_base_url = \"{}\"\n", account.url),
    );
    // Nobody is there: what would be told waits.
    bridge.start("http://127.0.0.1:9").await;
    let since = Clock::system().now() - jiff::SignedDuration::from_secs((BEFORE_DAYS + PERIOD_DAYS + 5) * DAY_S);
    let path = format!("/api/v1/backfills?provider=stripe&since={}", since.strftime("%Y-%m-%d"));
    let (begun, before) = (Instant::now(), cpu::of(bridge.pid()).expect("its time"));
    let id = kit::program::authorized("POST", &path).send(bridge.addr).await.json()["id"].clone();
    let id = id.as_str().expect("an id").to_owned();
    until(&bridge, &id, &["weighing", "ready"]).await;
    let (listed, of_listing) = (begun.elapsed(), cpu::of(bridge.pid()).expect("its time") - before);
    let ready = until(&bridge, &id, &["ready"]).await;
    let (took, of_all) = (begun.elapsed(), cpu::of(bridge.pid()).expect("its time") - before);
    println!(
        "{name}: summary after {:.1} s: listing {:.1} s ({:.1} s of CPU), weighing {:.1} s ({:.1} s of CPU); \
         peak memory {:.1} MiB; {} requests, {} of them too many",
        took.as_secs_f64(),
        listed.as_secs_f64(),
        of_listing.as_secs_f64(),
        (took - listed).as_secs_f64(),
        (of_all - of_listing).as_secs_f64(),
        bridge.memory_mib(),
        ready["requests"],
        account.refused(),
    );
    println!("  {}", ready["summary"]["calls"]);
    if args.record {
        let begun = Instant::now();
        assert_eq!(bridge.act(&format!("/api/v1/backfills/{id}/record")).await, 200);
        until(&bridge, &id, &["done"]).await;
        let (took, of_recording) = (begun.elapsed(), cpu::of(bridge.pid()).expect("its time") - before - of_all);
        println!(
            "  recorded after {:.1} s ({:.1} s of CPU, with what was read meanwhile); peak memory {:.1} MiB",
            took.as_secs_f64(),
            of_recording.as_secs_f64(),
            bridge.memory_mib()
        );
    }
    bridge.stop().await;
}

/// Waits until it is in one of these states.
async fn until(bridge: &measure::Bridge, id: &str, states: &[&str]) -> Value {
    let begun = Instant::now();
    loop {
        let backfill = bridge.get(&format!("/api/v1/backfills/{id}")).await;
        let state = backfill["state"].as_str().expect("a state");
        if states.contains(&state) {
            return backfill;
        }
        assert!(state != "failed" && begun.elapsed() < PATIENCE, "{backfill}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// An account at Stripe that has paid invoices, and nothing else.
struct Account {
    url: String,
    asked: Arc<Mutex<Asked>>,
    _tasks: Tasks,
}

#[derive(Default)]
struct Asked {
    /// When it was asked lately.
    lately: std::collections::VecDeque<Instant>,
    refused: usize,
}

impl Account {
    async fn start(invoices: usize, of_each: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (asked, tasks, now) = (Arc::<Mutex<Asked>>::default(), Tasks::new(), Clock::system().now().as_second());
        let shop = Shop { invoices, of_each, now };
        let (shared, each) = (asked.clone(), tasks.clone());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let asked = shared.clone();
                each.spawn(async move { converse(stream, shop, &asked).await.unwrap_or_default() });
            }
        });
        Self { url, asked, _tasks: tasks }
    }

    fn refused(&self) -> usize {
        self.asked.lock().expect("unpoisoned").refused
    }
}

async fn converse(mut stream: TcpStream, shop: Shop, asked: &Mutex<Asked>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            bytes.extend_from_slice(&buffer[..read]);
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes.drain(..end + 4);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let (status, body) = if asked.lock().expect("unpoisoned").is_too_much() {
            ("429 Too Many Requests\r\nretry-after: 1", String::new())
        } else {
            ("200 OK", shop.page(path).to_string())
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
    }
}

impl Asked {
    /// Notes a request; whether the account takes it.
    fn is_too_much(&mut self) -> bool {
        let now = Instant::now();
        self.lately.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
        // Two that the clocks of both sides put into the same second are none too many.
        if self.lately.len() > REQUESTS_PER_SECOND + 1 {
            self.refused += 1;
            return true;
        }
        self.lately.push_back(now);
        false
    }
}

/// What was sold, the newest first.
#[derive(Clone, Copy)]
struct Shop {
    invoices: usize,
    of_each: usize,
    now: i64,
}

impl Shop {
    fn page(self, path: &str) -> Value {
        let count = if path.starts_with("/v1/invoices?") { self.invoices } else { 0 };
        let after = path.split("starting_after=in_").nth(1).and_then(|n| n.parse::<usize>().ok());
        let begin = after.map_or(0, |n| n + 1);
        let end = count.min(begin + ROWS);
        let data: Vec<Value> = (begin..end).map(|n| self.invoice(n)).collect();
        json!({"object": "list", "has_more": end < count, "data": data})
    }

    /// Every customer's are spread over the whole time.
    fn invoice(self, n: usize) -> Value {
        let customers = self.invoices.div_ceil(self.of_each);
        let whose = n % customers;
        let back =
            i64::try_from(n).expect("small") * PERIOD_DAYS * DAY_S / i64::try_from(self.invoices).expect("small");
        let at = self.now - BEFORE_DAYS * DAY_S - back;
        let corpus = include_str!("../tests/fixtures/stripe/invoice.paid/renewal-clover/body.json");
        let mut event: Value = serde_json::from_str(corpus).expect("JSON");
        let mut invoice = event["data"]["object"].take();
        let (customer, email) = (format!("cus_{whose}"), format!("customer-{whose}@example.com"));
        invoice["id"] = json!(format!("in_{n}"));
        invoice["created"] = json!(at - 60);
        invoice["customer_email"] = json!(email);
        invoice["status_transitions"]["paid_at"] = json!(at);
        invoice["parent"]["subscription_details"]["subscription"] = json!(format!("sub_{whose}"));
        invoice["customer"] = json!({"id": customer, "object": "customer", "email": email, "created": at - 90,
            "metadata": {}, "livemode": true});
        let payment = json!({"id": format!("inpay_{n}"), "object": "invoice_payment", "status": "paid",
            "payment": {"type": "payment_intent", "payment_intent": format!("pi_{n}")}});
        invoice["payments"] = json!({"object": "list", "data": [payment]});
        invoice
    }
}
