//! Whether the bridge is as fast with a million recorded events as with few: the real program, filled through its own door
//! to each size and measured there.
//!
//! `cargo bench --bench size`. What the figures mean is in `docs/performance.md`.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    unreachable_pub,
    reason = "a measurement may end when it cannot be made, prints what it found, and reckons rates"
)]
#![allow(dead_code, missing_docs, reason = "what measurements share serves each in part, and is nobody's interface")]

mod fill;
#[path = "../../tests/kit/mod.rs"]
mod kit;
#[path = "../measure/mod.rs"]
mod measure;
mod mix;
mod pages;
mod table;
#[path = "../turns/mod.rs"]
mod turns;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};

use kit::postgres::Server;
use measure::Bridge;
use table::Measured;
use turns::machine::{self, Binary, Machine};
use turns::stage::Task;
use turns::subject::{Subject, Who};

/// Connections of the intake.
const CONNECTIONS: usize = 32;
/// Webhooks a second of the open loop.
const RATE: u32 = 2000;

/// What a store is kept in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// Measure refairn-bridge with few recorded events and with many.
#[derive(Parser)]
struct Args {
    /// Recorded events at which it is measured, the fewest first
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000")]
    events: Vec<usize>,
    /// Where the bridge keeps its store
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    stores: Vec<Kind>,
    /// The build that is measured; the one that Cargo has just made, unless another is named
    #[arg(long)]
    binary: Option<PathBuf>,
    /// The commit of that build, for the heading
    #[arg(long)]
    commit: Option<String>,
    /// Keep the filled stores in this folder, and use those that are there
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Copy PostgreSQL's stores from SQLite's that are kept, by migrate-store
    #[arg(long, requires = "keep")]
    copy: bool,
    /// Fill and keep the stores, and measure nothing
    #[arg(long, requires = "keep")]
    fill_only: bool,
    /// Turns of the intake and of the open loop
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each of those turns sends, in seconds
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Requests of each page
    #[arg(long, default_value_t = 120)]
    reads: usize,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tokio::runtime::Runtime::new()?.block_on(measure_all(&args))
}

async fn measure_all(args: &Args) -> anyhow::Result<()> {
    ensure!(args.events.is_sorted() && !args.events.is_empty(), "--events: the fewest first");
    let machine = Machine::look(env!("CARGO_TARGET_TMPDIR").as_ref());
    let commit = args.commit.clone().or_else(|| machine::commit().filter(|_| args.binary.is_none()));
    let binary = args.binary.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_refairn-bridge").into());
    let binary = Binary::look(&binary, commit)?;
    println!("build    {}\n{}", binary.line(), machine.lines().join("\n"));
    println!("turns    {} of {} s each; medians", args.rounds, args.seconds);
    println!(
        "pages    {} of each, by {} readers of {} a second, while {} webhooks a second come",
        args.reads,
        pages::READERS,
        1000 / pages::READS_EVERY.as_millis(),
        pages::WEBHOOKS_A_SECOND
    );
    for kind in &args.stores {
        let mut all = Vec::new();
        for events in &args.events {
            all.extend(measure_one(args, &binary.path, *kind, *events).await?);
        }
        if let (Some(first), Some(last)) = (all.first(), all.last()) {
            println!("\n{}", table::text(kind.name(), first, last));
        }
    }
    println!("\nload after {}", machine::load());
    Ok(())
}

/// Fills a store to its size, and measures it.
async fn measure_one(args: &Args, binary: &Path, kind: Kind, events: usize) -> anyhow::Result<Option<Measured>> {
    let name = format!("{}-{events}", kind.name());
    let own = Bridge::folder();
    let folder = args.keep.as_ref().map_or_else(|| own.path().join("store"), |keep| keep.join(&name));
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let server = match kind {
        Kind::Sqlite => None,
        // Its user is another.
        Kind::Postgres => {
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))?;
            Some(Arc::new(if args.keep.is_some() { Server::kept(&folder) } else { Server::durable() }))
        }
    };
    if let (Some(server), Some(keep)) = (&server, args.keep.as_ref().filter(|_| args.copy)) {
        copy(binary, &keep.join(format!("sqlite-{events}/bridge.db")), server)?;
    }
    eprintln!("{name}: starts");
    let (mut subject, took) = Subject::of(Who::New, Bridge::at(&folder).built_as(binary), server.as_ref()).await?;
    eprintln!("{name}: ready after {:.1} s", took.as_secs_f64());
    let filled = fill::fill(&mut subject, &name, events).await?;
    let contents = fill::contents(&subject).await?;
    eprintln!("{name}: filled in {} s: {contents}", filled.as_secs());
    let mut measured = Measured::of(events, contents);
    if !args.fill_only {
        measure(args, &mut subject, &name, &mut measured).await?;
    }
    subject.end().await?;
    Ok(Some(measured).filter(|_| !args.fill_only))
}

async fn measure(args: &Args, subject: &mut Subject, name: &str, measured: &mut Measured) -> anyhow::Result<()> {
    let time = Duration::from_secs(args.seconds);
    for task in [Task::Intake { connections: CONNECTIONS }, Task::Open { rate: RATE }] {
        for round in 0..args.rounds {
            eprintln!("{name}: {}, round {}", task.name(), round + 1);
            measured.add(&task.name(), task.run(subject, time).await?);
        }
    }
    eprintln!("{name}: pages");
    measured.read(pages::read(subject, measured.events, args.reads).await?);
    Ok(())
}

/// Copies a kept store of SQLite's to the server, unless it has one.
fn copy(binary: &Path, from: &Path, server: &Arc<Server>) -> anyhow::Result<()> {
    let database = Who::New.name();
    if !server.run("postgres", &[&format!("SELECT 1 FROM pg_database WHERE datname = '{database}'")]).is_empty() {
        return Ok(());
    }
    server.run("postgres", &[&format!("CREATE DATABASE {database}")]);
    let socket = server.socket();
    let folder = socket.parent().context("a socket in a folder")?;
    let to = format!("postgres:///{database}?user=postgres&host={}", folder.display());
    let from = format!("sqlite://{}", from.display());
    let copied = std::process::Command::new(binary).args(["migrate-store", "--from", &from, "--to", &to]).status()?;
    ensure!(copied.success(), "the store is not copied");
    Ok(())
}
