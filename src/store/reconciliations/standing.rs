//! What still stands otherwise at a provider: found by a comparison, and no later one has looked there again.

use super::Reconciliation;
use crate::domain::reconciliation::{Compared, Comparison};
use crate::store::sql::values;
use crate::store::{Store, StoreError};

/// Differences of which each is told; of more only that they are more.
pub const STANDING_MAX: usize = 1000;

/// That no later comparison of the endpoint has seen the time of a payment. One that was paid outside the period was
/// found by something else of it, which only a comparison of the whole period sees.
const UNSEEN_SINCE: &str = "NOT EXISTS (SELECT 1 FROM reconciliations n WHERE n.endpoint = r.endpoint \
     AND n.backfill > r.backfill AND (n.since <= r.since AND n.until >= r.until \
     OR c.at >= r.since AND c.at <= r.until AND n.since <= c.at AND n.until >= c.at))";

/// A payment that stands otherwise at its provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The endpoint whose provider was asked.
    pub endpoint: String,
    /// How it stands.
    pub compared: Compared,
}

impl Store {
    /// The payments that stand otherwise, but for those that are held, which need a person as calls; nothing if there are
    /// more than are told.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn standing_differences(&self) -> Result<Option<Vec<Standing>>, StoreError> {
        let told = Comparison::ALL.iter().filter(|c| c.needs_a_person() && **c != Comparison::Held);
        let told = told.map(|comparison| format!("'{}'", comparison.code())).collect::<Vec<_>>().join(", ");
        let most = STANDING_MAX + 1;
        let sql = format!(
            "SELECT r.endpoint, c.data FROM reconciliations r JOIN compared c ON c.backfill = r.backfill \
             WHERE r.to_see > 0 AND c.comparison IN ({told}) AND c.data IS NOT NULL AND {UNSEEN_SINCE} LIMIT {most}"
        );
        let found = self
            .rows(sql, values![], |row| {
                let endpoint = row.text()?;
                Ok(Standing { endpoint, compared: serde_json::from_str(&row.text()?)? })
            })
            .await?;
        Ok((found.len() <= STANDING_MAX).then_some(found))
    }

    /// The results with rows that could not be read, of periods that no later comparison has seen whole.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn standing_unreadable(&self) -> Result<Vec<Reconciliation>, StoreError> {
        let columns = super::kept::COLUMNS;
        let sql = format!(
            "SELECT {columns} FROM reconciliations r WHERE r.to_see > 0 AND NOT EXISTS (SELECT 1 FROM reconciliations n \
             WHERE n.endpoint = r.endpoint AND n.backfill > r.backfill AND n.since <= r.since AND n.until >= r.until)"
        );
        let found: Result<Vec<_>, _> =
            self.query(sql, values![]).await?.into_iter().map(super::reconciliation).collect();
        Ok(found?.into_iter().filter(|kept| kept.summary.unreadable > 0).collect())
    }
}
