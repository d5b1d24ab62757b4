//! The one writer: a thread that owns the connection, and commits together what arrives together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Sql, StoreError};
use crate::crash::{self, Point};
use crate::tasks::Pulse;

/// How long SQLite waits for a lock that another process (a backup, a shell) holds.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Writes that may wait; beyond that webhooks are answered 503.
const WRITES_WAITING_MAX: usize = 1024;
/// Writes that share one commit.
const GROUP_WRITES_MAX: usize = 256;
/// The longest that one group may take, from its first write to the end of its commit.
const GROUP_WAIT_MAX: Duration = Duration::from_secs(180);
/// Above this the write-ahead log is copied into the database, between two commits.
pub(in crate::store) const WAL_BYTES_SOFT_MAX: u64 = 8 * 1024 * 1024;
/// Pages that the writing connection keeps in memory, KiB.
const CACHE_KIB: i64 = 8 * 1024;
/// Statements that it keeps prepared: all that there are, and those that write what changes in a delivery.
const STATEMENTS_MAX: usize = 128;
/// What a log that begins anew keeps of its file, to be written over.
const WAL_BYTES_KEPT: i64 = 4 * 1024 * 1024;

/// Runs inside the group's transaction, if there is one; hands back what to do when the transaction's fate is known.
type Job = Box<dyn FnOnce(Result<&Sql, StoreError>) -> Finish + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

enum Finish {
    /// Keep what was written, and tell the caller once it is on disk.
    Keep(Answer),
    /// Undo what was written, and tell why.
    Undo(StoreError, Answer),
}

/// A handle on the writer; cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    ended: Arc<tokio::sync::Mutex<Option<oneshot::Receiver<()>>>>,
    closing: tokio_util::sync::CancellationToken,
    pulse: Pulse,
}

/// Opens the writing connection: write-ahead log, every commit synced.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let db = Connection::open(path)?;
    db.busy_timeout(BUSY_WAIT)?;
    let journal: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !journal.eq_ignore_ascii_case("wal") {
        return Err(StoreError::Io(format!(
            "the file system does not allow a write-ahead log (journal mode {journal})"
        )));
    }
    db.pragma_update(None, "synchronous", "FULL")?;
    // Without this the bundled SQLite plans a statement anew whenever a value is bound that its statistics might know.
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A file of its full length would count as grown for ever, and be copied after every group.
    db.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    // What a job may have to undo is kept in memory: a file would be written again and again, and outlive nothing.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    // Its own choice is 2 MB. The pages of a group of writes, and the inner pages of the indexes, are read again and again.
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(db)
}

impl Writer {
    pub(super) fn start(db: Connection, path: &Path) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(WRITES_WAITING_MAX);
        let (ended, end) = oneshot::channel();
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let closing = tokio_util::sync::CancellationToken::new();
        let pulse = Pulse::new("store-writer");
        let beating = pulse.clone();
        let run = move || {
            let work = || work(Sql(Mutex::new(db)), queue, &PathBuf::from(wal), &beating);
            let done = catch_unwind(AssertUnwindSafe(work));
            beating.ended(done.is_err());
            // Nobody may be waiting for the end.
            let _ = ended.send(());
        };
        thread.spawn(run).map_err(|e| StoreError::Io(format!("cannot start the writer's thread: {e}")))?;
        Ok(Self { jobs, ended: Arc::new(tokio::sync::Mutex::new(Some(end))), closing, pulse })
    }

    /// The pulse of the thread.
    pub(super) const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Writes, waiting for a place in the queue.
    pub(super) async fn write<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Sql) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = job(write);
        if self.closing.is_cancelled() {
            return Err(StoreError::Closed);
        }
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes, or fails at once when too much is waiting.
    pub(super) async fn write_soon<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Sql) -> Result<T, StoreError> + Send + 'static,
    {
        let (job, answer) = job(write);
        if self.closing.is_cancelled() {
            return Err(StoreError::Closed);
        }
        self.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Takes no more writes and waits until the queue is empty.
    pub(super) async fn close(&self) {
        let end = self.ended.lock().await.take();
        self.closing.cancel();
        let last: Job = Box::new(|_| Finish::Undo(StoreError::Closed, Box::new(|_| ())));
        if let (Ok(()), Some(end)) = (self.jobs.send(last).await, end) {
            // An error means that the thread has ended already.
            let _ = end.await;
        }
    }
}

fn job<T, F>(write: F) -> (Job, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: FnOnce(&Sql) -> Result<T, StoreError> + Send + 'static,
{
    let (tell, answer) = oneshot::channel();
    // A write that panics is undone like any that fails, and the thread goes on.
    let write = |db: &Sql| catch_unwind(AssertUnwindSafe(|| write(db))).unwrap_or(Err(StoreError::Panicked));
    let job: Job = Box::new(move |db| match db.and_then(write) {
        // The caller may be gone: a closed webhook connection takes nothing back.
        Ok(value) => Finish::Keep(Box::new(move |committed| {
            let _ = tell.send(committed.map(|()| value));
        })),
        Err(error) => Finish::Undo(
            error,
            Box::new(move |outcome| {
                let _ = tell.send(Err(outcome.err().unwrap_or(StoreError::Closed)));
            }),
        ),
    });
    (job, answer)
}

fn work(db: Sql, mut queue: mpsc::Receiver<Job>, wal: &Path, pulse: &Pulse) {
    let mut closed = false;
    while let Some(first) = (!closed).then(|| queue.blocking_recv()).flatten() {
        let _step = pulse.step(GROUP_WAIT_MAX);
        let mut group = vec![first];
        while group.len() < GROUP_WRITES_MAX
            && let Ok(job) = queue.try_recv()
        {
            group.push(job);
        }
        closed = commit_group(&db, group);
        checkpoint(&db.connection(), wal);
    }
    // A clean stop leaves one file with everything in it; a failure leaves the log for the next start.
    let fold = || db.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let _ = crash::during(Point::Checkpointing, fold);
}

/// Runs the jobs in one transaction. A job that fails is undone alone; a failed commit fails all. True when one of
/// them was the last.
fn commit_group(db: &Sql, group: Vec<Job>) -> bool {
    let mut kept: Vec<Answer> = Vec::with_capacity(group.len());
    let mut closed = false;
    let mut broken = db.connection().execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from).err();
    for job in group {
        let ready = match &broken {
            None => run(db, "SAVEPOINT job"),
            Some(error) => Err(error.clone()),
        };
        match job(ready.map(|()| db)) {
            Finish::Keep(answer) => {
                broken = run(db, "RELEASE job").err();
                kept.push(answer);
            }
            Finish::Undo(error, answer) => {
                closed |= error == StoreError::Closed;
                if broken.is_none() {
                    // A full disk or an I/O error can end the whole transaction, and with it what others wrote.
                    broken = db.connection().execute_batch("ROLLBACK TO job; RELEASE job").err().map(|_| error.clone());
                }
                answer(Err(error));
            }
        }
    }
    let committed = match broken {
        None => db.connection().execute_batch("COMMIT").map_err(StoreError::from),
        Some(error) => Err(error),
    };
    if committed.is_err() && !db.connection().is_autocommit() {
        // Nothing better can be done if this fails too: the next BEGIN will say so.
        let _ = db.connection().execute_batch("ROLLBACK");
    }
    for answer in kept {
        answer(committed.clone());
    }
    closed
}

fn run(db: &Sql, sql: &str) -> Result<(), StoreError> {
    db.connection().prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Copies the log into the database when it has grown, after the answers are out.
fn checkpoint(db: &Connection, wal: &Path) {
    let grown = std::fs::metadata(wal).is_ok_and(|m| m.len() > WAL_BYTES_SOFT_MAX);
    if grown {
        // PASSIVE waits for nobody; what a reader still needs is copied after a later group.
        let copy = || db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        let _ = crash::during(Point::Checkpointing, copy);
    }
}
