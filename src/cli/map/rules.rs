//! By which rules a body is read: those of a configured endpoint, else the defaults with placeholders for ids.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;

use crate::cli::configuration::ConfigFile;
use crate::cli::output;
use crate::config::Config;
use crate::domain::endpoint::{CodeRule, CommissionBase, Rules, Unmapped};
use crate::domain::policy::Policy;
use crate::domain::provider::ProviderKind;
use crate::domain::setting::Settings;

/// Where the configuration usually is.
const USUAL_FILE: &str = "config/refairn-bridge.toml";

/// The rules and choices that a body is read by.
pub(super) struct Chosen {
    pub(super) provider: ProviderKind,
    /// The endpoint's name.
    pub(super) endpoint: String,
    /// The Refairn business.
    pub(super) business: String,
    pub(super) rules: Rules,
    pub(super) policy: Policy,
    /// Whether calls carry `eventId`.
    pub(super) event_id: bool,
    /// Where all this is from, for a person.
    pub(super) source: String,
}

impl Chosen {
    /// The configuration's endpoint of this name, or the only one of `provider`; else the defaults.
    ///
    /// # Errors
    /// A configuration or an endpoint was asked for that is not there, or there are several and none was named.
    pub(super) fn find(file: &ConfigFile, name: Option<&str>, provider: ProviderKind) -> anyhow::Result<Self> {
        if file.is_named() || name.is_some() {
            return Self::configured(&file.load()?, name, provider);
        }
        match file.try_load() {
            Ok(config) => Self::configured(&config, None, provider),
            Err(_) => {
                if !file.sources().environment.is_empty() || Path::new(USUAL_FILE).exists() {
                    output::talk(
                        "note: the configuration has mistakes (see them with: refairn-bridge check), so the default rules \
                         are used",
                    );
                }
                Ok(Self::defaults(provider))
            }
        }
    }

    fn configured(config: &Config, name: Option<&str>, provider: ProviderKind) -> anyhow::Result<Self> {
        let of_provider: Vec<_> = config.endpoints.iter().filter(|e| e.provider == provider).collect();
        let names = of_provider.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", ");
        let endpoint = match (name, of_provider.as_slice()) {
            (Some(name), several) => several.iter().find(|e| e.name == name).ok_or_else(|| {
                let hint =
                    if names.is_empty() { "leave --endpoint out".to_owned() } else { format!("name one of: {names}") };
                output::wrong_usage(format!("the configuration has no {provider} endpoint called {name:?}"), hint)
            })?,
            (None, [one]) => one,
            (None, []) => {
                output::talk(&format!(
                    "note: the configuration has no {provider} endpoint, so the default rules are used"
                ));
                return Ok(Self::defaults(provider));
            }
            (None, [..]) => {
                let what = format!("the configuration has several {provider} endpoints");
                return Err(output::wrong_usage(what, format!("name one with --endpoint: {names}")));
            }
        };
        Ok(Self {
            provider,
            endpoint: endpoint.name.clone(),
            business: endpoint.business.clone(),
            rules: endpoint.rules.clone(),
            policy: config.policy.clone(),
            event_id: config.refairn.event_id,
            source: format!("those of endpoint {} in the configuration", endpoint.name),
        })
    }

    fn defaults(provider: ProviderKind) -> Self {
        Self {
            provider,
            endpoint: provider.code().to_owned(),
            business: "YOUR_BUSINESS_ID".to_owned(),
            rules: Rules {
                rank: 0,
                product_id: Some("YOUR_PRODUCT_ID".to_owned()),
                test_product_id: Some("YOUR_TEST_PRODUCT_ID".to_owned()),
                products: BTreeMap::new(),
                unmapped: Unmapped::default(),
                commission_base: CommissionBase::default(),
                minimum_amount: BTreeMap::new(),
                settings: Settings::default(),
                referral_code_from: CodeRule::defaults(),
                time_zone: TimeZone::UTC,
            },
            policy: Policy::default(),
            event_id: false,
            source: "the defaults, with placeholders for your ids".to_owned(),
        }
    }
}
