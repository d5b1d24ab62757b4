//! What is in the files at the moment of an answer.

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::store::body;

use crate::kit::process::{Process, copy_files};
use crate::kit::samples::Sale;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_in_the_files_at_that_moment() {
    let mut process = Process::new(&[]);
    process.start().await;
    for n in 0..40 {
        let sale = Sale::new(&format!("crash{n}"), &format!("crash{n}@example.com"), Clock::system().now());
        let sent = sale.event().to_string();
        let (id, duplicate) = process.post(Stripe, sent.as_bytes()).await.expect("acknowledged");
        assert!(!duplicate);
        // The machine loses its power now: all that is left is what was written. All files are of this moment: a
        // checkpoint between their copies would leave the event in neither.
        process.signal("STOP");
        let copy = tempfile::tempdir().expect("a folder");
        copy_files(process.folder.path(), copy.path());
        process.signal("CONT");
        let number: i64 = id.trim_start_matches("evt_").parse().expect("a number");
        let find = |file: &str, sql: &str| -> Option<(String, Vec<u8>)> {
            let db = rusqlite::Connection::open(copy.path().join(file)).expect("opened");
            let integrity: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
            assert_eq!(integrity, "ok", "{file}");
            db.query_row(sql, [number], |row| Ok((row.get(0)?, row.get(1)?))).ok()
        };
        let stored = find(
            "bridge.db",
            "SELECT e.provider_event_id, b.body FROM events e JOIN bodies b ON b.event_id = e.id WHERE e.id = ?1",
        );
        let spooled = find(
            "bridge.db.spool",
            "SELECT provider_event_id, body FROM (SELECT * FROM even UNION ALL SELECT * FROM odd) WHERE id = ?1",
        );
        let found = stored.or(spooled).expect("the event is not in the files");
        assert_eq!(found.0, format!("evt_crash{n}"));
        assert_eq!(body::decompress(&found.1, 1 << 20).expect("a body"), sent.as_bytes());
    }
    process.end().await;
}
