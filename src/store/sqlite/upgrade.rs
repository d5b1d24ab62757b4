//! Opening a database whose schema may be an older one.
//!
//! An older schema is raised in a copy. The copy takes the name of the database when it is whole, checked and on disk, so
//! that a start which ends in between leaves the database as it was. The copy needs no journal: nobody reads it before,
//! and a copy that is not finished is made anew. The database of before stays beside it, under a name of its own.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use rusqlite::Connection;

use super::backup::Partial;
use super::{StoreError, beside, migrations, writer};
use crate::crash::{self, Point};

/// Memory for pages while a schema is raised, KiB.
const CACHE_KIB: i64 = 64 * 1024;
/// How much of the copy is read without a call to the system for each page, bytes. SQLite takes 2 GiB at most.
const MAPPED_BYTES: i64 = 2 << 30;

/// Opens the database for writing, with the schema of this version; true when there was none.
pub(super) fn open(path: &Path) -> Result<(Connection, bool), StoreError> {
    let mut db = writer::open(path)?;
    let found = migrations::version(&db)?;
    if found > 0 && found < migrations::known() {
        raise(db, path, found)?;
        db = writer::open(path)?;
    }
    let is_new = migrations::run(&mut db)?;
    Ok((db, is_new))
}

/// Raises the schema in a copy, and exchanges the names. The database as it was stays at `NAME.schema-VERSION`; what has
/// that name is from an earlier upgrade, and is replaced.
fn raise(db: Connection, path: &Path, version: i64) -> Result<(), StoreError> {
    // The name may be a link to where the database is.
    let path = fs::canonicalize(path).map_err(|e| StoreError::from_io("cannot find the database's folder", &e))?;
    let kept = beside(&path, &format!(".schema-{version}"));
    let before = fold(&db)?;
    let original = fs::metadata(&path).map_err(|e| StoreError::from_io("cannot read the database's size", &e))?;
    let no_copy = |error: StoreError| StoreError::NoCopy {
        copy: kept.display().to_string(),
        needed_mib: original.len().div_ceil(1 << 20).max(1),
        why: error.to_string(),
    };
    let copy = replaceable(&kept).and_then(|()| copy(&path, &original)).map_err(no_copy)?;
    if hold(&db)? != before {
        return Err(StoreError::Locked("somebody wrote to it while it was brought up to date".to_owned()));
    }
    migrate(copy.path())?;
    keep(&path, &kept).map_err(no_copy)?;
    crash::here(Point::Migrating);
    copy.take_name(&path).map_err(|e| StoreError::from_io("cannot give the database its name", &e))?;
    Ok(())
}

/// Folds the write-ahead log into the file: the log would be taken for one of the copy's, once the copy has the name.
/// Gives a number that changes when somebody else writes.
fn fold(db: &Connection) -> Result<i64, StoreError> {
    let journal: String = db.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    if !journal.eq_ignore_ascii_case("delete") {
        return Err(StoreError::Locked("somebody has it open while it is to be brought up to date".to_owned()));
    }
    Ok(db.query_row("PRAGMA data_version", [], |row| row.get(0))?)
}

/// Keeps everybody else out for as long as the connection is there, and gives that number. Not before the file has been
/// copied: a process that closes a file loses all its locks on it.
fn hold(db: &Connection) -> Result<i64, StoreError> {
    db.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")?;
    Ok(db.query_row("PRAGMA data_version", [], |row| row.get(0))?)
}

/// Nothing but a file of before may be in the place of the database as it was.
fn replaceable(kept: &Path) -> Result<(), StoreError> {
    match fs::symlink_metadata(kept) {
        Ok(found) if !found.is_file() => Err(StoreError::Io("something that is no file has this name".to_owned())),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::from_io("cannot look at it", &error)),
    }
}

fn copy(path: &Path, original: &Metadata) -> Result<Partial, StoreError> {
    let partial = Partial::anew(beside(path, ".upgrade"))?;
    fs::copy(path, partial.path()).map_err(|e| StoreError::from_io("cannot write it", &e))?;
    like(partial.path(), original).map_err(|e| StoreError::from_io("cannot give it the database's permissions", &e))?;
    Ok(partial)
}

/// A connection that keeps no journal and waits for no disk: for a file that is thrown away when it does not become whole.
fn unsynced(path: &Path) -> Result<Connection, StoreError> {
    let db = Connection::open(path)?;
    db.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "OFF")?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.query_row(&format!("PRAGMA mmap_size = {MAPPED_BYTES}"), [], |_| Ok(()))?;
    Ok(db)
}

/// Raises the copy's schema and checks the copy.
fn migrate(copy: &Path) -> Result<(), StoreError> {
    let mut db = unsynced(copy)?;
    migrations::run(&mut db)?;
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Corrupt(found)) }
}

/// Gives the database as it was its second name. A file system without second names gets a copy.
fn keep(path: &Path, kept: &Path) -> Result<(), StoreError> {
    if let Err(error) = fs::remove_file(kept)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(StoreError::from_io("cannot replace it", &error));
    }
    if fs::hard_link(path, kept).is_ok() {
        return Ok(());
    }
    let partial = Partial::anew(beside(kept, ".partial"))?;
    fs::copy(path, partial.path()).map_err(|e| StoreError::from_io("cannot write it", &e))?;
    partial.take_name(kept).map_err(|e| StoreError::from_io("cannot name it", &e))?;
    Ok(())
}

/// Gives the copy the permissions of the original.
#[cfg(unix)]
fn like(copy: &Path, original: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let made = fs::metadata(copy)?;
    if (made.uid(), made.gid()) != (original.uid(), original.gid()) {
        chown(copy, Some(original.uid()), Some(original.gid()))?;
    }
    fs::set_permissions(copy, original.permissions())
}

#[cfg(not(unix))]
fn like(copy: &Path, original: &Metadata) -> io::Result<()> {
    fs::set_permissions(copy, original.permissions())
}
