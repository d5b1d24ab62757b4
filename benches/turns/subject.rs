//! What is measured: a bridge of one build on a store of its own, or one of the two references, each with its Refairn.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Serialize;

use super::load::{Pace, Sent, send};
use super::machine::cpu;
use super::reference;
use super::sales::Sales;
use super::sink::Sink;
use super::wire::Wire;
use crate::kit::child::Running;
use crate::kit::postgres::Server;
use crate::kit::program::{get, lasting_addr};
use crate::measure::Bridge;

/// A reference that does not listen by then never will.
const START_MAX: Duration = Duration::from_secs(10);
/// Webhooks that the bare handler is sent again and again.
const REPEATED: usize = 1000;

/// Who is measured, in the order of the columns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    New,
    Old,
    Floor,
    Bare,
}

impl Who {
    pub const ALL: [Self; 4] = [Self::New, Self::Old, Self::Floor, Self::Bare];

    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
            Self::Floor => "floor",
            Self::Bare => "bare",
        }
    }

    /// Whether sales are told by it.
    pub fn tells(self) -> bool {
        self != Self::Bare
    }
}

enum Process {
    Bridge(Bridge, Option<Database>),
    Reference(SocketAddr, Running, tempfile::TempDir),
}

/// A database of one bridge's own on the server that syncs.
struct Database {
    server: Arc<Server>,
    name: &'static str,
    /// What an empty one takes.
    empty_bytes: u64,
    /// The server's first process.
    pid: u32,
}

/// Processor time since a process began.
#[derive(Clone, Copy)]
pub struct Spent {
    pub own: Duration,
    /// The database server's, all processes together; zero where there is none.
    pub server: Duration,
}

impl Spent {
    /// What was spent after `before`.
    pub fn since(self, before: Self) -> Self {
        Self { own: self.own.saturating_sub(before.own), server: self.server.saturating_sub(before.server) }
    }
}

pub struct Subject {
    pub who: Who,
    pub sink: Sink,
    process: Process,
    /// The number of the next sale.
    pub next: usize,
    /// Sales that were answered 200 so far.
    pub accepted: usize,
}

impl Subject {
    /// Starts a bridge on an empty store; gives how long it took until it was ready.
    pub async fn bridge(who: Who, binary: &Path, server: Option<&Arc<Server>>) -> anyhow::Result<(Self, Duration)> {
        Self::of(who, Bridge::of(binary), server).await
    }

    /// Starts a bridge on what is in its folder or on the server; gives how long it took until it was ready. Its next sale
    /// is one that it does not know yet.
    pub async fn of(who: Who, mut bridge: Bridge, server: Option<&Arc<Server>>) -> anyhow::Result<(Self, Duration)> {
        let sink = Sink::start().await?;
        let database = server.map(|server| Database::make(server, who.name())).transpose()?;
        if let Some(database) = &database {
            bridge.set("DATABASE_URL", &database.url()?);
        }
        let process = Process::Bridge(bridge, database);
        let mut subject = Self { who, sink, process, next: 0, accepted: 0 };
        let took = subject.start().await;
        subject.next = subject.recorded().await?;
        Ok((subject, took))
    }

    /// How many events it has.
    pub async fn recorded(&self) -> anyhow::Result<usize> {
        let stats = get(self.addr(), "/api/v1/stats").await.context("the bridge does not tell its state")?;
        let states = stats["events"].as_object().context("events by state")?;
        Ok(usize::try_from(states.values().filter_map(serde_json::Value::as_u64).sum::<u64>())?)
    }

    /// Starts the floor or the bare handler.
    pub async fn reference(who: Who) -> anyhow::Result<Self> {
        let (sink, folder, addr) = (Sink::start().await?, Bridge::folder(), lasting_addr());
        let file = folder.path().join("webhooks");
        let floor = who.tells().then_some((file.as_path(), sink.addr));
        let mut command = std::process::Command::new(std::env::current_exe()?);
        let running = Running::start(command.args(reference::arguments(addr, floor)));
        let began = Instant::now();
        while let Err(error) = Wire::connect(addr).await {
            if began.elapsed() > START_MAX {
                return Err(error).context("a reference does not listen");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self { who, sink, process: Process::Reference(addr, running, folder), next: 0, accepted: 0 })
    }

    pub fn addr(&self) -> SocketAddr {
        match &self.process {
            Process::Bridge(bridge, _) => bridge.addr,
            Process::Reference(addr, ..) => *addr,
        }
    }

    pub fn pid(&self) -> u32 {
        match &self.process {
            Process::Bridge(bridge, _) => bridge.pid(),
            Process::Reference(_, running, _) => running.pid(),
        }
    }

    /// Signs at most so many sales and sends them; they are accepted, and not yet told. Gives the processor time of this
    /// process, too, as it was after signing.
    pub async fn send(&mut self, most: usize, connections: usize, pace: Pace) -> anyhow::Result<(Sent, Duration)> {
        let repeats = !self.who.tells();
        let count = if repeats && matches!(pace, Pace::Closed(_)) { REPEATED } else { most };
        let sales = Sales::sign(self.next..self.next + count)?;
        let bench_before = cpu::of(std::process::id())?;
        let sent = send(self.addr(), sales, repeats, connections, pace).await?;
        if sent.answers.accepted.is_empty() {
            bail!("{} accepted no webhook, and refused {}", self.who.name(), sent.answers.refused);
        }
        self.next += if repeats { 0 } else { sent.tried };
        self.accepted += sent.answers.accepted.len();
        Ok((sent, bench_before))
    }

    pub fn spent(&self) -> anyhow::Result<Spent> {
        let server = match &self.process {
            Process::Bridge(_, Some(database)) => cpu::of_server(database.pid)?,
            Process::Bridge(_, None) | Process::Reference(..) => Duration::ZERO,
        };
        Ok(Spent { own: cpu::of(self.pid())?, server })
    }

    async fn start(&mut self) -> Duration {
        let Process::Bridge(bridge, _) = &mut self.process else { return Duration::ZERO };
        let url = format!("http://{}", self.sink.addr);
        let began = Instant::now();
        bridge.start(&url).await;
        began.elapsed()
    }

    /// Ends a bridge and starts it again on what it has; gives how long the start took until it was ready.
    pub async fn restart(&mut self) -> Duration {
        if let Process::Bridge(bridge, _) = &mut self.process {
            bridge.stop().await;
        }
        self.start().await
    }

    /// Ends a bridge; gives the bytes that its store takes.
    pub async fn end(self) -> anyhow::Result<u64> {
        self.sink.judge().with_context(|| self.who.name())?;
        match self.process {
            Process::Bridge(mut bridge, None) => {
                bridge.stop().await;
                file_bytes(&bridge.database())
            }
            Process::Bridge(mut bridge, Some(database)) => {
                bridge.stop().await;
                Ok(database.bytes()?.saturating_sub(database.empty_bytes))
            }
            Process::Reference(..) => Ok(0),
        }
    }
}

/// What a database's file takes once its log is in it.
fn file_bytes(database: &Path) -> anyhow::Result<u64> {
    let connection = rusqlite::Connection::open(database)?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(std::fs::metadata(database)?.len())
}

impl Database {
    fn make(server: &Arc<Server>, name: &'static str) -> anyhow::Result<Self> {
        if server.run("postgres", &[&format!("SELECT 1 FROM pg_database WHERE datname = '{name}'")]).is_empty() {
            server.run("postgres", &[&format!("CREATE DATABASE {name}")]);
        }
        let file = server.run("postgres", &["SELECT pg_read_file('postmaster.pid')"]);
        let pid = file.lines().next().unwrap_or_default().parse()?;
        let mut database = Self { server: Arc::clone(server), name, empty_bytes: 0, pid };
        database.empty_bytes = database.bytes()?;
        Ok(database)
    }

    fn url(&self) -> anyhow::Result<String> {
        let socket = self.server.socket();
        let folder = socket.parent().context("a socket in a folder")?;
        Ok(format!("postgres:///{}?user=postgres&host={}", self.name, folder.display()))
    }

    fn bytes(&self) -> anyhow::Result<u64> {
        Ok(self.server.run(self.name, &["CHECKPOINT", "SELECT pg_database_size(current_database())"]).parse()?)
    }
}
