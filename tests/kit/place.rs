//! Where a test keeps its store.

use std::path::Path;
use std::sync::{Arc, Mutex};

use refairn_bridge::app::Ledger;
use refairn_bridge::domain::database::ServerUrl;
use refairn_bridge::domain::delivery::{Delivery, Settlement};
use refairn_bridge::domain::person::{Person, Plan};
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::store::{Planner, Store};
use refairn_bridge::tasks::Tasks;

use super::postgres::Database;

/// A file of the test's own, or a database of a PostgreSQL server.
pub enum Place {
    File(tempfile::TempDir),
    Server(Arc<Server>),
}

/// A database that one world after the other lives in. Its connections stay: opening them takes longer than most
/// worlds live.
pub struct Server {
    store: Store,
    policy: Arc<Mutex<Policy>>,
    admin: tokio_postgres::Client,
}

impl Place {
    /// A file that is not there yet.
    pub fn file() -> Self {
        Self::File(scratch())
    }

    /// The database, with nothing in it.
    pub async fn emptied(server: &Arc<Server>) -> Self {
        // The rows of few small tables are sooner deleted than their files are made anew.
        let sql = "SET session_replication_role = replica; DO $$ DECLARE name TEXT; BEGIN \
             FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_version' \
             LOOP EXECUTE format('DELETE FROM %I', name); END LOOP; END $$";
        server.admin.batch_execute(sql).await.expect("emptied");
        Self::Server(Arc::clone(server))
    }

    /// Opens the store on what is there.
    pub fn open(&self, policy: &Policy) -> Store {
        match self {
            Self::File(folder) => {
                let planner = Arc::new(Ledger(policy.clone()));
                Store::open(&folder.path().join("bridge.db"), planner).expect("a store")
            }
            Self::Server(server) => {
                policy.clone_into(&mut server.policy.lock().expect("unpoisoned"));
                server.store.clone()
            }
        }
    }
}

impl Server {
    /// Connects to a database on the runtime that is running.
    pub async fn new(database: &Database) -> Self {
        let policy = Arc::new(Mutex::new(Policy::default()));
        let url = ServerUrl::parse(&database.url()).expect("an address");
        let store = Store::connect(&url, 16, Arc::new(Changing(Arc::clone(&policy)))).await.expect("a store");
        let config: tokio_postgres::Config = database.url().parse().expect("an address");
        let (admin, connection) = config.connect(tokio_postgres::NoTls).await.expect("connected");
        // It ends with the client.
        Tasks::new().spawn(async { connection.await.expect("connected") });
        Self { store, policy, admin }
    }
}

/// The ledger, under the policy of whichever world is there now.
struct Changing(Arc<Mutex<Policy>>);

impl Changing {
    fn ledger(&self) -> Ledger {
        Ledger(self.0.lock().expect("unpoisoned").clone())
    }
}

impl Planner for Changing {
    fn plan(&self, person: &Person, now: jiff::Timestamp) -> Plan {
        self.ledger().plan(person, now)
    }

    fn conflict(&self, person: &Person, delivery: &Delivery) -> Settlement {
        self.ledger().conflict(person, delivery)
    }
}

/// A folder in memory where the system has one: tests open thousands of databases, and prove no durability with them.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}
