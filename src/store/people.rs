//! A customer's facts and calls: read, planned and written in one transaction.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::rows::{DELIVERY_COLUMNS, delivery, micros, put_delivery, time};
use super::{Planner, StoreError};
use crate::domain::event::{EventId, Outcome};
use crate::domain::person::{KnownFact, Person, PersonKey, Plan};
use crate::domain::reason::Reason;

/// Everything known of one customer.
pub(super) fn load(db: &Connection, key: &PersonKey) -> Result<Person, StoreError> {
    let facts_sql =
        "SELECT event_id, scope, received_at, data FROM facts WHERE business = ?1 AND email_key = ?2 ORDER BY event_id";
    let mut facts = known_facts(db, facts_sql, params![key.business, key.email_key], false)?;
    // A code that came with an earlier address of the same provider's customer counts for this address too.
    let customers: HashSet<(String, String)> =
        facts.iter().filter_map(|f| f.fact.customer.clone().map(|c| (f.scope.clone(), c))).collect();
    let kin_sql = "SELECT event_id, scope, received_at, data FROM facts \
         WHERE scope = ?1 AND customer = ?2 AND has_code = 1 AND email_key IS NOT NULL AND email_key <> ?3 ORDER BY event_id";
    for (scope, customer) in customers {
        facts.extend(known_facts(db, kin_sql, params![scope, customer, key.email_key], true)?);
    }
    let deliveries_sql =
        format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE business = ?1 AND email_key = ?2 ORDER BY id");
    let mut statement = db.prepare_cached(&deliveries_sql)?;
    let mut rows = statement.query(params![key.business, key.email_key])?;
    let mut deliveries = Vec::new();
    while let Some(row) = rows.next()? {
        deliveries.push(delivery(row)?);
    }
    Ok(Person { key: key.clone(), facts, deliveries })
}

fn known_facts(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    kin: bool,
) -> Result<Vec<KnownFact>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        facts.push(KnownFact {
            event: EventId(row.get("event_id")?),
            scope: row.get("scope")?,
            received_at: time(row.get("received_at")?)?,
            kin,
            fact: serde_json::from_str(row.get_ref("data")?.as_str().map_err(|e| StoreError::Data(e.to_string()))?)?,
        });
    }
    Ok(facts)
}

/// Asks the planner about a customer and writes what is to be.
pub(super) fn replan(
    db: &Connection,
    planner: &dyn Planner,
    key: &PersonKey,
    now: Timestamp,
) -> Result<(), StoreError> {
    let person = load(db, key)?;
    let plan = planner.plan(&person, now);
    write(db, &person, plan)
}

/// Writes the differences between what is and what is to be, and whose turn it is.
pub(super) fn write(db: &Connection, person: &Person, mut plan: Plan) -> Result<(), StoreError> {
    for planned in &mut plan.deliveries {
        let unchanged = person.deliveries.iter().any(|old| old == planned);
        if !unchanged {
            planned.id = Some(put_delivery(db, &person.key, planned)?);
        }
    }
    for (event, outcome) in &plan.outcomes {
        // An event that is to be read anew stays in the inbox until it has been.
        put_outcome_if(db, *event, outcome, "AND state <> 'received'")?;
    }
    let key = &person.key;
    match plan.head() {
        None => {
            db.prepare_cached("DELETE FROM queue WHERE business = ?1 AND email_key = ?2")?
                .execute(params![key.business, key.email_key])?;
        }
        Some(head) => {
            // A customer under a lease keeps it: the settle will ask again whose turn it is.
            let sql = "INSERT INTO queue (business, email_key, product, delivery_id, due_at) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (business, email_key) DO UPDATE SET product = excluded.product, \
                 delivery_id = excluded.delivery_id, due_at = excluded.due_at WHERE leased = 0";
            let id = head.id.map(|id| id.0);
            db.prepare_cached(sql)?.execute(params![
                key.business,
                key.email_key,
                head.call.product(),
                id,
                micros(head.due_at)
            ])?;
            db.prepare_cached("INSERT OR IGNORE INTO routes (business, product) VALUES (?1, ?2)")?
                .execute(params![key.business, head.call.product()])?;
        }
    }
    Ok(())
}

/// Writes an event's outcome if it differs from what is there; takes it out of the inbox.
pub(super) fn put_outcome(db: &Connection, event: EventId, outcome: &Outcome) -> Result<(), StoreError> {
    put_outcome_if(db, event, outcome, "")
}

fn put_outcome_if(db: &Connection, event: EventId, outcome: &Outcome, condition: &str) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE events SET state = ?2, reason = ?3, detail = ?4 \
         WHERE id = ?1 AND (state IS NOT ?2 OR reason IS NOT ?3 OR detail IS NOT ?4) {condition}"
    );
    db.prepare_cached(&sql)?.execute(params![
        event.0,
        outcome.state.code(),
        outcome.reason.map(Reason::code),
        outcome.detail
    ])?;
    Ok(())
}
