//! Events that have waited too long for what they lack: where money is at stake a person has to look, the others end.

use jiff::Timestamp;

use super::customer_plan::replan;
use super::planning::{Defect, Planning};
use crate::clock::{SLACK, after};
use crate::domain::customer::CustomerKey;
use crate::domain::event::EventId;
use crate::domain::fact::Fact;
use crate::ledger::{WAIT_MAX, is_too_long, without_customer_at_last};
use crate::store::codes::WAITING;
use crate::store::rows::{micros, put_outcome_if, time};
use crate::store::sql::{Db, Lock, Work, first, values};
use crate::store::written::read_fact;
use crate::store::{Store, StoreError};

/// Events that are looked at before others have their turn with the store.
pub const OVERDUE_EVENTS_MAX: u32 = 200;

impl Store {
    /// Looks at events that have waited too long by now, [`OVERDUE_EVENTS_MAX`] at the most: each of them ends, or needs
    /// attention from now on. Gives how many did. Those whose customer somebody else is at work on keep for the next time.
    ///
    /// # Errors
    /// Some events may have been seen to.
    pub async fn see_to_the_overdue(&self, now: Timestamp) -> Result<u32, StoreError> {
        let latest_begin = now.checked_sub(WAIT_MAX).unwrap_or(Timestamp::MIN);
        // Found off the writer, by an index that holds nothing but events that wait and nobody was told of.
        let sql = format!(
            "SELECT id FROM events WHERE state = '{WAITING}' AND attention = 0 AND (received_at <= ?1 OR received_at > ?2) \
             ORDER BY received_at LIMIT {OVERDUE_EVENTS_MAX}"
        );
        let bounds = values![micros(latest_begin), micros(after(now, SLACK))];
        let mut seen_to = 0;
        for mut row in self.query(sql, bounds).await? {
            let event = EventId(row.int()?);
            // One at a time: a write that holds several events takes them in an order of its own.
            let overdue = Overdue { event, planning: self.planning.clone(), now };
            seen_to += u32::from(self.write(overdue).await?);
        }
        Ok(seen_to)
    }
}

struct Overdue {
    event: EventId,
    planning: Planning,
    now: Timestamp,
}

impl Work for Overdue {
    /// Whether it ended or needs attention.
    type Answer = bool;

    async fn run<D: Db>(&self, db: &D) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT e.received_at, f.business, f.email_key, f.data FROM events e JOIN facts f ON f.event_id = e.id \
             WHERE e.id = ?1 AND e.state = '{WAITING}'"
        );
        let Some(mut row) = first(db, &sql, values![self.event.0]).await? else { return Ok(false) };
        // It may have been read anew since it was found.
        if !is_too_long(time(row.int()?)?, self.now) {
            return Ok(false);
        }
        let (business, email_key, data) = (row.text()?, row.text_option()?, row.text()?);
        match email_key {
            Some(email_key) => {
                let key = CustomerKey { business, email_key };
                if !db.try_lock(Lock::Customer(&key)).await? {
                    return Ok(false);
                }
                replan(db, &self.planning, &key, self.now, Defect::Hold).await?;
            }
            None => {
                let fact: Fact = read_fact(&data)?;
                if let Some(outcome) = without_customer_at_last(&fact) {
                    // Nothing to end where a replica has found its customer meanwhile.
                    put_outcome_if(db, self.event, &outcome, &format!("AND state = '{WAITING}'")).await?;
                }
            }
        }
        // What still waits is what a person has to see.
        let sql = format!("UPDATE events SET attention = 1 WHERE id = ?1 AND state = '{WAITING}' AND attention = 0");
        db.execute(&sql, values![self.event.0]).await?;
        Ok(true)
    }
}
