//! Two builds of the bridge, measured in turns in one run, beside a bare handler and the floor of what a bridge has to do.
//!
//! `cargo bench --bench compare -- --old PATH`. What the figures mean is in `docs/performance.md`.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::float_arithmetic,
    unreachable_pub,
    reason = "a measurement may end when it cannot be made, prints what it found, and reckons rates"
)]
#![allow(dead_code, missing_docs, reason = "what measurements share serves each in part, and is nobody's interface")]

#[path = "../../tests/kit/mod.rs"]
mod kit;
#[path = "../measure/mod.rs"]
mod measure;
mod report;
#[path = "../turns/mod.rs"]
mod turns;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use serde_json::json;

use kit::postgres::Server;
use report::Report;
use turns::figure::{Figure, Unit};
use turns::machine::{self, Binary, Machine};
use turns::reference::Reference;
use turns::stage::{Stage, Task, milliseconds, sizes};
use turns::subject::{Subject, Who};

/// How long a turn sends when it is only to be seen that it works.
const QUICK: Duration = Duration::from_millis(500);

/// What a turn is divided by on PostgreSQL, where all is told more slowly, and every turn waits for that.
const SHORTER_ON_POSTGRES: u32 = 2;

/// What a store is kept in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

/// Measure two builds of refairn-bridge in turns, beside a bare handler and the floor.
#[derive(Parser)]
struct Args {
    /// The earlier build
    #[arg(long)]
    old: Option<PathBuf>,
    /// Today's build; the one that Cargo has just made, unless another is named
    #[arg(long)]
    new: Option<PathBuf>,
    /// The commit of the earlier build, for the heading
    #[arg(long)]
    old_commit: Option<String>,
    /// The commit of today's build, for the heading
    #[arg(long)]
    new_commit: Option<String>,
    /// Where the bridges keep their stores
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    stores: Vec<Kind>,
    /// What is measured
    #[arg(long, value_delimiter = ',', default_value = "intake,open,low,drain,start")]
    stages: Vec<Stage>,
    /// Numbers of connections of the intake
    #[arg(long, value_delimiter = ',', default_value = "32,256")]
    connections: Vec<usize>,
    /// Webhooks a second of the open loop
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How long each turn sends, in seconds; half of that on PostgreSQL
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Turns of each stage
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// One short turn of each: shows that it works, and little more
    #[arg(long, conflicts_with_all = ["seconds", "rounds"])]
    quick: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reference: Reference,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.reference.is_wanted() {
        return args.reference.run();
    }
    tokio::runtime::Runtime::new()?.block_on(measure_all(args))
}

async fn measure_all(args: Args) -> anyhow::Result<()> {
    let began = Instant::now();
    let machine = Machine::look(env!("CARGO_TARGET_TMPDIR").as_ref());
    let old = args.old.as_ref().context("--old PATH is needed: an earlier build to compare with")?;
    let new_commit = args.new_commit.clone().or_else(|| machine::commit().filter(|_| args.new.is_none()));
    let new = args.new.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_refairn-bridge").into());
    let (new, old) = (Binary::look(&new, new_commit)?, Binary::look(old, args.old_commit.clone())?);
    let mut run = Run { plan: Plan::of(&args)?, new, old, report: Report::default() };
    let (time, rounds) = (run.plan.time, run.plan.rounds);
    if !args.json {
        println!("new      {}\nold      {}", run.new.line(), run.old.line());
        println!("{}", machine.lines().join("\n"));
        println!("turns    {rounds} of {} s each, half of that on PostgreSQL; medians", time.as_secs_f64());
        println!("         of rates more is better, of all else less");
    }
    for kind in &args.stores {
        let name = run.store(*kind).await?;
        if !args.json {
            println!("{}", run.report.text(name));
        }
    }
    let (took_s, load_after) = (began.elapsed().as_secs(), machine::load());
    if args.json {
        let binaries = json!({ "new": run.new, "old": run.old });
        let all = json!({
            "machine": machine, "load_after": load_after, "binaries": binaries, "turn_s": time.as_secs_f64(),
            "rounds": rounds, "took_s": took_s, "rows": run.report.json(),
        });
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        println!("\n{took_s} s in all; load after {load_after}");
    }
    Ok(())
}

struct Plan {
    tasks: Vec<Task>,
    time: Duration,
    rounds: usize,
}

impl Plan {
    fn of(args: &Args) -> anyhow::Result<Self> {
        let (time, rounds) = (Duration::from_secs(args.seconds), args.rounds);
        let (time, rounds) = if args.quick { (QUICK, 1) } else { (time, rounds) };
        ensure!(rounds > 0, "--rounds: one at least");
        let tasks = args.stages.iter().flat_map(|stage| match stage {
            Stage::Intake => args.connections.iter().map(|n| Task::Intake { connections: *n }).collect(),
            Stage::Open => vec![Task::Open { rate: args.rate }],
            Stage::Low => vec![Task::Low],
            Stage::Drain => vec![Task::Drain],
            Stage::Start => vec![Task::Start],
        });
        Ok(Self { tasks: tasks.collect(), time, rounds })
    }
}

struct Run {
    plan: Plan,
    new: Binary,
    old: Binary,
    report: Report,
}

impl Run {
    /// Measures both builds on stores of this kind, which both are empty at first, and the references beside them; gives
    /// the kind's name.
    async fn store(&mut self, kind: Kind) -> anyhow::Result<&'static str> {
        let time = self.plan.time;
        let (name, server, time) = match kind {
            Kind::Sqlite => ("sqlite", None, time),
            Kind::Postgres => ("postgres", Some(Arc::new(Server::durable())), time / SHORTER_ON_POSTGRES),
        };
        let mut subjects = Vec::new();
        for (who, binary) in [(Who::New, &self.new), (Who::Old, &self.old)] {
            let (subject, took) = Subject::bridge(who, &binary.path, server.as_ref()).await?;
            let first = Figure { what: "until ready", unit: Unit::Milliseconds, value: milliseconds(took) };
            self.report.add(name, "start on nothing", who, vec![first]);
            subjects.push(subject);
        }
        for who in [Who::Floor, Who::Bare] {
            subjects.push(Subject::reference(who).await?);
        }
        let (starts, others): (Vec<Task>, Vec<Task>) =
            self.plan.tasks.iter().copied().partition(|task| matches!(task, Task::Start));
        self.turns((name, time), &others, &mut subjects).await?;
        // A start forgets how much memory the process before had.
        for subject in &subjects {
            self.report.add(name, "memory and disk", subject.who, sizes(subject.pid()));
        }
        self.turns((name, time), &starts, &mut subjects).await?;
        for subject in subjects {
            self.end(name, subject).await?;
        }
        Ok(name)
    }

    async fn turns(
        &mut self,
        (name, time): (&'static str, Duration),
        tasks: &[Task],
        subjects: &mut [Subject],
    ) -> anyhow::Result<()> {
        for task in tasks {
            for round in 0..self.plan.rounds {
                // Whoever comes second meets what the first has left behind: they take turns in that, too.
                subjects.sort_by_key(|subject| subject.who);
                if round % 2 == 1 {
                    subjects.reverse();
                }
                for subject in subjects.iter_mut().filter(|subject| task.is_for(subject.who)) {
                    eprintln!("{name}: {}, round {}, {}", task.name(), round + 1, subject.who.name());
                    let figures = task.run(subject, time).await?;
                    self.report.add(name, &task.name(), subject.who, figures);
                }
            }
        }
        Ok(())
    }

    async fn end(&mut self, name: &'static str, subject: Subject) -> anyhow::Result<()> {
        let (who, accepted) = (subject.who, subject.accepted as f64);
        let bytes = subject.end().await? as f64;
        if bytes > 0.0 && accepted > 0.0 {
            let figure = Figure { what: "disk an event", unit: Unit::Bytes, value: bytes / accepted };
            self.report.add(name, "memory and disk", who, vec![figure]);
        }
        Ok(())
    }
}
