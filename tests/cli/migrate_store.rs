//! `migrate-store` as people run it: from a bridge's file to a server, killed on the way, and a bridge that goes on there.

use std::process::{Command, Stdio};
use std::time::Duration;

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::tasks::Tasks;
use serde_json::Value;

use crate::kit::command::{Done, finish};
use crate::kit::postgres::Database;
use crate::kit::process::Process;
use crate::kit::samples::Sale;
use crate::kit::until;

/// Enough that a copy of them can be killed on its way.
const MORE_EVENTS: i64 = 20_000;

fn sale(n: usize) -> String {
    Sale::new(&format!("move{n}"), &format!("move{n}@example.com"), Clock::system().now()).event().to_string()
}

fn refused(command: Command, code: i32, says: &[&str]) {
    let Done { code: got, stdout, stderr } = finish(command);
    assert_eq!((got, stdout.as_str()), (Some(code), ""), "{stderr}");
    for says in says {
        assert!(stderr.contains(says) && stderr.contains("hint: "), "it does not say {says:?}: {stderr}");
    }
}

/// Old events, as if they had been received long ago and been ignored.
fn add_events(process: &Process) {
    let db = rusqlite::Connection::open(process.folder.path().join("bridge.db")).expect("opened");
    let sql = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1) \
         INSERT INTO events (endpoint, provider, business, dedup_key, type, state, reason, received_at) \
         SELECT 'stripe', 'stripe', 'biz_1', 'old ' || n, 'old', 'ignored', 'unknown_type', n FROM n";
    db.execute(sql, [MORE_EVENTS]).expect("added");
    // The bridge counts what it writes itself.
    db.execute_batch("DELETE FROM counts; INSERT INTO counts SELECT * FROM counted").expect("counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_moves_to_a_server_though_the_move_was_killed_on_its_way() {
    let database = Database::make();
    let mut old = Process::new(&[]);
    let file = format!("sqlite://{}", old.folder.path().join("bridge.db").display());
    let url = database.url();
    let mut new = Process::new(&[("DATABASE_URL", &url)]);
    let migrate =
        |process: &Process, more: &[&str]| process.command(&[&["migrate-store", "--from", &file], more].concat());

    old.start().await;
    let (first, _) = old.post(Stripe, sale(1).as_bytes()).await.expect("answered 2xx");
    old.is_told("move1@example.com").await;
    until("that is written down", async || {
        let told = old.get("/api/v1/deliveries?state=delivered").await;
        told["deliveries"]
            .as_array()
            .is_some_and(|told| told.iter().any(|d| d["kind"] == "payment-succeeded"))
            .then_some(())
    })
    .await;
    refused(migrate(&old, &["--to", &url]), 1, &["in use by a running refairn-bridge"]);
    old.kill();
    add_events(&old);

    let mut move_ =
        migrate(&old, &["--to", &url]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let (server, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("connected");
    let tasks = Tasks::new();
    tasks.spawn(async move { connection.await.expect("a server") });
    until("a part is copied", async || {
        let row = server.query_one("SELECT copied_table FROM unfinished_copy", &[]).await.ok()?;
        (row.get::<_, String>(0) == "events").then_some(())
    })
    .await;
    move_.kill().expect("killed");
    assert!(!move_.wait().expect("ended").success());
    let copied: i64 = server.query_one("SELECT COUNT(*) FROM events", &[]).await.expect("counted").get(0);
    assert!(copied > 0 && copied < MORE_EVENTS, "it was killed too late: {copied}");
    drop(server);
    assert!(tasks.stop(Duration::from_secs(10)).await);

    let unfinished = ["migrate-store was not finished", "run the same migrate-store again"];
    refused(new.command(&["serve"]), 1, &unfinished);
    // Where the source is named, the target may be the configuration's.
    let Done { code, stdout, stderr } = finish(migrate(&new, &["--json"]));
    assert_eq!(code, Some(0), "{stderr}");
    let told: Value = serde_json::from_str(&stdout).expect("JSON");
    let events = told["tables"].as_array().expect("a list").iter().find(|t| t["table"] == "events").expect("events");
    assert_eq!(events["rows"], MORE_EVENTS + 1, "{told}");
    assert_eq!(events["checksum"].as_str().map(str::len), Some(32), "{told}");

    new.start().await;
    assert_eq!(new.get(&format!("/api/v1/events/{first}")).await["provider_event_id"], "evt_move1");
    let (next, _) = new.post(Stripe, sale(2).as_bytes()).await.expect("answered 2xx");
    assert_eq!(next, format!("evt_{}", MORE_EVENTS + 2), "numbers go on after the last one");
    let (again, duplicate) = new.post(Stripe, sale(1).as_bytes()).await.expect("answered 2xx");
    assert_eq!((again, duplicate), (first, true));
    new.is_told("move2@example.com").await;
    assert_eq!(new.sandbox.look(|book| book.payments().len()), 1, "what was told before is not told again");
    refused(migrate(&old, &["--to", &url]), 1, &["a running refairn-bridge uses the target"]);
    new.kill();
    new.start().await;
    new.end().await;
}

#[test]
fn addresses_are_two_databases_and_a_password_is_not_repeated() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let process = Process::new(&[]);
    let check = |args: &[&str], says: &str| {
        let Done { code, stdout, stderr } = finish(process.command(&[&["migrate-store"], args].concat()));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        assert!(stderr.contains(says) && !stderr.contains("hidden"), "it does not say {says:?}: {stderr}");
    };
    check(&[], "--to <URL>");
    check(&["--from", "mysql://u:hidden@x/y", "--to", "sqlite://a.db"], "--from: it starts with neither");
    let configured = format!("sqlite://{}", process.folder.path().join("bridge.db").display());
    check(&["--from", &configured], "are one database");
    check(&["--from", "sqlite://a.db", "--to", "sqlite://a.db"], "are one database");
}
