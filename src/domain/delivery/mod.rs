//! A call to Refairn that has to be made, was made, or will not be made. Its fields are read as a [`DeliveryRecord`], and
//! change by the transitions of `lifecycle` alone.

mod desired;
mod lifecycle;
mod receipt;
mod record;
mod settlement;
mod state;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use super::call::{Call, Kind};
pub use desired::{DesiredDelivery, Intent};
pub use lifecycle::Delivery;
pub use receipt::{Fate, Receipt, Standing};
pub use record::{DeliveryRecord, Seq};
pub use settlement::{Action, AttemptRecord, DELIVERED, Settlement, Verdict};
pub use state::DeliveryState;

use super::mode::Mode;

use super::event::EventId;

/// Our own number of a delivery; written `dlv_9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub i64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dlv_{}", self.0)
    }
}

/// What tells a delivery from every other of its business: what it reports. No two deliveries have the same. The
/// columns `subject` and `subject_key` hold it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryKey {
    /// The customer, once per mode.
    Lead(Mode),
    /// A payment, by its scope, and its identity within it.
    Payment {
        /// See [`scope`].
        scope: String,
        /// See [`super::fact::Payment::identity`].
        identity: String,
    },
    /// A change of status, by the event that reported it.
    Status(EventId),
}

/// The space within which a provider's ids are unique: a realm ([`super::endpoint::Endpoint::realm`]), the business,
/// the connected account, the mode.
#[must_use]
pub fn scope(realm: &str, business: &str, account: Option<&str>, mode: Mode) -> String {
    format!("{realm}/{business}/{}/{}", account.unwrap_or(""), mode.code())
}

impl DeliveryKey {
    /// What the text of a customer's key begins with. Statements and indexes name it, too.
    pub const LEAD: &'static str = "lead";
    /// What that of a payment begins with.
    pub const PAYMENT: &'static str = "payment";
    /// What that of a change of status begins with.
    pub const STATUS: &'static str = "status";

    /// The identity of a payment.
    #[must_use]
    pub fn payment(&self) -> Option<&str> {
        match self {
            Self::Payment { identity, .. } => Some(identity),
            Self::Lead(_) | Self::Status(_) => None,
        }
    }

    /// It as a text.
    #[must_use]
    pub fn key(&self, email_key: &str) -> String {
        match self {
            Self::Lead(mode) => format!("{} {} {email_key}", Self::LEAD, mode.code()),
            // A payment's key does not name the customer: whatever address later events carry, it is one payment.
            Self::Payment { scope, identity } => format!("{} {scope} {identity}", Self::PAYMENT),
            Self::Status(event) => format!("{} {event}", Self::STATUS),
        }
    }
}
