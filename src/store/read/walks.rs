//! Lists that look at one row after the other for what is asked for, because no index leads to it. A page looks at so many, and
//! says where the next one goes on, though it may have found nothing.

use crate::store::sql::{Row, values};
use crate::store::{Store, StoreError};

/// Rows that a page of such a list looks at.
pub const WALKED_MAX: i64 = 10_000;

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, the newest first.
    pub items: Vec<T>,
    /// The `after` of the next page; nothing on the last one.
    pub next: Option<i64>,
}

impl<T> Page<T> {
    /// What was found of so many at most, down to this number.
    pub(super) fn of(items: Vec<T>, limit: u32, down_to: Option<i64>, number: impl Fn(&T) -> Option<i64>) -> Self {
        let is_full = items.len() >= limit as usize;
        let next = if is_full { items.last().and_then(number) } else { down_to.filter(|first| *first > 1) };
        Self { items, next }
    }
}

impl Store {
    /// The lowest number that a page comes to which looks at each row of this table below `after`.
    pub(super) async fn down_to(&self, table: &str, after: Option<i64>) -> Result<i64, StoreError> {
        let newest = self.rows(format!("SELECT MAX(id) FROM {table}"), values![], Row::int_option).await?.pop();
        let end = newest.flatten().unwrap_or(0).saturating_add(1);
        Ok(after.map_or(end, |after| after.min(end)).saturating_sub(WALKED_MAX))
    }
}
