//! A provider's event as we hold it, from its arrival to its one outcome.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::mode::Mode;
use super::provider::ProviderKind;
use super::reason::EventReason;

/// Our own number of an event, in the order of recording; written `evt_17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub i64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{}", self.0)
    }
}

/// What identifies an event before anything of it is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What a redelivery shares: the provider's event id with its account and type, or the hash of the raw body.
    pub dedup_key: String,
    /// The provider's own id, where it has one.
    pub provider_event_id: Option<String>,
    /// The provider's type, as written; empty when it could not be read.
    pub event_type: String,
    /// The provider's id of the event that carries what this one only points at, where this one names it.
    pub snapshot_event: Option<String>,
    /// Real money or a test, where the envelope says it.
    pub mode: Option<Mode>,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// On disk, not looked at yet.
    Received,
    /// It led to a delivery, or changed one.
    Mapped,
    /// It calls for nothing; the reason says why.
    Ignored,
    /// It lacks something that another event or a look-up will bring.
    Waiting,
    /// We could not read it; it needs attention.
    Unmappable,
}

impl EventState {
    /// Every state.
    pub const ALL: &[Self] = &[Self::Received, Self::Mapped, Self::Ignored, Self::Waiting, Self::Unmappable];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Mapped => "mapped",
            Self::Ignored => "ignored",
            Self::Waiting => "waiting",
            Self::Unmappable => "unmappable",
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.code() == code)
    }
}

/// What an event came to. Each way but one has its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventEnd {
    /// It led to a delivery, or changed one.
    Mapped,
    /// It calls for nothing.
    Ignored(EventReason),
    /// It lacks something that another event or a look-up will bring.
    Waiting(EventReason),
    /// It could not be read.
    Unmappable(EventReason),
}

impl EventEnd {
    /// The state that the event is in then.
    #[must_use]
    pub const fn state(self) -> EventState {
        match self {
            Self::Mapped => EventState::Mapped,
            Self::Ignored(_) => EventState::Ignored,
            Self::Waiting(_) => EventState::Waiting,
            Self::Unmappable(_) => EventState::Unmappable,
        }
    }

    /// Why; nothing of a mapped event, which needs no reason.
    #[must_use]
    pub const fn reason(self) -> Option<EventReason> {
        match self {
            Self::Mapped => None,
            Self::Ignored(reason) | Self::Waiting(reason) | Self::Unmappable(reason) => Some(reason),
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What it came to, and why.
    pub end: EventEnd,
    /// What exactly, for a person: names fields, never holds their personal values.
    pub detail: Option<String>,
}

impl Outcome {
    /// The event led to something.
    pub const MAPPED: Self = Self { end: EventEnd::Mapped, detail: None };

    /// The event calls for nothing.
    #[must_use]
    pub const fn ignored(reason: EventReason) -> Self {
        Self { end: EventEnd::Ignored(reason), detail: None }
    }

    /// The event lacks something.
    #[must_use]
    pub const fn waiting(reason: EventReason) -> Self {
        Self { end: EventEnd::Waiting(reason), detail: None }
    }

    /// The event could not be read.
    #[must_use]
    pub fn unmappable(reason: EventReason, detail: impl Into<String>) -> Self {
        Self { end: EventEnd::Unmappable(reason), detail: Some(detail.into()) }
    }
}

/// How we came by an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The provider sent it to us, signed.
    Webhook,
    /// We asked the provider for one thing that an event lacked.
    Lookup,
    /// A person had the provider's lists read.
    Backfill,
}

impl Origin {
    /// Every origin.
    pub const ALL: &[Self] = &[Self::Webhook, Self::Lookup, Self::Backfill];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Lookup => "lookup",
            Self::Backfill => "backfill",
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|origin| origin.code() == code)
    }
}

/// An event as it goes to disk: verified, or asked for by ourselves.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// How we came by it.
    pub origin: Origin,
    /// The endpoint it came to.
    pub endpoint: String,
    /// Who sent it.
    pub provider: ProviderKind,
    /// The Refairn business of the endpoint.
    pub business: String,
    /// What tells it from every other event of its endpoint.
    pub identity: Identity,
    /// The raw body, zstd-compressed.
    pub body_zstd: Vec<u8>,
    /// When it arrived.
    pub received_at: jiff::Timestamp,
}

/// What recording an event came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The number it has, or had already.
    pub id: EventId,
    /// It was recorded before.
    pub duplicate: bool,
}
