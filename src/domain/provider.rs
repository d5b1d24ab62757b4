//! The payment providers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The list of providers: a line makes a variant, its place among all, and its code.
macro_rules! providers {
    ($($kind:ident = $code:literal),+ $(,)?) => {
        /// A payment provider.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "a provider's name says it all")]
        pub enum ProviderKind {
            $(#[serde(rename = $code)] $kind,)+
        }

        impl ProviderKind {
            /// Every provider.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// As URLs and configuration write it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$kind => $code,)+
                }
            }
        }
    };
}

providers! {
    Stripe = "stripe",
    Paystack = "paystack",
}

impl ProviderKind {
    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|p| p.code() == code)
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
