//! What became due too late because a clock was ahead and has been set back.

use std::time::Duration;

use jiff::Timestamp;

use super::rows::micros;
use super::sql::{Db, Dialect, Work, values};
use super::{PROBE_EVERY, Store, StoreError};
use crate::clock::after;

/// How long a wait that begins now can be at most.
#[derive(Debug, Clone, Copy)]
pub struct LongestWaits {
    /// From one attempt to the next, or for a referral code.
    pub retry: Duration,
    /// For an answer of Refairn.
    pub lease: Duration,
}

/// Calls of the queue `q` whose waits no clock of today can have begun: `?1` is now, `?2` the end of the longest wait.
/// What is queued for a day, a day later, is left alone.
const TOO_LATE: &str = "q.leased = 0 AND q.due_at > ?1 AND d.due_at > CASE WHEN d.reason IS NULL \
     OR d.reason = 'route_paused' THEN ?1 ELSE ?2 END \
     AND (d.reason IS NULL OR d.reason NOT IN ('waiting_for_day_end', 'waiting_for_free_day'))";

impl Store {
    /// Makes due now what would be due later than any wait can last that begins at `now`; a lease lasts its full length
    /// from now, for its call may be on its way. Gives how many waits were cut short.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn pull_back(&self, now: Timestamp, longest: LongestWaits) -> Result<u64, StoreError> {
        let pull = PullBack { now, longest };
        // Looking costs the writer nothing.
        for (sql, values) in pull.look(self.dialect()) {
            if !self.query(sql, values).await?.is_empty() {
                return self.write(pull).await;
            }
        }
        Ok(0)
    }
}

struct PullBack {
    now: Timestamp,
    longest: LongestWaits,
}

impl PullBack {
    /// The end of the longest wait.
    fn end(&self) -> i64 {
        micros(after(self.now, self.longest.retry))
    }

    fn probe_end(&self) -> i64 {
        micros(after(self.now, PROBE_EVERY))
    }

    fn look(&self, dialect: Dialect) -> Vec<(String, Vec<super::Value>)> {
        let calls = format!("SELECT 1 FROM queue q JOIN deliveries d ON d.id = q.delivery_id WHERE {TOO_LATE} LIMIT 1");
        let leases = dialect.leased_too_long(self.longest.lease);
        let leases = leases.map(|condition| (format!("SELECT 1 FROM queue WHERE {condition} LIMIT 1"), values![]));
        let probes = "SELECT 1 FROM routes WHERE probe_at > ?1 LIMIT 1".to_owned();
        let looks = [(calls, values![micros(self.now), self.end()]), (probes, values![self.probe_end()])];
        looks.into_iter().chain(leases).collect()
    }
}

impl Work for PullBack {
    type Answer = u64;

    async fn run<D: Db>(&self, db: &D) -> Result<u64, StoreError> {
        let now = micros(self.now);
        let sql = format!(
            "UPDATE deliveries SET due_at = ?1 WHERE id IN (SELECT d.id FROM queue q \
             JOIN deliveries d ON d.id = q.delivery_id WHERE {TOO_LATE})"
        );
        let calls = db.execute(&sql, values![now, self.end()]).await?;
        let sql = "UPDATE queue SET due_at = ?1 WHERE leased = 0 AND due_at > ?1 \
             AND EXISTS (SELECT 1 FROM deliveries d WHERE d.id = queue.delivery_id AND d.due_at <= ?1)";
        db.execute(sql, values![now]).await?;
        let leases = match D::DIALECT.leased_too_long(self.longest.lease) {
            Some(condition) => {
                let until = D::DIALECT.leased_until(self.longest.lease);
                db.execute(&format!("UPDATE queue SET leased = 1{until} WHERE {condition}"), values![]).await?
            }
            None => 0,
        };
        let sql = "UPDATE routes SET probe_at = ?1 WHERE probe_at > ?2";
        let probes = db.execute(sql, values![now, self.probe_end()]).await?;
        Ok(calls + leases + probes)
    }
}
