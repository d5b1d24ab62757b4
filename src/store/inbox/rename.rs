//! Another address in all that is known of a customer: a pseudonym when they are forgotten, and back.

use std::collections::BTreeSet;

use super::customers::{note, remove_domain};
use crate::domain::customer::CustomerKey;
use crate::domain::email::Email;
use crate::domain::event::EventId;
use crate::ledger::resolve::all_ids;
use crate::store::StoreError;
use crate::store::settings::pseudonym_key;
use crate::store::sql::{Db, Lock, first, values};
use crate::store::written::{self, read_call, read_fact};

/// Stands for a name in a call that Refairn has.
const NO_NAME: &str = "(forgotten)";

/// What becomes of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Names {
    Removed,
    AsTheyAre,
}

/// What was given another address.
pub(in crate::store) struct Renamed {
    pub(in crate::store) events: Vec<EventId>,
    pub(in crate::store) calls: u64,
}

/// Gives all that is known of `from`, whose locks the write has, to the address `to`; `more` are further ids of theirs, each with its
/// scope.
pub(in crate::store) async fn rename<D: Db>(
    db: &D,
    from: &CustomerKey,
    to: &Email,
    names: Names,
    more: &[(String, String)],
) -> Result<Renamed, StoreError> {
    let target = CustomerKey { business: from.business.clone(), email_key: to.key() };
    let mut ids: BTreeSet<(String, String)> = more.iter().cloned().collect();
    let events = facts(db, from, to, names, &mut ids).await?;
    for (scope, id) in &ids {
        let sql = "UPDATE identities SET email_key = ?3 WHERE scope = ?1 AND key = ?2 AND email_key = ?4";
        db.execute(sql, values![scope, id, &target.email_key, &from.email_key]).await?;
    }
    let calls = calls(db, from, to, names).await?;
    for table in ["customers", "replans"] {
        let sql = format!("DELETE FROM {table} WHERE business = ?1 AND email_key = ?2");
        db.execute(&sql, values![&from.business, &from.email_key]).await?;
    }
    remove_domain(db, &from.email_key).await?;
    if !events.is_empty() || calls > 0 {
        note(db, &BTreeSet::from([target])).await?;
    }
    Ok(Renamed { events, calls })
}

/// The facts, whose ids go into `ids`.
async fn facts<D: Db>(
    db: &D,
    from: &CustomerKey,
    to: &Email,
    names: Names,
    ids: &mut BTreeSet<(String, String)>,
) -> Result<Vec<EventId>, StoreError> {
    let mut events = Vec::new();
    let sql = "SELECT event_id, scope, data FROM facts WHERE business = ?1 AND email_key = ?2 ORDER BY event_id";
    for mut row in db.query(sql, values![&from.business, &from.email_key]).await? {
        let (event, scope, mut fact) = (row.int()?, row.text()?, read_fact(&row.text()?)?);
        ids.extend(all_ids(&fact).into_iter().map(|id| (scope.clone(), id)));
        fact.email = fact.email.map(|_| to.clone());
        if names == Names::Removed {
            fact.name = None;
        }
        let data = written::fact(&fact)?;
        let data = replaced(&data, &from.email_key, to.as_given()).unwrap_or(data);
        let sql = "UPDATE facts SET email_key = ?2, data = ?3 WHERE event_id = ?1";
        db.execute(sql, values![event, to.key(), data]).await?;
        events.push(EventId(event));
    }
    Ok(events)
}

/// The calls, and what was said of them.
async fn calls<D: Db>(db: &D, from: &CustomerKey, to: &Email, names: Names) -> Result<u64, StoreError> {
    let mut calls = 0;
    let sql =
        "SELECT id, subject_key, kind, call, detail FROM deliveries WHERE business = ?1 AND email_key = ?2 ORDER BY id";
    for mut row in db.query(sql, values![&from.business, &from.email_key]).await? {
        let (id, subject, mut call) = (row.int()?, row.text()?, read_call(&row.text()?, &row.text()?)?);
        let detail = row.text_option()?;
        call.readdress(to, (names == Names::Removed).then_some(NO_NAME));
        // Only the key of the customer's own call names the address.
        let subject =
            subject.strip_suffix(&from.email_key).map_or(subject.clone(), |rest| format!("{rest}{}", to.key()));
        let other = |text: &String| replaced(text, &from.email_key, to.as_given());
        let detail = detail.as_ref().map(|text| other(text).unwrap_or_else(|| text.clone()));
        let sql = "UPDATE deliveries SET email_key = ?2, subject_key = ?3, call = ?4, detail = ?5 WHERE id = ?1";
        db.execute(sql, values![id, to.key(), subject, written::call(&call)?, detail]).await?;
        let sql = "SELECT n, response FROM attempts WHERE delivery_id = ?1 AND response IS NOT NULL";
        for mut row in db.query(sql, values![id]).await? {
            let (n, response) = (row.int()?, row.text()?);
            if let Some(response) = other(&response) {
                let sql = "UPDATE attempts SET response = ?3 WHERE delivery_id = ?1 AND n = ?2";
                db.execute(sql, values![id, n, response]).await?;
            }
        }
        calls += 1;
    }
    Ok(calls)
}

/// A text with another address in it, if the one is in it in whatever letters.
pub(in crate::store) fn replaced(text: &str, from: &str, to: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let mut found = lower.match_indices(from).peekable();
    found.peek()?;
    let (mut other, mut end) = (String::with_capacity(text.len()), 0);
    for (at, _) in found {
        other.push_str(&text[end..at]);
        other.push_str(to);
        end = at + from.len();
    }
    other.push_str(&text[end..]);
    Some(other)
}

/// An event names this address: if it was forgotten, it is theirs again, whose it was.
pub(super) async fn come_back<D: Db>(db: &D, business: &str, email: &Email) -> Result<(), StoreError> {
    let Some(pseudonym) = pseudonym_key(db).await?.and_then(|key| key.of(&email.key())) else { return Ok(()) };
    let forgotten = CustomerKey { business: business.to_owned(), email_key: pseudonym.key() };
    if !is_known(db, &forgotten).await? {
        return Ok(());
    }
    let customer = CustomerKey { business: business.to_owned(), email_key: email.key() };
    db.lock(&[Lock::Customer(&forgotten), Lock::Customer(&customer)]).await?;
    // Another event may have been first.
    if is_known(db, &forgotten).await? {
        rename(db, &forgotten, email, Names::AsTheyAre, &[]).await?;
    }
    Ok(())
}

async fn is_known<D: Db>(db: &D, key: &CustomerKey) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM customers WHERE email_key = ?1 AND business = ?2";
    Ok(first(db, sql, values![&key.email_key, &key.business]).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn an_address_is_replaced_in_whatever_letters_it_stands() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(replaced(text, "jane@example.com", "x@y").as_deref(), expected, "{text}");
        };
        check("nothing", None);
        check("to Jane@Example.com, é, JANE@EXAMPLE.COM.", Some("to x@y, é, x@y."));
    }
}
