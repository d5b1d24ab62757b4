//! A customer's facts and calls: read, planned and written in one transaction.

use std::collections::{HashMap, HashSet};

use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;

use super::planning::{Defect, Planning};
use crate::domain::customer::{Change, CustomerHistory, CustomerKey, KnownFact, Plan};
use crate::domain::event::{EventId, Outcome};
use crate::domain::fact::FactKind;
use crate::store::StoreError;
use crate::store::codes::RECEIVED;
use crate::store::lookups::want_sessions;
use crate::store::recent::{Noted, Stored};
use crate::store::related::addresses;
use crate::store::rows::{DELIVERY_COLUMNS, delivery, insert_delivery, micros, put_outcome_if, time, update_delivery};
use crate::store::sql::{Db, Row, first, values};

/// Everything known of one customer.
pub(in crate::store) async fn load<D: Db>(db: &D, key: &CustomerKey) -> Result<CustomerHistory, StoreError> {
    Ok(read(db, key).await?.history)
}

/// Reads a customer, whom something that is written now may have changed.
pub(in crate::store) async fn read<D: Db>(db: &D, key: &CustomerKey) -> Result<Stored, StoreError> {
    let _of_before = db.recall(key);
    let deliveries_sql =
        format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE business = ?1 AND email_key = ?2 ORDER BY id");
    let deliveries = db.query(&deliveries_sql, values![&key.business, &key.email_key]);
    let ((mut facts, noted), deliveries) = try_join(own_facts(db, key), deliveries).await?;
    // What came with another address of the same provider's customer counts for this one too: a code, or its session.
    let customers: HashSet<(String, String)> =
        facts.iter().filter_map(|f| f.fact.customer.clone().map(|c| (f.scope.clone(), c))).collect();
    let related = customers.into_iter().map(async |(scope, customer)| {
        let related = related_facts(db, key, &scope, &customer).await?;
        let far = !related.is_empty() && addresses(db, &scope, &customer).await?.is_empty();
        Ok::<_, StoreError>(if far { Vec::new() } else { related })
    });
    let mut related: Vec<KnownFact> = try_join_all(related).await?.into_iter().flatten().collect();
    tell_what_stayed(db, key, &mut related).await?;
    facts.extend(related);
    let deliveries = deliveries.into_iter().map(|mut row| delivery(&mut row)).collect::<Result<_, _>>()?;
    let history = CustomerHistory { key: key.clone(), facts, deliveries };
    Ok(Stored { history, noted, is_vague: false })
}

/// A customer's facts, and what was noted of their events: of a long history hardly anything changes, and one look costs
/// less than a write for each event.
async fn own_facts<D: Db>(db: &D, key: &CustomerKey) -> Result<(Vec<KnownFact>, HashMap<EventId, Noted>), StoreError> {
    let sql = "SELECT f.event_id, f.scope, f.received_at, f.data, e.state, e.reason, e.detail \
         FROM facts f JOIN events e ON e.id = f.event_id WHERE f.business = ?1 AND f.email_key = ?2 ORDER BY f.event_id";
    let (mut facts, mut noted) = (Vec::new(), HashMap::new());
    for mut row in db.query(sql, values![&key.business, &key.email_key]).await? {
        let known = known_fact(&mut row, false)?;
        let of_row = Noted { state: row.text()?, reason: row.text_option()?, detail: row.text_option()? };
        noted.insert(known.event, of_row);
        facts.push(known);
    }
    Ok((facts, noted))
}

/// What speaks for a provider's customer under other addresses.
async fn related_facts<D: Db>(
    db: &D,
    key: &CustomerKey,
    scope: &str,
    customer: &str,
) -> Result<Vec<KnownFact>, StoreError> {
    let sql = "SELECT event_id, scope, received_at, data FROM facts \
         WHERE scope = ?1 AND customer = ?2 AND speaks_for_related = 1 AND email_key IS NOT NULL AND email_key <> ?3 \
         ORDER BY event_id";
    let rows = db.query(sql, values![scope, customer, &key.email_key]).await?;
    rows.into_iter().map(|mut row| known_fact(&mut row, true)).collect()
}

fn known_fact(row: &mut Row, is_related: bool) -> Result<KnownFact, StoreError> {
    Ok(KnownFact {
        event: EventId(row.int()?),
        scope: row.text()?,
        received_at: time(row.int()?)?,
        is_related,
        has_stayed: false,
        fact: serde_json::from_str(&row.text()?)?,
    })
}

/// Notes which of the changes of status that are another address's are about a subscription of this one.
async fn tell_what_stayed<D: Db>(db: &D, key: &CustomerKey, related: &mut [KnownFact]) -> Result<(), StoreError> {
    let mut ours: HashMap<(String, String), bool> = HashMap::new();
    for known in related {
        let FactKind::Subscription(subscription) = &known.fact.matter else { continue };
        let of = (known.scope.clone(), subscription.id.clone());
        known.has_stayed = if let Some(is_ours) = ours.get(&of) {
            *is_ours
        } else {
            let sql = "SELECT 1 FROM identities WHERE scope = ?1 AND key = ?2 AND email_key = ?3";
            let found = first(db, sql, values![&of.0, &of.1, &key.email_key]).await?;
            *ours.entry(of).or_insert(found.is_some())
        };
    }
    Ok(())
}

/// A customer as the database has it: as it is remembered, or read.
pub(in crate::store) async fn stored<D: Db>(db: &D, key: &CustomerKey) -> Result<Stored, StoreError> {
    let Some(remembered) = db.recall(key) else { return read(db, key).await };
    #[cfg(any(test, feature = "crash-points"))]
    if crate::crash::distrusts() && remembered != read(db, key).await? {
        crate::crash::impossible("a customer is remembered otherwise than it is stored");
    }
    Ok(remembered)
}

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
                update_delivery(db, stored, delivery).await?;
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
    // An event that has to be read anew stays in the inbox until it has been.
    let is_read = format!("AND state <> '{RECEIVED}'");
    let put = try_join_all(changed.map(|(event, outcome)| put_outcome_if(db, *event, outcome, &is_read))).await?;
    // A look-up may have more to say of one of them, and whether the inbox keeps one the row alone knows.
    customer.is_vague |= !put.is_empty();
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
