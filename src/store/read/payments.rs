//! Payments by the time when they were paid, and what they add up to.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::domain::delivery::Fate;
use crate::domain::mode::Mode;
use crate::domain::money::Currency;
use crate::store::codes::is_payment;
use crate::store::read::conditions::Conditions;
use crate::store::read::queries::{DeliveryView, PAGE_ITEMS_MAX, delivery_view_columns};
use crate::store::rows::{micros, mode};
use crate::store::sql::{Row, Value, values};
use crate::store::{Store, StoreError};

/// Payments that are added up, the newest; of more the answer says so.
pub const ADDED_UP_MAX: u32 = 100_000;

/// Which payments; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct PaymentFilter {
    /// Paid at this time or later.
    pub from: Option<Timestamp>,
    /// Paid before this time.
    pub to: Option<Timestamp>,
    /// Crediting this agent.
    pub agent: Option<String>,
    /// Of a customer for whom an event brought this code, in either case.
    pub code: Option<String>,
    /// Real money or tests.
    pub mode: Option<Mode>,
    /// What became of them.
    pub fate: Option<Fate>,
    /// Of this business.
    pub business: Option<String>,
    /// At most so many; [`PAGE_ITEMS_MAX`] in any case.
    pub limit: u32,
    /// Paid before this one: the `next` of the page before.
    pub after: Option<i64>,
}

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

impl Store {
    /// Payments, those that were paid last first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn payments(&self, filter: &PaymentFilter) -> Result<Vec<DeliveryView>, StoreError> {
        let (limit, (clause, values)) = (filter.limit.clamp(1, PAGE_ITEMS_MAX), self.clause(filter, filter.after));
        let sql = format!(
            "SELECT {} FROM deliveries {clause} ORDER BY at DESC, id DESC LIMIT {limit}",
            delivery_view_columns()
        );
        let mut views = self.deliveries_seen(sql, values).await?;
        let names = self.names(&views).await?;
        for view in &mut views {
            view.name = names.get(&(view.business.clone(), view.delivery.call.email().key())).cloned();
        }
        Ok(views)
    }

    /// The names of these payments' customers, as the last event has them that names one.
    async fn names(&self, views: &[DeliveryView]) -> Result<HashMap<(String, String), String>, StoreError> {
        let customers: BTreeSet<(&str, String)> =
            views.iter().map(|view| (view.business.as_str(), view.delivery.call.email().key())).collect();
        let (name, pairs) = (self.dialect().field("f.data", "name"), self.dialect().pairs("?1"));
        let sql = format!(
            "SELECT f.business, f.email_key, {name} FROM facts f WHERE (f.business, f.email_key) IN ({pairs}) \
             AND {name} IS NOT NULL ORDER BY f.event_id"
        );
        let customers = serde_json::to_string(&customers)?;
        let names = self.rows(sql, values![customers], |row| Ok(((row.text()?, row.text()?), row.text()?))).await?;
        Ok(names.into_iter().collect())
    }

    /// What all of them add up to, by mode, currency and fate, and whether these are all.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn totals(&self, filter: &PaymentFilter) -> Result<(Vec<Total>, bool), StoreError> {
        let (clause, values) = self.clause(filter, None);
        let (amount, currency) = (self.dialect().field("call", "amount"), self.dialect().field("call", "currency"));
        // Equal amounts are counted by the database, and added up exactly here.
        let sql = format!(
            "SELECT mode, currency, fate, amount, COUNT(*) FROM (SELECT mode, {currency} AS currency, fate, \
             {amount} AS amount FROM deliveries {clause} ORDER BY at DESC, id DESC LIMIT {ADDED_UP_MAX}) p \
             GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3"
        );
        let mut totals: Vec<Total> = Vec::new();
        let mut all = 0;
        for (mode, currency, fate, amount, n) in self.rows(sql, values, sum).await? {
            all += n;
            let sum = Decimal::from(n).checked_mul(amount);
            match totals.iter_mut().find(|t| (t.mode, t.currency, t.fate) == (mode, currency, fate)) {
                Some(total) => {
                    total.payments += n;
                    total.amount = total.amount.zip(sum).and_then(|(a, b)| a.checked_add(b));
                }
                None => totals.push(Total { mode, currency, fate, payments: n, amount: sum }),
            }
        }
        Ok((totals, all < u64::from(ADDED_UP_MAX)))
    }

    fn clause(&self, filter: &PaymentFilter, after: Option<i64>) -> (String, Vec<Value>) {
        let code = filter.code.as_ref().map(|code| code.to_ascii_lowercase());
        let agent = format!("{} =", self.dialect().field("receipt", "agentId"));
        // A column in an expression leads nowhere: payments of some time are found by the time.
        let of_time = filter.from.is_some() || filter.to.is_some();
        let fate = if of_time { "fate || '' =" } else { "fate =" };
        // Where a page begins tells nothing of another business's payment.
        let of_business = if filter.business.is_some() { " AND d.business = deliveries.business" } else { "" };
        let mut conditions = Conditions::default()
            .and("at >=", filter.from.map(micros))
            .and("at <", filter.to.map(micros))
            .and(&agent, filter.agent.clone())
            .and("mode || '' =", filter.mode.map(Mode::code))
            .and(fate, filter.fate.map(Fate::code))
            .and("business || '' =", filter.business.clone())
            .and_whole(
                &format!(
                    "(business, email_key) IN (SELECT f.business, f.email_key FROM facts f \
                     WHERE lower({}) = {{}} AND f.speaks_for_related = 1)",
                    self.dialect().field("f.data", "code")
                ),
                code,
            )
            .and_whole(
                &format!("(at, id) < (SELECT d.at, d.id FROM deliveries d WHERE d.id = {{}}{of_business})"),
                after,
            )
            .and_always(&is_payment(""));
        if filter.agent.is_some() {
            conditions = conditions.and_always("receipt IS NOT NULL");
        }
        (conditions.clause(), conditions.values)
    }
}

fn sum(row: &mut Row) -> Result<(Mode, Currency, Option<Fate>, Decimal, u64), StoreError> {
    let wrong = |what: &str| StoreError::Data(format!("a payment's {what} cannot be read"));
    let mode = mode(&row.text()?)?;
    let currency = row.text()?.parse().map_err(|_| wrong("currency"))?;
    let fate = row.text_option()?.and_then(|code| Fate::parse(&code));
    let amount = row.text()?.parse().map_err(|_| wrong("amount"))?;
    Ok((mode, currency, fate, amount, u64::try_from(row.int()?).map_err(|_| wrong("count"))?))
}
