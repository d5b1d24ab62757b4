//! A Refairn inside the bench: takes calls, notes when each sale was told, and answers from a reply made before.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::bail;
use refairn_bridge::tasks::Tasks;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::sales::{SALES_MAX, place};
use super::wire::{Wire, find};

/// Without a call for so long, none comes any more.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Between two looks at how many were told.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How a customer's address begins of whom more is told than one sale: they are counted, and not told apart.
pub const REGULAR: &str = "regular-";
/// Agents between whom Refairn chooses.
pub const AGENTS: usize = 500;
/// Of ten sales, so many credit an agent.
const CREDITED_OF_TEN: usize = 7;

/// What each sale is answered with.
fn receipt(agent: Option<usize>) -> String {
    match agent {
        Some(agent) => format!(
            r#"{{"success":true,"commissionId":"comm_abc123","agentId":"agent_{agent:03}","commissionAmount":20.00,"commissionStatus":"pending","holdUntil":"2030-01-15"}}"#
        ),
        None => r#"{"success":true,"agentId":null}"#.to_owned(),
    }
}

/// The Refairn of one bridge.
pub struct Sink {
    pub addr: SocketAddr,
    book: Arc<Book>,
    open: watch::Sender<bool>,
    _tasks: Tasks,
}

struct Book {
    epoch: Instant,
    /// When each sale was told, in nanoseconds from the epoch; 0 while it was not.
    told_at: Vec<AtomicU64>,
    told: AtomicUsize,
    /// Of regular customers.
    regular: AtomicUsize,
    twice: AtomicUsize,
    strange: AtomicUsize,
    last: AtomicU64,
}

impl Sink {
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (addr, tasks, (open, is_open)) = (listener.local_addr()?, Tasks::new(), watch::channel(true));
        let mut told_at = Vec::new();
        told_at.resize_with(SALES_MAX, AtomicU64::default);
        let zero = AtomicUsize::default;
        let (told, regular, twice, strange) = (zero(), zero(), zero(), zero());
        let book = Book { epoch: Instant::now(), told_at, told, regular, twice, strange, last: AtomicU64::default() };
        let (book, each) = (Arc::new(book), tasks.clone());
        let shared = Arc::clone(&book);
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (book, is_open) = (Arc::clone(&shared), is_open.clone());
                // A connection that breaks ends; its calls are missed by whoever counts.
                each.spawn(async move { serve(stream, &book, is_open).await.unwrap_or_default() });
            }
        });
        Ok(Self { addr, book, open, _tasks: tasks })
    }

    /// While it is shut, calls are taken and not answered.
    pub fn open(&self, is_open: bool) {
        self.open.send_replace(is_open);
    }

    /// How many sales it was told of.
    pub fn told(&self) -> usize {
        self.book.told.load(Ordering::Acquire)
    }

    /// When it was told of this sale, if it was.
    pub fn told_at(&self, place: usize) -> Option<Instant> {
        let at = self.book.told_at.get(place)?.load(Ordering::Relaxed);
        (at > 0).then(|| self.book.epoch + Duration::from_nanos(at))
    }

    /// Waits until it was told of so many in all; gives when it was told of the last.
    pub async fn wait(&self, wanted: usize) -> anyhow::Result<Instant> {
        let (mut before, mut since) = (self.told(), Instant::now());
        while self.told() < wanted {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.told() > before {
                (before, since) = (self.told(), Instant::now());
            } else if since.elapsed() > SILENCE_MAX {
                bail!("{wanted} sales were accepted, and Refairn was told of {before}");
            }
        }
        Ok(self.book.epoch + Duration::from_nanos(self.book.last.load(Ordering::Relaxed)))
    }

    /// Calls that no bridge may make: a sale told twice, or one that nobody sent.
    pub fn judge(&self) -> anyhow::Result<()> {
        let (twice, strange) = (self.book.twice.load(Ordering::Relaxed), self.book.strange.load(Ordering::Relaxed));
        if twice + strange > 0 {
            bail!("{twice} sales were told twice, and {strange} calls were about none");
        }
        Ok(())
    }
}

async fn serve(stream: TcpStream, book: &Book, mut is_open: watch::Receiver<bool>) -> std::io::Result<()> {
    let mut wire = Wire::over(stream)?;
    while let Some(call) = wire.read().await? {
        let place = place(call);
        let is_regular = place.is_none() && find(call, REGULAR.as_bytes()).is_some();
        if is_open.wait_for(|open| *open).await.is_err() {
            break;
        }
        if is_regular {
            book.regular.fetch_add(1, Ordering::Relaxed);
        } else {
            book.note(place);
        }
        wire.write(reply(place.unwrap_or_default()).as_bytes()).await?;
    }
    Ok(())
}

/// The answer to the call about this sale.
fn reply(place: usize) -> &'static str {
    static REPLIES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let reply = |n: usize| {
            let receipt = receipt((n % 10 < CREDITED_OF_TEN).then_some(n % AGENTS));
            format!(
                "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{receipt}",
                receipt.len()
            )
        };
        (0..AGENTS).map(reply).collect()
    });
    REPLIES.get(place % AGENTS).map_or("", String::as_str)
}

impl Book {
    fn note(&self, place: Option<usize>) {
        let now = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let Some(told_at) = place.and_then(|place| self.told_at.get(place)) else {
            self.strange.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if told_at.swap(now, Ordering::Relaxed) > 0 {
            self.twice.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.last.fetch_max(now, Ordering::Relaxed);
        self.told.fetch_add(1, Ordering::Release);
    }
}
