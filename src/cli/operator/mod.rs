//! What people ask of a running bridge, through its API.

pub(super) mod access;
pub(super) mod alerts;
pub(super) mod audit;
pub(super) mod backfill;
mod bulk;
mod days;
pub(super) mod deliveries;
pub(super) mod events;
pub(super) mod export;
pub(super) mod find;
pub(super) mod forget;
pub(super) mod payments;
pub(super) mod reconcile;
pub(super) mod status;
pub(super) mod tail;
mod watch;
pub(super) mod why;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::configuration::{ConfigFile, local_url};
use super::http_client::{HttpClient, NoAnswer, Reply, Url, parse_url};
use super::output;
use crate::api::{Delivery, DeliveryPage, EventDetail, EventPage, Problem};
use crate::domain::money::Money;
use crate::domain::secret::Secret;

/// Longest wait for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// How the running bridge is found.
#[derive(clap::Args)]
pub(super) struct Bridge {
    #[command(flatten)]
    config: ConfigFile,
    /// Address of the running bridge [default: BRIDGE_URL, or where the configuration says it listens]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    url: Option<Url>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Bridge {
    /// The bridge that `BRIDGE_URL` names, if it names one.
    ///
    /// # Errors
    /// It is no address.
    pub(super) fn named(config: &ConfigFile) -> anyhow::Result<Option<Self>> {
        let bridge = Self { config: config.clone(), url: None, json: false };
        Ok(bridge.address()?.map(|url| Self { url: Some(url), ..bridge }))
    }

    /// Where the bridge is, if the command or `BRIDGE_URL` says it.
    fn address(&self) -> anyhow::Result<Option<Url>> {
        if self.url.is_some() {
            return Ok(self.url.clone());
        }
        let sources = self.config.sources();
        let url = sources.bridge_url().map(parse_url).transpose();
        url.map_err(|why| output::wrong_usage(format!("BRIDGE_URL: {why}"), "set it to http://HOST:PORT, or unset it"))
    }
}

/// Which part of a list is shown.
#[derive(clap::Args)]
struct Part {
    /// How many
    #[arg(long, default_value = "20")]
    limit: String,
    /// Go on after this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

impl Part {
    /// It, as the API takes it.
    fn given(&self) -> Vec<(&str, &str)> {
        let mut given = vec![("limit", self.limit.as_str())];
        given.extend(self.after.as_deref().map(|after| ("after", after)));
        given
    }
}

/// A running bridge.
struct Api {
    client: HttpClient,
    base: Url,
    token: Secret,
    /// What to do where nobody answers.
    hint: &'static str,
}

/// A page of one of the API's lists.
trait Page: DeserializeOwned {
    /// Where the list is.
    const PATH: &'static str;
    /// What the API answers about one item.
    type Item: DeserializeOwned;

    /// The ids of its items.
    fn ids(&self) -> impl Iterator<Item = &str>;
    /// Where the next page begins.
    fn next(&self) -> Option<&str>;
    /// Its items in a line each: the id, what it is about, where it stands.
    fn lines(&self) -> impl Iterator<Item = [String; 3]>;
    /// State and reason of an item in a few characters.
    fn standing(item: &Self::Item) -> String;
}

impl Page for EventPage {
    const PATH: &'static str = "events";
    type Item = EventDetail;

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|event| event.id.as_str())
    }

    fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    fn lines(&self) -> impl Iterator<Item = [String; 3]> {
        self.events.iter().map(|event| {
            let standing = standing(&event.state, event.reason.as_deref());
            [event.id.clone(), event.event_type.clone(), standing]
        })
    }

    fn standing(item: &EventDetail) -> String {
        standing(&item.event.state, item.event.reason.as_deref())
    }
}

impl Page for DeliveryPage {
    const PATH: &'static str = "deliveries";
    type Item = Delivery;

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.deliveries.iter().map(|delivery| delivery.id.as_str())
    }

    fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    fn lines(&self) -> impl Iterator<Item = [String; 3]> {
        self.deliveries.iter().map(|delivery| {
            let standing = standing(&delivery.state, delivery.reason.as_deref());
            [delivery.id.clone(), format!("{} {}", delivery.what, delivery.email), standing]
        })
    }

    fn standing(item: &Delivery) -> String {
        standing(&item.state, item.reason.as_deref())
    }
}

impl Api {
    fn new(bridge: &Bridge) -> anyhow::Result<Self> {
        Self::patient(bridge, ANSWER_WAIT_MAX)
    }

    /// The same for what takes long.
    fn patient(bridge: &Bridge, answer_wait: Duration) -> anyhow::Result<Self> {
        let (base, token, hint) = match bridge.address()? {
            Some(url) => {
                let hint = if url.scheme() == "https" {
                    "check this address, which --url or BRIDGE_URL names, and that the bridge runs there; without a proxy in \
                     front of it, it speaks http://"
                } else {
                    "check this address, which --url or BRIDGE_URL names, and that the bridge runs there"
                };
                (url, bridge.config.admin_token()?, hint)
            }
            None => {
                let config = bridge.config.load_or(
                    "or set BRIDGE_URL to the running bridge's address and BRIDGE_ADMIN_TOKEN \
                     to its token: nothing else is needed then",
                )?;
                (
                    local_url(config.server.admin_listen.unwrap_or(config.server.listen))?,
                    config.admin_token,
                    "start it with: refairn-bridge serve; if it runs elsewhere, set BRIDGE_URL to its address",
                )
            }
        };
        let no_token = "set BRIDGE_ADMIN_TOKEN to the token that the running bridge has, or showed at its terminal";
        let token = token.ok_or_else(|| output::failed("no admin token is set", no_token))?;
        Ok(Self { client: HttpClient::new(&base, answer_wait)?, base, token, hint })
    }

    /// One answer of the API; a problem document becomes an error.
    async fn ask<T: DeserializeOwned>(&self, post: bool, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<T> {
        let url = self.url_of(path, query)?;
        self.read(self.client.ask(post, &url, &self.token).await)
    }

    /// The same for what is told in a body.
    async fn tell<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> anyhow::Result<T> {
        let url = self.url_of(path, &[])?;
        self.read(self.client.tell(&url, &self.token, serde_json::to_vec(body)?).await)
    }

    fn url_of(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        {
            let cannot = || output::failed(format!("{} cannot have a path", self.base), "write http://HOST:PORT");
            let mut segments = url.path_segments_mut().map_err(|()| cannot())?;
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// What was answered; a problem document becomes an error.
    fn read<T: DeserializeOwned>(&self, reply: Result<Reply, NoAnswer>) -> anyhow::Result<T> {
        let reply = reply
            .map_err(|error| output::failed(format!("no bridge answers at {}: {}", self.base, error.0), self.hint))?;
        if let Some(answer) = reply.is_success().then(|| reply.read()).flatten() {
            return Ok(answer);
        }
        let Problem { code, detail, .. } = reply.read().unwrap_or_default();
        if code == "unauthorized" {
            let hint = "set BRIDGE_ADMIN_TOKEN to a token of this bridge: the one that it has, or showed at its terminal, or \
                 one that access create gave (it answered 401 unauthorized)";
            return Err(output::failed(format!("the bridge at {} does not take this token", self.base), hint));
        }
        if !code.is_empty() {
            return Err(output::failed(detail, format!("the bridge answered {} {code}", reply.status)));
        }
        let what = format!("{} answered {}, but not as the bridge's API does", self.base, reply.status);
        Err(output::failed(what, "point --url at the bridge's API (admin_listen, if that is set)"))
    }

    /// Prints one answer of the API as JSON, with the fields of a newer bridge, too.
    async fn print_json(&self, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<()> {
        let answer: serde_json::Map<String, serde_json::Value> = self.ask(false, path, query).await?;
        output::json(&answer)
    }
}

/// State and reason in a few characters.
fn standing(state: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| state.to_owned(), |reason| format!("{state}: {reason}"))
}

/// The time to the second, in UTC.
fn when(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Money as the API writes it, in words: every digit, the decimals that the currency always has, and the currency.
fn in_full(amount: &str, currency: &str) -> String {
    match (amount.parse(), currency.parse()) {
        (Ok(amount), Ok(currency)) => Money::new(amount, currency).in_full(),
        (_, _) => format!("{amount} {currency}").trim_end().to_owned(),
    }
}

/// Compact JSON, the fields in the order of their names. Empty when there is nothing.
fn json(value: Option<&impl Serialize>) -> String {
    value.and_then(|value| serde_json::to_value(value).ok()).map(|json| json.to_string()).unwrap_or_default()
}

/// Filters that were given, as the API takes them.
fn given<'a>(filters: &[(&'a str, &'a Option<String>)]) -> Vec<(&'a str, &'a str)> {
    filters.iter().filter_map(|(name, value)| value.as_deref().map(|value| (*name, value))).collect()
}

/// A page of a list, or the next one that has anything: a page of what is rare may have nothing, and say where the list goes on.
async fn first_page<P: Page>(api: &Api, query: &[(&str, &str)]) -> anyhow::Result<P> {
    let mut page: P = api.ask(false, &[P::PATH], query).await?;
    while page.ids().next().is_none()
        && let Some(next) = page.next().map(str::to_owned)
    {
        let mut query: Vec<(&str, &str)> = query.iter().copied().filter(|(name, _)| *name != "after").collect();
        query.push(("after", &next));
        page = api.ask(false, &[P::PATH], &query).await?;
    }
    Ok(page)
}

/// Says to a person who wants to read on where the next page begins.
fn read_on(next: Option<&str>) {
    if let Some(next) = next {
        output::talk(&format!("there is more: --after {}", output::line(next)));
    }
}
