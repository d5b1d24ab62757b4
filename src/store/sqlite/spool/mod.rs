//! The spool: a file beside the database in which events are recorded first, so that who sends one waits for that and for
//! nothing else. The writer moves them into the database with what it writes next.

mod file;
mod filer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::checkpoints::Checkpoints;
use super::register::Register;
use super::syncs;
use super::writer::full_or_closed;
use super::{StoreError, beside};
use crate::domain::event::{NewEvent, Recorded};
use crate::tasks::Pulse;
use file::{Tables, place};
pub(super) use file::{look_into, open, remove};
use filer::{Filer, Order};

/// Records that may wait; beyond that webhooks are answered 503.
const RECORDS_WAITING_MAX: usize = 1024;

/// A handle on the spool; cheap to clone.
#[derive(Clone)]
pub(super) struct Spool {
    orders: mpsc::Sender<Order>,
    ended: Arc<tokio::sync::Mutex<Option<oneshot::Receiver<()>>>>,
    pulse: Pulse,
}

impl Spool {
    /// Starts the thread. `database` is a connection that reads the database; `wake` tells the writer that much waits.
    pub(super) fn start(
        path: &Path,
        mut db: Connection,
        database: Connection,
        register: Arc<Register>,
        wake: impl Fn() + Send + 'static,
    ) -> Result<Self, StoreError> {
        let place = place(path);
        let checkpoints = Checkpoints::start(&place, &mut db)?;
        let sync = syncs::of_log(&beside(&place, "-wal"))?;
        // A commit writes to the log, and the thread syncs it.
        db.pragma_update(None, "synchronous", "NORMAL")?;
        let (orders, waiting) = mpsc::channel(RECORDS_WAITING_MAX);
        let (ended, end) = oneshot::channel();
        let pulse = Pulse::new("store-spool");
        let beating = pulse.clone();
        let tables = Tables::new(db);
        let mut filer = Filer { tables, database, register, sync: Box::new(sync), checkpoints };
        let run = move || {
            let work = || filer.work(waiting, &beating, &wake);
            let done = catch_unwind(AssertUnwindSafe(work));
            if !matches!(done, Ok(Ok(()))) {
                beating.ended(done.is_err());
            }
            drop(filer);
            // Nobody may be waiting for the end.
            let _ = ended.send(());
        };
        let thread = std::thread::Builder::new().name("store-spool".to_owned());
        thread.spawn(run).map_err(|e| StoreError::Io(format!("cannot start the thread of the spool: {e}")))?;
        Ok(Self { orders, ended: Arc::new(tokio::sync::Mutex::new(Some(end))), pulse })
    }

    /// The pulse of the thread.
    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Records an event, or fails at once when too much is waiting.
    pub(super) async fn record(&self, event: NewEvent) -> Result<Recorded, StoreError> {
        let (tell, answer) = oneshot::channel();
        self.orders.try_send(Order::Record(event, tell)).map_err(full_or_closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Whether it takes writes now. Fails at once when too much is waiting.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let (tell, answer) = oneshot::channel();
        self.orders.try_send(Order::Probe(tell)).map_err(full_or_closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Leaves no trace of the first `until` events that ever came. They are in the database, on disk.
    pub(super) async fn cleanse(&self, until: u64) -> Result<(), StoreError> {
        let (tell, answer) = oneshot::channel();
        self.orders.send(Order::Cleanse(until, tell)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Takes nothing more, and waits until what waits is recorded.
    pub(super) async fn close(&self) {
        let end = self.ended.lock().await.take();
        if let (Ok(()), Some(end)) = (self.orders.send(Order::End).await, end) {
            // An error means that the thread has ended already.
            let _ = end.await;
        }
    }
}
