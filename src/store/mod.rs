//! What is on disk. Every method says what is there after a crash: all of its effects or none, and all of them once
//! it has returned.
//!
//! What is written, and in which order, is the same for both databases, and written once over `sql::Db`. `sqlite`
//! and `postgres` know how a statement is run, how a write begins and ends, and how several replicas keep out of each
//! other's way.

mod backfills;
mod codes;
pub mod copy;
mod counts;
mod error;
mod forget;
mod inbox;
mod lookups;
#[cfg(any(test, feature = "crash-points"))]
mod miscounted;
mod numbering;
mod operator;
mod parts;
mod people;
mod postgres;
mod quarter;
mod queue;
mod read;
mod realms;
mod recent;
mod reconciliations;
mod related;
mod rows;
mod settings;
mod sql;
mod sqlite;
mod sums;
mod time;
mod value;
mod written;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use backfills::{Backfill, Listed, Place, ToWeigh, Written};
pub use error::{ServerTrouble, StoreError};
pub use forget::{ForgetError, Forgotten, Old};
pub use inbox::body;
pub use inbox::crowds::{Crowd, FACTS_SOFT_MAX, Scattered};
pub use inbox::facts::{Inbox, Mapped};
pub use inbox::readings::{CallNews, Changed, Preview};
pub use lookups::{Lookup, LookupEnd, Missing};
pub use operator::{ActionError, Pruned};
pub use people::{access, alerts, audit};
pub use queue::lease::Leased;
pub use queue::overdue::OVERDUE_EVENTS_MAX;
pub use read::{days, payments, queries, search, stats, story, totals, urgent, walks};
pub use reconciliations::{After, COMPARED_PAGE_MAX, ComparedFilter, Reconciliation, STANDING_MAX, Standing, Whose};
pub use related::RELATED_MAX;
pub use sqlite::backup::{BackupError, BackupStep, BackupSummary, backup};

use crate::domain::database::ServerUrl;
use crate::domain::policy::Policy;
use crate::tasks::Pulse;
use backfills::Grouped;
use inbox::crowds::Crowds;
use postgres::Postgres;
use queue::held::UnderWay;
use queue::lease::Turn;
use queue::planning::Planning;
use read::codes_came::CodesCame;
use sql::{Db, Dialect, Row, Value, Work, values};
use sqlite::Sqlite;
use sqlite::scratch::Scratch;

/// A handle on the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    planning: Planning,
    turn: Turn,
    under_way: UnderWay,
    crowds: Crowds,
    codes_came: CodesCame,
    scratch: Scratch,
    grouped: Grouped,
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its file, or its database and schema.
    pub place: String,
    /// Whether it was made when it was opened, and holds nothing.
    pub is_new: bool,
    /// Schemas of the same database that hold other stores.
    pub others: Vec<String>,
}

/// Connections that a server, or what is in front of it, has for a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many the store may come to have.
    pub wanted: usize,
    /// How many it can have.
    pub free: usize,
}

/// What came of looking for damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntegrityCheck {
    /// All was read, and there is none.
    Sound,
    /// None was found, and not all was read.
    NotAll,
    /// This was found.
    Damaged(String),
}

#[derive(Clone)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Store {
    /// Opens the database at `path`, makes it and its folder when they are not there, and brings its schema up to date. The
    /// ledger decides by `policy`.
    ///
    /// # Errors
    /// The folder or file cannot be made or written, is no database, was written by a newer version, or holds a part of
    /// another database that is still to be copied.
    pub fn open(path: &Path, policy: Policy) -> Result<Self, StoreError> {
        Ok(Self::new(Backend::Sqlite(Sqlite::open(path)?), policy))
    }

    /// Connects to the PostgreSQL server at `url`, and brings the schema up to date. The ledger decides by `policy`. Any number of replicas may do so,
    /// each over `connections_max` connections, two at least, and one that listens.
    ///
    /// # Errors
    /// The server cannot be reached, is not what the address demands, or refuses us; a pooler in front of it gives us no
    /// sessions; its database was written by a newer version, cannot hold every text, or holds the store in another
    /// schema than its user works in.
    pub async fn connect(url: &ServerUrl, connections_max: usize, policy: Policy) -> Result<Self, StoreError> {
        let backend = Backend::Postgres(Postgres::connect(url, connections_max).await?);
        Ok(Self::new(backend, policy))
    }

    fn new(backend: Backend, policy: Policy) -> Self {
        let planning = Planning::new(policy);
        Self {
            backend,
            planning,
            turn: Turn::default(),
            under_way: UnderWay::default(),
            crowds: Crowds::default(),
            codes_came: CodesCame::default(),
            scratch: Scratch::default(),
            grouped: Grouped::default(),
        }
    }

    /// Tells what other replicas do: notifies `inbox` when there may be events to read, `outbox` when there may be
    /// calls to make; at once when we are told, once a second in any case. Runs until `stop`. With SQLite there are no
    /// others, and nothing to tell.
    pub async fn watch(self, inbox: Arc<Notify>, outbox: Arc<Notify>, pulse: Pulse, stop: CancellationToken) {
        match &self.backend {
            Backend::Sqlite(_) => stop.cancelled().await,
            Backend::Postgres(postgres) => postgres.watch(&inbox, &outbox, &pulse, &stop).await,
        }
    }

    /// The pulses of the threads that write, where there are any.
    #[must_use]
    pub fn pulses(&self) -> Vec<Pulse> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.pulses().into(),
            Backend::Postgres(_) => Vec::new(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn home(&self) -> &Home {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.home(),
            Backend::Postgres(postgres) => postgres.home(),
        }
    }

    /// Whether the store takes writes now: commits a transaction that touches it.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.probe(Probe).await,
            Backend::Postgres(postgres) => postgres.write(Probe).await,
        }
    }

    /// Whether the server has as many connections as the store may want. SQLite needs none.
    ///
    /// # Errors
    /// The server does not say.
    pub async fn room(&self) -> Result<Option<Room>, StoreError> {
        match &self.backend {
            Backend::Sqlite(_) => Ok(None),
            Backend::Postgres(postgres) => postgres.room().await.map(Some),
        }
    }

    /// Leaves no trace of what was removed in the database's own file. Nothing is done where a server has it.
    async fn cleanse(&self) -> Option<Result<(), StoreError>> {
        match &self.backend {
            Backend::Sqlite(sqlite) => Some(sqlite.cleanse().await),
            Backend::Postgres(_) => None,
        }
    }

    /// Reads the database, for so long at most, and names the first damage that is found. PostgreSQL looks after its
    /// own: there nothing is read.
    ///
    /// # Errors
    /// It cannot be read at all.
    pub async fn damage(&self, longest: Duration) -> Result<IntegrityCheck, StoreError> {
        match &self.backend {
            Backend::Sqlite(sqlite) => sqlite.damage(longest).await,
            Backend::Postgres(_) => Ok(IntegrityCheck::NotAll),
        }
    }

    /// Ends after what is queued has been written, and lets go of the database.
    pub async fn close(&self) {
        self.backend.close().await;
    }

    const fn dialect(&self) -> Dialect {
        match &self.backend {
            Backend::Sqlite(_) => Dialect::Sqlite,
            Backend::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a SELECT.
    async fn query(&self, sql: String, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.backend.query(sql, values).await
    }

    /// Writes, all or nothing.
    async fn write<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        self.backend.write(work).await
    }
}

impl Backend {
    async fn query(&self, sql: String, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.query(sql, values).await,
            Self::Postgres(postgres) => postgres.query(&sql, values).await,
        }
    }

    /// The same of what is stored by now: it may lack what was recorded a moment ago, and nobody has read yet.
    async fn query_as_it_is(&self, sql: String, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.query_as_it_is(sql, values).await,
            Self::Postgres(postgres) => postgres.query(&sql, values).await,
        }
    }

    async fn write<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(work).await,
            Self::Postgres(postgres) => postgres.write(work).await,
        }
    }

    /// The same of what may be nearly all that there is.
    async fn write_long<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(work).await,
            Self::Postgres(postgres) => postgres.write_long(work).await,
        }
    }

    /// The same, where many are written at a time: they share what each of them would have to itself.
    async fn write_together<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(work).await,
            Self::Postgres(postgres) => postgres.write_together(work).await,
        }
    }

    /// Ends after what is queued has been written, and lets go of the database.
    async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.close().await,
        }
    }
}

struct Probe;

impl Work for Probe {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.execute(D::DIALECT.probe(), values![]).await?;
        Ok(())
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.home().place)
    }
}

#[cfg(test)]
mod tests;
