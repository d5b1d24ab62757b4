//! How far long work is: one line on standard error that is written anew, if that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is written.
const SHOWN_EVERY: Duration = Duration::from_millis(100);
/// Places of the bar.
const PLACES: u64 = 30;

/// The line.
pub(super) struct Bar {
    shown: Option<Instant>,
    terminal: bool,
}

impl Bar {
    /// Nothing is shown yet.
    pub(super) fn new() -> Self {
        Self { shown: None, terminal: io::stderr().is_terminal() }
    }

    /// So much of it all is done; where that cannot be told, `all` is 0.
    pub(super) fn show(&mut self, what: &str, done: u64, all: u64) {
        if self.terminal && self.shown.is_none_or(|at| at.elapsed() >= SHOWN_EVERY) {
            self.shown = Some(Instant::now());
            write(&format!("\r\x1b[K{}", line(what, done, all)));
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            write("\r\x1b[K");
        }
    }
}

fn line(what: &str, done: u64, all: u64) -> String {
    let Some(permille) = done.saturating_mul(1000).checked_div(all) else { return format!("{what} …") };
    let permille = permille.min(1000);
    let full = permille * PLACES / 1000;
    let bar: String = (0..PLACES).map(|place| if place < full { '█' } else { '·' }).collect();
    format!("{what} {bar} {:>3} % ({done} of {all})", permille / 10)
}

/// Nobody may be looking: that is no error.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_shows_the_share_that_is_done() {
        assert_eq!(line("sent", 1, 2), format!("sent {}{}  50 % (1 of 2)", "█".repeat(15), "·".repeat(15)));
        assert_eq!(line("sent", 3, 2), format!("sent {} 100 % (3 of 2)", "█".repeat(30)));
        assert_eq!(line("checking", 0, 0), "checking …");
    }
}
