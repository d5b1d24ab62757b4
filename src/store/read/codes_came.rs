//! Whether visitors of the shop's site bring referral codes. A code that a backfill fetched was there before anybody pasted the
//! site's line, and says nothing about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::domain::event::Origin;
use crate::store::sql::values;
use crate::store::{Store, StoreError};

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
        // The index by code has the codes: no fact is read for it.
        let (code, backfill) = (self.dialect().field("f.data", "code"), Origin::Backfill.code());
        let sql = format!(
            "SELECT (SELECT MAX(event_id) FROM facts), EXISTS (SELECT 1 FROM facts f JOIN events e ON e.id = f.event_id \
             WHERE lower({code}) > '' AND f.speaks_for_related = 1 AND f.event_id > ?1 AND e.origin <> '{backfill}')"
        );
        let after = looked_at.load(Ordering::Relaxed);
        let (last, found) =
            self.rows(sql, values![after], |row| Ok((row.int_option()?, row.flag()?))).await?.pop().unwrap_or_default();
        if found {
            came.store(true, Ordering::Relaxed);
        } else if let Some(last) = last {
            looked_at.fetch_max(last - AGAIN, Ordering::Relaxed);
        }
        Ok(found)
    }
}
