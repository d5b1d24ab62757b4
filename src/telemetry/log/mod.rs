//! Where the log goes: standard error, as text at a terminal and as JSON lines elsewhere. A caller neither waits nor
//! fails, whatever becomes of standard error: a full disk, a closed pipe, a pipe that nobody reads.

mod lines;

use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::clock::Clock;
use lines::Lines;

/// How long the last lines may take to be written when the process ends.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(2);

/// What lines of our own are logged as coming from.
const TARGET: &str = "refairn_bridge";

static LOG: OnceLock<Log> = OnceLock::new();

/// The process's log.
struct Log {
    lines: Lines,
    format: Format,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much something matters that is said to the person who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It is good to know.
    Info,
    /// It should be looked into.
    Warning,
    /// It went wrong.
    Error,
}

impl Format {
    /// Text at a terminal, JSON elsewhere.
    #[must_use]
    pub fn detect() -> Self {
        if io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Starts logging at `level` (`info`, `debug`, or a filter such as `refairn_bridge::delivery=debug`), and from now on a
/// panic is logged too. A second call changes nothing.
///
/// # Errors
/// The system gives no thread.
pub fn start(level: &str, format: Format) -> io::Result<()> {
    let lines = Lines::start(io::stderr())?;
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
    // What cannot be logged is not told on standard error: that panics when nothing can be written there.
    let log = log.log_internal_errors(false);
    // An error only says that logging has been started.
    let _ = match format {
        Format::Text => log.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
        Format::Json => log.json().flatten_event(true).try_init(),
    };
    if LOG.set(Log { lines, format }).is_ok() {
        std::panic::set_hook(Box::new(panicked));
    }
    Ok(())
}

/// Says something to the person who watches, whatever the level of the log: `text` as it is, or as lines of JSON with
/// `message`. False when no log was started.
#[must_use]
pub fn say(weight: Weight, text: &str, message: &str) -> bool {
    let Some(log) = LOG.get() else { return false };
    match log.format {
        Format::Text => log.lines.add(format!("{}\n", text.trim_end_matches('\n')).as_bytes()),
        Format::Json => message.lines().for_each(|line| log.lines.add(record(weight, line).as_bytes())),
    }
    true
}

/// Waits until all that was logged is written; not for ever, for nobody may be reading.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.lines.flush(FLUSH_WAIT_MAX);
    }
}

/// A line like those of the library.
fn record(weight: Weight, message: &str) -> String {
    let level = match weight {
        Weight::Info => "INFO",
        Weight::Warning => "WARN",
        Weight::Error => "ERROR",
    };
    let timestamp = format!("{:.6}", Clock::system().now());
    let record = Record { timestamp: &timestamp, level, message, target: TARGET };
    // Texts can always be written as JSON.
    let record = serde_json::to_string(&record).unwrap_or_default();
    format!("{record}\n")
}

#[derive(serde::Serialize)]
struct Record<'a> {
    timestamp: &'a str,
    level: &'a str,
    message: &'a str,
    target: &'a str,
}

/// Something panicked. What it said is left out: it may quote what was at hand, and that may be an address.
fn panicked(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let at = info.location().map(ToString::to_string).unwrap_or_default();
    super::events::panicked(thread.name().unwrap_or_default(), &at);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ours_is_json_as_the_librarys_are() {
        let line = record(Weight::Warning, "a \"quoted\"\tword");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((value["level"].as_str(), value["message"].as_str()), (Some("WARN"), Some("a \"quoted\"\tword")));
        let at: &str = value["timestamp"].as_str().unwrap();
        assert!(at.parse::<jiff::Timestamp>().is_ok() && at.len() == "2026-06-15T12:00:00.000000Z".len(), "{at}");
        assert!(line.ends_with('\n'));
    }
}
