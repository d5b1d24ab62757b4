//! What to paste into a provider's dashboard so that its webhooks arrive.

use std::fmt;

use serde::Serialize;

use crate::cli::configuration::{title, webhook_path};
use crate::cli::poster::Url;
use crate::config::Config;
use crate::domain::endpoint::{Endpoint, OneTime, ProviderKind};
use crate::providers::provider;

/// Stands for the public address as long as nobody has said it.
const YOUR_HOST: &str = "https://YOUR-HOST";
/// Reports captures of what a checkout session held, and one-off payments without Checkout where an endpoint asks for them.
const PAYMENT_INTENT_SUCCEEDED: &str = "payment_intent.succeeded";

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
        let mut events = provider(endpoint.provider).wanted_events().to_vec();
        let mut for_manual_capture = None;
        match (endpoint.provider, endpoint.rules.one_time) {
            (ProviderKind::Stripe, OneTime::PaymentIntent) => events.push(PAYMENT_INTENT_SUCCEEDED),
            (ProviderKind::Stripe, OneTime::Checkout) => for_manual_capture = Some(PAYMENT_INTENT_SUCCEEDED),
            (ProviderKind::Paystack, OneTime::Checkout | OneTime::PaymentIntent) => {}
        }
        Self {
            endpoint: endpoint.name.clone(),
            provider: endpoint.provider,
            url: format!("{base}{}", webhook_path(config, endpoint)),
            events,
            for_manual_capture,
        }
    }
}

impl fmt::Display for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, provider, url, events, for_manual_capture } = self;
        writeln!(f, "Endpoint {endpoint}: paste into {}'s dashboard", title(*provider))?;
        match provider {
            ProviderKind::Stripe => {
                writeln!(f, "  where   Developers → Webhooks → Add destination (snapshot events, your account)")?;
                writeln!(f, "  URL     {url}")?;
                writeln!(f, "  events  tick exactly these {}:", events.len())?;
                for event in events {
                    writeln!(f, "            {event}")?;
                }
                if let Some(event) = for_manual_capture {
                    writeln!(f, "          and {event} if your checkouts hold money that is captured by hand")?;
                }
                writeln!(
                    f,
                    "  secret  the signing secret (whsec_...) it shows then is what this endpoint has to verify with"
                )
            }
            ProviderKind::Paystack => {
                writeln!(f, "  where   Settings → API Keys & Webhooks")?;
                writeln!(f, "  URL     {url}")?;
                writeln!(f, "          as the live webhook URL, and as the test webhook URL to see test events too")?;
                writeln!(f, "  events  nothing to tick: Paystack sends all of them")?;
                writeln!(f, "  secret  it signs with the secret key (sk_live_..., sk_test_...) of the same page")
            }
        }
    }
}
