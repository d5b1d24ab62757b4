//! What SQLite alone has: a file, and one process that has it.

use std::path::Path;

use super::*;

use crate::domain::policy::Policy;
use crate::store::sqlite::WAL_BYTES_SOFT_MAX;

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("made/on/first/start/bridge.db"), Policy::default()).unwrap()
}

#[tokio::test]
async fn one_process_at_a_time_has_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let path = folder.path().join("made/on/first/start/bridge.db");
    let second = Store::open(&path, Policy::default());
    assert_eq!(second.err(), Some(StoreError::InUse));
    store.close().await;
    drop(open(folder.path()));
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_and_their_folder_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.record(event("evt_a")).await.unwrap();
    let path = folder.path().join("made/on/first/start");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let found = std::fs::read_dir(&path).unwrap().map(|f| f.unwrap().path());
    let files: std::collections::BTreeMap<_, _> =
        found.map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), mode(&p))).collect();
    let expected = [
        "bridge.db",
        "bridge.db-shm",
        "bridge.db-wal",
        "bridge.db.lock",
        "bridge.db.spool",
        "bridge.db.spool-shm",
        "bridge.db.spool-wal",
    ]
    .map(|n| (n.to_owned(), 0o600));
    assert_eq!(files, expected.into());
    assert_eq!((mode(&path), mode(&folder.path().join("made"))), (0o700, 0o700));
}

#[tokio::test]
async fn what_is_answered_is_in_the_files_before_the_store_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.record(event("evt_a")).await.unwrap();
    let copy = tempfile::tempdir().unwrap();
    let from = folder.path().join("made/on/first/start");
    for name in ["bridge.db.spool", "bridge.db.spool-wal", "bridge.db", "bridge.db-wal"] {
        std::fs::create_dir_all(copy.path().join("made/on/first/start")).unwrap();
        std::fs::copy(from.join(name), copy.path().join("made/on/first/start").join(name)).unwrap();
    }
    assert!(open(copy.path()).record(event("evt_a")).await.unwrap().duplicate);
}

#[tokio::test]
async fn a_log_that_was_copied_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let log = || std::fs::metadata(folder.path().join("made/on/first/start/bridge.db-wal")).unwrap().len();
    let mut longest = 0;
    let mut written = 0;
    // It is copied beside the writes, and one of those after that begins it anew.
    while written < 8 * WAL_BYTES_SOFT_MAX {
        let body_zstd = vec![7; 1024 * 1024];
        let large = NewEvent { body_zstd, ..event(&format!("evt_large_{written}")) };
        written += 1024 * 1024;
        store.record(large).await.unwrap();
        longest = longest.max(log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(longest > WAL_BYTES_SOFT_MAX, "it was never long enough to be copied: {longest}");
    assert!(longest < written - WAL_BYTES_SOFT_MAX, "of {written} bytes {longest} are in the log");
}

#[test]
fn a_newer_database_is_refused_and_a_file_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let path = folder.path().join("made/on/first/start/bridge.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert!(matches!(Store::open(&path, Policy::default()), Err(StoreError::NewerSchema { found: 99, .. })));
    let nonsense = folder.path().join("nonsense.db");
    std::fs::write(&nonsense, vec![b'x'; 8192]).unwrap();
    assert!(matches!(Store::open(&nonsense, Policy::default()), Err(StoreError::Corrupt(_))));
}
