//! The settings of a fixture: `case.toml`, with the names of the configuration.

use std::path::Path;

use jiff::Timestamp;
use refairn_bridge::domain::endpoint::{CodeRule, Rules};
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::providers::provider;
use serde::Deserialize;

use super::rules::default_rules;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is special, and what must come of it.
    pub about: String,
    /// Where the form of its bodies comes from.
    pub origin: Origin,
    /// When its events arrive.
    #[serde(default)]
    received_at: Option<Timestamp>,
    #[serde(default)]
    endpoint: EndpointSettings,
    #[serde(default)]
    delivery: DeliverySettings,
    /// What comes first, and what comes later; all at once where nothing is said.
    #[serde(default)]
    steps: Vec<Step>,
}

/// Where the form of a body comes from; the values in it are always ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The provider's documentation or SDK shows it.
    Documented,
    /// Programs that receive the provider's events meet it, though it is not documented.
    RecordedShape,
    /// We changed, or put together, what is one of the others.
    Derived,
}

/// Bodies of a sequence that come together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Their numbers, as their files' names begin.
    pub bodies: Vec<usize>,
    /// Their order is the case; they come in every order where it is not.
    #[serde(default)]
    pub in_order: bool,
    /// Refairn answers every call with a 503, until the next step.
    #[serde(default)]
    pub refairn_down: bool,
    /// How long it is until the next step.
    #[serde(default = "two_hours")]
    pub then_s: u64,
}

/// Longer than anything waits for what may be on its way.
const fn two_hours() -> u64 {
    7200
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointSettings {
    commission_base: Option<String>,
    unmapped: Option<refairn_bridge::domain::endpoint::Unmapped>,
    one_time: Option<String>,
    out_of_band: Option<String>,
    referral_code_from: Option<Vec<String>>,
    no_test_product: Option<bool>,
    products: Option<std::collections::BTreeMap<String, String>>,
    minimum_amount: Option<std::collections::BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliverySettings {
    leads: Option<refairn_bridge::domain::policy::Leads>,
    status_updates: Option<refairn_bridge::domain::policy::StatusUpdates>,
    same_day_payments: Option<refairn_bridge::domain::policy::SameDayPayments>,
    first_payment_wait_s: Option<u64>,
    time_zone: Option<String>,
}

impl Case {
    pub fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("case.toml")).expect("case.toml");
        toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
    }

    /// After every event of the corpus, unless the case says otherwise.
    pub fn received_at(&self) -> Timestamp {
        self.received_at.unwrap_or_else(|| "2026-11-20T12:00:00Z".parse().expect("a time"))
    }

    /// The steps of a sequence of so many bodies.
    pub fn steps(&self, bodies: usize) -> Vec<Step> {
        let all = || Step { bodies: (1..=bodies).collect(), in_order: false, refairn_down: false, then_s: two_hours() };
        if self.steps.is_empty() { vec![all()] } else { self.steps.clone() }
    }

    pub fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        let s = &self.delivery;
        policy.leads = s.leads.unwrap_or(policy.leads);
        policy.status_updates = s.status_updates.unwrap_or(policy.status_updates);
        policy.same_day_payments = s.same_day_payments.unwrap_or(policy.same_day_payments);
        if let Some(seconds) = s.first_payment_wait_s {
            policy.first_payment_wait = std::time::Duration::from_secs(seconds);
        }
        if let Some(zone) = &s.time_zone {
            policy.time_zone = jiff::tz::TimeZone::get(zone).expect("a time zone");
        }
        policy
    }

    pub fn rules(&self) -> Rules {
        let mut rules = default_rules();
        let s = &self.endpoint;
        rules.time_zone = self.policy().time_zone;
        let descriptors = || ProviderKind::ALL.iter().map(|kind| provider(*kind).descriptor());
        if let Some(code) = &s.commission_base {
            let base = descriptors().flat_map(|d| d.commission_bases).find(|base| base.code == code);
            rules.commission_base = *base.expect("a commission base");
        }
        rules.unmapped = s.unmapped.unwrap_or_default();
        for (key, word) in [("one_time", &s.one_time), ("out_of_band", &s.out_of_band)] {
            let Some(word) = word else { continue };
            let setting = descriptors().flat_map(|d| d.settings).find(|setting| setting.key == key).expect("a setting");
            let word = setting.words.iter().find(|known| *known == word).expect("one of its words");
            rules.settings = rules.settings.with(setting, word);
        }
        rules.products = s.products.clone().unwrap_or_default();
        if s.no_test_product == Some(true) {
            rules.test_product_id = None;
        }
        if let Some(codes) = &s.referral_code_from {
            rules.referral_code_from = codes.iter().map(|c| CodeRule::parse(c).expect("a rule")).collect();
        }
        for (currency, amount) in s.minimum_amount.iter().flatten() {
            rules.minimum_amount.insert(currency.parse().expect("a currency"), amount.parse().expect("an amount"));
        }
        rules
    }
}
