//! Webhooks to try the bridge with. They are of the corpus of the tests, so that what people try is what is tested.

use crate::domain::mode::Mode;

/// A provider's examples, and what of them is new each time they are sent.
#[derive(Debug)]
pub struct Examples {
    /// In the order in which people read them.
    pub list: &'static [Example],
    /// How the ids begin that belong to one sale, and not to what is sold.
    pub ids: &'static [&'static str],
    /// The members that hold an id of the merchant's own.
    pub references: &'static [&'static str],
    /// The member that says the mode, and what it holds in that mode.
    pub mode: (&'static str, fn(Mode) -> serde_json::Value),
}

/// One or more webhooks about one customer.
#[derive(Debug)]
pub struct Example {
    /// What it is asked for by; unique within its provider.
    pub name: &'static str,
    /// What happens in it, for people.
    pub about: &'static str,
    /// The file of each webhook, and its body, in the order in which they are sent.
    pub bodies: &'static [(&'static str, &'static str)],
}

/// A body of the corpus, below `tests/fixtures/`.
macro_rules! of_the_corpus {
    ($file:literal) => {
        ($file, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/", $file)))
    };
}
pub(super) use of_the_corpus;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::provider::ProviderKind;
    use crate::providers::provider;

    #[test]
    fn every_example_is_json_of_its_provider_and_has_a_name_of_its_own() {
        for kind in ProviderKind::ALL {
            let mut names = BTreeSet::new();
            let Examples { list, mode: (mode, _), .. } = &provider(*kind).descriptor().examples;
            for Example { name, about, bodies } in *list {
                assert!(names.insert(name) && !about.is_empty() && !bodies.is_empty(), "{name}");
                for (file, body) in *bodies {
                    let json: serde_json::Value = serde_json::from_str(body).unwrap();
                    assert_eq!(provider(*kind).piece(&json), Some(crate::providers::Piece::Event), "{file}");
                    assert!(body.contains(&format!("\"{mode}\"")), "{file} says no mode");
                }
            }
            assert!(names.contains(&"first-sale"), "{kind}");
        }
    }
}
