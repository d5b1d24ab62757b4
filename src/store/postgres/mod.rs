//! PostgreSQL: any number of identical replicas at work on one database, none of them the leader.
//!
//! A write is a transaction; it takes advisory locks on what it decides about - the provider's ids of a fact, a
//! customer's calls - and holds them to its end. No transaction is open while Refairn is called. A write that met
//! another, in a deadlock or over one key, is run again.
//!
//! Whatever talks to the server is a task of its own. A caller that looks elsewhere for a while - one of many futures
//! in one task - would otherwise keep a connection and its locks, with nobody to end what it began.

mod claims;
mod counts;
mod entry;
mod error;
mod lane;
mod migrations;
mod pool;
mod record;
mod room;
mod rounds;
mod server;
mod session;
mod sets;
mod statements;
mod tls;
mod together;
mod watch;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::realms::NO_TIME_LIMIT;
use super::sql::{Db, Dialect, Row, UNFINISHED_COPY, Value, Work, values};
use super::{Home, StoreError};
use crate::clock::chance_permille;
use crate::domain::database::ServerUrl;
use crate::tasks::Tasks;
pub(super) use error::is_key_too_long;
use error::{has_met_another, silent, unanswered};
use lane::Lane;
use pool::Pool;
use record::Recording;
use rounds::Rounds;
use server::{Connection, Server, enter};
use together::Job;

/// Connections for a copy: it reads or writes one batch after the other.
const COPY_CONNECTIONS_MAX: usize = 2;
/// How long the server may take to let us in, and to take our set-up.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long it may take to bring the schema up to date, or to move what stands under a scope: a large store is written
/// nearly whole.
const MIGRATION_WAIT_MAX: Duration = Duration::from_secs(3600);
/// How long anything else may take, from the first word to the last: a server that hangs is a server that is gone.
const OPERATION_WAIT_MAX: Duration = Duration::from_secs(20);
/// How often a write that met another, in a deadlock or over one key, is run.
const RUNS_MAX: u32 = 8;
/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
    server: Arc<Server>,
    tasks: Tasks,
    /// Events that come at the same time, and writes that do.
    recordings: Lane<Recording>,
    writes: Lane<Box<dyn Job>>,
    home: Home,
    /// Tells this replica from the others.
    replica: i64,
}

impl Postgres {
    /// Connects to a store that is whole, to work with it, over so many connections and one that listens.
    pub(super) async fn connect(url: &ServerUrl, connections_max: usize) -> Result<Self, StoreError> {
        let (server, pair) = bounded(Self::reach_to_write(url)).await?;
        Self::open(server, pair, connections_max).await?.whole().await
    }

    /// Connects to a store to copy another one into it: it may hold a part of that already.
    pub(super) async fn connect_target(url: &ServerUrl) -> Result<Self, StoreError> {
        let (server, pair) = bounded(Self::reach_to_write(url)).await?;
        Self::open(server, pair, COPY_CONNECTIONS_MAX).await
    }

    /// Connects to a store to copy it. None is made if there is none. Whatever its encoding, all that it holds can be
    /// read.
    pub(super) async fn connect_source(url: &ServerUrl) -> Result<Option<Self>, StoreError> {
        let found = bounded(async {
            let (server, mut pair) = Self::reach(url).await?;
            let is_there = migrations::is_there(&mut pair[0]).await?;
            Ok(is_there.then_some((server, pair)))
        });
        let Some((server, pair)) = found.await? else { return Ok(None) };
        Self::open(server, pair, COPY_CONNECTIONS_MAX).await?.whole().await.map(Some)
    }

    /// The first connections, each of them a session.
    async fn reach(url: &ServerUrl) -> Result<(Server, [Connection; 2]), StoreError> {
        let server = Server::new(url)?;
        let pair = entry::sessions(&server).await?;
        Ok((server, pair))
    }

    /// The same, to a database that can hold every text.
    async fn reach_to_write(url: &ServerUrl) -> Result<(Server, [Connection; 2]), StoreError> {
        let (server, pair) = Self::reach(url).await?;
        entry::keeps_every_text(&pair[0]).await?;
        Ok((server, pair))
    }

    /// The store, with its schema up to date. All connections work in the schema where it was found.
    async fn open(
        server: Server,
        [mut first, second]: [Connection; 2],
        connections_max: usize,
    ) -> Result<Self, StoreError> {
        let found = within(MIGRATION_WAIT_MAX, migrations::run(&mut first)).await?;
        second.run(&enter(&found.schema)).await?;
        let server = server.in_schema(&found.schema);
        let pool = Pool::new(server.clone(), connections_max, vec![first, second]);
        let (server, tasks) = (Arc::new(server), Tasks::new());
        let (recordings, writes) = (Lane::default(), Lane::default());
        Ok(Self { pool, server, tasks, recordings, writes, home: found.home, replica: rand::random() })
    }

    async fn whole(self) -> Result<Self, StoreError> {
        let is_part = self.holds(UNFINISHED_COPY).await?;
        if is_part {
            self.close().await;
            return Err(StoreError::UnfinishedCopy);
        }
        Ok(self)
    }

    /// Where it is.
    pub(super) const fn home(&self) -> &Home {
        &self.home
    }

    /// Whether there is such a table.
    async fn holds(&self, table: &str) -> Result<bool, StoreError> {
        let found = self.query(Dialect::Postgres.has_table(), values![table]).await?;
        found.into_iter().next().map_or(Ok(false), |mut row| row.flag())
    }

    /// Whether a replica is at work on the database: each of them listens.
    pub(super) async fn is_served(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND query = ?1)";
        let found = self.query(sql, values![watch::listen()]).await?;
        found.into_iter().next().map_or(Ok(false), |mut row| row.flag())
    }

    pub(super) async fn close(&self) {
        // Nothing lasts longer than that, so nothing is left.
        let _ = self.tasks.stop(OPERATION_WAIT_MAX).await;
        #[cfg(any(test, feature = "crash-points"))]
        let _ = self.distrust().await;
        self.pool.close().await;
    }

    /// Runs something that talks to the server in a task of its own, for so long and no longer. It goes on when nobody
    /// waits for it any more.
    async fn spawn_bounded<T, F>(&self, longest: Duration, exchange: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let pool = self.pool.clone();
        self.tasks.spawn(async move {
            // Panicking, it drops its transaction, which ends it, and gives back its connection.
            let exchange =
                AssertUnwindSafe(exchange).catch_unwind().map(|done| done.unwrap_or(Err(StoreError::Panicked)));
            let outcome = tokio::time::timeout(longest, exchange).await.unwrap_or_else(|_| {
                // The other end may be a server that was replaced and never said so.
                pool.doubt();
                Err(silent())
            });
            // The caller may be gone.
            let _ = sender.send(outcome);
        });
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs one statement, which writes nothing that somebody counts on.
    pub(super) async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let (pool, sql) = (self.pool.clone(), sql.to_owned());
        let exchange = async move {
            let lent = pool.get().await?;
            let outcome = session::query(lent.parts(), &sql, &values).await;
            lent.give_back();
            outcome
        };
        self.spawn_bounded(OPERATION_WAIT_MAX, exchange).await
    }

    /// Writes, all or nothing.
    pub(super) async fn write<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        self.write_within(OPERATION_WAIT_MAX, work).await
    }

    /// Writes what may be nearly all that there is.
    pub(super) async fn write_long<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        self.write_within(MIGRATION_WAIT_MAX, work).await
    }

    async fn write_within<W: Work>(&self, longest: Duration, work: W) -> Result<W::Answer, StoreError> {
        let work = Arc::new(work);
        let mut run = 1;
        loop {
            let keep = CommitSent::default();
            let (pool, work, commit) = (self.pool.clone(), Arc::clone(&work), keep.clone());
            let exchange = async move {
                let mut lent = pool.get().await?;
                let outcome = write_once(&mut lent, work.as_ref(), &commit).await;
                lent.give_back();
                outcome
            };
            match self.spawn_bounded(longest, exchange).await {
                Err(error) if has_met_another(&error) && run < RUNS_MAX => {
                    let rest = Duration::from_millis(u64::from(run * chance_permille() / 20));
                    tokio::time::sleep(rest).await;
                    run += 1;
                }
                outcome => return keep.outcome(outcome),
            }
        }
    }

    /// Has the server look at how much there is of what. It does so by itself, but later: plans that are made before that are
    /// for tables of which nothing is known.
    pub(super) async fn analyze(&self) -> Result<(), StoreError> {
        let sql = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = CAST(current_schema() AS regnamespace)";
        for mut row in self.query(sql, values![]).await? {
            self.write_long(Analyze { table: row.text()? }).await?;
        }
        Ok(())
    }

    /// Tells the other replicas that there may be calls to make.
    pub(super) async fn notify(&self) -> Result<(), StoreError> {
        self.query("SELECT 1 FROM pg_notify(?1, ?2)", values![watch::CHANNEL, self.replica.to_string()]).await?;
        Ok(())
    }
}

struct Analyze {
    table: String,
}

impl Work for Analyze {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.run_all(&format!("{NO_TIME_LIMIT}; ANALYZE \"{}\"", self.table)).await
    }
}

/// For so long as anything may take, and no longer.
async fn bounded<T>(opening: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    within(OPERATION_WAIT_MAX, opening).await
}

async fn within<T>(longest: Duration, exchange: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(longest, exchange).await.unwrap_or_else(|_| Err(silent()))
}

async fn write_once<W: Work>(
    connection: &mut Connection,
    work: &W,
    commit: &CommitSent,
) -> Result<W::Answer, StoreError> {
    let session = connection.transaction().await?;
    let rounds = Rounds::new(&session);
    let answer = rounds.drive(work.run(&rounds)).await?;
    rounds.write_counts().await?;
    commit.set();
    session.commit().await?;
    Ok(answer)
}

/// Whether the server was told to keep what was written: from then on, whether it did is its to say.
#[derive(Clone, Default)]
struct CommitSent(Arc<AtomicBool>);

impl CommitSent {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What came of the write.
    fn outcome<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        outcome.map_err(|error| if self.0.load(Ordering::Relaxed) { unanswered(error) } else { error })
    }
}
