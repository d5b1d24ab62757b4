//! Look-ups: which events lack what their provider could be asked for, who is asking, and what came of it.
//!
//! The rows come and go with the events' states, by triggers of the schema. Events that lack the same thing are one
//! question: asking for it takes them all, and its end is written to them all. The row of a payment that waits for its
//! checkout session comes with the plan that says so, for no column tells it; a trigger takes it away.

use jiff::Timestamp;

use super::rows::{micros, put_outcome, reason, time_option};
use super::sql::{Db, Lock, Row, Work, first, values};
use super::written::read_fact;
use super::{Store, StoreError};
use crate::clock::after;
use crate::domain::customer::CustomerHistory;
use crate::domain::delivery::DeliveryKey;
use crate::domain::event::{EventId, Outcome};
use crate::domain::fact::{Fact, FactKind, Payment};
use crate::domain::lookup::Sought;
use crate::domain::mode::Mode;
use crate::domain::reason::EventReason;
use crate::store::codes::THIN_EVENT;

/// Something to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The event that lacks it; the longest waiting one, when there are several.
    pub event: EventId,
    /// The endpoint it came to.
    pub endpoint: String,
    /// What all events that lack the same share. Unique in the database.
    pub thing: String,
    /// Which attempt this is, counting from 1.
    pub attempt: u32,
    /// What is lacking.
    pub missing: Missing,
}

/// What an event lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The address of its customer.
    Customer {
        /// The provider's id; nothing when the event names nobody.
        id: Option<String>,
        /// The connected account.
        account: Option<String>,
        /// Real money or not.
        mode: Mode,
    },
    /// What it points at, as its body says.
    Object {
        /// The raw body, zstd-compressed.
        body_zstd: Option<Vec<u8>>,
    },
    /// The lines of its invoice that it leaves out: the payment it reports.
    Lines(Sought),
    /// The checkout session of the payment it reports.
    Session(Sought),
}

/// How asking ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupEnd {
    /// The answer was recorded as this event.
    Recorded(EventId),
    /// There is no answer that helps, for now.
    Open {
        /// When to ask again; nothing when not any more.
        due_at: Option<Timestamp>,
        /// Whether the attempt counts. One that our own configuration spoiled does not.
        counted: bool,
        /// Why, for people. Never holds a personal value.
        note: String,
    },
}

/// How long an answer that was recorded may take to be read before it is asked for again.
const READING_WAIT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

impl Store {
    /// When the next look-up of one of these endpoints is due; nothing when there is none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn next_lookup(&self, endpoints: Vec<String>) -> Result<Option<Timestamp>, StoreError> {
        let mut next: Option<i64> = None;
        for endpoint in endpoints {
            let sql = "SELECT MIN(due_at) FROM lookups WHERE endpoint = ?1 AND due_at IS NOT NULL".to_owned();
            for mut row in self.query(sql, values![endpoint]).await? {
                next = [next, row.int_option()?].into_iter().flatten().min();
            }
        }
        time_option(next)
    }

    /// Takes up to `lookups_max` due look-ups of an endpoint, the longest due first, each of another thing. They are not
    /// due again before `lease` is over, so that nobody asks twice; after a crash they are due again then.
    ///
    /// # Errors
    /// Nothing was taken.
    pub async fn take_lookups(
        &self,
        endpoint: &str,
        lookups_max: usize,
        now: Timestamp,
        lease: std::time::Duration,
    ) -> Result<Vec<Lookup>, StoreError> {
        self.write(Take { endpoint: endpoint.to_owned(), lookups_max, now, deadline: after(now, lease) }).await
    }

    /// Writes how asking ended, for every event that lacks the same. Those that came by it otherwise meanwhile are left
    /// alone.
    ///
    /// # Errors
    /// Nothing was written; it is asked for again when its lease is over.
    pub async fn end_lookup(&self, lookup: &Lookup, end: LookupEnd, now: Timestamp) -> Result<(), StoreError> {
        self.write(End { lookup: lookup.clone(), end, now }).await
    }
}

struct Take {
    endpoint: String,
    lookups_max: usize,
    now: Timestamp,
    deadline: Timestamp,
}

impl Work for Take {
    type Answer = Vec<Lookup>;

    async fn run<D: Db>(&self, db: &D) -> Result<Vec<Lookup>, StoreError> {
        // One replica at a time takes for an endpoint: two rows may be of one thing.
        db.lock(&[Lock::Key { scope: "lookups", key: &self.endpoint }]).await?;
        let mut taken = Vec::new();
        while taken.len() < self.lookups_max
            && let Some(lookup) = take(db, &self.endpoint, self.now, self.deadline).await?
        {
            taken.push(lookup);
        }
        Ok(taken)
    }
}

struct End {
    lookup: Lookup,
    end: LookupEnd,
    now: Timestamp,
}

impl Work for End {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let Self { lookup, end, now } = self;
        match (end, &lookup.missing) {
            (LookupEnd::Recorded(answer), Missing::Object { .. }) => looked_up(db, lookup.event, *answer).await,
            (LookupEnd::Recorded(answer), Missing::Customer { .. } | Missing::Lines(_) | Missing::Session(_)) => {
                // Its events go on when the answer is read, and with that these rows are gone.
                let note = format!("the answer was recorded as {answer}");
                write_down(db, &lookup.thing, Some(after(*now, READING_WAIT)), *now, true, &note).await
            }
            (LookupEnd::Open { due_at, counted, note }, Missing::Session(_)) => {
                // Its event has come to what it can: it is the call that waits.
                write_down(db, &lookup.thing, *due_at, *now, *counted, note).await
            }
            (
                LookupEnd::Open { due_at, counted, note },
                Missing::Customer { .. } | Missing::Object { .. } | Missing::Lines(_),
            ) => {
                write_down(db, &lookup.thing, *due_at, *now, *counted, note).await?;
                let sql = "UPDATE events SET detail = ?2 WHERE id IN (SELECT event_id FROM lookups WHERE thing = ?1)";
                db.execute(sql, values![&lookup.thing, note]).await?;
                Ok(())
            }
        }
    }
}

async fn take<D: Db>(
    db: &D,
    endpoint: &str,
    now: Timestamp,
    deadline: Timestamp,
) -> Result<Option<Lookup>, StoreError> {
    let sql = format!(
        "SELECT l.event_id, l.endpoint, l.thing, l.attempts, e.reason, f.data, b.body FROM lookups l \
         JOIN events e ON e.id = l.event_id LEFT JOIN facts f ON f.event_id = l.event_id \
         LEFT JOIN bodies b ON b.event_id = l.event_id AND e.reason = '{THIN_EVENT}' \
         WHERE l.endpoint = ?1 AND l.due_at <= ?2 ORDER BY l.due_at LIMIT 1"
    );
    let Some(mut row) = first(db, &sql, values![endpoint, micros(now)]).await? else { return Ok(None) };
    let lookup = lookup(&mut row)?;
    let sql = "UPDATE lookups SET attempts = ?2, due_at = ?3, waits_from = ?4 WHERE thing = ?1";
    db.execute(sql, values![&lookup.thing, lookup.attempt, micros(deadline), micros(now)]).await?;
    Ok(Some(lookup))
}

fn lookup(row: &mut Row) -> Result<Lookup, StoreError> {
    let (event, endpoint, thing, attempts) = (EventId(row.int()?), row.text()?, row.text()?, row.int()?);
    let attempts = u32::try_from(attempts).map_err(|_| StoreError::Data("attempts are out of range".to_owned()))?;
    let reason = reason(row.text_option()?)?;
    let fact: Option<Fact> = row.text_option()?.map(|fact| read_fact(&fact)).transpose()?;
    let missing = match fact.map(|fact| missing(fact, reason)) {
        Some(missing) => missing,
        None => Missing::Object { body_zstd: row.bytes_option()? },
    };
    Ok(Lookup { event, endpoint, thing, attempt: attempts.saturating_add(1), missing })
}

/// What an event lacks that reports something, and came to `reason`.
fn missing(fact: Fact, reason: Option<EventReason>) -> Missing {
    let Fact { customer, account, mode, at, matter, .. } = fact;
    match matter {
        FactKind::Payment(Payment { identity, subscription, ties, .. })
            if reason != Some(EventReason::CustomerUnknown) =>
        {
            let sought = Sought { identity, subscription, ties, customer, account, mode, at };
            if reason == Some(EventReason::LinesNotSeen) { Missing::Lines(sought) } else { Missing::Session(sought) }
        }
        FactKind::Payment(_)
        | FactKind::Customer(_)
        | FactKind::Subscription(_)
        | FactKind::Reversal(_)
        | FactKind::Link(_) => Missing::Customer { id: customer, account, mode },
    }
}

/// Asks for the checkout sessions that a plan waits for. One that is asked for already is not asked for anew.
pub(super) async fn want_sessions<D: Db>(
    db: &D,
    customer: &CustomerHistory,
    wanted: &[DeliveryKey],
) -> Result<(), StoreError> {
    for payment in customer.deliveries.iter().filter(|d| wanted.contains(&d.subject)) {
        let DeliveryKey::Payment { scope, identity } = &payment.subject else { continue };
        let sql = "INSERT INTO lookups (event_id, endpoint, thing, attempts, due_at, waits_from) \
             SELECT id, endpoint, ?2, 0, ?3, ?3 FROM events WHERE id = ?1 ON CONFLICT DO NOTHING";
        let thing = format!("session {scope} {identity}");
        db.execute(sql, values![payment.event.0, thing, micros(payment.waits_from)]).await?;
    }
    Ok(())
}

/// Ends an event whose object was fetched, unless it has been read otherwise meanwhile.
async fn looked_up<D: Db>(db: &D, event: EventId, answer: EventId) -> Result<(), StoreError> {
    if first(db, "SELECT 1 FROM lookups WHERE event_id = ?1", values![event.0]).await?.is_none() {
        return Ok(());
    }
    let detail = Some(format!("recorded as {answer}"));
    put_outcome(db, event, &Outcome { detail, ..Outcome::ignored(EventReason::LookedUp) }).await
}

async fn write_down<D: Db>(
    db: &D,
    thing: &str,
    due_at: Option<Timestamp>,
    now: Timestamp,
    counted: bool,
    note: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE lookups SET due_at = ?2, waits_from = ?5, attempts = attempts - ?3, note = ?4 WHERE thing = ?1";
    db.execute(sql, values![thing, due_at.map(micros), !counted, note, micros(now)]).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
