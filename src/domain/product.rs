//! Which of Refairn's products a fact is about.

use serde::{Deserialize, Serialize};

/// The Refairn product of a fact, by the endpoint's rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// This one.
    Id(String),
    /// The event names nothing sold (a customer, a refund), and there is no default product.
    Unnamed,
    /// What was sold is not in the products map, and such sales are ignored.
    Unmapped,
    /// The event shows only a part of what was sold, and that part does not decide. The subscription's known items, an
    /// earlier payment of it, or a look-up of the rest does.
    Undecided {
        /// The product where nothing else decides; nothing where sales that are not mapped are ignored.
        otherwise: Option<String>,
        /// Lines that were seen.
        seen: u32,
        /// Lines there are, where the event tells.
        total: Option<u32>,
    },
    /// A test-mode event, and no product for tests is set.
    NoTestProduct,
}

impl Product {
    /// The product's id, where it is known.
    #[must_use]
    pub const fn id(&self) -> Option<&str> {
        match self {
            Self::Id(id) => Some(id.as_str()),
            Self::Unnamed | Self::Unmapped | Self::Undecided { .. } | Self::NoTestProduct => None,
        }
    }
}
