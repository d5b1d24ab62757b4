//! The real binary's `demo`: whoever tries the bridge for the first time sees this, and it judges itself.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

use crate::kit::child::Running;
use crate::kit::command::finish;

/// A `demo` with a folder for temporary files of its own, so that what it leaves behind is seen.
fn demo(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refairn-bridge"));
    command.arg("demo").args(arguments);
    // Neither the environment nor a file of this machine may be needed, or heard.
    command.env_clear().env("TMPDIR", folder.path()).current_dir(folder.path());
    command.env("REFAIRN_API_KEY", "not_for_the_demo").env("BRIDGE_LISTEN", "nonsense");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(&folder, arguments).output().unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "the demo leaves {left:?} behind");
    output
}

#[test]
fn the_demo_proves_what_it_says() {
    let output = run(&[]);
    let (told, progress) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{told}\n{progress}");
    for line in [
        "The providers sent 144 webhooks",
        "127  recorded",
        "15  repeated",
        "2  refused   not signed by the provider (stripe: 401 signature_mismatch;",
        "already_reported      Another event reported the same fact before.",
        "Ada     KWD           1       15.250        3.050",
        "Chidi   JPY           2        15600         3120",
        "nobody  USD           1        49.00         0.00\n        (nobody: no referral code was given)",
        "in test mode, for a product whose rates are all zero:\n        Ada     USD           1        99.00         0.00",
        "Needs attention: a person has to decide (2)",
        "sales reported by providers: 33",
        "paid once: 31; lost: 0; doubled: 0",
        "held for a person: 1; taken back in time: 1",
    ] {
        assert!(told.contains(line), "{line:?} is not in:\n{told}");
    }
    assert!(!told.contains("What differs"), "{told}");
    let long: Vec<&str> = told.lines().chain(progress.lines()).filter(|line| line.chars().count() > 79).collect();
    assert!(long.is_empty(), "wider than a terminal: {long:?}");
    // Colours and rewritten lines are for terminals.
    assert!(!told.contains('\u{1b}') && !progress.contains(['\u{1b}', '\r']), "{progress:?}");
    assert!(progress.contains("Refairn is down (503)"), "{progress}");
}

#[test]
fn as_json_it_says_the_same_to_programs() {
    let output = run(&["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let proof = serde_json::json!({
        "sales_reported": 33, "paid_once": 31, "held": 1, "taken_back": 1, "lost": 0, "doubled": 0, "differences": [],
    });
    assert_eq!(told["proof"], proof);
    assert_eq!(told["calls"]["payments"], 31);
    let kwd = told["commissions"].as_array().unwrap().iter().find(|row| row["currency"] == "KWD").unwrap();
    assert_eq!(kwd["commission"].to_string(), "3.05");
    // A test is nobody's money: it stands apart from what Ada earned.
    let tests: Vec<_> = told["commissions"].as_array().unwrap().iter().filter(|row| row["test"] == true).collect();
    let test = serde_json::json!(
        [{ "test": true, "agent": "Ada", "currency": "USD", "sales": 1, "paid": 99, "commission": 0 }]
    );
    assert_eq!(serde_json::json!(tests), test);
    // Which of the two is made later depends on how fast the machine is.
    let mut reasons: Vec<&str> =
        told["needs_attention"].as_array().unwrap().iter().map(|item| item["reason"].as_str().unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["reversed", "same_day_payment"]);
}

#[cfg(unix)]
#[test]
fn kept_it_runs_until_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(&mut demo(&folder, &["--keep"]));
    let mut talk = BufReader::new(running.take_stderr()).lines();
    let mut until = |text: &str| talk.by_ref().map(Result::unwrap).find(|line| line.contains(text)).unwrap();
    let dashboard = until("its dashboard    http://").split_whitespace().last().unwrap().to_owned();
    let bridge = until("bridge       http://").split_whitespace().last().unwrap().to_owned();
    let token = until("admin token").split_whitespace().last().unwrap().to_owned();
    let tries: Vec<String> =
        talk.by_ref().map(Result::unwrap).take_while(|line| !line.contains("send stripe FILE")).collect();
    let get = |path: &str, token: &str| {
        let mut stream = std::net::TcpStream::connect(bridge.trim_start_matches("http://")).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let stats = get("/api/v1/stats", &token);
    assert!(stats.contains("200 OK") && stats.contains(r#""needs_attention":2"#), "{stats}");
    assert!(get("/api/v1/stats", "guess").contains("401 Unauthorized"));
    assert_eq!(dashboard, format!("{bridge}/"));
    assert!(get("/sign-in", "").contains("BRIDGE_ADMIN_TOKEN"));

    // What it prints to try works as it is printed.
    let lines = |start: &'static str| tries.iter().filter_map(move |line| line.trim().strip_prefix(start));
    let exports: Vec<(&str, &str)> = lines("export ").map(|line| line.split_once('=').unwrap()).collect();
    // It was called by its path, so a shell is told where to find it.
    let folder_of_it = std::path::Path::new(env!("CARGO_BIN_EXE_refairn-bridge")).parent().unwrap();
    assert!(exports.contains(&("PATH", &format!("\"{}:$PATH\"", folder_of_it.display()))), "{exports:?}");
    let mut tried = 0;
    for args in lines("refairn-bridge ") {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refairn-bridge"));
        command.env_clear().envs(exports.iter().copied()).args(args.split(' ')).current_dir(folder.path());
        let done = finish(command);
        // Somebody is needed: a payment is held, and a commission has to be reversed.
        assert_eq!(done.code, Some(i32::from(args == "status")), "{args}: {}{}", done.stdout, done.stderr);
        assert!(!(done.stdout + &done.stderr).is_empty(), "{args}");
        tried += 1;
    }
    assert_eq!(tried, 9);

    running.signal("INT");
    assert_eq!(running.ended().code(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn broken_off_it_says_so_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(&mut demo(&folder, &[]));
    let mut talk = BufReader::new(running.take_stderr()).lines();
    talk.by_ref().map(Result::unwrap).find(|line| line.contains("three customers subscribe")).unwrap();
    running.signal("INT");
    assert!(talk.any(|line| line.unwrap().contains("the demo was broken off")));
    assert_eq!(running.ended().code(), Some(1));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
