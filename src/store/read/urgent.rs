//! What needs a person: how much it is, and which calls are the most urgent, however old they are. Of calls that nobody is
//! shown no more is read than tells how urgent they are.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::domain::delivery::{DeliveryId, DeliveryState};
use crate::domain::mode::Mode;
use crate::domain::reason::DeliveryReason;
use crate::store::codes::NEEDS_ATTENTION;
use crate::store::read::conditions::Conditions;
use crate::store::read::events::of_mode;
use crate::store::read::queries::{DeliveryView, PAGE_ITEMS_MAX, delivery_view_columns};
use crate::store::rows::reason;
use crate::store::sql::{Dialect, Value, values};
use crate::store::{Store, StoreError};

/// A call that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urgent {
    /// Our number of the call.
    pub id: DeliveryId,
    /// Why it needs a person.
    pub reason: Option<DeliveryReason>,
    /// Until when its commission is on hold, as Refairn writes it, where Refairn has the call.
    pub hold_until: Option<String>,
}

/// What needs a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToSee {
    /// How many calls.
    pub calls: i64,
    /// How many events.
    pub events: i64,
    /// The calls, the newest first. Of more than were asked for those with the soonest hold dates, and then the newest.
    pub urgent: Vec<Urgent>,
}

/// Until when the commission of a call is on hold, where Refairn has the call, in the words of the index by it.
fn hold_until(dialect: Dialect) -> String {
    let states = DeliveryState::ALL.iter().filter(|state| state.is_acknowledged());
    let states = states.map(|state| format!("'{}'", state.code())).collect::<Vec<_>>().join(", ");
    format!("CASE WHEN state IN ({states}) THEN {} END", dialect.field("receipt", "holdUntil"))
}

/// The statement that tells what needs a person, and its values. One statement sees one moment.
pub(in crate::store) fn asked(
    dialect: Dialect,
    business: Option<&str>,
    mode: Option<Mode>,
    limit: u32,
) -> (String, Vec<Value>) {
    let (hold, limit) = (hold_until(dialect), limit.clamp(1, PAGE_ITEMS_MAX));
    // Those that need a person have indexes. A column in an expression leads nowhere else.
    let of_business = || Conditions::default().and_always(NEEDS_ATTENTION).and("business || '' =", business);
    let events = of_business().and_if(mode.map(of_mode)).clause();
    let calls = of_business().and_if(mode.map(|mode| format!("mode = '{}'", mode.code())));
    let of_calls = calls.clause();
    let sql = format!(
        "SELECT 'calls' AS part, COUNT(*) AS n, NULL AS reason, NULL AS hold FROM deliveries {of_calls} UNION ALL \
         SELECT 'events', COUNT(*), NULL, NULL FROM events {events} UNION ALL SELECT 'soonest', id, reason, hold FROM \
         (SELECT id, reason, {hold} AS hold FROM deliveries {of_calls} AND {hold} IS NOT NULL ORDER BY {hold}, id \
         LIMIT {limit}) s UNION ALL SELECT 'newest', id, reason, hold FROM \
         (SELECT id, reason, {hold} AS hold FROM deliveries {of_calls} ORDER BY id DESC LIMIT {limit}) n"
    );
    (sql, calls.values)
}

impl Store {
    /// What needs a person, of a business and a mode or of all, with so many calls at most.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn to_see(&self, business: Option<&str>, mode: Option<Mode>, limit: u32) -> Result<ToSee, StoreError> {
        let (sql, values) = asked(self.dialect(), business, mode, limit);
        let (mut found, mut soonest, mut newest) = (ToSee::default(), Vec::new(), Vec::new());
        for mut row in self.query(sql, values).await? {
            let (part, n) = (row.text()?, row.int()?);
            let mut call = || {
                Ok::<_, StoreError>(Urgent {
                    id: DeliveryId(n),
                    reason: reason(row.text_option()?)?,
                    hold_until: row.text_option()?,
                })
            };
            match part.as_str() {
                "calls" => found.calls = n,
                "events" => found.events = n,
                "soonest" => soonest.push(call()?),
                _ => newest.push(call()?),
            }
        }
        newest.sort_by_key(|call| Reverse(call.id));
        if found.calls <= i64::from(limit) {
            return Ok(ToSee { urgent: newest, ..found });
        }
        soonest.sort_by(|a, b| (&a.hold_until, a.id).cmp(&(&b.hold_until, b.id)));
        let has_hold: BTreeSet<DeliveryId> = soonest.iter().map(|call| call.id).collect();
        found.urgent = soonest;
        found.urgent.extend(newest.into_iter().filter(|call| !has_hold.contains(&call.id)));
        found.urgent.truncate(limit as usize);
        Ok(found)
    }

    /// Those of these calls that need a person, in no order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn calls_to_see(&self, calls: &[DeliveryId]) -> Result<Vec<DeliveryView>, StoreError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let (columns, dialect) = (delivery_view_columns(), self.dialect());
        let is_among = dialect.is_among("id", &dialect.numbers("?1"));
        let sql = format!("SELECT {columns} FROM deliveries WHERE {NEEDS_ATTENTION} AND {is_among}");
        let numbers: Vec<i64> = calls.iter().map(|id| id.0).collect();
        self.deliveries_seen(sql, values![serde_json::to_string(&numbers)?]).await
    }
}
