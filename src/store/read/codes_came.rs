//! Whether visitors of the shop's site bring referral codes. A code that a backfill fetched was there before anybody pasted the
//! site's line, and says nothing about it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::event::Origin;
use crate::store::sql::values;
use crate::store::{Store, StoreError};

/// So many of the last ones are looked at again: several processes may write facts in another order than that of their ids.
const AGAIN: i64 = 1000;
/// How often all of them are looked at: an old event may bring a code when it is read again, by whichever process.
const ALL_AGAIN_EVERY: Duration = Duration::from_secs(60);

/// What this process has seen of it. Once a code came, that stays so.
#[derive(Clone, Default)]
pub(in crate::store) struct CodesCame(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    came: bool,
    /// The last event up to which there was none when it was looked at.
    looked_at: i64,
    /// When all were looked at.
    all_at: Option<Instant>,
}

impl Seen {
    /// After which event one has to look now. `None` when a code came already.
    fn look_after(&mut self, now: Instant) -> Option<i64> {
        if self.came {
            return None;
        }
        if self.all_at.is_none_or(|at| now.duration_since(at) >= ALL_AGAIN_EVERY) {
            (self.looked_at, self.all_at) = (0, Some(now));
        }
        Some(self.looked_at)
    }

    fn found(&mut self, found: bool, last: Option<i64>) {
        self.came |= found;
        self.looked_at = self.looked_at.max(last.unwrap_or(0) - AGAIN);
    }
}

impl Store {
    /// Whether any event named a referral code that was no backfill's, as far as that was looked at.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(in crate::store) async fn code_came(&self) -> Result<bool, StoreError> {
        self.code_came_at(Instant::now()).await
    }

    pub(in crate::store) async fn code_came_at(&self, now: Instant) -> Result<bool, StoreError> {
        let seen = || self.codes_came.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(after) = seen().look_after(now) else { return Ok(true) };
        // The index by code has the codes: no fact is read for it.
        let (code, backfill) = (self.dialect().field("f.data", "code"), Origin::Backfill.code());
        let sql = format!(
            "SELECT (SELECT MAX(event_id) FROM facts), EXISTS (SELECT 1 FROM facts f JOIN events e ON e.id = f.event_id \
             WHERE lower({code}) > '' AND f.speaks_for_related = 1 AND f.event_id > ?1 AND e.origin <> '{backfill}')"
        );
        let (last, found) =
            self.rows(sql, values![after], |row| Ok((row.int_option()?, row.flag()?))).await?.pop().unwrap_or_default();
        seen().found(found, last);
        Ok(found)
    }
}
