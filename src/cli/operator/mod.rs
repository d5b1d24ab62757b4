//! `events` and `deliveries`: what an operator asks of a running bridge, through its API.

pub(super) mod deliveries;
pub(super) mod events;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_json::Value;

use super::configuration::ConfigFile;
use super::output;
use super::poster::{Poster, Url, parse_url};
use crate::config::Config;
use crate::domain::secret::Secret;

/// Longest wait for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Items that one bulk action takes at most; it says when there are more.
const BULK_ITEMS_MAX: usize = 10_000;
/// Items of one page while a bulk action looks for them.
const BULK_PAGE: &str = "200";

/// How the running bridge is found.
#[derive(clap::Args)]
pub(super) struct Bridge {
    #[command(flatten)]
    config: ConfigFile,
    /// Address of the running bridge [default: where the configuration says it listens]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    url: Option<Url>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A running bridge.
struct Api {
    poster: Poster,
    base: Url,
    token: Secret,
}

impl Api {
    fn new(bridge: &Bridge) -> anyhow::Result<Self> {
        let config = bridge.config.load()?;
        let hint = "set BRIDGE_ADMIN_TOKEN to the token that the running bridge has, or showed at its terminal";
        let token = config.admin_token.clone().ok_or_else(|| output::failed("no admin token is set", hint))?;
        let base = match &bridge.url {
            Some(url) => url.clone(),
            None => own_url(&config)?,
        };
        Ok(Self { poster: Poster::new(&base, ANSWER_WAIT_MAX)?, base, token })
    }

    /// One answer of the API; a problem document becomes an error.
    async fn ask(&self, post: bool, path: &[&str], query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut url = self.base.clone();
        {
            let cannot = || output::failed(format!("{} cannot have a path", self.base), "write http://HOST:PORT");
            let mut segments = url.path_segments_mut().map_err(|()| cannot())?;
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let reply = self.poster.ask(post, &url, &self.token).await.map_err(|error| {
            output::failed(
                format!("no bridge answers at {}: {}", self.base, error.0),
                "start it with: refairn-bridge serve",
            )
        })?;
        let json = reply.json();
        match json {
            Some(json) if reply.is_success() => Ok(json),
            Some(problem) if problem.get("code").is_some() => {
                let text = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                Err(output::failed(text("detail"), format!("the bridge answered {} {}", reply.status, text("code"))))
            }
            Some(_) | None => {
                let what = format!("{} answered {}, but not as the bridge's API does", self.base, reply.status);
                Err(output::failed(what, "point --url at the bridge's API (admin_listen, if that is set)"))
            }
        }
    }

    /// The ids of everything that a filter finds, at most [`BULK_ITEMS_MAX`].
    async fn all(&self, what: &str, filter: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let mut ids = Vec::new();
        let mut after: Option<String> = None;
        while ids.len() < BULK_ITEMS_MAX {
            let mut query = filter.to_vec();
            query.push(("limit", BULK_PAGE));
            query.extend(after.as_deref().map(|after| ("after", after)));
            let page = self.ask(false, &[what], &query).await?;
            ids.extend(items(&page, what).iter().map(|item| text(item, "id")));
            after = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if after.is_none() {
                return Ok(ids);
            }
        }
        ids.truncate(BULK_ITEMS_MAX);
        output::talk(&format!("only the newest {BULK_ITEMS_MAX} are taken; run it again for the rest"));
        Ok(ids)
    }

    /// Takes an action on each item; gives how many refused it. Each refusal is told, none ends the rest.
    async fn act_on_all(&self, what: &str, ids: &[String], action: &str) -> anyhow::Result<usize> {
        let mut refused = 0;
        for id in ids {
            match self.ask(true, &[what, id, action], &[]).await {
                Ok(item) => output::talk(&format!("{id}: {}", state(&item))),
                Err(error) => {
                    refused += 1;
                    output::talk(&format!("{id}: {}", output::told(&error)));
                }
            }
        }
        output::talk(&format!("{action}: {} done, {refused} refused", ids.len() - refused));
        Ok(refused)
    }
}

/// Where a bridge of this configuration answers on this machine.
fn own_url(config: &Config) -> anyhow::Result<Url> {
    let mut address = config.server.admin_listen.unwrap_or(config.server.listen);
    if address.ip().is_unspecified() {
        let loopback =
            if address.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
        address.set_ip(loopback);
    }
    parse_url(&format!("http://{address}")).map_err(|why| output::failed(why, "give --url"))
}

fn items<'a>(page: &'a Value, what: &str) -> &'a [Value] {
    page.get(what).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text(item: &Value, key: &str) -> String {
    output::line(item.get(key).and_then(Value::as_str).unwrap_or_default())
}

/// State and reason in a few characters.
fn state(item: &Value) -> String {
    let (state, reason) = (text(item, "state"), text(item, "reason"));
    if reason.is_empty() { state } else { format!("{state}: {reason}") }
}

/// The time to the second.
fn when(item: &Value, key: &str) -> String {
    text(item, key).chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// Filters that were given, as the API takes them.
fn given<'a>(filters: &[(&'a str, &'a Option<String>)]) -> Vec<(&'a str, &'a str)> {
    filters.iter().filter_map(|(name, value)| value.as_deref().map(|value| (*name, value))).collect()
}

/// What `next` says, for a person who wants to read on.
fn read_on(page: &Value) {
    if let Some(next) = page.get("next").and_then(Value::as_str) {
        output::talk(&format!("there is more: --after {}", output::line(next)));
    }
}

/// What a bulk action is to take: ids, or everything that a filter finds.
async fn chosen(api: &Api, what: &str, ids: Vec<String>, filter: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
    match (ids.is_empty(), filter.is_empty()) {
        (false, true) => Ok(ids),
        (true, false) => api.all(what, filter).await,
        (true, true) => Err(output::wrong_usage("nothing is named", "give ids, or a filter such as --state held")),
        (false, false) => Err(output::wrong_usage("both ids and a filter are given", "give one of them")),
    }
}
