//! What calls in a list show of others: where a code was looked for, and who has the day. Of all rows of a list it is asked at
//! once.

use std::collections::{BTreeSet, HashMap};

use crate::domain::customer::CustomerKey;
use crate::domain::delivery::{Delivery, DeliveryState, Fate};
use crate::domain::event::EventId;
use crate::domain::reason::DeliveryReason;
use crate::domain::verdict;
use crate::store::read::queries::{DeliveryView, Searched, delivery_view};
use crate::store::related::MAY_HOLD_A_CODE;
use crate::store::rows::{DELIVERY_COLUMNS, delivery};
use crate::store::sql::{Value, values};
use crate::store::written::read_fact;
use crate::store::{Store, StoreError};

/// Most events shown in which a customer's referral code was looked for.
const SEARCHED_MAX: u32 = 5;
/// Calls that are read for the days of a list: a customer has few of one day.
const CALLS_OF_DAYS_MAX: u32 = 2000;

/// Business, address and day of a payment.
type CustomersDay = (String, String, String);

impl Store {
    /// Deliveries, and what they show of others.
    pub(super) async fn deliveries_seen(
        &self,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let mut views = self.rows(sql, values, delivery_view).await?;
        let is_nobodys = |view: &&DeliveryView| view.delivery.fate() == Some(Fate::CreditedNobody);
        let searched = self.searched(views.iter().filter(is_nobodys).map(key)).await?;
        let holding = self.of_days(views.iter().filter(|view| waits_for_its_day(&view.delivery)).map(day)).await?;
        for view in &mut views {
            if is_nobodys(&&*view) {
                view.searched = searched.get(&key(view)).cloned().unwrap_or_default();
            }
            if waits_for_its_day(&view.delivery) {
                let of_day: Vec<&Delivery> = holding.get(&day(view)).into_iter().flatten().collect();
                let holder = verdict::day_holder(&of_day, &view.delivery);
                view.day_holder = holder.and_then(|d| Some((d.id?, d.what())));
            }
        }
        Ok(views)
    }

    /// The first events of each customer that brought a code, or held one that is not used, or were the customer's checkout.
    async fn searched(
        &self,
        customers: impl Iterator<Item = CustomerKey>,
    ) -> Result<HashMap<CustomerKey, Vec<Searched>>, StoreError> {
        let pairs: BTreeSet<(String, String)> = customers.map(|key| (key.business, key.email_key)).collect();
        if pairs.is_empty() {
            return Ok(HashMap::new());
        }
        // In the JSON of a fact a text that quotes this key has a backslash before the quotation mark.
        let condition = format!(
            "f.business = c.business AND f.email_key = c.email_key AND e.id = f.event_id \
             AND ((f.speaks_for_related = 1 AND {MAY_HOLD_A_CODE}) OR f.data LIKE '%\"code_refused\":%')"
        );
        let columns = "f.business, f.email_key, e.id, e.endpoint, e.type, f.data";
        let found = self.dialect().for_each("c", [columns, "facts f CROSS JOIN events e", &condition], None);
        let sql = format!(
            "WITH c (business, email_key) AS ({}), found (business, email_key, id, endpoint, type, data) AS ({found}) \
             SELECT business, email_key, id, endpoint, type, data FROM \
             (SELECT found.*, ROW_NUMBER() OVER (PARTITION BY business, email_key ORDER BY id) AS n FROM found) numbered \
             WHERE n <= {SEARCHED_MAX} ORDER BY id",
            self.dialect().pairs("?1")
        );
        let rows = self.rows(sql, values![serde_json::to_string(&pairs)?], |row| {
            let key = CustomerKey { business: row.text()?, email_key: row.text()? };
            let (event, endpoint, event_type) = (EventId(row.int()?), row.text()?, row.text()?);
            let fact = read_fact(&row.text()?)?;
            Ok((key, Searched { event, endpoint, event_type, code: fact.code, refused: fact.code_refused }))
        });
        let mut searched: HashMap<CustomerKey, Vec<Searched>> = HashMap::new();
        for (key, event) in rows.await? {
            searched.entry(key).or_default().push(event);
        }
        Ok(searched)
    }

    /// The calls of these days, each day's newest first.
    async fn of_days(
        &self,
        days: impl Iterator<Item = CustomersDay>,
    ) -> Result<HashMap<CustomersDay, Vec<Delivery>>, StoreError> {
        let days: BTreeSet<CustomersDay> = days.collect();
        if days.is_empty() {
            return Ok(HashMap::new());
        }
        let condition = format!(
            "d.email_key = c.email_key AND d.business || '' = c.business AND {} = c.day",
            self.dialect().field("d.call", "day")
        );
        let found = self.dialect().for_each("c", ["d.id", "deliveries d", &condition], None);
        let sql = format!(
            "WITH c (business, email_key, day) AS ({}) SELECT business, email_key, {DELIVERY_COLUMNS} FROM deliveries \
             WHERE {} ORDER BY id + 0 DESC LIMIT {CALLS_OF_DAYS_MAX}",
            self.dialect().lists("?1", 3),
            self.dialect().is_among("id", &found)
        );
        let read = |row: &mut crate::store::sql::Row| Ok((row.text()?, row.text()?, delivery(row)?));
        let mut of_days: HashMap<CustomersDay, Vec<Delivery>> = HashMap::new();
        for (business, email_key, call) in self.rows(sql, values![serde_json::to_string(&days)?], read).await? {
            let day = call.call.day().map(|day| day.to_string()).unwrap_or_default();
            of_days.entry((business, email_key, day)).or_default().push(call);
        }
        Ok(of_days)
    }
}

/// Whose a call is.
pub(super) fn key(view: &DeliveryView) -> CustomerKey {
    CustomerKey { business: view.business.clone(), email_key: view.delivery.call.email().key() }
}

fn day(view: &DeliveryView) -> CustomersDay {
    let CustomerKey { business, email_key } = key(view);
    (business, email_key, view.delivery.call.day().map(|day| day.to_string()).unwrap_or_default())
}

fn waits_for_its_day(delivery: &Delivery) -> bool {
    use DeliveryReason::{DaySlotTaken, DayTakenByStatus, SameDayPayment};
    let for_its_day = matches!(delivery.reason, Some(SameDayPayment | DayTakenByStatus | DaySlotTaken));
    for_its_day && matches!(delivery.state, DeliveryState::Held | DeliveryState::Rejected)
}
