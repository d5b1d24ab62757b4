//! What an operator may do: retry, release, discard, map anew; and keeping the store small.

use std::sync::Arc;

use jiff::Timestamp;

use super::people::{load, write};
use super::rows::micros;
use super::sql::{Db, Lock, Work, first, values};
use super::{Planner, Store, StoreError};
use crate::domain::delivery::{Delivery, DeliveryId, DeliveryState};
use crate::domain::event::EventId;
use crate::domain::person::PersonKey;
use crate::domain::reason::Reason;

/// Bodies removed in one write.
const PRUNE_BODIES_MAX: u32 = 1000;

/// What an operator decides about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send it again, or now.
    Retry,
    /// Let a held payment go: it is dated on the next free day.
    Release,
    /// Do not send it; of one that was sent: its warning was seen.
    Discard,
}

/// Why an action was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// There is no such item.
    #[error("there is no such item")]
    NotFound,
    /// The item is in a state in which this makes no sense.
    #[error("{0}")]
    NotNow(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Takes an operator's action on a delivery, and whatever follows from it for the customer.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn act(&self, id: DeliveryId, action: Action, now: Timestamp) -> Result<(), ActionError> {
        self.write(Act { planner: self.planner.clone(), id, action, now }).await?
    }

    /// Puts an event back into the inbox, to be read by today's rules.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn remap(&self, id: EventId) -> Result<(), ActionError> {
        self.write(Remap(id)).await?
    }

    /// Removes bodies of events that arrived before `before`, a bounded number; gives how many. What recognises
    /// redeliveries stays, and so do bodies of events that are not finished.
    ///
    /// # Errors
    /// Nothing was removed.
    pub async fn prune(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.write(Prune(before)).await
    }
}

struct Act {
    planner: Arc<dyn Planner>,
    id: DeliveryId,
    action: Action,
    now: Timestamp,
}

impl Work for Act {
    type Answer = Result<(), ActionError>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let sql = "SELECT business, email_key FROM deliveries WHERE id = ?1";
        let Some(mut row) = first(db, sql, values![self.id.0]).await? else { return Ok(Err(ActionError::NotFound)) };
        let key = PersonKey { business: row.text()?, email_key: row.text()? };
        db.lock(&[Lock::Person(&key)]).await?;
        let mut person = load(db, &key).await?;
        let before = person.clone();
        let Some(delivery) = person.deliveries.iter_mut().find(|d| d.id == Some(self.id)) else {
            return Ok(Err(ActionError::NotFound));
        };
        if let Err(reason) = decide(delivery, self.action, self.now) {
            return Ok(Err(ActionError::NotNow(reason)));
        }
        let plan = self.planner.plan(&person, self.now);
        write(db, &before, plan).await?;
        Ok(Ok(()))
    }
}

struct Remap(EventId);

impl Work for Remap {
    type Answer = Result<(), ActionError>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let sql = "SELECT b.event_id IS NOT NULL FROM events e LEFT JOIN bodies b ON b.event_id = e.id WHERE e.id = ?1";
        let Some(mut row) = first(db, sql, values![self.0.0]).await? else { return Ok(Err(ActionError::NotFound)) };
        if !row.flag()? {
            let why = "the body is past its retention and was removed".to_owned();
            return Ok(Err(ActionError::NotNow(why)));
        }
        let sql = "UPDATE events SET state = 'received', reason = NULL, detail = NULL WHERE id = ?1";
        db.execute(sql, values![self.0.0]).await?;
        Ok(Ok(()))
    }
}

struct Prune(Timestamp);

impl Work for Prune {
    type Answer = usize;

    async fn run<D: Db>(&self, db: &D) -> Result<usize, StoreError> {
        let sql = "DELETE FROM bodies WHERE event_id IN (SELECT b.event_id FROM bodies b \
             JOIN events e ON e.id = b.event_id \
             WHERE e.received_at < ?1 AND e.state IN ('mapped', 'ignored') ORDER BY b.event_id LIMIT ?2)";
        let removed = db.execute(sql, values![micros(self.0), PRUNE_BODIES_MAX]).await?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }
}

/// Changes the delivery as the operator wishes, or says why that makes no sense.
fn decide(delivery: &mut Delivery, action: Action, now: Timestamp) -> Result<(), String> {
    use DeliveryState::{Delivered, Discarded, Duplicate, Held, Queued, Rejected, Sending};
    let state = delivery.state;
    match (action, state) {
        (_, Sending) => return Err("it is on its way right now; try again in a moment".to_owned()),
        (Action::Retry, Queued | Rejected | Discarded) => {
            delivery.state = Queued;
            delivery.reason = None;
            delivery.due_at = now;
            // The hours until we give up count anew.
            delivery.patient_since = None;
        }
        (Action::Release, Held | Rejected) => {
            if delivery.outcome_unknown {
                return Err("Refairn may have it already: retry it, a 409 does no harm".to_owned());
            }
            delivery.state = Queued;
            delivery.reason = None;
            delivery.released = true;
            delivery.due_at = now;
            delivery.patient_since = None;
        }
        (Action::Discard, Queued | Held | Rejected) => {
            delivery.state = Discarded;
            delivery.reason = Some(Reason::DiscardedByOperator);
        }
        (Action::Discard, Delivered | Duplicate) if delivery.attention => delivery.acknowledged = true,
        (Action::Retry | Action::Release | Action::Discard, _) => {
            let verb = match action {
                Action::Retry => "retried",
                Action::Release => "released",
                Action::Discard => "discarded",
            };
            return Err(format!("a delivery that is {} cannot be {verb}", state.code()));
        }
    }
    delivery.attention = false;
    Ok(())
}
