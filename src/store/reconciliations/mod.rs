//! Reconciliations: what a provider lists, compared with what we have. Its lists are read as a backfill's are, and stand
//! apart until they are compared; then how each payment stands is kept, and what was listed goes.
//!
//! * `comparing`: the rows of some customers are read by the ledger beside what we have, and undone.
//! * `ours`: what we have of the time, and the provider does not list.
//! * `kept`: it is added up; of each endpoint and period the last result is kept.
//! * `standing`: what no later comparison has seen otherwise.

mod comparing;
mod kept;
mod ours;
mod standing;

use jiff::Timestamp;

pub use kept::Reconciliation;
pub use ours::Whose;
pub use standing::{STANDING_MAX, Standing};

use super::rows::time;
use super::sql::{Row, values};
use super::{Store, StoreError};
use crate::domain::backfill::{BackfillId, BackfillState, Purpose};
use crate::domain::reconciliation::{Compared, Comparison, Summary};

/// In the place of a comparison: another key of a payment.
const ALIAS: &str = "alias";
/// In the place of a comparison: a row that could not be read.
const UNREADABLE: &str = "unreadable";
/// Payments of one page.
pub const COMPARED_PAGE_MAX: u32 = 500;

/// Which compared payments; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct ComparedFilter {
    /// Standing so.
    pub comparison: Option<Comparison>,
    /// At most so many; [`COMPARED_PAGE_MAX`] in any case.
    pub limit: u32,
    /// Paid after this one: the `next` of the page before.
    pub after: Option<After>,
}

/// Where a page of compared payments begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// When the last one was paid, microseconds since 1970.
    pub at: i64,
    /// The key under which it is noted.
    pub subject_key: String,
}

impl Store {
    /// Payments as they were compared, those that were paid first; and where the next page begins.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn compared(
        &self,
        id: BackfillId,
        filter: &ComparedFilter,
    ) -> Result<(Vec<Compared>, Option<After>), StoreError> {
        let limit = filter.limit.clamp(1, COMPARED_PAGE_MAX);
        let After { at, subject_key } =
            filter.after.clone().unwrap_or(After { at: i64::MIN, subject_key: String::new() });
        let sql = format!(
            "SELECT at, subject_key, data FROM compared WHERE backfill = ?1 AND data IS NOT NULL \
             AND (at, subject_key) > (?2, ?3) AND (CAST(?4 AS TEXT) IS NULL OR comparison = ?4) \
             ORDER BY at, subject_key LIMIT {limit}"
        );
        let code = filter.comparison.map(Comparison::code);
        let rows = self.query(sql, values![id.0, at, subject_key, code]).await?;
        let is_full = rows.len() >= limit as usize;
        let (mut found, mut last) = (Vec::new(), None);
        for mut row in rows {
            last = Some(After { at: row.int()?, subject_key: row.text()? });
            found.push(serde_json::from_str(&row.text()?)?);
        }
        Ok((found, last.filter(|_| is_full)))
    }

    /// The kept results, the newest first; those of an endpoint, if one is given.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn reconciliations(&self, endpoint: Option<&str>) -> Result<Vec<Reconciliation>, StoreError> {
        let sql = format!(
            "SELECT {} FROM reconciliations WHERE CAST(?1 AS TEXT) IS NULL OR endpoint = ?1 \
             ORDER BY compared_at DESC, backfill DESC LIMIT {}",
            kept::COLUMNS,
            kept::SHOWN_MAX
        );
        self.query(sql, values![endpoint]).await?.into_iter().map(reconciliation).collect()
    }

    /// One kept result.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn reconciliation(&self, id: BackfillId) -> Result<Option<Reconciliation>, StoreError> {
        let sql = format!("SELECT {} FROM reconciliations WHERE backfill = ?1", kept::COLUMNS);
        self.query(sql, values![id.0]).await?.into_iter().next().map(reconciliation).transpose()
    }

    /// The last result of each endpoint.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn last_reconciliations(&self) -> Result<Vec<Reconciliation>, StoreError> {
        let sql = format!(
            "SELECT {} FROM reconciliations WHERE backfill IN (SELECT MAX(backfill) FROM reconciliations GROUP BY endpoint) \
             ORDER BY endpoint",
            kept::COLUMNS
        );
        self.query(sql, values![]).await?.into_iter().map(reconciliation).collect()
    }

    /// When an endpoint's last comparison was begun, and whether it is over.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn last_comparison(&self, endpoint: &str) -> Result<Option<(Timestamp, bool)>, StoreError> {
        let sql =
            "SELECT created_at, state FROM backfills WHERE endpoint = ?1 AND purpose = ?2 ORDER BY id DESC LIMIT 1";
        let row = self.query(sql.to_owned(), values![endpoint, Purpose::Compare.code()]).await?.into_iter().next();
        let last = row.map(|mut row| {
            let (at, state) = (time(row.int()?)?, row.text()?);
            Ok::<_, StoreError>((at, BackfillState::parse(&state).is_none_or(BackfillState::is_over)))
        });
        last.transpose()
    }
}

fn reconciliation(mut row: Row) -> Result<Reconciliation, StoreError> {
    let (id, endpoint) = (BackfillId(row.int()?), row.text()?);
    let (since, until, time_zone) = (time(row.int()?)?, time(row.int()?)?, row.text()?);
    let summary: Summary = serde_json::from_str(&row.text()?)?;
    Ok(Reconciliation { id, endpoint, since, until, time_zone, summary, compared_at: time(row.int()?)? })
}
