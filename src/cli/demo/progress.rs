//! What is going on, on standard error: one line a step, which is rewritten while it lasts if a person is watching.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::cli::output::{self, Stream, Tone};

/// Columns of a step's text.
const TEXT_COLUMNS: usize = 62;
/// How long a person needs to read a line.
const READING: Duration = Duration::from_millis(240);

/// Tells of steps.
pub(super) struct Progress {
    watched: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { watched: std::io::stderr().is_terminal() }
    }

    /// How long to rest after a step; nobody is waited for who does not watch.
    pub(super) const fn pause(&self) -> Duration {
        if self.watched { READING } else { Duration::ZERO }
    }

    /// A step is under way; `so_far` is what it came to until now.
    pub(super) fn doing(&self, text: &str, so_far: &str) {
        if self.watched {
            write(&format!("\r\x1b[2K  {}", row("·", text, so_far)));
        }
    }

    /// A step is done.
    pub(super) fn done(&self, text: &str, came_to: &str) {
        let back = if self.watched { "\r\x1b[2K" } else { "" };
        let tick = output::paint("✓", Tone::Good, Stream::Talk);
        write(&format!("{back}  {}\n", row(&tick, text, came_to)));
    }

    /// A step is left as it is.
    pub(super) fn broken_off(&self) {
        if self.watched {
            write("\n");
        }
    }
}

fn row(mark: &str, text: &str, came_to: &str) -> String {
    format!("{mark} {text:<TEXT_COLUMNS$} {came_to:>12}").trim_end().to_owned()
}

/// Standard error may be closed; that is no reason to stop.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn a_line_fits_a_terminal() {
        let line = row("✓", &"x".repeat(super::TEXT_COLUMNS), "21 webhooks");
        assert!(line.chars().count() + 2 < 80, "{line}");
        assert_eq!(row("·", "nothing", ""), "· nothing");
    }
}
