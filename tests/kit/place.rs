//! Where a test keeps its store.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use refairn_bridge::domain::database::ServerUrl;
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::store::Store;
use refairn_bridge::tasks::Tasks;

use super::postgres::Database;

/// Connections of one store.
const CONNECTIONS_MAX: usize = 16;

/// A file of the test's own, or the store in a database of a PostgreSQL server.
pub enum Place {
    File(tempfile::TempDir),
    Server(Store),
}

/// A database that one world after the other lives in.
pub struct Server {
    url: ServerUrl,
    /// One store for each policy. Its connections stay: opening them takes longer than most worlds live.
    stores: Mutex<Vec<(Policy, Store)>>,
    admin: tokio_postgres::Client,
}

impl Place {
    /// A file that is not there yet.
    pub fn file() -> Self {
        Self::File(scratch())
    }

    /// The database, with nothing in it, for a world that decides by this policy.
    pub async fn emptied(server: &Server, policy: &Policy) -> Self {
        // The rows of few small tables are sooner deleted than their files are made anew.
        let sql = "SET session_replication_role = replica; DO $$ DECLARE name TEXT; BEGIN \
             FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_version' \
             LOOP EXECUTE format('DELETE FROM %I', name); END LOOP; END $$";
        server.admin.batch_execute(sql).await.expect("emptied");
        Self::Server(server.store(policy).await)
    }

    /// Opens the store on what is there.
    pub fn open(&self, policy: &Policy) -> Store {
        match self {
            Self::File(folder) => Store::open(&folder.path().join("bridge.db"), policy.clone()).expect("a store"),
            Self::Server(store) => store.clone(),
        }
    }
}

impl Server {
    /// Connects to a database on the runtime that is running.
    pub async fn new(database: &Database) -> Self {
        let url = ServerUrl::parse(&database.url()).expect("an address");
        // It makes the tables.
        let policy = Policy::default();
        let store = Store::connect(&url, CONNECTIONS_MAX, policy.clone()).await.expect("a store");
        let config: tokio_postgres::Config = database.url().parse().expect("an address");
        let (admin, connection) = config.connect(tokio_postgres::NoTls).await.expect("connected");
        // It ends with the client.
        Tasks::new().spawn(async { connection.await.expect("connected") });
        Self { url, stores: Mutex::new(vec![(policy, store)]), admin }
    }

    /// The store that decides by this policy.
    async fn store(&self, policy: &Policy) -> Store {
        let open = || self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open().iter().find(|(of, _)| of == policy).map(|(_, store)| store.clone());
        if let Some(store) = known {
            return store;
        }
        let store = Store::connect(&self.url, CONNECTIONS_MAX, policy.clone()).await.expect("a store");
        open().push((policy.clone(), store.clone()));
        store
    }
}

/// A folder in memory where the system has one: tests open thousands of databases, and prove no durability with them.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}

/// A file or a folder of npm's packages, as `./test` fetched them.
pub fn package(path: &str) -> PathBuf {
    super::tool(&format!("npm/node_modules/{path}"))
}
