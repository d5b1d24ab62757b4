//! Customers in a list, the newest first, and what was told of several at once.

use crate::domain::customer::CustomerKey;
use crate::domain::event::EventId;
use crate::store::codes::tells_payment;
use crate::store::read::conditions::Conditions;
use crate::store::read::queries::{DeliveryView, PAGE_ITEMS_MAX, delivery_view, delivery_view_columns};
use crate::store::sql::values;
use crate::store::{Store, StoreError};

/// Calls that are read for a list of customers or events.
const CALLS_OF_A_LIST_MAX: u32 = 2000;

impl Store {
    /// Customers, of this business or of all, the one that became known last first, after the one of this number; each with
    /// its own number.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn customers(
        &self,
        business: Option<String>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(i64, CustomerKey)>, StoreError> {
        let limit = limit.clamp(1, PAGE_ITEMS_MAX);
        let conditions = Conditions::default().and("id <", after).and("business || '' =", business);
        let clause = conditions.clause();
        let sql = format!("SELECT id, business, email_key FROM customers {clause} ORDER BY id DESC LIMIT {limit}");
        let read = |row: &mut crate::store::sql::Row| {
            Ok((row.int()?, CustomerKey { business: row.text()?, email_key: row.text()? }))
        };
        self.rows(sql, conditions.values, read).await
    }

    /// The payments of these customers, in no order: no more than are read for a list.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn payments_of_customers(&self, customers: &[CustomerKey]) -> Result<Vec<DeliveryView>, StoreError> {
        let pairs: Vec<[&str; 2]> = customers.iter().map(|key| [key.business.as_str(), &key.email_key]).collect();
        let condition =
            format!("d.email_key = c.email_key AND d.business || '' = c.business AND {}", tells_payment("d."));
        let found = self.dialect().for_each("c", ["d.id", "deliveries d", &condition], Some(CALLS_OF_A_LIST_MAX));
        let sql = format!(
            "WITH c (business, email_key) AS ({}) SELECT {} FROM deliveries WHERE {}",
            self.dialect().pairs("?1"),
            delivery_view_columns(),
            self.dialect().is_among("id", &found)
        );
        self.rows(sql, values![serde_json::to_string(&pairs)?], delivery_view).await
    }

    /// The calls that these events led to, in no order: no more than are read for a list.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn calls_of_events(&self, events: &[EventId]) -> Result<Vec<DeliveryView>, StoreError> {
        let numbers: Vec<i64> = events.iter().map(|event| event.0).collect();
        let sql = format!(
            "SELECT {} FROM deliveries WHERE {} LIMIT {CALLS_OF_A_LIST_MAX}",
            delivery_view_columns(),
            self.dialect().is_among("event_id", &self.dialect().numbers("?1"))
        );
        self.rows(sql, values![serde_json::to_string(&numbers)?], delivery_view).await
    }
}
