//! Copying the write-ahead log into the database: on a thread and a connection of its own, while the writer goes on. What
//! was written meanwhile is little, and the writer copies that itself, so that the log can begin anew.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::StoreError;
use crate::crash::{self, Point};

/// Above this the write-ahead log is copied into the database.
pub(in crate::store) const WAL_BYTES_SOFT_MAX: u64 = 8 * 1024 * 1024;
/// Above this the writer copies it, and senders wait for that.
const WAL_BYTES_HARD_MAX: u64 = 64 * 1024 * 1024;

/// Nobody copies.
const IDLE: u8 = 0;
/// The thread is asked to copy, or copies.
const COPYING: u8 = 1;
/// It has copied what there was: the rest is the writer's.
const COPIED: u8 = 2;

/// The writer's side.
pub(super) struct Checkpoints {
    /// What is in the log, bytes. Its file may be longer: what was written there before is written over.
    logged: Arc<AtomicU64>,
    /// Commits that wrote to it.
    commits: Arc<AtomicU64>,
    state: Arc<AtomicU8>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread for the database at `path`, whose writing connection is `writer`.
    pub(super) fn start(path: &Path, writer: &mut Connection) -> Result<Self, StoreError> {
        let page: u32 = writer.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let logged = Arc::new(AtomicU64::new(0));
        let commits = Arc::new(AtomicU64::new(0));
        let of_hook = (logged.clone(), commits.clone());
        writer.wal_hook(Some(move |_: &mut Wal, pages| {
            of_hook.1.fetch_add(1, Ordering::Relaxed);
            of_hook.0.store(u64::try_from(pages).unwrap_or(0) * u64::from(page), Ordering::Relaxed);
            Ok(())
        }))?;
        let db = Connection::open(path)?;
        let (wake, asked) = mpsc::sync_channel(1);
        let state = Arc::new(AtomicU8::new(IDLE));
        let of_thread = state.clone();
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned());
        let thread = thread
            .spawn(move || copy_when_asked(&db, &asked, &of_thread))
            .map_err(|e| StoreError::Io(format!("cannot start the thread for checkpoints: {e}")))?;
        Ok(Self { logged, commits, state, wake: Some(wake), thread: Some(thread) })
    }

    /// How many commits of the writer's have written to the log.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Looks after a commit whether there is anything to copy. `db` is the writer's own connection.
    pub(super) fn look(&self, db: &Connection) {
        match (self.state.load(Ordering::Acquire), self.logged.load(Ordering::Relaxed)) {
            (COPIED, _) => {
                self.state.store(IDLE, Ordering::Release);
                copy(db);
            }
            (_, bytes) if bytes > WAL_BYTES_HARD_MAX => copy(db),
            (IDLE, bytes) if bytes > WAL_BYTES_SOFT_MAX => {
                self.state.store(COPYING, Ordering::Release);
                if self.wake.as_ref().is_none_or(|wake| wake.try_send(()).is_err()) {
                    self.state.store(COPIED, Ordering::Release);
                }
            }
            _ => {}
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn copy_when_asked(db: &Connection, asked: &Receiver<()>, state: &AtomicU8) {
    while asked.recv().is_ok() {
        copy(db);
        state.store(COPIED, Ordering::Release);
    }
}

fn copy(db: &Connection) {
    crash::during(Point::Checkpointing, || copy_what_is_there(db));
}

/// Waits for nobody: what a reader still needs is copied a later time.
pub(super) fn copy_what_is_there(db: &Connection) {
    let _ = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
}
