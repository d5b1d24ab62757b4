//! The server at an address, and a connection to it: set up, and with the statements that it has prepared.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::{occupied, silent, store_error};
use super::session::Session;
use super::statements::Statements;
use super::{CONNECT_WAIT_MAX, tls};
use crate::domain::database::ServerUrl;
use crate::store::StoreError;
use crate::tasks::Tasks;

/// How long the system goes on with a connection whose other end does not answer.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Then it asks whether the other end is there, so often, and no more than so many times.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVES_MAX: u32 = 3;
/// How long the tasks of closed connections may take to end.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

/// What every connection is told first. A commit is on disk before it is answered, whatever the server's default.
///
/// Our statements find what they want by an index, and are planned once: a plan that reads a table because it is small
/// would go on reading it when it is large. Nor do they collect what an index has before they give the first row: a queue is
/// empty whenever the server looks, and then to collect and sort all of it seems as cheap as to take the few that are due first.
const SESSION: &str = "SET synchronous_commit = on; SET statement_timeout = '15s'; SET lock_timeout = '10s'; \
     SET idle_in_transaction_session_timeout = '15s'; SET default_transaction_isolation = 'read committed'; \
     SET standard_conforming_strings = on; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
     SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

/// What talks for a connection as long as it runs.
pub(super) type Talker = tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// What makes connections.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    tls: MakeRustlsConnect,
    /// What every connection is told first.
    session: String,
    /// Each connection has a task that talks for it.
    talkers: Tasks,
}

impl Server {
    /// The server at `url`, with our limits on every wait for the network.
    pub(super) fn new(url: &ServerUrl) -> Result<Self, StoreError> {
        // The error of the parser could quote the password.
        let unreadable = |_| StoreError::Io("the address of the PostgreSQL server cannot be read".to_owned());
        let mut config: Config = url.address.expose().parse().map_err(unreadable)?;
        config.connect_timeout(CONNECT_WAIT_MAX).tcp_user_timeout(SILENCE_MAX);
        config.keepalives_idle(SILENCE_MAX).keepalives_interval(KEEPALIVE_EVERY).keepalives_retries(KEEPALIVES_MAX);
        if config.get_application_name().is_none() {
            config.application_name("refairn-bridge");
        }
        if config.get_hosts().is_empty() {
            // A certificate may be for an address.
            for addr in config.get_hostaddrs().to_vec() {
                config.host(addr.to_string());
            }
        }
        // A socket in the file system needs no TLS, and has none.
        let local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(if local { SslMode::Disable } else { tls::mode(&url.tls) });
        Ok(Self { config, tls: tls::connector(&url.tls)?, session: SESSION.to_owned(), talkers: Tasks::new() })
    }

    /// The same, whose connections work in this schema whatever their user's `search_path` becomes.
    pub(super) fn in_schema(self, schema: &str) -> Self {
        let session = format!("{SESSION}; {}", enter(schema));
        Self { session, ..self }
    }

    /// A connection without a set-up, and what talks for it.
    pub(super) async fn connect(&self) -> Result<(Client, Talker), StoreError> {
        self.config.connect(self.tls.clone()).await.map_err(|e| store_error(&e))
    }

    /// A connection that is set up.
    pub(super) async fn open(&self) -> Result<Connection, StoreError> {
        let deadline = Instant::now() + CONNECT_WAIT_MAX;
        let (client, talker) = timeout_at(deadline, self.connect()).await.map_err(|_| silent())??;
        let end = CancellationToken::new();
        let ended = end.clone();
        self.talkers.spawn(async move {
            tokio::select! {
                // A caller that waits for an answer gets the error that ends it.
                _ = talker => {}
                () = ended.cancelled() => {}
            }
        });
        let connection = Connection { client, statements: Statements::default(), _end: end.drop_guard() };
        timeout_at(deadline, connection.run(&self.session)).await.map_err(|_| occupied())??;
        Ok(connection)
    }

    /// Waits until the connections that were given up are closed.
    pub(super) async fn close(&self) {
        // One that somebody still has ends with the process.
        let _ = self.talkers.stop(CLOSE_WAIT_MAX).await;
    }
}

/// The statement that makes a connection work in a schema.
pub(super) fn enter(schema: &str) -> String {
    format!("SET search_path = \"{}\"", schema.replace('"', "\"\""))
}

/// A connection that is set up. It is closed when it is dropped, whatever is on its way.
pub(super) struct Connection {
    client: Client,
    statements: Statements,
    _end: DropGuard,
}

impl Connection {
    /// Whether the other end is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements without parameters.
    pub(super) async fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.client.batch_execute(sql).await.map_err(|e| store_error(&e))
    }

    /// The first row that statements without parameters give, as texts.
    pub(super) async fn ask(&self, sql: &str) -> Result<Vec<Option<String>>, StoreError> {
        let messages = self.client.simple_query(sql).await.map_err(|e| store_error(&e))?;
        let row = messages
            .into_iter()
            .find_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None });
        let row = row.ok_or_else(|| StoreError::Data("the server answered without a row".to_owned()))?;
        Ok((0..row.len()).map(|n| row.get(n).map(str::to_owned)).collect())
    }

    /// Begins a transaction. Dropped before its commit, it is rolled back.
    pub(super) async fn transaction(&mut self) -> Result<Session<'_>, StoreError> {
        let Self { client, statements, .. } = self;
        let transaction = client.transaction().await.map_err(|e| store_error(&e))?;
        Ok(Session { transaction, statements })
    }

    /// Its client and statements, to run one outside of a transaction.
    pub(super) const fn parts(&self) -> (&Client, &Statements) {
        (&self.client, &self.statements)
    }
}
