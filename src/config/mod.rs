//! The configuration: as typed (`raw`, `table`) → validated ([`Config`]).
//!
//! Compiled-in defaults lie lowest, then the file, then the environment; see `layers`. `load` is the only reader of the
//! environment. Every mistake is found in one go and says its key, its cause and what to do; no message and no `Debug`
//! holds a secret. The file of defaults, `config/refairn-bridge.default.toml`, is the documentation of every key.

mod alerts;
mod businesses;
mod endpoints;
mod environment;
mod files;
mod layers;
mod load;
mod mistake;
mod place;
mod placeholder;
mod raw;
mod rules;
mod show;
mod table;
#[cfg(test)]
mod tests;
mod urls;
mod validate;
mod warnings;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::endpoint::Endpoint;
use crate::domain::network::Network;
use crate::domain::policy::Policy;
use crate::domain::provider::ProviderKind;
use crate::domain::proxy::Proxies;
use crate::domain::secret::Secret;
use crate::domain::signing_key::SigningKey;

pub use load::{Sources, admin_token, load, load_to_connect};
pub use mistake::{Mistake, Mistakes};
pub use show::{Setting, show};
pub use urls::StorageUrl;
pub use warnings::Warning;

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the bridge listens.
    pub server: Server,
    /// Opens the dashboard, the API and the metrics. Without it one has to be made for this run: never an open door.
    pub admin_token: Option<Secret>,
    /// Where it keeps its data.
    pub storage: Storage,
    /// How Refairn is called.
    pub refairn: Refairn,
    /// The Refairn businesses, at least one; that of `[refairn]` first. Their ids are unique.
    pub businesses: Vec<Business>,
    /// The webhook endpoints, at least one. Their names are unique, each has a secret, each names one of `businesses`.
    pub endpoints: Vec<Endpoint>,
    /// How calls are sent.
    pub delivery: Delivery,
    /// Which calls are made, and when.
    pub policy: Policy,
    /// Who is told what.
    pub alerts: Alerts,
    /// Which proxies calls and look-ups go through.
    pub proxies: Proxies,
    /// The files that the configuration names for the secrets of endpoints, by the endpoints' names.
    pub secret_files: BTreeMap<String, PathBuf>,
    /// Warnings that were noted while it was read.
    noted: Vec<Warning>,
}

/// Where the bridge listens.
#[derive(Debug, Clone)]
pub struct Server {
    /// For webhooks, and for everything else unless `admin_listen` is set.
    pub listen: SocketAddr,
    /// For the dashboard, the API and the metrics alone.
    pub admin_listen: Option<SocketAddr>,
    /// Where people open the dashboard, without a slash at the end.
    pub public_url: Option<String>,
    /// Only these are believed about where a request came from.
    pub trusted_proxies: Vec<Network>,
    /// Longest webhook body.
    pub body_max_bytes: usize,
    /// How many requests that cannot be accepted a source may send a minute; 0 for any number.
    pub failed_signatures_per_minute: u32,
}

/// Where the bridge keeps its data.
#[derive(Debug, Clone)]
pub struct Storage {
    /// The database.
    pub url: StorageUrl,
    /// Most connections to a PostgreSQL server, without the one that listens.
    pub connections_max: usize,
    /// How long bodies are kept.
    pub retention_days: u32,
    /// After how long without an event a customer is forgotten; nothing for never.
    pub customers_retention_days: Option<u32>,
}

/// How Refairn is called.
#[derive(Debug, Clone)]
pub struct Refairn {
    /// `https://HOST[:PORT][/PATH]`, without a slash at its end.
    pub base_url: String,
    /// For a whole call, from connecting to the last byte.
    pub timeout: Duration,
    /// Whether calls carry `eventId`.
    pub event_id: bool,
}

/// A Refairn business.
#[derive(Debug, Clone)]
pub struct Business {
    /// As Refairn's dashboard shows it.
    pub id: String,
    /// Authenticates its calls.
    pub api_key: Secret,
    /// Its product, for endpoints that name none.
    pub product_id: Option<String>,
    /// Its product for test events, for endpoints that name none.
    pub test_product_id: Option<String>,
}

/// Who is told what somebody has to know.
#[derive(Debug, Clone)]
pub struct Alerts {
    /// An incoming webhook of Slack's.
    pub slack_url: Option<Secret>,
    /// A webhook of one's own, and what signs what is sent there.
    pub webhook: Option<(Secret, SigningKey)>,
    /// After how long without a live webhook an endpoint is silent.
    pub silent_after: Option<Duration>,
    /// With less room than this the disk is nearly full, MiB.
    pub disk_free_min_mib: u64,
}

/// How calls are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Calls under way at once.
    pub concurrency: usize,
    /// Longest pause between two attempts.
    pub retry_max_wait: Duration,
    /// After this long, a call that never got through needs attention.
    pub give_up_after: Duration,
    /// Most calls a second, when they are limited.
    pub max_per_second: Option<u32>,
}

impl Config {
    /// The endpoint of this name.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// The endpoint of `provider`, when it has exactly one.
    #[must_use]
    pub fn sole_endpoint(&self, provider: ProviderKind) -> Option<&Endpoint> {
        let mut endpoints = self.endpoints.iter().filter(|endpoint| endpoint.provider == provider);
        endpoints.next().filter(|_| endpoints.next().is_none())
    }

    /// The business of this id.
    #[must_use]
    pub fn business(&self, id: &str) -> Option<&Business> {
        self.businesses.iter().find(|business| business.id == id)
    }
}
