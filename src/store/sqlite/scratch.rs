//! Databases in memory in which something is tried out that needs nothing of what is stored. Nobody waits for them as for
//! the one writer, and several work at once.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::session::{Uncommitted, plan_once};
use super::{Sql, broken_off, migrations, query, run};
use crate::store::StoreError;
use crate::store::sql::Work;

/// Statements that one keeps prepared.
const STATEMENTS_MAX: usize = 128;
/// What finds the rows of a try. Nobody searches in one, or reads what its triggers note.
const INDEXES_NEEDED: &[&str] = &[
    "events_by_provider_id",
    "events_by_snapshot",
    "facts_by_person",
    "facts_for_related",
    "facts_of_customer",
    "unresolved_by_event",
];

/// The databases that nobody uses now; cheap to clone.
#[derive(Clone, Default)]
pub(in crate::store) struct Scratch(Arc<Mutex<Vec<Sql>>>);

impl Scratch {
    /// Runs a work in a database with the schema of this version and no rows, off the asynchronous threads. What it wrote
    /// is undone.
    pub(in crate::store) async fn run<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        let pool = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let idle = pool.idle().pop();
            let db = idle.map_or_else(make, Ok)?;
            // One that failed is thrown away.
            db.connection().execute_batch("BEGIN")?;
            let answer = run(&work, &db)?;
            db.connection().execute_batch("ROLLBACK")?;
            db.undone(Uncommitted::default());
            pool.idle().push(db);
            Ok(answer)
        });
        task.await.map_err(broken_off)?
    }

    /// Gives their memory back.
    pub(in crate::store) fn clear(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Sql>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make() -> Result<Sql, StoreError> {
    let mut db = Connection::open_in_memory()?;
    migrations::run(&mut db)?;
    let sql = "SELECT type, name FROM sqlite_schema WHERE type = 'trigger' OR type = 'index' AND sql IS NOT NULL \
         AND sql NOT LIKE 'CREATE UNIQUE %'";
    for mut row in query(&db, sql, &[])? {
        let (kind, name) = (row.text()?, row.text()?);
        if !INDEXES_NEEDED.contains(&name.as_str()) {
            db.execute_batch(&format!("DROP {kind} {name}"))?;
        }
    }
    plan_once(&db)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Sql::new(db, Arc::default())
}
