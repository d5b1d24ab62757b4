//! PostgreSQL: any number of identical replicas at work on one database, none of them the leader.
//!
//! A write is a transaction; it takes advisory locks on what it decides about - the provider's ids of a fact, a
//! customer's calls - and holds them to its end. No transaction is open while Refairn is called. A write that met
//! another in a deadlock is run again.
//!
//! Whatever talks to the server is a task of its own. A caller that looks elsewhere for a while - one of many futures
//! in one task - would otherwise keep a connection and its locks, with nobody to end what it began.

mod error;
mod migrations;
mod session;
mod tls;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio::sync::oneshot;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::facts::INBOX_COLUMNS;
use super::intake::{FIND, row_of};
use super::rows::unknown;
use super::sql::{DATABASE_NOW, Dialect, Row, Value, Work, span, values};
use super::{StoreError, copy};
use crate::clock::{SLACK, chance_permille};
use crate::domain::database::ServerUrl;
use crate::domain::event::{EventId, NewEvent, Recorded};
use crate::tasks::Tasks;
use error::{no_connection, silent, told};
use session::Session;

/// Connections of one replica, without the one that listens.
const CONNECTIONS_MAX: usize = 16;
/// Events and writes that may wait for a connection; beyond that webhooks are answered 503.
const WAITING_MAX: usize = 1024;
/// How long to wait for a connection that others are using.
const CONNECTION_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long the server may take to let us in.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long anything may take, from the first word to the last: a server that hangs is a server that is gone.
const OPERATION_WAIT_MAX: Duration = Duration::from_secs(20);
/// How long the system goes on with a connection whose other end does not answer.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Then it asks whether the other end is there, so often, and no more than so many times.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVES_MAX: u32 = 3;
/// How often a write that met another in a deadlock is run again.
const RUNS_MAX: u32 = 8;
/// How long an event that a replica has been given to read is its own, microseconds. Nothing that came in later goes
/// out before it is read, so what a dead replica has must soon be another's; what a slow one has may be read twice, and
/// is written once.
const CLAIM_MICROS: i64 = 5_000_000;

/// What every connection is told first. A commit is on disk before it is answered, whatever the server's default.
const SESSION: &str = "SET synchronous_commit = on; SET statement_timeout = '15s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '15s'; SET default_transaction_isolation = 'read committed'; \
     SET standard_conforming_strings = on";

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub(super) struct Postgres {
    pool: Pool,
    server: Arc<Config>,
    tls: MakeRustlsConnect,
    tasks: Tasks,
    /// Tells this replica from the others.
    replica: i64,
}

impl Postgres {
    /// Connects to a store that is whole, to work with it.
    pub(super) async fn connect(url: &ServerUrl) -> Result<Self, StoreError> {
        let store = Self::prepare(url)?;
        store.migrate().await?;
        if store.holds(copy::MARKER).await? { Err(StoreError::UnfinishedCopy) } else { Ok(store) }
    }

    /// Connects to a store to copy another one into it: it may hold a part of that already.
    pub(super) async fn connect_target(url: &ServerUrl) -> Result<Self, StoreError> {
        let store = Self::prepare(url)?;
        store.migrate().await?;
        Ok(store)
    }

    /// Connects to a store to copy it. None is made if there is none.
    pub(super) async fn connect_source(url: &ServerUrl) -> Result<Option<Self>, StoreError> {
        let store = Self::prepare(url)?;
        if store.holds("schema_version").await? { Self::connect(url).await.map(Some) } else { Ok(None) }
    }

    /// Ready to connect.
    fn prepare(url: &ServerUrl) -> Result<Self, StoreError> {
        let server = server(url)?;
        let tls = tls::connector(&url.tls)?;
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(server.clone(), tls.clone(), manager_config);
        let prepare = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS_MAX)
            .wait_timeout(Some(CONNECTION_WAIT_MAX))
            .create_timeout(Some(CONNECT_WAIT_MAX))
            .recycle_timeout(Some(CONNECT_WAIT_MAX))
            .runtime(Runtime::Tokio1)
            .post_create(prepare)
            .build()
            .map_err(|_| StoreError::Io("PostgreSQL: the connections cannot be set up".to_owned()))?;
        Ok(Self { pool, server: Arc::new(server), tls, tasks: Tasks::new(), replica: rand::random() })
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let newcomer = self.clone();
        self.apart(async move { migrations::run(&mut newcomer.client().await?).await }).await
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
        self.pool.close();
    }

    async fn client(&self) -> Result<Client, StoreError> {
        if self.pool.status().waiting >= WAITING_MAX {
            return Err(StoreError::Overloaded);
        }
        self.pool.get().await.map_err(no_connection)
    }

    /// Runs something that talks to the server in a task of its own, for so long and no longer. It goes on when nobody
    /// waits for it any more.
    async fn apart<T, F>(&self, talk: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let pool = self.pool.clone();
        self.tasks.spawn(async move {
            let outcome = tokio::time::timeout(OPERATION_WAIT_MAX, talk).await.unwrap_or_else(|_| {
                // The other end may be a server that was replaced and never said so: its connections are not used
                // again.
                pool.retain(|_, _| false);
                Err(silent())
            });
            // Whoever asked may be gone.
            let _ = tell.send(outcome);
        });
        told.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs one statement.
    pub(super) async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let (store, sql) = (self.clone(), sql.to_owned());
        self.apart(async move { session::query(&store.client().await?, &sql, &values).await }).await
    }

    /// Writes, all or nothing.
    pub(super) async fn write<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        let work = Arc::new(work);
        let mut run = 1;
        loop {
            let (store, work) = (self.clone(), Arc::clone(&work));
            match self.apart(async move { store.write_once(work.as_ref()).await }).await {
                Err(StoreError::Locked(_)) if run < RUNS_MAX => {
                    let rest = Duration::from_millis(u64::from(run * chance_permille() / 20));
                    tokio::time::sleep(rest).await;
                    run += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn write_once<W: Work>(&self, work: &W) -> Result<W::Answer, StoreError> {
        let mut client = self.client().await?;
        // Dropped before its commit, it is rolled back.
        let session = Session(client.transaction().await.map_err(|e| told(&e))?);
        let answer = work.run(&session).await?;
        session.0.commit().await.map_err(|e| told(&e))?;
        Ok(answer)
    }

    /// Records an event in one statement, which is a transaction: one way there and back.
    pub(super) async fn record(&self, event: &NewEvent) -> Result<Recorded, StoreError> {
        let sql = "WITH recorded AS (INSERT INTO events (endpoint, provider, business, dedup_key, provider_event_id, \
             type, state, received_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'received', ?7) \
             ON CONFLICT (endpoint, dedup_key) DO NOTHING RETURNING id), \
             kept AS (INSERT INTO bodies (event_id, body) SELECT id, ?8 FROM recorded) SELECT id FROM recorded";
        let mut row = row_of(event);
        row.push(Value::from(&event.body_zstd));
        if let Some(mut row) = self.query(sql, row).await?.into_iter().next() {
            return Ok(Recorded { id: EventId(row.int()?), duplicate: false });
        }
        let found = self.query(FIND, values![&event.endpoint, &event.identity.dedup_key]).await?;
        let mut row = found.into_iter().next().ok_or_else(|| unknown("event", &event.endpoint))?;
        Ok(Recorded { id: EventId(row.int()?), duplicate: true })
    }

    /// The oldest events that no other replica is reading; they are ours to read for a while. A claim that ends later
    /// than one that begins now is none: the server's clock was set back.
    pub(super) async fn inbox(&self, events_max: u32) -> Result<Vec<Row>, StoreError> {
        let sql = format!(
            "WITH free AS (SELECT id FROM events WHERE state = 'received' \
             AND (claimed_by = ?2 OR claimed_until <= {DATABASE_NOW} OR claimed_until > {DATABASE_NOW} + ?3 + ?4) \
             ORDER BY id LIMIT ?1 FOR UPDATE SKIP LOCKED), \
             e AS (UPDATE events SET claimed_by = ?2, claimed_until = {DATABASE_NOW} + ?3 FROM free \
             WHERE events.id = free.id RETURNING events.id, endpoint, provider, business, received_at) \
             SELECT {INBOX_COLUMNS} FROM e LEFT JOIN bodies b ON b.event_id = e.id ORDER BY e.id"
        );
        self.query(&sql, values![events_max, self.replica, CLAIM_MICROS, span(SLACK)]).await
    }

    /// Adds up the changes of the counts; one replica at a time.
    pub(super) async fn roll_up(&self) -> Result<(), StoreError> {
        let sql = "WITH changes AS (DELETE FROM count_changes RETURNING what, state, n) \
             INSERT INTO count_sums (what, state, n) \
             SELECT what, state, CAST(SUM(n) AS BIGINT) FROM changes GROUP BY what, state ORDER BY what, state \
             ON CONFLICT (what, state) DO UPDATE SET n = count_sums.n + excluded.n";
        self.query(sql, values![]).await?;
        Ok(())
    }

    /// Tells the other replicas that there may be calls to make.
    pub(super) async fn tell(&self) -> Result<(), StoreError> {
        self.query("SELECT 1 FROM pg_notify(?1, '')", values![watch::CHANNEL]).await?;
        Ok(())
    }
}

/// The address as the driver takes it, with our limits on every wait for the network.
fn server(url: &ServerUrl) -> Result<Config, StoreError> {
    // The error of the parser could quote the password.
    let unreadable = |_| StoreError::Io("the address of the PostgreSQL server cannot be read".to_owned());
    let mut server: Config = url.address.expose().parse().map_err(unreadable)?;
    server.connect_timeout(CONNECT_WAIT_MAX).tcp_user_timeout(SILENCE_MAX);
    server.keepalives_idle(SILENCE_MAX).keepalives_interval(KEEPALIVE_EVERY).keepalives_retries(KEEPALIVES_MAX);
    if server.get_application_name().is_none() {
        server.application_name("refairn-bridge");
    }
    if server.get_hosts().is_empty() {
        // A certificate may be for an address.
        for addr in server.get_hostaddrs().to_vec() {
            server.host(addr.to_string());
        }
    }
    // A socket in the file system needs no TLS, and has none.
    let local = server.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    server.ssl_mode(if local { SslMode::Disable } else { tls::mode(&url.tls) });
    Ok(server)
}
