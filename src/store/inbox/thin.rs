//! Events that only point at something, and the events that carry it: where both come, one of them is enough.

use crate::domain::event::{EventId, Outcome};
use crate::domain::reason::EventReason;
use crate::store::StoreError;
use crate::store::codes::{THIN_EVENT, UNMAPPABLE};
use crate::store::rows::put_outcome;
use crate::store::sql::{Db, first, values};

/// Whether the event that carries what this one points at is recorded on the same endpoint.
pub(in crate::store) async fn is_told_by_another<D: Db>(db: &D, event: EventId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM events thin JOIN events whole ON whole.provider_event_id = thin.snapshot_event \
         AND whole.endpoint = thin.endpoint WHERE thin.id = ?1 LIMIT 1";
    Ok(first(db, sql, values![event.0]).await?.is_some())
}

/// Ends what pointed at an event that has come: nothing is missing any more.
pub(in crate::store) async fn clear<D: Db>(db: &D, whole: EventId) -> Result<(), StoreError> {
    // A replica that reads one of them now may not have seen this event. It is waited for.
    let sql = format!(
        "SELECT thin.id FROM events whole JOIN events thin ON thin.endpoint = whole.endpoint \
         AND thin.snapshot_event = whole.provider_event_id WHERE whole.id = ?1 {}",
        D::DIALECT.take_rows("thin")
    );
    for mut row in db.query(&sql, values![whole.0]).await? {
        let thin = EventId(row.int()?);
        let sql = "SELECT 1 FROM events WHERE id = ?1 AND state = ?2 AND reason = ?3";
        if first(db, sql, values![thin.0, UNMAPPABLE, THIN_EVENT]).await?.is_some() {
            put_outcome(db, thin, &Outcome::ignored(EventReason::AlreadyReported)).await?;
        }
    }
    Ok(())
}
