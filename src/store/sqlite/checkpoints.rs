//! Copying the write-ahead log into the database: on a thread and a connection of its own, while the writer goes on. What
//! was written meanwhile is little, and the writer copies that itself, so that the log can begin anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;

use rusqlite::Connection;

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
    wal: PathBuf,
    state: Arc<AtomicU8>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread for the database at `path`.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let db = Connection::open(path)?;
        let (wake, asked) = mpsc::sync_channel(1);
        let state = Arc::new(AtomicU8::new(IDLE));
        let of_thread = state.clone();
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned());
        let thread = thread
            .spawn(move || copy_when_asked(&db, &asked, &of_thread))
            .map_err(|e| StoreError::Io(format!("cannot start the thread for checkpoints: {e}")))?;
        Ok(Self { wal: wal.into(), state, wake: Some(wake), thread: Some(thread) })
    }

    /// Looks after a commit whether there is anything to copy. `db` is the writer's own connection.
    pub(super) fn look(&self, db: &Connection) {
        match (self.state.load(Ordering::Acquire), self.bytes()) {
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

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.wal).map_or(0, |file| file.len())
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

/// Waits for nobody: what a reader still needs is copied a later time.
fn copy(db: &Connection) {
    let copy = || db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    let _ = crash::during(Point::Checkpointing, copy);
}
