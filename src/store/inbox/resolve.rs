//! Facts find their customers: what is known of their ids is looked up, what the ledger says of it is written, and what
//! waited for that is resolved next.

use std::collections::{BTreeSet, VecDeque};

use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;

use super::identity::{Report, has_left, identity};
use super::noting::{known, note_ids};
use super::rename::come_back;
use super::uniting::{give_call, unite};
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::DeliveryKey;
use crate::domain::event::EventId;
use crate::domain::fact::FactKind;
use crate::domain::pseudonym::is_pseudonym;
use crate::ledger::resolve::{
    Evidence, Identity, Known, Resolution, all_ids, asked_for, is_first_address, own_ids, payment_ids, payment_key,
    receipt_key, resolve, speaks_for_related,
};
use crate::store::StoreError;
use crate::store::related::{no_longer_related, related_customers};
use crate::store::rows::{micros, put_outcome};
use crate::store::sql::{Db, Lock, Row, first, values};
use crate::store::written;

/// Facts that one event places in one write: its own, and those that follow from it. The others go on in a write of their
/// own. Real events are followed by a few.
pub(in crate::store) const RESOLVED_MAX: usize = 200;

/// Writes a fact, whose ids are locked, gives it to its customer, and then every fact that was waiting for one of its ids to theirs.
/// Gives what is left beyond [`RESOLVED_MAX`]: it waits for its ids as before, until [`go_on`] resolves it, or another event
/// that names one of them.
pub(in crate::store) async fn resolve_fact<D: Db>(
    db: &D,
    first: Report,
    received_at: Timestamp,
    people: &mut BTreeSet<CustomerKey>,
) -> Result<Vec<Report>, StoreError> {
    let ids = all_ids(&first.fact);
    let followers = resolve_one(db, first, Standing::New(received_at), &ids, people).await?;
    resolve_all(db, followers.into(), 1, people).await
}

/// Goes on with facts that were left, but for those that another event has resolved since. Gives what is left then.
pub(in crate::store) async fn go_on<D: Db>(
    db: &D,
    left: &[Report],
    people: &mut BTreeSet<CustomerKey>,
) -> Result<Vec<Report>, StoreError> {
    let (now, later) = left.split_at(left.len().min(RESOLVED_MAX));
    let mut todo = VecDeque::new();
    for report in now {
        lock(db, report).await?;
        if db.execute("DELETE FROM unresolved WHERE event_id = ?1", values![report.event.0]).await? > 0 {
            todo.push_back(report.clone());
        }
    }
    let mut left = resolve_all(db, todo, 0, people).await?;
    left.extend_from_slice(later);
    Ok(left)
}

/// Resolves facts, and what follows from them, after `resolved` others. Gives what is left.
async fn resolve_all<D: Db>(
    db: &D,
    mut todo: VecDeque<Report>,
    mut resolved: usize,
    people: &mut BTreeSet<CustomerKey>,
) -> Result<Vec<Report>, StoreError> {
    // A round settles a fact that was waiting, or one that follows an id to the address that a later event names for it.
    while resolved < RESOLVED_MAX
        && let Some(report) = todo.pop_front()
    {
        resolved += 1;
        lock(db, &report).await?;
        let ids = all_ids(&report.fact);
        todo.extend(resolve_one(db, report, Standing::Stored, &ids, people).await?);
    }
    for report in &todo {
        wait(db, report.event, &report.scope, &all_ids(&report.fact)).await?;
    }
    Ok(todo.into())
}

/// Nobody else decides about a fact with one of these ids meanwhile.
async fn lock<D: Db>(db: &D, report: &Report) -> Result<(), StoreError> {
    let ids = all_ids(&report.fact);
    let locks: Vec<Lock<'_>> = ids.iter().map(|key| Lock::Key { scope: &report.scope, key }).collect();
    db.lock(&locks).await
}

/// Where a fact stands that will be given to a customer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is not stored yet; its event came in at this time.
    New(Timestamp),
    Stored,
}

/// Gives one fact to its customer, and gives the facts that follow from that. One of whom nobody knows whose it is waits.
async fn resolve_one<D: Db>(
    db: &D,
    report: Report,
    standing: Standing,
    ids: &[String],
    people: &mut BTreeSet<CustomerKey>,
) -> Result<Vec<Report>, StoreError> {
    let current = if standing == Standing::Stored { current(db, report.event).await? } else { None };
    if let Some(email) = &report.fact.email {
        come_back(db, &report.business, email).await?;
    }
    let known = look_up(db, &report, current.is_none()).await?;
    let owner = match resolve(&report.fact, &known) {
        Resolution::Owned(owner) => owner,
        Resolution::Waits(outcome) => {
            if let Standing::New(received_at) = standing {
                insert(db, &report, received_at, None).await?;
            }
            wait(db, report.event, &report.scope, ids).await?;
            put_outcome(db, report.event, &outcome).await?;
            return Ok(Vec::new());
        }
    };
    let before = current.filter(|before| *before != owner.email_key);
    if let Some(before) = before.clone() {
        let customer = |email_key| CustomerKey { business: report.business.clone(), email_key };
        let (from, to) = (customer(before), customer(owner.email_key.clone()));
        if matches!(report.fact.matter, FactKind::Subscription(_)) {
            // Nobody may begin a call of theirs meanwhile.
            db.lock(&[Lock::Customer(&from), Lock::Customer(&to)]).await?;
            if has_left(db, &from, &report.scope, report.event.0, &report.fact).await? {
                return Ok(Vec::new());
            }
        }
        give_call(db, &report.scope, report.event.0, &report.fact, &from, &to).await?;
        people.insert(from);
    }
    match standing {
        Standing::New(received_at) => insert(db, &report, received_at, Some(&owner.email_key)).await?,
        Standing::Stored => {
            let sql = "UPDATE facts SET email_key = ?2 WHERE event_id = ?1";
            let given = db.execute(sql, values![report.event.0, &owner.email_key]);
            try_join(given, db.execute("DELETE FROM unresolved WHERE event_id = ?1", values![report.event.0])).await?;
        }
    }
    if !is_joined(db, &report).await? {
        // It has a customer, but its payment may yet turn out to be under another address.
        let ids: Vec<String> = payment_ids(&report.fact).map(str::to_owned).collect();
        wait(db, report.event, &report.scope, &ids).await?;
    }
    if matches!(report.fact.matter, FactKind::Link(_)) {
        // What it ties may yet come under another address.
        wait(db, report.event, &report.scope, &unclaimed(db, &report).await?).await?;
    }
    let (followers, noted) = note_ids(db, &report, ids, &owner, before.as_deref()).await?;
    if matches!(report.fact.matter, FactKind::Payment(_) | FactKind::Link(_)) {
        unite(db, &report, &owner.email_key, &noted, people).await?;
    }
    if let Some(customer) = &report.fact.customer {
        if speaks_for_related(&report.fact) {
            people.extend(related_customers(db, &report.business, &report.scope, customer).await?);
        }
        people.extend(no_longer_related(db, &report.business, &report.scope, customer, &owner.email_key).await?);
    }
    people.insert(CustomerKey { business: report.business, email_key: owner.email_key });
    Ok(followers)
}

/// Stores a fact, with whose it is as far as that is known.
async fn insert<D: Db>(
    db: &D,
    report: &Report,
    received_at: Timestamp,
    email_key: Option<&String>,
) -> Result<(), StoreError> {
    let Report { event, business, scope, fact, before: _ } = report;
    let sql = "INSERT INTO facts (event_id, business, scope, customer, email_key, speaks_for_related, received_at, data) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (customer, speaks, data) = (fact.customer.as_ref(), speaks_for_related(fact), written::fact(fact)?);
    let row = values![event.0, business, scope, customer, email_key, speaks, micros(received_at), data];
    db.execute(sql, row).await?;
    Ok(())
}

/// Whose the fact is until now.
async fn current<D: Db>(db: &D, event: EventId) -> Result<Option<String>, StoreError> {
    let row = first(db, "SELECT email_key FROM facts WHERE event_id = ?1", values![event.0]).await?;
    Ok(row.map(|mut row| row.text_option()).transpose()?.flatten())
}

/// What is known of the ids by which a fact says whose it is.
async fn look_up<D: Db>(db: &D, report: &Report, is_new: bool) -> Result<Known, StoreError> {
    let earlier = if is_new { of_earlier_reading(db, report).await? } else { None };
    if earlier.is_some() {
        return Ok(Known { earlier, ..Known::default() });
    }
    let asked = asked_for(&report.fact);
    let found = try_join_all(asked.iter().map(|id| identity(db, report, id))).await?;
    // Of what a payment is asked for by the ids of a customer who is forgotten, nobody knows the address: it waits for it. One
    // that was told already is theirs all the same.
    let needs_address = matches!(report.fact.matter, FactKind::Payment(_));
    let is_known =
        |id: &str, identity: &Identity| !needs_address || is_first_address(id) || !is_pseudonym(&identity.email_key);
    let identities = asked.into_iter().zip(found).filter_map(|(id, identity)| Some((id, identity?)));
    let identities = identities.filter(|(id, identity)| is_known(id, identity)).collect();
    Ok(Known { identities, earlier: None })
}

/// Whose a change of status was by an earlier reading, or for whom a call was made by one that is forgotten. It stays
/// so: its subscription may have been paid under another address since.
async fn of_earlier_reading<D: Db>(db: &D, report: &Report) -> Result<Option<String>, StoreError> {
    if !matches!(report.fact.matter, FactKind::Subscription(_)) {
        return Ok(None);
    }
    if report.before.is_some() {
        return Ok(report.before.clone());
    }
    let sql = "SELECT email_key FROM deliveries WHERE business = ?1 AND subject_key = ?2";
    let subject = DeliveryKey::Status(report.event).key("");
    let mut row = first(db, sql, values![&report.business, subject]).await?;
    row.as_mut().map(Row::text).transpose()
}

/// Whether the customer of what is its payment's was found through it: of a reversal, or of a status that names another
/// address itself.
async fn is_joined<D: Db>(db: &D, report: &Report) -> Result<bool, StoreError> {
    let enough = match &report.fact.matter {
        FactKind::Reversal(_) => Evidence::Inferred,
        FactKind::Subscription(_) if report.fact.email.is_some() => Evidence::Named(Timestamp::MIN),
        FactKind::Subscription(_) | FactKind::Customer(_) | FactKind::Payment(_) | FactKind::Link(_) => {
            return Ok(true);
        }
    };
    for id in payment_ids(&report.fact) {
        if identity(db, report, id).await?.is_some_and(|identity| identity.evidence >= enough) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys under which the payments that a link ties will be known, as far as nobody is known by them yet.
async fn unclaimed<D: Db>(db: &D, report: &Report) -> Result<Vec<String>, StoreError> {
    let mut unclaimed = Vec::new();
    for id in own_ids(&report.fact) {
        let names = [payment_key(id), receipt_key(id)];
        let mut is_claimed = false;
        for name in &names {
            is_claimed |= known(db, &report.scope, name).await?.is_some();
        }
        unclaimed.extend(names.into_iter().filter(|_| !is_claimed));
    }
    Ok(unclaimed)
}

async fn wait<D: Db>(db: &D, event: EventId, scope: &str, keys: &[String]) -> Result<(), StoreError> {
    let sql = "INSERT INTO unresolved (scope, key, event_id) VALUES (?1, ?2, ?3) \
         ON CONFLICT (scope, key, event_id) DO NOTHING";
    try_join_all(keys.iter().map(|key| db.execute(sql, values![scope, key, event.0]))).await?;
    Ok(())
}
