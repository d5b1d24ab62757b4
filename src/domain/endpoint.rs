//! A webhook endpoint and the rules by which its events are read.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::mode::Mode;
use super::money::Currency;
use super::network::Network;
use super::product::Product;
use super::provider::ProviderKind;
use super::secret::Secret;
use super::setting::Settings;

/// One configured endpoint: whom to trust, and how to read what they send.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its name in URLs; unique.
    pub name: String,
    /// Who sends to it.
    pub provider: ProviderKind,
    /// Any of these may have signed.
    pub secrets: Vec<Secret>,
    /// How far a signature's time may be from ours, both ways (Stripe).
    pub signature_tolerance: Duration,
    /// When not empty, only these addresses may send (Paystack's second factor).
    pub allowed_ips: Vec<Network>,
    /// The Refairn business its sales belong to.
    pub business: String,
    /// Within what the provider's ids are unique.
    pub ids: IdScope,
    /// The merchant's name for the provider's account, where several endpoints hear one whose ids are the merchant's own.
    pub account: Option<String>,
    /// The provider's API key, for look-ups and lists.
    pub api_key: Option<Secret>,
    /// Where look-ups go: `https://HOST[:PORT][/PATH]`, without a slash at its end.
    pub api_base_url: String,
    /// How often the provider's lists are compared with what we have, by itself.
    pub reconcile_every: Option<Duration>,
    /// How its events become facts.
    pub rules: Rules,
}

impl Endpoint {
    /// Whether what its provider lists can be compared with what we have. What was compared before needs nobody while it
    /// cannot: no comparison could see it otherwise.
    #[must_use]
    pub const fn is_compared(&self) -> bool {
        self.api_key.is_some()
    }

    /// Within what the provider's ids are unique, beside business and mode. Where an account's ids are the merchant's own,
    /// only the configuration knows which endpoints hear one account.
    #[must_use]
    pub fn realm(&self) -> String {
        match self.ids {
            IdScope::Provider => self.provider.code().to_owned(),
            IdScope::Account => format!("{}:{}", self.provider, self.account.as_deref().unwrap_or(&self.name)),
        }
    }
}

/// Within what a provider's ids are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdScope {
    /// The provider makes them: two endpoints of one account hear of one sale, not of two.
    Provider,
    /// The merchant makes them: two accounts may use the same.
    Account,
}

/// How an endpoint's events become facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The endpoint's place in the configuration, from 0.
    pub rank: u32,
    /// Refairn product of sales that `products` does not name.
    pub product_id: Option<String>,
    /// Refairn product of everything in test mode; without it test events are ignored.
    pub test_product_id: Option<String>,
    /// Stripe price, product and plan ids, or Paystack plan codes → Refairn product ids.
    pub products: BTreeMap<String, String>,
    /// What becomes of sales that `products` does not name.
    pub unmapped: Unmapped,
    /// The amount on which commission is paid.
    pub commission_base: CommissionBase,
    /// Payments below this, per currency, are ignored. Standard units.
    pub minimum_amount: BTreeMap<Currency, Decimal>,
    /// What only endpoints of its provider have.
    pub settings: Settings,
    /// Where a referral code is looked for, in this order.
    pub referral_code_from: Vec<CodeRule>,
    /// The zone whose days payments are dated in.
    pub time_zone: jiff::tz::TimeZone,
}

impl Rules {
    /// The day of `at` in the endpoint's time zone.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.time_zone.clone()).date()
    }

    /// The Refairn product for `sold`, ids of prices, products or plans, the weightiest first. Empty when the event
    /// names nothing sold.
    #[must_use]
    pub fn product<S: AsRef<str>>(&self, mode: Mode, sold: &[S]) -> Product {
        let mapped = sold.iter().find_map(|id| self.products.get(id.as_ref()));
        let ignored = mapped.is_none() && !sold.is_empty() && self.unmapped == Unmapped::Ignore;
        match (mode, mapped, &self.test_product_id, &self.product_id) {
            _ if ignored => Product::Unmapped,
            (Mode::Test, _, Some(test), _) => Product::Id(test.clone()),
            (Mode::Test, _, None, _) => Product::NoTestProduct,
            (Mode::Live, Some(product), ..) | (Mode::Live, None, _, Some(product)) => Product::Id(product.clone()),
            (Mode::Live, None, _, None) if sold.is_empty() => Product::Unnamed,
            (Mode::Live, None, _, None) => Product::Unmapped,
        }
    }
}

/// What becomes of sales that the products map does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unmapped {
    /// They go to the default product.
    #[default]
    Default,
    /// They are ignored: the account sells other things too.
    Ignore,
}

/// The amount on which commission is paid. What else than [`CommissionBase::PAID`] a provider's events tell, its folder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommissionBase {
    /// As the configuration writes it.
    pub code: &'static str,
    /// What it is, for people.
    pub meaning: &'static str,
}

impl CommissionBase {
    /// What the customer paid: every provider tells it.
    pub const PAID: Self = Self { code: "paid", meaning: "what the customer paid" };
}

impl Default for CommissionBase {
    fn default() -> Self {
        Self::PAID
    }
}

/// One place where a referral code may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeRule {
    /// `metadata.KEY` of any object of the event.
    Metadata(String),
    /// `custom_fields.NAME`: a Paystack custom field with this `variable_name`.
    CustomField(String),
    /// `client_reference_id` of a Stripe session, when it starts with this prefix, which is cut off.
    ClientReferenceId(String),
}

impl fmt::Display for CodeRule {
    /// As the configuration writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata(key) => write!(f, "metadata.{key}"),
            Self::CustomField(name) => write!(f, "custom_fields.{name}"),
            Self::ClientReferenceId(prefix) if prefix.is_empty() => f.write_str("client_reference_id"),
            Self::ClientReferenceId(prefix) => write!(f, "client_reference_id:{prefix}"),
        }
    }
}

impl CodeRule {
    /// Reads `metadata.KEY`, `custom_fields.NAME` or `client_reference_id[:PREFIX]`.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(key) = text.strip_prefix("metadata.").filter(|k| !k.is_empty()) {
            Ok(Self::Metadata(key.to_owned()))
        } else if let Some(name) = text.strip_prefix("custom_fields.").filter(|k| !k.is_empty()) {
            Ok(Self::CustomField(name.to_owned()))
        } else if text == "client_reference_id" {
            Ok(Self::ClientReferenceId(String::new()))
        } else if let Some(prefix) = text.strip_prefix("client_reference_id:") {
            Ok(Self::ClientReferenceId(prefix.to_owned()))
        } else {
            Err(format!(
                "{text:?} is no place for a referral code: write metadata.KEY, custom_fields.NAME or client_reference_id:PREFIX"
            ))
        }
    }

    /// Where codes are looked for unless the endpoint says otherwise.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        let keys = ["refairn_code", "referral_code", "referralCode"];
        let metadata = keys.iter().map(|k| Self::Metadata((*k).to_owned()));
        let fields = keys.iter().map(|k| Self::CustomField((*k).to_owned()));
        let reference = std::iter::once(Self::ClientReferenceId("refairn_".to_owned()));
        metadata.chain(fields).chain(reference).collect()
    }
}
