//! The pages of the dashboard as people read them: alone at first, for what each costs, and then by several readers while
//! webhooks come.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;

use crate::kit::program::TOKEN;
use crate::kit::wire::Request;
use crate::measure::quantile;
use crate::mix::{is_sale, regular};
use crate::turns::load::{Pace, Sent};
use crate::turns::sales::FIRST;
use crate::turns::subject::Subject;
use crate::turns::wire::Wire;

/// Webhooks a second while the pages are read, and the connections they come over.
pub const WEBHOOKS_A_SECOND: u32 = 500;
const SENDERS: usize = 32;
/// People who read at the same time.
pub const READERS: usize = 4;
/// Between two pages of one reader.
pub const READS_EVERY: Duration = Duration::from_millis(200);
/// Requests of each page that are made alone, one after the other, for its CPU.
const ALONE: usize = 40;

/// What a page took.
pub struct Reading {
    pub page: &'static str,
    pub p50: Duration,
    pub p99: Duration,
    pub most: Duration,
    /// Processor time of the bridge for one, and of the database's server.
    pub cpu: Duration,
    pub server: Duration,
}

/// What the pages took, and the webhooks meanwhile.
pub struct Read {
    pub pages: Vec<Reading>,
    pub webhooks: Sent,
}

/// A page's name, and its address for the reader who asks for the `n`th time, of a store with so many events.
type Page = (&'static str, fn(usize, usize) -> String);

const PAGES: &[Page] = &[
    ("Today", |_, _| "/".to_owned()),
    ("Today, a year", |_, _| "/?range=12mo".to_owned()),
    ("Attention", |_, _| "/attention".to_owned()),
    ("Customers", |_, _| "/customers".to_owned()),
    ("Customers, from the middle", |events, _| format!("/customers?after={}", events / 2)),
    ("Payments", |_, _| "/payments".to_owned()),
    ("Payments, from the middle", |events, n| format!("/payments?after=dlv_{}", a_sale(events, n) / 2 + 1)),
    ("Payments, nobody credited", |_, _| "/payments?fate=credited_nobody".to_owned()),
    ("Payments of an agent", |_, n| format!("/payments?agent=agent_{:03}", n % 50 * 10 + n % 7)),
    ("Activity", |_, _| "/activity".to_owned()),
    ("Set-up", |_, _| "/set-up".to_owned()),
    ("Customer", |events, n| format!("/customers/customer-{}%40example.com", FIRST + a_sale(events, n))),
    ("Customer with 12 sales", |events, n| format!("/customers/regular-{}%40example.com", regular(events, spread(n)))),
    ("Event", |events, n| format!("/events/evt_{}", a_sale(events, n) + 1)),
    ("Delivery", |events, n| format!("/deliveries/dlv_{}", a_sale(events, n) / 2 + 1)),
    ("Search, part of an address", |events, n| format!("/search?q=mer-{}", (FIRST + a_sale(events, n)) / 10)),
    ("Search, whole address", |events, n| format!("/search?q=customer-{}%40example.com", FIRST + a_sale(events, n))),
    ("Search, in all addresses", |_, _| "/search?q=example.com".to_owned()),
    ("Search, inside of a word", |events, n| format!("/search?q=ustomer-{}", FIRST + a_sale(events, n))),
    ("Search, in no address", |_, n| format!("/search?q=zzq{n}")),
];

fn spread(n: usize) -> usize {
    n.wrapping_mul(982_451_653)
}

/// The number of a sale, another for each `n`.
fn a_sale(events: usize, n: usize) -> usize {
    let from = spread(n) % events.saturating_sub(100).max(1);
    (from..).find(|n| is_sale(*n)).unwrap_or(0)
}

/// A reader who is signed in, on a connection of their own.
struct Reader {
    wire: Wire,
    cookie: String,
    events: usize,
}

impl Reader {
    async fn enter(to: SocketAddr, events: usize) -> anyhow::Result<Self> {
        let form = format!("token={TOKEN}&back=%2F");
        let sign_in = Request::new("POST", "/sign-in").header("Content-Type", "application/x-www-form-urlencoded");
        let reply = sign_in.body(form.as_bytes()).try_send(to).await.context("no answer to a sign-in")?;
        let cookie = reply.header("set-cookie").context("a cookie")?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { wire: Wire::connect(to).await?, cookie, events })
    }

    /// Reads a page; gives how long it took.
    async fn read(&mut self, (name, address): Page, n: usize) -> anyhow::Result<Duration> {
        let path = address(self.events, n);
        let request = Request::new("GET", &path).header("Cookie", &self.cookie).head("keep-alive");
        let began = Instant::now();
        let status = self.wire.ask(&request).await?;
        // A search that finds one thing only leads to its page.
        ensure!(status == 200 || status == 303 && name.starts_with("Search"), "{path} is answered {status}");
        Ok(began.elapsed())
    }
}

/// Reads each page so many times while webhooks come.
pub async fn read(subject: &mut Subject, events: usize, times: usize) -> anyhow::Result<Read> {
    let addr = subject.addr();
    let mut reader = Reader::enter(addr, events).await?;
    let mut costs = Vec::new();
    for page in PAGES {
        reader.read(*page, ALONE).await?;
        let before = subject.spent()?;
        for n in 0..ALONE {
            reader.read(*page, n).await?;
        }
        costs.push(subject.spent()?.since(before));
    }
    let mut readers = try_join_all((0..READERS).map(|_| Reader::enter(addr, events))).await?;
    let each = times.div_ceil(READERS);
    let all = u32::try_from(each * PAGES.len())?;
    // As long as the readers read, and a little longer.
    let time = READS_EVERY * all + Duration::from_secs(1);
    let most = usize::try_from(u64::from(WEBHOOKS_A_SECOND) * time.as_secs())?;
    let (mut number, told_before) = (0, subject.sink.told());
    let reading = readers.iter_mut().map(|reader| {
        number += 1;
        read_all(reader, number, each)
    });
    let (webhooks, read) =
        tokio::join!(subject.send(most, SENDERS, Pace::Open(WEBHOOKS_A_SECOND)), try_join_all(reading));
    let (webhooks, _) = webhooks?;
    subject.sink.wait(told_before + webhooks.answers.accepted.len()).await?;
    let mut took: Vec<Vec<Duration>> = vec![Vec::new(); PAGES.len()];
    for of_one in read? {
        took.iter_mut().zip(of_one).for_each(|(all, of_one)| all.extend(of_one));
    }
    let pages = PAGES.iter().zip(took).zip(costs).map(|(((page, _), mut took), cost)| Reading {
        page,
        p50: quantile(&mut took, 500),
        p99: quantile(&mut took, 990),
        most: took.last().copied().unwrap_or_default(),
        cpu: cost.own / u32::try_from(ALONE).unwrap_or(1),
        server: cost.server / u32::try_from(ALONE).unwrap_or(1),
    });
    Ok(Read { pages: pages.collect(), webhooks })
}

/// What one reader reads: all pages in turn, at their own pace.
async fn read_all(reader: &mut Reader, number: usize, times: usize) -> anyhow::Result<Vec<Vec<Duration>>> {
    let mut took: Vec<Vec<Duration>> = vec![Vec::new(); PAGES.len()];
    let mut next = Instant::now() + READS_EVERY * u32::try_from(number)? / u32::try_from(READERS)?;
    for n in 0..times {
        for (of_page, page) in took.iter_mut().zip(PAGES) {
            tokio::time::sleep(next.saturating_duration_since(Instant::now())).await;
            next += READS_EVERY;
            of_page.push(reader.read(*page, n * READERS + number).await?);
        }
    }
    Ok(took)
}
