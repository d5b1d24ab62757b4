//! What to ask a provider for an event that lacks something.

use crate::domain::provider::ProviderKind;
use crate::providers::lookup::{LookupTarget, Question};
use crate::providers::provider;
use crate::store::{Missing, body};

/// The question for what an event lacks. More than `body_bytes_max` of a body are not read.
///
/// # Errors
/// Why there is no question, for people.
pub(super) fn question(kind: ProviderKind, missing: &Missing, body_bytes_max: usize) -> Result<Question, String> {
    let ask = |wanted| provider(kind).ask(wanted, body_bytes_max);
    match missing {
        Missing::Customer { id, account, mode } => {
            let id = id.as_deref().ok_or("it names no customer that could be looked up")?;
            ask(LookupTarget::Customer { id, account: account.as_deref(), mode: *mode })
        }
        Missing::Object { body_zstd } => {
            let body = body_zstd.as_deref().and_then(|b| body::decompress(b, body_bytes_max));
            ask(LookupTarget::Object { body: &body.ok_or("its stored body is missing or damaged")? })
        }
        Missing::Lines(sought) => ask(LookupTarget::Lines(sought)),
        Missing::Session(sought) => ask(LookupTarget::Session(sought)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mode::Mode;

    #[test]
    fn what_cannot_be_asked_for_says_why() {
        let check = |missing: &Missing, expected: &str| {
            for kind in ProviderKind::ALL {
                let why = question(*kind, missing, 1 << 20).unwrap_err();
                assert!(why.contains(expected), "{why}");
            }
        };
        check(&Missing::Customer { id: None, account: None, mode: Mode::Live }, "names no customer");
        check(&Missing::Object { body_zstd: None }, "missing or damaged");
        check(&Missing::Object { body_zstd: Some(b"no zstd".to_vec()) }, "missing or damaged");
    }
}
