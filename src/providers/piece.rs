//! What a piece of JSON is to a provider when it is no webhook as sent: people paste what they have at hand.

use serde_json::Value;

/// What a piece is, by its shape alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// An event as the provider sends it.
    Event,
    /// A part of one, which stands for an event.
    Part {
        /// What it is, with its article: "an invoice".
        what: String,
        /// The event that it stands for.
        event: Value,
    },
}

impl Piece {
    /// `what` stands for `event`.
    pub(super) fn part(what: impl Into<String>, event: Value) -> Self {
        Self::Part { what: what.into(), event }
    }
}
