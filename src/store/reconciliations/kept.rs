//! What comparing came to: added up, and kept. Of each endpoint and period the last result stays.

use jiff::Timestamp;

use super::{ALIAS, After, COMPARED_PAGE_MAX, ComparedFilter, UNREADABLE};
use crate::domain::backfill::{BackfillId, BackfillState, Purpose};
use crate::domain::reconciliation::{Comparison, Summary};
use crate::store::rows::micros;
use crate::store::sql::{Db, Work, first, values};
use crate::store::{Backfill, Store, StoreError};

/// Results of an endpoint that are kept, the newest.
const KEPT_MAX: u32 = 50;
/// Payments of one result that are kept: of more, only those that a person has to look at ...
const PAYMENTS_KEPT_MAX: u64 = 10_000;
/// ... and of these no more than this. All are counted.
const TO_SEE_KEPT_MAX: u64 = 10_000;
/// Results that are listed.
pub(super) const SHOWN_MAX: u32 = 200;

pub(super) const COLUMNS: &str = "backfill, endpoint, since, until, time_zone, summary, compared_at";

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// The number that it got when it was begun.
    pub id: BackfillId,
    /// The endpoint whose provider was asked.
    pub endpoint: String,
    /// Payments that were made at this time or later.
    pub since: Timestamp,
    /// Payments that were made at this time or before.
    pub until: Timestamp,
    /// The zone in whose days payments are dated.
    pub time_zone: String,
    /// How they stand.
    pub summary: Summary,
    /// When all were compared.
    pub compared_at: Timestamp,
}

impl Store {
    /// Adds up how the payments stand, and keeps it; then the comparison is done. Gives what it came to.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn keep_reconciliation(
        &self,
        backfill: &Backfill,
        time_zone: &str,
        now: Timestamp,
    ) -> Result<Summary, StoreError> {
        let (mut summary, mut count, mut to_see, mut end) = (Summary::default(), 0_u64, 0_u64, None);
        let mut filter = ComparedFilter { comparison: None, limit: COMPARED_PAGE_MAX, after: None };
        loop {
            let (page, next) = self.compared(backfill.id, &filter).await?;
            for compared in &page {
                summary.add(compared);
                count += 1;
                to_see += u64::from(compared.comparison.needs_a_person());
            }
            if to_see >= TO_SEE_KEPT_MAX && end.is_none() {
                end.clone_from(&next);
            }
            filter.after = next;
            if filter.after.is_none() {
                break;
            }
        }
        let sql = "SELECT COUNT(*) FROM compared WHERE backfill = ?1 AND comparison = ?2".to_owned();
        let row = self.query(sql, values![backfill.id.0, UNREADABLE]).await?.into_iter().next();
        let unreadable = row.map(|mut row| row.int()).transpose()?.unwrap_or(0);
        summary.unreadable = u64::try_from(unreadable).unwrap_or(0);
        let only_to_see = count > PAYMENTS_KEPT_MAX;
        summary.complete = !only_to_see;
        let keep = Keep {
            backfill: backfill.clone(),
            time_zone: time_zone.to_owned(),
            summary: summary.clone(),
            only_to_see,
            end: end.filter(|_| only_to_see),
            now,
        };
        self.write(keep).await?;
        Ok(summary)
    }

    /// Removes the payments of a comparison that has no result, or none any more; gives whether there was one. When there is
    /// none, what is left of earlier comparisons without a result goes, too.
    ///
    /// # Errors
    /// The store failed.
    pub async fn clear_unfinished_comparison(&self) -> Result<bool, StoreError> {
        self.write(ClearUnfinished).await
    }
}

struct Keep {
    backfill: Backfill,
    time_zone: String,
    summary: Summary,
    only_to_see: bool,
    /// The last payment that is kept.
    end: Option<After>,
    now: Timestamp,
}

impl Work for Keep {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let Backfill { id, endpoint, since, until, .. } = &self.backfill;
        let sql = "UPDATE backfills SET state = ?3, changed_at = ?4 WHERE id = ?1 AND state = ?2";
        let [from, to] = [BackfillState::Weighing, BackfillState::Done].map(BackfillState::code);
        if db.execute(sql, values![id.0, from, to, micros(self.now)]).await? == 0 {
            return Ok(());
        }
        // Keys without a payment have said what they had to say.
        let sql = "DELETE FROM compared WHERE backfill = ?1 AND comparison IN (?2, ?3)";
        db.execute(sql, values![id.0, ALIAS, UNREADABLE]).await?;
        if self.only_to_see {
            let alike = Comparison::ALL.iter().filter(|comparison| !comparison.needs_a_person());
            let alike = alike.map(|comparison| format!("'{}'", comparison.code())).collect::<Vec<_>>().join(", ");
            db.execute(&format!("DELETE FROM compared WHERE backfill = ?1 AND comparison IN ({alike})"), values![id.0])
                .await?;
        }
        if let Some(After { at, subject_key }) = &self.end {
            let sql = "DELETE FROM compared WHERE backfill = ?1 AND (at, subject_key) > (?2, ?3)";
            db.execute(sql, values![id.0, *at, subject_key]).await?;
        }
        let to_see = i64::try_from(self.summary.to_see()).unwrap_or(i64::MAX);
        let sql = "INSERT INTO reconciliations (backfill, endpoint, since, until, time_zone, summary, to_see, compared_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let summary = serde_json::to_string(&self.summary)?;
        let (since, until, now) = (micros(*since), micros(*until), micros(self.now));
        db.execute(sql, values![id.0, endpoint, since, until, &self.time_zone, summary, to_see, now]).await?;
        let sql = format!(
            "SELECT backfill FROM reconciliations WHERE endpoint = ?1 AND backfill <> ?2 AND (since = ?3 AND until = ?4 \
             OR backfill NOT IN (SELECT backfill FROM reconciliations WHERE endpoint = ?1 ORDER BY backfill DESC LIMIT {KEPT_MAX}))"
        );
        for mut row in db.query(&sql, values![endpoint, id.0, since, until]).await? {
            forget(db, row.int()?).await?;
        }
        Ok(())
    }
}

/// Removes a result, with what is left of its comparison.
async fn forget<D: Db>(db: &D, id: i64) -> Result<(), StoreError> {
    db.execute("DELETE FROM compared WHERE backfill = ?1", values![id]).await?;
    db.execute("DELETE FROM reconciliations WHERE backfill = ?1", values![id]).await?;
    Ok(())
}

struct ClearUnfinished;

impl Work for ClearUnfinished {
    type Answer = bool;

    async fn run<D: Db>(&self, db: &D) -> Result<bool, StoreError> {
        let over = BackfillState::ALL.iter().filter(|state| state.is_over());
        let over = over.map(|state| format!("'{}'", state.code())).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT b.id FROM backfills b WHERE b.purpose = ?1 AND b.state IN ({over}) \
             AND NOT EXISTS (SELECT 1 FROM reconciliations r WHERE r.backfill = b.id) \
             AND EXISTS (SELECT 1 FROM compared c WHERE c.backfill = b.id) LIMIT 1"
        );
        if let Some(mut row) = first(db, &sql, values![Purpose::Compare.code()]).await? {
            db.execute("DELETE FROM compared WHERE backfill = ?1", values![row.int()?]).await?;
            return Ok(true);
        }
        // Why the last one came to nothing stays to be read.
        let sql = format!(
            "DELETE FROM backfills WHERE purpose = ?1 AND state IN ({over}) \
             AND NOT EXISTS (SELECT 1 FROM reconciliations r WHERE r.backfill = backfills.id) \
             AND NOT EXISTS (SELECT 1 FROM listed l WHERE l.backfill = backfills.id) \
             AND EXISTS (SELECT 1 FROM backfills n WHERE n.endpoint = backfills.endpoint AND n.purpose = ?1 \
             AND n.id > backfills.id)"
        );
        db.execute(&sql, values![Purpose::Compare.code()]).await?;
        Ok(false)
    }
}
