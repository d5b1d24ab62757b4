//! A customer's facts and calls: read, planned and written in one transaction.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;

use super::kin::addresses;
use super::lookups::want_sessions;
use super::rows::{DELIVERY_COLUMNS, delivery, micros, put_delivery, time};
use super::sql::{Db, Value, values};
use super::{Planner, StoreError};
use crate::crash::{self, Point};
use crate::domain::delivery::{Delivery, DeliveryId, DeliveryState};
use crate::domain::event::{EventId, Outcome};
use crate::domain::person::{KnownFact, Person, PersonKey, Plan};
use crate::domain::reason::Reason;

/// Everything known of one customer.
pub(super) async fn load<D: Db>(db: &D, key: &PersonKey) -> Result<Person, StoreError> {
    let facts_sql =
        "SELECT event_id, scope, received_at, data FROM facts WHERE business = ?1 AND email_key = ?2 ORDER BY event_id";
    let deliveries_sql =
        format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE business = ?1 AND email_key = ?2 ORDER BY id");
    let of_person = || values![&key.business, &key.email_key];
    let facts = known_facts(db, facts_sql, of_person(), false);
    let (mut facts, deliveries) = try_join(facts, db.query(&deliveries_sql, of_person())).await?;
    // What came with another address of the same provider's customer counts for this one too: a code, or its session.
    let customers: HashSet<(String, String)> =
        facts.iter().filter_map(|f| f.fact.customer.clone().map(|c| (f.scope.clone(), c))).collect();
    let kin_sql = "SELECT event_id, scope, received_at, data FROM facts \
         WHERE scope = ?1 AND customer = ?2 AND has_code = 1 AND email_key IS NOT NULL AND email_key <> ?3 ORDER BY event_id";
    let kin = customers.into_iter().map(async |(scope, customer)| {
        let kin = known_facts(db, kin_sql, values![&scope, &customer, &key.email_key], true).await?;
        let far = !kin.is_empty() && addresses(db, &scope, &customer).await?.is_empty();
        Ok::<_, StoreError>(if far { Vec::new() } else { kin })
    });
    facts.extend(try_join_all(kin).await?.into_iter().flatten());
    let deliveries = deliveries.into_iter().map(|mut row| delivery(&mut row)).collect::<Result<_, _>>()?;
    Ok(Person { key: key.clone(), facts, deliveries })
}

async fn known_facts<D: Db>(db: &D, sql: &str, values: Vec<Value>, kin: bool) -> Result<Vec<KnownFact>, StoreError> {
    let mut facts = Vec::new();
    for mut row in db.query(sql, values).await? {
        facts.push(KnownFact {
            event: EventId(row.int()?),
            scope: row.text()?,
            received_at: time(row.int()?)?,
            kin,
            fact: serde_json::from_str(&row.text()?)?,
        });
    }
    Ok(facts)
}

/// What becomes of a write when the planner panics over a customer: a defect of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    /// It is undone, and told to whoever asked for it.
    Undo,
    /// It stands, and nothing more goes out for the customer until a person has seen to it.
    Hold,
}

/// Asks the planner about a customer and writes what is to be.
pub(super) async fn replan<D: Db>(
    db: &D,
    planner: &dyn Planner,
    key: &PersonKey,
    now: Timestamp,
    defect: Defect,
) -> Result<(), StoreError> {
    let person = load(db, key).await?;
    let plan = planned(planner, &person, now, defect);
    write(db, &person, plan).await
}

/// What is to be for a customer.
pub(super) fn planned(planner: &dyn Planner, person: &Person, now: Timestamp, defect: Defect) -> Plan {
    match defect {
        Defect::Undo => plan(planner, person, now),
        Defect::Hold => plan_or_hold(planner, person, now),
    }
}

fn plan(planner: &dyn Planner, person: &Person, now: Timestamp) -> Plan {
    crash::here(Point::Planning);
    planner.plan(person, now)
}

/// What is to be. When the planner panics, all that was never sent waits for a person; what may have left the house
/// goes on as it is.
pub(super) fn plan_or_hold(planner: &dyn Planner, person: &Person, now: Timestamp) -> Plan {
    let planned = catch_unwind(AssertUnwindSafe(|| plan(planner, person, now)));
    planned.unwrap_or_else(|_| {
        let mut deliveries = person.deliveries.clone();
        for unsent in deliveries.iter_mut().filter(|d| d.state == DeliveryState::Queued && d.is_unsent()) {
            unsent.hold(Reason::InternalError, None);
        }
        Plan { deliveries, outcomes: Vec::new(), sessions_wanted: Vec::new() }
    })
}

/// Writes the differences between what is and what is to be, and whose turn it is.
pub(super) async fn write<D: Db>(db: &D, person: &Person, mut plan: Plan) -> Result<(), StoreError> {
    let before: HashMap<Option<DeliveryId>, &Delivery> = person.deliveries.iter().map(|d| (d.id, d)).collect();
    for planned in &mut plan.deliveries {
        if before.get(&planned.id).is_none_or(|old| **old != *planned) {
            planned.number(put_delivery(db, &person.key, planned).await?);
        }
    }
    let noted = noted(db, &person.key).await?;
    let changed = plan.outcomes.iter().filter(|(event, outcome)| noted.get(event).is_none_or(|old| !old.says(outcome)));
    // An event that is to be read anew stays in the inbox until it has been.
    try_join_all(changed.map(|(event, outcome)| put_outcome_if(db, *event, outcome, "AND state <> 'received'")))
        .await?;
    want_sessions(db, &plan).await?;
    let key = &person.key;
    match plan.head() {
        None => {
            let sql = "DELETE FROM queue WHERE business = ?1 AND email_key = ?2";
            db.execute(sql, values![&key.business, &key.email_key]).await?;
        }
        Some(head) => {
            // A customer under a lease keeps it: the settle will ask again whose turn it is.
            let sql = "INSERT INTO queue (business, email_key, product, delivery_id, due_at) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (business, email_key) DO UPDATE SET product = excluded.product, \
                 delivery_id = excluded.delivery_id, due_at = excluded.due_at WHERE queue.leased = 0";
            let id = head.id.map(|id| id.0);
            let (product, due_at) = (head.call.product(), micros(head.due_at));
            let queued = db.execute(sql, values![&key.business, &key.email_key, product, id, due_at]);
            let sql = "INSERT INTO routes (business, product) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            try_join(queued, db.execute(sql, values![&key.business, product])).await?;
        }
    }
    Ok(())
}

/// An outcome in the words of its row.
struct Noted {
    state: String,
    reason: Option<String>,
    detail: Option<String>,
}

impl Noted {
    fn says(&self, outcome: &Outcome) -> bool {
        // The look-up of lines that were left out knows more of why they are not there than the ledger does.
        let detail_stays = outcome.reason == Some(Reason::LinesNotSeen);
        self.state == outcome.state.code()
            && self.reason.as_deref() == outcome.reason.map(Reason::code)
            && (detail_stays || self.detail == outcome.detail)
    }
}

/// What was noted of a customer's events: of a long history hardly anything changes, and one look costs less than a
/// write for each event.
async fn noted<D: Db>(db: &D, key: &PersonKey) -> Result<HashMap<EventId, Noted>, StoreError> {
    let sql = "SELECT e.id, e.state, e.reason, e.detail FROM facts f JOIN events e ON e.id = f.event_id \
         WHERE f.business = ?1 AND f.email_key = ?2";
    let mut noted = HashMap::new();
    for mut row in db.query(sql, values![&key.business, &key.email_key]).await? {
        let event = EventId(row.int()?);
        noted.insert(event, Noted { state: row.text()?, reason: row.text_option()?, detail: row.text_option()? });
    }
    Ok(noted)
}

/// Writes an event's outcome if it differs from what is there; takes it out of the inbox.
pub(super) async fn put_outcome<D: Db>(db: &D, event: EventId, outcome: &Outcome) -> Result<(), StoreError> {
    put_outcome_if(db, event, outcome, "").await
}

/// The same, where a condition on the event's row holds as well.
pub(super) async fn put_outcome_if<D: Db>(
    db: &D,
    event: EventId,
    outcome: &Outcome,
    condition: &str,
) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE events SET state = ?2, reason = ?3, detail = ?4 WHERE id = ?1 \
         AND (state IS DISTINCT FROM ?2 OR reason IS DISTINCT FROM ?3 OR detail IS DISTINCT FROM ?4) {condition}"
    );
    let reason = outcome.reason.map(Reason::code);
    db.execute(&sql, values![event.0, outcome.state.code(), reason, outcome.detail.as_ref()]).await?;
    Ok(())
}
