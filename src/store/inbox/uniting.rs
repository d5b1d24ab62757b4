//! One sale under one address: reports of one payment may name different ones, and what ties them may come last.

use std::collections::{BTreeSet, HashMap};

use super::identity::{Report, first_address, has_left, subject_key};
use crate::domain::customer::CustomerKey;
use crate::domain::fact::{Fact, FactKind};
use crate::ledger::resolve::{Identity, own_ids, payment_key, receipt_key};
use crate::store::StoreError;
use crate::store::codes::{self, SENDING};
use crate::store::sql::{Db, Lock, values};
use crate::store::written::read_fact;

/// Gives all that is known of the sale that a fact is about to one customer: to whom a call was made already, else whom
/// the invoice names, else whom the session names. `owner` has the fact now, and `noted` is known of its ids without a look.
/// Whose calls that changes goes into `people`.
pub(in crate::store) async fn unite<D: Db>(
    db: &D,
    report: &Report,
    owner: &str,
    noted: &HashMap<String, Identity>,
    people: &mut BTreeSet<CustomerKey>,
) -> Result<(), StoreError> {
    let mut addresses: Vec<String> = Vec::new();
    // Invoices before sessions.
    for name in [payment_key, receipt_key] {
        for key in own_ids(&report.fact) {
            let whose = first_address(db, report, noted, &name(key)).await?;
            addresses.extend(whose.filter(|address| !addresses.contains(address)));
        }
    }
    // A payment that names no address may have been given to somebody by an id that is not its own.
    let names_none = matches!(report.fact.matter, FactKind::Payment(_)) && report.fact.email.is_none();
    if names_none && !addresses.is_empty() && addresses.iter().all(|address| address != owner) {
        addresses.push(owner.to_owned());
    }
    if addresses.len() < 2 {
        return Ok(());
    }
    let customer = |email_key: &String| CustomerKey { business: report.business.clone(), email_key: email_key.clone() };
    let all: Vec<CustomerKey> = addresses.iter().map(customer).collect();
    // Nobody may begin a call of theirs meanwhile.
    db.lock(&all.iter().map(Lock::Customer).collect::<Vec<_>>()).await?;
    let mut facts = Vec::new();
    for customer in &all {
        facts.push(facts_of(db, report, customer).await?);
    }
    let ties = ties(report, &facts);
    let mut told = None;
    for (customer, facts) in all.iter().zip(&facts) {
        for (event, fact) in facts.iter().filter(|(_, fact)| is_about(fact, &ties)) {
            if told.is_none() && has_left(db, customer, &report.scope, *event, fact).await? {
                told = Some(customer);
            }
        }
    }
    let Some(target) = told.or_else(|| all.first()) else { return Ok(()) };
    for (customer, facts) in all.iter().zip(&facts).filter(|(customer, _)| *customer != target) {
        for (event, fact) in facts.iter().filter(|(_, fact)| is_about(fact, &ties)) {
            give(db, &report.scope, *event, fact, customer, target).await?;
        }
        people.insert(customer.clone());
    }
    for key in &ties {
        know(db, &report.scope, key, target).await?;
    }
    people.insert(target.clone());
    Ok(())
}

/// A customer's facts of the scope.
async fn facts_of<D: Db>(db: &D, report: &Report, customer: &CustomerKey) -> Result<Vec<(i64, Fact)>, StoreError> {
    let sql =
        "SELECT event_id, data FROM facts WHERE business = ?1 AND email_key = ?2 AND scope = ?3 ORDER BY event_id";
    let rows = db.query(sql, values![&customer.business, &customer.email_key, &report.scope]).await?;
    rows.into_iter().map(|mut row| Ok((row.int()?, read_fact(&row.text()?)?))).collect()
}

/// Every id of the sale that the fact knows, or a report that is tied to it by others. A report that was left out would be
/// planned a second time, for the customer that it stays with.
fn ties<'a>(report: &'a Report, facts: &'a [Vec<(i64, Fact)>]) -> BTreeSet<&'a str> {
    let mut ties: BTreeSet<&str> = own_ids(&report.fact).collect();
    let mut apart: Vec<&Fact> = facts.iter().flatten().map(|(_, fact)| fact).collect();
    loop {
        let (tied, others): (Vec<_>, Vec<_>) =
            apart.into_iter().partition(|fact| own_ids(fact).any(|key| ties.contains(key)));
        if tied.is_empty() {
            return ties;
        }
        ties.extend(tied.into_iter().flat_map(own_ids));
        apart = others;
    }
}

/// Whether a fact reports the sale that has these ids, ties them, or took it back.
fn is_about(fact: &Fact, ties: &BTreeSet<&str>) -> bool {
    match &fact.matter {
        FactKind::Payment(_) | FactKind::Link(_) => own_ids(fact).any(|key| ties.contains(key)),
        FactKind::Reversal(_) => fact.keys.iter().any(|key| ties.contains(key.as_str())),
        FactKind::Customer(_) | FactKind::Subscription(_) => false,
    }
}

/// Gives a fact, and the call that was made or will be made for it, to another customer. A call on its way stays with
/// the process that sends it.
async fn give<D: Db>(
    db: &D,
    scope: &str,
    event: i64,
    fact: &Fact,
    from: &CustomerKey,
    to: &CustomerKey,
) -> Result<(), StoreError> {
    db.execute("UPDATE facts SET email_key = ?2 WHERE event_id = ?1", values![event, &to.email_key]).await?;
    let sql = "UPDATE deliveries SET email_key = ?4 WHERE business = ?1 AND email_key = ?2 AND subject_key = ?3 \
         AND state <> ?5";
    let of = values![&from.business, &from.email_key, subject_key(scope, event, fact), &to.email_key, SENDING];
    db.execute(sql, of).await?;
    Ok(())
}

/// What comes later of the sale is this customer's, too.
async fn know<D: Db>(db: &D, scope: &str, key: &str, customer: &CustomerKey) -> Result<(), StoreError> {
    for name in [key.to_owned(), payment_key(key), receipt_key(key)] {
        let sql = "UPDATE identities SET email_key = ?3 WHERE scope = ?1 AND key = ?2";
        db.execute(sql, values![scope, name, &customer.email_key]).await?;
    }
    Ok(())
}

/// Gives the call that waits for a report to another customer, unless it has left, or may have.
pub(in crate::store) async fn give_call<D: Db>(
    db: &D,
    scope: &str,
    event: i64,
    fact: &Fact,
    from: &CustomerKey,
    to: &CustomerKey,
) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE deliveries SET email_key = ?4 WHERE business = ?1 AND email_key = ?2 AND subject_key = ?3 \
         AND NOT {}",
        codes::has_left()
    );
    let of = values![&from.business, &from.email_key, subject_key(scope, event, fact), &to.email_key];
    db.execute(&sql, of).await?;
    Ok(())
}
