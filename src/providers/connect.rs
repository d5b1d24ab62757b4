//! Making a provider send its webhooks here: the endpoint that is wanted there, those that are there already, and what has
//! to be done. A provider says what to ask its API and reads the answers. It does not ask.

use std::collections::BTreeSet;

use crate::domain::endpoint::Rules;

/// How an endpoint is set up at a provider.
#[derive(Clone, Copy)]
pub enum Connect {
    /// By its API.
    ByApi(&'static dyn Registry),
    /// In its dashboard alone. The path is one that every key may read, so that the key can be tried.
    ByHand {
        /// What the key is tried with.
        probe: &'static str,
    },
}

/// A provider's API for webhook endpoints.
pub trait Registry: Sync {
    /// The endpoint that is wanted at the provider for an endpoint of the bridge with this name and these rules.
    fn wanted(&self, name: &str, url: &str, rules: &Rules) -> Wanted;

    /// Asks for the endpoints that are there.
    fn list(&self) -> Ask;

    /// Reads the answer to [`list`](Self::list).
    ///
    /// # Errors
    /// It is none.
    fn listed(&self, body: &[u8]) -> Result<Vec<Registered>, String>;

    /// Asks for a new endpoint.
    fn create(&self, wanted: &Wanted) -> Ask;

    /// Reads the answer to [`create`](Self::create): the endpoint, and the secret that stands nowhere else.
    ///
    /// # Errors
    /// It is none.
    fn created(&self, body: &[u8]) -> Result<(Registered, String), String>;

    /// Asks that an endpoint be as it is wanted, as far as that can be changed.
    fn change(&self, id: &str, wanted: &Wanted) -> Ask;

    /// Asks that nothing more be sent to an endpoint.
    fn disable(&self, id: &str) -> Ask;

    /// Asks that an endpoint be removed.
    fn remove(&self, id: &str) -> Ask;

    /// What the key must be allowed to do, as the provider's dashboard names it.
    fn right(&self) -> &'static str;

    /// Types that harm the merchant when an endpoint has them, and how.
    fn harmful(&self) -> &'static [(&'static str, &'static str)];
}

/// A request to a provider's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What is done.
    pub verb: Verb,
    /// The path, with its leading slash.
    pub path: String,
    /// Names and values beside the key.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body, where it has one.
    pub body: Option<String>,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It looks.
    Get,
    /// It makes or changes.
    Post,
    /// It removes.
    Delete,
}

/// An endpoint as it has to be at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The name of the bridge's endpoint, by which its own is found again.
    pub name: String,
    /// Where webhooks are sent.
    pub url: String,
    /// The types that are sent.
    pub events: Vec<&'static str>,
    /// The version in which they are written.
    pub api_version: &'static str,
}

/// An endpoint that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The provider's id.
    pub id: String,
    /// Where webhooks are sent.
    pub url: String,
    /// The types that are sent; `*` stands for nearly all.
    pub events: Vec<String>,
    /// Whether anything is sent.
    pub enabled: bool,
    /// The name of the bridge's endpoint that it was made for. `None` of one that the bridge did not make.
    pub name: Option<String>,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It is there, and as it is wanted.
    Nothing(Registered),
    /// It is there, and has to be changed.
    Change(Registered),
    /// It has to be made. Earlier ones of the bridge are told apart by their secret, which nobody has any more: then nothing
    /// more may be sent to them.
    Create {
        /// Those earlier ones.
        disable: Vec<Registered>,
    },
}

impl Registered {
    /// Whether it was made for this, or sends to the same address.
    #[must_use]
    pub fn is_of(&self, wanted: &Wanted) -> bool {
        self.name.as_deref() == Some(&wanted.name) || self.url.trim_end_matches('/') == wanted.url.trim_end_matches('/')
    }

    /// The types that are wanted, and that it does not send.
    #[must_use]
    pub fn lacks(&self, wanted: &Wanted) -> Vec<&'static str> {
        if self.events.iter().any(|sent| sent == "*") {
            return Vec::new();
        }
        wanted.events.iter().copied().filter(|event| !self.events.iter().any(|sent| sent == event)).collect()
    }

    /// The types that it sends and that do harm, and how.
    #[must_use]
    pub fn harms(&self, registry: &dyn Registry) -> Vec<(&'static str, &'static str)> {
        let sends = |kind: &str| self.events.iter().any(|sent| sent == kind || sent == "*");
        registry.harmful().iter().copied().filter(|(kind, _)| sends(kind)).collect()
    }

    fn differs(&self, wanted: &Wanted) -> bool {
        let own: BTreeSet<&str> = self.events.iter().map(String::as_str).collect();
        let same_url = self.url.trim_end_matches('/') == wanted.url.trim_end_matches('/');
        !same_url || !self.enabled || own != wanted.events.iter().copied().collect()
    }
}

/// What has to be done, when these are there; `has_secret` says whether the bridge has a secret of its own endpoint.
#[must_use]
pub fn plan(registered: Vec<Registered>, wanted: &Wanted, has_secret: bool) -> Plan {
    let ours = registered.into_iter().filter(|one| one.is_of(wanted));
    // The one that is used counts, and of several the one that the bridge made.
    let mut ours: Vec<Registered> = ours.collect();
    ours.sort_by_key(|one| (!one.enabled, one.name.is_none()));
    match ours.first() {
        Some(first) if has_secret && first.differs(wanted) => Plan::Change(first.clone()),
        Some(first) if has_secret => Plan::Nothing(first.clone()),
        Some(_) | None => Plan::Create { disable: ours.into_iter().filter(|one| one.enabled).collect() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        let url = "https://bridge.example.com/webhooks/stripe".to_owned();
        Wanted { name: "stripe".into(), url, events: vec!["invoice.paid", "customer.created"], api_version: "1" }
    }

    fn registered(id: &str) -> Registered {
        let events = ["customer.created", "invoice.paid"].map(str::to_owned).to_vec();
        Registered { id: id.into(), url: wanted().url, events, enabled: true, name: Some("stripe".into()) }
    }

    #[test]
    fn what_is_there_is_used_as_long_as_its_secret_is() {
        let check = |there: Vec<Registered>, has_secret: bool, expected: Plan| {
            assert_eq!(plan(there.clone(), &wanted(), has_secret), expected, "{there:?}");
        };
        let create = |disable| Plan::Create { disable };
        check(vec![], true, create(vec![]));
        check(vec![registered("we_1")], true, Plan::Nothing(registered("we_1")));
        check(vec![registered("we_1")], false, create(vec![registered("we_1")]));
        let elsewhere = Registered { url: "https://other.example.com".into(), name: None, ..registered("we_2") };
        check(vec![elsewhere.clone()], true, create(vec![]));
        let moved = Registered { url: "https://old.example.com/webhooks/stripe".into(), ..registered("we_3") };
        check(vec![elsewhere, moved.clone()], true, Plan::Change(moved));
        let by_hand = Registered { name: None, events: vec!["invoice.paid".into()], ..registered("we_4") };
        check(vec![by_hand.clone()], true, Plan::Change(by_hand.clone()));
        check(vec![by_hand.clone(), registered("we_1")], true, Plan::Nothing(registered("we_1")));
        let off = Registered { enabled: false, ..registered("we_5") };
        check(vec![off.clone()], true, Plan::Change(off.clone()));
        check(vec![off], false, create(vec![]));
        assert_eq!(by_hand.lacks(&wanted()), ["customer.created"]);
        assert!(Registered { events: vec!["*".into()], ..by_hand }.lacks(&wanted()).is_empty());
    }
}
