//! The schema of this version as it is read from a database that was made for that alone.

use rusqlite::Connection;

use super::{migrations, query};
use crate::store::StoreError;
use crate::store::sql::Value;

/// A column's name, and its place in the primary key or 0.
pub(in crate::store) type Column = (String, i64);

/// The tables of the schema as it is in this version, in the order in which they were made, and each one's columns.
pub(in crate::store) fn tables() -> Result<Vec<(String, Vec<Column>)>, StoreError> {
    let mut db = Connection::open_in_memory()?;
    migrations::run(&mut db)?;
    let mut tables = Vec::new();
    for mut table in query(&db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid", &[])? {
        let name = table.text()?;
        let columns = query(&db, "SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid", &[Value::from(&name)])?;
        let columns = columns.into_iter().map(|mut row| Ok((row.text()?, row.int()?)));
        tables.push((name, columns.collect::<Result<_, StoreError>>()?));
    }
    Ok(tables)
}

/// How many migrations the schema of this version has.
pub(in crate::store) fn schema_version() -> i64 {
    migrations::known()
}
