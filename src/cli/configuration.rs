//! The configuration as commands ask for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::http_client::{Url, parse_url};
use super::{output, volume};
use crate::config::{self, Config, Mistakes, Sources, StorageUrl};
use crate::domain::endpoint::Endpoint;
use crate::domain::provider::ProviderKind;
use crate::domain::secret::Secret;
use crate::private::Reach;
use crate::providers::provider;

/// Which configuration file is meant.
#[derive(clap::Args, Clone)]
pub(super) struct ConfigFile {
    /// Configuration file [default: config/refairn-bridge.toml, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// Whether a file was named.
    pub(super) const fn is_named(&self) -> bool {
        self.config.is_some()
    }

    /// What the configuration is made of.
    pub(super) fn sources(&self) -> Sources {
        Sources::from_process(self.config.clone())
    }

    /// The configuration, with all its mistakes at once.
    ///
    /// # Errors
    /// The mistakes.
    pub(super) fn try_load(&self) -> Result<Config, Mistakes> {
        config::load(self.sources())
    }

    /// The configuration, or an error of usage that lists all its mistakes.
    ///
    /// # Errors
    /// The mistakes.
    pub(super) fn load(&self) -> anyhow::Result<Config> {
        self.load_or("and see them gone with: refairn-bridge check")
    }

    /// The configuration for a command that makes secrets of endpoints.
    ///
    /// # Errors
    /// The mistakes, but for secrets that are not there yet.
    pub(super) fn load_to_connect(&self) -> anyhow::Result<Config> {
        config::load_to_connect(self.sources())
            .map_err(|mistakes| output::wrong_usage(mistakes, "correct them all, and give the command again"))
    }

    /// The same, for a command that can do without: `otherwise` says how.
    ///
    /// # Errors
    /// The mistakes.
    pub(super) fn load_or(&self, otherwise: &str) -> anyhow::Result<Config> {
        self.try_load().map_err(|mistakes| output::wrong_usage(mistakes, format!("correct them all, {otherwise}")))
    }

    /// The admin token, whatever else is configured.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn admin_token(&self) -> anyhow::Result<Option<Secret>> {
        config::admin_token(self.sources())
            .map_err(|mistakes| output::wrong_usage(mistakes, "correct it, and ask again"))
    }
}

/// Where an endpoint's webhooks go on the bridge.
pub(super) fn webhook_path(config: &Config, endpoint: &Endpoint) -> String {
    let Endpoint { name, provider, .. } = endpoint;
    // The short form means something only as long as the provider has no other endpoint.
    if name == provider.code() && config.sole_endpoint(*provider).is_some() {
        format!("/webhooks/{provider}")
    } else {
        format!("/webhooks/{provider}/{name}")
    }
}

/// Where a listener of this machine is reached on it.
///
/// # Errors
/// None in practice: every address of a listener is one.
pub(super) fn local_url(mut listener: SocketAddr) -> anyhow::Result<Url> {
    if listener.ip().is_unspecified() {
        let loopback =
            if listener.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
        listener.set_ip(loopback);
    }
    parse_url(&format!("http://{listener}")).map_err(|why| output::failed(why, "name the bridge's address"))
}

/// The name people know a provider by.
pub(super) fn title(kind: ProviderKind) -> &'static str {
    provider(kind).descriptor().title
}

/// The database in words; a server's address may hold a password.
pub(super) fn storage(url: &StorageUrl) -> String {
    match url {
        StorageUrl::Sqlite(path) => path.display().to_string(),
        StorageUrl::Postgres(_) => "the PostgreSQL server of storage.url".to_owned(),
    }
}

/// Warnings about the database's files, and where they are, each a sentence.
pub(super) fn storage_warnings(url: &StorageUrl) -> Vec<String> {
    let StorageUrl::Sqlite(path) = url else { return Vec::new() };
    let reach = Reach::of(path);
    let shown = path.display();
    let reached = (reach != Reach::NONE)
        .then(|| format!("{shown}: {reach}, and customers' addresses are in it; run: chmod 600 {shown}*"));
    reached.into_iter().chain(volume::warning(path)).collect()
}
