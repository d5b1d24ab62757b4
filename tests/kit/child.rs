//! A child process: told what to do, waited for, and gone when its test is.

use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};

/// A process that runs, or has ended and was not waited for.
pub struct Running(Child);

impl Running {
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|e| panic!("{}: {e}", command.get_program().display())))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// What it says, if that is a pipe.
    pub fn take_stdout(&mut self) -> ChildStdout {
        self.0.stdout.take().expect("a pipe")
    }

    /// What it says on standard error, if that is a pipe.
    pub fn take_stderr(&mut self) -> ChildStderr {
        self.0.stderr.take().expect("a pipe")
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.pid())]).status();
        assert!(sent.expect("sh runs").success());
    }

    /// How it ended, if it has.
    pub fn try_ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child")
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        self.0.wait().expect("a child")
    }

    /// The most memory that it has had so far, in KiB; nothing where the system does not say.
    pub fn memory_peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

impl Drop for Running {
    /// Ends it in an instant: a failing test must not leave it behind.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
