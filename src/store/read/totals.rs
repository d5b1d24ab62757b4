//! What payments add up to: as it was kept while they were written, or read from each of them where people ask for what
//! nobody keeps.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use rust_decimal::Decimal;

use crate::domain::delivery::Fate;
use crate::domain::mode::Mode;
use crate::domain::money::Currency;
use crate::store::read::payments::{CODE_EVENTS_MAX, PaymentFilter};
use crate::store::rows::mode;
use crate::store::sql::{Row, Value, values};
use crate::store::sums::{self, Alike, Days, PLACES, Part, of_agent, stretches};
use crate::store::{Store, StoreError};

/// Payments that are read to be added up where that is not kept, the newest of customers with a code, of an agent, or of some time;
/// of more the answer says so. Of a code or an agent so many are read whether the rest of the filter takes them or not: what is
/// rare among them is not looked for through all that was ever sold.
pub const ADDED_UP_MAX: u32 = 100_000;

/// What payments of one mode, currency and fate add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Real money, or tests: the two are never added.
    pub mode: Mode,
    /// The currency.
    pub currency: Currency,
    /// What became of them; `None` of those that Refairn does not have.
    pub fate: Option<Fate>,
    /// How many.
    pub payments: u64,
    /// Their sum, exact. `None` when it is longer than 28 digits.
    pub amount: Option<Decimal>,
}

/// What payments have in common that are added up together.
type Kind = (Mode, Currency, Option<Fate>);

/// What is kept of payments that are alike.
#[derive(Default)]
struct Kept {
    payments: i64,
    amount: i128,
    vast: i64,
}

impl Kept {
    /// Nothing where no payment is left.
    fn total(&self, (mode, currency, fate): Kind) -> Option<Total> {
        let payments = u64::try_from(self.payments).ok().filter(|payments| *payments > 0)?;
        Some(Total {
            mode,
            currency,
            fate,
            payments,
            amount: Decimal::try_from_i128_with_scale(self.amount, PLACES).ok(),
        })
    }
}

/// Where what payments add up to is kept.
struct Keeping {
    sql: String,
    values: Vec<Value>,
    /// What is not kept: payments of an agent before and after whole days.
    rest: Vec<PaymentFilter>,
}

impl Keeping {
    /// Nothing where it is not kept of what is asked for.
    fn of(filter: &PaymentFilter) -> Option<Self> {
        match (&filter.agent, &filter.code) {
            (_, Some(_)) => None,
            (Some(agent), None) => Self::of_agent(filter, agent),
            (None, None) => Self::of_all(filter),
        }
    }

    fn of_all(filter: &PaymentFilter) -> Option<Self> {
        let mut values: Vec<Value> = Vec::new();
        let stretches = stretches(filter.from, filter.to)?.into_iter().map(|(unit, keys)| {
            let [of, count, much] = unit.kinds().map(|(what, _)| what);
            values.extend([Value::from(keys.start), Value::from(keys.end)]);
            let (first, end) = (values.len() - 1, values.len());
            format!(
                "SELECT what, state, n FROM counts WHERE what IN ('{of}', '{count}', '{much}') \
                 AND state >= ?{first} AND state < ?{end}"
            )
        });
        let sql = stretches.collect::<Vec<_>>().join(" UNION ALL ");
        Some(Self { sql, values, rest: Vec::new() })
    }

    fn of_agent(filter: &PaymentFilter, agent: &str) -> Option<Self> {
        let (what, days) = (of_agent(agent)?, Days::of(filter.from, filter.to)?);
        let rest = days.edges.into_iter().map(|[from, to]| PaymentFilter { from, to, ..filter.clone() }).collect();
        let Some(keys) = days.keys else { return Some(Self { sql: String::new(), values: Vec::new(), rest }) };
        let sql = "SELECT what, state, n FROM counts WHERE what = ?1 AND state >= ?2 AND state < ?3".to_owned();
        Some(Self { sql, values: values![what, keys.start, keys.end], rest })
    }
}

impl Store {
    /// What all of them add up to, by mode, currency and fate, and whether these are all.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn totals(&self, filter: &PaymentFilter) -> Result<(Vec<Total>, bool), StoreError> {
        self.totals_soon(filter, ADDED_UP_MAX).await
    }

    /// The same, of so many at most where each has to be read: a page does not wait for more.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn totals_soon(&self, filter: &PaymentFilter, most: u32) -> Result<(Vec<Total>, bool), StoreError> {
        match self.kept_totals(filter, most).await? {
            Some(totals) => Ok(totals),
            None => self.read_totals(filter, most).await,
        }
    }

    /// The same, as it was added up when the payments were written. Nothing where that does not tell it.
    pub(in crate::store) async fn kept_totals(
        &self,
        filter: &PaymentFilter,
        most: u32,
    ) -> Result<Option<(Vec<Total>, bool)>, StoreError> {
        let Some(Keeping { sql, values, rest }) = Keeping::of(filter) else { return Ok(None) };
        let mut kept: BTreeMap<Kind, Kept> = BTreeMap::new();
        let rows = async |sql| self.rows(sql, values, |row| Ok((row.text()?, row.text()?, row.int()?))).await;
        for (what, key, n) in if sql.is_empty() { Vec::new() } else { rows(sql).await? } {
            let read = sums::read(&what, &key);
            let (part, alike) =
                read.ok_or_else(|| StoreError::Data(format!("a sum {what:?} {key:?} cannot be read")))?;
            if !filter.takes(&alike) {
                continue;
            }
            let sum = kept.entry((alike.mode, alike.currency, alike.fate)).or_default();
            match part {
                Part::Payments => sum.payments += n,
                Part::Amount => sum.amount += i128::from(n),
                Part::Vast => sum.vast += n,
            }
        }
        if kept.values().any(|sum| sum.vast > 0) {
            return Ok(None);
        }
        let mut totals: Vec<Total> = kept.into_iter().filter_map(|(kind, sum)| sum.total(kind)).collect();
        let rest = try_join_all(rest.iter().map(|filter| self.read_totals(filter, most))).await?;
        let are_all = rest.iter().all(|(_, is_complete)| *is_complete);
        rest.into_iter().flat_map(|(read, _)| read).for_each(|total| add(&mut totals, total));
        totals.iter_mut().for_each(|total| total.amount = total.amount.map(|amount| amount.normalize()));
        totals.sort_by_key(|total| (total.mode.code(), total.currency, total.fate.map(Fate::code)));
        Ok(Some((totals, are_all)))
    }

    /// The same, as far as it is read from so many payments.
    pub(in crate::store) async fn read_totals(
        &self,
        filter: &PaymentFilter,
        most: u32,
    ) -> Result<(Vec<Total>, bool), StoreError> {
        // An index leads to these from the newest on. Of what it leads to the rest of the filter takes some.
        let at = filter.time();
        let PaymentFilter { from, to, agent, code, .. } = filter.clone();
        let led_to = PaymentFilter { from, to, agent, code, ..PaymentFilter::default() };
        let (clause, values) = self.clause(&led_to, None, at, most);
        let [amount, currency] = ["amount", "currency"].map(|field| self.dialect().plain_field("call", field));
        // Equal amounts are counted by the database, and added up exactly here.
        let sql = format!(
            "SELECT mode, currency, fate, amount, business, COUNT(*) FROM (SELECT mode, {currency} AS currency, fate, \
             {amount} AS amount, business FROM deliveries {clause} ORDER BY {at} DESC, id DESC LIMIT {most}) p \
             GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3"
        );
        let mut totals: Vec<Total> = Vec::new();
        let mut all = 0;
        for (alike, amount, n) in self.rows(sql, values, sum).await? {
            all += n;
            if !filter.takes(&alike) {
                continue;
            }
            let Alike { mode, fate, currency, .. } = alike;
            let amount = Decimal::from(n).checked_mul(amount);
            add(&mut totals, Total { mode, currency, fate, payments: n, amount });
        }
        Ok((totals, all < u64::from(most) && self.has_fewer_facts(filter, most).await?))
    }

    /// That a payment's customer is among the newest for whom events brought the code of this parameter.
    pub(super) fn is_of_newest_customers(&self, parameter: &str, most: u32) -> String {
        let code = format!("lower({})", self.dialect().field("f.data", "code"));
        // The order is that of the index of codes; by an equation it would be that of any index by event.
        let events = format!(
            "SELECT f.business, f.email_key FROM facts f WHERE {code} >= {parameter} AND {code} <= {parameter} \
             AND f.speaks_for_related = 1 ORDER BY {code} DESC, f.event_id DESC LIMIT {most}"
        );
        let condition = "d.email_key = c.email_key AND d.business || '' = c.business";
        let found = self.dialect().for_each("c", ["d.id", "deliveries d", condition], None);
        let customers = format!("SELECT DISTINCT e.business, e.email_key FROM ({events}) e");
        self.dialect().is_among("id", &format!("WITH c (business, email_key) AS ({customers}) {found}"))
    }

    /// Whether a list goes through all payments that fit. Of a code that more events brought it has those of the newest.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn lists_all(&self, filter: &PaymentFilter) -> Result<bool, StoreError> {
        self.has_fewer_facts(filter, CODE_EVENTS_MAX).await
    }

    /// Whether fewer events than this brought the code that is asked for.
    async fn has_fewer_facts(&self, filter: &PaymentFilter, most: u32) -> Result<bool, StoreError> {
        let Some(code) = &filter.code else { return Ok(true) };
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT 1 AS one FROM facts f WHERE lower({}) = ?1 AND f.speaks_for_related = 1 \
             LIMIT {most}) c",
            self.dialect().field("f.data", "code")
        );
        let found = self.rows(sql, values![code.to_ascii_lowercase()], Row::int).await?.pop();
        Ok(found.unwrap_or(0) < i64::from(most))
    }
}

impl PaymentFilter {
    /// Whether payments that are alike in this are asked for.
    pub(super) fn takes(&self, alike: &Alike) -> bool {
        self.mode.is_none_or(|mode| mode == alike.mode)
            && (self.fates.is_empty() || alike.fate.is_some_and(|fate| self.fates.contains(&fate)))
            && self.business.as_ref().is_none_or(|business| *business == alike.business)
    }
}

/// Adds what some payments come to.
fn add(totals: &mut Vec<Total>, more: Total) {
    match totals.iter_mut().find(|t| (t.mode, t.currency, t.fate) == (more.mode, more.currency, more.fate)) {
        Some(total) => {
            total.payments += more.payments;
            total.amount = total.amount.zip(more.amount).and_then(|(a, b)| a.checked_add(b));
        }
        None => totals.push(more),
    }
}

fn sum(row: &mut Row) -> Result<(Alike, Decimal, u64), StoreError> {
    let wrong = |what: &str| StoreError::Data(format!("a payment's {what} cannot be read"));
    let mode = mode(&row.text()?)?;
    let currency = row.text()?.parse().map_err(|_| wrong("currency"))?;
    let fate = row.text_option()?.and_then(|code| Fate::parse(&code));
    let amount = row.text()?.parse().map_err(|_| wrong("amount"))?;
    let alike = Alike { mode, fate, currency, business: row.text()? };
    Ok((alike, amount, u64::try_from(row.int()?).map_err(|_| wrong("count"))?))
}
