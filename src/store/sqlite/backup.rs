//! A copy of the database while a bridge is at work on it: whole, of one moment, and checked.
//!
//! One reading transaction holds the moment, and SQLite's backup interface copies its pages in steps. In a write-ahead
//! log a reader keeps no writer waiting; and without that transaction the copy would begin anew with every write of the
//! bridge, and never end under load. `VACUUM INTO` would hold the moment too, but tells nothing of how far it is, and
//! floods the disk that the bridge's commits wait for.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::session::Sql;
use super::{StoreError, beside, migrations, spool, writer};
use crate::private;
use crate::store::inbox::record::Move;
use crate::store::numbering::Numbered;

/// Pages of one step: 4 MiB.
const STEP_PAGES: i32 = 1024;
/// Rest after a step, in which the disk is the bridge's alone.
const STEP_REST: Duration = Duration::from_millis(2);

/// Why there is no backup. Nothing is left behind, and a file that was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no database to copy.
    #[error("there is no database at {}", .0.display())]
    NoDatabase(PathBuf),
    /// Something is in the place of the backup.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The place of the backup is a database that something has open, or that was not closed well.
    #[error("{} is a database in use, or one with a write-ahead log beside it", .0.display())]
    TargetInUse(PathBuf),
    /// The database cannot be read.
    #[error("cannot read the database: {0}")]
    Source(StoreError),
    /// The backup cannot be written.
    #[error("cannot write the backup: {0}")]
    Target(StoreError),
    /// The copy is not what should have been copied, or the original is damaged.
    #[error("the copy is not sound: {0}")]
    Unsound(String),
}

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupStep {
    /// So many pages of so many are copied.
    Copied {
        /// Pages that are copied.
        done: u64,
        /// All pages.
        all: u64,
    },
    /// Everything is copied and is being checked.
    Checking,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// The size of the copy.
    pub bytes: u64,
    /// Rows of each table, by name.
    pub rows: Vec<(String, u64)>,
}

/// Copies the database `from` as it is now into the file `to`. Blocks; it may run beside a bridge, which is not kept
/// from writing. The copy takes its name when it is whole, checked and on disk; `replace` allows that name to be taken.
///
/// # Errors
/// Why there is no backup.
pub fn backup(
    from: &Path,
    to: &Path,
    replace: bool,
    mut progress: impl FnMut(BackupStep),
) -> Result<BackupSummary, BackupError> {
    if !from.is_file() {
        return Err(BackupError::NoDatabase(from.to_owned()));
    }
    may_be_written(to, replace)?;
    let partial =
        Partial::create(beside(to, &format!(".{:08x}.partial", rand::random::<u32>()))).map_err(BackupError::Target)?;
    // First: what is moved meanwhile is in the database by then.
    let spooled = spool::look_into(from).map_err(BackupError::Source)?;
    let source = open_source(from).map_err(BackupError::Source)?;
    copy(&source, &partial, &mut progress)?;
    progress(BackupStep::Checking);
    let mut rows = check(&source, &partial)?;
    if !spooled.is_empty() {
        rows = move_into(&partial, spooled).map_err(BackupError::Target)?;
    }
    may_be_written(to, replace)?;
    let bytes = partial.take_name(to).map_err(|e| BackupError::Target(StoreError::from_io("cannot name it", &e)))?;
    Ok(BackupSummary { bytes, rows })
}

fn may_be_written(to: &Path, replace: bool) -> Result<(), BackupError> {
    // A log beside it would be taken for the copy's own. Where one is, a bridge has the target open, or it has rows that
    // would be lost.
    if beside(to, "-wal").exists() {
        return Err(BackupError::TargetInUse(to.to_owned()));
    }
    if !replace && to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    Ok(())
}

/// Opens the database for reading, and holds this moment of it until the connection is dropped.
fn open_source(from: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags)?;
    source.busy_timeout(writer::BUSY_WAIT)?;
    source.execute_batch("BEGIN")?;
    let found: i64 = source.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let is_ours: bool =
        source.query_row("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'events'", [], |r| r.get(0))?;
    let known = migrations::known();
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    if !is_ours {
        return Err(StoreError::Data("it holds no events: it is not a database of the bridge".to_owned()));
    }
    Ok(source)
}

fn copy(source: &Connection, partial: &Partial, progress: &mut impl FnMut(BackupStep)) -> Result<(), BackupError> {
    let target = |error: rusqlite::Error| BackupError::Target(error.into());
    let not_synced = |e: std::io::Error| BackupError::Target(StoreError::from_io("cannot sync it", &e));
    let mut copy = Connection::open(&partial.path).map_err(target)?;
    // It is brought to disk below, a step at a time.
    copy.pragma_update(None, "synchronous", "OFF").map_err(target)?;
    {
        let backup = Backup::new(source, &mut copy).map_err(target)?;
        loop {
            let step = backup.step(STEP_PAGES).map_err(target)?;
            // The bridge's next commit would wait for all that is not on disk yet.
            partial.file.sync_data().map_err(not_synced)?;
            let of = |pages: std::ffi::c_int| u64::try_from(pages).unwrap_or(0);
            let (all, left) = (of(backup.progress().pagecount), of(backup.progress().remaining));
            progress(BackupStep::Copied { done: all.saturating_sub(left), all });
            match step {
                StepResult::Done => break,
                StepResult::More => std::thread::sleep(STEP_REST),
                // Busy, locked, or what a later version says: the source is held, so it is the copy.
                StepResult::Busy | StepResult::Locked | _ => {
                    return Err(BackupError::Target(StoreError::Locked("somebody has it open".to_owned())));
                }
            }
        }
    }
    // One file with everything in it, wherever it is opened.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(target)?;
    drop(copy);
    partial.file.sync_all().map_err(not_synced)
}

/// Reads the copy from the disk: sound, and as many rows in each table as the original has at that moment.
fn check(source: &Connection, partial: &Partial) -> Result<Vec<(String, u64)>, BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let copy = Connection::open_with_flags(&partial.path, flags).map_err(|e| BackupError::Target(e.into()))?;
    let found: String = copy
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|e| BackupError::Unsound(e.to_string()))?;
    if found != "ok" {
        return Err(BackupError::Unsound(found));
    }
    let there = rows(source).map_err(|e| BackupError::Source(e.into()))?;
    let here = rows(&copy).map_err(|e| BackupError::Unsound(e.to_string()))?;
    if here != there {
        return Err(BackupError::Unsound("its tables have other numbers of rows".to_owned()));
    }
    Ok(here)
}

/// Moves what the spool has, and the database had not, into the copy. Gives the rows of each table.
fn move_into(partial: &Partial, spooled: Vec<Numbered>) -> Result<Vec<(String, u64)>, StoreError> {
    let copy = Sql::new(Connection::open(&partial.path)?, Arc::default())?;
    copy.write(&Move(spooled.into_iter().map(Arc::new).collect()))?;
    Ok(rows(&copy.connection())?)
}

fn rows(db: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let count = |name: String| {
        let rows: i64 = db.query_row(&format!("SELECT COUNT(*) FROM \"{name}\""), [], |row| row.get(0))?;
        Ok((name, u64::try_from(rows).unwrap_or(0)))
    };
    names.into_iter().map(count).collect()
}

/// The copy under a name of its own; gone with this, unless it was whole.
pub(super) struct Partial {
    path: PathBuf,
    file: File,
}

impl Partial {
    /// Makes it, empty, under a name that nothing has.
    fn create(path: PathBuf) -> Result<Self, StoreError> {
        let file = private::options().create_new(true).write(true).open(&path);
        let file = file.map_err(|e| StoreError::from_io(&format!("cannot make {}", path.display()), &e))?;
        Ok(Self { path, file })
    }

    /// The same, after what a process left under this name that came to no end.
    pub(super) fn anew(path: PathBuf) -> Result<Self, StoreError> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::from_io(&format!("cannot remove {}", path.display()), &error))
            }
            Ok(()) | Err(_) => Self::create(path),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings it to disk and names it. Gives its size, bytes.
    pub(super) fn take_name(&self, to: &Path) -> std::io::Result<u64> {
        self.file.sync_all()?;
        let bytes = self.file.metadata()?.len();
        fs::rename(&self.path, to)?;
        // The name is on disk when its folder is.
        let folder = to.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After it took its name there is nothing under this one.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(beside(&self.path, "-journal"));
    }
}
