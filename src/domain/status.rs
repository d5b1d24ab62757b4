//! The four subscription statuses that Refairn knows.

use serde::{Deserialize, Serialize};

/// A subscription's status in Refairn's words. The order is that of strength: a customer with an active and a
/// cancelled subscription to one product is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Ended for good.
    Cancelled,
    /// A charge failed, or collection is paused.
    PastDue,
    /// In a free trial.
    Trialing,
    /// Paid, or a one-off payment.
    Active,
}

impl Status {
    /// As Refairn's contract writes it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::PastDue => "past_due",
            Self::Trialing => "trialing",
            Self::Active => "active",
        }
    }
}
