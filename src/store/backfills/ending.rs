//! What nobody needs any more: lists that nobody has answered, and what ended backfills have listed.

use jiff::Timestamp;

use super::over;
use crate::domain::backfill::BackfillState;
use crate::store::rows::micros;
use crate::store::sql::{Db, Work, values};
use crate::store::{Store, StoreError};

/// Rows of ended backfills that are removed in one write.
const CLEARED_MAX: u32 = 1000;

impl Store {
    /// Ends backfills of which nobody has said by `before` whether they will be recorded.
    ///
    /// # Errors
    /// The store failed.
    pub async fn discard_unanswered(&self, before: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        self.write(DiscardUnanswered { before, now }).await
    }

    /// Removes a part of what ended backfills have listed; gives whether there may be more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn clear_backfills(&self) -> Result<bool, StoreError> {
        self.write(Clear).await
    }
}

struct DiscardUnanswered {
    before: Timestamp,
    now: Timestamp,
}

impl Work for DiscardUnanswered {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let sql = "UPDATE backfills SET state = ?1, note = ?2, changed_at = ?4 WHERE state = ?3 AND changed_at <= ?5";
        let note = "nobody said whether it is to be recorded";
        let [from, to] = [BackfillState::Ready, BackfillState::Discarded].map(BackfillState::code);
        db.execute(sql, values![to, note, from, micros(self.now), micros(self.before)]).await?;
        Ok(())
    }
}

struct Clear;

impl Work for Clear {
    type Answer = bool;

    async fn run<D: Db>(&self, db: &D) -> Result<bool, StoreError> {
        let over = over();
        let sql = format!(
            "SELECT l.id FROM backfills b JOIN listed l ON l.backfill = b.id WHERE b.state IN ({over}) LIMIT {CLEARED_MAX}"
        );
        let ids =
            db.query(&sql, values![]).await?.into_iter().map(|mut row| row.int()).collect::<Result<Vec<_>, _>>()?;
        remove(db, &ids).await?;
        Ok(ids.len() >= CLEARED_MAX as usize)
    }
}

/// Removes rows that were listed.
pub(super) async fn remove<D: Db>(db: &D, listed: &[i64]) -> Result<(), StoreError> {
    if listed.is_empty() {
        return Ok(());
    }
    let (ids, numbers) = (serde_json::to_string(listed)?, D::DIALECT.numbers("?1"));
    db.execute(&format!("DELETE FROM listed_ids WHERE listed IN ({numbers})"), values![&ids]).await?;
    db.execute(&format!("DELETE FROM listed WHERE id IN ({numbers})"), values![&ids]).await?;
    Ok(())
}
