//! SQLite: one process, one file. One thread owns the one writing connection; reading goes through others.

pub(super) mod backup;
mod checkpoints;
mod groups;
mod migrations;
mod register;
mod remains;
pub(super) mod schema;
pub(super) mod scratch;
mod session;
mod spool;
mod syncs;
mod upgrade;
mod writer;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::task::JoinError;

use super::sql::{Dialect, Row, UNFINISHED_COPY, Value, Work};
use super::{Home, IntegrityCheck, StoreError};
use crate::domain::event::{NewEvent, Recorded};
use crate::private;
use crate::store::inbox::record::Move;
use crate::store::numbering::Numbered;
use crate::tasks::Pulse;
#[cfg(test)]
pub(super) use checkpoints::WAL_BYTES_SOFT_MAX;
use register::Register;
use session::{Sql, plan_once, query};
use spool::Spool;
use writer::Writer;

/// Steps of SQLite's machine between two looks at the time.
const PROGRESS_STEPS: i32 = 10_000;
/// Reading connections kept open.
const READERS_MAX: usize = 4;

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub(super) struct Sqlite {
    writer: Writer,
    spool: Spool,
    register: Arc<Register>,
    readers: Arc<Mutex<Vec<Connection>>>,
    path: Arc<PathBuf>,
    home: Arc<Home>,
    /// Held as long as the store is open: leases are this process's alone.
    lock: Arc<File>,
}

impl Sqlite {
    /// Opens a store that is whole, to work with it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_if(path, |db| {
            let unfinished: bool = db.query_row(Dialect::Sqlite.has_table(), [UNFINISHED_COPY], |row| row.get(0))?;
            if unfinished { Err(StoreError::UnfinishedCopy) } else { release_leases(db) }
        })
    }

    /// Opens a store to copy another one into it: it may hold a part of that already.
    pub(super) fn open_target(path: &Path) -> Result<Self, StoreError> {
        Self::open_if(path, |_| Ok(()))
    }

    fn open_if(path: &Path, prepare: impl FnOnce(&Connection) -> Result<(), StoreError>) -> Result<Self, StoreError> {
        if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
            private::make_folders(folder)
                .map_err(|e| StoreError::from_io(&format!("cannot make the folder {}", folder.display()), &e))?;
        }
        let lock = lock(path)?;
        make_or_find(path)?;
        let (connection, is_new) = upgrade::open(path)?;
        prepare(&connection)?;
        // A process that ended by itself may have left in the log what it never synced. Copying it syncs it.
        checkpoints::copy_what_is_there(&connection);
        // SQLite puts the log beside the file that a link leads to.
        let file = fs::canonicalize(path).map_err(|e| StoreError::from_io("cannot find the database", &e))?;
        let mut sync = syncs::of_log(&beside(&file, "-wal"))?;
        let register = Arc::<Register>::default();
        let db = Sql::new(connection, register.clone())?;
        let filed = spool::open(path, |left| {
            register.begin_after(left.iter().map(|event| event.id.0).max().unwrap_or(0));
            db.write(&Move(left.into_iter().map(Arc::new).collect()))?;
            sync().map_err(|e| StoreError::from_io("cannot sync the database's log", &e))
        })?;
        let writer = Writer::start(db, path, sync, register.clone())?;
        let wake = {
            let writer = writer.clone();
            move || writer.wake()
        };
        let spool = Spool::start(path, filed, reader(path)?, register.clone(), wake)?;
        let home = Home { place: path.display().to_string(), is_new, others: Vec::new() };
        let (path, home, lock) = (Arc::new(path.to_owned()), Arc::new(home), Arc::new(lock));
        Ok(Self { writer, spool, register, readers: Arc::default(), path, home, lock })
    }

    /// The pulses of those who write.
    pub(super) fn pulses(&self) -> [Pulse; 3] {
        let [syncs, writer] = self.writer.pulses();
        [syncs, writer, self.spool.pulse()]
    }

    /// Where it is.
    pub(super) fn home(&self) -> &Home {
        &self.home
    }

    /// Records an event in the spool, or fails at once when too much is waiting.
    pub(super) async fn record(&self, event: NewEvent) -> Result<Recorded, StoreError> {
        self.spool.record(event).await
    }

    /// The oldest events that are in the spool and not in the database.
    pub(super) fn spooled(&self, events_max: u32) -> Vec<Arc<Numbered>> {
        self.register.oldest(events_max as usize)
    }

    /// Runs a read on a connection of its own, off the asynchronous threads, after all that was recorded before is in the
    /// database.
    pub(super) async fn query(&self, sql: String, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        // A disk that takes nothing more can still be read.
        let _ = self.move_what_is_spooled().await;
        self.query_as_it_is(sql, values).await
    }

    /// The same of the database as it is, without what the writer is still to move into it.
    pub(super) async fn query_as_it_is(&self, sql: String, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.look(move |db| query(db, &sql, &values)).await
    }

    /// Has what was recorded before moved into the database, on disk. Gives how many that are of all that ever were.
    async fn move_what_is_spooled(&self) -> Result<u64, StoreError> {
        let until = self.register.entered();
        while self.register.count_moved() < until {
            self.writer.write(|_| Ok(())).await?;
        }
        Ok(until)
    }

    /// Writes, waiting for a place in the queue.
    pub(super) async fn write<W: Work>(&self, work: W) -> Result<W::Answer, StoreError> {
        self.writer.write(move |db| run(&work, db)).await
    }

    /// Whether events can be recorded and moved. Fails at once when too much is waiting.
    pub(super) async fn probe<W: Work>(&self, probe: W) -> Result<W::Answer, StoreError> {
        self.spool.probe().await?;
        self.writer.write_soon(move |db| run(&probe, db)).await
    }

    /// Leaves no trace of what was removed, neither in the file nor in its log. Other writes go on in between.
    pub(super) async fn cleanse(&self) -> Result<(), StoreError> {
        let until = self.move_what_is_spooled().await?;
        // It waits for a sync in any case: what was moved before is on disk when this is written.
        self.writer.write(|_| Ok(())).await?;
        let mut next = Some(1);
        while let Some(first) = next {
            let found = self.look(move |db| remains::find(db, first)).await?;
            for pages in found.pages.chunks(remains::PAGES_WRITTEN_MAX) {
                let pages = pages.to_vec();
                self.writer.write(move |db| remains::overwrite(&db.connection(), &pages)).await?;
            }
            next = found.next;
        }
        self.writer.empty_log().await?;
        self.spool.cleanse(until).await
    }

    /// Looks into the database on a connection of its own, off the asynchronous threads.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let connection = store.take_reader()?;
            let answer = look(&connection);
            if answer.is_ok() {
                store.return_reader(connection);
            }
            answer
        });
        task.await.map_err(broken_off)?
    }

    /// Reads every page and follows every index, for so long at most.
    pub(super) async fn damage(&self, longest: Duration) -> Result<IntegrityCheck, StoreError> {
        let store = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut db = store.take_reader()?;
            let begin = Instant::now();
            db.progress_handler(PROGRESS_STEPS, Some(move || begin.elapsed() > longest))?;
            // The first finding is enough: what to do is the same.
            let found: Result<String, _> = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
            match found.map_err(|error| (error.sqlite_error_code(), error)) {
                Ok(text) if text == "ok" => Ok(IntegrityCheck::Sound),
                Ok(text) => Ok(IntegrityCheck::Damaged(text.replace('\n', " "))),
                Err((Some(ErrorCode::OperationInterrupted), _)) => Ok(IntegrityCheck::NotAll),
                Err((Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), error)) => {
                    Ok(IntegrityCheck::Damaged(error.to_string()))
                }
                Err((_, error)) => Err(error.into()),
            }
        });
        task.await.map_err(broken_off)?
    }

    fn take_reader(&self) -> Result<Connection, StoreError> {
        let idle = self.readers.lock().ok().and_then(|mut readers| readers.pop());
        if let Some(connection) = idle {
            return Ok(connection);
        }
        reader(&self.path)
    }

    fn return_reader(&self, connection: Connection) {
        if let Ok(mut readers) = self.readers.lock()
            && readers.len() < READERS_MAX
        {
            readers.push(connection);
        }
    }

    /// Ends the writer after what is queued has been written, and lets another process have the database.
    pub(super) async fn close(&self) {
        if let Ok(mut readers) = self.readers.lock() {
            // A reader that is left open keeps the log from being folded into the database.
            readers.clear();
        }
        self.spool.close().await;
        self.writer.close().await;
        if self.register.count_synced() == self.register.entered() {
            spool::remove(&self.path);
        }
        // It cannot fail on a file that is open; and the lock ends with the process in any case.
        let _ = self.lock.unlock();
    }
}

/// A connection that reads the database at `path`.
fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(writer::BUSY_WAIT)?;
    plan_once(&connection)?;
    Ok(connection)
}

/// The path with `ending` added to its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// SQLite puts files beside a database that have its permissions. So it is made here, for this user alone. And it is
/// looked at here: opened while it may not be written, it would get companions that may not be written either, when the
/// database itself can be again. Only before SQLite has it open, for to close a file ends this process's locks on it.
fn make_or_find(path: &Path) -> Result<(), StoreError> {
    let opened = private::options().append(true).create(true).open(path);
    opened.map(drop).map_err(|error| StoreError::from_io(&format!("cannot write {}", path.display()), &error))
}

/// Why a read came to no end.
fn broken_off(task: JoinError) -> StoreError {
    if task.is_panic() { StoreError::Panicked } else { StoreError::Closed }
}

/// Takes the lock beside the database, which one process at a time may hold.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = private::options().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|e| StoreError::from_io(&format!("cannot open {}", Path::new(&name).display()), &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(e)) => Err(StoreError::from_io("cannot lock the database", &e)),
    }
}

/// After a start no lease is held: one process owns the file. What was leased is due since it was due.
fn release_leases(db: &Connection) -> Result<(), StoreError> {
    db.execute(
        "UPDATE queue SET leased = 0, due_at = (SELECT d.due_at FROM deliveries d WHERE d.id = delivery_id) \
         WHERE leased = 1",
        [],
    )?;
    Ok(())
}

/// Runs a work to its end on this thread: nothing that SQLite does has to be waited for.
fn run<W: Work>(work: &W, db: &Sql) -> Result<W::Answer, StoreError> {
    let waits = || Err(StoreError::Data("a write waited for something inside its transaction".to_owned()));
    work.run(db).now_or_never().unwrap_or_else(waits)
}
