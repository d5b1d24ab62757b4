//! Processor time of processes, as the kernel counts it: in hundredths of a second.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// `USER_HZ`, which is 100 on every Linux that this program runs on.
const TICKS_A_SECOND: u64 = 100;

/// What the kernel tells of a process.
struct Stat {
    parent: u32,
    own: u64,
    /// Of its children that have ended.
    children: u64,
}

/// A process's own time.
pub fn of(pid: u32) -> anyhow::Result<Duration> {
    Ok(time(stat(pid).with_context(|| format!("process {pid} is gone"))?.own))
}

/// A database server's time: its first process's, and that of all it has started.
pub fn of_server(pid: u32) -> anyhow::Result<Duration> {
    let first = stat(pid).with_context(|| format!("the server {pid} is gone"))?;
    let mut ticks = first.own + first.children;
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended since it was listed; then the first process has its time.
        ticks += stat(child).filter(|stat| stat.parent == pid).map_or(0, |stat| stat.own);
    }
    Ok(time(ticks))
}

fn time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / TICKS_A_SECOND)
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, and ends at the last parenthesis. After it come the state, the parent and so on.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, own: ticks(11)? + ticks(12)?, children: ticks(13)? + ticks(14)? })
}
