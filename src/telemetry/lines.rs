//! How many lines of the log strangers may fill: a flood must not push everything else out of it. What is not written
//! is counted all the same.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

use crate::domain::source::Source;

/// Lines about strangers' requests a minute, over all sources. One source gets one a minute for each reason.
const LINES_A_MINUTE_MAX: usize = 60;
/// The span of it.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A line that may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// It is the last one of its minute.
    pub(super) is_last: bool,
}

/// The lines of this minute.
#[derive(Debug, Default)]
pub struct Lines(Mutex<Minute>);

#[derive(Debug, Default)]
struct Minute {
    began: Timestamp,
    told: HashSet<(Option<Source>, &'static str)>,
}

impl Lines {
    /// A line about `reason` and `source`, unless this minute has one already, or too many of others.
    pub fn ask(&self, source: Option<IpAddr>, reason: &'static str, now: Timestamp) -> Option<Line> {
        let mut minute = self.0.lock().ok()?;
        // A minute that has not begun yet only says that the clock was set back.
        if !(SignedDuration::ZERO..MINUTE).contains(&now.duration_since(minute.began)) {
            *minute = Minute { began: now, told: HashSet::new() };
        }
        let is_new = minute.told.len() < LINES_A_MINUTE_MAX && minute.told.insert((source.map(Source::of), reason));
        is_new.then_some(Line { is_last: minute.told.len() == LINES_A_MINUTE_MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_A_MINUTE_MAX, Lines};

    /// Whether a line is written, and whether it is the last.
    fn ask(lines: &Lines, source: &str, reason: &'static str, second: i64) -> Option<bool> {
        let now = jiff::Timestamp::from_second(1_781_524_800 + second).unwrap();
        lines.ask(Some(source.parse().unwrap()), reason, now).map(|line| line.is_last)
    }

    #[test]
    fn a_source_has_one_line_a_minute_for_each_reason() {
        let lines = Lines::default();
        let check = |source: &str, reason: &'static str, second: i64, written: bool| {
            assert_eq!(ask(&lines, source, reason, second).is_some(), written, "{source} {reason} {second}");
        };
        check("203.0.113.9", "slow", 0, true);
        check("203.0.113.9", "slow", 59, false);
        check("203.0.113.9", "broken", 59, true);
        check("203.0.113.10", "slow", 59, true);
        check("203.0.113.9", "slow", 60, true);
        check("203.0.113.9", "slow", 61, false);
        // A clock that is set back keeps nothing silent.
        check("203.0.113.9", "slow", -3600, true);
    }

    #[test]
    fn all_sources_together_have_a_number_of_lines_and_the_last_says_so() {
        let lines = Lines::default();
        let written: Vec<bool> =
            (0..500).filter_map(|n| ask(&lines, &format!("198.51.{}.{}", n / 250, n % 250), "slow", 1)).collect();
        assert_eq!(written.len(), LINES_A_MINUTE_MAX);
        assert_eq!(written.iter().position(|last| *last), Some(LINES_A_MINUTE_MAX - 1));
        assert_eq!(ask(&lines, "203.0.113.9", "slow", 70), Some(false));
    }
}
