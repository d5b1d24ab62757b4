//! Why a webhook's signature was refused: one closed list for all providers.
//!
//! No variant can hold the signature, the secret or the body, so neither a log nor an answer made
//! from it can give them away.

use std::time::Duration;

/// Why a request was not accepted as the provider's. Always the sender's fault or a wrong setting:
/// the same request sent again is refused again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signature header is not there.
    #[error("the request has no signature header: it is not the provider's, or a proxy on the way removed the header")]
    Missing,
    /// The signature header is there more than once, so it is open which one counts.
    #[error("the request has more than one signature header: a proxy on the way added one, or somebody forges")]
    Repeated,
    /// The header is not written as the provider writes it. The text says what is wrong.
    #[error("the signature header is not written as the provider writes it: {0}")]
    Malformed(&'static str),
    /// Well written, but made with another secret or over another body.
    #[error(
        "the signature does not fit: the secret is another endpoint's or another mode's (test, live), \
         or a proxy on the way changed the body"
    )]
    Mismatch,
    /// Genuine, but signed too long ago.
    #[error(
        "the signature is genuine but {age:.3?} old, and at most {tolerance:?} is allowed: the request was held up or \
         sent again by somebody else, or this machine's clock is fast"
    )]
    Stale {
        /// From the signing until now.
        age: Duration,
        /// What is allowed.
        tolerance: Duration,
    },
    /// Genuine, but signed too far ahead of our clock.
    #[error(
        "the signature is genuine but {ahead:.3?} in the future, and at most {tolerance:?} is allowed: \
         this machine's clock is slow"
    )]
    Future {
        /// From now until the signing.
        ahead: Duration,
        /// What is allowed.
        tolerance: Duration,
    },
}

impl SignatureError {
    /// The stable `snake_case` code, as answers, metrics and the list of refused requests have it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "signature_missing",
            Self::Repeated => "signature_repeated",
            Self::Malformed(_) => "signature_malformed",
            Self::Mismatch => "signature_mismatch",
            Self::Stale { .. } => "signature_stale",
            Self::Future { .. } => "signature_in_future",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SignatureError;
    use std::time::Duration;

    #[track_caller]
    fn check(error: SignatureError, code: &str, says: &str) {
        assert_eq!(error.code(), code);
        let text = error.to_string();
        assert!(text.contains(says), "{text}");
        assert!(text.starts_with(char::is_lowercase) && !text.ends_with('.') && !text.contains(['\n', '\\']), "{text}");
        assert!(!text.contains("  "), "{text}");
    }

    #[test]
    fn codes_are_stable_and_sentences_help() {
        let tolerance = Duration::from_secs(300);
        check(SignatureError::Missing, "signature_missing", "proxy");
        check(SignatureError::Repeated, "signature_repeated", "more than one");
        check(SignatureError::Malformed("no t"), "signature_malformed", "writes it: no t");
        check(SignatureError::Mismatch, "signature_mismatch", "another endpoint's");
        check(SignatureError::Mismatch, "signature_mismatch", "changed the body");
        let age = Duration::from_millis(300_001);
        check(SignatureError::Stale { age, tolerance }, "signature_stale", "300.001s old, and at most 300s");
        let ahead = Duration::from_secs(900);
        check(SignatureError::Future { ahead, tolerance }, "signature_in_future", "900.000s in the future");
    }
}
