//! Whether the server, or a pooler in front of it, has as many connections as we may want.

use std::time::Duration;

use super::Postgres;
use crate::store::sql::values;
use crate::store::{Room, StoreError};

/// How long all the connections may take that are asked for at once.
const REACH_WAIT_MAX: Duration = Duration::from_secs(3);

/// How many more connections the server takes: of all users, to this database, of this user.
const FREE: &str = "SELECT LEAST(current_setting('max_connections')::BIGINT \
     - current_setting('superuser_reserved_connections')::BIGINT \
     - COALESCE(current_setting('reserved_connections', true)::BIGINT, 0) - used.of_all, \
     CASE WHEN d.datconnlimit >= 0 THEN d.datconnlimit - used.here END, \
     CASE WHEN r.rolconnlimit >= 0 THEN r.rolconnlimit - used.ours END) \
     FROM (SELECT COUNT(*) AS of_all, COUNT(*) FILTER (WHERE datname = current_database()) AS here, \
     COUNT(*) FILTER (WHERE usename = current_user) AS ours FROM pg_stat_activity WHERE datname IS NOT NULL) used, \
     pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user";

impl Postgres {
    /// What there is room for. Asks for all the connections at once if the server can spare them: what a pooler in
    /// between has shows in no other way.
    pub(in crate::store) async fn room(&self) -> Result<Room, StoreError> {
        let (most, made) = self.pool.size();
        let free = self.query(FREE, values![]).await?.into_iter().next().map_or(Ok(0), |mut row| row.int())?;
        // One more listens.
        let (wanted, free) = (most + 1, usize::try_from(free).unwrap_or(0) + made);
        if free < wanted {
            return Ok(Room { wanted, free });
        }
        let reached = self.pool.reach(REACH_WAIT_MAX).await;
        Ok(Room { wanted, free: if reached < most { reached } else { free } })
    }
}
