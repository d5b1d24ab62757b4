//! Look-ups: which events lack what their provider could be asked for, who is asking, and what came of it.
//!
//! The rows come and go with the events' states, by triggers of the schema. Events that lack the same thing are one
//! question: asking for it takes them all, and its end is written to them all.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::people::put_outcome;
use super::rows::{micros, time_option};
use super::{Store, StoreError};
use crate::clock::after;
use crate::domain::event::{EventId, EventState, Mode, Outcome};
use crate::domain::fact::Fact;
use crate::domain::reason::Reason;

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
    pub lack: Lack,
}

/// What an event lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
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
        self.read(move |db| {
            let mut next: Option<i64> = None;
            for endpoint in endpoints {
                let sql = "SELECT MIN(due_at) FROM lookups WHERE endpoint = ?1 AND due_at IS NOT NULL";
                let due: Option<i64> = db.prepare_cached(sql)?.query_row([endpoint], |row| row.get(0))?;
                next = [next, due].into_iter().flatten().min();
            }
            time_option(next)
        })
        .await
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
        let endpoint = endpoint.to_owned();
        self.writer
            .write(move |db| {
                let mut taken = Vec::new();
                while taken.len() < lookups_max
                    && let Some(lookup) = take(db, &endpoint, now, after(now, lease))?
                {
                    taken.push(lookup);
                }
                Ok(taken)
            })
            .await
    }

    /// Writes how asking ended, for every event that lacks the same. Those that came by it otherwise meanwhile are left
    /// alone.
    ///
    /// # Errors
    /// Nothing was written; it is asked for again when its lease is over.
    pub async fn end_lookup(&self, lookup: &Lookup, end: LookupEnd, now: Timestamp) -> Result<(), StoreError> {
        let lookup = lookup.clone();
        self.writer
            .write(move |db| match (end, &lookup.lack) {
                (LookupEnd::Recorded(answer), Lack::Object { .. }) => looked_up(db, lookup.event, answer),
                (LookupEnd::Recorded(answer), Lack::Customer { .. }) => {
                    // Its events go on when the answer is read, and with that these rows are gone.
                    let note = format!("the answer was recorded as {answer}");
                    write_down(db, &lookup.thing, Some(after(now, READING_WAIT)), true, &note)
                }
                (LookupEnd::Open { due_at, counted, note }, _) => {
                    write_down(db, &lookup.thing, due_at, counted, &note)?;
                    let sql =
                        "UPDATE events SET detail = ?2 WHERE id IN (SELECT event_id FROM lookups WHERE thing = ?1)";
                    db.prepare_cached(sql)?.execute([&lookup.thing, &note])?;
                    Ok(())
                }
            })
            .await
    }
}

fn take(db: &Connection, endpoint: &str, now: Timestamp, deadline: Timestamp) -> Result<Option<Lookup>, StoreError> {
    let sql = "SELECT l.event_id, l.endpoint, l.thing, l.attempts, e.state, f.data, b.body FROM lookups l \
         JOIN events e ON e.id = l.event_id LEFT JOIN facts f ON f.event_id = l.event_id \
         LEFT JOIN bodies b ON b.event_id = l.event_id AND e.state = 'unmappable' \
         WHERE l.endpoint = ?1 AND l.due_at <= ?2 ORDER BY l.due_at LIMIT 1";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![endpoint, micros(now)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let lookup = lookup(row)?;
    db.prepare_cached("UPDATE lookups SET attempts = ?2, due_at = ?3 WHERE thing = ?1")?.execute(params![
        lookup.thing,
        lookup.attempt,
        micros(deadline)
    ])?;
    Ok(Some(lookup))
}

fn lookup(row: &Row<'_>) -> Result<Lookup, StoreError> {
    let attempts: u32 = row.get("attempts")?;
    let fact: Option<String> = row.get("data")?;
    let lack = match fact {
        Some(fact) => {
            let Fact { customer, account, mode, .. } = serde_json::from_str(&fact)?;
            Lack::Customer { id: customer, account, mode }
        }
        None => Lack::Object { body_zstd: row.get("body")? },
    };
    Ok(Lookup {
        event: EventId(row.get("event_id")?),
        endpoint: row.get("endpoint")?,
        thing: row.get("thing")?,
        attempt: attempts.saturating_add(1),
        lack,
    })
}

/// Ends an event whose object was fetched, unless it has been read otherwise meanwhile.
fn looked_up(db: &Connection, event: EventId, answer: EventId) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM lookups WHERE event_id = ?1";
    let lacks: Option<i64> = db.prepare_cached(sql)?.query_row([event.0], |row| row.get(0)).optional()?;
    if lacks.is_none() {
        return Ok(());
    }
    let detail = Some(format!("recorded as {answer}"));
    put_outcome(db, event, &Outcome { state: EventState::Ignored, reason: Some(Reason::LookedUp), detail })
}

fn write_down(
    db: &Connection,
    thing: &str,
    due_at: Option<Timestamp>,
    counted: bool,
    note: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE lookups SET due_at = ?2, attempts = attempts - ?3, note = ?4 WHERE thing = ?1";
    db.prepare_cached(sql)?.execute(params![thing, due_at.map(micros), u8::from(!counted), note])?;
    Ok(())
}

#[cfg(test)]
mod tests;
