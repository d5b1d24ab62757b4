//! Where a test keeps its store: each test of the contract runs in both.

#[path = "../../../tests/kit/postgres.rs"]
mod postgres;

pub(super) use postgres::{Database, Server};

use crate::domain::database::ServerUrl;
use crate::domain::policy::Policy;
use crate::store::{Store, StoreError};

pub(super) enum Place {
    File(tempfile::TempDir),
    Server(Database),
}

impl Place {
    pub(super) fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    pub(super) fn server() -> Self {
        Self::Server(Database::make())
    }

    pub(super) async fn try_open(&self) -> Result<Store, StoreError> {
        let policy = Policy::default();
        match self {
            Self::File(folder) => Store::open(&folder.path().join("bridge.db"), policy),
            Self::Server(database) => Store::connect(&ServerUrl::parse(&database.url()).unwrap(), 16, policy).await,
        }
    }

    pub(super) async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    /// The store as the next process finds it after one that is gone: nobody waits for a lease to run out.
    pub(super) async fn another(&self, store: Store) -> Store {
        match self {
            Self::File(_) => store.close().await,
            Self::Server(_) => self.end_leases(),
        }
        self.open().await
    }

    /// Runs statements beside the store.
    pub(super) fn run(&self, sql: &str) {
        match self {
            Self::File(folder) => {
                let db = rusqlite::Connection::open(folder.path().join("bridge.db")).unwrap();
                db.execute_batch(sql).unwrap();
            }
            Self::Server(database) => database.run(sql),
        }
    }

    /// Ends every lease that ends by the database's clock.
    pub(super) fn end_leases(&self) {
        match self {
            Self::File(_) => {}
            Self::Server(database) => database.run("UPDATE queue SET leased_until = 0"),
        }
    }
}

/// Runs each of these tests in a file and in a server.
macro_rules! in_both {
    ($($name:ident)*) => {
        mod in_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Place::file()).await;
            })*
        }

        mod in_postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Place::server()).await;
            })*
        }
    };
}
pub(super) use in_both;
