//! Syncing the write-ahead log: on a thread of its own, while the writer goes on with the next group. A commit is answered
//! for when it is synced, and in its turn.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use super::StoreError;
use crate::tasks::Pulse;

/// Groups that are committed and wait while others are synced.
const GROUPS_WAITING_MAX: usize = 1;
/// The longest that a sync may take.
const SYNC_WAIT_MAX: Duration = Duration::from_secs(180);

/// Tells those whose writes were committed together what became of them.
pub(super) type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What was committed together.
struct Committed {
    /// Whether it wrote to the log. If not, it waits for what was committed before it, and may know that.
    has_written: bool,
    tell: Tell,
}

/// The writer's side.
pub(super) struct Syncs {
    committed: Option<SyncSender<Committed>>,
    thread: Option<JoinHandle<()>>,
    pulse: Pulse,
}

/// What syncs the log at `path`, which is there as long as the database is open.
pub(super) fn of_log(path: &Path) -> Result<impl FnMut() -> io::Result<()> + Send + 'static, StoreError> {
    let what = || format!("cannot open {}", path.display());
    let log = File::open(path).map_err(|e| StoreError::from_io(&what(), &e))?;
    Ok(move || log.sync_data())
}

impl Syncs {
    /// Starts the thread. When `sync` fails, nobody can know what is on disk: the thread ends, and takes nothing any more.
    pub(super) fn start(sync: impl FnMut() -> io::Result<()> + Send + 'static) -> Result<Self, StoreError> {
        let (committed, groups) = mpsc::sync_channel(GROUPS_WAITING_MAX);
        let pulse = Pulse::new("store-sync");
        let beating = pulse.clone();
        let run = move || {
            let done = catch_unwind(AssertUnwindSafe(|| sync_groups(&groups, sync, &beating)));
            if !matches!(done, Ok(Ok(()))) {
                beating.ended(done.is_err());
            }
        };
        let thread = std::thread::Builder::new().name("store-sync".to_owned()).spawn(run);
        let thread = thread.map_err(|e| StoreError::Io(format!("cannot start the thread that syncs: {e}")))?;
        Ok(Self { committed: Some(committed), thread: Some(thread), pulse })
    }

    /// The pulse of the thread.
    pub(super) const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Has a commit synced and answered for. Waits while there is enough to sync.
    ///
    /// # Errors
    /// A sync has failed. It is answered for, by that.
    pub(super) fn sync(&self, has_written: bool, tell: Tell) -> Result<(), StoreError> {
        let Some(committed) = &self.committed else { return Err(StoreError::Closed) };
        committed.send(Committed { has_written, tell }).map_err(|unsent| {
            (unsent.0.tell)(Err(StoreError::Closed));
            StoreError::Closed
        })
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        drop(self.committed.take());
        if let Some(thread) = self.thread.take() {
            // What it had to say its pulse has said.
            let _ = thread.join();
        }
    }
}

fn sync_groups(
    groups: &Receiver<Committed>,
    mut sync: impl FnMut() -> io::Result<()>,
    pulse: &Pulse,
) -> Result<(), StoreError> {
    while let Ok(first) = groups.recv() {
        let _step = pulse.step(SYNC_WAIT_MAX);
        // One sync is for all that was committed before it began.
        let together: Vec<Committed> = std::iter::once(first).chain(groups.try_iter()).collect();
        let synced = match together.iter().any(|group| group.has_written) {
            true => sync().map_err(|e| StoreError::from_io("cannot sync the database's log", &e)),
            false => Ok(()),
        };
        for group in together {
            (group.tell)(synced.clone());
        }
        synced?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::store::sqlite::session::Sql;
    use crate::store::sqlite::upgrade;
    use crate::store::sqlite::writer::Writer;
    use crate::tasks::{How, Tasks};

    /// Longer than anything takes that happens at all, and how long is waited for what must not.
    const SOON: Duration = Duration::from_secs(20);
    const MOMENT: Duration = Duration::from_millis(50);

    /// Which commit, and what became of it.
    type Told = (u32, Result<(), StoreError>);

    /// A disk that syncs when it is told what comes of it, and says when it begins.
    struct Disk {
        syncs: Syncs,
        begun: Receiver<()>,
        end: Sender<io::Result<()>>,
        told: (Sender<Told>, Receiver<Told>),
    }

    fn disk() -> Disk {
        let ((begin, begun), (end, ended)) = (channel(), channel());
        let sync = move || {
            let _ = begin.send(());
            ended.recv().unwrap_or(Ok(()))
        };
        Disk { syncs: Syncs::start(sync).unwrap(), begun, end, told: channel() }
    }

    impl Disk {
        fn commit(&self, group: u32, has_written: bool) -> Result<(), StoreError> {
            let told = self.told.0.clone();
            self.syncs.sync(has_written, Box::new(move |fate| told.send((group, fate)).unwrap()))
        }

        fn told(&self) -> Told {
            self.told.1.recv_timeout(SOON).unwrap()
        }
    }

    #[test]
    fn a_commit_is_answered_for_when_it_is_synced() {
        let disk = disk();
        disk.commit(1, true).unwrap();
        disk.begun.recv_timeout(SOON).unwrap();
        // It came after the sync began, and may not be part of it.
        disk.commit(2, true).unwrap();
        assert!(disk.told.1.recv_timeout(MOMENT).is_err(), "nothing is synced");
        disk.end.send(Ok(())).unwrap();
        assert_eq!(disk.told(), (1, Ok(())));
        disk.begun.recv_timeout(SOON).unwrap();
        assert!(disk.told.1.recv_timeout(MOMENT).is_err(), "the second is not synced");
        disk.end.send(Ok(())).unwrap();
        assert_eq!(disk.told(), (2, Ok(())));
    }

    #[test]
    fn what_wrote_nothing_is_answered_for_after_what_it_may_have_read() {
        let disk = disk();
        disk.commit(1, true).unwrap();
        disk.begun.recv_timeout(SOON).unwrap();
        disk.commit(2, false).unwrap();
        assert!(disk.told.1.recv_timeout(MOMENT).is_err());
        disk.end.send(Ok(())).unwrap();
        assert_eq!((disk.told(), disk.told()), ((1, Ok(())), (2, Ok(()))));
        assert!(disk.begun.recv_timeout(MOMENT).is_err(), "there was nothing to sync");
    }

    #[tokio::test]
    async fn after_a_failed_sync_the_writer_ends_and_nothing_is_copied_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bridge.db");
        let (db, _) = upgrade::open(&path).unwrap();
        let db = Sql::new(db, Arc::default()).unwrap();
        let writer = Writer::start(db, &path, || Err(io::ErrorKind::StorageFull.into()), Arc::default()).unwrap();
        let tasks = Tasks::new();
        writer.pulses().into_iter().for_each(|pulse| tasks.watch(pulse));
        tasks.begin_vigil().unwrap();
        assert!(matches!(
            writer.write(|db| db.run("CREATE TABLE a (n)")).await,
            Err(StoreError::Io(_) | StoreError::Full(_))
        ));
        let failure = tokio::time::timeout(SOON, tasks.failed()).await.unwrap();
        assert_eq!((failure.task, failure.how), ("store-sync", How::Ended));
        assert_eq!(writer.write(|db| db.run("CREATE TABLE b (n)")).await, Err(StoreError::Closed));
        writer.close().await;
        // Without its log, it is what it was.
        let copy = folder.path().join("copy.db");
        fs::copy(&path, &copy).unwrap();
        let sql = "SELECT COUNT(*) FROM sqlite_schema WHERE name IN ('a', 'b')";
        let tables: i64 = rusqlite::Connection::open(&copy).unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 0);
    }

    #[test]
    fn after_a_sync_that_failed_nothing_is_taken() {
        let disk = disk();
        disk.commit(1, true).unwrap();
        disk.end.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        assert!(disk.told().1.is_err());
        // The thread ends at once, but not in this instant.
        let refused = (2..).find(|n| disk.commit(*n, true).is_err());
        assert!(refused.is_some());
        drop(disk.told.0);
        assert!(disk.told.1.iter().all(|(_, fate)| fate.is_err()));
    }
}
