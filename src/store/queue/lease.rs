//! Leasing: whose turn it is. Routes take turns, so that none is kept waiting by what another has to send.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

use super::customer_plan::write;
use super::held::Held;
use super::history::read;
use super::planning::Planning;
use super::routes::{PROBE_EVERY, may_probe, open_idle_routes};
use crate::clock::after;
use crate::domain::customer::{Change, CustomerKey};
use crate::domain::delivery::{Delivery, DeliveryId, Seq};
use crate::store::codes::RECEIVED;
use crate::store::rows::{DELIVERY_COLUMNS, delivery, micros, time_option, update_delivery};
use crate::store::sql::{Db, Dialect, Lock, Work, first, values};
use crate::store::{Store, StoreError};

/// Routes that are looked at in one lease.
const ROUTES_MAX: u32 = 10_000;

/// A call that is ours to make. Until it is settled, given back or dropped, this process leases no call of its customer.
/// The fencing number is the delivery's `last_seq`, which every lease raises: a settle under an older one does nothing.
#[derive(Debug)]
pub struct Leased {
    /// Whose call it is.
    pub key: CustomerKey,
    /// The call.
    pub delivery: Delivery,
    held: Option<Held>,
}

impl Leased {
    /// A call that nobody was given by a store.
    #[cfg(test)]
    pub(crate) const fn unguarded(key: CustomerKey, delivery: Delivery) -> Self {
        Self { key, delivery, held: None }
    }

    /// This process may lease a call of its customer again.
    pub(super) fn let_go(&self) {
        self.held.iter().for_each(Held::let_go);
    }
}

impl Store {
    /// Leases up to `calls_max` customers whose turn it is. The routes take turns, from one lease to the next, and get
    /// equal shares; a paused route yields one probe a minute. The delivery is marked as on its way, on disk, before it
    /// is handed out. What is due is due at `now`. No customer is leased of whom this process has a [`Leased`] call. In
    /// PostgreSQL other replicas may take a lease over when it has lasted for `lease` by the database's clock.
    ///
    /// # Errors
    /// Nothing was leased, or nobody can tell.
    pub async fn lease(&self, now: Timestamp, lease: Duration, calls_max: usize) -> Result<Vec<Leased>, StoreError> {
        let mut turn = self.turn.take().await;
        let (last, held, planning) = (turn.clone(), self.under_way.list()?, self.planning.clone());
        let (taken, last) = self.write(Lease { now, lease, calls_max, last, held, planning }).await?;
        *turn = last;
        let leased = |(key, delivery)| {
            let held = Some(self.under_way.hold(&key));
            Leased { key, delivery, held }
        };
        Ok(taken.into_iter().map(leased).collect())
    }

    /// When the next call is due; nothing when none is queued. Paused routes count at their next probe. Leases
    /// that run out are not foreseen: the dispatcher looks every second, and finds them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let (all_is_read, [business, due_at]) = (all_is_read(self.dialect()), self.dialect().in_turn());
        let sql = format!(
            "SELECT MIN(CASE WHEN s.probe_at > s.due_at THEN s.probe_at ELSE s.due_at END) FROM ( \
             SELECT r.probe_at, (SELECT MIN({due_at}) FROM queue q WHERE {business} = r.business \
             AND q.product = r.product AND q.leased = 0 AND {all_is_read}) AS due_at FROM routes r) AS s \
             WHERE s.due_at IS NOT NULL"
        );
        let row = self.backend.query_as_it_is(sql, values![]).await?.into_iter().next();
        time_option(row.map(|mut row| row.int_option()).transpose()?.flatten())
    }
}

/// The route that was served last by this process; the next one in the order of their names is next. The task that has it
/// leases, and no other does meanwhile: what is under way does not become more while a lease is written.
#[derive(Clone, Default)]
pub(in crate::store) struct Turn(Arc<Mutex<(String, String)>>);

impl Turn {
    pub(in crate::store) async fn take(&self) -> MutexGuard<'_, (String, String)> {
        self.0.lock().await
    }
}

/// The condition under which a row `q` of the queue may go out: all events that came in before the one that asked for
/// the call, or before the call was due, have been read. They may bring the customer's code, an earlier payment or a
/// refund, and be unread because the bridge was killed, or because another replica has them to read.
fn all_is_read(dialect: Dialect) -> String {
    let [_, due_at] = dialect.in_turn();
    format!(
        "{due_at} < \
     COALESCE((SELECT received_at FROM events WHERE state = '{RECEIVED}' ORDER BY id LIMIT 1), 9223372036854775807) \
     AND (SELECT d.event_id FROM deliveries d WHERE d.id = q.delivery_id) <= \
     COALESCE((SELECT id FROM events WHERE state = '{RECEIVED}' ORDER BY id LIMIT 1), 9223372036854775807)"
    )
}

/// See [`crate::store::Store::lease`].
pub(in crate::store) struct Lease {
    pub(in crate::store) now: Timestamp,
    pub(in crate::store) lease: Duration,
    pub(in crate::store) calls_max: usize,
    /// The route that was served last.
    pub(in crate::store) last: (String, String),
    /// The customers of whom this process has a call under way; see [`super::held::UnderWay::list`].
    pub(in crate::store) held: String,
    pub(in crate::store) planning: Planning,
}

/// A customer, and the call that was leased.
type Taken = (CustomerKey, Delivery);

/// A route with something due.
struct Route {
    business: String,
    product: String,
    paused: bool,
    /// Something was leased on it just now: what is leased there may be ours.
    served: bool,
}

impl Work for Lease {
    /// The leased calls, and the route that was served last.
    type Answer = (Vec<Taken>, (String, String));

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let (mut leased, mut last) = (Vec::new(), self.last.clone());
        open_idle_routes(db).await?;
        let mut routes = self.routes(db).await?;
        // What some routes do not need of their share goes to those who have more: round after round, each of which
        // leases something.
        loop {
            let before = leased.len();
            let mut left = routes.len();
            let mut have_more = Vec::new();
            for mut route in routes {
                if leased.len() >= self.calls_max {
                    break;
                }
                let share = if route.paused { 1 } else { (self.calls_max - leased.len()).div_ceil(left.max(1)) };
                left = left.saturating_sub(1);
                let due = self.lease_on(db, &route, share, &mut leased).await?;
                last = (route.business.clone(), route.product.clone());
                if due >= share && !route.paused {
                    route.served = true;
                    have_more.push(route);
                }
            }
            routes = have_more;
            if leased.len() == before || leased.len() >= self.calls_max || routes.is_empty() {
                return Ok((leased, last));
            }
        }
    }
}

impl Lease {
    /// Routes with something due, beginning with the one whose turn it is.
    async fn routes<D: Db>(&self, db: &D) -> Result<Vec<Route>, StoreError> {
        let (all_is_read, due, held) = (all_is_read(D::DIALECT), D::DIALECT.due("?1"), D::DIALECT.is_held("?5"));
        let [its_business, _] = D::DIALECT.in_turn();
        let sql = format!(
            "SELECT r.business, r.product, r.paused_since IS NOT NULL FROM routes r \
             WHERE (r.paused_since IS NULL OR r.probe_at <= ?1) AND EXISTS (SELECT 1 FROM queue q \
             WHERE {its_business} = r.business AND q.product = r.product AND {all_is_read} AND {due} \
             AND NOT {held}) \
             ORDER BY (r.business, r.product) > (?3, ?4) DESC, r.business, r.product LIMIT ?2"
        );
        let (business, product) = &self.last;
        let rows = db.query(&sql, values![micros(self.now), ROUTES_MAX, business, product, &self.held]).await?;
        let route = |mut row: crate::store::sql::Row| {
            Ok(Route { business: row.text()?, product: row.text()?, paused: row.flag()?, served: false })
        };
        rows.into_iter().map(route).collect()
    }

    /// Leases up to `share` calls of one route; gives how many were due.
    async fn lease_on<D: Db>(
        &self,
        db: &D,
        route: &Route,
        share: usize,
        leased: &mut Vec<Taken>,
    ) -> Result<usize, StoreError> {
        let Route { business, product, paused, served: _ } = route;
        if *paused && !may_probe(db, business, product, self.now).await? {
            return Ok(0);
        }
        let before = leased.len();
        let due = self.due_on(db, route, share).await?;
        let count = due.len();
        // Side by side: over a network it is the ways there and back that take time.
        let taken = try_join_all(due.into_iter().map(|(key, id)| self.take(db, key, id))).await?;
        leased.extend(taken.into_iter().flatten());
        if *paused && leased.len() > before {
            let sql = "UPDATE routes SET probe_at = ?3 WHERE business = ?1 AND product = ?2";
            db.execute(sql, values![business, product, micros(after(self.now, PROBE_EVERY))]).await?;
        }
        Ok(count)
    }

    /// Takes the lease and marks the delivery as on its way.
    async fn take<D: Db>(&self, db: &D, key: CustomerKey, id: i64) -> Result<Option<Taken>, StoreError> {
        // Another process plans this customer's calls at this moment: the next lease finds them as they are then.
        if !db.try_lock(Lock::Customer(&key)).await? {
            return Ok(None);
        }
        let mut remembered = db.recall(&key);
        let found = match &remembered {
            Some(customer) => customer.attempt(DeliveryId(id)),
            None => attempt(db, &key, id).await?,
        };
        let Some((mut delivery, seq)) = found else { return Ok(None) };
        if delivery.waits_for_its_day() {
            remembered = None;
            let Some(planned) = self.planned_anew(db, &key, DeliveryId(id)).await? else { return Ok(None) };
            delivery = planned;
        }
        let before = delivery.clone();
        if !delivery.lease(seq, self.now) {
            return Ok(None);
        }
        update_delivery(db, &key.business, &before, &delivery).await?;
        let until = D::DIALECT.leased_until(self.lease);
        let sql =
            format!("UPDATE queue SET leased = 1, fencing_token = ?3{until} WHERE business = ?1 AND email_key = ?2");
        db.execute(&sql, values![&key.business, &key.email_key, seq]).await?;
        if let Some(mut customer) = remembered {
            let id = DeliveryId(id);
            customer.history.change(Change::Changed { id, delivery: delivery.clone() }, id);
            db.remember(customer);
        }
        Ok(Some((key, delivery)))
    }

    /// Up to `share` customers of one route whose turn it is, and their calls.
    async fn due_on<D: Db>(
        &self,
        db: &D,
        Route { business, product, served, .. }: &Route,
        share: usize,
    ) -> Result<Vec<(CustomerKey, i64)>, StoreError> {
        let (due, held, take) = (D::DIALECT.due("?3"), D::DIALECT.is_held("?5"), D::DIALECT.take_free_rows());
        let (all_is_read, [its_business, due_at]) = (all_is_read(D::DIALECT), D::DIALECT.in_turn());
        let sql = format!(
            "SELECT q.email_key, q.delivery_id FROM queue q WHERE {its_business} = ?1 AND q.product = ?2 AND {all_is_read} \
             AND {due} AND NOT {held} AND (q.leased = 0 OR ?6 = 0) ORDER BY {due_at} LIMIT ?4 {take}"
        );
        let share = i64::try_from(share).unwrap_or(i64::MAX);
        let rows = db.query(&sql, values![business, product, micros(self.now), share, &self.held, *served]).await?;
        let key = |email_key| CustomerKey { business: business.clone(), email_key };
        rows.into_iter().map(|mut row| Ok((key(row.text()?), row.int()?))).collect()
    }

    /// A call that waited for its day, if it may go out: its customer is planned anew, for the day may be over at another
    /// time than when the wait began, in another time zone or by a clock that was put right.
    async fn planned_anew<D: Db>(
        &self,
        db: &D,
        key: &CustomerKey,
        id: DeliveryId,
    ) -> Result<Option<Delivery>, StoreError> {
        let customer = read(db, key).await?;
        let plan = self.planning.plan(&customer.history, self.now);
        let customer = write(db, customer, plan).await?;
        Ok(customer.history.head().filter(|head| head.id == Some(id) && head.due_at <= self.now).cloned())
    }
}

/// A call, and the number of its customer's next attempt.
async fn attempt<D: Db>(db: &D, key: &CustomerKey, id: i64) -> Result<Option<(Delivery, Seq)>, StoreError> {
    let select = format!(
        "SELECT {DELIVERY_COLUMNS}, (SELECT COALESCE(MAX(o.last_seq), 0) + 1 FROM deliveries o \
         WHERE o.business = ?2 AND o.email_key = ?3) FROM deliveries WHERE id = ?1"
    );
    let found = first(db, &select, values![id, &key.business, &key.email_key]).await?;
    found.map(|mut row| Ok((delivery(&mut row)?, row.int()?))).transpose()
}
