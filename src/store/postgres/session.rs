//! How a statement is run: parameters and rows to and from PostgreSQL's form, and its locks.

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{GenericClient, Transaction};

use super::error::store_error;
use super::sets::{Reply, SetForm};
use super::statements::Statements;
use crate::domain::event::EventId;
use crate::store::StoreError;
use crate::store::codes::RECEIVED;
use crate::store::sql::{Lock, Row, Value};

/// A transaction.
pub(super) struct Session<'a> {
    pub(super) transaction: Transaction<'a>,
    pub(super) statements: &'a Statements,
}

impl Session<'_> {
    /// Runs statements without parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.transaction.batch_execute(sql).await.map_err(|e| store_error(&e))
    }

    /// Ends it, and keeps what was written.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(|e| store_error(&e))
    }

    /// Runs a statement without parameters, and reads its rows.
    pub(super) async fn query(&self, sql: &str) -> Result<Vec<Row>, StoreError> {
        query((&self.transaction, self.statements), sql, &[]).await
    }

    /// Runs a statement, for its rows or for how many it changes.
    pub(super) async fn run_one(&self, sql: &str, reads: bool, values: &[Value]) -> Result<Reply, StoreError> {
        if reads {
            let rows = query((&self.transaction, self.statements), sql, values).await?;
            return Ok(Reply { changed: rows.len() as u64, rows });
        }
        let statement = self.statements.prepare(&self.transaction, &numbered(sql)).await?;
        let changed = self.transaction.execute(&statement, &parameters(values)).await.map_err(|e| store_error(&e))?;
        Ok(Reply { rows: Vec::new(), changed })
    }

    /// The statement over arrays that does what this one does for one set of parameters, where there is one.
    pub(super) async fn set_form(&self, sql: &str) -> Result<Option<Arc<SetForm>>, StoreError> {
        self.statements.set_form(&self.transaction, sql, &numbered(sql)).await
    }

    /// Runs a statement for many sets of parameters at once.
    pub(super) async fn run_many(&self, form: &SetForm, sets: &[&[Value]]) -> Result<Vec<Reply>, StoreError> {
        let arrays = arrays(sets);
        let shared = form.shared.iter().filter_map(|n| sets.first()?.get(*n));
        let arrays = arrays.iter().map(|array| array as &(dyn ToSql + Sync));
        let parameters: Vec<_> = arrays.chain(shared.map(|value| value as &(dyn ToSql + Sync))).collect();
        let statement = self.statements.prepare(&self.transaction, &form.sql).await?;
        let rows = self.transaction.query(&statement, &parameters).await.map_err(|e| store_error(&e))?;
        let rows = rows.iter().map(read).collect::<Result<_, _>>()?;
        form.replies(rows, sets).ok_or_else(|| StoreError::Data("a statement over arrays gave other rows".to_owned()))
    }

    /// Waits until nobody else has one of these locks, and keeps them until the transaction has ended.
    pub(super) async fn lock(&self, mut numbers: Vec<i64>) -> Result<(), StoreError> {
        // Writes that lock several take them in the same order, so that two do not wait for each other.
        numbers.sort_unstable();
        numbers.dedup();
        let sql = "SELECT pg_advisory_xact_lock(n) FROM unnest($1::BIGINT[]) AS n";
        let statement = self.statements.prepare(&self.transaction, sql).await?;
        self.transaction.execute(&statement, &[&numbers]).await.map_err(|e| store_error(&e))?;
        Ok(())
    }

    /// See [`crate::store::sql::Db::unread`].
    pub(super) async fn unread(&self, events: &[EventId]) -> Result<Vec<EventId>, StoreError> {
        let ids: Vec<i64> = events.iter().map(|event| event.0).collect();
        // By their ids, and by no index of what is unread: of that the server's statistics know nothing, and there may be a long
        // backlog of others.
        let sql = format!(
            "SELECT e.id FROM unnest($1::BIGINT[]) AS given (id) JOIN events e ON e.id = given.id \
             WHERE e.state || '' = '{RECEIVED}' ORDER BY e.id FOR UPDATE OF e"
        );
        let statement = self.statements.prepare(&self.transaction, &sql).await?;
        let rows = self.transaction.query(&statement, &[&ids]).await.map_err(|e| store_error(&e))?;
        rows.iter().map(|row| row.try_get(0).map(EventId).map_err(|e| store_error(&e))).collect()
    }
}

/// Runs a statement and reads its rows.
pub(super) async fn query(
    (client, statements): (&(impl GenericClient + Sync), &Statements),
    sql: &str,
    values: &[Value],
) -> Result<Vec<Row>, StoreError> {
    let statement = statements.prepare(client, &numbered(sql)).await?;
    let rows = client.query(&statement, &parameters(values)).await.map_err(|e| store_error(&e))?;
    rows.iter().map(read).collect()
}

/// Runs a statement over arrays, one for each parameter, and reads its rows.
pub(super) async fn query_sets(
    (client, statements): (&(impl GenericClient + Sync), &Statements),
    sql: &str,
    sets: &[&[Value]],
) -> Result<Vec<Row>, StoreError> {
    let statement = statements.prepare(client, sql).await?;
    let arrays = arrays(sets);
    let parameters: Vec<_> = arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
    let rows = client.query(&statement, &parameters).await.map_err(|e| store_error(&e))?;
    rows.iter().map(read).collect()
}

/// Sets of parameters, parameter by parameter.
fn arrays<'a>(sets: &[&'a [Value]]) -> Vec<Vec<&'a Value>> {
    let of = |n: usize| sets.iter().filter_map(|set| set.get(n)).collect();
    (0..sets.first().map_or(0, |set| set.len())).map(of).collect()
}

/// `?1` is SQLite's word for `$1`; our statements have no other question mark.
fn numbered(sql: &str) -> String {
    sql.replace('?', "$")
}

fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// The number of a lock. Two locks may share one: then they only wait for each other.
pub(super) fn number(lock: Lock<'_>) -> i64 {
    let mut hash = Sha256::new();
    let parts = match lock {
        Lock::Key { scope, key } => ["key", scope, key],
        Lock::Customer(customer) => ["person", &customer.business, &customer.email_key],
    };
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let mut first = [0; 8];
    first.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    i64::from_be_bytes(first)
}

fn read(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let mut values = Vec::with_capacity(row.len());
    for (n, column) in row.columns().iter().enumerate() {
        let value = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(n).map(|v| v.map(Value::Int)),
            Type::INT4 => row.try_get::<_, Option<i32>>(n).map(|v| v.map(|v| Value::Int(v.into()))),
            Type::BOOL => row.try_get::<_, Option<bool>>(n).map(|v| v.map(|v| Value::Int(v.into()))),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(n).map(|v| v.map(Value::Bytes)),
            _ => row.try_get::<_, Option<&str>>(n).map(|v| v.map(|v| Value::Text(plain(v)))),
        };
        values.push(value.map_err(|e| store_error(&e))?.unwrap_or(Value::Null));
    }
    Ok(Row::new(values))
}

/// PostgreSQL's texts cannot hold the character U+0000, and providers' may: it is written as U+0001 and a zero, U+0001
/// as itself and a one. So two texts that differ still do.
fn safe(text: &str) -> Cow<'_, str> {
    if text.contains(['\0', '\u{1}']) {
        Cow::Owned(text.replace('\u{1}', "\u{1}1").replace('\0', "\u{1}0"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The text that [`safe`] was given.
fn plain(text: &str) -> String {
    if text.contains('\u{1}') { text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}") } else { text.to_owned() }
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(n) if *ty == Type::INT4 => i32::try_from(*n)?.to_sql(ty, out),
            Self::Int(n) => n.to_sql(ty, out),
            Self::Text(text) => safe(text).as_ref().to_sql(ty, out),
            Self::Bytes(bytes) => bytes.as_slice().to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_can_be_stored_and_comes_back() {
        for text in ["", "plain", "a\0b", "a\u{1}b", "\0\u{1}0\u{1}1\0", "\u{1}\0"] {
            assert!(!safe(text).contains('\0'));
            assert_eq!(plain(&safe(text)), text);
        }
        assert_ne!(safe("\0"), safe("\u{1}0"));
    }
}
