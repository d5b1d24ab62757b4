//! Which replica reads which events. A claim is no lock: it keeps replicas from reading the same, and what two have read is written
//! once ([`crate::store::sql::Db::unread`]).

use super::Postgres;
use crate::clock::SLACK;
use crate::store::StoreError;
use crate::store::codes::RECEIVED;
use crate::store::inbox::facts::INBOX_COLUMNS;
use crate::store::sql::{DATABASE_NOW, Row, span, values};

/// How long events that a replica has been given to read are its own, microseconds. Nothing that came in later goes out
/// before they are read, so what a dead replica has must soon be another's; what a slow one has may be read twice, and is
/// written once.
const CLAIM_MICROS: i64 = 5_000_000;

impl Postgres {
    /// The oldest events that no other replica is reading; they are ours to read for a while, and what we had before is ours no
    /// more. A claim that ends later than one that begins now is none: the server's clock was set back.
    pub(in crate::store) async fn inbox(&self, events_max: u32) -> Result<Vec<Row>, StoreError> {
        let sql = format!(
            "WITH others AS MATERIALIZED (SELECT unnest(events) AS id FROM claims \
             WHERE replica <> ?2 AND until > {DATABASE_NOW} AND until <= {DATABASE_NOW} + ?3 + ?4), \
             free AS MATERIALIZED (SELECT id FROM events WHERE state = '{RECEIVED}' AND id NOT IN (SELECT id FROM others) \
             ORDER BY id LIMIT ?1), \
             ours AS (INSERT INTO claims (replica, events, until) \
             SELECT ?2, array_agg(id), {DATABASE_NOW} + ?3 FROM free HAVING COUNT(*) > 0 \
             ON CONFLICT (replica) DO UPDATE SET events = excluded.events, until = excluded.until) \
             SELECT {INBOX_COLUMNS} FROM free JOIN events e ON e.id = free.id LEFT JOIN bodies b ON b.event_id = e.id \
             ORDER BY e.id"
        );
        self.query(&sql, values![events_max, self.replica, CLAIM_MICROS, span(SLACK)]).await
    }

    /// Removes claims that have ended, of replicas that are gone or have nothing to read.
    pub(super) async fn end_claims(&self) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM claims WHERE until <= {DATABASE_NOW} OR until > {DATABASE_NOW} + ?1 + ?2");
        self.query(&sql, values![CLAIM_MICROS, span(SLACK)]).await?;
        Ok(())
    }
}
