//! What the measurements of the whole program are made of: the real program as a child, and numbers in order.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What Stripe signs with.
pub const STRIPE_SECRET: &str = "whsec_of_the_measurement";
/// The longest wait for the program to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a database, and the program on it while it runs.
pub struct Bridge {
    pub addr: SocketAddr,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Bridge {
    /// A folder on a real disk: what is measured includes its syncs.
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let addr = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("an address");
        Self { addr, folder, child: None }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("bridge.db")
    }

    /// Starts the program and waits until it listens.
    pub fn start(&mut self, refairn: &str, settings: &[(&str, String)]) {
        let variables = BTreeMap::from([
            ("BRIDGE_LISTEN", self.addr.to_string()),
            ("DATABASE_URL", format!("sqlite://{}", self.database().display())),
            ("REFAIRN_BASE_URL", refairn.to_owned()),
            ("REFAIRN_API_KEY", "rk_live_of_the_measurement".to_owned()),
            ("REFAIRN_BUSINESS_ID", "biz_1".to_owned()),
            ("REFAIRN_PRODUCT_ID", "prod_1".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET.to_owned()),
        ]);
        let log = File::create(self.folder.path().join("stderr.log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_refairn-bridge"))
            .args(["serve", "--log-format", "json"])
            .env_clear()
            .envs(variables)
            .envs(settings.iter().map(|(key, value)| (*key, value.as_str())))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the program"));
        let give_up = Instant::now() + PATIENCE;
        while TcpStream::connect(self.addr).is_err() {
            assert!(Instant::now() < give_up, "it does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The most memory it has had so far, KiB, as Linux tells it.
    pub fn memory_kib(&self) -> u64 {
        let pid = self.child.as_ref().expect("a running program").id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Ends it as a service manager does, and waits until it has finished what was on its way.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("a running program");
        let told = Command::new("kill").arg(child.id().to_string()).status().expect("kill");
        assert!(told.success());
        let give_up = Instant::now() + PATIENCE;
        while child.try_wait().expect("a child").is_none() {
            assert!(Instant::now() < give_up, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A measurement that fails must not leave it behind.
            let _ = child.kill();
            let _ = child.wait();
        }
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

/// The time that so many per cent stay below.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get((times.len() * percent / 100).min(last)).copied().unwrap_or_default()
}

pub fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
