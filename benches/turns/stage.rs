//! The stages: what one subject does in one turn of each, and the figures that come of it.

use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::figure::{Figure, Unit};
use super::load::{Pace, Sent};
use super::machine::{cpu, memory_mib};
use super::subject::{Spent, Subject, Who};
use crate::measure::quantile;

/// Webhooks a second that are signed in advance, at most; a faster turn is a shorter one.
const SIGNED_A_SECOND: u32 = 10_000;
/// Webhooks of a backlog at most, for each second of a stage.
const BACKLOG_A_SECOND: u32 = 2_000;
/// Senders where their number is not what is measured.
const SENDERS: usize = 64;
/// Webhooks a second where latency is measured without a crowd.
const LOW_RATE: u32 = 50;
/// From the last answer to the moment Refairn opens: what was recorded in SQLite is read by then, and no call has timed
/// out. In PostgreSQL some of it is not, and the drain is the reading of it as well.
const REST: Duration = Duration::from_millis(500);
/// Refairn is shut for less than a call may take.
const SHUT_MAX: Duration = Duration::from_secs(5);

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// As many webhooks as are answered, from senders on connections they keep
    Intake,
    /// Webhooks at a fixed rate, whatever the answers do
    Open,
    /// A few webhooks, and how soon Refairn is told
    Low,
    /// A backlog, and Refairn opens
    Drain,
    /// A start on the store that the stages before have filled
    Start,
}

/// One stage as it is asked for.
#[derive(Clone, Copy)]
pub enum Task {
    Intake { connections: usize },
    Open { rate: u32 },
    Low,
    Drain,
    Start,
}

impl Task {
    pub fn name(self) -> String {
        match self {
            Self::Intake { connections } => format!("intake, {connections} connections"),
            Self::Open { rate } => format!("open loop, {rate} a second"),
            Self::Low => format!("low load, {LOW_RATE} a second"),
            Self::Drain => "drain of a backlog".to_owned(),
            Self::Start => "start on a filled store".to_owned(),
        }
    }

    /// Whether it says something of this subject.
    pub const fn is_for(self, who: Who) -> bool {
        match (self, who) {
            (_, Who::New | Who::Old) | (Self::Intake { .. } | Self::Open { .. }, _) | (Self::Low, Who::Floor) => true,
            (Self::Low, Who::Bare) | (Self::Drain | Self::Start, Who::Floor | Who::Bare) => false,
        }
    }

    /// One turn.
    pub async fn run(self, subject: &mut Subject, time: Duration) -> anyhow::Result<Vec<Figure>> {
        match self {
            Self::Intake { connections } => {
                let turn = Turn::run(subject, due(SIGNED_A_SECOND, time), connections, Pace::Closed(time)).await?;
                let rate = turn.sent.answers.accepted.len() as f64 / turn.sent.took.as_secs_f64();
                let mut figures = vec![Figure { what: "answered 200", unit: Unit::Rate, value: rate }];
                figures.extend(turn.figures(subject.who, &[("answer p50", 500), ("answer p99", 990)]));
                Ok(figures)
            }
            Self::Open { rate } => {
                let turn = Turn::run(subject, due(rate, time), 4 * SENDERS, Pace::Open(rate)).await?;
                let quantiles = [("answer p50", 500), ("answer p99", 990), ("answer p99.9", 999)];
                Ok(turn.figures(subject.who, &quantiles))
            }
            Self::Low => low(subject, time).await,
            Self::Drain => drain(subject, time).await,
            Self::Start => {
                let value = milliseconds(subject.restart().await);
                Ok(vec![Figure { what: "until ready", unit: Unit::Milliseconds, value }])
            }
        }
    }
}

/// What one turn came to, once Refairn was told of all of it.
struct Turn {
    sent: Sent,
    /// From the first webhook to the last call.
    told: Duration,
    spent: Spent,
    /// What the senders and Refairn spent, which are this process.
    bench: Duration,
}

impl Turn {
    async fn run(subject: &mut Subject, most: usize, connections: usize, pace: Pace) -> anyhow::Result<Self> {
        let (before, told_before) = (subject.spent()?, subject.sink.told());
        let (sent, bench_before) = subject.send(most, connections, pace).await?;
        let end = if subject.who.tells() {
            subject.sink.wait(told_before + sent.answers.accepted.len()).await?
        } else {
            Instant::now()
        };
        let (spent, told) = (subject.spent()?.since(before), end.saturating_duration_since(sent.began));
        let bench = cpu::of(std::process::id())?.saturating_sub(bench_before);
        Ok(Self { sent, told, spent, bench })
    }

    fn figures(mut self, who: Who, quantiles: &[(&'static str, usize)]) -> Vec<Figure> {
        let times = &mut self.sent.answers.times;
        let quantiles = quantiles.iter().map(|(what, per_mille)| Figure {
            what,
            unit: Unit::Milliseconds,
            value: milliseconds(quantile(times, *per_mille)),
        });
        let mut figures: Vec<Figure> = quantiles.collect();
        let events = self.sent.answers.accepted.len() as f64;
        if who.tells() {
            let value = events / self.told.as_secs_f64();
            figures.push(Figure { what: "told, end to end", unit: Unit::Rate, value });
        }
        let mut cpu = |what, time: Duration| {
            let value = time.as_secs_f64() * 1e6 / events;
            figures.push(Figure { what, unit: Unit::Microseconds, value });
        };
        cpu("CPU an event", self.spent.own);
        if !self.spent.server.is_zero() {
            cpu("CPU of PostgreSQL", self.spent.server);
        }
        cpu("CPU of the senders", self.bench);
        if self.sent.answers.refused > 0 {
            figures.push(Figure { what: "refused", unit: Unit::Count, value: self.sent.answers.refused as f64 });
        }
        figures
    }
}

/// From each webhook to its call, with no crowd.
async fn low(subject: &mut Subject, time: Duration) -> anyhow::Result<Vec<Figure>> {
    let told_before = subject.sink.told();
    let (sent, _) = subject.send(due(LOW_RATE, time), SENDERS, Pace::Open(LOW_RATE)).await?;
    let mut answers = sent.answers;
    subject.sink.wait(told_before + answers.accepted.len()).await?;
    let told = answers.accepted.iter().filter_map(|(place, from)| Some(subject.sink.told_at(*place)? - *from));
    let mut told: Vec<Duration> = told.collect();
    let figure = |what, times: &mut [Duration], per_mille| {
        let value = milliseconds(quantile(times, per_mille));
        Figure { what, unit: Unit::Milliseconds, value }
    };
    Ok(vec![
        figure("to Refairn p50", &mut told, 500),
        figure("to Refairn p99", &mut told, 990),
        figure("answer p50", &mut answers.times, 500),
    ])
}

/// Refairn takes calls and answers none while webhooks are recorded; then it opens.
async fn drain(subject: &mut Subject, time: Duration) -> anyhow::Result<Vec<Figure>> {
    let told_before = subject.sink.told();
    let most = due(BACKLOG_A_SECOND, time);
    subject.sink.open(false);
    let sent = subject.send(most, SENDERS, Pace::Closed(time.min(SHUT_MAX))).await;
    tokio::time::sleep(REST).await;
    subject.sink.open(true);
    let (opened, accepted, before) = (Instant::now(), sent?.0.answers.accepted.len(), subject.spent()?);
    let last = subject.sink.wait(told_before + accepted).await?;
    let (events, spent) = (accepted as f64, subject.spent()?.since(before));
    Ok(vec![
        Figure { what: "calls", unit: Unit::Rate, value: events / (last - opened).as_secs_f64() },
        Figure { what: "CPU a call", unit: Unit::Microseconds, value: spent.own.as_secs_f64() * 1e6 / events },
    ])
}

/// What a bridge has at its end.
pub fn sizes(pid: u32) -> Vec<Figure> {
    let Some((now, most)) = memory_mib(pid) else { return vec![] };
    vec![
        Figure { what: "resident memory", unit: Unit::Mebibytes, value: now },
        Figure { what: "at its most", unit: Unit::Mebibytes, value: most },
    ]
}

fn due(rate: u32, time: Duration) -> usize {
    usize::try_from(time.as_millis() * u128::from(rate) / 1000).unwrap_or(usize::MAX)
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
