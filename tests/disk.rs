//! What a disk does to a bridge: no room for a write, a damaged page, a schema of another version. The real program.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests may fail loudly, and their helpers are for this binary alone"
)]
#![allow(dead_code, reason = "the helpers serve more than one test binary")]

#[path = "bridge/kit/mod.rs"]
mod kit;
mod support;

use std::io::{BufRead, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::endpoint::ProviderKind::Stripe;

use kit::process::{Process, TOKEN};
use kit::samples::Sale;
use kit::until;
use kit::wire::Request;
use support::postgres::Database;

fn sale(n: usize) -> String {
    Sale::new(&format!("disk{n}"), &format!("disk{n}@example.com"), Clock::system().now()).event().to_string()
}

/// What a command came to: exit code, standard output and error.
fn run(mut command: Command) -> (Option<i32>, String) {
    let out = command.output().expect("it runs");
    (out.status.code(), String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap())
}

fn fails(command: Command, says: &[&str]) {
    let (code, text) = run(command);
    assert_eq!(code, Some(1), "{text}");
    for says in says {
        assert!(text.contains(says), "it does not say {says:?}: {text}");
    }
}

fn database(process: &Process) -> std::path::PathBuf {
    process.folder.path().join("bridge.db")
}

async fn is_told(process: &Process, email: &str) {
    until("it is told", async || {
        let is_there = |p: &refairn_bridge::sandbox::Payment| p.customer_email == email;
        process.sandbox.look(|book| book.payments().iter().any(is_there)).then_some(())
    })
    .await;
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
    is_told(&process, "disk1@example.com").await;
    let copy = process.folder.path().join("copy.db");
    let (code, text) = run(process.command(&["backup", "copy.db"]));
    assert_eq!(code, Some(0), "{text}");
    process.kill();
    damage(&database(&process), "sqlite_autoindex_events_1");
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
    is_told(&process, "disk2@example.com").await;
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
    is_told(&process, "disk1@example.com").await;
    limit_files(&process, "1");
    for _ in 0..5 {
        assert_eq!(process.post(Stripe, sale(2).as_bytes()).await, None, "answered 503");
    }
    limit_files(&process, "unlimited");
    let (_, known) = until("it takes webhooks again", async || process.post(Stripe, sale(2).as_bytes()).await).await;
    assert!(!known, "what was answered 503 was not recorded in part");
    is_told(&process, "disk2@example.com").await;
    assert_eq!(process.sandbox.look(|book| book.payments().len()), 2);
    let (code, text) = run({
        process.kill();
        process.command(&["check"])
    });
    assert!(text.contains("opens, takes a write, and is sound"), "{code:?} {text}");
    process.start().await;
    process.end().await;
}

/// How many sales are posted while standard error is of no use: with all that is logged of them, more than a pipe holds.
const SALES: usize = 120;
/// How many requests are forged meanwhile.
const FORGED: usize = 200;

/// Forged requests are refused, and none is left without an answer.
async fn forged_ones_are_refused(process: &Process, times: usize) {
    for _ in 0..times {
        let forged = Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", "t=1,v1=00").body(b"{}");
        assert_eq!(forged.send(process.addr).await.status, 401);
    }
}

/// Whatever becomes of standard error: each sale that is answered 200 is told, once, without a restart.
async fn works_without_a_log(process: &Process) {
    forged_ones_are_refused(process, FORGED).await;
    for n in 0..SALES {
        process.post(Stripe, sale(n).as_bytes()).await.expect("answered 200");
    }
    // Not even what the mapper says of an event that it cannot read stops it.
    process.post(Stripe, b"not JSON").await.expect("answered 200");
    for n in SALES..SALES + 3 {
        process.post(Stripe, sale(n).as_bytes()).await.expect("answered 200");
    }
    for n in 0..SALES + 3 {
        is_told(process, &format!("disk{n}@example.com")).await;
    }
    assert_eq!(process.sandbox.look(|book| book.payments().len()), SALES + 3);
    forged_ones_are_refused(process, 1).await;
    assert_eq!(Request::new("GET", "/livez").send(process.addr).await.status, 200);
}

/// Lines of the log that were dropped.
async fn lines_dropped(process: &Process) -> u64 {
    let request = Request::new("GET", "/metrics").header("Authorization", format!("Bearer {TOKEN}"));
    let text = request.send(process.addr).await.text();
    let line = text.lines().find(|l| l.starts_with("refairn_bridge_log_lines_dropped_total ")).expect("a metric");
    line.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}

/// A bridge whose standard error goes elsewhere. Strangers are not turned away: each of their requests is a line.
fn with_stderr(stderr: impl Into<std::process::Stdio>) -> Process {
    let mut process = Process::new(&[("REFAIRN_BRIDGE__SERVER__FAILED_SIGNATURES_PER_MINUTE", "0")]);
    let command = process.command(&["serve", "--log", "trace", "--log-format", "json"]);
    process.run(command, stderr);
    process
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn with_its_log_on_a_full_disk_it_takes_and_tells_all() {
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a disk that is always full");
    let mut process = with_stderr(full);
    process.ready().await;
    works_without_a_log(&process).await;
    assert!(lines_dropped(&process).await > 0);
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_log_a_closed_pipe_it_takes_and_tells_all() {
    let mut process = with_stderr(std::process::Stdio::piped());
    drop(process.take_stderr());
    process.ready().await;
    works_without_a_log(&process).await;
    assert!(lines_dropped(&process).await > 0);
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_log_a_pipe_that_nobody_reads_it_takes_and_tells_all_and_ends_when_told_to() {
    let mut process = with_stderr(std::process::Stdio::piped());
    let unread = process.take_stderr();
    process.ready().await;
    works_without_a_log(&process).await;
    until("lines are dropped", async || {
        forged_ones_are_refused(&process, FORGED).await;
        (lines_dropped(&process).await > 0).then_some(())
    })
    .await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_the_log_who_comes_back_is_told_of_lines_that_were_lost_and_each_line_is_whole() {
    let mut process = with_stderr(std::process::Stdio::piped());
    let stderr = process.take_stderr();
    process.ready().await;
    until("lines are dropped", async || {
        forged_ones_are_refused(&process, FORGED).await;
        (lines_dropped(&process).await > 0).then_some(())
    })
    .await;
    let reader = tokio::task::spawn_blocking(move || {
        let lines = std::io::BufReader::new(stderr).lines().map(|line| line.expect("a line"));
        let lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).expect("JSON"));
        lines.filter(|line| line["message"].as_str().is_some_and(|m| m.contains("lines of the log are lost"))).count()
    });
    until("there is room again", async || {
        let before = lines_dropped(&process).await;
        forged_ones_are_refused(&process, 1).await;
        (lines_dropped(&process).await == before).then_some(())
    })
    .await;
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
    assert!(reader.await.expect("read") > 0);
}

/// Runs the bridge with a small disk of its own in the place of its folder, the log on it, too.
#[cfg(target_os = "linux")]
const ON_A_SMALL_DISK: &str = r#"
trap '' XFSZ
mount -t tmpfs -o size=3m none "$1"
cd "$1"
exec "$0" serve --log trace --log-format json 2>stderr.log
"#;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn with_database_and_log_on_one_full_disk_all_that_was_answered_200_is_told_once_there_is_room() {
    let mut process = Process::new(&[("REFAIRN_BRIDGE__SERVER__FAILED_SIGNATURES_PER_MINUTE", "0")]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK]);
    command.arg(env!("CARGO_BIN_EXE_refairn-bridge")).arg(process.folder.path());
    let serve = process.command(&["serve"]);
    command.env_clear().envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    process.run(command, std::process::Stdio::null());
    process.ready().await;
    let pid = process.pid();
    // The disk, as it is seen from inside.
    let disk =
        Path::new("/proc").join(pid.to_string()).join("root").join(process.folder.path().strip_prefix("/").unwrap());
    let mut taken = Vec::new();
    let (mut n, mut refused) = (0, 0);
    until("the disk is full for the database, too", async || {
        n += 1;
        match process.post(Stripe, sale(n).as_bytes()).await {
            Some(_) => taken.push(n),
            None => refused += 1,
        }
        forged_ones_are_refused(&process, 2).await;
        (refused > 20).then_some(())
    })
    .await;
    assert!(!taken.is_empty());
    assert_eq!(Request::new("GET", "/livez").send(process.addr).await.status, 200);
    std::fs::File::options().write(true).open(disk.join("stderr.log")).expect("opened").set_len(0).expect("emptied");
    let bigger = ["-t", &pid.to_string(), "-U", "--preserve-credentials", "-m", "mount", "-o", "remount,size=64m"];
    let status = Command::new("nsenter").args(bigger).arg(process.folder.path()).status();
    assert!(status.expect("nsenter, of the package util-linux").success());
    until("it takes webhooks again", async || process.post(Stripe, sale(0).as_bytes()).await).await;
    taken.push(0);
    for n in &taken {
        is_told(&process, &format!("disk{n}@example.com")).await;
    }
    assert_eq!(process.sandbox.look(|book| book.payments().len()), taken.len());
    assert_eq!(process.pid(), pid, "it was not restarted");
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
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
        let (code, text) = run(bound(&["check"]));
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
    let warned = || run(process.command(&["check"])).1.contains("other users of this machine may read it");
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
    let known: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a version");
    db.pragma_update(None, "user_version", 99).expect("set");
    let newer = ["has schema 99", "run the newer"];
    fails(process.command(&["serve"]), &newer);
    fails(process.command(&["check"]), &newer);
    // The last migration finds something of its own in its way: it fails as a whole, whatever it had done before.
    db.execute_batch(
        "DROP TABLE lookups; DROP TRIGGER IF EXISTS lookups_wanted; DROP TRIGGER IF EXISTS lookups_unwanted;
         CREATE TABLE in_the_way (x); CREATE INDEX lookups_by_thing ON in_the_way (x)",
    )
    .expect("undone");
    db.pragma_update(None, "user_version", known - 1).expect("set");
    fails(process.command(&["serve"]), &["lookups_by_thing already exists"]);
    let half: i64 = db
        .query_row("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'lookups'", [], |row| row.get(0))
        .expect("counted");
    assert_eq!(half, 0, "nothing of it is there");
    db.execute_batch("DROP TABLE in_the_way").expect("out of the way");
    drop(db);
    process.start().await;
    process.post(Stripe, sale(1).as_bytes()).await.expect("answered 2xx");
    is_told(&process, "disk1@example.com").await;
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
