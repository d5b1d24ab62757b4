//! What was answered, how often, and how long it took.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::api::{Problem, Received};
use crate::cli::http_client::{NoAnswer, Reply};
use crate::cli::output::columns;

/// What is shown of an answer that nobody foresaw, characters.
const TEXT_CHARS_MAX: usize = 200;

/// One kind of answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// 2xx, and the bridge had not seen it before.
    New(u16),
    /// 2xx, and the bridge had.
    Duplicate(u16),
    /// Any other status, with what the problem document says.
    Refused(u16, String),
    /// None.
    None(NoAnswer),
}

/// All answers of a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    answers: BTreeMap<Kind, Seen>,
    /// How long each answer took.
    times: Vec<Duration>,
    elapsed: Duration,
}

/// How often, and for which body first.
#[derive(Debug)]
struct Seen {
    count: u64,
    first: String,
}

/// A run as JSON.
#[derive(Serialize)]
pub(super) struct Report {
    requests: u64,
    elapsed_ms: u64,
    answers: Vec<AnswerReport>,
    latency_us: Option<Latency>,
}

#[derive(Serialize)]
struct AnswerReport {
    status: Option<u16>,
    count: u64,
    duplicate: bool,
    detail: Option<String>,
    first_body: String,
}

/// Nearest-rank percentiles, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Latency {
    p50: u64,
    p90: u64,
    p99: u64,
    max: u64,
}

impl Tally {
    /// Counts an answer to the body called `name`.
    pub(super) fn add(&mut self, name: &str, answer: Result<Reply, NoAnswer>, took: Duration) {
        let kind = match answer {
            Ok(reply) => {
                self.times.push(took);
                kind(&reply)
            }
            Err(none) => Kind::None(none),
        };
        let seen = self.answers.entry(kind).or_insert_with(|| Seen { count: 0, first: name.to_owned() });
        seen.count = seen.count.saturating_add(1);
    }

    /// How many were counted.
    pub(super) fn count(&self) -> u64 {
        self.answers.values().map(|seen| seen.count).sum()
    }

    /// Ends the run after so long.
    pub(super) fn finish(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
        self.times.sort_unstable();
    }

    /// Every answer was 2xx.
    pub(super) fn all_fine(&self) -> bool {
        self.answers.keys().all(|kind| matches!(kind, Kind::New(_) | Kind::Duplicate(_)))
    }

    /// The run as JSON.
    pub(super) fn report(&self) -> Report {
        let answers = self.answers.iter().map(|(kind, seen)| {
            let (status, duplicate, detail) = match kind {
                Kind::New(status) => (Some(*status), false, None),
                Kind::Duplicate(status) => (Some(*status), true, None),
                Kind::Refused(status, detail) => (Some(*status), false, Some(detail.clone())),
                Kind::None(none) => (None, false, Some(none.to_string())),
            };
            AnswerReport { status, count: seen.count, duplicate, detail, first_body: seen.first.clone() }
        });
        Report {
            requests: self.count(),
            elapsed_ms: whole(self.elapsed.as_millis()),
            answers: answers.collect(),
            latency_us: self.latency(),
        }
    }

    fn latency(&self) -> Option<Latency> {
        let max = self.times.last()?;
        let us = |time: &Duration| whole(time.as_micros());
        let rank =
            |percent: usize| self.times.get((self.times.len() * percent).div_ceil(100).saturating_sub(1)).map_or(0, us);
        Some(Latency { p50: rank(50), p90: rank(90), p99: rank(99), max: us(max) })
    }
}

fn kind(reply: &Reply) -> Kind {
    if reply.is_success() {
        let duplicate = reply.read().is_some_and(|received: Received| received.duplicate);
        return if duplicate { Kind::Duplicate(reply.status) } else { Kind::New(reply.status) };
    }
    let Problem { code, detail, .. } = reply.read().unwrap_or_default();
    let what = match (code.is_empty(), detail.is_empty()) {
        (false, false) => format!("{code}: {detail}"),
        (false, true) => code,
        (true, false) => detail,
        (true, true) => String::from_utf8_lossy(&reply.body).into_owned(),
    };
    let printable = what.chars().map(|c| if c.is_control() { ' ' } else { c });
    Kind::Refused(reply.status, printable.take(TEXT_CHARS_MAX).collect())
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count();
        let requests = if count == 1 { "request" } else { "requests" };
        writeln!(f, "{count} {requests} in {} ms", self.elapsed.as_millis())?;
        let rows = self.answers.iter().map(|(kind, seen)| {
            let (status, what) = match kind {
                Kind::New(status) => (status.to_string(), "taken".to_owned()),
                Kind::Duplicate(status) => (status.to_string(), "taken; seen before".to_owned()),
                Kind::Refused(status, detail) => (status.to_string(), format!("{detail} (first: {})", seen.first)),
                Kind::None(none) => ("none".to_owned(), format!("{none} (first: {})", seen.first)),
            };
            [status, format!("{} x", seen.count), what]
        });
        write!(f, "{}", columns(rows, 2))?;
        if let Some(Latency { p50, p90, p99, max }) = self.latency() {
            let ms = |us: u64| format!("{}.{:03} ms", us / 1000, us % 1000);
            write!(f, "\nlatency: half within {}, 90 % {}, 99 % {}, all {}", ms(p50), ms(p90), ms(p99), ms(max))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let check = |times: &[u64], expected: Option<[u64; 4]>| {
            let mut tally = Tally::default();
            for us in times {
                tally.add("-", Ok(reply(200, "{}")), Duration::from_micros(*us));
            }
            tally.finish(Duration::ZERO);
            assert_eq!(tally.latency().map(|l| [l.p50, l.p90, l.p99, l.max]), expected, "{times:?}");
        };
        check(&[], None);
        check(&[7], Some([7, 7, 7, 7]));
        check(&[3, 1, 2], Some([2, 3, 3, 3]));
        check(&(1..=1000).collect::<Vec<_>>(), Some([500, 900, 990, 1000]));
    }

    #[test]
    fn only_2xx_is_fine() {
        let check = |answer: Result<Reply, NoAnswer>, fine: bool, line: &str| {
            let mut tally = Tally::default();
            tally.add("a.json", answer, Duration::from_millis(1));
            assert_eq!(tally.all_fine(), fine);
            assert!(tally.to_string().contains(line), "{tally}");
        };
        check(Ok(reply(200, r#"{"received":true,"event":"evt_1","duplicate":false}"#)), true, "200  1 x  taken");
        check(
            Ok(reply(200, r#"{"received":true,"event":"evt_1","duplicate":true}"#)),
            true,
            "200  1 x  taken; seen before",
        );
        check(Ok(reply(202, "")), true, "202  1 x  taken");
        let problem = r#"{"code":"signature_mismatch","detail":"it does not fit"}"#;
        check(Ok(reply(401, problem)), false, "401  1 x  signature_mismatch: it does not fit (first: a.json)");
        check(Ok(reply(502, "<html>\x1b[31m")), false, "502  1 x  <html> [31m");
        check(Ok(reply(302, "")), false, "302  1 x");
        check(Err(NoAnswer("cannot connect".to_owned())), false, "none  1 x  cannot connect");
    }
}
