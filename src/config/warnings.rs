//! What is allowed but seldom meant. No sentence holds a secret.

use super::{Config, urls};
use crate::domain::endpoint::Endpoint;
use crate::domain::network::Network;
use crate::domain::secret::{SECRET_CHARS_GOOD, Secret};
use crate::providers::{Secrets, provider};

impl Config {
    /// What is allowed but seldom meant, each as a sentence.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.open_files.clone();
        if urls::is_clear_text(&self.refairn.base_url) {
            let url = &self.refairn.base_url;
            warnings.push(format!("refairn.base_url: {url} is not https, so API keys cross the network in clear text"));
        }
        if self.server.trusted_proxies.iter().any(Network::is_everything) {
            warnings.push(
                "server.trusted_proxies: everybody is trusted, so anybody can pretend any sender's address".to_owned(),
            );
        }
        if self.admin_token.as_ref().is_some_and(Secret::is_guessable) {
            let least = SECRET_CHARS_GOOD;
            warnings.push(format!("admin.token: it is easy to guess; take {least} random characters or more"));
        }
        let no_proxy = |name: &&str| format!("{name}: it is not the address of an HTTP proxy, so it does not count");
        warnings.extend(self.proxies.ignored().iter().map(no_proxy));
        warnings.extend(self.endpoints.iter().flat_map(of_endpoint));
        warnings.extend(self.endpoints.iter().enumerate().flat_map(|(n, one)| {
            self.endpoints.iter().skip(n + 1).filter(|other| may_be_one_account(one, other)).map(|other| {
                format!(
                    "endpoints {} and {}: they share a secret, so they seem to hear one account, and each payment would \
                     count once for each; write the same account = \"NAME\" on both",
                    one.name, other.name
                )
            })
        }));
        warnings
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

fn of_endpoint(endpoint: &Endpoint) -> Vec<String> {
    let Endpoint { name, rules, api_key, api_base_url, .. } = endpoint;
    let mut warnings = Vec::new();
    let Secrets { title, prefix, .. } = provider(endpoint.provider).descriptor().secret;
    if !endpoint.secrets.iter().all(|secret| secret.expose().starts_with(prefix)) {
        warnings.push(format!("endpoint {name}: a secret does not begin with {prefix}, as {title} do"));
    }
    if endpoint.secrets.iter().any(Secret::is_guessable) {
        warnings.push(format!(
            "endpoint {name}: a secret is easy to guess, and whoever guesses it can sign; take the one that the \
             provider's dashboard shows"
        ));
    }
    if api_key.is_some() && urls::is_clear_text(api_base_url) {
        warnings.push(format!(
            "endpoint {name}: {api_base_url} is not https, so its api_key crosses the network in clear text"
        ));
    }
    let test = rules.test_product_id.as_ref();
    if test.is_some_and(|test| rules.product_id.as_ref() == Some(test) || rules.products.values().any(|p| p == test)) {
        warnings.push(format!("endpoint {name}: test events go to a product of real sales, and count like them"));
    }
    warnings
}
