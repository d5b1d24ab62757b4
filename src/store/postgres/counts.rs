//! What is counted, in PostgreSQL. A row that all writes of a kind change would have each wait for all others: what a
//! transaction changes is added as rows, and from time to time the rows are added up.

use super::Postgres;
use super::error::store_error;
use super::session::Session;
use crate::store::StoreError;
use crate::store::counts::Counts;
#[cfg(any(test, feature = "crash-points"))]
use crate::store::miscounted::{MISCOUNTED, SMALL_STORE_EVENTS, distrust};
#[cfg(any(test, feature = "crash-points"))]
use crate::store::sql::UNFINISHED_COPY;
use crate::store::sql::values;

/// Counts all anew: everybody who writes is waited for, and what they counted is seen together with what they wrote.
pub(super) const COUNT_ANEW: &str = "LOCK TABLE events, deliveries, count_changes, count_sums IN SHARE ROW EXCLUSIVE MODE; \
     DELETE FROM count_changes; DELETE FROM count_sums; \
     INSERT INTO count_sums (what, state, n) SELECT what, state, n FROM counted";

const ADD: &str =
    "INSERT INTO count_changes (what, state, n) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])";

/// Where another replica adds up, nothing is left for this one.
const ROLL_UP: &str = "WITH changes AS (DELETE FROM count_changes WHERE (SELECT pg_try_advisory_xact_lock(7230513498176002)) \
     RETURNING what, state, n) \
     INSERT INTO count_sums (what, state, n) \
     SELECT what, state, CAST(SUM(n) AS BIGINT) FROM changes GROUP BY what, state ORDER BY what, state \
     ON CONFLICT (what, state) DO UPDATE SET n = count_sums.n + excluded.n";

impl Session<'_> {
    /// Writes what was counted.
    pub(super) async fn count(&self, counts: &Counts) -> Result<(), StoreError> {
        let (mut what, mut states, mut by) = (Vec::new(), Vec::new(), Vec::new());
        for (of, state, n) in counts.rows() {
            what.push(of);
            states.push(state);
            by.push(n);
        }
        if !by.is_empty() {
            let statement = self.statements.prepare(&self.transaction, ADD).await?;
            self.transaction.execute(&statement, &[&what, &states, &by]).await.map_err(|e| store_error(&e))?;
        }
        Ok(())
    }
}

impl Postgres {
    /// Adds up the changes of the counts; one replica at a time.
    pub(in crate::store) async fn roll_up(&self) -> Result<(), StoreError> {
        self.query(ROLL_UP, values![]).await?;
        Ok(())
    }

    /// Compares the counts of a small store with what its tables have.
    #[cfg(any(test, feature = "crash-points"))]
    pub(super) async fn distrust(&self) -> Result<(), StoreError> {
        // A copy is counted when all of its rows are there.
        if crate::crash::distrusts() && !self.holds(UNFINISHED_COPY).await? {
            distrust(self.query(MISCOUNTED, values![SMALL_STORE_EVENTS]).await?)?;
        }
        Ok(())
    }
}
