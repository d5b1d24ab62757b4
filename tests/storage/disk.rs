//! What a disk does to a bridge: no room for a write, a damaged page, a schema of another version. The real program.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::Stripe;

use crate::kit::command::finish;
use crate::kit::postgres::Database;
use crate::kit::process::Process;
use crate::kit::samples::Sale;
use crate::kit::until;

pub(crate) fn sale(n: usize) -> String {
    Sale::new(&format!("disk{n}"), &format!("disk{n}@example.com"), Clock::system().now()).event().to_string()
}

/// What a command came to: its exit code, and all that it said.
fn came_to(command: Command) -> (Option<i32>, String) {
    let done = finish(command);
    (done.code, done.stdout + &done.stderr)
}

fn fails(command: Command, says: &[&str]) {
    let (code, text) = came_to(command);
    assert_eq!(code, Some(1), "{text}");
    for says in says {
        assert!(text.contains(says), "it does not say {says:?}: {text}");
    }
}

fn database(process: &Process) -> std::path::PathBuf {
    process.folder.path().join("bridge.db")
}

/// Overwrites the page that an index or a table begins with.
fn damage(file: &Path, name: &str) {
    let db = rusqlite::Connection::open(file).expect("opened");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: u64 = db.query_row(sql, [name], |row| row.get::<_, i64>(0)).expect("there").unsigned_abs();
    let bytes: u64 = db.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0)).expect("a size").unsigned_abs();
    // What is in the log would be read instead.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("folded in");
    drop(db);
    let mut file = std::fs::File::options().write(true).open(file).expect("opened");
    file.seek(SeekFrom::Start((page - 1) * bytes)).expect("there");
    file.write_all(&vec![0xee; usize::try_from(bytes).unwrap()]).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_answered_2xx_from_a_damaged_page_and_check_says_what_to_do() {
    let mut process = Process::new(&[]);
    process.start().await;
    process.post(Stripe, sale(1).as_bytes()).await.expect("answered 2xx");
    process.is_told("disk1@example.com").await;
    let copy = process.folder.path().join("copy.db");
    let (code, text) = came_to(process.command(&["backup", "copy.db"]));
    assert_eq!(code, Some(0), "{text}");
    process.kill();
    damage(&database(&process), "sqlite_autoindex_events_1");
    // What is left in the spool cannot be moved.
    fails(process.command(&["serve"]), &["is damaged", "restore a backup"]);
    for ending in ["", "-wal", "-shm"] {
        let left = process.folder.path().join(format!("bridge.db.spool{ending}"));
        // SQLite removes the two others when it closes the file.
        let _ = std::fs::rename(&left, format!("{}.away", left.display()));
    }
    process.start().await;
    for _ in 0..3 {
        assert_eq!(process.post(Stripe, sale(2).as_bytes()).await, None, "answered 503");
    }
    process.kill();
    fails(process.command(&["check"]), &["is damaged: ", "put your last backup in its place"]);
    fails(process.command(&["backup", "again.db"]), &["hint: "]);
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(process.folder.path().join(format!("bridge.db{ending}")));
    }
    std::fs::rename(copy, database(&process)).expect("restored");
    process.start().await;
    let (_, known) = process.post(Stripe, sale(1).as_bytes()).await.expect("answered 2xx");
    assert!(known);
    process.post(Stripe, sale(2).as_bytes()).await.expect("answered 2xx");
    process.is_told("disk2@example.com").await;
    process.end().await;
}

/// The longest file that the running program may write, bytes; `unlimited` takes the limit away.
fn limit_files(process: &Process, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let status = Command::new("prlimit").args(["--pid", &process.pid().to_string(), &limit]).status();
    assert!(status.expect("prlimit, of the package util-linux").success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_is_answered_503_and_once_there_is_room_it_goes_on_by_itself() {
    let mut process = Process::new(&[]);
    process.start().await;
    process.post(Stripe, sale(1).as_bytes()).await.expect("answered 2xx");
    process.is_told("disk1@example.com").await;
    limit_files(&process, "1");
    for _ in 0..5 {
        assert_eq!(process.post(Stripe, sale(2).as_bytes()).await, None, "answered 503");
    }
    limit_files(&process, "unlimited");
    let (_, known) = until("it takes webhooks again", async || process.post(Stripe, sale(2).as_bytes()).await).await;
    assert!(!known, "what was answered 503 was not recorded in part");
    process.is_told("disk2@example.com").await;
    assert_eq!(process.sandbox.look(|book| book.payments().len()), 2);
    let (code, text) = came_to({
        process.kill();
        process.command(&["check"])
    });
    assert!(text.contains("opens, takes a write, and is sound"), "{code:?} {text}");
    process.start().await;
    process.end().await;
}

/// The same command as a user whom permissions bind: root may write everywhere.
fn bound_by_permissions(command: Command, program: &Path) -> Command {
    let mut bound = if is_root() {
        let mut bound = Command::new("setpriv");
        bound.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
        bound
    } else {
        Command::new(program)
    };
    // What comes before them starts the program through a shell.
    bound.args(command.get_args().skip(3)).env_clear();
    bound.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    bound.current_dir("/");
    bound
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().expect("id runs").stdout == b"0\n"
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_or_file_that_may_not_be_written_is_named_with_what_to_do() {
    let process = Process::new(&[]);
    let (folder, file) = (process.folder.path(), database(&process));
    let elsewhere = tempfile::tempdir().expect("a folder");
    let program = elsewhere.path().join("refairn-bridge");
    std::fs::copy(env!("CARGO_BIN_EXE_refairn-bridge"), &program).expect("copied");
    allow(elsewhere.path(), 0o755);
    if is_root() {
        std::os::unix::fs::chown(folder, Some(65534), Some(65534)).expect("given away");
    }
    let bound = |args: &[&str]| bound_by_permissions(process.command(args), &program);
    let is_told_what_to_do = || {
        let says = ["let this user write", file.to_str().expect("a path")];
        fails(bound(&["serve"]), &says);
        fails(bound(&["check"]), &says);
    };
    let opens = || {
        let (code, text) = came_to(bound(&["check"]));
        assert!(text.contains("opens, takes a write, and is sound"), "{code:?} {text}");
    };
    allow(folder, 0o555);
    is_told_what_to_do();
    allow(folder, 0o755);
    opens();
    for path in [&file, folder] {
        let before = std::fs::metadata(path).expect("there").permissions().mode();
        allow(path, 0o555);
        is_told_what_to_do();
        allow(path, before & 0o777);
        opens();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_every_user_may_read_is_warned_of_with_what_to_do() {
    let mut process = Process::new(&[]);
    process.start().await;
    process.kill();
    let file = database(&process);
    let warned = || came_to(process.command(&["check"])).1.contains("other users of this machine may read it");
    assert!(!warned(), "it was made for this user alone");
    allow(&file, 0o644);
    assert!(warned());
    process.start().await;
    let says = format!("run: chmod 600 {}*", file.display());
    until("the start warns, too", async || process.log().contains(&says).then_some(())).await;
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_database_is_refused_and_a_migration_that_was_cut_off_is_made_up_for() {
    let mut process = Process::new(&[]);
    let file = database(&process);
    process.start().await;
    process.kill();
    let db = rusqlite::Connection::open(&file).expect("opened");
    db.pragma_update(None, "user_version", 99).expect("set");
    let newer = ["has schema 99", "run the newer"];
    fails(process.command(&["serve"]), &newer);
    fails(process.command(&["check"]), &newer);
    // A database of the first schema: the next migration finds something of its own in its way, and fails as a whole,
    // whatever it had done before.
    drop(db);
    for end in ["", "-wal", "-shm"] {
        let part = PathBuf::from(format!("{}{end}", file.display()));
        if part.exists() {
            std::fs::remove_file(part).expect("removed");
        }
    }
    let db = rusqlite::Connection::open(&file).expect("made");
    db.execute_batch(include_str!("../../migrations/sqlite/0001_initial.sql")).expect("made");
    db.execute_batch("CREATE TABLE in_the_way (x); CREATE INDEX lookups_by_thing ON in_the_way (x)").expect("made");
    db.pragma_update(None, "user_version", 1).expect("set");
    fails(process.command(&["serve"]), &["lookups_by_thing already exists"]);
    let half: i64 = db
        .query_row("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'lookups'", [], |row| row.get(0))
        .expect("counted");
    assert_eq!(half, 0, "nothing of it is there");
    db.execute_batch("DROP TABLE in_the_way").expect("out of the way");
    drop(db);
    process.start().await;
    process.post(Stripe, sale(1).as_bytes()).await.expect("answered 2xx");
    process.is_told("disk1@example.com").await;
    process.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_server_is_refused() {
    let database = Database::make();
    let url = database.url();
    let mut process = Process::new(&[("DATABASE_URL", &url)]);
    process.start().await;
    process.kill();
    database.run("UPDATE schema_version SET version = 99");
    fails(process.command(&["serve"]), &["has schema 99", "run the newer"]);
    fails(process.command(&["check"]), &["has schema 99", "run the newer"]);
}
