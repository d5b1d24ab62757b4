//! Payments by the time when they were paid.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::domain::delivery::Fate;
use crate::domain::mode::Mode;
use crate::store::codes::{is_payment, tells_payment};
use crate::store::read::conditions::Conditions;
use crate::store::read::queries::{
    DeliveryView, PAGE_ITEMS_MAX, delivery_line_columns, delivery_view, delivery_view_columns,
};
use crate::store::rows::micros;
use crate::store::sql::{Dialect, Value, values};
use crate::store::{Store, StoreError};

/// Events that brought a code, the newest: a list of its payments has those of their customers.
pub const CODE_EVENTS_MAX: u32 = 2000;

/// Which payments; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct PaymentFilter {
    /// Paid at this time or later.
    pub from: Option<Timestamp>,
    /// Paid before this time.
    pub to: Option<Timestamp>,
    /// Crediting this agent.
    pub agent: Option<String>,
    /// Of a customer for whom an event brought this code, in either case; see [`CODE_EVENTS_MAX`].
    pub code: Option<String>,
    /// Real money or tests.
    pub mode: Option<Mode>,
    /// What became of them: one of these, or anything where none is given.
    pub fates: Vec<Fate>,
    /// Of this business.
    pub business: Option<String>,
    /// At most so many; [`PAGE_ITEMS_MAX`] in any case.
    pub limit: u32,
    /// Paid before this one: the `next` of the page before.
    pub after: Option<i64>,
}

impl PaymentFilter {
    /// When a payment was paid, as a statement names it. A column in an expression leads nowhere: the customers of a code are
    /// few among all who pay.
    pub(super) const fn time(&self) -> &'static str {
        if self.code.is_some() { "at + 0" } else { "at" }
    }
}

impl Store {
    /// Payments, those that were paid last first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn payments(&self, filter: &PaymentFilter) -> Result<Vec<DeliveryView>, StoreError> {
        let (sql, values) = self.newest_payments(filter, &delivery_view_columns()).await?;
        let mut views = self.deliveries_seen(sql, values).await?;
        let names = self.names(&views).await?;
        for view in &mut views {
            view.name = names.get(&(view.business.clone(), view.delivery.call.email().key())).cloned();
        }
        Ok(views)
    }

    /// The same for a page, which shows a line of each: the customer's code is beside it, and no name, endpoint or event.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn payment_lines(&self, filter: &PaymentFilter) -> Result<Vec<DeliveryView>, StoreError> {
        let (sql, values) = self.newest_payments(filter, &delivery_line_columns()).await?;
        self.rows(sql, values, delivery_view).await
    }

    /// The statement that gives these columns of payments.
    async fn newest_payments(&self, filter: &PaymentFilter, columns: &str) -> Result<(String, Vec<Value>), StoreError> {
        let limit = filter.limit.clamp(1, PAGE_ITEMS_MAX);
        let times = self.times_of(filter, limit).await?;
        // What is found by its times is not looked for in all of the month.
        let at = if times.is_some() { "at + 0" } else { filter.time() };
        let (mut clause, mut values) = self.clause(filter, filter.after, at, CODE_EVENTS_MAX);
        if let Some(times) = times {
            let first = values.len() + 1;
            let (oldest, others) = times.split_first().unwrap_or((&NEVER, &[]));
            let (newest, others) = others.split_last().unwrap_or((&NEVER, &[]));
            values.extend(values![serde_json::to_string(others)?, oldest[0], oldest[1], newest[0], newest[1]]);
            clause = format!("WHERE {}", paid_in(self.dialect(), first, &clause, limit));
        }
        let sql = format!("SELECT {columns} FROM deliveries {clause} ORDER BY {at} DESC, id DESC LIMIT {limit}");
        Ok((sql, values))
    }

    /// The names of these payments' customers, as the last event has them that names one.
    async fn names(&self, views: &[DeliveryView]) -> Result<HashMap<(String, String), String>, StoreError> {
        let customers: BTreeSet<(&str, String)> =
            views.iter().map(|view| (view.business.as_str(), view.delivery.call.email().key())).collect();
        let name = self.dialect().field("f.data", "name");
        let columns = format!("f.business, f.email_key, f.event_id, {name}");
        let condition = "f.business = c.business AND f.email_key = c.email_key";
        let sql = format!(
            "WITH c (business, email_key) AS ({}), named (business, email_key, event_id, name) AS ({}) \
             SELECT business, email_key, name FROM named WHERE name IS NOT NULL ORDER BY event_id + 0",
            self.dialect().pairs("?1"),
            self.dialect().for_each("c", [&columns, "facts f", condition], None)
        );
        let customers = serde_json::to_string(&customers)?;
        let names = self.rows(sql, values![customers], |row| Ok(((row.text()?, row.text()?), row.text()?))).await?;
        Ok(names.into_iter().collect())
    }

    /// Of a code the customers of so many events are followed.
    pub(super) fn clause(
        &self,
        filter: &PaymentFilter,
        after: Option<i64>,
        at: &str,
        code_events: u32,
    ) -> (String, Vec<Value>) {
        let code = filter.code.as_ref().map(|code| code.to_ascii_lowercase());
        let agent = format!("{} =", self.dialect().field("receipt", "agentId"));
        // A column in an expression leads nowhere: payments are found by the time.
        // Where a page begins tells nothing of another business's payment.
        let of_business = if filter.business.is_some() { " AND d.business = deliveries.business" } else { "" };
        // A later page begins at its first payment, not at the end of the time.
        let end = if after.is_some() { "at + 0" } else { at };
        let mut conditions = Conditions::default()
            .and(&format!("{at} >="), filter.from.map(micros))
            .and(&format!("{end} <"), filter.to.map(micros))
            .and(&agent, filter.agent.clone())
            .and("mode || '' =", filter.mode.map(Mode::code))
            .and("business || '' =", filter.business.clone())
            .and_whole(&self.is_of_newest_customers("{}", code_events), code)
            // With an equation PostgreSQL may go through an index that has the id behind other columns.
            .and_whole(
                &format!(
                    "({at}, id) < (SELECT d.at, d.id FROM deliveries d WHERE d.id >= {{}} AND d.id <= {{}}{of_business} \
                     ORDER BY d.id LIMIT 1)"
                ),
                after,
            )
            .and_always(&if filter.code.is_some() { tells_payment("") } else { is_payment("") });
        if !filter.fates.is_empty() {
            let codes = filter.fates.iter().map(|fate| format!("'{}'", fate.code())).collect::<Vec<_>>();
            conditions = conditions.and_always(&format!("fate || '' IN ({})", codes.join(", ")));
        }
        if filter.agent.is_some() {
            conditions = conditions.and_always("receipt IS NOT NULL");
        }
        (conditions.clause(), conditions.values)
    }
}

/// A time without a moment.
const NEVER: [i64; 2] = [0, -1];

/// The condition that a payment fulfils this clause, and is of one of the times that the parameter `first` has, a JSON list of pairs,
/// or among the newest of the time between the next two, or of that between the two after them. The times of the list have few
/// that are asked for. The oldest of all, and the newest, in which a page may begin, may have any number.
fn paid_in(dialect: Dialect, first: usize, clause: &str, limit: u32) -> String {
    let within = "at >= CAST(t.first AS BIGINT) AND at <= CAST(t.last AS BIGINT)";
    let condition = clause.replacen("WHERE", &format!("{within} AND"), 1);
    let found = dialect.for_each("t", ["deliveries.id", "deliveries", &condition], None);
    let times = dialect.pairs(&format!("?{first}"));
    let newest_between = |begin: usize| {
        let clause = clause.replacen("WHERE", &format!("WHERE at >= ?{begin} AND at <= ?{} AND", begin + 1), 1);
        format!("SELECT id FROM (SELECT id FROM deliveries {clause} ORDER BY at DESC, id DESC LIMIT {limit}) newest")
    };
    let ends = [first + 1, first + 3].map(newest_between).join(" UNION ALL ");
    dialect.is_among("id", &format!("WITH t (first, last) AS ({times}) {found} UNION ALL {ends}"))
}
