//! Standard error on a full disk, a closed pipe, a pipe that nobody reads, and on the disk of the database: whatever
//! becomes of the log, each webhook that is answered 200 is told once, and forged ones are refused.

use std::io::BufRead;
#[cfg(target_os = "linux")]
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;

use futures_util::future::join_all;
use refairn_bridge::domain::provider::ProviderKind::Stripe;

use crate::disk::sale;
use crate::kit::process::Process;
use crate::kit::until;
use crate::kit::wire::Request;

/// How many sales are posted while standard error is of no use: with all that is logged of them, more than a pipe holds.
const SALES: usize = 120;
/// How many requests are forged meanwhile.
const FORGED: usize = 200;
/// How many repetitions are sent side by side, until the log has no room.
const REPEATED: usize = 200;

/// Forged requests are refused, and none is left without an answer.
async fn forged_ones_are_refused(process: &Process, times: usize) {
    for _ in 0..times {
        let forged = Request::new("POST", "/webhooks/stripe").header("Stripe-Signature", "t=1,v1=00").body(b"{}");
        assert_eq!(forged.send(process.addr).await.status, 401);
    }
}

/// A sale that comes again and again: each time is a line, where strangers have only so many.
async fn repetitions_are_taken(process: &Process, times: usize) {
    let body = sale(0);
    let posts = (0..times).map(|_| process.post(Stripe, body.as_bytes()));
    assert!(join_all(posts).await.iter().all(Option::is_some));
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
        process.is_told(&format!("disk{n}@example.com")).await;
    }
    assert_eq!(process.sandbox.look(|book| book.payments().len()), SALES + 3);
    forged_ones_are_refused(process, 1).await;
    assert_eq!(Request::new("GET", "/livez").send(process.addr).await.status, 200);
}

/// Lines of the log that were dropped.
async fn lines_dropped(process: &Process) -> u64 {
    process.metric("refairn_bridge_log_lines_dropped_total ").await
}

/// A bridge whose standard error goes elsewhere. Strangers are not turned away.
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
        repetitions_are_taken(&process, REPEATED).await;
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
        repetitions_are_taken(&process, REPEATED).await;
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
        repetitions_are_taken(&process, 1).await;
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
        process.is_told(&format!("disk{n}@example.com")).await;
    }
    assert_eq!(process.sandbox.look(|book| book.payments().len()), taken.len());
    assert_eq!(process.pid(), pid, "it was not restarted");
    process.signal("TERM");
    assert_eq!(process.ended().await, Some(0));
}
