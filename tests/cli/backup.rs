//! `backup`, beside the running program and without it: what was answered before is in the copy, a bridge starts on the
//! copy, and nothing that is there is written over.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::tasks::Tasks;
use serde_json::Value;

use crate::kit::command::{Done, finish};
use crate::kit::process::Process;
use crate::kit::program::post;
use crate::kit::samples::Sale;
use crate::kit::until;

/// Posts under way at once.
const POSTERS: usize = 6;
/// Events that are there before the backup begins.
const EVENTS_BEFORE: usize = 400;

fn sale(n: usize) -> String {
    Sale::new(&format!("backup{n}"), &format!("backup{n}@example.com"), Clock::system().now()).event().to_string()
}

/// What was answered 2xx: the number in the sale's name, and the event's.
type Answered = Arc<Mutex<Vec<(usize, String)>>>;

fn keep_posting(process: &Process, answered: &Answered) -> Tasks {
    let (tasks, next) = (Tasks::new(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..POSTERS {
        let (addr, answered, next, stop) = (process.addr, answered.clone(), next.clone(), tasks.stopping());
        tasks.spawn(async move {
            while !stop.is_cancelled() {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let (id, _) = post(addr, Stripe, sale(n).as_bytes()).await.expect("answered 2xx");
                answered.lock().expect("unpoisoned").push((n, id));
            }
        });
    }
    tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_before_a_backup_began_is_in_it_and_a_bridge_starts_on_it() {
    let mut process = Process::new(&[]);
    process.start().await;
    let answered = Answered::default();
    let posters = keep_posting(&process, &answered);
    let enough = async || (answered.lock().expect("unpoisoned").len() >= EVENTS_BEFORE).then_some(());
    until("there are events", enough).await;
    let before = answered.lock().expect("unpoisoned").clone();
    let mut restored = Process::new(&[]);
    let copy = restored.folder.path().join("bridge.db");
    let command = process.command(&["backup", copy.to_str().expect("a path"), "--json"]);
    let Done { code, stdout, stderr } = tokio::task::block_in_place(|| finish(command));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let told: Value = serde_json::from_str(&stdout).expect("JSON");
    assert!(told["rows"]["events"].as_u64() >= Some(before.len().try_into().unwrap()), "{told}");
    let after = answered.lock().expect("unpoisoned").len();
    until("webhooks are taken all the while", async || {
        (answered.lock().expect("unpoisoned").len() > after).then_some(())
    })
    .await;
    assert!(posters.stop(Duration::from_secs(20)).await, "the posters did not stop");
    process.end().await;

    restored.start().await;
    for (n, id) in &before {
        let event = restored.get(&format!("/api/v1/events/{id}")).await;
        assert_eq!(event["provider_event_id"], format!("evt_backup{n}"), "{event}");
        assert!(event["body"].is_object(), "{event}");
    }
    // A sale of before is known, a new one gets through.
    let (_, duplicate) = restored.post(Stripe, sale(before[0].0).as_bytes()).await.expect("answered 2xx");
    assert!(duplicate);
    restored.post(Stripe, sale(1_000_000).as_bytes()).await.expect("answered 2xx");
    until("a fresh event gets through", async || {
        let is_there = |p: &refairn_bridge::sandbox::Payment| p.customer_email == "backup1000000@example.com";
        restored.sandbox.look(|book| book.payments().iter().any(is_there)).then_some(())
    })
    .await;
    restored.end().await;
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Whether everything that came in has been read.
async fn is_read(process: &Process) -> Option<()> {
    (process.get("/api/v1/stats").await["events"]["received"] == 0).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_writes_over_nothing_unasked_and_leaves_nothing_half_done() {
    let mut process = Process::new(&[]);
    let backup = |process: &Process, args: &[&str]| finish(process.command(&[&["backup"][..], args].concat()));
    let refused = |process: &Process, args: &[&str], says: &str| {
        let before = names(process.folder.path());
        let Done { code, stdout, stderr } = backup(process, args);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{args:?}: {stderr}");
        assert!(stderr.contains(says) && stderr.contains("hint: "), "{args:?} does not say {says:?}: {stderr}");
        assert_eq!(names(process.folder.path()), before, "{args:?}");
    };
    refused(&process, &["a.db"], "there is no database at");
    process.start().await;
    process.post(Stripe, sale(1).as_bytes()).await.expect("answered 2xx");
    until("the event is read", async || is_read(&process).await).await;
    let Done { code, stdout, stderr } = backup(&process, &["a.db"]);
    assert_eq!((code, stdout.ends_with("1 events, 1 deliveries; checked\n")), (Some(0), true), "{stdout}{stderr}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(process.folder.path().join("a.db")).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "customers' addresses are for their owner alone");
    }
    process.post(Stripe, sale(2).as_bytes()).await.expect("answered 2xx");
    refused(&process, &["a.db"], "is there already");
    let Done { code, stdout, .. } = backup(&process, &["a.db", "--force"]);
    assert!(code == Some(0) && stdout.contains("2 events"), "{stdout}");
    refused(&process, &["bridge.db", "--force"], "is a database in use");
    refused(&process, &["nowhere/a.db"], "cannot write the backup");
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_sound_database_of_the_bridge_is_backed_up() {
    let mut process = Process::new(&[]);
    let path = process.folder.path().join("bridge.db");
    let refused = |process: &Process, says: &str| {
        let Done { code, stdout, stderr } = finish(process.command(&["backup", "a.db"]));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        assert!(stderr.contains(says) && stderr.contains("hint: "), "it does not say {says:?}: {stderr}");
        assert!(names(process.folder.path()).iter().all(|name| !name.starts_with("a.db")));
    };
    std::fs::write(&path, "not a database, and longer than its header would be".repeat(100)).expect("written");
    refused(&process, "no database");
    std::fs::remove_file(&path).expect("removed");
    let other = rusqlite::Connection::open(&path).expect("opened");
    other.execute_batch("CREATE TABLE cellar (wine TEXT)").expect("made");
    drop(other);
    refused(&process, "it is not a database of the bridge");
    std::fs::remove_file(&path).expect("removed");

    process.start().await;
    process.post(Stripe, sale(1).as_bytes()).await.expect("answered 2xx");
    // The row must be in the database, not in the spool, to be missed in an index.
    until("the event is read", async || is_read(&process).await).await;
    process.kill();
    let db = rusqlite::Connection::open(&path).expect("opened");
    db.pragma_update(None, "user_version", 99).expect("set");
    refused(&process, "run the newer refairn-bridge");
    db.pragma_update(None, "user_version", 2).expect("set");
    // A row that is in its table and not in its index.
    db.execute_batch(
        "PRAGMA writable_schema = 1;
         UPDATE sqlite_schema SET sql = replace(sql, 'endpoint, mode', 'mode, endpoint') WHERE name = 'events_by_endpoint'",
    )
    .expect("damaged");
    drop(db);
    refused(&process, "the copy is not sound");
    let postgres = Process::new(&[("DATABASE_URL", "postgres://u:hidden@127.0.0.1:1/x")]);
    let Done { code, stderr, .. } = finish(postgres.command(&["backup", "a.db"]));
    assert!(code == Some(1) && stderr.contains("pg_dump") && !stderr.contains("hidden"), "{stderr}");
}
