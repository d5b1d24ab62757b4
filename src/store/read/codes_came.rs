//! Whether visitors of the shop's site bring referral codes. A code that a backfill fetched was there before anybody pasted the
//! site's line, and says nothing about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::domain::event::Origin;
use crate::store::sql::{Row, values};
use crate::store::{Store, StoreError};

/// Facts that are looked at at a time. What is left is looked at next time.
const LOOKED_AT_MAX: i64 = 10_000;
/// So many of the last ones are looked at again: several processes may write facts in another order than that of their ids.
const AGAIN: i64 = 1000;

/// What this process has seen of it. Once a code came, that stays so.
#[derive(Clone, Default)]
pub(in crate::store) struct CodesCame(Arc<Seen>);

#[derive(Default)]
struct Seen {
    came: AtomicBool,
    /// The last event up to which there was none.
    looked_at: AtomicI64,
}

impl Store {
    /// Whether any event named a referral code that was no backfill's, as far as that was looked at.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(in crate::store) async fn code_came(&self) -> Result<bool, StoreError> {
        let Seen { came, looked_at } = &*self.codes_came.0;
        if came.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let (code, backfill) = (self.dialect().field("data", "code"), Origin::Backfill.code());
        let sql = format!(
            "SELECT MAX(f.event_id), MAX(CASE WHEN f.code > '' AND f.speaks = 1 AND e.origin <> '{backfill}' THEN 1 ELSE 0 END) \
             FROM (SELECT event_id, {code} AS code, speaks_for_related AS speaks FROM facts WHERE event_id > ?1 \
             ORDER BY event_id LIMIT {LOOKED_AT_MAX}) f JOIN events e ON e.id = f.event_id"
        );
        let after = looked_at.load(Ordering::Relaxed);
        let read = |row: &mut Row| Ok((row.int_option()?, row.int_option()?));
        let (last, found) = self.rows(sql, values![after], read).await?.pop().unwrap_or_default();
        if found == Some(1) {
            came.store(true, Ordering::Relaxed);
            return Ok(true);
        }
        if let Some(last) = last {
            looked_at.fetch_max(last - AGAIN, Ordering::Relaxed);
        }
        Ok(false)
    }
}
