//! What the bridge stands on: the store of a run, and what a test may do to it from outside.

use std::path::{Path, PathBuf};

use crate::kit::postgres::Server;
use crate::proxy::Proxy;

/// The store of a run.
pub(crate) enum Ground {
    /// A file.
    Sqlite(PathBuf),
    /// A server of its own, and the way to it.
    Postgres(Server, Proxy),
}

impl Ground {
    /// A file in this folder.
    pub(crate) fn sqlite(folder: &Path) -> Self {
        Self::Sqlite(folder.join("bridge.db"))
    }

    /// A server of its own, behind a proxy.
    pub(crate) async fn postgres() -> Self {
        let server = tokio::task::block_in_place(Server::own);
        let proxy = Proxy::start(server.socket()).await;
        Self::Postgres(server, proxy)
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(_, proxy) => format!("postgres://postgres@{}/postgres", proxy.addr),
        }
    }

    /// Whether what a killed process leased has to run out before others take it up.
    pub(crate) const fn leases_outlive_their_process(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    /// The minute until a paused route is probed is over now.
    pub(crate) fn minute_of_paused_routes_is_over(&self) {
        self.run("UPDATE routes SET probe_at = 0 WHERE paused_since IS NOT NULL");
    }

    /// The time for which the killed had leased or claimed anything is over now. For when none is alive: what the living
    /// have would be taken from them.
    pub(crate) fn time_of_the_dead_is_over(&self) {
        self.run("UPDATE queue SET leased_until = 0 WHERE leased = 1; UPDATE claims SET until = 0");
    }

    fn run(&self, sql: &str) {
        match self {
            Self::Sqlite(path) => {
                let db = rusqlite::Connection::open(path).expect("opened");
                db.busy_timeout(std::time::Duration::from_secs(10)).expect("patient");
                db.execute_batch(sql).expect("done");
            }
            Self::Postgres(server, _) => {
                // All may have been killed before one of them had made its tables.
                let sql = format!("DO $$ BEGIN IF to_regclass('queue') IS NOT NULL THEN {sql}; END IF; END $$");
                server.run("postgres", &[&sql]);
            }
        }
    }

    pub(crate) async fn end(self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(_, proxy) => proxy.end().await,
        }
    }
}
