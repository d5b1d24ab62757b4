//! What was listed becomes events: customers, then what was taken back, then payments in the order in which they were paid,
//! then how subscriptions stand.

use jiff::Timestamp;

use super::ending::remove;
use super::grouping::{body, identity};
use crate::domain::backfill::{BackfillId, BackfillState};
use crate::domain::event::{NewEvent, Origin};
use crate::domain::provider::ProviderKind;
use crate::store::inbox::record::insert;
use crate::store::rows::micros;
use crate::store::sql::{Db, Work, first, values};
use crate::store::{Store, StoreError};

/// Rows that become events in one write.
const RECORDED_MAX: u32 = 100;

impl Store {
    /// Records the next rows of a backfill, as events of this endpoint and business; gives how many there were. A row that
    /// was recorded otherwise meanwhile is known. When none is left the backfill is done.
    ///
    /// # Errors
    /// Nothing was recorded.
    pub async fn record_listed(
        &self,
        id: BackfillId,
        provider: ProviderKind,
        business: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.write(RecordListed { id, provider, business: business.to_owned(), now }).await
    }
}

struct RecordListed {
    id: BackfillId,
    provider: ProviderKind,
    business: String,
    now: Timestamp,
}

impl Work for RecordListed {
    type Answer = usize;

    async fn run<D: Db>(&self, db: &D) -> Result<usize, StoreError> {
        let taken = D::DIALECT.take_rows("backfills");
        let sql = format!("SELECT endpoint FROM backfills WHERE id = ?1 AND state = ?2 {taken}");
        let recording = BackfillState::Recording.code();
        let Some(mut row) = first(db, &sql, values![self.id.0, recording]).await? else { return Ok(0) };
        let endpoint = row.text()?;
        let sql = "SELECT id, dedup_key, provider_event_id, type, snapshot_event, body FROM listed \
             WHERE backfill = ?1 ORDER BY stage, at, id LIMIT ?2";
        let (mut ids, mut recorded) = (Vec::new(), 0_i64);
        for mut row in db.query(sql, values![self.id.0, RECORDED_MAX]).await? {
            ids.push(row.int()?);
            let event = NewEvent {
                origin: Origin::Backfill,
                endpoint: endpoint.clone(),
                provider: self.provider,
                business: self.business.clone(),
                identity: identity(&mut row)?,
                body_zstd: body(&mut row)?,
                received_at: self.now,
            };
            if insert(db, &event).await?.is_some() {
                recorded += 1;
            }
        }
        remove(db, &ids).await?;
        let state = if ids.is_empty() { BackfillState::Done } else { BackfillState::Recording };
        let sql = "UPDATE backfills SET state = ?2, recorded = recorded + ?3, changed_at = ?4 WHERE id = ?1";
        db.execute(sql, values![self.id.0, state.code(), recorded, micros(self.now)]).await?;
        Ok(ids.len())
    }
}
