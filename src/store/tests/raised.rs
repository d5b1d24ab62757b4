//! A SQLite database of an older schema is raised in a copy, and stays beside it as it was.

use std::fs;
use std::path::{Path, PathBuf};

use super::earlier::left_by_0_1_0;
use super::*;

/// A database of 0.1.0, where it is, and where it is kept once it has been raised.
fn old() -> (Place, PathBuf, PathBuf) {
    let place = Place::file();
    left_by_0_1_0(&place);
    let Place::File(folder) = &place else { unreachable!() };
    let (path, kept) = (folder.path().join("bridge.db"), folder.path().join("bridge.db.schema-2"));
    (place, path, kept)
}

/// The version of the schema, and the number of events.
fn look(path: &Path) -> (i64, i64) {
    let db = rusqlite::Connection::open(path).unwrap();
    let version = db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    (version, db.query_row("SELECT COUNT(*) FROM events", [], |row| row.get(0)).unwrap())
}

fn files(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path.parent().unwrap()).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_database_is_copied_once_before_its_schema_is_raised() {
    let (place, path, kept) = old();
    fs::create_dir(&kept).unwrap();
    let refused = place.try_open().await.err();
    assert!(matches!(refused, Some(StoreError::NoCopy { .. })), "{refused:?}");
    assert_eq!(look(&path), (2, 32), "nothing was changed");
    fs::remove_dir(&kept).unwrap();
    place.open().await.close().await;
    assert_eq!(look(&kept), (2, 32));
    let (raised, events) = look(&path);
    assert!(raised > 2 && events == 32);
    assert_eq!(files(&path), ["bridge.db", "bridge.db.lock", "bridge.db.schema-2"]);
    fs::remove_file(&kept).unwrap();
    place.open().await.close().await;
    assert!(!kept.exists(), "there is nothing to raise any more");
}

#[tokio::test]
async fn an_upgrade_that_came_to_no_end_is_made_anew() {
    let (place, path, kept) = old();
    // The start ended after the database got its second name, and before the copy got the first one.
    fs::hard_link(&path, &kept).unwrap();
    fs::write(path.with_extension("db.upgrade"), "a part of a copy").unwrap();
    place.open().await.close().await;
    assert_eq!(look(&kept), (2, 32));
    assert_eq!(look(&path).1, 32);
    assert_eq!(files(&path), ["bridge.db", "bridge.db.lock", "bridge.db.schema-2"]);
}

#[tokio::test]
async fn a_database_that_another_program_reads_is_not_raised() {
    let (place, path, kept) = old();
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    reader.execute_batch("BEGIN; SELECT COUNT(*) FROM events").unwrap();
    let refused = place.try_open().await.err();
    assert!(matches!(refused, Some(StoreError::Locked(_))), "{refused:?}");
    drop(reader);
    assert_eq!(look(&path), (2, 32), "nothing was changed");
    place.open().await.close().await;
    assert_eq!(look(&kept), (2, 32));
}

#[cfg(unix)]
#[tokio::test]
async fn a_raised_database_has_the_permissions_of_the_one_before() {
    use std::os::unix::fs::PermissionsExt;
    let (place, path, kept) = old();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    place.open().await.close().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&kept)), (0o640, 0o640));
}

#[cfg(unix)]
#[tokio::test]
async fn a_name_that_leads_to_the_database_goes_on_leading_to_it() {
    let (place, path, _) = old();
    let volume = tempfile::tempdir().unwrap();
    let target = volume.path().join("data.db");
    fs::rename(&path, &target).unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    place.open().await.close().await;
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert!(look(&target).0 > 2);
    assert_eq!(look(&volume.path().join("data.db.schema-2")), (2, 32));
}
