//! A provider's account, asked with an endpoint's key.

use std::pin::pin;
use std::time::Duration;

use crate::cli::http_client::{HttpClient, Reply, parse_url};
use crate::cli::output;
use crate::domain::endpoint::Endpoint;
use crate::domain::redact::Redactor;
use crate::domain::secret::Secret;
use crate::outbound::message_of;
use crate::providers::connect::{Ask, Connect, Registered, Registry, Verb};
use crate::providers::provider;

/// Longest wait for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);
/// Without an answer for so long, the person who waits is told.
const SILENCE: Duration = Duration::from_secs(3);

/// A provider's account.
pub(in crate::cli) struct Account<'a> {
    client: HttpClient,
    endpoint: &'a Endpoint,
    key: &'a Secret,
}

impl<'a> Account<'a> {
    /// The account of an endpoint.
    ///
    /// # Errors
    /// It has no key.
    pub(in crate::cli) fn of(endpoint: &'a Endpoint) -> anyhow::Result<Self> {
        let key = endpoint.api_key.as_ref().ok_or_else(|| {
            let what = format!("endpoint {} has no api_key, with which its provider could be asked", endpoint.name);
            output::failed(what, "write api_key or api_key_file into its [[endpoints]]")
        })?;
        let url = parse_url(&endpoint.api_base_url).map_err(|why| output::failed(why, "correct api_base_url"))?;
        Ok(Self { client: HttpClient::new(&url, ANSWER_WAIT_MAX)?, endpoint, key })
    }

    /// The webhook endpoints that are there.
    ///
    /// # Errors
    /// They are not told.
    pub(in crate::cli) async fn registered(&self, registry: &dyn Registry) -> anyhow::Result<Vec<Registered>> {
        let body = self.ask(&registry.list(), registry.right()).await?;
        registry.listed(&body).map_err(|what| output::failed(what, "look at api_base_url"))
    }

    /// Whether the key is taken.
    ///
    /// # Errors
    /// It is not.
    pub(super) async fn try_key(&self, path: &str) -> anyhow::Result<()> {
        let ask = Ask { verb: Verb::Get, path: path.to_owned(), headers: Vec::new(), body: None };
        self.ask(&ask, "the account").await.map(drop)
    }

    /// The body of an answer that is a success; `right` is what the key needs for it.
    ///
    /// # Errors
    /// Nobody answered, or the provider refuses it.
    pub(super) async fn ask(&self, ask: &Ask, right: &str) -> anyhow::Result<Vec<u8>> {
        let title = provider(self.endpoint.provider).descriptor().title;
        let mut asked = pin!(self.client.ask_provider(&self.endpoint.api_base_url, ask, self.key));
        let answered = match tokio::time::timeout(SILENCE, &mut asked).await {
            Ok(answered) => answered,
            Err(_) => {
                let (silence, wait) = (SILENCE.as_secs(), ANSWER_WAIT_MAX.as_secs());
                output::talk(&format!("{title} has not answered for {silence} s; it has {wait} s to answer"));
                asked.await
            }
        };
        let reply: Reply = answered.map_err(|error| {
            let hint = format!("see whether this machine reaches {}, and try it again", self.endpoint.api_base_url);
            output::failed(format!("{title} does not answer: {}", error.0), hint)
        })?;
        if reply.is_success() {
            return Ok(reply.body);
        }
        let message = message_of(reply.status, &reply.body, &Redactor::of(self.key));
        let (did, hint) = match reply.status {
            401 | 403 => ("refuses it", format!("give the endpoint an api_key that may do this: {right}")),
            408 | 429 | 500.. => ("fails", "try it again in some minutes: what is there already is found".to_owned()),
            _ => ("refuses it", "correct that, and try it again".to_owned()),
        };
        Err(output::failed(format!("{title} {did}: {message}"), hint))
    }
}

/// What `check` says of the webhook endpoints that are at an endpoint's provider: each a warning. Nothing where the key is
/// not allowed to look, or there is no API.
pub(in crate::cli) async fn looked_at(endpoint: &Endpoint, url: &str) -> Vec<String> {
    let Connect::ByApi(registry) = provider(endpoint.provider).connect() else { return Vec::new() };
    let Ok(account) = Account::of(endpoint) else { return Vec::new() };
    let Ok(found) = account.registered(registry).await else { return Vec::new() };
    let wanted = registry.wanted(&endpoint.name, url, &endpoint.rules);
    let title = provider(endpoint.provider).descriptor().title;
    let mut warnings = Vec::new();
    let ours: Vec<&Registered> = found.iter().filter(|one| one.enabled && one.is_of(&wanted)).collect();
    for one in &ours {
        let lacks = one.lacks(&wanted);
        if !lacks.is_empty() {
            warnings.push(format!(
                "{} at {title} does not send {}: tick them, or run connect",
                one.id,
                lacks.join(", ")
            ));
        }
        let harms = one.harms(registry);
        warnings.extend(harms.into_iter().map(|(kind, how)| format!("{} at {title} sends {kind}: {how}", one.id)));
    }
    if ours.is_empty() {
        warnings.push(format!("{title} has no webhook endpoint that sends to {url}: run connect, or add it"));
    }
    warnings
}
