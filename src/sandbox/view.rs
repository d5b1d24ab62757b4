//! The answer of `GET /_sandbox/state`: everything the sandbox holds, but no keys.

use std::collections::{BTreeMap, VecDeque};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use super::calls::Call;
use super::faults::Fault;
use super::money;
use super::program::Program;
use super::records::{Commission, Lead, Payment};
use super::shared::{Inner, Sandbox};

/// Calls the state lists; the counts are over all.
const CALLS_SHOWN: usize = 200;

#[derive(Serialize)]
struct State<'a> {
    today: Date,
    businesses: Vec<BusinessView<'a>>,
    agents: Vec<AgentView<'a>>,
    leads: &'a [Lead],
    payments: &'a [Payment],
    commissions: Vec<CommissionView<'a>>,
    answers: Answers<'a>,
    faults: &'a VecDeque<Fault>,
    calls: Vec<&'a Call>,
}

#[derive(Serialize)]
struct BusinessView<'a> {
    id: &'a str,
    products: &'a BTreeMap<String, Program>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AgentView<'a> {
    id: &'a str,
    name: &'a str,
    code: &'a str,
    business_id: &'a str,
    leads: usize,
    totals: Vec<Total<'a>>,
}

/// What an agent earned in one currency.
#[derive(Serialize)]
struct Total<'a> {
    currency: &'a str,
    commissions: u64,
    #[serde(serialize_with = "money::serialize_option")]
    amount: Option<Decimal>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommissionView<'a> {
    #[serde(flatten)]
    commission: &'a Commission,
    commission_status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answers<'a> {
    calls: u64,
    by_status: &'a BTreeMap<u16, u64>,
    dropped: u64,
}

/// Count and sum; the sum is absent once it is too large to hold.
type Sums<'a> = BTreeMap<&'a str, BTreeMap<&'a str, (u64, Option<Decimal>)>>;

impl Sandbox {
    /// The state as JSON; `today` decides which commissions are approved.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON, which none of ours is.
    pub fn state(&self, today: Date) -> Result<String, serde_json::Error> {
        let inner = self.lock();
        serde_json::to_string(&state(&inner, today))
    }
}

fn state(inner: &Inner, today: Date) -> State<'_> {
    let book = &inner.book;
    let mut sums = Sums::new();
    for commission in book.commissions() {
        let by_currency = sums.entry(&commission.agent_id).or_default();
        let (count, sum) = by_currency.entry(&commission.currency).or_insert((0, Some(Decimal::ZERO)));
        *count += 1;
        *sum = sum.and_then(|sum| sum.checked_add(commission.amount));
    }
    let mut leads: BTreeMap<&str, usize> = BTreeMap::new();
    for agent_id in book.leads().iter().filter_map(|lead| lead.agent_id.as_deref()) {
        *leads.entry(agent_id).or_default() += 1;
    }
    let log = &inner.log;
    State {
        today,
        businesses: book
            .businesses()
            .map(|business| BusinessView { id: business.id(), products: business.products() })
            .collect(),
        agents: agents(inner, &sums, &leads),
        leads: book.leads(),
        payments: book.payments(),
        commissions: book
            .commissions()
            .iter()
            .map(|commission| CommissionView { commission, commission_status: commission.status(today) })
            .collect(),
        answers: Answers { calls: log.total(), by_status: log.answers(), dropped: log.dropped() },
        faults: inner.faults.left(),
        calls: log.calls().skip(log.calls().len().saturating_sub(CALLS_SHOWN)).collect(),
    }
}

fn agents<'a>(inner: &'a Inner, sums: &Sums<'a>, leads: &BTreeMap<&str, usize>) -> Vec<AgentView<'a>> {
    let each = |business: &'a super::program::Business| {
        business.agents().values().map(|agent| AgentView {
            id: &agent.id,
            name: &agent.name,
            code: &agent.code,
            business_id: business.id(),
            leads: leads.get(agent.id.as_str()).copied().unwrap_or(0),
            totals: sums.get(agent.id.as_str()).map(totals).unwrap_or_default(),
        })
    };
    inner.book.businesses().flat_map(each).collect()
}

fn totals<'a>(by_currency: &BTreeMap<&'a str, (u64, Option<Decimal>)>) -> Vec<Total<'a>> {
    let total = |(&currency, &(commissions, amount)): (&&'a str, &(u64, Option<Decimal>))| Total {
        currency,
        commissions,
        amount,
    };
    by_currency.iter().map(total).collect()
}
