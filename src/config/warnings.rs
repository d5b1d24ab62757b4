//! What is allowed but seldom meant. No sentence holds a secret.

use std::fmt;

use serde::Serialize;

use super::{Config, urls};
use crate::domain::endpoint::Endpoint;
use crate::domain::network::Network;
use crate::domain::secret::{SECRET_CHARS_GOOD, Secret};
use crate::providers::{Secrets, provider};

/// What is allowed but seldom meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The key, endpoint, variable or file that is meant.
    pub key: String,
    /// What is seldom meant.
    pub cause: String,
    /// What to do about it.
    pub cure: String,
}

impl Warning {
    pub(super) fn new(key: impl Into<String>, cause: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { key: key.into(), cause: cause.into(), cure: cure.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.cause, self.cure)
    }
}

impl Config {
    /// What is allowed but seldom meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.noted.clone();
        if urls::is_clear_text(&self.refairn.base_url) {
            let cause = format!("{} is not https, so API keys cross the network in clear text", self.refairn.base_url);
            warnings.push(Warning::new("refairn.base_url", cause, "write an https address"));
        }
        if self.server.trusted_proxies.iter().any(Network::is_everything) {
            let cause = "everybody is trusted, so anybody can pretend any sender's address";
            warnings.push(Warning::new("server.trusted_proxies", cause, "write the addresses of your own proxies"));
        }
        if self.admin_token.as_ref().is_some_and(Secret::is_guessable) {
            let cure = format!("take {SECRET_CHARS_GOOD} random characters or more");
            warnings.push(Warning::new("admin.token", "it is easy to guess", cure));
        }
        let no_proxy = |name: &&str| {
            let cause = "it is not the address of an HTTP proxy, so it does not count";
            Warning::new(*name, cause, "write http://HOST:PORT, or unset it")
        };
        warnings.extend(self.proxies.ignored().iter().map(no_proxy));
        warnings.extend(self.endpoints.iter().flat_map(of_endpoint));
        warnings.extend(self.endpoints.iter().enumerate().flat_map(|(n, one)| {
            self.endpoints.iter().skip(n + 1).filter(|other| may_be_one_account(one, other)).map(|other| {
                let cause =
                    "they share a secret, so they seem to hear one account, and each payment would count once for each";
                let key = format!("endpoints {} and {}", one.name, other.name);
                Warning::new(key, cause, "write the same account = \"NAME\" on both")
            })
        }));
        warnings
    }

    /// The endpoints whose test events are ignored, for want of a product.
    #[must_use]
    pub fn ignores_tests_of(&self) -> Vec<&str> {
        let without = self.endpoints.iter().filter(|endpoint| endpoint.rules.test_product_id.is_none());
        without.map(|endpoint| endpoint.name.as_str()).collect()
    }
}

impl Config {
    /// Which calls and look-ups go through which proxy of the environment, each as a sentence.
    #[must_use]
    pub fn proxies_in_use(&self) -> Vec<String> {
        let calls = std::iter::once(("calls".to_owned(), &self.refairn.base_url));
        let asking = self.endpoints.iter().filter(|endpoint| endpoint.api_key.is_some());
        let lookups = asking.map(|e| (format!("look-ups of endpoint {}", e.name), &e.api_base_url));
        let sentence = |(what, url): (String, &String)| {
            let proxy = self.proxies.of(url)?;
            Some(format!("{what} to {url} go through the proxy {proxy}, as the environment says"))
        };
        calls.chain(lookups).filter_map(sentence).collect()
    }
}

/// Two endpoints of one business take the ids of one account for those of two. An API key is its account's.
fn may_be_one_account(one: &Endpoint, other: &Endpoint) -> bool {
    let shared = || one.secrets.iter().any(|s| other.secrets.iter().any(|o| o.expose() == s.expose()));
    one.provider == other.provider
        && provider(one.provider).descriptor().secret.are_api_keys
        && one.business == other.business
        && one.realm() != other.realm()
        && shared()
}

fn of_endpoint(endpoint: &Endpoint) -> Vec<Warning> {
    let Endpoint { name, rules, api_key, api_base_url, .. } = endpoint;
    let of = |cause: String, cure: &str| Warning::new(format!("endpoint {name}"), cause, cure);
    let mut warnings = Vec::new();
    let Secrets { title, prefix, hint, .. } = provider(endpoint.provider).descriptor().secret;
    if !endpoint.secrets.iter().all(|secret| secret.expose().starts_with(prefix)) {
        warnings.push(of(format!("a secret does not begin with {prefix}, as {title} do"), hint));
    }
    if endpoint.secrets.iter().any(Secret::is_guessable) {
        let cause = "a secret is easy to guess, and anybody who guesses it can sign";
        warnings.push(of(cause.to_owned(), "take the one that the provider's dashboard shows"));
    }
    if api_key.is_some() && urls::is_clear_text(api_base_url) {
        let cause = format!("{api_base_url} is not https, so its api_key crosses the network in clear text");
        warnings.push(of(cause, "write an https address"));
    }
    let test = rules.test_product_id.as_ref();
    if test.is_some_and(|test| rules.product_id.as_ref() == Some(test) || rules.products.values().any(|p| p == test)) {
        let cause = "test events go to a product of real sales, and count like them";
        warnings.push(of(cause.to_owned(), "give tests a product of their own, whose rates are all zero"));
    }
    warnings
}
