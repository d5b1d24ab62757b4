//! From the inbox to facts: whose each one is, who was waiting for it, and what is to be done now.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::people::{put_outcome, replan};
use super::rows::{micros, time, unknown};
use super::{Store, StoreError};
use crate::domain::delivery::scope;
use crate::domain::endpoint::ProviderKind;
use crate::domain::event::{EventId, Outcome};
use crate::domain::fact::{Fact, Matter, Reading};
use crate::domain::person::PersonKey;
use crate::domain::reason::Reason;

/// Ids of one fact that are kept; real events have fewer than ten.
const KEYS_MAX: usize = 32;

/// An event that waits to be read.
#[derive(Debug)]
pub struct Inbox {
    /// Its number.
    pub id: EventId,
    /// The endpoint it came to.
    pub endpoint: String,
    /// Who sent it.
    pub provider: ProviderKind,
    /// The Refairn business it was recorded for.
    pub business: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The raw body, zstd-compressed; nothing when it is past its retention.
    pub body_zstd: Option<Vec<u8>>,
}

/// An event after it was read.
#[derive(Debug)]
pub struct Mapped {
    /// Its number.
    pub id: EventId,
    /// The endpoint it came to.
    pub endpoint: String,
    /// The Refairn business it is for.
    pub business: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// What it reports.
    pub reading: Reading,
}

/// Reads an inbox row: id, endpoint, provider, business, received_at, body.
fn inbox(row: &rusqlite::Row<'_>) -> Result<Inbox, StoreError> {
    let provider: String = row.get(2)?;
    Ok(Inbox {
        id: EventId(row.get(0)?),
        endpoint: row.get(1)?,
        provider: ProviderKind::parse(&provider).ok_or_else(|| unknown("provider", &provider))?,
        business: row.get(3)?,
        received_at: time(row.get(4)?)?,
        body_zstd: row.get(5)?,
    })
}

impl Store {
    /// The oldest events that nobody has read yet.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn inbox(&self, events_max: u32) -> Result<Vec<Inbox>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT e.id, e.endpoint, e.provider, e.business, e.received_at, b.body FROM events e \
                 LEFT JOIN bodies b ON b.event_id = e.id WHERE e.state = 'received' ORDER BY e.id LIMIT ?1";
            let mut statement = db.prepare_cached(sql)?;
            let mut rows = statement.query([events_max])?;
            let mut events = Vec::new();
            while let Some(row) = rows.next()? {
                events.push(inbox(row)?);
            }
            Ok(events)
        })
        .await
    }

    /// Writes what events report, and what follows from it for their customers: facts, deliveries, outcomes and the
    /// queue, all or nothing. An event that was read before is read anew: its old fact is replaced.
    ///
    /// # Errors
    /// Nothing was written; the events are still in the inbox.
    pub async fn post(&self, events: Vec<Mapped>, now: Timestamp) -> Result<(), StoreError> {
        let planner = self.planner.clone();
        self.writer
            .write(move |db| {
                let mut people = BTreeSet::new();
                for event in &events {
                    post(db, event, &mut people)?;
                }
                people.iter().try_for_each(|key| replan(db, planner.as_ref(), key, now))
            })
            .await
    }
}

fn post(db: &Connection, event: &Mapped, people: &mut BTreeSet<PersonKey>) -> Result<(), StoreError> {
    forget(db, event.id, people)?;
    match &event.reading {
        Reading::Ignored(reason) => put_outcome(db, event.id, &Outcome::ignored(*reason)),
        Reading::Unmappable(reason, detail) => put_outcome(db, event.id, &Outcome::unmappable(*reason, detail.clone())),
        Reading::Fact(fact) => {
            // Out of the inbox; the plan then says what it came to.
            put_outcome(db, event.id, &Outcome::MAPPED)?;
            let scope = scope(&event.endpoint, fact.account.as_deref(), fact.mode);
            let sql = "INSERT INTO facts (event_id, business, scope, customer, has_code, received_at, data) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let data = serde_json::to_string(fact)?;
            let row = params![
                event.id.0,
                event.business,
                scope,
                fact.customer,
                fact.code.is_some(),
                micros(event.received_at),
                data
            ];
            db.prepare_cached(sql)?.execute(row)?;
            place(
                db,
                Placing { event: event.id, business: event.business.clone(), scope, fact: (**fact).clone() },
                people,
            )
        }
    }
}

/// Removes what an earlier reading of the event left behind.
fn forget(db: &Connection, event: EventId, people: &mut BTreeSet<PersonKey>) -> Result<(), StoreError> {
    let sql = "DELETE FROM facts WHERE event_id = ?1 RETURNING business, email_key";
    let old: Option<(String, Option<String>)> =
        db.prepare_cached(sql)?.query_row([event.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((business, email_key)) = old {
        people.extend(email_key.map(|email_key| PersonKey { business, email_key }));
        db.prepare_cached("DELETE FROM waiting WHERE event_id = ?1")?.execute([event.0])?;
    }
    Ok(())
}

/// A fact that is to be given to a customer.
struct Placing {
    event: EventId,
    business: String,
    scope: String,
    fact: Fact,
}

/// Gives a fact to its customer, and then every fact that was waiting for one of its ids to theirs.
fn place(db: &Connection, first: Placing, people: &mut BTreeSet<PersonKey>) -> Result<(), StoreError> {
    let mut todo = VecDeque::from([first]);
    // Every round settles one fact that was waiting, so it ends.
    while let Some(placing) = todo.pop_front() {
        let keys = keys(&placing.fact);
        let Some(email_key) = whose(db, &placing, &keys)? else {
            wait(db, placing.event, &placing.scope, &keys)?;
            put_outcome(db, placing.event, &waiting_outcome(&placing.fact))?;
            continue;
        };
        let sql = "SELECT email_key FROM facts WHERE event_id = ?1";
        let before: Option<String> = db.prepare_cached(sql)?.query_row([placing.event.0], |row| row.get(0))?;
        if let Some(before) = before.filter(|b| *b != email_key) {
            people.insert(PersonKey { business: placing.business.clone(), email_key: before });
        }
        db.prepare_cached("UPDATE facts SET email_key = ?2 WHERE event_id = ?1")?
            .execute(params![placing.event.0, email_key])?;
        db.prepare_cached("DELETE FROM waiting WHERE event_id = ?1")?.execute([placing.event.0])?;
        if matches!(placing.fact.matter, Matter::Reversal(_)) && !is_joined(db, &placing, &keys)? {
            // It has a customer, but its payment may yet turn out to be under another address.
            wait(db, placing.event, &placing.scope, payment_keys(&placing.fact, &keys))?;
        }
        todo.extend(tell(db, &placing, &keys, &email_key)?);
        people.insert(PersonKey { business: placing.business, email_key });
    }
    Ok(())
}

/// All ids by which a fact is known; the customer's first.
fn keys(fact: &Fact) -> Vec<String> {
    let mut keys: Vec<String> = fact.customer.iter().cloned().collect();
    for key in fact.keys.iter().take(KEYS_MAX) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    if let Matter::Payment(payment) = &fact.matter {
        keys.push(payment_key(&payment.identity));
        if !keys.contains(&payment.identity) {
            keys.push(payment.identity.clone());
        }
    }
    keys
}

/// The key under which the first address of a payment is kept: all events about one payment are one customer's.
fn payment_key(identity: &str) -> String {
    format!("payment {identity}")
}

/// The ids without the customer's own.
fn payment_keys<'a>(fact: &Fact, keys: &'a [String]) -> &'a [String] {
    let start = usize::from(fact.customer.is_some());
    keys.get(start..).unwrap_or_default()
}

fn known(db: &Connection, scope: &str, key: &str) -> Result<Option<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT email_key FROM known WHERE scope = ?1 AND key = ?2")?;
    Ok(statement.query_row([scope, key], |row| row.get(0)).optional()?)
}

/// Whose a fact is: a payment's first address stays; then its own; then what its ids tell.
fn whose(db: &Connection, placing: &Placing, keys: &[String]) -> Result<Option<String>, StoreError> {
    let fact = &placing.fact;
    if let Matter::Payment(payment) = &fact.matter
        && let Some(email_key) = known(db, &placing.scope, &payment_key(&payment.identity))?
    {
        return Ok(Some(email_key));
    }
    let own = fact.email.as_ref().map(crate::domain::email::Email::key);
    let (first, rest) = keys.split_at(usize::from(fact.customer.is_some()).min(keys.len()));
    // A refund belongs to its payment's address, whatever the customer's is by now.
    let order: Vec<&String> = match &fact.matter {
        Matter::Reversal(_) | Matter::Link => rest.iter().chain(first).collect(),
        Matter::Customer(_) | Matter::Payment(_) | Matter::Subscription(_) => {
            if own.is_some() {
                return Ok(own);
            }
            first.iter().chain(rest).collect()
        }
    };
    for key in order {
        if let Some(email_key) = known(db, &placing.scope, key)? {
            return Ok(Some(email_key));
        }
    }
    Ok(own)
}

/// Whether a reversal's customer was found through its payment.
fn is_joined(db: &Connection, placing: &Placing, keys: &[String]) -> Result<bool, StoreError> {
    for key in payment_keys(&placing.fact, keys) {
        if known(db, &placing.scope, key)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn wait(db: &Connection, event: EventId, scope: &str, keys: &[String]) -> Result<(), StoreError> {
    for key in keys {
        db.prepare_cached("INSERT OR IGNORE INTO waiting (scope, key, event_id) VALUES (?1, ?2, ?3)")?
            .execute(params![scope, key, event.0])?;
    }
    Ok(())
}

fn waiting_outcome(fact: &Fact) -> Outcome {
    use crate::domain::fact::ReversalStage;
    match &fact.matter {
        Matter::Reversal(r) => match r.stage {
            ReversalStage::Final => Outcome::waiting(Reason::PaymentUnknown),
            ReversalStage::Pending | ReversalStage::Void => Outcome::ignored(Reason::ReversalNotFinal),
        },
        Matter::Link => Outcome::ignored(Reason::LinkNoted),
        Matter::Subscription(s) if s.status.is_none() => Outcome::ignored(s.no_call.unwrap_or(Reason::StatusUnknown)),
        // Nobody misses it: it is kept, and counts when its customer becomes known.
        Matter::Customer(c) if fact.code.is_none() => Outcome::ignored(c.no_payment.unwrap_or(Reason::NoReferralCode)),
        Matter::Customer(_) | Matter::Payment(_) | Matter::Subscription(_) => Outcome::waiting(Reason::CustomerUnknown),
    }
}

/// Notes whose the fact's ids are, and gives the facts that were waiting for one of them.
fn tell(db: &Connection, placing: &Placing, keys: &[String], email_key: &str) -> Result<Vec<Placing>, StoreError> {
    // Only a fact that names an address itself can move an id to another one; a reversal's ids are its payment's.
    let says_so = placing.fact.email.is_some() && !matches!(placing.fact.matter, Matter::Reversal(_) | Matter::Link);
    let mut woken = Vec::new();
    for key in keys {
        let newest = "INSERT INTO known (scope, key, email_key, at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO UPDATE SET email_key = excluded.email_key, at = excluded.at WHERE excluded.at >= at";
        let first = "INSERT INTO known (scope, key, email_key, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        let sql = if says_so && !key.starts_with("payment ") { newest } else { first };
        let at = if says_so { micros(placing.fact.at) } else { i64::MIN };
        db.prepare_cached(sql)?.execute(params![placing.scope, key, email_key, at])?;
        let waiting = "SELECT f.event_id, f.business, f.data FROM waiting w JOIN facts f ON f.event_id = w.event_id \
             WHERE w.scope = ?1 AND w.key = ?2 AND w.event_id <> ?3 ORDER BY w.event_id";
        let mut statement = db.prepare_cached(waiting)?;
        let mut rows = statement.query(params![placing.scope, key, placing.event.0])?;
        while let Some(row) = rows.next()? {
            let data: String = row.get(2)?;
            let event = EventId(row.get(0)?);
            if woken.iter().all(|p: &Placing| p.event != event) {
                let (business, scope) = (row.get(1)?, placing.scope.clone());
                woken.push(Placing { event, business, scope, fact: serde_json::from_str(&data)? });
            }
        }
    }
    for placing in &woken {
        db.prepare_cached("DELETE FROM waiting WHERE event_id = ?1")?.execute([placing.event.0])?;
    }
    Ok(woken)
}
