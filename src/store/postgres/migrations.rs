//! The schema, compiled in: replicas that start together bring it up to date one after the other.

use super::error::no_schema;
use super::server::{Connection, enter};
use super::session::Session;
use crate::crash::{self, Point};
use crate::store::realms::NO_TIME_LIMIT;
use crate::store::{Home, StoreError};

const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_initial.sql"),
    include_str!("../../../migrations/postgres/0002_lookups.sql"),
    include_str!("../../../migrations/postgres/0003_order.sql"),
    include_str!("../../../migrations/postgres/0004_waits.sql"),
    concat!(include_str!("../../../migrations/postgres/0005_scopes.sql"), include_str!("rescope_0005.sql")),
    include_str!("../../../migrations/postgres/0006_attention.sql"),
    include_str!("../../../migrations/postgres/0007_more_lookups.sql"),
    include_str!("../../../migrations/postgres/0008_names.sql"),
    include_str!("../../../migrations/postgres/0009_asking.sql"),
    include_str!("../../../migrations/postgres/0010_dashboard.sql"),
    include_str!("../../../migrations/postgres/0011_fewer_writes.sql"),
    include_str!("../../../migrations/postgres/0012_backfills.sql"),
    include_str!("../../../migrations/postgres/0013_reconciliations.sql"),
    include_str!("../../../migrations/postgres/0014_people.sql"),
    include_str!("../../../migrations/postgres/0015_fewer_triggers.sql"),
    include_str!("../../../migrations/postgres/0016_differences.sql"),
    include_str!("../../../migrations/postgres/0017_sums.sql"),
    include_str!("../../../migrations/postgres/0018_agents.sql"),
    include_str!("../../../migrations/postgres/0019_turns.sql"),
    include_str!("../../../migrations/postgres/0020_counted_by_the_bridge.sql"),
    include_str!("../../../migrations/postgres/0021_claims.sql"),
    include_str!("../../../migrations/postgres/0022_urgent.sql"),
];

/// The lock that a replica holds while it looks at the schema; any number that nothing else uses.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7230513498176001)";

/// The schemas of this database in which this user can read a store. Other programs may have a table of one of these
/// names.
const HELD: &str = "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND c.relname IN ('schema_version', 'events', 'facts', 'deliveries') \
     AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') \
     GROUP BY n.nspname HAVING COUNT(*) = 4 ORDER BY n.nspname";

/// Where a store is, or will be made: the name of its schema, and what people are told.
pub(super) struct Found {
    pub(super) schema: String,
    pub(super) home: Home,
}

/// Whether there is a store. None is made.
pub(super) async fn is_there(connection: &mut Connection) -> Result<bool, StoreError> {
    Ok(!find(&connection.transaction().await?).await?.home.is_new)
}

/// Finds the store and brings its schema up to date, in one transaction. `schema_version` counts the migrations that are
/// in.
pub(super) async fn run(connection: &mut Connection) -> Result<Found, StoreError> {
    let session = connection.transaction().await?;
    session.run(NO_TIME_LIMIT).await?;
    session.run(LOCK).await?;
    let found = find(&session).await?;
    session.run(&enter(&found.schema)).await?;
    session.run("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)").await?;
    let row = session.query("SELECT COALESCE(MAX(version), 0) FROM schema_version").await?;
    let version = row.into_iter().next().map_or(Ok(0), |mut row| row.int())?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(StoreError::NewerSchema { found: version, known });
    }
    for (version, sql) in (1i64..).zip(MIGRATIONS).filter(|(next, _)| *next > version) {
        session.run(sql).await?;
        let note = format!("DELETE FROM schema_version; INSERT INTO schema_version (version) VALUES ({version})");
        session.run(&note).await?;
        crash::here(Point::Migrating);
    }
    session.commit().await?;
    Ok(found)
}

/// Where the store is. One that is not where its user works is not looked for there by any other statement: without this
/// a second, empty one would be made.
async fn find(session: &Session<'_>) -> Result<Found, StoreError> {
    let mut held = Vec::new();
    for mut row in session.query(HELD).await? {
        held.push(row.text()?);
    }
    let mut row = session.query("SELECT current_database(), current_schema()").await?;
    let mut row = row.pop().ok_or_else(no_schema)?;
    let (database, used) = (row.text()?, row.text_option()?);
    let is_new = !used.as_ref().is_some_and(|used| held.contains(used));
    if let Some(held) = held.first().filter(|_| is_new) {
        let used = used.unwrap_or_else(|| "(none that is there)".to_owned());
        return Err(StoreError::OtherSchema { held: held.clone(), used });
    }
    let schema = used.ok_or_else(no_schema)?;
    let others = held.into_iter().filter(|other| *other != schema).collect();
    let home = Home { place: format!("database {database}, schema {schema}"), is_new, others };
    Ok(Found { schema, home })
}
