//! What today's reading of events would change: tried out, and undone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::facts::{INBOX_COLUMNS, Inbox, Mapped, inbox, post};
use crate::domain::customer::{Change, CustomerKey};
use crate::domain::delivery::{Delivery, DeliveryId};
use crate::domain::event::{EventId, EventState};
use crate::domain::fact::{Fact, Reading};
use crate::domain::reason::EventReason;
use crate::store::codes::RECEIVED;
use crate::store::queue::history::load;
use crate::store::queue::planning::Planning;
use crate::store::rows::{reason, unknown};
use crate::store::sql::{Db, Lock, Work, first, values};
use crate::store::written::read_fact;
use crate::store::{Store, StoreError};

/// Events that are looked at in one go: the one writer is kept from its work meanwhile.
const LOOKED_AT_MAX: u32 = 100;

/// What an event came to.
type End = (EventState, Option<EventReason>);

/// An event that would be read otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The number of the event.
    pub id: EventId,
    /// What it came to.
    pub now: End,
    /// What it would come to.
    pub then: End,
}

/// A call that would be new, or another than it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallNews {
    /// Whose, at which business.
    pub key: CustomerKey,
    /// As it would be; without a number it is new.
    pub delivery: Delivery,
}

/// What a new reading of some events would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Events that are read otherwise.
    pub events: Vec<Changed>,
    /// Calls that would follow.
    pub calls: Vec<CallNews>,
}

impl Store {
    /// The oldest events after `after` that a reading before `reading` has read, and whose bodies are still there.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn read_before(&self, reading: u32, after: EventId) -> Result<Vec<Inbox>, StoreError> {
        let sql = format!(
            "SELECT {INBOX_COLUMNS} FROM events e JOIN bodies b ON b.event_id = e.id \
             WHERE e.id > ?1 AND e.reading < ?2 AND e.state <> '{RECEIVED}' ORDER BY e.id LIMIT ?3"
        );
        let rows = self.query(sql, values![after.0, reading, LOOKED_AT_MAX]).await?;
        rows.into_iter().map(|mut row| inbox(&mut row)).collect()
    }

    /// What would change if these events were read so. Nothing is written.
    ///
    /// # Errors
    /// The store failed.
    pub async fn preview(&self, events: Vec<Mapped>, now: Timestamp) -> Result<Preview, StoreError> {
        self.write(TryOut { events, planning: self.planning.clone(), now }).await
    }
}

struct TryOut {
    events: Vec<Mapped>,
    planning: Planning,
    now: Timestamp,
}

impl Work for TryOut {
    type Answer = Preview;

    async fn run<D: Db>(&self, db: &D) -> Result<Preview, StoreError> {
        let mut changed = Vec::new();
        for event in &self.events {
            let before = end(db, event.id).await?;
            if reads_otherwise(db, event, before).await? {
                changed.push((event, before));
            }
        }
        db.try_out().await?;
        let mut people = BTreeSet::new();
        for (event, _) in &changed {
            // Of many facts that follow, what is tried out is only what one write would place.
            post(db, event, &mut people).await?;
        }
        db.lock(&people.iter().map(Lock::Customer).collect::<Vec<_>>()).await?;
        let (mut calls, mut ends) = (Vec::new(), BTreeMap::new());
        for key in &people {
            let customer = load(db, key).await?;
            let plan = self.planning.plan_or_hold(&customer, self.now);
            ends.extend(
                plan.outcomes.iter().map(|(event, outcome)| (*event, (outcome.end.state(), outcome.end.reason()))),
            );
            let before: BTreeMap<Option<DeliveryId>, &Delivery> =
                customer.deliveries.iter().map(|d| (d.id, d)).collect();
            let changes = plan.changes.iter().map(Change::delivery);
            let news = changes.filter(|d| before.get(&d.id).is_none_or(|old| says_more(old, d)));
            calls.extend(news.map(|delivery| CallNews { key: key.clone(), delivery: delivery.clone() }));
        }
        let mut events = Vec::new();
        for (event, before) in changed {
            let then = match ends.get(&event.id) {
                Some(end) => *end,
                None => end(db, event.id).await?,
            };
            events.push(Changed { id: event.id, now: before, then });
        }
        db.undo_trial().await?;
        Ok(Preview { events, calls })
    }
}

/// Whether a call would be another, rather than wait for another time.
pub(in crate::store) fn says_more(old: &Delivery, new: &Delivery) -> bool {
    old.state != new.state || old.call != new.call || old.reason != new.reason
}

pub(in crate::store) async fn end<D: Db>(db: &D, event: EventId) -> Result<End, StoreError> {
    let row = first(db, "SELECT state, reason FROM events WHERE id = ?1", values![event.0]).await?;
    let mut row = row.ok_or_else(|| unknown("event", &event.to_string()))?;
    let state = row.text()?;
    Ok((EventState::parse(&state).ok_or_else(|| unknown("state", &state))?, reason(row.text_option()?)?))
}

/// Whether an event would be read otherwise than it was.
async fn reads_otherwise<D: Db>(db: &D, event: &Mapped, end: End) -> Result<bool, StoreError> {
    let row = first(db, "SELECT data FROM facts WHERE event_id = ?1", values![event.id.0]).await?;
    let was: Option<Fact> = row.map(|mut row| row.text()).transpose()?.and_then(|data| read_fact(&data).ok());
    Ok(match (&event.reading, was) {
        (Reading::Fact(fact), Some(was)) => **fact != was,
        (Reading::Fact(_), None) | (Reading::Ignored(_) | Reading::Unmappable(..), Some(_)) => true,
        (Reading::Ignored(reason), None) => end != (EventState::Ignored, Some(*reason)),
        (Reading::Unmappable(EventReason::ThinEvent, _), None) => {
            let told = (EventState::Ignored, Some(EventReason::AlreadyReported));
            ![told, (EventState::Unmappable, Some(EventReason::ThinEvent))].contains(&end)
        }
        (Reading::Unmappable(reason, _), None) => end != (EventState::Unmappable, Some(*reason)),
    })
}
