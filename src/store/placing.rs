//! Whose a fact is, and who was waiting for it.

use std::collections::{BTreeSet, VecDeque};

use super::StoreError;
use super::people::put_outcome;
use super::rows::micros;
use super::sql::{Db, Lock, Row, first, values};
use super::uniting::unite;
use crate::domain::delivery::Subject;
use crate::domain::event::EventId;
use crate::domain::fact::{Fact, Matter};
use crate::domain::person::PersonKey;
use crate::ledger::without_customer;

/// Ids of one fact that are kept; real events have fewer than ten.
const KEYS_MAX: usize = 32;
/// Addresses between which a provider's customer carries a code. One with more is no person: a shop that sells to all
/// walk-in customers under one.
pub const KIN_MAX: u32 = 5;

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
    // Every round settles one fact that was waiting, so it ends.
    while let Some(placing) = todo.pop_front() {
        let keys = keys(&placing.fact);
        if placing.event != first_event {
            // The first one's ids are locked already; of one that was woken they may not be.
            let locks: Vec<Lock<'_>> = keys.iter().map(|key| Lock::Key { scope: &placing.scope, key }).collect();
            db.lock(&locks).await?;
        }
        let Some(email_key) = whose(db, &placing, &keys).await? else {
            wait(db, placing.event, &placing.scope, &keys).await?;
            put_outcome(db, placing.event, &without_customer(&placing.fact)).await?;
            continue;
        };
        let before = before(db, placing.event).await?;
        if let Some(before) = before.filter(|b| *b != email_key) {
            people.insert(PersonKey { business: placing.business.clone(), email_key: before });
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
        todo.extend(tell(db, &placing, &keys, &email_key).await?);
        if matches!(placing.fact.matter, Matter::Payment(_) | Matter::Link(_)) {
            unite(db, &placing, people).await?;
        }
        if speaks_for_kin(&placing.fact) {
            people.extend(kin(db, &placing).await?);
        }
        people.insert(PersonKey { business: placing.business, email_key });
    }
    Ok(())
}

/// Whose the fact has been until now.
async fn before<D: Db>(db: &D, event: EventId) -> Result<Option<String>, StoreError> {
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

/// Whether a fact counts for the other addresses of its provider's customer: it has a code, or is the session that they
/// may be waiting for.
pub(super) const fn speaks_for_kin(fact: &Fact) -> bool {
    match &fact.matter {
        Matter::Customer(c) => fact.code.is_some() || c.checkout || c.checkout_of.is_some(),
        Matter::Payment(_) | Matter::Subscription(_) | Matter::Reversal(_) | Matter::Link(_) => fact.code.is_some(),
    }
}

/// Everybody with facts of the same customer of the provider's, as far as a code goes from one to another.
async fn kin<D: Db>(db: &D, placing: &Placing) -> Result<Vec<PersonKey>, StoreError> {
    let Some(customer) = &placing.fact.customer else { return Ok(Vec::new()) };
    let addresses = addresses(db, &placing.scope, customer).await?;
    let person = |email_key| PersonKey { business: placing.business.clone(), email_key };
    Ok(addresses.into_iter().map(person).collect())
}

/// The addresses of a customer of the provider's; none when there are so many that it is no one person.
pub(super) async fn addresses<D: Db>(db: &D, scope: &str, customer: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT email_key FROM facts WHERE scope = ?1 AND customer = ?2 AND email_key IS NOT NULL \
         GROUP BY email_key ORDER BY email_key LIMIT ?3";
    let rows = db.query(sql, values![scope, customer, KIN_MAX + 1]).await?;
    let addresses: Vec<String> = rows.into_iter().map(|mut row| row.text()).collect::<Result<_, _>>()?;
    Ok(if addresses.len() > KIN_MAX as usize { Vec::new() } else { addresses })
}

/// The ids without the customer's own.
fn payment_keys<'a>(fact: &Fact, keys: &'a [String]) -> &'a [String] {
    let start = usize::from(fact.customer.is_some());
    keys.get(start..).unwrap_or_default()
}

pub(super) async fn known<D: Db>(db: &D, scope: &str, key: &str) -> Result<Option<String>, StoreError> {
    let row = first(db, "SELECT email_key FROM known WHERE scope = ?1 AND key = ?2", values![scope, key]).await?;
    row.map(|mut row| row.text()).transpose()
}

/// Whose a fact is: a payment's first address stays, and whom a call was made for; then its own; then what its ids tell.
async fn whose<D: Db>(db: &D, placing: &Placing, keys: &[String]) -> Result<Option<String>, StoreError> {
    let fact = &placing.fact;
    if let Matter::Payment(payment) = &fact.matter {
        for key in own_keys(fact) {
            if let Some(email_key) = known(db, &placing.scope, &payment_key(key)).await? {
                return Ok(Some(email_key));
            }
        }
        for key in own_keys(fact).filter(|_| payment.awaits_invoice) {
            if let Some(email_key) = known(db, &placing.scope, &receipt_key(key)).await? {
                return Ok(Some(email_key));
            }
        }
    }
    if let Matter::Subscription(_) = fact.matter {
        // Read anew, it stays whose it was: its subscription may have been paid under another address since.
        let stays = match &placing.before {
            Some(email_key) => Some(email_key.clone()),
            None => told_for(db, placing).await?,
        };
        if stays.is_some() {
            return Ok(stays);
        }
    }
    let own = fact.email.as_ref().map(crate::domain::email::Email::key);
    let (first, rest) = keys.split_at(usize::from(fact.customer.is_some()).min(keys.len()));
    // A refund belongs to its payment's address, whatever the customer's is by now; a change of status to the address
    // under which its subscription was paid.
    let order: Vec<&String> = match &fact.matter {
        Matter::Reversal(_) | Matter::Link(_) | Matter::Subscription(_) => rest.iter().chain(first).collect(),
        Matter::Customer(_) | Matter::Payment(_) => {
            if own.is_some() {
                return Ok(own);
            }
            first.iter().chain(rest).collect()
        }
    };
    for key in order {
        if let Some(email_key) = known(db, &placing.scope, key).await? {
            return Ok(Some(email_key));
        }
    }
    Ok(own)
}

/// For whom a change of status has a call already, by a reading that has been forgotten since.
async fn told_for<D: Db>(db: &D, placing: &Placing) -> Result<Option<String>, StoreError> {
    let sql = "SELECT email_key FROM deliveries WHERE business = ?1 AND subject_key = ?2";
    let subject = Subject::Status(placing.event).key("");
    let mut row = first(db, sql, values![&placing.business, subject]).await?;
    row.as_mut().map(Row::text).transpose()
}

/// Whether a reversal's customer was found through its payment.
async fn is_joined<D: Db>(db: &D, placing: &Placing, keys: &[String]) -> Result<bool, StoreError> {
    for key in payment_keys(&placing.fact, keys) {
        if known(db, &placing.scope, key).await?.is_some() {
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

/// Notes whose the fact's ids are, and gives the facts that were waiting for one of them.
async fn tell<D: Db>(db: &D, placing: &Placing, keys: &[String], email_key: &str) -> Result<Vec<Placing>, StoreError> {
    // Only a fact that names an address itself can move an id to another one; a reversal's ids are its payment's.
    let says_so = placing.fact.email.is_some() && !matches!(placing.fact.matter, Matter::Reversal(_) | Matter::Link(_));
    let mut woken: Vec<Placing> = Vec::new();
    for key in keys {
        let newest = "INSERT INTO known (scope, key, email_key, at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (scope, key) DO UPDATE SET email_key = excluded.email_key, at = excluded.at \
             WHERE excluded.at >= known.at";
        let first = "INSERT INTO known (scope, key, email_key, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        let sql = if says_so && !is_first_address(key) { newest } else { first };
        let at = if says_so { micros(placing.fact.at) } else { i64::MIN };
        db.execute(sql, values![&placing.scope, key, email_key, at]).await?;
        let waiting = "SELECT f.event_id, f.business, f.data FROM waiting w JOIN facts f ON f.event_id = w.event_id \
             WHERE w.scope = ?1 AND w.key = ?2 AND w.event_id <> ?3 ORDER BY w.event_id";
        for mut row in db.query(waiting, values![&placing.scope, key, placing.event.0]).await? {
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
    Ok(ours)
}
