//! The process around a command: its asynchronous runtime, and the signals that end it.

use anyhow::Context;

/// Runs a command's asynchronous part. What is still running in the background when it ends is left behind.
///
/// # Errors
/// The command's own, or the runtime's threads cannot be started.
pub(super) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the process's threads")?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}

/// Open files and connections that are asked for: far more than all our bounds together come to.
#[cfg(unix)]
const OPEN_FILES: u64 = 8192;

/// Lets the process open as many files and connections as it may need: by the usual limit of 1024 a flood of connections
/// would leave none for the database and for Refairn.
#[cfg(unix)]
pub(super) fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        // A system that refuses this has a reason of its own; connections beyond the limit wait, then.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub(super) fn raise_open_files() {}

/// Keeps what is in memory to this process: secrets and customers' addresses are in it. A process that dies leaves no core
/// dump. Where it can be, it is made undumpable, because a limit on the size of dumps does not hold for those that are
/// handed to a program. That also keeps other processes of the same user from reading its memory and its environment; the
/// price is that such a user cannot list its open files or attach a debugger either, only root can.
#[cfg(unix)]
pub(super) fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Neither can fail for a reason that anybody could remove.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Other systems write none.
#[cfg(not(unix))]
pub(super) fn keep_memory_private() {}

/// The signals by which people and supervisors end a process, from now on.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Listens for `SIGINT` and `SIGTERM`: they no longer end the process by themselves. Needs the runtime.
    ///
    /// # Errors
    /// The system does not allow it.
    pub(super) fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the next one; gives its name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// The signal by which people end a process.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Listens for Ctrl-C.
    ///
    /// # Errors
    /// None.
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next one; gives its name.
    pub(super) async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
