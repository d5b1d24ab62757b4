//! The spool's file: two tables, of which one is filled while the other is being moved, and then emptied at once.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::domain::event::{EventId, Identity, NewEvent};
use crate::domain::provider::ProviderKind;
use crate::store::StoreError;
use crate::store::inbox::record::row_of;
use crate::store::numbering::Numbered;
use crate::store::rows::{mode, origin, time, unknown};
use crate::store::sql::{Row, values};
use crate::store::sqlite::session::{plan_once, query};
use crate::store::sqlite::writer::BUSY_WAIT;
use crate::store::sqlite::{beside, make_or_find, remains};

/// Rows of a table before the other one is filled.
const TABLE_ROWS_MAX: u64 = 512;
/// Pages that each connection keeps in memory, KiB.
const CACHE_KIB: i64 = 1024;
/// What a log that begins anew keeps of its file, to be written over.
const WAL_BYTES_KEPT: i64 = 16 * 1024 * 1024;
/// The number of this form of the file.
const FORM: i64 = 1;
/// What the file's name adds to the database's.
const ENDING: &str = ".spool";

const TABLES: [&str; 2] = ["even", "odd"];
const INSERT_EVEN: &str = "INSERT INTO even (endpoint, provider, business, dedup_key, provider_event_id, type, state, \
    received_at, snapshot_event, mode, origin, body, id, n) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const INSERT_ODD: &str = "INSERT INTO odd (endpoint, provider, business, dedup_key, provider_event_id, type, state, \
    received_at, snapshot_event, mode, origin, body, id, n) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// Opens the spool of the database at `path`, after what an earlier process left in it has been given to `take`, which has it in
/// the database on disk when it returns.
pub(in crate::store::sqlite) fn open(
    path: &Path,
    take: impl FnOnce(Vec<Numbered>) -> Result<(), StoreError>,
) -> Result<Connection, StoreError> {
    let place = place(path);
    make_or_find(&place)?;
    let db = make(&place).map_err(|error| {
        if let StoreError::Corrupt(what) = error {
            return StoreError::Corrupt(format!("{}: {what}", place.display()));
        }
        error
    })?;
    let left = read(&db)?;
    if !left.is_empty() {
        take(left)?;
        db.execute_batch(&TABLES.map(|table| format!("DELETE FROM {table};")).concat())?;
    }
    Ok(db)
}

/// Opens the file, and makes its tables when they are not there.
fn make(place: &Path) -> Result<Connection, StoreError> {
    let db = Connection::open(place)?;
    db.busy_timeout(BUSY_WAIT)?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > FORM {
        return Err(StoreError::NewerSchema { found, known: FORM });
    }
    if found < FORM {
        let table = |name: &str| {
            format!(
                "CREATE TABLE {name} (n INTEGER PRIMARY KEY, id INTEGER NOT NULL, endpoint TEXT NOT NULL, \
                 provider TEXT NOT NULL, business TEXT NOT NULL, dedup_key TEXT NOT NULL, provider_event_id TEXT, \
                 type TEXT NOT NULL, state TEXT NOT NULL, received_at INTEGER NOT NULL, snapshot_event TEXT, mode TEXT, \
                 origin TEXT NOT NULL, body BLOB NOT NULL) STRICT;"
            )
        };
        let tables = TABLES.map(table).concat();
        db.execute_batch(&format!("BEGIN; {tables} PRAGMA user_version = {FORM}; COMMIT"))?;
    }
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    plan_once(&db)?;
    Ok(db)
}

/// The file of the spool of the database at `path`.
pub(super) fn place(path: &Path) -> PathBuf {
    // The name may be a link to where the database is.
    beside(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()), ENDING)
}

/// What is in the spool beside a database that a bridge may be at work on.
pub(in crate::store::sqlite) fn look_into(path: &Path) -> Result<Vec<Numbered>, StoreError> {
    let place = place(path);
    if !place.is_file() {
        return Ok(Vec::new());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(place, flags)?;
    db.busy_timeout(BUSY_WAIT)?;
    // A bridge that has just made the file has put nothing into it.
    let made: i64 = db.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if made < TABLES.len() as i64 { Ok(Vec::new()) } else { read(&db) }
}

/// Removes the file: the database has all that was in it.
pub(in crate::store::sqlite) fn remove(path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        // One that stays is found to hold nothing new.
        let _ = fs::remove_file(beside(&place(path), ending));
    }
}

fn read(db: &Connection) -> Result<Vec<Numbered>, StoreError> {
    let of = |table| {
        format!(
            "SELECT n, id, endpoint, provider, business, dedup_key, provider_event_id, type, received_at, snapshot_event, \
             mode, origin, body FROM {table}"
        )
    };
    let sql = format!("{} UNION ALL {} ORDER BY n", of(TABLES[0]), of(TABLES[1]));
    query(db, &sql, &[])?.into_iter().map(|mut row| numbered(&mut row)).collect()
}

fn numbered(row: &mut Row) -> Result<Numbered, StoreError> {
    let (_n, id, endpoint, provider) = (row.int()?, row.int()?, row.text()?, row.text()?);
    let (business, dedup_key) = (row.text()?, row.text()?);
    let (provider_event_id, event_type, received_at) = (row.text_option()?, row.text()?, time(row.int()?)?);
    let (snapshot_event, of_mode) = (row.text_option()?, row.text_option()?);
    let identity = Identity {
        dedup_key,
        provider_event_id,
        event_type,
        snapshot_event,
        mode: of_mode.as_deref().map(mode).transpose()?,
    };
    let provider = ProviderKind::parse(&provider).ok_or_else(|| unknown("provider", &provider))?;
    let origin = origin(&row.text()?)?;
    let body_zstd = row.bytes_option()?.unwrap_or_default();
    Ok(Numbered {
        id: EventId(id),
        event: NewEvent { origin, endpoint, provider, business, identity, body_zstd, received_at },
    })
}

/// The tables, and what is in them.
pub(super) struct Tables {
    db: Connection,
    /// The one that is being filled.
    filled: usize,
    /// Rows of each.
    rows: [u64; 2],
    /// The number of the last row of each, counted over all that ever came.
    last: [u64; 2],
    /// How many ever came.
    spooled: u64,
}

impl Tables {
    /// Those of a file that holds nothing.
    pub(super) const fn new(db: Connection) -> Self {
        Self { db, filled: 0, rows: [0, 0], last: [0, 0], spooled: 0 }
    }

    /// The connection.
    pub(super) const fn db(&self) -> &Connection {
        &self.db
    }

    /// Writes events, one row each, in one commit. The first `synced` rows of all that ever came are in the database, on disk.
    pub(super) fn write(&mut self, events: &[Numbered], synced: u64) -> Result<(), StoreError> {
        let group = self.db.unchecked_transaction()?;
        let other = 1 - self.filled;
        let is_moved = self.last[other] <= synced;
        if is_moved && self.rows[other] > 0 {
            group.execute_batch(&format!("DELETE FROM {}", TABLES[other]))?;
        }
        let filled = if is_moved && self.rows[self.filled] >= TABLE_ROWS_MAX { other } else { self.filled };
        let mut insert = group.prepare_cached(if filled == 0 { INSERT_EVEN } else { INSERT_ODD })?;
        let mut spooled = self.spooled;
        for Numbered { id, event } in events {
            spooled += 1;
            let mut of = row_of(event);
            of.extend(values![&event.body_zstd, id.0, signed(spooled)]);
            insert.execute(params_from_iter(of))?;
        }
        drop(insert);
        group.commit()?;
        if is_moved {
            self.rows[other] = 0;
        }
        self.filled = filled;
        self.rows[filled] += spooled - self.spooled;
        self.spooled = spooled;
        self.last[filled] = spooled;
        Ok(())
    }

    /// Commits something that changes nothing.
    pub(super) fn probe(&self) -> Result<(), StoreError> {
        Ok(self.db.pragma_update(None, "user_version", FORM)?)
    }

    /// Removes the first so many rows of all that ever came, and overwrites what is left of them.
    pub(super) fn cleanse(&mut self, until: u64) -> Result<(), StoreError> {
        let group = self.db.unchecked_transaction()?;
        for (n, table) in TABLES.iter().enumerate() {
            let removed = group.execute(&format!("DELETE FROM {table} WHERE n <= ?1"), [signed(until)])?;
            self.rows[n] -= removed as u64;
        }
        group.commit()?;
        let mut next = Some(1);
        while let Some(first) = next {
            let found = remains::find(&self.db, first)?;
            let group = self.db.unchecked_transaction()?;
            remains::overwrite(&self.db, &found.pages)?;
            group.commit()?;
            next = found.next;
        }
        let is_kept: bool = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if is_kept { Err(StoreError::Locked("somebody reads from the spool".to_owned())) } else { Ok(()) }
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
