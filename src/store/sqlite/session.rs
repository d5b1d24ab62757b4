//! The writing connection as a write sees it: its statements, what it remembers between two of them, and what it
//! counts until they are committed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::Action;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{ToSql, params};

use super::StoreError;
use super::register::{Register, key};
use crate::domain::customer::CustomerKey;
use crate::domain::event::{EventId, NewEvent};
use crate::store::counts::{Counted, Counts};
use crate::store::numbering::Numbering;
use crate::store::recent::{Recent, Row as OfCustomer, Stored};
use crate::store::sql::{Db, Dialect, Lock, Row, Value, Work};
use crate::store::sums::Sold;
#[cfg(any(test, feature = "crash-points"))]
use crate::store::{
    miscounted::{MISCOUNTED, SMALL_STORE_EVENTS, distrust},
    sql::UNFINISHED_COPY,
};

/// What has to be undone with what is not committed yet.
#[derive(Clone, Default)]
pub(super) struct Uncommitted {
    counts: Counts,
    /// Events that are being recorded, as the register has them.
    pub(super) claimed: Vec<(String, String)>,
}

/// The writing connection. The writer's thread is the only one that ever takes these locks.
pub(super) struct Sql {
    connection: Mutex<Connection>,
    recent: Arc<Mutex<Recent>>,
    /// The database's number of what others have written; see [`Sql::look_for_others`].
    others: AtomicI64,
    uncommitted: Mutex<Uncommitted>,
    /// What was uncommitted when a trial began.
    before_trial: Mutex<Uncommitted>,
    register: Arc<Register>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sql {
    /// New events are numbered by `register`.
    pub(super) fn new(mut connection: Connection, register: Arc<Register>) -> Result<Self, StoreError> {
        register.begin_after(connection.query_row("SELECT COALESCE(MAX(id), 0) FROM events", [], |row| row.get(0))?);
        let recent = Arc::<Mutex<Recent>>::default();
        let remembered = recent.clone();
        connection.update_hook(Some(move |action, _: &str, table: &str, row| {
            changed(&mut lock(&remembered), action, table, row);
        }))?;
        Ok(Self {
            connection: Mutex::new(connection),
            recent,
            others: AtomicI64::new(0),
            uncommitted: Mutex::default(),
            before_trial: Mutex::default(),
            register,
        })
    }

    /// Runs a statement that is kept prepared.
    pub(super) fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.connection().prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Writes, before or without a writer.
    pub(super) fn write<W: Work>(&self, work: &W) -> Result<W::Answer, StoreError> {
        self.run("BEGIN IMMEDIATE")?;
        let answer = super::run(work, self)?;
        self.write_counts()?;
        self.run("COMMIT")?;
        self.register.release(&self.committed());
        Ok(answer)
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        lock(&self.connection)
    }

    /// Forgets everybody when somebody else has written to the database, inside a transaction: a person may mend something by
    /// hand.
    pub(super) fn look_for_others(&self) -> Result<(), StoreError> {
        let others: i64 = self.connection().prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.others.swap(others, Ordering::Relaxed) != others {
            lock(&self.recent).clear();
        }
        Ok(())
    }

    /// What was written since is undone, and with it what was counted and claimed.
    pub(super) fn undone(&self, before: Uncommitted) {
        lock(&self.recent).clear();
        let undone = std::mem::replace(&mut *lock(&self.uncommitted), before);
        let kept = lock(&self.uncommitted).claimed.len().min(undone.claimed.len());
        self.register.release(&undone.claimed[kept..]);
    }

    /// What was counted and claimed since the last commit.
    pub(super) fn uncommitted(&self) -> Uncommitted {
        lock(&self.uncommitted).clone()
    }

    /// Everything is committed. Gives the events that were recorded.
    pub(super) fn committed(&self) -> Vec<(String, String)> {
        std::mem::take(&mut lock(&self.uncommitted).claimed)
    }

    /// Writes what was counted, as the last of what is committed together.
    pub(super) fn write_counts(&self) -> Result<(), StoreError> {
        let counts = std::mem::take(&mut lock(&self.uncommitted).counts);
        let db = self.connection();
        let sql = "INSERT INTO counts (what, state, n) VALUES (?1, ?2, ?3) \
             ON CONFLICT (what, state) DO UPDATE SET n = n + excluded.n";
        for (what, state, by) in counts.rows() {
            db.prepare_cached(sql)?.execute(params![what.as_ref(), state.as_ref(), by])?;
        }
        Ok(())
    }

    /// Compares the counts with what the tables of a small store have, when nothing is written any more.
    #[cfg(any(test, feature = "crash-points"))]
    pub(super) fn distrust(&self) -> Result<(), StoreError> {
        if crate::crash::distrusts() { distrust_counts(&self.connection()) } else { Ok(()) }
    }
}

/// Compares the counts with what the tables have.
#[cfg(any(test, feature = "crash-points"))]
fn distrust_counts(db: &Connection) -> Result<(), StoreError> {
    // A copy is counted when all of its rows are there.
    let is_copy = "SELECT 1 FROM sqlite_schema WHERE name = ?1";
    if db.prepare_cached(is_copy)?.exists([UNFINISHED_COPY])? {
        return Ok(());
    }
    query(db, MISCOUNTED, &[Value::Int(SMALL_STORE_EVENTS)]).and_then(distrust)
}

/// Forgets what is changed. A fact that moves or goes may have counted for others; one that is new comes with a reading of
/// all whom it is about.
fn changed(recent: &mut Recent, action: Action, table: &str, row: i64) {
    if action == Action::SQLITE_INSERT {
        return;
    }
    match table {
        "facts" => recent.a_fact_changed(row),
        "events" => recent.changed(OfCustomer::Event(row)),
        "deliveries" => recent.changed(OfCustomer::Delivery(row)),
        _ => {}
    }
}

impl Db for Sql {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        query(&self.connection(), sql, &values)
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        let changed = self.connection().prepare_cached(sql)?.execute(rusqlite::params_from_iter(values.iter()))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    async fn insert(&self, sql: &str, values: Vec<Value>) -> Result<Option<i64>, StoreError> {
        // RETURNING is a trigger to SQLite: it has every page copied that the statement changes.
        let db = self.connection();
        let inserted = db.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values.iter()))?;
        Ok((inserted > 0).then(|| db.last_insert_rowid()))
    }

    async fn run_all(&self, sql: &str) -> Result<(), StoreError> {
        Ok(self.connection().execute_batch(sql)?)
    }

    async fn lock(&self, _: &[Lock<'_>]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn try_lock(&self, _: Lock<'_>) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn unread(&self, events: &[EventId]) -> Result<Vec<EventId>, StoreError> {
        // The one mapper has just read them from the inbox.
        Ok(events.to_vec())
    }

    async fn try_out(&self) -> Result<(), StoreError> {
        *lock(&self.before_trial) = self.uncommitted();
        self.run_all("SAVEPOINT as_it_is").await
    }

    async fn undo_trial(&self) -> Result<(), StoreError> {
        self.undone(lock(&self.before_trial).clone());
        self.run_all("ROLLBACK TO SAVEPOINT as_it_is; RELEASE SAVEPOINT as_it_is").await
    }

    fn recall(&self, key: &CustomerKey) -> Option<Stored> {
        lock(&self.recent).take(key)
    }

    fn recall_rows(&self, key: &CustomerKey) -> Option<Stored> {
        lock(&self.recent).take_rows(key)
    }

    fn remember(&self, customer: Stored) {
        lock(&self.recent).put(customer);
    }

    fn number(&self, event: &NewEvent) -> Result<Numbering, StoreError> {
        let numbering = self.register.claim(event)?;
        if matches!(numbering, Numbering::Numbered(_)) {
            lock(&self.uncommitted).claimed.push(key(event));
        }
        Ok(numbering)
    }

    fn count(&self, what: Counted, by: i64) {
        lock(&self.uncommitted).counts.add(what, by);
    }

    fn add_up(&self, sold: Sold, is_there: bool) {
        lock(&self.uncommitted).counts.add_up(sold, is_there);
    }

    async fn count_anew(&self) -> Result<(), StoreError> {
        lock(&self.recent).clear();
        lock(&self.uncommitted).counts = Counts::default();
        self.run_all("DELETE FROM counts; INSERT INTO counts (what, state, n) SELECT what, state, n FROM counted").await
    }
}

pub(super) fn query(db: &Connection, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|n| value(row.get_ref(n)?)).collect::<Result<_, _>>()?;
        all.push(Row::new(values));
    }
    Ok(all)
}

/// Keeps a prepared statement's plan. Without this SQLite makes it anew for each value that it compares with a column which the
/// condition of a partial index names (`findings/sqlite-partial-index-plans-each-run-anew.sh`).
pub(super) fn plan_once(db: &Connection) -> Result<(), StoreError> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn value(stored: ValueRef<'_>) -> Result<Value, StoreError> {
    match stored {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(n) => Ok(Value::Int(n)),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|e| StoreError::Data(format!("a text is damaged: {e}")))?;
            Ok(Value::Text(text.to_owned()))
        }
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_owned())),
        ValueRef::Real(_) => Err(StoreError::Data("a column holds a fraction".to_owned())),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
