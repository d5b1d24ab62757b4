//! Calls as they were made, and what befell them.

use jiff::{SignedDuration, Timestamp};
use refairn_bridge::domain::customer::CustomerKey;
use refairn_bridge::domain::delivery::DeliveryId;

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// In truth.
    pub at: Timestamp,
    /// By the bridge's clock.
    pub by_clock: Timestamp,
}

impl Moment {
    /// How far the bridge's clock was ahead.
    pub fn ahead(&self) -> SignedDuration {
        self.by_clock.duration_since(self.at)
    }
}

/// A call that was made, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeCall {
    /// When.
    pub when: Moment,
    /// Which delivery's.
    pub delivery: Option<DeliveryId>,
    /// Whose it is.
    pub key: CustomerKey,
    /// `customer-created` or `payment-succeeded`
    pub kind: String,
    /// The body.
    pub body: serde_json::Value,
    /// What the sandbox answered; nothing when the call did not reach it.
    pub status: Option<u16>,
    /// How it went.
    pub weather: Weather,
}

/// What befalls a call on its way to Refairn and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    Fine,
    /// It is recorded, but the answer is lost.
    Unheard,
    /// Something on the way answers in Refairn's place.
    Refused(u16),
    /// The bridge is gone before it can settle; whether the call got through is the question.
    Lost {
        /// It did.
        recorded: bool,
    },
}
