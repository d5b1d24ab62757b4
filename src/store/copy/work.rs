//! What a copy writes into its target: how far it is, rows, and its end.

use super::table::Table;
use crate::store::StoreError;
use crate::store::sql::{Db, UNFINISHED_COPY, Value, Work, first, values};

/// Stands for the table after the last one.
pub(super) const ALL: &str = "-";
/// Rows of one INSERT; what is left after these is added one by one, so that there are two statements a table.
const ROWS_PER_INSERT: usize = 64;

/// How far a copy is: in a table, after the row with a key.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// The table; before the first one, no name.
    pub(super) table: String,
    /// The key of the last row that is copied.
    pub(super) after: Vec<Value>,
}

impl Progress {
    /// The key as it is kept: JSON, which both databases can hold whatever is in it.
    fn key(&self) -> Result<String, StoreError> {
        let part = |value: &Value| match value {
            Value::Int(n) => Ok(serde_json::Value::from(*n)),
            Value::Text(text) => Ok(serde_json::Value::from(text.as_str())),
            Value::Null | Value::Bytes(_) => Err(StoreError::Data("a key holds neither number nor text".to_owned())),
        };
        let parts: Vec<serde_json::Value> = self.after.iter().map(part).collect::<Result<_, _>>()?;
        Ok(serde_json::to_string(&parts)?)
    }

    fn read(table: String, key: &str) -> Result<Self, StoreError> {
        let part = |value: serde_json::Value| match (value.as_i64(), value.as_str()) {
            (Some(n), _) => Ok(Value::Int(n)),
            (None, Some(text)) => Ok(Value::from(text)),
            (None, None) => Err(StoreError::Data("the place where the copy stopped cannot be read".to_owned())),
        };
        let parts: Vec<serde_json::Value> = serde_json::from_str(key)?;
        Ok(Self { table, after: parts.into_iter().map(part).collect::<Result<_, _>>()? })
    }
}

/// What a target was found to be.
pub(super) enum Begun {
    /// A copy, begun now or before.
    At(Progress),
    /// Somebody's store: this table holds something.
    Holds(String),
    /// A copy that another version began.
    OtherVersion,
}

/// Makes an empty store the target of a copy, or finds how far it is.
pub(super) struct Begin {
    pub(super) tables: Vec<Table>,
    pub(super) version: i64,
}

impl Work for Begin {
    type Answer = Begun;

    async fn run<D: Db>(&self, db: &D) -> Result<Begun, StoreError> {
        let there = first(db, D::DIALECT.has_table(), values![UNFINISHED_COPY]).await?;
        if there.map_or(Ok(false), |mut row| row.flag())? {
            let sql = format!("SELECT version, copied_table, after_key FROM {UNFINISHED_COPY}");
            let none = || StoreError::Data(format!("the table {UNFINISHED_COPY} is empty"));
            let mut row = first(db, &sql, values![]).await?.ok_or_else(none)?;
            if row.text()? != self.version.to_string() {
                return Ok(Begun::OtherVersion);
            }
            return Progress::read(row.text()?, &row.text()?).map(Begun::At);
        }
        for table in &self.tables {
            if first(db, &table.any(), values![]).await?.is_some() {
                return Ok(Begun::Holds(table.name.clone()));
            }
        }
        let progress = Progress::default();
        let columns = "(version TEXT NOT NULL, copied_table TEXT NOT NULL, after_key TEXT NOT NULL)";
        db.execute(&format!("CREATE TABLE {UNFINISHED_COPY} {columns}"), values![]).await?;
        let sql = format!("INSERT INTO {UNFINISHED_COPY} (version, copied_table, after_key) VALUES (?1, ?2, ?3)");
        db.execute(&sql, values![self.version.to_string(), &progress.table, progress.key()?]).await?;
        Ok(Begun::At(progress))
    }
}

/// Adds rows, and notes how far that is.
pub(super) struct Put {
    pub(super) table: Table,
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) from: Progress,
    pub(super) to: Progress,
}

impl Work for Put {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let Self { table, rows, from, to } = self;
        let sql = format!(
            "UPDATE {UNFINISHED_COPY} SET copied_table = ?1, after_key = ?2 WHERE copied_table = ?3 AND after_key = ?4"
        );
        if db.execute(&sql, values![&to.table, to.key()?, &from.table, from.key()?]).await? != 1 {
            return Err(StoreError::Data("another migrate-store is at work on it".to_owned()));
        }
        let whole = rows.chunks_exact(ROWS_PER_INSERT);
        for row in whole.remainder() {
            db.execute(&table.insert(1, D::DIALECT), row.clone()).await?;
        }
        for rows in whole {
            db.execute(&table.insert(ROWS_PER_INSERT, D::DIALECT), rows.concat()).await?;
        }
        Ok(())
    }
}

/// Makes what follows from the rows that were copied, where no trigger has made it.
pub(super) struct Derive;

impl Work for Derive {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.count_anew().await?;
        match D::DIALECT.parts() {
            Some(sql) => db.run_all(sql).await,
            None => Ok(()),
        }
    }
}

/// Makes the copy a store: new ids go on after the copied ones, and nothing marks it any more.
pub(super) struct Finish {
    pub(super) tables: Vec<Table>,
}

impl Work for Finish {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        for table in self.tables.iter().filter(|table| table.is_copied) {
            let ids = table.sole_key().and_then(|key| D::DIALECT.go_on_after_the_last(&table.name, key));
            if let Some(sql) = ids {
                db.query(&sql, values![]).await?;
            }
        }
        db.execute(&format!("DROP TABLE {UNFINISHED_COPY}"), values![]).await?;
        Ok(())
    }
}
