//! The schema, compiled in: replicas that start together bring it up to date one after the other.

use deadpool_postgres::Client;

use super::error::told;
use crate::crash::{self, Point};
use crate::store::StoreError;

const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_initial.sql"),
    include_str!("../../../migrations/postgres/0002_lookups.sql"),
    include_str!("../../../migrations/postgres/0003_order.sql"),
    include_str!("../../../migrations/postgres/0004_waits.sql"),
];

/// The lock that a replica holds while it looks at the schema; any number that nothing else uses.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7230513498176001)";

/// Brings the schema up to date, in one transaction. `schema_version` counts the migrations that are in.
pub(super) async fn run(client: &mut Client) -> Result<(), StoreError> {
    let transaction = client.transaction().await.map_err(|e| told(&e))?;
    let begin = format!("{LOCK}; CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)");
    transaction.batch_execute(&begin).await.map_err(|e| told(&e))?;
    let row = transaction.query_one("SELECT COALESCE(MAX(version), 0) FROM schema_version", &[]).await;
    let found: i64 = row.and_then(|row| row.try_get(0)).map_err(|e| told(&e))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for (version, sql) in (1i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        transaction.batch_execute(sql).await.map_err(|e| told(&e))?;
        let note = format!("DELETE FROM schema_version; INSERT INTO schema_version (version) VALUES ({version})");
        transaction.batch_execute(&note).await.map_err(|e| told(&e))?;
        crash::here(Point::Migrating);
    }
    transaction.commit().await.map_err(|e| told(&e))
}
