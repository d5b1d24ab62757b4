//! How many instructions the path of an event takes, stage by stage, beside the numbers that are kept in `kept.toml`.
//! Time depends on the machine and on what else it does; instructions hardly do. They are those of a test build: a stage
//! that does more work shows, and how fast a release is does not.
//!
//! `BLESS=1 cargo test --test instructions` keeps what it counts.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    reason = "a test may fail loudly, prints what it found, and is told by the environment what to keep"
)]

#[path = "../kit/mod.rs"]
mod kit;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use work::Stage;

/// What a stage may take more than is kept, per cent: other compilers and machines are within it.
const MARGIN_PERCENT: u64 = 10;
/// What this program is told to do one stage by, so many times.
const DO: &str = "--do";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [flag, stage, times] if flag == DO => {
            let stage = Stage::ALL.into_iter().find(|known| known.name() == stage).expect("a stage");
            work::run(stage, times.parse().expect("a number"));
        }
        // Cargo hands every test program the name it was asked for, and this one has a single test.
        [filter, ..] if !filter.starts_with('-') && !"instructions".contains(filter.as_str()) => {}
        _ => judge(),
    }
}

/// Counts each stage, and compares.
fn judge() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions/kept.toml");
    let found: BTreeMap<String, u64> =
        Stage::ALL.into_iter().map(|stage| (stage.name().to_owned(), count(stage))).collect();
    if std::env::var_os("BLESS").is_some() {
        return keep(&path, &found);
    }
    let kept = std::fs::read_to_string(&path).expect("what is kept");
    let kept: BTreeMap<String, u64> = toml::from_str(&kept).expect("a number for each stage");
    assert!(kept.keys().eq(found.keys()), "{} has other stages: bless it", path.display());
    let mut worse = Vec::new();
    for (stage, found) in &found {
        let kept = kept.get(stage).copied().unwrap_or_default();
        let percent = found * 100 / kept.max(1);
        println!("{stage:<10} {found:>12} instructions, {percent} % of what is kept");
        if percent > 100 + MARGIN_PERCENT {
            worse.push(format!("{stage} takes {found} instructions, and took {kept}"));
        }
    }
    assert!(
        worse.is_empty(),
        "{}\nFind what has become dearer. If it is worth it, or the compiler has changed: BLESS=1 cargo test --test \
         instructions, and say why in the commit.",
        worse.join("\n")
    );
    println!("test result: ok. {} passed; 0 failed", found.len());
}

fn keep(path: &Path, found: &BTreeMap<String, u64>) {
    let numbers = toml::to_string(found).expect("TOML");
    let text = format!("# Instructions of one event in a test build, by stage; BLESS=1 writes them.\n{numbers}");
    std::fs::write(path, text).expect("kept");
    print!("{numbers}");
}

/// Instructions of one time: what many times take more than few, so that starting and preparing do not count.
fn count(stage: Stage) -> u64 {
    let (few, many) = stage.times();
    (total(stage, many) - total(stage, few)) / u64::from(many - few)
}

fn total(stage: Stage, times: u32) -> u64 {
    let program: PathBuf = std::env::current_exe().expect("this program");
    let mut command = Command::new("valgrind");
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    command.arg(program).args([DO, stage.name(), &times.to_string()]);
    let out = command.output().expect("valgrind is needed for this test: install the package valgrind");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}: {said}", stage.name());
    // `==7== I   refs:      1,234,567`
    let line = said.lines().find(|line| line.contains("refs:")).expect("a count");
    let digits: String = line.rsplit(':').next().expect("a number").chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}
