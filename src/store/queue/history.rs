//! A customer's history: what was reported of a customer, and the calls that were made of it, as a transaction sees them.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::future::{try_join, try_join_all};

use crate::domain::customer::{CustomerHistory, CustomerKey, KnownFact};
use crate::domain::delivery::{Delivery, DeliveryId};
use crate::domain::event::EventId;
use crate::domain::fact::FactKind;
use crate::store::StoreError;
use crate::store::recent::{Noted, Stored};
use crate::store::related::addresses;
use crate::store::rows::{DELIVERY_COLUMNS, delivery, time};
use crate::store::sql::{Db, Row, first, values};
use crate::store::written::read_fact;

/// A customer's own facts and what was noted of their events, in the columns that [`fact_and_note`] reads.
const OWN_FACTS: &str = "SELECT f.event_id, f.scope, f.received_at, f.data, e.state, e.reason, e.detail \
     FROM facts f JOIN events e ON e.id = f.event_id";

/// Everything known of one customer.
pub(in crate::store) async fn load<D: Db>(db: &D, key: &CustomerKey) -> Result<CustomerHistory, StoreError> {
    Ok(read(db, key).await?.history)
}

/// A customer as the database has it: as it is remembered, or read.
pub(in crate::store) async fn stored<D: Db>(db: &D, key: &CustomerKey) -> Result<Stored, StoreError> {
    let Some(remembered) = db.recall(key) else { return read(db, key).await };
    #[cfg(any(test, feature = "crash-points"))]
    distrust(db, &remembered).await?;
    Ok(remembered)
}

/// Reads a customer, whom something that is written now may have changed. Of a long history that is remembered only the
/// rows that are new or have changed are read.
pub(in crate::store) async fn read<D: Db>(db: &D, key: &CustomerKey) -> Result<Stored, StoreError> {
    let Some(known) = db.recall_rows(key) else { return read_all(db, key).await };
    let customer = with_related(db, renewed(db, known).await?).await?;
    #[cfg(any(test, feature = "crash-points"))]
    distrust(db, &customer).await?;
    Ok(customer)
}

/// Compares what is remembered of a customer with what there is.
#[cfg(any(test, feature = "crash-points"))]
async fn distrust<D: Db>(db: &D, remembered: &Stored) -> Result<(), StoreError> {
    if crate::crash::distrusts() && *remembered != read_all(db, &remembered.history.key).await? {
        crate::crash::impossible("a customer is remembered otherwise than it is stored");
    }
    Ok(())
}

async fn read_all<D: Db>(db: &D, key: &CustomerKey) -> Result<Stored, StoreError> {
    let ((facts, noted), deliveries) = try_join(own_facts(db, key), calls(db, key)).await?;
    let history = CustomerHistory { key: key.clone(), facts, deliveries };
    with_related(db, Stored { history, noted, is_whole: true }).await
}

async fn calls<D: Db>(db: &D, key: &CustomerKey) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE business = ?1 AND email_key = ?2 ORDER BY id");
    let rows = db.query(&sql, values![&key.business, &key.email_key]).await?;
    rows.into_iter().map(|mut row| delivery(&mut row)).collect()
}

/// A customer's facts, and what was noted of their events: of a long history hardly anything changes, and one look costs
/// less than a write for each event.
async fn own_facts<D: Db>(db: &D, key: &CustomerKey) -> Result<(Vec<KnownFact>, HashMap<EventId, Noted>), StoreError> {
    let sql = format!("{OWN_FACTS} WHERE f.business = ?1 AND f.email_key = ?2 ORDER BY f.event_id");
    let (mut facts, mut noted) = (Vec::new(), HashMap::new());
    for mut row in db.query(&sql, values![&key.business, &key.email_key]).await? {
        let (known, note) = fact_and_note(&mut row)?;
        noted.insert(known.event, note);
        facts.push(known);
    }
    Ok((facts, noted))
}

fn fact_and_note(row: &mut Row) -> Result<(KnownFact, Noted), StoreError> {
    let known = known_fact(row, false)?;
    Ok((known, Noted { state: row.text()?, reason: row.text_option()?, detail: row.text_option()? }))
}

/// A customer of whom some rows are known. Which rows there are is asked of the indexes alone.
async fn renewed<D: Db>(db: &D, known: Stored) -> Result<Stored, StoreError> {
    let Stored { history: CustomerHistory { key, facts: known_facts, deliveries: known_calls }, mut noted, .. } = known;
    let sql = "SELECT event_id FROM facts WHERE business = ?1 AND email_key = ?2 ORDER BY event_id";
    let (mut facts, mut known_facts) = (Vec::with_capacity(known_facts.len() + 1), known_facts.into_iter().peekable());
    for event in numbers(db, sql, &key).await?.map(EventId) {
        while known_facts.next_if(|fact| fact.event < event).is_some() {}
        if let Some(fact) = known_facts.next_if(|fact| fact.event == event && noted.contains_key(&event)) {
            facts.push(fact);
        } else if let Some(mut row) = first(db, &format!("{OWN_FACTS} WHERE f.event_id = ?1"), values![event.0]).await?
        {
            let (fact, note) = fact_and_note(&mut row)?;
            noted.insert(event, note);
            facts.push(fact);
        }
    }
    if noted.len() != facts.len() {
        let events: HashSet<EventId> = facts.iter().map(|fact| fact.event).collect();
        noted.retain(|event, _| events.contains(event));
    }
    let sql = "SELECT id FROM deliveries WHERE business = ?1 AND email_key = ?2 ORDER BY id";
    let (mut deliveries, mut known_calls) = (Vec::with_capacity(known_calls.len()), known_calls.into_iter().peekable());
    for id in numbers(db, sql, &key).await?.map(DeliveryId) {
        while known_calls.next_if(|call| call.id < Some(id)).is_some() {}
        if let Some(call) = known_calls.next_if(|call| call.id == Some(id)) {
            deliveries.push(call);
        } else {
            let sql = format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE id = ?1");
            let row = first(db, &sql, values![id.0]).await?;
            deliveries.extend(row.map(|mut row| delivery(&mut row)).transpose()?);
        }
    }
    Ok(Stored { history: CustomerHistory { key, facts, deliveries }, noted, is_whole: true })
}

async fn numbers<D: Db>(db: &D, sql: &str, key: &CustomerKey) -> Result<impl Iterator<Item = i64>, StoreError> {
    let rows = db.query(sql, values![&key.business, &key.email_key]).await?;
    let numbers: Vec<i64> = rows.into_iter().map(|mut row| row.int()).collect::<Result<_, _>>()?;
    Ok(numbers.into_iter())
}

/// What came with another address of the same provider's customer counts for this one too: a code, or its session.
async fn with_related<D: Db>(db: &D, mut customer: Stored) -> Result<Stored, StoreError> {
    let CustomerHistory { key, facts, .. } = &mut customer.history;
    let customers: BTreeSet<(&str, &str)> =
        facts.iter().filter_map(|f| Some((f.scope.as_str(), f.fact.customer.as_deref()?))).collect();
    let of = &*key;
    let related = customers.into_iter().map(async |(scope, customer)| {
        let related = related_facts(db, of, scope, customer).await?;
        let far = !related.is_empty() && addresses(db, scope, customer).await?.is_empty();
        Ok::<_, StoreError>(if far { Vec::new() } else { related })
    });
    let mut related: Vec<KnownFact> = try_join_all(related).await?.into_iter().flatten().collect();
    tell_what_stayed(db, key, &mut related).await?;
    facts.extend(related);
    Ok(customer)
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
        fact: read_fact(&row.text()?)?,
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
