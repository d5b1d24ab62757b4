//! What the measurements of the whole program are made of: the real program on a real disk, and numbers in order.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::program::Program;

/// The program, and its folder on a real disk: what is measured includes its syncs.
pub struct Bridge {
    program: Program,
    folder: PathBuf,
    /// A folder that goes with it.
    _own: Option<tempfile::TempDir>,
}

impl Bridge {
    pub fn new() -> Self {
        let own = Self::folder();
        let bridge = Self::at(own.path());
        Self { _own: Some(own), ..bridge }
    }

    /// One that has its folder here, and leaves it.
    pub fn at(folder: &Path) -> Self {
        Self { program: Program::new(folder, "log", &[]), folder: folder.to_owned(), _own: None }
    }

    /// An empty folder on that disk.
    pub fn folder() -> tempfile::TempDir {
        tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
    }

    /// One of another build.
    pub fn of(binary: &Path) -> Self {
        Self::new().built_as(binary)
    }

    /// The same, run from another file.
    pub fn built_as(mut self, binary: &Path) -> Self {
        self.program.binary = binary.to_owned();
        self
    }

    pub fn database(&self) -> PathBuf {
        self.folder.join("bridge.db")
    }

    /// Writes a file into its folder.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    /// Starts the program as people run it, and waits until it listens.
    pub async fn start(&mut self, refairn: &str) {
        self.program.set("REFAIRN_BASE_URL", refairn);
        self.program.start_at("info").await;
    }

    /// The most memory it has had so far, MiB.
    pub fn memory_mib(&self) -> f64 {
        self.program.memory_peak_kib().expect("Linux") as f64 / 1024.0
    }

    /// Ends it as a service manager does, and waits until it has finished what was on its way.
    pub async fn stop(&mut self) {
        self.program.signal("TERM");
        self.program.ended().await;
    }
}

impl Deref for Bridge {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Bridge {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

/// A customer's sale through Stripe, each its own.
pub fn sale(n: usize, now: jiff::Timestamp) -> Vec<u8> {
    let corpus = include_str!("../../tests/fixtures/stripe/invoice.paid/renewal-clover/body.json");
    let mut event: Value = serde_json::from_str(corpus).expect("JSON");
    event["id"] = json!(format!("evt_{n}"));
    event["created"] = json!(now.as_second());
    let invoice = &mut event["data"]["object"];
    invoice["id"] = json!(format!("in_{n}"));
    invoice["customer"] = json!(format!("cus_{n}"));
    invoice["customer_email"] = json!(format!("customer-{n}@example.com"));
    invoice["status_transitions"]["paid_at"] = json!(now.as_second());
    invoice["parent"]["subscription_details"]["subscription"] = json!(format!("sub_{n}"));
    event.to_string().into_bytes()
}

/// The time that so many of a thousand stay below; zero where there are none.
pub fn quantile(times: &mut [Duration], per_mille: usize) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get((times.len() * per_mille / 1000).min(last)).copied().unwrap_or_default()
}

pub fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
