//! A store copied into another one, of the same or the other kind: whole, checked, and able to go on after a crash.
//!
//! Rows are copied table by table in the order of their keys. How far it is stands in the target, in a table that is
//! written with the rows and goes when all of them are compared: as long as it is there nobody takes the target for a
//! store. Which tables there are is read from the schema. What is counted is counted anew.

mod checksum;
mod table;
mod work;

use std::path::Path;

use super::postgres::is_key_too_long;
use super::sql::{Value, values};
use super::sqlite::{Sqlite, schema};
use super::{Backend, StoreError};
use crate::domain::database::ServerUrl;
use checksum::Checksum;
use table::{Table, bytes, tables};
use work::{Begin, Begun, Derive, Finish, Progress, Put};

/// Rows that are read and written together at most, and how many at first.
const ROWS_MAX: usize = 512;
const ROWS_AT_FIRST: usize = 32;
/// Rows that are read together may be larger than this once; then fewer are read.
const BYTES_SOFT_MAX: usize = 4 * 1024 * 1024;

/// Where a store is.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A SQLite file.
    File(&'a Path),
    /// A PostgreSQL server's database, by its address.
    Server(&'a ServerUrl),
}

/// Why a store was not copied, or not to its end. What was copied stays, and the next run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is nothing to copy.
    #[error("there is no store to copy")]
    NoSource,
    /// The source cannot be read.
    #[error("cannot read the store that is to be copied: {0}")]
    Source(StoreError),
    /// The target cannot be written.
    #[error("cannot write the copy: {0}")]
    Target(StoreError),
    /// A bridge is at work on the server's database.
    #[error("a running refairn-bridge uses {0}")]
    Served(&'static str),
    /// The target is somebody's store.
    #[error("the target holds data already, in its table {0}")]
    TargetHolds(String),
    /// An older version kept an id, in this table, that is longer than PostgreSQL can look for.
    #[error("the table {0} holds an id that is longer than PostgreSQL can look for")]
    KeyTooLong(String),
    /// The target was begun by a version with another schema.
    #[error("the copy was begun by another version of refairn-bridge")]
    OtherVersion,
    /// What was copied is not what is in the source now. Names the tables.
    #[error("the copy differs from its source in {0}")]
    Differs(String),
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyStep<'a> {
    /// The table.
    pub table: &'a str,
    /// Whether rows are being compared, and not copied.
    pub comparing: bool,
    /// Rows of the table that are done in this run.
    pub done: u64,
    /// Rows that this run has to do in it.
    pub all: u64,
}

/// A table of which both stores hold the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// The name of the table, as in the schema.
    pub name: String,
    /// How many rows.
    pub rows: u64,
    /// Of all its rows, whatever their order; 32 hexadecimal digits.
    pub checksum: String,
}

/// Copies the store `from` into the empty store `to`, or goes on with that, and compares the two. Nothing may be at
/// work on either.
///
/// # Errors
/// Why there is no copy, or none yet.
pub async fn copy(
    from: Place<'_>,
    to: Place<'_>,
    mut progress: impl FnMut(CopyStep<'_>),
) -> Result<Vec<CopiedTable>, CopyError> {
    let mut copy = Copying::open(from, to).await?;
    let done = copy.run(&mut progress).await;
    copy.close().await;
    done
}

/// Two stores, and how far the copy is.
pub(super) struct Copying {
    from: Backend,
    to: Backend,
    tables: Vec<Table>,
    progress: Progress,
    rows: usize,
}

impl Copying {
    /// Opens both, and finds how far an earlier run came.
    pub(super) async fn open(from: Place<'_>, to: Place<'_>) -> Result<Self, CopyError> {
        let from = open_source(from).await?;
        let to = match open_target(to).await {
            Ok(to) => to,
            Err(error) => {
                from.close().await;
                return Err(error);
            }
        };
        let tables = tables().map_err(CopyError::Target)?;
        let mut copy = Self { from, to, tables, progress: Progress::default(), rows: ROWS_AT_FIRST };
        let begin = Begin { tables: copy.tables.clone(), version: schema::schema_version() };
        let begun = match copy.to.write(begin).await.map_err(CopyError::Target) {
            Ok(Begun::At(progress)) => {
                copy.progress = progress;
                return Ok(copy);
            }
            Ok(Begun::Holds(table)) => CopyError::TargetHolds(table),
            Ok(Begun::OtherVersion) => CopyError::OtherVersion,
            Err(error) => error,
        };
        copy.close().await;
        Err(begun)
    }

    pub(super) async fn close(&self) {
        self.from.close().await;
        self.to.close().await;
    }

    async fn run(&mut self, progress: &mut impl FnMut(CopyStep<'_>)) -> Result<Vec<CopiedTable>, CopyError> {
        let (mut done, mut all, mut of) = (0, 0, None);
        while let Some(table) = self.current().cloned() {
            if of.as_ref() != Some(&table.name) {
                (done, all, of) = (0, self.left(&table).await?, Some(table.name.clone()));
            }
            progress(CopyStep { table: &table.name, comparing: false, done, all });
            done += self.step(&table).await?;
        }
        self.to.write_long(Derive).await.map_err(CopyError::Target)?;
        let same = self.compare(progress).await?;
        if let Backend::Postgres(postgres) = &self.to {
            postgres.analyze().await.map_err(CopyError::Target)?;
        }
        self.to.write(Finish { tables: self.tables.clone() }).await.map_err(CopyError::Target)?;
        Ok(same)
    }

    /// The table that is being copied; none when all are.
    pub(super) fn current(&self) -> Option<&Table> {
        let is_at = |table: &&Table| self.progress.table.is_empty() || table.name == self.progress.table;
        self.tables.iter().filter(|table| table.is_copied).find(is_at)
    }

    /// How many rows of a table are still to be copied.
    async fn left(&self, table: &Table) -> Result<u64, CopyError> {
        let (sql, key) = table.count_after(&self.progress.after);
        let rows = self.from.query(sql, key).await.map_err(CopyError::Source)?;
        let n = rows.into_iter().next().map_or(Ok(0), |mut row| row.int()).map_err(CopyError::Source)?;
        Ok(u64::try_from(n).unwrap_or(0))
    }

    /// Copies the next rows of a table; on to the next table when there are none. Gives how many it were.
    pub(super) async fn step(&mut self, table: &Table) -> Result<u64, CopyError> {
        let rows = read(&self.from, table, &self.progress.after, &mut self.rows).await.map_err(CopyError::Source)?;
        let copied = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        let next = match rows.last() {
            Some(last) => Progress { table: table.name.clone(), after: table.key_of(last) },
            None => {
                let copied = self.tables.iter().filter(|table| table.is_copied);
                let next = copied.skip_while(|other| other.name != table.name).nth(1);
                Progress { table: next.map_or_else(|| work::ALL.to_owned(), |t| t.name.clone()), after: Vec::new() }
            }
        };
        let put = Put { table: table.clone(), rows, from: self.progress.clone(), to: next.clone() };
        self.to.write(put).await.map_err(|error| match is_key_too_long(&error) {
            true => CopyError::KeyTooLong(table.name.clone()),
            false => CopyError::Target(error),
        })?;
        self.progress = next;
        Ok(copied)
    }

    /// Reads both stores from one end to the other.
    async fn compare(&mut self, progress: &mut impl FnMut(CopyStep<'_>)) -> Result<Vec<CopiedTable>, CopyError> {
        let (mut same, mut differing) = (Vec::new(), Vec::new());
        for table in &self.tables {
            let (there, here) = futures_util::future::join(
                checksum_of(&self.from, table, |done| {
                    progress(CopyStep { table: &table.name, comparing: true, done, all: 0 });
                }),
                checksum_of(&self.to, table, |_| ()),
            )
            .await;
            let (there, here) = (there.map_err(CopyError::Source)?, here.map_err(CopyError::Target)?);
            if there == here {
                same.push(CopiedTable { name: table.name.clone(), rows: here.rows, checksum: here.to_string() });
            } else {
                differing.push(format!("{} ({} rows, and {} in the copy)", table.name, there.rows, here.rows));
            }
        }
        if differing.is_empty() { Ok(same) } else { Err(CopyError::Differs(differing.join(", "))) }
    }
}

async fn open_source(from: Place<'_>) -> Result<Backend, CopyError> {
    match from {
        Place::File(path) if !path.is_file() => Err(CopyError::NoSource),
        Place::File(path) => Sqlite::open(path).map(Backend::Sqlite).map_err(CopyError::Source),
        Place::Server(url) => {
            let store = super::Postgres::connect_source(url).await.map_err(CopyError::Source)?;
            let store = store.ok_or(CopyError::NoSource)?;
            if store.is_served().await.map_err(CopyError::Source)? {
                return Err(CopyError::Served("the store that is to be copied"));
            }
            Ok(Backend::Postgres(store))
        }
    }
}

async fn open_target(to: Place<'_>) -> Result<Backend, CopyError> {
    match to {
        Place::File(path) => Sqlite::open_target(path).map(Backend::Sqlite).map_err(CopyError::Target),
        Place::Server(url) => {
            let store = super::Postgres::connect_target(url).await.map_err(CopyError::Target)?;
            if store.is_served().await.map_err(CopyError::Target)? {
                return Err(CopyError::Served("the target"));
            }
            Ok(Backend::Postgres(store))
        }
    }
}

/// The next rows of a table in the order of its key. `rows_max` follows their size.
async fn read(
    store: &Backend,
    table: &Table,
    after: &[Value],
    rows_max: &mut usize,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let (sql, mut parameters) = table.read_after(after);
    parameters.extend(values![i64::try_from(*rows_max).unwrap_or(i64::MAX)]);
    let rows: Vec<Vec<Value>> = store.query(sql, parameters).await?.into_iter().map(super::Row::values).collect();
    let size: usize = rows.iter().map(|row| bytes(row)).sum();
    *rows_max = if size > BYTES_SOFT_MAX { (*rows_max / 4).max(1) } else { (*rows_max * 2).min(ROWS_MAX) };
    Ok(rows)
}

async fn checksum_of(store: &Backend, table: &Table, mut progress: impl FnMut(u64)) -> Result<Checksum, StoreError> {
    let (mut sum, mut after, mut rows_max) = (Checksum::default(), Vec::new(), ROWS_AT_FIRST);
    loop {
        let rows = read(store, table, &after, &mut rows_max).await?;
        let Some(last) = rows.last() else { return Ok(sum) };
        after = table.key_of(last);
        rows.iter().for_each(|row| sum.add(row));
        progress(sum.rows);
    }
}
