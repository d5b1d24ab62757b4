//! What an attempt came to, and what an operator decides.

use std::time::Duration;

use jiff::Timestamp;

use super::Receipt;
use crate::domain::reason::DeliveryReason;

/// What an attempt came to after which Refairn has the call.
pub const DELIVERED: &str = "delivered";

/// One attempt, for the history that people read.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// What it came to, in a few words.
    pub outcome: String,
    /// The beginning of the answer's body; nothing when no answer came.
    pub response: Option<String>,
}

/// What Refairn's answer says of a call, before the customer's other calls were looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The answer says all.
    Settled(Settlement),
    /// Refairn answered 409: what that means depends on the customer's other calls, so the ledger says it.
    Conflict,
}

impl From<Settlement> for Verdict {
    fn from(settlement: Settlement) -> Self {
        Self::Settled(settlement)
    }
}

/// What is written of a call after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Refairn has it.
    Delivered(Receipt),
    /// Refairn had it already.
    Duplicate,
    /// A person has to look at it: why, and what Refairn or we say to that.
    Rejected(DeliveryReason, String),
    /// It will be tried again.
    Retry {
        /// After so long.
        wait: Duration,
        /// Refairn may have it: the call may not be changed any more.
        outcome_unknown: bool,
        /// What happened.
        detail: String,
    },
    /// Refairn refuses our configuration, not the call: nothing more goes out on this route until a probe gets through.
    PauseRoute(String),
}

impl Settlement {
    /// The bridge failed over the call: a defect of ours. A person has to look, and Refairn may have it.
    #[must_use]
    pub fn failed_over(what: &str) -> Self {
        Self::Rejected(DeliveryReason::InternalError, what.to_owned())
    }
}

/// What an operator decides about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send it again, or now.
    Retry,
    /// Let a held payment go: on the next free day if its own is taken, and as it is if Refairn may have it.
    Release,
    /// Do not send it; of one that was sent: its warning was seen.
    Discard,
}

impl Action {
    /// What is done by it: "it cannot be ...".
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Release => "released",
            Self::Discard => "discarded",
        }
    }
}
