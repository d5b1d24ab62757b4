//! What waits for a time that was told by a clock which was ahead, and has been set back.

use std::time::Duration;

use jiff::Timestamp;

use super::customer_plan::write;
use super::history::read;
use super::planning::Planning;
use super::routes::PROBE_EVERY;
use crate::clock::{Clock, SLACK, after, is_ahead};
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::store::rows::{micros, update_delivery};
use crate::store::sql::{Db, Lock, Value, Work, first, values};
use crate::store::{Store, StoreError};

/// Customers whose waits are ended in one write.
const CUSTOMERS_MAX: u32 = 200;

/// Calls of the queue `q` whose waits would only begin after `?2`, while it is `?1`.
const AHEAD: &str = "queue q JOIN deliveries d ON d.id = q.delivery_id \
     WHERE q.leased = 0 AND q.due_at > ?1 AND d.waits_from > ?2";
/// The same of look-ups.
const LOOKUP_AHEAD: &str = "due_at > ?1 AND waits_from > ?2";

impl Store {
    /// Ends every wait that would only begin later than it is by `clock`, and asks the ledger anew about its customer. A
    /// lease lasts its full length `lease` from now, for its call may be on its way. Gives how many waits were ended.
    ///
    /// # Errors
    /// Some waits may have been ended.
    pub async fn end_waits_ahead(&self, clock: &Clock, lease: Duration) -> Result<u64, StoreError> {
        let mut ended = 0;
        // Looking costs the writer nothing.
        while self.any_ahead(clock, lease).await? {
            let (clock, planning) = (clock.clone(), self.planning.clone());
            match self.write(EndWaits { clock, planning, lease }).await? {
                0 => break,
                more => ended += more,
            }
        }
        Ok(ended)
    }

    async fn any_ahead(&self, clock: &Clock, lease: Duration) -> Result<bool, StoreError> {
        let bounds = Bounds::of(clock);
        let leases = self.dialect().leased_too_long(lease + SLACK);
        let leases = leases.map(|condition| (format!("SELECT 1 FROM queue WHERE {condition} LIMIT 1"), values![]));
        let looks = [
            (format!("SELECT 1 FROM {AHEAD} LIMIT 1"), bounds.waits()),
            (format!("SELECT 1 FROM lookups WHERE {LOOKUP_AHEAD} LIMIT 1"), bounds.waits()),
            ("SELECT 1 FROM routes WHERE probe_at > ?1 LIMIT 1".to_owned(), values![bounds.probe_end]),
        ];
        for (sql, values) in looks.into_iter().chain(leases) {
            if !self.query(sql, values).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What nothing can be later than that was told by the clock of this moment.
struct Bounds {
    now: Timestamp,
    /// The beginning of a wait.
    begin: i64,
    /// The end of a route's rest.
    probe_end: i64,
}

impl Bounds {
    fn of(clock: &Clock) -> Self {
        let now = clock.now();
        let latest = after(now, SLACK);
        Self { now, begin: micros(latest), probe_end: micros(after(latest, PROBE_EVERY)) }
    }

    fn waits(&self) -> Vec<Value> {
        values![micros(self.now), self.begin]
    }
}

struct EndWaits {
    clock: Clock,
    planning: Planning,
    lease: Duration,
}

impl Work for EndWaits {
    type Answer = u64;

    async fn run<D: Db>(&self, db: &D) -> Result<u64, StoreError> {
        // Told as the write begins: what was planned while it waited for its turn is not ahead.
        let bounds = Bounds::of(&self.clock);
        let now = micros(bounds.now);
        let sql = format!("SELECT q.business, q.email_key FROM {AHEAD} ORDER BY q.due_at LIMIT {CUSTOMERS_MAX}");
        let mut ended = 0;
        for mut row in db.query(&sql, bounds.waits()).await? {
            let key = CustomerKey { business: row.text()?, email_key: row.text()? };
            ended += self.plan_anew(db, &key, bounds.now).await?;
        }
        let sql = format!("UPDATE lookups SET due_at = ?1, waits_from = ?1 WHERE {LOOKUP_AHEAD}");
        ended += db.execute(&sql, bounds.waits()).await?;
        let sql = "UPDATE routes SET probe_at = ?1 WHERE probe_at > ?2";
        ended += db.execute(sql, values![now, bounds.probe_end]).await?;
        if let Some(condition) = D::DIALECT.leased_too_long(self.lease + SLACK) {
            let until = D::DIALECT.leased_until(self.lease);
            ended += db.execute(&format!("UPDATE queue SET leased = 1{until} WHERE {condition}"), values![]).await?;
        }
        Ok(ended)
    }
}

impl EndWaits {
    /// Ends a customer's waits, gives how many, and plans the calls anew: a day is over when it is over.
    /// Not while somebody else does, who plans by today's clock as well.
    async fn plan_anew<D: Db>(&self, db: &D, key: &CustomerKey, now: Timestamp) -> Result<u64, StoreError> {
        if !db.try_lock(Lock::Customer(key)).await? || is_leased(db, key).await? {
            return Ok(0);
        }
        let mut customer = read(db, key).await?;
        let waits =
            |delivery: &&mut Delivery| delivery.state == DeliveryState::Queued && is_ahead(delivery.waits_from, now);
        let mut ended = 0;
        for delivery in customer.history.deliveries.iter_mut().filter(waits) {
            let stored = delivery.clone();
            delivery.wait(now);
            update_delivery(db, &key.business, &stored, delivery).await?;
            ended += 1;
        }
        let plan = self.planning.plan(&customer.history, now);
        write(db, customer, plan).await?;
        Ok(ended)
    }
}

async fn is_leased<D: Db>(db: &D, key: &CustomerKey) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM queue WHERE business = ?1 AND email_key = ?2 AND leased = 1";
    Ok(first(db, sql, values![&key.business, &key.email_key]).await?.is_some())
}
