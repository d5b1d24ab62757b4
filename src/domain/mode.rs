//! Real money, or a provider's test mode.

use serde::{Deserialize, Serialize};

/// Whether money is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Real money.
    Live,
    /// The provider's test mode.
    Test,
}

impl Mode {
    /// `live` or `test`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}
