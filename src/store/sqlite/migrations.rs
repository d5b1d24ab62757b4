//! The schema, compiled in: each migration runs once, in its own transaction, in order.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::StoreError;
use super::backup::{self, BackupError};
use crate::crash::{self, Point};

const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_initial.sql"),
    include_str!("../../../migrations/sqlite/0002_lookups.sql"),
    include_str!("../../../migrations/sqlite/0003_order.sql"),
    include_str!("../../../migrations/sqlite/0004_waits.sql"),
    concat!(
        include_str!("../../../migrations/sqlite/0005_scopes.sql"),
        include_str!("rescope.sql"),
        // Not before all facts have moved: it would be written twice.
        "CREATE INDEX facts_of_customer ON facts (scope, customer, email_key);"
    ),
    include_str!("../../../migrations/sqlite/0006_attention.sql"),
    include_str!("../../../migrations/sqlite/0007_more_lookups.sql"),
];

/// Moves what stands under one scope to another.
pub(super) const RESCOPE: &str = include_str!("rescope.sql");

/// How many migrations there are.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Brings the schema of the database at `path` up to date; true when there was none. A database that has one is copied
/// first.
pub(super) fn run_at(db: &mut Connection, path: &Path) -> Result<bool, StoreError> {
    let found = version(db)?;
    if found > 0 && found < known() {
        copy_first(path, found)?;
    }
    run(db)
}

/// Copies the database as it is to `NAME.schema-VERSION` beside it. A copy that is there already was made by a start that
/// did not come to its end: the database is as it was, and takes its place.
fn copy_first(path: &Path, version: i64) -> Result<(), StoreError> {
    let copy = copy_of(path, version);
    backup::backup(path, &copy, true, |_| {}).map_err(|error| {
        let needed = std::fs::metadata(path).map_or(0, |m| m.len()).div_ceil(1 << 20).max(1);
        let why = match error {
            BackupError::Source(error) | BackupError::Target(error) => error.to_string(),
            error @ (BackupError::NoDatabase(_)
            | BackupError::Exists(_)
            | BackupError::TargetInUse(_)
            | BackupError::Unsound(_)) => error.to_string(),
        };
        StoreError::NoCopy { copy: copy.display().to_string(), needed_mib: needed, why }
    })?;
    Ok(())
}

/// Where the copy of a database is that was made before its schema was raised from `version`.
fn copy_of(path: &Path, version: i64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".schema-{version}"));
    PathBuf::from(name)
}

fn version(db: &Connection) -> Result<i64, StoreError> {
    Ok(db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Brings the schema up to date; true when there was none. `user_version` counts the migrations that are in.
pub(super) fn run(db: &mut Connection) -> Result<bool, StoreError> {
    let found = version(db)?;
    let known = known();
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for (version, sql) in (1i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version)?;
        crash::here(Point::Migrating);
        transaction.commit()?;
    }
    Ok(found == 0)
}
