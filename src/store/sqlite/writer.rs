//! The one writer: a thread that owns the connection, and commits together what arrives together, with what is in the spool
//! by then. Another thread syncs, and answers.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::checkpoints::Checkpoints;
use super::groups::{Order, Waiting};
use super::register::Register;
use super::session::{Sql, Uncommitted, plan_once};
use super::syncs::Syncs;
use super::{StoreError, run};
use crate::crash::{self, Point};
use crate::store::inbox::record::Move;
use crate::tasks::Pulse;

/// How long SQLite waits for a lock that another process (a backup, a shell) holds.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Writes that may wait; beyond that callers wait for a place.
const WRITES_WAITING_MAX: usize = 1024;
/// The longest that one group may take, from its first write to the end of its commit, and until there is a place to be synced.
const GROUP_WAIT_MAX: Duration = Duration::from_secs(180);
/// How long the log waits for its readers before it is emptied. Others wait meanwhile.
const EMPTY_WAIT_MAX: Duration = Duration::from_millis(20);
/// How often that is tried, and how long nobody waits in between.
const EMPTY_TRIES_MAX: u32 = 300;
const EMPTY_REST: Duration = Duration::from_millis(100);
/// Pages that the writing connection keeps in memory, KiB.
const CACHE_KIB: i64 = 8 * 1024;
/// Statements that it keeps prepared: all that there are, and those that write what changes in a delivery.
const STATEMENTS_MAX: usize = 128;
/// What a log that begins anew keeps of its file, to be written over: more than it needs, but for bursts.
const WAL_BYTES_KEPT: i64 = 16 * 1024 * 1024;

/// A write that waits for its turn. It may be run more than once: what an earlier run wrote was undone.
trait Job: Send {
    /// Writes, inside the group's transaction.
    fn run(&mut self, db: &Sql) -> Result<(), StoreError>;
    /// Tells the caller what became of the last run, when that is known.
    fn answer(self: Box<Self>, fate: Result<(), StoreError>);
}

type AnyJob = Box<dyn Job>;

/// A write, what its last run gave, and who waits for that.
struct Writing<F, T> {
    write: F,
    given: Option<T>,
    tell: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Writing<F, T>
where
    T: Send,
    F: Fn(&Sql) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, db: &Sql) -> Result<(), StoreError> {
        // A write that panics is undone like any that fails, and the thread goes on.
        let run = catch_unwind(AssertUnwindSafe(|| (self.write)(db)));
        self.given = Some(run.unwrap_or(Err(StoreError::Panicked))?);
        Ok(())
    }

    fn answer(self: Box<Self>, fate: Result<(), StoreError>) {
        // The caller may be gone: a closed webhook connection takes nothing back.
        let Self { write: _, given, tell } = *self;
        let _ = tell.send(fate.and_then(|()| given.ok_or(StoreError::Closed)));
    }
}

/// A handle on the writer; cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    orders: mpsc::Sender<Order<AnyJob>>,
    ended: Arc<tokio::sync::Mutex<Option<oneshot::Receiver<()>>>>,
    closing: tokio_util::sync::CancellationToken,
    pulses: [Pulse; 2],
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
    plan_once(&db)?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    // To write over what is there costs a sync less than to make a file longer.
    db.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    // What a job may have to undo is kept in memory: a file would be written again and again, and outlive nothing.
    db.pragma_update(None, "temp_store", "MEMORY")?;
    // Its own choice is 2 MB. The pages of a group of writes, and the inner pages of the indexes, are read again and again.
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(db)
}

impl Writer {
    /// Starts the thread for the database at `path`, whose log `sync` syncs. It moves what `register` says from the spool.
    pub(super) fn start(
        db: Sql,
        path: &Path,
        sync: impl FnMut() -> io::Result<()> + Send + 'static,
        register: Arc<Register>,
    ) -> Result<Self, StoreError> {
        let (orders, waiting) = mpsc::channel(WRITES_WAITING_MAX);
        let (ended, end) = oneshot::channel();
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let closing = tokio_util::sync::CancellationToken::new();
        let pulse = Pulse::new("store-writer");
        let beating = pulse.clone();
        let checkpoints = Checkpoints::start(path, &mut db.connection())?;
        let log = Log { checkpoints, syncs: Syncs::start(sync)?, register };
        let pulses = [log.syncs.pulse().clone(), pulse];
        // A commit writes to the log, and `syncs` syncs it.
        db.connection().pragma_update(None, "synchronous", "NORMAL")?;
        let run = move || {
            give_way();
            let work = || work(db, waiting, log, &beating);
            let done = catch_unwind(AssertUnwindSafe(work));
            beating.ended(done.is_err());
            // Nobody may be waiting for the end.
            let _ = ended.send(());
        };
        thread.spawn(run).map_err(|e| StoreError::Io(format!("cannot start the writer's thread: {e}")))?;
        Ok(Self { orders, ended: Arc::new(tokio::sync::Mutex::new(Some(end))), closing, pulses })
    }

    /// The pulses of the threads that write. That of the one for which the other waits is the first.
    pub(super) fn pulses(&self) -> [Pulse; 2] {
        self.pulses.clone()
    }

    /// Writes, waiting for a place in the queue.
    pub(super) async fn write<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Sql) -> Result<T, StoreError> + Send + 'static,
    {
        let (order, answer) = order(write);
        if self.closing.is_cancelled() {
            return Err(StoreError::Closed);
        }
        self.orders.send(order).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes, or fails at once when too much is waiting.
    pub(super) async fn write_soon<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Sql) -> Result<T, StoreError> + Send + 'static,
    {
        let (order, answer) = order(write);
        if self.closing.is_cancelled() {
            return Err(StoreError::Closed);
        }
        self.orders.try_send(order).map_err(full_or_closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Asks for a commit, if nobody else does: what is in the spool is moved with it.
    pub(super) fn wake(&self) {
        let (order, _) = order(|_| Ok(()));
        // A queue that is full is one that is being written.
        let _ = self.orders.try_send(order);
    }

    /// Empties the log, which has all that was written lately: also what was overwritten in the database since.
    pub(super) async fn empty_log(&self) -> Result<(), StoreError> {
        for _ in 0..EMPTY_TRIES_MAX {
            let (tell, answer) = oneshot::channel();
            self.orders.send(Order::EmptyLog(tell)).await.map_err(|_| StoreError::Closed)?;
            if answer.await.map_err(|_| StoreError::Closed)?? {
                return Ok(());
            }
            tokio::time::sleep(EMPTY_REST).await;
        }
        Err(StoreError::Locked("somebody reads from the log".to_owned()))
    }

    /// Takes no more writes and waits until the queue is empty.
    pub(super) async fn close(&self) {
        let end = self.ended.lock().await.take();
        self.closing.cancel();
        if let (Ok(()), Some(end)) = (self.orders.send(Order::End).await, end) {
            // An error means that the thread has ended already.
            let _ = end.await;
        }
    }
}

/// By how much the thread's priority is below that of the threads that answer webhooks, in steps of nice(2). Where there is a core
/// for each, it makes no difference.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Lets those go first who answer a webhook: they have little to do, and somebody waits for it.
fn give_way() {
    // Only Linux has a priority of one thread. It is a wish: a system that refuses it is as right with the usual one.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICE);
}

/// Why there is no place in a queue.
pub(super) fn full_or_closed<T>(error: mpsc::error::TrySendError<T>) -> StoreError {
    match error {
        mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
        mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
    }
}

fn order<T, F>(write: F) -> (Order<AnyJob>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    F: Fn(&Sql) -> Result<T, StoreError> + Send + 'static,
{
    let (tell, answer) = oneshot::channel();
    (Order::Write(Box::new(Writing { write, given: None, tell })), answer)
}

/// What becomes of the write-ahead log. What is committed is synced before the threads end.
struct Log {
    syncs: Syncs,
    checkpoints: Checkpoints,
    register: Arc<Register>,
}

fn work(db: Sql, orders: mpsc::Receiver<Order<AnyJob>>, log: Log, pulse: &Pulse) {
    let mut waiting = Waiting::new(orders);
    while waiting.wait() {
        let _step = pulse.step(GROUP_WAIT_MAX);
        if write_group(&db, waiting.group(), &log).is_err() {
            // What the log has on disk nobody knows, so it is not copied, as the last connection would at its end. The next
            // start finds out what is whole.
            std::mem::forget(db);
            return;
        }
        for tell in waiting.for_empty_log() {
            // Nobody may be waiting for it any more.
            let _ = tell.send(empty_log(&db.connection()));
        }
        log.checkpoints.look(&db.connection());
    }
    // What is left in the spool.
    while log.register.count_moved() < log.register.entered() {
        let before = log.checkpoints.commits();
        let moved = write_group(&db, std::iter::empty(), &log);
        if moved.is_err() || log.checkpoints.commits() == before {
            break;
        }
    }
    drop(log);
    #[cfg(any(test, feature = "crash-points"))]
    let _ = db.distrust();
    // A clean stop leaves one file with everything in it; a failure leaves the log for the next start.
    let fold = || db.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let _ = crash::during(Point::Checkpointing, fold);
}

/// Whether what a job wrote can be undone alone. That takes a copy of every page that it changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undo {
    Together,
    Alone,
}

/// Runs the jobs in one transaction. Nearly never does one fail: then all are undone, and the others run again, each so
/// that it can be undone alone. A failed commit fails all; after a failed sync, of which an error tells, nothing is written.
fn write_group(db: &Sql, group: impl Iterator<Item = AnyJob>, log: &Log) -> Result<(), StoreError> {
    let left = run_group(db, group, Undo::Together, log)?;
    if !left.is_empty() {
        run_group(db, left.into_iter(), Undo::Alone, log)?;
    }
    Ok(())
}

/// Runs the jobs in one transaction, and has their callers told when it is synced. Gives those that were undone with another,
/// and are to run again.
fn run_group(db: &Sql, jobs: impl Iterator<Item = AnyJob>, undo: Undo, log: &Log) -> Result<Vec<AnyJob>, StoreError> {
    let mut kept: Vec<AnyJob> = Vec::new();
    let commits = log.checkpoints.commits();
    let begun = db.run("BEGIN IMMEDIATE");
    let to_move = log.register.to_move();
    let moved = begun.and_then(|()| db.look_for_others()).and_then(|()| run(&Move(to_move.clone()), db));
    let mut broken = moved.inspect_err(|why| log.register.not_moved(why)).err();
    for mut job in jobs {
        if let Some(error) = &broken {
            job.answer(Err(error.clone()));
            continue;
        }
        // To copy all that was counted for each job would cost more than many a job.
        let before = (undo == Undo::Alone).then(|| db.uncommitted());
        let Err(error) = run_job(db, job.as_mut(), undo) else {
            kept.push(job);
            continue;
        };
        let Some(before) = before else {
            job.answer(Err(error));
            roll_back(db);
            return Ok(kept);
        };
        db.undone(before);
        // A full disk or an I/O error can end the whole transaction, and with it what others wrote.
        broken = db.connection().execute_batch("ROLLBACK TO job; RELEASE job").err().map(|_| error.clone());
        job.answer(Err(error));
    }
    let committed = match broken {
        None => db.write_counts().and_then(|()| db.run("COMMIT")),
        Some(error) => Err(error),
    };
    let tell = move |fate: Result<(), StoreError>| kept.into_iter().for_each(|job| job.answer(fate.clone()));
    match committed {
        Ok(()) => {
            let (register, claimed) = (log.register.clone(), db.committed());
            register.moved(to_move.len());
            let synced = move |fate: Result<(), StoreError>| {
                if fate.is_ok() {
                    register.synced(&to_move, &claimed);
                }
                tell(fate);
            };
            log.syncs.sync(log.checkpoints.commits() != commits, Box::new(synced))?;
        }
        Err(error) => {
            log.register.not_moved(&error);
            roll_back(db);
            tell(Err(error));
        }
    }
    Ok(Vec::new())
}

fn run_job(db: &Sql, job: &mut dyn Job, undo: Undo) -> Result<(), StoreError> {
    match undo {
        Undo::Together => job.run(db),
        Undo::Alone => {
            db.connection().execute_batch("SAVEPOINT job")?;
            job.run(db)?;
            Ok(db.connection().execute_batch("RELEASE job")?)
        }
    }
}

fn roll_back(db: &Sql) {
    db.undone(Uncommitted::default());
    if !db.connection().is_autocommit() {
        // Nothing better can be done if this fails too: the next BEGIN will say so.
        let _ = db.connection().execute_batch("ROLLBACK");
    }
}

/// Copies the log into the database and cuts it off. False when a reader needs it.
fn empty_log(db: &Connection) -> Result<bool, StoreError> {
    db.busy_timeout(EMPTY_WAIT_MAX)?;
    let is_kept = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    db.busy_timeout(BUSY_WAIT)?;
    Ok(!is_kept?)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_writer_gives_way_to_those_who_answer() {
        use rustix::process::getpriority_process;

        use super::*;
        use crate::store::sqlite::upgrade;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bridge.db");
        let (db, _) = upgrade::open(&path).unwrap();
        let db = Sql::new(db, Arc::default()).unwrap();
        let writer = Writer::start(db, &path, || Ok(()), Arc::default()).unwrap();
        let nice = writer.write(|_| Ok(getpriority_process(None))).await.unwrap().unwrap();
        assert!(nice > getpriority_process(None).unwrap(), "{nice}");
        writer.close().await;
    }
}
