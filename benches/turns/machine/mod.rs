//! The machine, and the two binaries: figures without them say nothing.

pub mod cpu;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Characters of a binary's hash that are shown.
const HASH_SHOWN: usize = 12;

#[derive(Serialize)]
pub struct Machine {
    cores: usize,
    cpu: String,
    memory_mib: u64,
    kernel: String,
    /// The kind of file system that the stores are on.
    disk: String,
    /// Others' work, which makes every figure worse.
    load_before: String,
}

#[derive(Serialize)]
pub struct Binary {
    #[serde(skip)]
    pub path: PathBuf,
    /// As it says itself.
    version: String,
    /// The commit it was built from, as far as that was said.
    commit: Option<String>,
    sha256: String,
    bytes: usize,
}

impl Machine {
    pub fn look(folder: &Path) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            memory_mib: field("/proc/meminfo", "MemTotal").and_then(|kib| number(&kib)).unwrap_or(0) / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            disk: said(Command::new("stat").args(["-f", "-c", "%T"]).arg(folder)).unwrap_or_default(),
            load_before: load(),
        }
    }

    pub fn lines(&self) -> Vec<String> {
        vec![
            format!("machine  {} cores, {}, {} MiB", self.cores, self.cpu, self.memory_mib),
            format!("         Linux {}, stores on {}", self.kernel, self.disk),
            format!("         load before {}", self.load_before),
        ]
    }
}

impl Binary {
    pub fn look(path: &Path, commit: Option<String>) -> anyhow::Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let path = path.canonicalize()?;
        let version = said(Command::new(&path).arg("--version")).unwrap_or_default();
        ensure!(version.starts_with("refairn-bridge"), "{} is no refairn-bridge", path.display());
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Ok(Self { path, version, commit, sha256, bytes: bytes.len() })
    }

    pub fn line(&self) -> String {
        let commit = self.commit.as_deref().unwrap_or("not said");
        let (mib, hash) = (self.bytes as f64 / 1_048_576.0, self.sha256.get(..HASH_SHOWN).unwrap_or_default());
        format!("{}, commit {commit}, {mib:.1} MiB, sha256 {hash}", self.version)
    }
}

/// The commit of this repository, and whether it has changes beside it.
pub fn commit() -> Option<String> {
    let git = |args: &[&str]| said(Command::new("git").args(args).current_dir(env!("CARGO_MANIFEST_DIR")));
    let head = git(&["rev-parse", "--short", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--", "src", "migrations", "config", "Cargo.lock"])?;
    Some(if changes.is_empty() { head } else { format!("{head} with changes") })
}

/// Memory of a process now and at its most, in MiB.
pub fn memory_mib(pid: u32) -> Option<(f64, f64)> {
    let status = format!("/proc/{pid}/status");
    let mib = |name: &str| Some(number(&field(&status, name)?)? as f64 / 1024.0);
    mib("VmRSS").zip(mib("VmHWM"))
}

/// Processes that wanted to run, in the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn number(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse().ok()
}

fn said(command: &mut Command) -> Option<String> {
    let out = command.output().ok().filter(|out| out.status.success())?;
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
