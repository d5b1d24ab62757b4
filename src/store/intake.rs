//! Recording: a verified event goes to disk before its sender is answered.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::micros;
use super::{Store, StoreError};
use crate::domain::event::{EventId, NewEvent, Recorded};

impl Store {
    /// Records an event, or finds that it was recorded before. When this returns, the event survives a crash and a
    /// power loss. Events that arrive at the same time share a commit.
    ///
    /// # Errors
    /// Nothing was recorded: the sender is to try again. [`StoreError::Overloaded`] comes at once, without waiting.
    pub async fn record(&self, event: NewEvent) -> Result<Recorded, StoreError> {
        self.writer.write_soon(move |db| record(db, &event)).await
    }
}

fn record(db: &Connection, event: &NewEvent) -> Result<Recorded, StoreError> {
    let identity = &event.identity;
    let sql = "INSERT INTO events (endpoint, provider, business, dedup_key, provider_event_id, type, state, received_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'received', ?7) ON CONFLICT (endpoint, dedup_key) DO NOTHING RETURNING id";
    let row = params![
        event.endpoint,
        event.provider.code(),
        event.business,
        identity.dedup_key,
        identity.provider_event_id,
        identity.event_type,
        micros(event.received_at)
    ];
    let inserted: Option<i64> = db.prepare_cached(sql)?.query_row(row, |row| row.get(0)).optional()?;
    if let Some(id) = inserted {
        db.prepare_cached("INSERT INTO bodies (event_id, body) VALUES (?1, ?2)")?
            .execute(params![id, event.body_zstd])?;
        return Ok(Recorded { id: EventId(id), duplicate: false });
    }
    let id = db
        .prepare_cached("SELECT id FROM events WHERE endpoint = ?1 AND dedup_key = ?2")?
        .query_row(params![event.endpoint, identity.dedup_key], |row| row.get(0))?;
    Ok(Recorded { id: EventId(id), duplicate: true })
}
