//! The queue: leases on customers whose turn it is, and what became of their calls.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::people::{load, write};
use super::rows::{DELIVERY_COLUMNS, delivery, micros, put_delivery};
use super::{Store, StoreError};
use crate::clock::after;
use crate::domain::delivery::{Delivery, DeliveryId, DeliveryState, Receipt};
use crate::domain::person::PersonKey;
use crate::domain::reason::Reason;

/// How long a paused route rests between two probes.
const PROBE_EVERY: std::time::Duration = std::time::Duration::from_secs(60);
/// Routes that are looked at in one lease.
const ROUTES_MAX: u32 = 10_000;

/// A call that is ours to make until the lease runs out. The fencing number is the delivery's count of attempts, which
/// every lease raises: a settle under an older one does nothing.
#[derive(Debug)]
pub struct Leased {
    /// Whose call it is.
    pub key: PersonKey,
    /// The call.
    pub delivery: Delivery,
}

/// One attempt, for the history that people read.
#[derive(Debug, Clone)]
pub struct AttemptRecord {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// What it came to, in a few words.
    pub outcome: String,
    /// The beginning of the answer's body.
    pub response: Option<String>,
}

/// What is to become of a delivery after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Refairn has it.
    Delivered(Receipt),
    /// Refairn had it already.
    Duplicate,
    /// Refairn answered 409: what that means depends on the customer's other calls.
    Conflict,
    /// Someone must look at it.
    Rejected(Reason, String),
    /// It is to be tried again.
    Retry {
        /// When.
        at: Timestamp,
        /// Refairn may have it: the call may not be changed any more.
        outcome_unknown: bool,
        /// What happened.
        detail: String,
    },
    /// Our configuration is refused, not the call: nothing more goes out on this route until a probe gets through.
    PauseRoute(String),
}

/// After a start no lease is held: one process owns the file.
pub(super) fn release_leases(db: &Connection) -> Result<(), StoreError> {
    db.execute("UPDATE queue SET leased = 0, due_at = 0 WHERE leased = 1", [])?;
    Ok(())
}

impl Store {
    /// Leases up to `calls_max` customers whose turn it is, fairly over the routes that are not paused; a paused route
    /// yields one probe a minute. The delivery is marked as on its way, on disk, before it is handed out.
    ///
    /// # Errors
    /// Nothing was leased.
    pub async fn lease(
        &self,
        now: Timestamp,
        lease: std::time::Duration,
        calls_max: usize,
    ) -> Result<Vec<Leased>, StoreError> {
        self.writer.write(move |db| lease_due(db, now, after(now, lease), calls_max)).await
    }

    /// Writes what became of a leased call, and what follows for its customer. False when the lease was lost: then
    /// somebody else has the call, and nothing was written.
    ///
    /// # Errors
    /// Nothing was written; the lease runs out and the call is made again.
    pub async fn settle(
        &self,
        leased: &Leased,
        attempt: AttemptRecord,
        settlement: Settlement,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let planner = self.planner.clone();
        let (key, fence, id) = (leased.key.clone(), leased.delivery.attempts, leased.delivery.id);
        self.writer
            .write(move |db| {
                let Some(id) = id else { return Ok(false) };
                if !holds(db, &key, id, fence)? {
                    return Ok(false);
                }
                let mut person = load(db, &key)?;
                record_attempt(db, id, &attempt)?;
                let Some(delivery) = person.deliveries.iter().find(|d| d.id == Some(id)).cloned() else {
                    return Ok(false);
                };
                let settlement = match settlement {
                    Settlement::Conflict => planner.conflict(&person, &delivery),
                    other @ (Settlement::Delivered(_)
                    | Settlement::Duplicate
                    | Settlement::Rejected(..)
                    | Settlement::Retry { .. }
                    | Settlement::PauseRoute(_)) => other,
                };
                route(db, &key, delivery.call.product(), &settlement, now)?;
                let settled = apply(delivery, settlement, now);
                put_delivery(db, &key, &settled)?;
                for slot in person.deliveries.iter_mut().filter(|d| d.id == Some(id)) {
                    *slot = settled.clone();
                }
                db.prepare_cached("UPDATE queue SET leased = 0 WHERE business = ?1 AND email_key = ?2")?
                    .execute([&key.business, &key.email_key])?;
                let plan = planner.plan(&person, now);
                write(db, &person, plan)?;
                Ok(true)
            })
            .await
    }

    /// Gives back leases whose calls were never begun.
    ///
    /// # Errors
    /// Nothing was given back; the leases run out by themselves.
    pub async fn give_back(&self, unused: Vec<Leased>) -> Result<(), StoreError> {
        if unused.is_empty() {
            return Ok(());
        }
        self.writer
            .write(move |db| {
                for Leased { key, mut delivery } in unused {
                    let Some(id) = delivery.id else { continue };
                    if holds(db, &key, id, delivery.attempts)? {
                        delivery.state = DeliveryState::Queued;
                        delivery.attempts = delivery.attempts.saturating_sub(1);
                        put_delivery(db, &key, &delivery)?;
                        db.prepare_cached(
                            "UPDATE queue SET leased = 0, due_at = ?3 WHERE business = ?1 AND email_key = ?2",
                        )?
                        .execute(params![
                            key.business,
                            key.email_key,
                            micros(delivery.due_at)
                        ])?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// When the next call is due; nothing when none is queued. Paused routes count at their next probe.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|db| {
            let sql = "SELECT MIN(MAX(due_at, COALESCE(probe_at, due_at))) FROM ( \
                 SELECT r.probe_at, (SELECT MIN(q.due_at) FROM queue q WHERE q.business = r.business AND q.product = r.product) \
                 AS due_at FROM routes r) WHERE due_at IS NOT NULL";
            let due: Option<i64> = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            super::rows::time_option(due)
        })
        .await
    }
}

fn holds(db: &Connection, key: &PersonKey, id: DeliveryId, fence: u32) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM queue \
         WHERE business = ?1 AND email_key = ?2 AND delivery_id = ?3 AND fence = ?4 AND leased = 1";
    let row = params![key.business, key.email_key, id.0, fence];
    let held: Option<i64> = db.prepare_cached(sql)?.query_row(row, |row| row.get(0)).optional()?;
    Ok(held.is_some())
}

fn lease_due(
    db: &Connection,
    now: Timestamp,
    deadline: Timestamp,
    calls_max: usize,
) -> Result<Vec<Leased>, StoreError> {
    let mut leased = Vec::new();
    open_forsaken_routes(db)?;
    let routes = routes_by_need(db, now)?;
    let mut left = routes.len();
    for (business, product, paused) in routes {
        let share = if paused { 1 } else { (calls_max - leased.len()).div_ceil(left.max(1)) };
        left = left.saturating_sub(1);
        if leased.len() >= calls_max {
            break;
        }
        let before = leased.len();
        for (key, id) in due_on_route(db, &business, &product, now, share)? {
            leased.extend(take(db, key, id, now, deadline)?);
        }
        if paused && leased.len() > before {
            db.prepare_cached("UPDATE routes SET probe_at = ?3 WHERE business = ?1 AND product = ?2")?
                .execute(params![business, product, micros(after(now, PROBE_EVERY))])?;
        }
    }
    Ok(leased)
}

/// A route on which nothing is queued any more has nothing to probe with: it is open until it is refused again.
fn open_forsaken_routes(db: &Connection) -> Result<(), StoreError> {
    let sql = "UPDATE routes SET paused_since = NULL, probe_at = NULL, detail = NULL WHERE paused_since IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.business = routes.business AND q.product = routes.product)";
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Routes with something due, the one that waited longest first, and whether they are paused.
fn routes_by_need(db: &Connection, now: Timestamp) -> Result<Vec<(String, String, bool)>, StoreError> {
    let sql = "SELECT business, product, paused FROM ( \
         SELECT r.business, r.product, r.paused_since IS NOT NULL AS paused, r.probe_at, \
         (SELECT MIN(q.due_at) FROM queue q WHERE q.business = r.business AND q.product = r.product) AS due_at FROM routes r) \
         WHERE due_at <= ?1 AND (paused = 0 OR probe_at <= ?1) ORDER BY due_at LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows =
        statement.query_map(params![micros(now), ROUTES_MAX], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn due_on_route(
    db: &Connection,
    business: &str,
    product: &str,
    now: Timestamp,
    share: usize,
) -> Result<Vec<(PersonKey, i64)>, StoreError> {
    let sql = "SELECT email_key, delivery_id FROM queue WHERE business = ?1 AND product = ?2 AND due_at <= ?3 \
         ORDER BY due_at LIMIT ?4";
    let mut statement = db.prepare_cached(sql)?;
    let limit = i64::try_from(share).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![business, product, micros(now), limit], |row| {
        Ok((PersonKey { business: business.to_owned(), email_key: row.get(0)? }, row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes the lease and marks the delivery as on its way.
fn take(
    db: &Connection,
    key: PersonKey,
    id: i64,
    now: Timestamp,
    deadline: Timestamp,
) -> Result<Option<Leased>, StoreError> {
    let select = format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE id = ?1");
    let mut statement = db.prepare_cached(&select)?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut delivery = delivery(row)?;
    // Found on its way, it was leased before and never settled: Refairn may have it.
    delivery.outcome_unknown |= delivery.state == DeliveryState::Sending;
    delivery.state = DeliveryState::Sending;
    delivery.attempts = delivery.attempts.saturating_add(1);
    delivery.first_attempt_at = delivery.first_attempt_at.or(Some(now));
    put_delivery(db, &key, &delivery)?;
    let sql = "UPDATE queue SET leased = 1, fence = ?3, due_at = ?4 WHERE business = ?1 AND email_key = ?2";
    db.prepare_cached(sql)?.execute(params![key.business, key.email_key, delivery.attempts, micros(deadline)])?;
    Ok(Some(Leased { key, delivery }))
}

fn record_attempt(db: &Connection, id: DeliveryId, attempt: &AttemptRecord) -> Result<(), StoreError> {
    let sql = "INSERT INTO attempts (delivery_id, n, at, took_ms, status, outcome, response) \
         SELECT ?1, COALESCE(MAX(n), 0) + 1, ?2, ?3, ?4, ?5, ?6 FROM attempts WHERE delivery_id = ?1";
    let took_ms = i64::try_from(attempt.took_ms).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?.execute(params![
        id.0,
        micros(attempt.at),
        took_ms,
        attempt.status,
        attempt.outcome,
        attempt.response
    ])?;
    Ok(())
}

/// Pauses the route, or resumes it: any answer but a refusal of our configuration shows that it works.
fn route(
    db: &Connection,
    key: &PersonKey,
    product: &str,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<(), StoreError> {
    match settlement {
        Settlement::PauseRoute(detail) => {
            let sql = "UPDATE routes SET paused_since = COALESCE(paused_since, ?3), probe_at = ?4, detail = ?5 \
                 WHERE business = ?1 AND product = ?2";
            let probe_at = micros(after(now, PROBE_EVERY));
            db.prepare_cached(sql)?.execute(params![key.business, product, micros(now), probe_at, detail])?;
        }
        Settlement::Delivered(_) | Settlement::Duplicate | Settlement::Conflict | Settlement::Rejected(..) => {
            let sql = "UPDATE routes SET paused_since = NULL, probe_at = NULL, detail = NULL \
                 WHERE business = ?1 AND product = ?2 AND paused_since IS NOT NULL";
            db.prepare_cached(sql)?.execute([&key.business, product])?;
        }
        Settlement::Retry { .. } => {}
    }
    Ok(())
}

fn apply(mut delivery: Delivery, settlement: Settlement, now: Timestamp) -> Delivery {
    delivery.attention = false;
    delivery.acknowledged = false;
    delivery.detail = None;
    match settlement {
        Settlement::Delivered(receipt) => {
            delivery.state = DeliveryState::Delivered;
            delivery.reason = None;
            delivery.receipt = Some(receipt);
            delivery.settled_at = Some(now);
        }
        Settlement::Duplicate | Settlement::Conflict => {
            delivery.state = DeliveryState::Duplicate;
            delivery.reason = Some(Reason::AlreadyAtRefairn);
            delivery.settled_at = Some(now);
        }
        Settlement::Rejected(reason, detail) => {
            delivery.state = DeliveryState::Rejected;
            delivery.reason = Some(reason);
            delivery.detail = Some(detail);
            delivery.attention = true;
            // Refairn's word is final: it does not have it.
            delivery.outcome_unknown = reason == Reason::GivenUp && delivery.outcome_unknown;
            delivery.settled_at = Some(now);
        }
        Settlement::Retry { at, outcome_unknown, detail } => {
            delivery.state = DeliveryState::Queued;
            delivery.reason = Some(Reason::Retrying);
            delivery.detail = Some(detail);
            delivery.outcome_unknown |= outcome_unknown;
            delivery.due_at = at;
        }
        Settlement::PauseRoute(detail) => {
            delivery.state = DeliveryState::Queued;
            delivery.reason = Some(Reason::RoutePaused);
            // The hours until we give up count from when the route is open again.
            delivery.first_attempt_at = None;
            delivery.detail = Some(detail);
            delivery.due_at = now;
        }
    }
    delivery
}
