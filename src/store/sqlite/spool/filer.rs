//! The spool's thread: records what comes together in one commit, and answers when that is synced.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{mpsc, oneshot};

use super::file::Tables;
use crate::domain::event::{EventId, NewEvent, Recorded};
use crate::store::StoreError;
use crate::store::inbox::record::FIND;
use crate::store::numbering::Numbered;
use crate::store::sqlite::checkpoints::Checkpoints;
use crate::store::sqlite::register::{Entry, Key, Register, key};
use crate::tasks::Pulse;

/// Orders that are carried out together: records that share one commit, nearly always.
const GROUP_ORDERS_MAX: usize = 256;
/// The longest that one group may take.
const GROUP_WAIT_MAX: Duration = Duration::from_secs(180);

/// What comes to the spool.
pub(super) enum Order {
    Record(NewEvent, Tell),
    /// Say whether the file takes writes.
    Probe(oneshot::Sender<Result<(), StoreError>>),
    /// Leave no trace of the first so many that ever came; they are in the database, on disk.
    Cleanse(u64, oneshot::Sender<Result<(), StoreError>>),
    /// Nothing comes after it.
    End,
}

/// Who waits for a record.
type Tell = oneshot::Sender<Result<Recorded, StoreError>>;

/// The thread's own.
pub(super) struct Filer {
    pub(super) tables: Tables,
    /// Reads the database.
    pub(super) database: Connection,
    pub(super) register: Arc<Register>,
    /// Syncs the file's log.
    pub(super) sync: Box<dyn FnMut() -> io::Result<()> + Send>,
    pub(super) checkpoints: Checkpoints,
}

impl Filer {
    /// Works until nothing comes any more. `wake` tells the writer that much waits.
    ///
    /// # Errors
    /// A sync has failed: what is on disk nobody knows, so nothing is taken any more.
    pub(super) fn work(
        &mut self,
        mut orders: mpsc::Receiver<Order>,
        pulse: &Pulse,
        wake: &impl Fn(),
    ) -> Result<(), StoreError> {
        let mut is_open = true;
        while is_open {
            let Some(first) = orders.blocking_recv() else { break };
            let _step = pulse.step(GROUP_WAIT_MAX);
            let (mut events, mut tells, mut probes, mut to_cleanse) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            let rest = std::iter::from_fn(|| orders.try_recv().ok()).take(GROUP_ORDERS_MAX - 1);
            for order in std::iter::once(first).chain(rest) {
                match order {
                    Order::Record(event, tell) => {
                        events.push(event);
                        tells.push(tell);
                    }
                    Order::Probe(tell) => probes.push(tell),
                    Order::Cleanse(until, tell) => to_cleanse.push((until, tell)),
                    Order::End => is_open = false,
                }
            }
            if !events.is_empty() && self.record(events, tells)? {
                wake();
            }
            // Nobody may be waiting for any of these any more.
            if !probes.is_empty() {
                let probed = self.tables.probe();
                probes.into_iter().for_each(|tell| drop(tell.send(probed.clone())));
            }
            for (until, tell) in to_cleanse {
                let _ = tell.send(self.tables.cleanse(until));
            }
            self.checkpoints.look(self.tables.db());
        }
        Ok(())
    }

    /// Records a group and answers. Tells whether the writer has to be woken.
    fn record(&mut self, events: Vec<NewEvent>, tells: Vec<Tell>) -> Result<bool, StoreError> {
        let filed = self.register.wait_for_room().and_then(|()| self.file(events));
        let (recorded, new) = match filed {
            Ok(filed) => filed,
            Err(error) => {
                refuse(tells, &error);
                return Ok(false);
            }
        };
        if !new.is_empty()
            && let Err(error) = (self.sync)()
        {
            let error = StoreError::from_io("cannot sync the spool's log", &error);
            refuse(tells, &error);
            return Err(error);
        }
        let is_much = self.register.spooled(new);
        for (tell, recorded) in tells.into_iter().zip(recorded) {
            // The sender may be gone: a closed webhook connection takes nothing back.
            let _ = tell.send(Ok(recorded));
        }
        Ok(is_much)
    }

    /// Enters a group, and writes what is new of it.
    fn file(&mut self, events: Vec<NewEvent>) -> Result<(Vec<Recorded>, Vec<Numbered>), StoreError> {
        let keys: Vec<Key> = events.iter().map(key).collect();
        let entries = self.register.enter(&keys);
        let filed = self.look_up(&keys, &entries).and_then(|stored| {
            let (mut recorded, mut new, mut numbers) = (Vec::new(), Vec::new(), stored.clone());
            for ((event, key), entry) in events.into_iter().zip(&keys).zip(&entries) {
                let known = numbers.get(key).copied();
                let (id, is_new) = match *entry {
                    Entry::New | Entry::Again => (known.unwrap_or_else(|| self.register.next()), known.is_none()),
                    Entry::Claimed(id) => (id, true),
                    Entry::Known(id) => (id, false),
                };
                numbers.insert(key, id);
                recorded.push(Recorded { id, duplicate: !is_new });
                new.extend(is_new.then_some(Numbered { id, event }));
            }
            if !new.is_empty() {
                self.tables.write(&new, self.register.count_synced())?;
            }
            stored.keys().for_each(|key| self.register.leave(key));
            Ok((recorded, new))
        });
        filed.inspect_err(|_| {
            let is_entered = |entry: &Entry| matches!(entry, Entry::New | Entry::Claimed(_));
            let entered = keys.iter().zip(&entries).filter(|(_, entry)| is_entered(entry));
            entered.for_each(|(key, _)| self.register.leave(key));
        })
    }

    /// The events of which nobody knows and that the database has, as it is now.
    fn look_up<'a>(&self, keys: &'a [Key], entries: &[Entry]) -> Result<HashMap<&'a Key, EventId>, StoreError> {
        let moment = self.database.unchecked_transaction()?;
        let mut find = moment.prepare_cached(FIND)?;
        let mut stored = HashMap::new();
        for (key, _) in keys.iter().zip(entries).filter(|(_, entry)| matches!(entry, Entry::New)) {
            let (endpoint, dedup_key) = key;
            if let Some(id) = find.query_row([endpoint, dedup_key], |row| row.get(0)).optional()? {
                stored.insert(key, EventId(id));
            }
        }
        Ok(stored)
    }
}

fn refuse(tells: Vec<Tell>, error: &StoreError) {
    for tell in tells {
        let _ = tell.send(Err(error.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::store::sqlite::reader;
    use crate::store::sqlite::spool::file;
    use crate::store::sqlite::upgrade;
    use crate::store::tests::event;

    /// Records one event on a disk that syncs so; gives how the thread ended, what was told, and how many wait to be moved.
    fn record(
        sync: impl Fn(&mut oneshot::Receiver<Result<Recorded, StoreError>>) -> io::Result<()> + Send + 'static,
    ) -> (Result<(), StoreError>, Option<Result<Recorded, StoreError>>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bridge.db");
        drop(upgrade::open(&path).unwrap());
        let mut db = file::open(&path, |_| Ok(())).unwrap();
        let checkpoints = Checkpoints::start(&file::place(&path), &mut db).unwrap();
        let (tell, told) = oneshot::channel();
        let told = Arc::new(Mutex::new(told));
        let (looked, register) = (told.clone(), Arc::<Register>::default());
        let mut filer = Filer {
            tables: Tables::new(db),
            database: reader(&path).unwrap(),
            register: register.clone(),
            sync: Box::new(move || sync(&mut looked.lock().unwrap())),
            checkpoints,
        };
        let (orders, waiting) = mpsc::channel(2);
        assert!(orders.try_send(Order::Record(event("evt_a"), tell)).is_ok());
        drop(orders);
        let ended = filer.work(waiting, &Pulse::new("a test"), &|| {});
        let told = told.lock().unwrap().try_recv().ok();
        (ended, told, register.entered())
    }

    #[test]
    fn a_record_is_answered_for_when_it_is_synced() {
        let (ended, told, entered) = record(|told| {
            assert!(told.try_recv().is_err(), "nothing is synced");
            Ok(())
        });
        assert_eq!((ended, told, entered), (Ok(()), Some(Ok(Recorded { id: EventId(1), duplicate: false })), 1));
    }

    #[test]
    fn a_record_whose_sync_fails_is_not_answered_for() {
        let (ended, told, entered) = record(|_| Err(io::ErrorKind::StorageFull.into()));
        assert!(ended.is_err(), "nothing is taken any more");
        assert!(matches!(told, Some(Err(_))), "{told:?}");
        assert_eq!(entered, 0);
    }
}
