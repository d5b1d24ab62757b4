//! The real program, once or several times over one store, with a sandbox for Refairn: started, killed and asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use refairn_bridge::clock::Clock;
use refairn_bridge::sandbox::{self, Book, Sandbox};
use refairn_bridge::tasks::Tasks;
use serde_json::Value;

use crate::ground::Ground;
use crate::kit::process::{API_KEY, PAYSTACK_SECRET, STRIPE_SECRET, TOKEN};
use crate::kit::until;
use crate::kit::wire::{Reply, Request};
use crate::kit::world::business;

/// A process that was told to end, or that meets its point under load, has ended by then.
const END_WAIT_MAX: Duration = Duration::from_secs(30);
/// What stands for the minute between two probes of a paused route.
const MINUTE: Duration = Duration::from_secs(2);
/// Lines of the log that a failure tells.
const LAST_LINES: usize = 12;
/// An answer that has not come by then never will.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);

/// Ports that no system gives to an outgoing connection: whoever has one gets it again after a while without it.
const PORTS: std::ops::Range<u16> = 15_000..30_000;

/// An address on which nobody listens, which whoever is killed and started again finds free.
pub(crate) fn lasting_addr() -> SocketAddr {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = rand::random_range(PORTS);
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        if TAKEN.lock().expect("unpoisoned").insert(port) && TcpListener::bind(addr).is_ok() {
            return addr;
        }
    }
}

/// Both providers, and nobody at the address at which Paystack would be asked.
const ENDPOINTS: &str = r#"
[[endpoints]]
provider = "stripe"
[[endpoints]]
provider = "paystack"
api_base_url = "http://127.0.0.1:9"
"#;

struct Replica {
    addr: SocketAddr,
    child: Option<Child>,
}

/// A store, a sandbox, and the bridge as often as it runs.
pub(crate) struct Fleet {
    pub(crate) ground: Ground,
    pub(crate) sandbox: Sandbox,
    folder: tempfile::TempDir,
    replicas: Vec<Replica>,
    variables: BTreeMap<&'static str, String>,
    server: ServerHandle,
    tasks: Tasks,
}

impl Fleet {
    /// Prepares everything; no bridge runs yet.
    pub(crate) fn new(
        folder: tempfile::TempDir,
        ground: Ground,
        size: usize,
        variables: &[(&'static str, &str)],
    ) -> Self {
        let sandbox = Sandbox::new(Book::new().with(business("biz_1", API_KEY)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let refairn = format!("http://{}", listener.local_addr().expect("an address"));
        let today = Arc::new(|| Clock::system().now().to_zoned(jiff::tz::TimeZone::UTC).date());
        let running = sandbox::start(listener, sandbox.clone(), today, 1).expect("a sandbox");
        let (server, tasks) = (running.handle(), Tasks::new());
        tasks.spawn(async move { running.await.unwrap_or_default() });
        // No look-up goes out to a real provider.
        std::fs::create_dir(folder.path().join("config")).expect("a folder");
        std::fs::write(folder.path().join("config/refairn-bridge.toml"), ENDPOINTS).expect("written");
        let mut all = BTreeMap::from([
            ("BRIDGE_ADMIN_TOKEN", TOKEN.to_owned()),
            ("DATABASE_URL", ground.url()),
            ("REFAIRN_BASE_URL", refairn),
            ("REFAIRN_API_KEY", API_KEY.to_owned()),
            ("REFAIRN_BUSINESS_ID", "biz_1".to_owned()),
            ("REFAIRN_PRODUCT_ID", "prod_1".to_owned()),
            ("REFAIRN_TEST_PRODUCT_ID", "prod_test".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET.to_owned()),
            ("PAYSTACK_SECRET_KEY", PAYSTACK_SECRET.to_owned()),
        ]);
        all.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let replicas = (0..size).map(|_| Replica { addr: lasting_addr(), child: None }).collect();
        Self { ground, sandbox, folder, replicas, variables: all, server, tasks }
    }

    pub(crate) fn size(&self) -> usize {
        self.replicas.len()
    }

    /// Where webhooks are taken.
    pub(crate) fn doors(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|r| r.addr).collect()
    }

    pub(crate) fn runs(&self, n: usize) -> bool {
        self.replicas[n].child.is_some()
    }

    fn log_path(&self, n: usize) -> PathBuf {
        self.folder.path().join(format!("stderr{n}.log"))
    }

    fn log(&self, n: usize) -> String {
        std::fs::read_to_string(self.log_path(n)).expect("readable")
    }

    /// What a replica said last.
    fn last_words(&self, n: usize) -> String {
        let log = self.log(n);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Starts a replica, which is to end at a point if `crash_at` says so.
    pub(crate) fn spawn(&mut self, n: usize, crash_at: Option<&str>) {
        let log = File::options().create(true).append(true).open(self.log_path(n)).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_refairn-bridge"))
            .args(["serve", "--log", "info", "--log-format", "json"])
            .args(crash_at.into_iter().flat_map(|order| ["--crash-at", order]))
            .env_clear()
            .envs(&self.variables)
            .env("BRIDGE_LISTEN", self.replicas[n].addr.to_string())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.replicas[n].child = Some(child.expect("the program"));
    }

    /// Waits until a replica takes webhooks.
    pub(crate) async fn ready(&mut self, n: usize) {
        let addr = self.replicas[n].addr;
        until("the bridge is ready", async || {
            let ended = self.replicas[n].child.as_mut().and_then(|c| c.try_wait().expect("a child"));
            assert!(ended.is_none(), "it ended with {ended:?}: {}", self.last_words(n));
            let reply = send(addr, Request::new("GET", "/readyz")).await?;
            (reply.status == 200).then_some(())
        })
        .await;
    }

    /// Starts a replica and waits until it takes webhooks.
    pub(crate) async fn start(&mut self, n: usize) {
        self.spawn(n, None);
        self.ready(n).await;
    }

    /// Starts whatever does not run.
    pub(crate) async fn start_all(&mut self) {
        for n in 0..self.size() {
            if !self.runs(n) {
                self.start(n).await;
            }
        }
    }

    /// Ends a replica in an instant: SIGKILL.
    pub(crate) fn kill(&mut self, n: usize) {
        let mut child = self.replicas[n].child.take().expect("a running bridge");
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none(), "it had ended by itself with {ended:?}: {}", self.last_words(n));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// Asks a replica to end: SIGTERM.
    pub(crate) fn terminate(&self, n: usize) {
        let pid = self.replicas[n].child.as_ref().expect("a running bridge").id();
        let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    /// Waits until a replica meets the point at which it is to end. Fails when it ends in another way, or never.
    pub(crate) async fn meets_its_point(&mut self, n: usize, order: &str) {
        let give_up = Instant::now() + END_WAIT_MAX;
        let mut minute_ends = Instant::now() + MINUTE;
        loop {
            if Instant::now() >= minute_ends {
                // Refairn may have refused the key to the very last call before: nothing would be sent for a minute.
                self.ground.minute_of_paused_routes_is_over();
                minute_ends += MINUTE;
            }
            let ended = self.replicas[n].child.as_mut().expect("a child").try_wait().expect("a child");
            if let Some(status) = ended {
                assert!(was_aborted(status), "{order}: it ended with {status:?}: {}", self.last_words(n));
                self.replicas[n].child = None;
                return;
            }
            assert!(Instant::now() < give_up, "it never came to {order}: {}", self.last_words(n));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.replicas.iter().filter_map(|r| r.child.as_ref()).map(Child::id).collect()
    }

    /// What the API of the first that runs answers; nothing when there is no answer.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Value> {
        let replica = self.replicas.iter().find(|r| r.child.is_some()).expect("a running bridge");
        get(replica.addr, path).await
    }

    /// Every item of a list.
    pub(crate) async fn all(&self, list: &str, filter: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let page =
                self.try_get(&format!("/api/v1/{list}?limit=500&after={after}&{filter}")).await.expect("an answer");
            items.extend(page[list].as_array().expect("a list").clone());
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => return items,
            }
        }
    }

    /// Nothing private may be in what the program said.
    fn log_is_clean(&self, n: usize) {
        let log = self.log(n);
        for text in ["@", STRIPE_SECRET, PAYSTACK_SECRET, API_KEY, TOKEN] {
            let line = log.lines().find(|l| l.contains(text));
            assert!(line.is_none(), "{text:?} is in the log: {line:?}");
        }
        assert_eq!(log.lines().find(|l| l.contains("panicked")), None);
    }

    /// Ends everything.
    pub(crate) async fn end(mut self) {
        for n in 0..self.size() {
            self.kill(n);
            self.log_is_clean(n);
        }
        self.server.stop(false).await;
        assert!(self.tasks.stop(Duration::from_secs(10)).await, "the sandbox did not stop");
        let ground = std::mem::replace(&mut self.ground, Ground::Sqlite(PathBuf::new()));
        ground.end().await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in self.replicas.iter_mut().filter_map(|r| r.child.as_mut()) {
            // A failing test must not leave it behind.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the API of a replica answers; nothing when there is no answer.
pub(crate) async fn get(addr: SocketAddr, path: &str) -> Option<Value> {
    let request = Request::new("GET", path).header("Authorization", format!("Bearer {TOKEN}"));
    send(addr, request).await.filter(|r| r.status == 200).map(|r| r.json())
}

async fn send(addr: SocketAddr, request: Request) -> Option<Reply> {
    tokio::time::timeout(ANSWER_WAIT_MAX, request.try_send(addr)).await.ok().flatten()
}

/// Whether a process ended itself, as at a point.
fn was_aborted(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    const SIGABRT: i32 = 6;
    status.signal() == Some(SIGABRT)
}
