//! What a provider is, as data. Code that configures, checks or explains an endpoint reads it here.

use crate::domain::endpoint::{CommissionBase, IdScope};
use crate::domain::mode::Mode;
use crate::domain::provider::ProviderKind;
use crate::domain::setting::Setting;

use super::examples::Examples;

/// What a provider is. Every field has to be filled: no default secures anything.
#[derive(Debug)]
pub struct Descriptor {
    /// The name people know it by.
    pub title: &'static str,
    /// Where its API is, unless an endpoint says otherwise.
    pub api_base_url: &'static str,
    /// The variable that holds the secrets of its endpoint, and the one that names a file with them.
    pub variables: [&'static str; 2],
    /// The header that carries the signature, in lower case.
    pub signature_header: &'static str,
    /// Other headers that may carry one, in lower case.
    pub other_signature_headers: &'static [&'static str],
    /// What it signs with.
    pub secret: Secrets,
    /// How its API keys for real money begin, and those for tests. Empty where keys do not say it.
    pub api_keys: [(Mode, &'static [&'static str]); 2],
    /// Within what its ids are unique.
    pub ids: IdScope,
    /// The amounts that its events have, as `commission_base` names them.
    pub commission_bases: &'static [CommissionBase],
    /// The settings that only its endpoints have.
    pub settings: &'static [&'static Setting],
    /// Whether its signatures say when they were made, so that `signature_tolerance_s` means something.
    pub dates_signatures: bool,
    /// What to do in its dashboard.
    pub dashboard: Dashboard,
    /// What every event of it has, for people: "id and data".
    pub members: &'static str,
    /// What a dispute is that names no charge, with its article and preposition: "a dispute over".
    pub dispute_without_charge: &'static str,
    /// Webhooks to try the bridge with.
    pub examples: Examples,
}

impl Descriptor {
    /// Whether an API key is for real money or for tests, where it says so.
    #[must_use]
    pub fn mode_of_key(&self, key: &str) -> Option<Mode> {
        let of = |(_, prefixes): &&(Mode, &[&str])| prefixes.iter().any(|prefix| key.starts_with(prefix));
        self.api_keys.iter().find(of).map(|(mode, _)| *mode)
    }
}

/// What a provider signs with.
#[derive(Debug)]
pub struct Secrets {
    /// What they are called, with whose they are.
    pub title: &'static str,
    /// How they begin.
    pub prefix: &'static str,
    /// How other keys of it begin, with which no webhook is signed.
    pub other_prefixes: &'static [&'static str],
    /// Where the right one is.
    pub hint: &'static str,
    /// Whether they are the account's API keys, too.
    pub are_api_keys: bool,
}

/// What to do in a provider's dashboard so that its webhooks arrive.
#[derive(Debug)]
pub struct Dashboard {
    /// The page.
    pub page: &'static str,
    /// What there is to say of the address beside it.
    pub url_note: Option<&'static str>,
    /// Which secret is meant.
    pub secret: &'static str,
    /// The key with which its API is asked, and where it is made: what stands behind "make".
    pub api_key: &'static str,
}

/// The events to tick in a provider's dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedEvents {
    /// By all; empty when the provider sends every event.
    pub tick: Vec<&'static str>,
    /// By whose checkouts hold money that is captured by hand.
    pub for_manual_capture: Option<&'static str>,
}

/// One text of all providers' texts, in their order, for people: `a, b or c`.
#[must_use]
pub fn one_of(text: impl Fn(ProviderKind) -> &'static str) -> String {
    alternatives(ProviderKind::ALL.iter().map(|kind| text(*kind)))
}

/// `a, b or c`.
#[must_use]
pub fn alternatives(texts: impl DoubleEndedIterator<Item = &'static str>) -> String {
    let mut texts = texts.rev();
    let Some(last) = texts.next() else { return String::new() };
    let mut before: Vec<&str> = texts.collect();
    before.reverse();
    if before.is_empty() { last.to_owned() } else { format!("{} or {last}", before.join(", ")) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::providers::provider;

    #[test]
    fn alternatives_are_written_as_people_do() {
        let check = |texts: &[&'static str], expected| assert_eq!(alternatives(texts.iter().copied()), expected);
        check(&[], "");
        check(&["a"], "a");
        check(&["a", "b"], "a or b");
        check(&["a", "b", "c"], "a, b or c");
    }

    #[test]
    fn no_two_providers_share_what_tells_them_apart() {
        let all = || ProviderKind::ALL.iter().map(|kind| provider(*kind).descriptor());
        let different =
            |texts: Vec<&str>| assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len(), "{texts:?}");
        different(all().flat_map(|d| d.variables).collect());
        different(all().map(|d| d.signature_header).collect());
        different(all().map(|d| d.title).collect());
        for Descriptor { signature_header, other_signature_headers, variables: [plain, file], secret, .. } in all() {
            for header in std::iter::once(signature_header).chain(*other_signature_headers) {
                assert_eq!(*header, header.to_ascii_lowercase());
            }
            assert_eq!(*file, format!("{plain}_FILE"));
            assert!(!secret.other_prefixes.contains(&secret.prefix));
        }
        for descriptor in all() {
            for (mode, prefixes) in descriptor.api_keys {
                prefixes.iter().for_each(|prefix| assert_eq!(descriptor.mode_of_key(prefix), Some(mode)));
            }
            assert_eq!(descriptor.mode_of_key("a key"), None);
        }
    }
}
