//! The real program in a folder of its own, with a sandbox for Refairn.

use std::ops::{Deref, DerefMut};
use std::path::Path;

use refairn_bridge::clock::Clock;
use refairn_bridge::sandbox::Sandbox;

use super::place::scratch;
use super::program::{API_KEY, Program};
use super::refairn::{self, Refairn, business};
use super::until;

/// A program, its folder and its sandbox. Whatever a [`Program`] can do, it can.
pub struct Process {
    program: Program,
    pub folder: tempfile::TempDir,
    pub sandbox: Sandbox,
    refairn: Refairn,
}

impl Process {
    /// Prepares everything; the bridge itself does not run yet.
    pub fn new(variables: &[(&'static str, &str)]) -> Self {
        let folder = scratch();
        let sandbox = refairn::sandbox(business("biz_1", API_KEY));
        let refairn = Refairn::start(&sandbox, &Clock::system());
        let all = [&[("REFAIRN_BASE_URL", refairn.url.as_str())], variables].concat();
        let program = Program::new(folder.path(), "log", &all);
        Self { program, folder, sandbox, refairn }
    }

    /// Waits until Refairn knows a payment of this customer.
    pub async fn is_told(&self, email: &str) {
        until("it is told", async || {
            let is_there = |p: &refairn_bridge::sandbox::Payment| p.customer_email == email;
            self.sandbox.look(|book| book.payments().iter().any(is_there)).then_some(())
        })
        .await;
    }

    /// Ends everything; the bridge may have ended before.
    pub async fn end(mut self) {
        if self.runs() {
            self.kill();
        }
        self.log_is_clean();
        self.refairn.end().await;
    }
}

impl Deref for Process {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

/// Copies the database as a power cut would leave it: each file and its log, of one moment after another. What the spool had
/// first is in the database when that is copied.
pub fn copy_files(from: &Path, to: &Path) {
    for name in ["bridge.db.spool", "bridge.db.spool-wal", "bridge.db", "bridge.db-wal"] {
        std::fs::copy(from.join(name), to.join(name)).expect("copied");
    }
}
