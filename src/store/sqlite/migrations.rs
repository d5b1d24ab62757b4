//! The schema, compiled in: each migration runs once, in its own transaction, in order.

use rusqlite::Connection;

use super::StoreError;
use crate::crash::{self, Point};

const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/0001_initial.sql"),
    include_str!("../../../migrations/sqlite/0002_lookups.sql"),
    include_str!("../../../migrations/sqlite/0003_order.sql"),
    include_str!("../../../migrations/sqlite/0004_waits.sql"),
    concat!(
        include_str!("../../../migrations/sqlite/0005_scopes.sql"),
        include_str!("rescope_0005.sql"),
        // Not before all facts have moved: it would be written twice.
        "CREATE INDEX facts_of_customer ON facts (scope, customer, email_key);"
    ),
    include_str!("../../../migrations/sqlite/0006_attention.sql"),
    include_str!("../../../migrations/sqlite/0007_more_lookups.sql"),
    include_str!("../../../migrations/sqlite/0008_names.sql"),
    include_str!("../../../migrations/sqlite/0009_asking.sql"),
    include_str!("../../../migrations/sqlite/0010_dashboard.sql"),
    include_str!("../../../migrations/sqlite/0011_fewer_writes.sql"),
    include_str!("../../../migrations/sqlite/0012_backfills.sql"),
    include_str!("../../../migrations/sqlite/0013_reconciliations.sql"),
    include_str!("../../../migrations/sqlite/0014_people.sql"),
    include_str!("../../../migrations/sqlite/0015_fewer_triggers.sql"),
    include_str!("../../../migrations/sqlite/0016_differences.sql"),
    include_str!("../../../migrations/sqlite/0017_sums.sql"),
    include_str!("../../../migrations/sqlite/0018_agents.sql"),
    include_str!("../../../migrations/sqlite/0019_untold.sql"),
    include_str!("../../../migrations/sqlite/0020_urgent.sql"),
];

/// How many migrations there are.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// How many migrations are in; `user_version` counts them.
pub(super) fn version(db: &Connection) -> Result<i64, StoreError> {
    Ok(db.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Brings the schema up to date; true when there was none.
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
