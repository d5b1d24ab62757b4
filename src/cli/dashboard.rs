//! What to paste into a provider's dashboard so that its webhooks arrive.

use std::fmt;

use serde::Serialize;

use crate::cli::configuration::webhook_path;
use crate::cli::http_client::{Url, parse_url};
use crate::cli::output::columns;
use crate::config::Config;
use crate::domain::endpoint::Endpoint;
use crate::domain::provider::ProviderKind;
use crate::providers::{Descriptor, WantedEvents, provider};

/// Stands for the public address as long as nobody has said it.
const YOUR_HOST: &str = "https://YOUR-HOST";

/// Reads the address by which providers reach the bridge.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn public_url(text: &str) -> Result<Url, String> {
    let url = parse_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a ? or a # in it: write the address alone".to_owned());
    }
    if url.path().split('/').any(|part| part == "webhooks") {
        return Err("it has /webhooks in it, which is added to it: write what comes before that".to_owned());
    }
    Ok(url)
}

/// What to paste, for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Dashboard {
    endpoint: String,
    provider: ProviderKind,
    /// The address for webhooks.
    url: String,
    /// The events to tick; none when the provider sends all.
    events: Vec<&'static str>,
    /// The event to tick besides where checkouts hold the money, and it is captured by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    for_manual_capture: Option<&'static str>,
}

impl Dashboard {
    /// For `endpoint`, which providers reach through `public_url`.
    pub(super) fn of(config: &Config, endpoint: &Endpoint, public_url: Option<&Url>) -> Self {
        let base = public_url.map_or(YOUR_HOST, Url::as_str).trim_end_matches('/');
        let WantedEvents { tick, for_manual_capture } = provider(endpoint.provider).wanted_events(&endpoint.rules);
        Self {
            endpoint: endpoint.name.clone(),
            provider: endpoint.provider,
            url: format!("{base}{}", webhook_path(config, endpoint)),
            events: tick,
            for_manual_capture,
        }
    }
}

impl fmt::Display for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, provider: provider_kind, url, events, for_manual_capture } = self;
        let Descriptor { title, dashboard: texts, .. } = provider(*provider_kind).descriptor();
        writeln!(f, "Endpoint {endpoint}: paste into {title}'s dashboard")?;
        let row = |label: &str, text: &str| [label.to_owned(), text.to_owned()];
        let mut rows = vec![row("where", texts.page), row("URL", url)];
        rows.extend(texts.url_note.map(|note| row("", note)));
        rows.push(if events.is_empty() {
            row("events", &format!("nothing to tick: {title} sends all of them"))
        } else {
            row("events", &format!("tick exactly these {}:", events.len()))
        });
        rows.extend(events.iter().map(|event| row("", &format!("  {event}"))));
        let held = for_manual_capture
            .map(|event| row("", &format!("and {event} if your checkouts hold money that is captured by hand")));
        rows.extend(held);
        rows.push(row("secret", texts.secret));
        writeln!(f, "{}", columns(rows, 2))
    }
}

#[cfg(test)]
mod tests {
    use super::public_url;

    #[test]
    fn a_public_address_is_what_comes_before_the_webhooks() {
        let check = |text: &str, fine: bool| assert_eq!(public_url(text).is_ok(), fine, "{text}");
        check("https://bridge.example.com", true);
        check("https://bridge.example.com/in/", true);
        check("https://webhooks.example.com", true);
        for wrong in
            ["https://a.example/webhooks/stripe", "https://a.example/in/webhooks", "https://a.example?x", "a.example"]
        {
            check(wrong, false);
        }
    }
}
