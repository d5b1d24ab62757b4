//! Recording: the one way by which anything becomes an event, whether it was sent, looked up or listed. A verified event
//! goes to disk before its sender is answered.

use crate::domain::event::{EventId, EventState, NewEvent, Recorded};
use crate::domain::mode::Mode;
use crate::store::codes::RECEIVED;
use crate::store::counts::Counted;
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
            Backend::Sqlite(sqlite) => sqlite.write_soon(Record(event)).await,
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

struct Record(NewEvent);

impl Work for Record {
    type Answer = Recorded;

    async fn run<D: Db>(&self, db: &D) -> Result<Recorded, StoreError> {
        let Self(event) = self;
        if let Some(id) = insert(db, event).await? {
            return Ok(Recorded { id, duplicate: false });
        }
        match first(db, FIND, values![&event.endpoint, &event.identity.dedup_key]).await? {
            Some(mut row) => Ok(Recorded { id: EventId(row.int()?), duplicate: true }),
            None => Err(StoreError::Data("an event is there and is not".to_owned())),
        }
    }
}

/// Writes an event with its body, unless it was recorded before.
pub(in crate::store) async fn insert<D: Db>(db: &D, event: &NewEvent) -> Result<Option<EventId>, StoreError> {
    let sql = "INSERT INTO events (endpoint, provider, business, dedup_key, provider_event_id, type, state, \
             received_at, snapshot_event, mode, origin) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT (endpoint, dedup_key) DO NOTHING";
    let Some(id) = db.insert(sql, row_of(event)).await? else { return Ok(None) };
    db.execute("INSERT INTO bodies (event_id, body) VALUES (?1, ?2)", values![id, &event.body_zstd]).await?;
    db.count(Counted::Event(EventState::Received), 1);
    Ok(Some(EventId(id)))
}
