//! Whose a fact's ids are: noted unless something better is known; and which facts follow from that.

use std::collections::HashMap;

use futures_util::future::try_join_all;

use super::identity::{Report, has_left};
use crate::domain::customer::CustomerKey;
use crate::domain::event::EventId;
use crate::domain::fact::Fact;
use crate::ledger::resolve::{Evidence, Identity, Owner, all_ids, claim, follows_its_ids, is_first_address};
use crate::store::StoreError;
use crate::store::rows::evidence_micros;
use crate::store::sql::{Db, Dialect, Lock, first, values};
use crate::store::written::read_fact;

/// Notes whose the fact's ids are. Gives the facts that were waiting for one of them, or that went by one which is
/// another's from now on; and what is noted of its ids now.
pub(super) async fn note_ids<D: Db>(
    db: &D,
    report: &Report,
    keys: &[String],
    owner: &Owner,
    moved_from: Option<&str>,
) -> Result<(Vec<Report>, HashMap<String, Identity>), StoreError> {
    let claims: Vec<Owner> = keys.iter().map(|key| claim(&report.fact, key, owner)).collect();
    // Statements of one kind go side by side: over a network it is the ways there and back that take time.
    let noted = keys.iter().zip(&claims).map(|(key, claim)| note(db, &report.scope, key, claim, moved_from));
    let noted: Vec<Note> = try_join_all(noted).await?;
    let mut followers: Vec<Report> = Vec::new();
    for ((key, claim), noted) in keys.iter().zip(&claims).zip(&noted) {
        if let Note::Moved(before) = noted {
            let more = followers_of(db, report, key, before.clone(), &claim.email_key).await?;
            let new = |p: &Report| followers.iter().all(|known| known.event != p.event);
            let more: Vec<Report> = more.into_iter().filter(new).collect();
            followers.extend(more);
        }
    }
    let is_noted = |noted: &Note| *noted != Note::Kept;
    let keys_waited_for = if does_any_wait(db, report, keys).await? { keys } else { &[] };
    let waiting = keys_waited_for.iter().zip(&noted).map(|(key, noted)| waiting_for(db, report, key, is_noted(noted)));
    let mut woken: Vec<Report> = Vec::new();
    for waiting in try_join_all(waiting).await?.into_iter().flatten() {
        if woken.iter().all(|p| p.event != waiting.event) {
            woken.push(waiting);
        }
    }
    let mut ours = Vec::new();
    for report in woken {
        // Nothing to delete: another replica has woken it by another of its ids, and goes on with it.
        if db.execute("DELETE FROM unresolved WHERE event_id = ?1", values![report.event.0]).await? > 0 {
            ours.push(report);
        }
    }
    ours.extend(followers);
    let now = keys.iter().zip(claims).zip(&noted).filter(|(_, noted)| is_noted(noted)).map(|((key, claim), _)| {
        (key.clone(), Identity { email_key: claim.email_key, evidence: claim.evidence, has_left: false })
    });
    Ok((ours, now.collect()))
}

/// What came of noting whose an id is.
#[derive(PartialEq, Eq)]
enum Note {
    /// It is so now.
    Made,
    /// It is so now, and it was this address's before.
    Moved(String),
    /// What was known of it is better.
    Kept,
}

/// Notes whose an id is, unless what is known of it is better.
async fn note<D: Db>(
    db: &D,
    scope: &str,
    key: &str,
    claim: &Owner,
    moved_from: Option<&str>,
) -> Result<Note, StoreError> {
    let (at, inferred) = (evidence_micros(claim.evidence), evidence_micros(Evidence::Inferred));
    let new = "INSERT INTO identities (scope, key, email_key, evidence) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (scope, key) DO NOTHING";
    if db.execute(new, values![scope, key, &claim.email_key, at]).await? > 0 {
        return Ok(Note::Made);
    }
    let before = known(db, scope, key).await?;
    let newer = "INSERT INTO identities (scope, key, email_key, evidence) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (scope, key) DO UPDATE SET email_key = excluded.email_key, evidence = excluded.evidence WHERE";
    // What an event names gives way to what a later one names, but for a payment's first address; and what was only
    // inferred goes where that goes by which it was.
    let may_change = if is_first_address(key) {
        "identities.evidence <= ?5 AND (identities.evidence < excluded.evidence OR (identities.evidence = excluded.evidence AND identities.email_key = ?6))"
    } else {
        "identities.evidence < excluded.evidence OR (identities.evidence = excluded.evidence AND (identities.evidence > ?5 OR identities.email_key = ?6))"
    };
    let of = values![scope, key, &claim.email_key, at, inferred, moved_from.unwrap_or_default()];
    Ok(match (db.execute(&format!("{newer} {may_change}"), of).await? > 0, before) {
        (false, _) => Note::Kept,
        (true, Some(before)) if before != claim.email_key => Note::Moved(before),
        (true, _) => Note::Made,
    })
}

/// Whether anything may wait for one of these ids: hardly ever does it. Over a network, to ask for each of them takes no
/// longer.
async fn does_any_wait<D: Db>(db: &D, report: &Report, keys: &[String]) -> Result<bool, StoreError> {
    if D::DIALECT == Dialect::Postgres {
        return Ok(true);
    }
    // To SQLite a list of keys would be a table, made anew for each event.
    let sql = "SELECT 1 FROM json_each(?2) k CROSS JOIN unresolved w WHERE w.scope = ?1 AND w.key = k.value \
         AND w.event_id <> ?3 LIMIT 1";
    Ok(first(db, sql, values![&report.scope, serde_json::to_string(keys)?, report.event.0]).await?.is_some())
}

/// The facts that wait for an id. What has a customer goes on only by what was not known before: so this ends.
async fn waiting_for<D: Db>(db: &D, report: &Report, key: &str, noted: bool) -> Result<Vec<Report>, StoreError> {
    let whom = if noted { "" } else { "AND f.email_key IS NULL" };
    let waiting = format!(
        "SELECT f.event_id, f.business, f.data FROM unresolved w JOIN facts f ON f.event_id = w.event_id \
         WHERE w.scope = ?1 AND w.key = ?2 AND w.event_id <> ?3 {whom} ORDER BY w.event_id"
    );
    let mut found = Vec::new();
    for mut row in db.query(&waiting, values![&report.scope, key, report.event.0]).await? {
        let (event, business, data) = (EventId(row.int()?), row.text()?, row.text()?);
        let fact = read_fact(&data)?;
        found.push(Report { event, business, scope: report.scope.clone(), fact, before: None });
    }
    Ok(found)
}

/// The facts that went by an id to the address that had it before: what names no address itself goes where its payment
/// goes, unless a call in its name has left.
async fn followers_of<D: Db>(
    db: &D,
    report: &Report,
    key: &str,
    before: String,
    now: &str,
) -> Result<Vec<Report>, StoreError> {
    let mut followers = Vec::new();
    if report.fact.customer.as_deref() == Some(key) {
        // Of what went by its customer alone nothing says that it was not the address it had then.
        return Ok(followers);
    }
    let (business, scope) = (&report.business, &report.scope);
    let customer = CustomerKey { business: business.clone(), email_key: before };
    let target = CustomerKey { business: business.clone(), email_key: now.to_owned() };
    // Nobody may begin a call of theirs meanwhile.
    db.lock(&[Lock::Customer(&customer), Lock::Customer(&target)]).await?;
    let sql =
        "SELECT event_id, data FROM facts WHERE business = ?1 AND email_key = ?2 AND scope = ?3 ORDER BY event_id";
    for mut row in db.query(sql, values![business, &customer.email_key, scope]).await? {
        let (event, fact): (i64, Fact) = (row.int()?, read_fact(&row.text()?)?);
        let same = event != report.event.0 && all_ids(&fact).iter().any(|own| own == key);
        if follows_its_ids(&fact) && same && !has_left(db, &customer, scope, event, &fact).await? {
            followers.push(Report {
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

/// Whose an id is.
pub(super) async fn known<D: Db>(db: &D, scope: &str, key: &str) -> Result<Option<String>, StoreError> {
    let row = first(db, "SELECT email_key FROM identities WHERE scope = ?1 AND key = ?2", values![scope, key]).await?;
    row.map(|mut row| row.text()).transpose()
}
