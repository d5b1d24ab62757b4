//! Recording: the one way by which anything becomes an event, whether it was sent, looked up or listed. A verified event
//! goes to disk before its sender is answered.

use std::sync::Arc;

use crate::domain::event::{EventId, EventState, NewEvent, Recorded};
use crate::domain::mode::Mode;
use crate::store::codes::RECEIVED;
use crate::store::counts::Counted;
use crate::store::numbering::{Numbered, Numbering};
use crate::store::rows::micros;
use crate::store::sql::{Db, Value, Work, first, values};
use crate::store::{Backend, Store, StoreError};

impl Store {
    /// Records an event, or finds that it was recorded before. When this returns, the event survives a crash and a
    /// power loss. Events that arrive at the same time share a commit.
    ///
    /// # Errors
    /// Nothing was recorded, or nobody can tell: the sender is to try again. [`StoreError::Overloaded`] comes early.
    pub async fn record(&self, event: NewEvent) -> Result<Recorded, StoreError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.record(event).await,
            Backend::Postgres(postgres) => postgres.record(event).await,
        }
    }
}

/// The values of a new event's row: the parameters `?1` to `?11`.
pub(in crate::store) fn row_of(event: &NewEvent) -> Vec<Value> {
    let identity = &event.identity;
    values![
        &event.endpoint,
        event.provider.code(),
        &event.business,
        &identity.dedup_key,
        identity.provider_event_id.as_ref(),
        &identity.event_type,
        RECEIVED,
        micros(event.received_at),
        identity.snapshot_event.as_ref(),
        identity.mode.map(Mode::code),
        event.origin.code(),
    ]
}

/// Finds the event that was recorded before, by its endpoint and what its repetitions share.
pub(in crate::store) const FIND: &str = "SELECT id FROM events WHERE endpoint = ?1 AND dedup_key = ?2";

/// Writes an event with its body, unless it was recorded before.
pub(in crate::store) async fn insert<D: Db>(db: &D, event: &NewEvent) -> Result<Option<EventId>, StoreError> {
    let id = match db.number(event)? {
        Numbering::Known => return Ok(None),
        Numbering::Numbered(id) => Some(id),
        Numbering::ByDatabase => None,
    };
    insert_as(db, id, event).await
}

const INSERT: &str = "INSERT INTO events (endpoint, provider, business, dedup_key, provider_event_id, type, state, \
    received_at, snapshot_event, mode, origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
    ON CONFLICT (endpoint, dedup_key) DO NOTHING";
const INSERT_NUMBERED: &str = "INSERT INTO events (endpoint, provider, business, dedup_key, provider_event_id, type, \
    state, received_at, snapshot_event, mode, origin, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
    ON CONFLICT DO NOTHING";

/// Writes an event with its body, unless it is there, or its number is another's.
async fn insert_as<D: Db>(db: &D, id: Option<EventId>, event: &NewEvent) -> Result<Option<EventId>, StoreError> {
    let mut of = row_of(event);
    of.extend(id.map(|id| Value::Int(id.0)));
    let sql = if id.is_some() { INSERT_NUMBERED } else { INSERT };
    let Some(id) = db.insert(sql, of).await? else { return Ok(None) };
    db.execute("INSERT INTO bodies (event_id, body) VALUES (?1, ?2)", values![id, &event.body_zstd]).await?;
    db.count(Counted::Event(EventState::Received), 1);
    Ok(Some(EventId(id)))
}

/// Moves events from the spool into the database. What an earlier process had moved is there. A number is another event's if
/// an older database was put beside the spool; then it gets a new one.
pub(in crate::store) struct Move(pub(in crate::store) Vec<Arc<Numbered>>);

impl Work for Move {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        for Numbered { id, event } in self.0.iter().map(Arc::as_ref) {
            if insert_as(db, Some(*id), event).await?.is_some()
                || first(db, FIND, values![&event.endpoint, &event.identity.dedup_key]).await?.is_some()
                || insert(db, event).await?.is_some()
            {
                continue;
            }
            return Err(StoreError::Data(format!("{id} is another event's number: start the bridge anew")));
        }
        Ok(())
    }
}
