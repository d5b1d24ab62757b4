//! SQLite's spool: what is recorded there is recorded, wherever it is at the moment.

use std::path::Path;

use futures_util::future::join_all;

use super::*;
use crate::domain::policy::Policy;

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("bridge.db"), Policy::default()).unwrap()
}

/// The files as a power cut would leave them.
fn cut_off(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["bridge.db.spool", "bridge.db.spool-wal", "bridge.db", "bridge.db-wal"] {
        std::fs::copy(from.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn count(path: &Path, sql: &str) -> i64 {
    rusqlite::Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

async fn keys(store: &Store) -> Vec<(i64, Option<String>)> {
    let mut all: Vec<_> = store
        .events(EventFilter { limit: 500, ..EventFilter::default() })
        .await
        .unwrap()
        .into_iter()
        .map(|event| (event.id.0, event.provider_event_id))
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn what_was_left_in_the_spool_is_in_the_database_after_the_next_start_and_under_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let first = store.record(event("evt_a")).await.unwrap();
    assert_eq!(keys(&store).await, [(first.id.0, Some("evt_a".to_owned()))]);
    let second = store.record(event("evt_b")).await.unwrap();
    let copy = cut_off(folder.path());
    assert_eq!(count(&copy.path().join("bridge.db"), "SELECT COUNT(*) FROM events"), 1, "one is in the spool alone");

    let again = open(copy.path());
    let third = again.record(event("evt_c")).await.unwrap();
    assert!(third.id > second.id);
    let named = |recorded: Recorded, key: &str| (recorded.id.0, Some(key.to_owned()));
    let expected = [named(first, "evt_a"), named(second, "evt_b"), named(third, "evt_c")];
    assert_eq!(keys(&again).await, expected);
    assert_eq!(again.record(event("evt_b")).await.unwrap(), Recorded { id: second.id, duplicate: true });
    let unread = again.inbox(10).await.unwrap();
    assert_eq!(unread.iter().map(|event| event.id).collect::<Vec<_>>(), [first.id, second.id, third.id]);
    assert!(unread.iter().all(|event| event.body_zstd.is_some()));
}

#[tokio::test]
async fn a_clean_stop_leaves_one_file_with_everything_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for n in 0..20 {
        store.record(event(&format!("evt_{n}"))).await.unwrap();
    }
    store.close().await;
    assert_eq!(store.record(event("evt_late")).await, Err(StoreError::Closed));
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["bridge.db", "bridge.db.lock"]);
    assert_eq!(count(&folder.path().join("bridge.db"), "SELECT COUNT(*) FROM bodies"), 20);
}

#[tokio::test]
async fn beside_an_older_database_what_is_in_the_spool_is_moved_under_other_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let id = store.record(event("evt_a")).await.unwrap().id;
    let copy = cut_off(folder.path());
    std::fs::remove_file(copy.path().join("bridge.db-wal")).unwrap();
    // The database of before, which had another event by then.
    let older = tempfile::tempdir().unwrap();
    let before = open(older.path());
    assert_eq!(before.record(event("evt_other")).await.unwrap().id, id);
    before.close().await;
    std::fs::copy(older.path().join("bridge.db"), copy.path().join("bridge.db")).unwrap();
    let store = open(copy.path());
    let found = keys(&store).await;
    assert_eq!(found.iter().filter_map(|(_, key)| key.as_deref()).collect::<Vec<_>>(), ["evt_other", "evt_a"]);
    assert!(!store.record(event("evt_b")).await.unwrap().duplicate);
    assert_eq!(keys(&store).await.len(), 3);
}

#[tokio::test]
async fn of_those_that_come_together_one_is_recorded_and_all_are_told_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for round in 0..20 {
        let key = format!("evt_{}", round / 2);
        let answers = join_all((0..50).map(|_| store.record(event(&key)))).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        let news = answers.iter().filter(|answer| !answer.duplicate).count();
        assert_eq!(news, 1 - round % 2, "{round}");
        assert!(answers.iter().all(|answer| answer.id == answers[0].id), "{round}: {answers:?}");
        let stored = store.event_by_provider_id(key).await.unwrap();
        assert_eq!(stored, Some(answers[0].id));
    }
    let numbers: Vec<i64> = keys(&store).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>(), "a repetition takes no number");
}

#[tokio::test]
async fn what_is_moved_is_removed_from_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let spool = folder.path().join("bridge.db.spool");
    let rows = || count(&spool, "SELECT (SELECT COUNT(*) FROM even) + (SELECT COUNT(*) FROM odd)");
    let mut most = 0;
    for round in 0..24 {
        let answers = join_all((0..200).map(|n| store.record(event(&format!("evt_{round}_{n}"))))).await;
        assert!(answers.into_iter().all(|answer| !answer.unwrap().duplicate));
        assert_eq!(store.stats().await.unwrap().events, [("received".to_owned(), 200 * (round + 1))]);
        most = most.max(rows());
    }
    assert!((200..=2000).contains(&most), "{most}");
}

#[tokio::test]
async fn without_a_reader_the_writer_moves_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for round in 0..8 {
        let large = |n: u64| NewEvent { body_zstd: vec![7; 256 * 1024], ..event(&format!("evt_{round}_{n}")) };
        let answers = join_all((0..16).map(|n| store.record(large(n)))).await;
        assert!(answers.into_iter().all(|answer| !answer.unwrap().duplicate));
    }
    assert!(count(&folder.path().join("bridge.db"), "SELECT COUNT(*) FROM events") > 0);
}

#[tokio::test]
async fn a_backup_has_what_is_in_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let first = store.record(event("evt_a")).await.unwrap();
    assert_eq!(keys(&store).await.len(), 1);
    let second = store.record(event("evt_b")).await.unwrap();
    let (from, to) = (folder.path().join("bridge.db"), folder.path().join("copies/bridge.db"));
    std::fs::create_dir(folder.path().join("copies")).unwrap();
    let summary = backup(&from, &to, false, |_| {}).unwrap();
    assert!(summary.rows.contains(&("events".to_owned(), 2)), "{:?}", summary.rows);
    let copy = open(&folder.path().join("copies"));
    let expected = [(first.id.0, Some("evt_a".to_owned())), (second.id.0, Some("evt_b".to_owned()))];
    assert_eq!(keys(&copy).await, expected);
    assert_eq!(copy.stats().await.unwrap().events, [("received".to_owned(), 2)]);
}

#[tokio::test]
async fn while_the_database_takes_nothing_it_is_read_as_it_is_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let first = store.record(event("evt_a")).await.unwrap();
    assert_eq!(keys(&store).await.len(), 1);
    let path = folder.path().join("bridge.db");
    let guard = rusqlite::Connection::open(&path).unwrap();
    guard
        .execute_batch("CREATE TRIGGER none BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'not now'); END")
        .unwrap();
    let second = store.record(event("evt_b")).await.unwrap();
    assert_eq!(keys(&store).await, [(first.id.0, Some("evt_a".to_owned()))]);
    guard.execute_batch("DROP TRIGGER none").unwrap();
    let expected = [(first.id.0, Some("evt_a".to_owned())), (second.id.0, Some("evt_b".to_owned()))];
    assert_eq!(keys(&store).await, expected);
}
