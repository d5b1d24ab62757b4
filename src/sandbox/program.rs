//! What a Refairn account sets up before the first call: businesses, products with their program, agents.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Span;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use super::money;

/// A commission on top of the recurring one, earned once per customer and product.
///
/// The first payment event of a customer uses it up, even one over a zero amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Referral {
    /// So much, in the currency of the payment.
    #[serde(serialize_with = "money::serialize")]
    Flat(Decimal),
    /// So many percent of the payment.
    #[serde(serialize_with = "money::serialize")]
    Percent(Decimal),
}

/// The terms on which agents earn from one product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Program {
    /// Commission on every payment, in percent.
    #[serde(serialize_with = "money::serialize")]
    pub recurring_percent: Decimal,
    /// Days between a payment and the approval of its commission.
    pub hold_days: u16,
    /// The commission on the first payment, if the program has one.
    pub referral: Option<Referral>,
}

impl Program {
    /// A program with a commission on every payment and nothing else.
    #[must_use]
    pub const fn recurring(percent: Decimal, hold_days: u16) -> Self {
        Self { recurring_percent: percent, hold_days, referral: None }
    }

    /// The same program with a one-time commission on the first payment.
    #[must_use]
    pub const fn with_referral(mut self, referral: Referral) -> Self {
        self.referral = Some(referral);
        self
    }

    /// What an agent earns from a payment, in its currency. `None` when the sum is too large to hold.
    pub(super) fn commission(&self, amount: Decimal, first: bool) -> Option<Decimal> {
        let recurring = percent_of(amount, self.recurring_percent)?;
        let once = match self.referral.filter(|_| first) {
            Some(Referral::Flat(flat)) => flat,
            Some(Referral::Percent(percent)) => percent_of(amount, percent)?,
            None => Decimal::ZERO,
        };
        recurring.checked_add(once)
    }

    /// The last day on which a commission for a payment of `date` is held. `None` beyond the calendar.
    pub(super) fn hold_until(&self, date: Date) -> Option<Date> {
        date.checked_add(Span::new().days(i64::from(self.hold_days))).ok()
    }
}

fn percent_of(amount: Decimal, percent: Decimal) -> Option<Decimal> {
    amount.checked_mul(percent)?.checked_mul(Decimal::new(1, 2))
}

/// Someone who refers customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// Refairn's id of the agent.
    pub id: String,
    /// The name on the agent's page.
    pub name: String,
    /// The referral code, as links and checkouts carry it.
    pub code: String,
}

/// A business with its key, its products and its agents. `Debug` shows no key.
#[derive(Clone)]
pub struct Business {
    id: String,
    api_key: String,
    site: Option<String>,
    products: BTreeMap<String, Program>,
    agents: BTreeMap<String, Agent>,
}

impl Business {
    /// A business without products and agents, and the one API key that may write to it.
    #[must_use]
    pub fn new(id: impl Into<String>, api_key: impl Into<String>) -> Self {
        Self { id: id.into(), api_key: api_key.into(), site: None, products: BTreeMap::new(), agents: BTreeMap::new() }
    }

    /// Adds a product, or replaces the one of that id.
    #[must_use]
    pub fn product(mut self, id: impl Into<String>, program: Program) -> Self {
        self.products.insert(id.into(), program);
        self
    }

    /// Adds an agent, or replaces the one with that code.
    #[must_use]
    pub fn agent(mut self, id: impl Into<String>, name: impl Into<String>, code: impl Into<String>) -> Self {
        let agent = Agent { id: id.into(), name: name.into(), code: code.into() };
        self.agents.insert(agent.code.clone(), agent);
        self
    }

    /// Where a referral link leads: an absolute URL. Without one the link shows a small page.
    #[must_use]
    pub fn site(mut self, url: impl Into<String>) -> Self {
        self.site = Some(url.into());
        self
    }

    /// The business behind `refairn-bridge sandbox` and `demo`: id `biz_demo`, key `sk_sandbox_demo`.
    #[must_use]
    pub fn demo() -> Self {
        Self::new("biz_demo", "sk_sandbox_demo")
            .product("prod_demo", Program::recurring(Decimal::from(20), 14))
            .product("prod_test", Program::recurring(Decimal::ZERO, 14))
            .product(
                "prod_plus",
                Program::recurring(Decimal::from(30), 30).with_referral(Referral::Percent(Decimal::from(10))),
            )
            .agent("agent_ada", "Ada", "ADA10")
            .agent("agent_bayo", "Bayo", "BAYO15")
            .agent("agent_chidi", "Chidi", "CHIDI20")
    }

    /// The id that calls name as `businessId`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Products by id.
    #[must_use]
    pub fn products(&self) -> &BTreeMap<String, Program> {
        &self.products
    }

    /// Agents by referral code.
    #[must_use]
    pub fn agents(&self) -> &BTreeMap<String, Agent> {
        &self.agents
    }

    pub(super) fn api_key(&self) -> &str {
        &self.api_key
    }

    pub(super) fn site_url(&self) -> Option<&str> {
        self.site.as_deref()
    }
}

impl fmt::Debug for Business {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Business")
            .field("id", &self.id)
            .field("products", &self.products)
            .field("agents", &self.agents)
            .finish_non_exhaustive()
    }
}
