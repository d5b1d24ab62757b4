//! What people decided: who, by which way in, what, and with which note.

use super::access::Who;

/// Characters of a note.
pub const NOTE_CHARS_MAX: usize = 500;

/// What can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// A call is tried again, or sent now.
    Retry,
    /// A held call is sent.
    Release,
    /// A call is not sent, or what stands on it was seen.
    Discard,
    /// An event is read again.
    Remap,
    /// A provider is asked for what was missed.
    StartBackfill,
    /// What was missed is recorded, and told.
    RecordBackfill,
    /// What was missed is left alone.
    DiscardBackfill,
    /// Somebody was given access.
    GiveAccess,
    /// Access was taken back.
    RevokeAccess,
    /// A message was sent to try out where alerts go.
    TestAlerts,
    /// A customer is forgotten.
    Forget,
}

impl Decision {
    /// Every decision.
    pub const ALL: &[Self] = &[
        Self::Retry,
        Self::Release,
        Self::Discard,
        Self::Remap,
        Self::StartBackfill,
        Self::RecordBackfill,
        Self::DiscardBackfill,
        Self::GiveAccess,
        Self::RevokeAccess,
        Self::TestAlerts,
        Self::Forget,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Release => "release",
            Self::Discard => "discard",
            Self::Remap => "remap",
            Self::StartBackfill => "start_backfill",
            Self::RecordBackfill => "record_backfill",
            Self::DiscardBackfill => "discard_backfill",
            Self::GiveAccess => "give_access",
            Self::RevokeAccess => "revoke_access",
            Self::TestAlerts => "test_alerts",
            Self::Forget => "forget",
        }
    }

    /// The decision of this code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|decision| decision.code() == code)
    }
}

/// Which way a decision came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// The API, which the commands use.
    Api,
    /// A page of the dashboard.
    Dashboard,
}

impl Via {
    /// Every way.
    pub const ALL: &[Self] = &[Self::Api, Self::Dashboard];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Dashboard => "dashboard",
        }
    }

    /// The way of this code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|via| via.code() == code)
    }
}

/// What somebody wrote about a decision: one line, neither empty nor too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

impl Note {
    /// A note; nothing of a blank text.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        let text = text.trim();
        if text.chars().count() > NOTE_CHARS_MAX {
            return Err("a note takes 500 characters at most");
        }
        if text.contains(char::is_control) {
            return Err("a note takes one line, without control characters");
        }
        Ok((!text.is_empty()).then(|| Self(text.to_owned())))
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Who decides, by which way in, and what they wrote about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The person, with their role.
    pub who: Who,
    /// By which way it came in.
    pub via: Via,
    /// What they wrote about it.
    pub note: Option<Note>,
}

impl By {
    /// The holder of the admin token, by the API, without a word.
    #[must_use]
    pub fn admin() -> Self {
        Self { who: Who::admin(), via: Via::Api, note: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_that_says_something() {
        let check = |text: &str, expected: Result<Option<&str>, ()>| {
            let note = Note::parse(text);
            assert_eq!(note.as_ref().map(|note| note.as_ref().map(Note::text)).map_err(|_| ()), expected, "{text:?}");
        };
        check("  credited by hand ", Ok(Some("credited by hand")));
        check("", Ok(None));
        check(" \t ", Ok(None));
        check("two\nlines", Err(()));
        check("\u{0}", Err(()));
        check(&"x".repeat(500), Ok(Some(&"x".repeat(500))));
        check(&"x".repeat(501), Err(()));
    }

    #[test]
    fn every_code_reads_back() {
        for decision in Decision::ALL {
            assert_eq!(Decision::parse(decision.code()), Some(*decision));
        }
        for via in Via::ALL {
            assert_eq!(Via::parse(via.code()), Some(*via));
        }
    }
}
