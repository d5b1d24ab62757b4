//! A customer's plan: made of what is known in the same transaction, and written.

use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;

use super::history::read;
use super::planning::{Defect, Planning};
use crate::domain::customer::{Change, CustomerHistory, CustomerKey, Plan};
use crate::domain::event::{EventId, Outcome};
use crate::store::StoreError;
use crate::store::codes::RECEIVED;
use crate::store::lookups::want_sessions;
use crate::store::recent::{Row, Stored};
use crate::store::rows::{insert_delivery, micros, put_outcome_if, update_delivery};
use crate::store::sql::{Db, values};

/// Asks the ledger about a customer and writes what it says.
pub(in crate::store) async fn replan<D: Db>(
    db: &D,
    planning: &Planning,
    key: &CustomerKey,
    now: Timestamp,
    defect: Defect,
) -> Result<(), StoreError> {
    let customer = read(db, key).await?;
    let plan = planning.planned(&customer.history, now, defect);
    write(db, customer, plan).await?;
    Ok(())
}

/// Writes what a plan changes in a customer as it is stored, and whose turn it is. Gives the customer as it is then.
pub(in crate::store) async fn write<D: Db>(db: &D, mut customer: Stored, plan: Plan) -> Result<Stored, StoreError> {
    let Plan { changes, outcomes, sessions_wanted } = plan;
    let history = &mut customer.history;
    for change in changes {
        let id = match &change {
            Change::New(delivery) => insert_delivery(db, &history.key, delivery).await?,
            Change::Changed { id, delivery } => {
                let stored = history.deliveries.iter().find(|stored| stored.id == Some(*id));
                let stored = stored
                    .ok_or_else(|| StoreError::Data(format!("a plan changes call {}, which is not there", id.0)))?;
                update_delivery(db, &history.key.business, stored, delivery).await?;
                Some(*id)
            }
        };
        if let Some(id) = id {
            history.change(change, id);
        }
    }
    put_outcomes(db, &mut customer, &outcomes).await?;
    want_sessions(db, &customer.history, &sessions_wanted).await?;
    queue(db, &customer.history).await?;
    Ok(customer)
}

/// Writes what a customer's events came to, where it is not what was noted.
async fn put_outcomes<D: Db>(db: &D, customer: &mut Stored, outcomes: &[(EventId, Outcome)]) -> Result<(), StoreError> {
    let noted = &customer.noted;
    let changed = outcomes.iter().filter(|(event, outcome)| noted.get(event).is_none_or(|old| !old.says(outcome)));
    let changed: Vec<&(EventId, Outcome)> = changed.collect();
    // An event that has to be read anew stays in the inbox until it has been.
    let is_read = format!("AND state <> '{RECEIVED}'");
    try_join_all(changed.iter().map(|(event, outcome)| put_outcome_if(db, *event, outcome, &is_read))).await?;
    // A look-up may have more to say of one of them, and whether the inbox keeps one the row alone knows.
    changed.iter().for_each(|(event, _)| customer.changed(Row::Event(event.0)));
    Ok(())
}

/// Puts the customer's next call into the queue, if there is one.
async fn queue<D: Db>(db: &D, customer: &CustomerHistory) -> Result<(), StoreError> {
    let key = &customer.key;
    match customer.head() {
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
            let sql =
                "INSERT INTO routes (business, product) VALUES (?1, ?2) ON CONFLICT (business, product) DO NOTHING";
            try_join(queued, db.execute(sql, values![&key.business, product])).await?;
        }
    }
    Ok(())
}
