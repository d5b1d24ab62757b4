//! What somebody is told who waits for a backfill or a comparison: how far it is, what it waits for, and how that ends.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::cli::bar::Bar;
use crate::cli::output;
use crate::clock::Clock;
use crate::domain::backfill::BackfillState;
use crate::domain::provider::ProviderKind;
use crate::providers::provider;

/// Between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Without a page for so long, the provider is said to be silent.
const SILENCE: Duration = Duration::from_secs(5);

/// A person who waits.
pub(super) struct Watch {
    bar: Bar,
    title: &'static str,
    clock: Clock,
    /// What was said last.
    note: Option<String>,
    requests: u64,
    /// When a page came last.
    heard: Instant,
    silence_is_told: bool,
    leaving_is_told: bool,
}

/// How far it is.
pub(super) struct Seen<'a> {
    pub(super) state: &'a str,
    pub(super) note: Option<&'a str>,
    pub(super) due_at: Option<Timestamp>,
    pub(super) requests: u64,
}

impl Watch {
    /// Of what this provider lists.
    pub(super) fn of(kind: ProviderKind) -> Self {
        Self {
            bar: Bar::new(),
            title: provider(kind).descriptor().title,
            clock: Clock::system(),
            note: None,
            requests: 0,
            heard: Instant::now(),
            silence_is_told: false,
            leaving_is_told: false,
        }
    }

    /// Shows how far it is, says what is new, and waits until the next look.
    pub(super) async fn look(&mut self, seen: Seen<'_>, what: &str, done: u64, all: u64) {
        if seen.requests != self.requests || seen.state != BackfillState::Listing.code() {
            (self.requests, self.heard, self.silence_is_told) = (seen.requests, Instant::now(), false);
        }
        let wait = seen.due_at.map(|at| at.duration_since(self.clock.now()).as_secs()).filter(|wait| *wait > 0);
        let again = wait.filter(|_| seen.note.is_some()).map(|wait| format!(", next in {wait} s")).unwrap_or_default();
        if seen.note != self.note.as_deref() {
            self.note = seen.note.map(str::to_owned);
            if let Some(note) = seen.note {
                self.say(&format!("waiting: {}{again}", output::line(note)));
            }
        } else if seen.note.is_none() && !self.silence_is_told && self.heard.elapsed() >= SILENCE {
            self.silence_is_told = true;
            let silence = SILENCE.as_secs();
            self.say(&format!(
                "waiting: nothing has come from {} for {silence} s; a page has 60 s to come",
                self.title
            ));
        }
        self.bar.show(&format!("{what}{again}"), done, all);
        tokio::time::sleep(LOOK_EVERY).await;
    }

    fn say(&mut self, text: &str) {
        self.bar.clear();
        output::talk(text);
        if !std::mem::replace(&mut self.leaving_is_told, true) {
            output::talk("Ctrl-C ends the watching, and the bridge goes on; give the command again to watch");
        }
    }

    /// Takes away what was shown.
    pub(super) fn end(&mut self) {
        self.bar.clear();
    }
}
