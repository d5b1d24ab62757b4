//! What an operator may do: retry, release, discard, map anew; and keeping the store small.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use jiff::civil::Date;

use super::codes::{IGNORED, MAPPED, RECEIVED};
use super::people::audit::{Entry, note};
use super::rows::{micros, time_option, update_delivery};
use super::sql::{Db, Lock, Work, first, values};
use super::{Store, StoreError};
use crate::domain::audit::{By, Decision};
use crate::domain::customer::{Change, CustomerKey};
use crate::domain::delivery::{Action, DeliveryId};
use crate::domain::event::EventId;
use crate::domain::pseudonym::is_pseudonym;
use crate::domain::refusal::Refusal;
use crate::store::queue::customer_plan::write;
use crate::store::queue::history::{load, read};
use crate::store::queue::planning::Planning;

/// Bodies removed in one write.
const PRUNE_BODIES_MAX: u32 = 1000;
/// One of so many bodies may go at a time. A prune every ten minutes finds no more to remove in the long run: with the
/// shortest retention, a day, one in 144.
const PRUNE_SHARE: u64 = 100;

/// Calls whose days are found out in one look: it keeps SQLite's writer from writing.
const DAYS_MAX: usize = 32;

/// What came of looking for bodies to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    /// So many were removed.
    pub removed: u64,
    /// There may be more after this event's.
    pub next: Option<EventId>,
}

/// Why an action was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// There is no such item.
    #[error("there is no such item")]
    NotFound,
    /// The item is in a state in which this makes no sense.
    #[error("{0}")]
    NotNow(Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Takes an operator's action on a delivery, and whatever follows from it for the customer.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn act(&self, id: DeliveryId, action: Action, by: By, now: Timestamp) -> Result<(), ActionError> {
        self.write(Act { planning: self.planning.clone(), id, action, by, now }).await?
    }

    /// Puts an event back into the inbox, to be read by today's rules.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn remap(&self, id: EventId, by: By, now: Timestamp) -> Result<(), ActionError> {
        self.write(Remap { id, by, now }).await?
    }

    /// On which days held calls would be dated that were released now, each by itself. A call that cannot be released, or
    /// has no day, is left out.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn days_of_release(
        &self,
        ids: &[DeliveryId],
        now: Timestamp,
    ) -> Result<BTreeMap<DeliveryId, Date>, StoreError> {
        let mut days = BTreeMap::new();
        for ids in ids.chunks(DAYS_MAX) {
            let (planning, ids) = (self.planning.clone(), ids.to_vec());
            days.extend(self.write(DaysOfRelease { planning, ids, now }).await?);
        }
        Ok(days)
    }

    /// When the event arrived that came in last.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn newest_arrival(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT received_at FROM events ORDER BY id DESC LIMIT 1".to_owned();
        let row = self.query(sql, values![]).await?.into_iter().next();
        time_option(row.map(|mut row| row.int()).transpose()?)
    }

    /// How many bodies may be removed at a time: a hundredth of all, or as many as go in one write.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn share_of_bodies(&self) -> Result<u64, StoreError> {
        // By the ids: nobody counts a table.
        let sql = "SELECT (SELECT MAX(event_id) FROM bodies), (SELECT MIN(event_id) FROM bodies)".to_owned();
        let Some(mut row) = self.query(sql, values![]).await?.into_iter().next() else { return Ok(0) };
        let bodies = row.int_option()?.unwrap_or(0).abs_diff(row.int_option()?.unwrap_or(0));
        Ok((bodies / PRUNE_SHARE).max(PRUNE_BODIES_MAX.into()))
    }

    /// Removes bodies of finished events that were received before `before`, oldest first: looks at so many bodies after
    /// that of `after`. What tells a repetition from a new event stays for ever. Nothing younger is looked at.
    ///
    /// # Errors
    /// Nothing was removed.
    pub async fn prune(&self, before: Timestamp, after: EventId) -> Result<Pruned, StoreError> {
        // Read off the writer, and in the order of the ids, which is that of their arrival.
        let sql = "SELECT b.event_id, e.received_at FROM bodies b CROSS JOIN events e \
             WHERE e.id = b.event_id AND b.event_id > ?1 ORDER BY b.event_id LIMIT ?2";
        let rows = self.query(sql.to_owned(), values![after.0, PRUNE_BODIES_MAX]).await?;
        let old = rows.into_iter().map(|mut row| Ok((row.int()?, row.int()?)));
        let old: Vec<(i64, i64)> = old.collect::<Result<_, StoreError>>()?;
        let full = old.len() >= usize::try_from(PRUNE_BODIES_MAX).unwrap_or(usize::MAX);
        let Some((last, _)) = old.iter().rfind(|(_, received_at)| *received_at < micros(before)) else {
            return Ok(Pruned { removed: 0, next: None });
        };
        let removed = self.write(Prune { before, after, last: EventId(*last) }).await?;
        let next = (full && old.last().is_some_and(|(id, _)| id == last)).then_some(EventId(*last));
        Ok(Pruned { removed, next })
    }
}

struct Act {
    planning: Planning,
    id: DeliveryId,
    action: Action,
    by: By,
    now: Timestamp,
}

impl Work for Act {
    type Answer = Result<(), ActionError>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let sql = "SELECT business, email_key FROM deliveries WHERE id = ?1";
        let Some(mut row) = first(db, sql, values![self.id.0]).await? else { return Ok(Err(ActionError::NotFound)) };
        let key = CustomerKey { business: row.text()?, email_key: row.text()? };
        if !self.by.who.sees(&key.business) {
            return Ok(Err(ActionError::NotFound));
        }
        db.lock(&[Lock::Customer(&key)]).await?;
        let mut customer = read(db, &key).await?;
        let Some(delivery) = customer.history.deliveries.iter_mut().find(|delivery| delivery.id == Some(self.id))
        else {
            return Ok(Err(ActionError::NotFound));
        };
        if self.action != Action::Discard && is_pseudonym(&key.email_key) {
            let why = "its customer is forgotten, and nothing goes out under what stands for the address";
            let cure = "discard it, or wait for an event that names the address again";
            return Ok(Err(ActionError::NotNow(Refusal::new(why, cure))));
        }
        let stored = delivery.clone();
        if let Err(refusal) = delivery.act(self.action, self.now) {
            return Ok(Err(ActionError::NotNow(refusal)));
        }
        update_delivery(db, &key.business, &stored, delivery).await?;
        let plan = self.planning.plan_or_hold(&customer.history, self.now);
        let customer = write(db, customer, plan).await?;
        let became =
            customer.history.deliveries.iter().find(|delivery| delivery.id == Some(self.id)).unwrap_or(&stored);
        let decision = match self.action {
            Action::Retry => Decision::Retry,
            Action::Release => Decision::Release,
            Action::Discard => Decision::Discard,
        };
        note(db, &self.by, Entry::of_call(decision, &key.business, &stored, became), self.now).await?;
        Ok(Ok(()))
    }
}

/// Tries out what a release would come to. It writes nothing.
struct DaysOfRelease {
    planning: Planning,
    ids: Vec<DeliveryId>,
    now: Timestamp,
}

impl Work for DaysOfRelease {
    type Answer = BTreeMap<DeliveryId, Date>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let days = try_join_all(self.ids.iter().map(|id| self.day_of(db, *id))).await?;
        Ok(self.ids.iter().copied().zip(days).filter_map(|(id, day)| Some((id, day?))).collect())
    }
}

impl DaysOfRelease {
    async fn day_of<D: Db>(&self, db: &D, id: DeliveryId) -> Result<Option<Date>, StoreError> {
        let sql = "SELECT business, email_key FROM deliveries WHERE id = ?1";
        let Some(mut row) = first(db, sql, values![id.0]).await? else { return Ok(None) };
        let key = CustomerKey { business: row.text()?, email_key: row.text()? };
        let mut customer = load(db, &key).await?;
        let Some(delivery) = customer.deliveries.iter_mut().find(|delivery| delivery.id == Some(id)) else {
            return Ok(None);
        };
        if delivery.act(Action::Release, self.now).is_err() {
            return Ok(None);
        }
        let released = delivery.clone();
        let plan = self.planning.plan_or_hold(&customer, self.now);
        let planned = plan.changes.iter().map(Change::delivery).find(|delivery| delivery.id == Some(id));
        Ok(planned.unwrap_or(&released).call.day())
    }
}

struct Remap {
    id: EventId,
    by: By,
    now: Timestamp,
}

impl Work for Remap {
    type Answer = Result<(), ActionError>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let sql = "SELECT b.event_id IS NOT NULL, e.business, e.state, e.reason \
             FROM events e LEFT JOIN bodies b ON b.event_id = e.id WHERE e.id = ?1";
        let Some(mut row) = first(db, sql, values![self.id.0]).await? else { return Ok(Err(ActionError::NotFound)) };
        let (is_kept, business) = (row.flag()?, row.text()?);
        let (state, reason) = (row.text()?, row.text_option()?);
        if !self.by.who.sees(&business) {
            return Ok(Err(ActionError::NotFound));
        }
        if !is_kept {
            let why = "the body was removed: it is past its retention, or its customer is forgotten";
            let cure = "have a backfill fetch the days of its payment from the provider again";
            return Ok(Err(ActionError::NotNow(Refusal::new(why, cure))));
        }
        let sql = "UPDATE events SET state = ?2, reason = NULL, detail = NULL WHERE id = ?1";
        db.execute(sql, values![self.id.0, RECEIVED]).await?;
        let was = reason.map_or_else(|| state.clone(), |reason| format!("{state}: {reason}"));
        let entry = Entry::about(Decision::Remap, self.id.to_string());
        let entry = entry.of(&business).changing(Some(was), Some(RECEIVED.to_owned()));
        note(db, &self.by, entry, self.now).await?;
        Ok(Ok(()))
    }
}

struct Prune {
    before: Timestamp,
    after: EventId,
    last: EventId,
}

impl Work for Prune {
    type Answer = u64;

    async fn run<D: Db>(&self, db: &D) -> Result<u64, StoreError> {
        let sql = "DELETE FROM bodies WHERE event_id > ?1 AND event_id <= ?2 AND EXISTS (SELECT 1 FROM events e \
             WHERE e.id = bodies.event_id AND e.received_at < ?3 AND e.state IN (?4, ?5))";
        db.execute(sql, values![self.after.0, self.last.0, micros(self.before), MAPPED, IGNORED]).await
    }
}
