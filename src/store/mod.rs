//! What is on disk. Every method says what is there after a crash: all of its effects or none, and all of them once
//! it has returned.
//!
//! One thread owns the one writing connection. Writes that arrive while it is busy share the next commit, so the
//! price of a synced commit is paid once for many. Reading for people goes through connections of its own.

pub mod body;
mod error;
mod facts;
mod intake;
mod lookups;
mod migrations;
mod operate;
mod people;
mod queue;
mod rows;
pub mod views;
mod writer;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, OpenFlags};

pub use error::StoreError;
pub use facts::{Inbox, Mapped};
pub use lookups::{Lack, Lookup, LookupEnd};
pub use operate::{Action, ActionError};
pub use queue::{AttemptRecord, Leased, Settlement};

use crate::domain::delivery::Delivery;
use crate::domain::person::{Person, Plan};
use writer::Writer;

/// Reading connections kept open.
const READERS_MAX: usize = 4;

/// What the store asks of the ledger while it holds a person's facts and calls in one transaction.
pub trait Planner: Send + Sync {
    /// See [`crate::ledger::plan`].
    fn plan(&self, person: &Person, now: jiff::Timestamp) -> Plan;

    /// What Refairn's 409 to this call means, given all other calls of the person.
    fn conflict(&self, person: &Person, delivery: &Delivery) -> Settlement;
}

/// A handle on the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    readers: Arc<Mutex<Vec<Connection>>>,
    path: Arc<PathBuf>,
    planner: Arc<dyn Planner>,
    /// Held as long as the store is open: leases are this process's alone.
    lock: Arc<File>,
}

impl Store {
    /// Opens the database at `path`, makes it and its folder when they are not there, and brings its schema up to date.
    ///
    /// # Errors
    /// The folder or file cannot be made or written, is no database, or was written by a newer version.
    pub fn open(path: &Path, planner: Arc<dyn Planner>) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|e| StoreError::from_io(&format!("cannot make the folder {}", folder.display()), &e))?;
        }
        let lock = lock(path)?;
        let mut connection = writer::open(path)?;
        migrations::run(&mut connection)?;
        queue::release_leases(&connection)?;
        let writer = Writer::start(connection, path)?;
        Ok(Self { writer, readers: Arc::default(), path: Arc::new(path.to_owned()), planner, lock: Arc::new(lock) })
    }

    /// Runs a read on a connection of its own, off the asynchronous threads.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let store = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let connection = store.take_reader()?;
            let answer = read(&connection);
            if answer.is_ok() {
                store.return_reader(connection);
            }
            answer
        });
        task.await.map_err(|_| StoreError::Closed)?
    }

    fn take_reader(&self) -> Result<Connection, StoreError> {
        let idle = self.readers.lock().ok().and_then(|mut readers| readers.pop());
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.path.as_path(), flags)?;
        connection.busy_timeout(writer::BUSY_WAIT)?;
        Ok(connection)
    }

    fn return_reader(&self, connection: Connection) {
        if let Ok(mut readers) = self.readers.lock()
            && readers.len() < READERS_MAX
        {
            readers.push(connection);
        }
    }

    /// Whether the store takes writes now: commits an empty transaction that touches the file.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.writer
            .write_soon(|db| {
                db.execute("UPDATE counts SET n = n WHERE what = 'attention'", [])?;
                Ok(())
            })
            .await
    }

    /// Ends the writer after what is queued has been written, and lets another process have the database.
    pub async fn close(&self) {
        if let Ok(mut readers) = self.readers.lock() {
            // A reader that is left open keeps the log from being folded into the database.
            readers.clear();
        }
        self.writer.close().await;
        // It cannot fail on a file that is open; and the lock ends with the process in any case.
        let _ = self.lock.unlock();
    }
}

/// Takes the lock beside the database, which one process at a time may hold.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|e| StoreError::from_io(&format!("cannot open {}", Path::new(&name).display()), &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(e)) => Err(StoreError::from_io("cannot lock the database", &e)),
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

#[cfg(test)]
mod tests;
