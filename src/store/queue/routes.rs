//! Routes: paused when Refairn refuses what the configuration says, probed while they are, and resumed.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::after;
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::Settlement;
use crate::store::StoreError;
use crate::store::rows::micros;
use crate::store::sql::{Db, first, values};

/// How long a paused route rests between two probes.
pub(in crate::store) const PROBE_EVERY: Duration = Duration::from_secs(60);

/// Pauses the route, or resumes it: any answer but a refusal of our configuration shows that it works.
pub(super) async fn route<D: Db>(
    db: &D,
    key: &CustomerKey,
    product: &str,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<(), StoreError> {
    match settlement {
        Settlement::PauseRoute(detail) => {
            let sql = "UPDATE routes SET paused_since = COALESCE(paused_since, ?3), probe_at = ?4, detail = ?5 \
                 WHERE business = ?1 AND product = ?2";
            let probe_at = micros(after(now, PROBE_EVERY));
            db.execute(sql, values![&key.business, product, micros(now), probe_at, detail]).await?;
        }
        Settlement::Delivered(_) | Settlement::Duplicate | Settlement::Rejected(..) => {
            let sql = "UPDATE routes SET paused_since = NULL, probe_at = NULL, detail = NULL \
                 WHERE business = ?1 AND product = ?2 AND paused_since IS NOT NULL";
            db.execute(sql, values![&key.business, product]).await?;
        }
        Settlement::Retry { .. } => {}
    }
    Ok(())
}

/// A route on which nothing is queued any more has nothing to probe with: it is open until it is refused again.
pub(super) async fn open_idle_routes<D: Db>(db: &D) -> Result<(), StoreError> {
    let [business, _] = D::DIALECT.in_turn();
    // OFFSET has the queue looked at for each route: PostgreSQL would join it, and read what is queued for others.
    let sql = format!(
        "UPDATE routes SET paused_since = NULL, probe_at = NULL, detail = NULL WHERE paused_since IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM queue q WHERE {business} = routes.business AND q.product = routes.product LIMIT 1 OFFSET 0)"
    );
    db.execute(&sql, values![]).await?;
    Ok(())
}

/// Whether the next probe of a paused route is ours to make.
pub(super) async fn may_probe<D: Db>(
    db: &D,
    business: &str,
    product: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let take = D::DIALECT.take_free_rows();
    let sql = format!("SELECT 1 FROM routes WHERE business = ?1 AND product = ?2 AND probe_at <= ?3 {take}");
    Ok(first(db, &sql, values![business, product, micros(now)]).await?.is_some())
}
