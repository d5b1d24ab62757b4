//! Where a delivery stands.

use serde::{Deserialize, Serialize};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It goes out when it is due and its customer's turn.
    Queued,
    /// It is on its way under a lease.
    Sending,
    /// Refairn has it.
    Delivered,
    /// Refairn had it already.
    Duplicate,
    /// Refairn refused it, or we gave up; needs attention.
    Rejected,
    /// It is not sent without an operator's word; needs attention.
    Held,
    /// It is not sent: what it would tell was undone first.
    Cancelled,
    /// It is not sent: another call tells it.
    Superseded,
    /// An operator dropped it.
    Discarded,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: &[Self] = &[
        Self::Queued,
        Self::Sending,
        Self::Delivered,
        Self::Duplicate,
        Self::Rejected,
        Self::Held,
        Self::Cancelled,
        Self::Superseded,
        Self::Discarded,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Discarded => "discarded",
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.code() == code)
    }

    /// It is still to be sent.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sending)
    }

    /// It goes out, or may yet go out, and is not on its way.
    #[must_use]
    pub const fn is_unfinished(self) -> bool {
        matches!(self, Self::Queued | Self::Held)
    }

    /// Refairn has it.
    #[must_use]
    pub const fn is_acknowledged(self) -> bool {
        matches!(self, Self::Delivered | Self::Duplicate)
    }
}
