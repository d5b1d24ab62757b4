//! Whose a fact is, and who was waiting for it.

use std::collections::{BTreeSet, VecDeque};

use super::StoreError;
use super::kin::{kin, no_longer_kin, speaks_for_kin};
use super::people::put_outcome;
use super::rows::micros;
use super::sql::{Db, Lock, Row, first, values};
use super::uniting::{give_call, has_left, unite};
use crate::domain::delivery::Subject;
use crate::domain::event::EventId;
use crate::domain::fact::{Fact, Matter};
use crate::domain::person::PersonKey;
use crate::ledger::without_customer;

/// Ids of one fact that are kept; real events have fewer than ten.
const KEYS_MAX: usize = 32;
/// Since when an id is somebody's where no event says so itself, but came with another id of theirs ...
const INFERRED: i64 = i64::MIN + 1;
/// ... or only with their customer, who may have other addresses.
const GUESSED: i64 = i64::MIN;
/// A fact that is to be given to a customer.
pub(super) struct Placing {
    pub(super) event: EventId,
    pub(super) business: String,
    pub(super) scope: String,
    pub(super) fact: Fact,
    /// Whose the event was by an earlier reading.
    pub(super) before: Option<String>,
}

/// Gives a fact to its customer, and then every fact that was waiting for one of its ids to theirs.
pub(super) async fn place<D: Db>(db: &D, first: Placing, people: &mut BTreeSet<PersonKey>) -> Result<(), StoreError> {
    let first_event = first.event;
    let mut todo = VecDeque::from([first]);
    // A round settles a fact that was waiting, or one that follows an id to the address that a later event names for it.
    while let Some(placing) = todo.pop_front() {
        let keys = keys(&placing.fact);
        if placing.event != first_event {
            // The first one's ids are locked already; of one that was woken they may not be.
            let locks: Vec<Lock<'_>> = keys.iter().map(|key| Lock::Key { scope: &placing.scope, key }).collect();
            db.lock(&locks).await?;
        }
        let current = current(db, placing.event).await?;
        let stays = if current.is_none() { of_earlier_reading(db, &placing).await? } else { None };
        let found = match stays {
            Some(email_key) => Some((email_key, INFERRED)),
            None => whose(db, &placing, &keys).await?,
        };
        let Some((email_key, surely)) = found else {
            wait(db, placing.event, &placing.scope, &keys).await?;
            put_outcome(db, placing.event, &without_customer(&placing.fact)).await?;
            continue;
        };
        let before = current.filter(|b| *b != email_key);
        if let Some(before) = before.clone() {
            let person =
                |email_key: &String| PersonKey { business: placing.business.clone(), email_key: email_key.clone() };
            let (from, to) = (person(&before), person(&email_key));
            give_call(db, &placing.scope, placing.event.0, &placing.fact, &from, &to).await?;
            people.insert(from);
        }
        let sql = "UPDATE facts SET email_key = ?2 WHERE event_id = ?1";
        db.execute(sql, values![placing.event.0, &email_key]).await?;
        db.execute("DELETE FROM waiting WHERE event_id = ?1", values![placing.event.0]).await?;
        if matches!(placing.fact.matter, Matter::Reversal(_)) && !is_joined(db, &placing, &keys).await? {
            // It has a customer, but its payment may yet turn out to be under another address.
            wait(db, placing.event, &placing.scope, payment_keys(&placing.fact, &keys)).await?;
        }
        if matches!(placing.fact.matter, Matter::Link(_)) {
            // What it ties may yet come under another address.
            wait(db, placing.event, &placing.scope, &untold(db, &placing).await?).await?;
        }
        todo.extend(tell(db, &placing, &keys, (&email_key, surely), before.as_deref()).await?);
        if matches!(placing.fact.matter, Matter::Payment(_) | Matter::Link(_)) {
            unite(db, &placing, people).await?;
        }
        if speaks_for_kin(&placing.fact) {
            people.extend(kin(db, &placing).await?);
        }
        people.extend(no_longer_kin(db, &placing, &email_key).await?);
        people.insert(PersonKey { business: placing.business, email_key });
    }
    Ok(())
}

/// Whose the fact is until now.
async fn current<D: Db>(db: &D, event: EventId) -> Result<Option<String>, StoreError> {
    let row = first(db, "SELECT email_key FROM facts WHERE event_id = ?1", values![event.0]).await?;
    Ok(row.map(|mut row| row.text_option()).transpose()?.flatten())
}

/// All ids by which a fact is known; the customer's first.
pub(super) fn keys(fact: &Fact) -> Vec<String> {
    let mut keys: Vec<String> = fact.customer.iter().cloned().collect();
    for key in fact.keys.iter().take(KEYS_MAX) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    if let Matter::Payment(payment) = &fact.matter {
        let name = if payment.awaits_invoice { receipt_key } else { payment_key };
        let own: Vec<String> = own_keys(fact).map(name).collect();
        keys.extend(own);
        if !keys.contains(&payment.identity) {
            keys.push(payment.identity.clone());
        }
    }
    keys
}

/// Ids of a payment or a link that no other payment has.
pub(super) fn own_keys(fact: &Fact) -> impl Iterator<Item = &str> {
    let none: &[String] = &[];
    let (ties, identity) = match &fact.matter {
        Matter::Payment(p) => (p.ties.as_slice(), Some(p.identity.as_str())),
        Matter::Link(_) => (fact.keys.as_slice(), None),
        Matter::Customer(_) | Matter::Subscription(_) | Matter::Reversal(_) => (none, None),
    };
    let repeated = identity.is_some_and(|identity| ties.iter().any(|tie| tie == identity));
    ties.iter().map(String::as_str).take(KEYS_MAX).chain(identity.filter(|_| !repeated))
}

/// Keys that keep the first address that was told.
fn is_first_address(key: &str) -> bool {
    ["payment ", "receipt "].iter().any(|name| key.starts_with(name))
}

/// The key under which the first address of a payment is kept: all events about one payment are one customer's.
pub(super) fn payment_key(id: &str) -> String {
    format!("payment {id}")
}

/// The same for a session whose invoice is made afterwards, and names the customer better.
pub(super) fn receipt_key(id: &str) -> String {
    format!("receipt {id}")
}

/// The ids without the customer's own.
fn payment_keys<'a>(fact: &Fact, keys: &'a [String]) -> &'a [String] {
    let start = usize::from(fact.customer.is_some());
    keys.get(start..).unwrap_or_default()
}

async fn known<D: Db>(db: &D, scope: &str, key: &str) -> Result<Option<String>, StoreError> {
    Ok(known_since(db, scope, key).await?.map(|(email_key, _)| email_key))
}

/// Whose an id is, and since when; or how that is known.
async fn known_since<D: Db>(db: &D, scope: &str, key: &str) -> Result<Option<(String, i64)>, StoreError> {
    let row = first(db, "SELECT email_key, at FROM known WHERE scope = ?1 AND key = ?2", values![scope, key]).await?;
    row.map(|mut row| Ok((row.text()?, row.int()?))).transpose()
}

/// The address under which a payment was told of first. One that no event named stays if a call has left for it.
pub(super) async fn first_address<D: Db>(db: &D, placing: &Placing, key: &str) -> Result<Option<String>, StoreError> {
    let Some((email_key, since)) = known_since(db, &placing.scope, key).await? else { return Ok(None) };
    if since > INFERRED {
        return Ok(Some(email_key));
    }
    let person = PersonKey { business: placing.business.clone(), email_key };
    let left = has_left(db, &person, &placing.scope, placing.event.0, &placing.fact).await?;
    Ok(left.then_some(person.email_key))
}

/// Whose a fact is, and how surely: a payment's first address stays; then its own; then what its ids tell.
async fn whose<D: Db>(db: &D, placing: &Placing, keys: &[String]) -> Result<Option<(String, i64)>, StoreError> {
    let fact = &placing.fact;
    if let Matter::Payment(payment) = &fact.matter {
        for key in own_keys(fact) {
            if let Some(email_key) = first_address(db, placing, &payment_key(key)).await? {
                return Ok(Some((email_key, INFERRED)));
            }
        }
        for key in own_keys(fact).filter(|_| payment.awaits_invoice) {
            if let Some(email_key) = first_address(db, placing, &receipt_key(key)).await? {
                return Ok(Some((email_key, INFERRED)));
            }
        }
    }
    let own = fact.email.as_ref().map(|email| (email.key(), INFERRED));
    let (first, rest) = keys.split_at(usize::from(fact.customer.is_some()).min(keys.len()));
    // A refund belongs to its payment's address, whatever the customer's is by now; a change of status to the address
    // under which its subscription was paid; and of a customer with several, a session tells which one paid.
    let ids_first = match &fact.matter {
        Matter::Reversal(_) | Matter::Link(_) | Matter::Subscription(_) => true,
        Matter::Customer(_) | Matter::Payment(_) if own.is_some() => return Ok(own),
        Matter::Payment(_) => true,
        Matter::Customer(_) => false,
    };
    let mut found: Vec<(String, i64)> = Vec::new();
    for key in rest {
        found.extend(known_since(db, &placing.scope, key).await?);
    }
    // The surest of its ids, and of equals the first.
    let by_ids = found.into_iter().rev().max_by_key(|(_, since)| (*since).min(INFERRED + 1));
    let by_ids = by_ids.map(|(email_key, since)| (email_key, since.min(INFERRED)));
    let mut by_customer = None;
    if let Some(customer) = first.first() {
        by_customer = known(db, &placing.scope, customer).await?.map(|email_key| (email_key, GUESSED));
    }
    let known = if ids_first { by_ids.or(by_customer) } else { by_customer.or(by_ids) };
    Ok(known.or(own))
}

/// Whose a change of status was by an earlier reading, or for whom a call was made by one that is forgotten. It stays
/// so: its subscription may have been paid under another address since.
async fn of_earlier_reading<D: Db>(db: &D, placing: &Placing) -> Result<Option<String>, StoreError> {
    if !matches!(placing.fact.matter, Matter::Subscription(_)) {
        return Ok(None);
    }
    if placing.before.is_some() {
        return Ok(placing.before.clone());
    }
    let sql = "SELECT email_key FROM deliveries WHERE business = ?1 AND subject_key = ?2";
    let subject = Subject::Status(placing.event).key("");
    let mut row = first(db, sql, values![&placing.business, subject]).await?;
    row.as_mut().map(Row::text).transpose()
}

/// Whether a reversal's customer was found through its payment.
async fn is_joined<D: Db>(db: &D, placing: &Placing, keys: &[String]) -> Result<bool, StoreError> {
    for key in payment_keys(&placing.fact, keys) {
        if known_since(db, &placing.scope, key).await?.is_some_and(|(_, since)| since != GUESSED) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys under which payments will tell of themselves that a link ties and nobody has told of.
async fn untold<D: Db>(db: &D, placing: &Placing) -> Result<Vec<String>, StoreError> {
    let mut untold = Vec::new();
    for id in own_keys(&placing.fact) {
        let names = [payment_key(id), receipt_key(id)];
        let mut told = false;
        for name in &names {
            told |= known(db, &placing.scope, name).await?.is_some();
        }
        untold.extend(names.into_iter().filter(|_| !told));
    }
    Ok(untold)
}

async fn wait<D: Db>(db: &D, event: EventId, scope: &str, keys: &[String]) -> Result<(), StoreError> {
    let sql = "INSERT INTO waiting (scope, key, event_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    for key in keys {
        db.execute(sql, values![scope, key, event.0]).await?;
    }
    Ok(())
}

/// Notes whose the fact's ids are, and gives the facts that were waiting for one of them, or that went by one which is
/// another's from now on.
async fn tell<D: Db>(
    db: &D,
    placing: &Placing,
    keys: &[String],
    (email_key, surely): (&str, i64),
    moved_from: Option<&str>,
) -> Result<Vec<Placing>, StoreError> {
    let mut woken: Vec<Placing> = Vec::new();
    let mut followers: Vec<Placing> = Vec::new();
    for key in keys {
        let (email_key, at) = word_on(&placing.fact, key, email_key, surely);
        let before = known(db, &placing.scope, key).await?;
        let newer = "INSERT INTO known (scope, key, email_key, at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (scope, key) DO UPDATE SET email_key = excluded.email_key, at = excluded.at WHERE";
        // What an event names gives way to what a later one names, but for a payment's first address; and what was only
        // inferred goes where that goes by which it was.
        let may_change = if is_first_address(key) {
            "known.at <= ?5 AND (known.at < excluded.at OR (known.at = excluded.at AND known.email_key = ?6))"
        } else {
            "known.at < excluded.at OR (known.at = excluded.at AND (known.at > ?5 OR known.email_key = ?6))"
        };
        let of = values![&placing.scope, key, &email_key, at, INFERRED, moved_from.unwrap_or_default()];
        let noted = db.execute(&format!("{newer} {may_change}"), of).await?;
        if let Some(before) = before.filter(|before| noted > 0 && *before != email_key) {
            let more = followers_of(db, placing, key, before, &email_key).await?;
            let new = |p: &Placing| followers.iter().all(|known| known.event != p.event);
            let more: Vec<Placing> = more.into_iter().filter(new).collect();
            followers.extend(more);
        }
        // What has a customer goes on only by what was not known before: so this ends.
        let whom = if noted > 0 { "" } else { "AND f.email_key IS NULL" };
        let waiting = format!(
            "SELECT f.event_id, f.business, f.data FROM waiting w JOIN facts f ON f.event_id = w.event_id \
             WHERE w.scope = ?1 AND w.key = ?2 AND w.event_id <> ?3 {whom} ORDER BY w.event_id"
        );
        for mut row in db.query(&waiting, values![&placing.scope, key, placing.event.0]).await? {
            let event = EventId(row.int()?);
            if woken.iter().all(|p| p.event != event) {
                let (business, data) = (row.text()?, row.text()?);
                let fact = serde_json::from_str(&data)?;
                woken.push(Placing { event, business, scope: placing.scope.clone(), fact, before: None });
            }
        }
    }
    let mut ours = Vec::new();
    for placing in woken {
        // Nothing to delete: another replica has woken it by another of its ids, and goes on with it.
        if db.execute("DELETE FROM waiting WHERE event_id = ?1", values![placing.event.0]).await? > 0 {
            ours.push(placing);
        }
    }
    ours.extend(followers);
    Ok(ours)
}

/// Whose an id of a fact is by its word, and since when. Only a fact that names an address itself can move an id to
/// another one. A reversal's ids are its payment's; a subscription's is whose its payments are.
fn word_on(fact: &Fact, key: &str, email_key: &str, surely: i64) -> (String, i64) {
    let own = fact.email.as_ref().map(crate::domain::email::Email::key);
    let of_customer = fact.customer.as_deref() == Some(key);
    let says_so = match &fact.matter {
        Matter::Payment(_) => true,
        Matter::Customer(_) | Matter::Subscription(_) => of_customer,
        Matter::Reversal(_) | Matter::Link(_) => false,
    };
    // What a reversal infers of its ids it would find again as if another had said so.
    let surely = if matches!(fact.matter, Matter::Reversal(_)) { GUESSED } else { surely };
    match own.filter(|_| says_so) {
        Some(own) if of_customer => (own, micros(fact.at)),
        Some(_) => (email_key.to_owned(), micros(fact.at)),
        None => (email_key.to_owned(), surely),
    }
}

/// The facts that went by an id to the address that had it before: what names no address itself goes where its payment
/// goes, unless a call in its name has left.
async fn followers_of<D: Db>(
    db: &D,
    placing: &Placing,
    key: &str,
    before: String,
    now: &str,
) -> Result<Vec<Placing>, StoreError> {
    let mut followers = Vec::new();
    if placing.fact.customer.as_deref() == Some(key) {
        // Of what went by its customer alone nothing says that it was not the address it had then.
        return Ok(followers);
    }
    let (business, scope) = (&placing.business, &placing.scope);
    let person = PersonKey { business: business.clone(), email_key: before };
    let target = PersonKey { business: business.clone(), email_key: now.to_owned() };
    // Nobody may begin a call of theirs meanwhile.
    db.lock(&[Lock::Person(&person), Lock::Person(&target)]).await?;
    let sql =
        "SELECT event_id, data FROM facts WHERE business = ?1 AND email_key = ?2 AND scope = ?3 ORDER BY event_id";
    for mut row in db.query(sql, values![business, &person.email_key, scope]).await? {
        let (event, fact): (i64, Fact) = (row.int()?, serde_json::from_str(&row.text()?)?);
        let follows = match &fact.matter {
            Matter::Subscription(_) | Matter::Reversal(_) | Matter::Link(_) => true,
            Matter::Payment(_) => fact.email.is_none(),
            Matter::Customer(_) => false,
        };
        let same = event != placing.event.0 && keys(&fact).iter().any(|own| own == key);
        if follows && same && !has_left(db, &person, scope, event, &fact).await? {
            followers.push(Placing {
                event: EventId(event),
                business: business.clone(),
                scope: scope.clone(),
                fact,
                before: None,
            });
        }
    }
    Ok(followers)
}
