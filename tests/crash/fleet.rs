//! The real program, once or several times over one store, with a sandbox for Refairn: started, killed and asked.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use refairn_bridge::clock::Clock;
use refairn_bridge::sandbox::Sandbox;
use serde_json::Value;

use crate::ground::Ground;
use crate::kit::program::{API_KEY, Program, get};
use crate::kit::refairn::{self, Refairn, business};
use crate::kit::wire::pages;

/// A process that was told to end, or that meets its point under load, has ended by then.
const END_WAIT_MAX: Duration = Duration::from_secs(30);
/// What stands for the minute between two probes of a paused route.
const MINUTE: Duration = Duration::from_secs(2);

/// Both providers, and nobody at the address at which Paystack would be asked.
const ENDPOINTS: &str = r#"
[[endpoints]]
provider = "stripe"
[[endpoints]]
provider = "paystack"
api_base_url = "http://127.0.0.1:9"
"#;

/// A store, a sandbox, and the bridge as often as it runs.
pub(crate) struct Fleet {
    replicas: Vec<Program>,
    pub(crate) ground: Ground,
    pub(crate) sandbox: Sandbox,
    refairn: Refairn,
    _folder: tempfile::TempDir,
}

impl Fleet {
    /// Prepares everything; no bridge runs yet.
    pub(crate) fn new(
        folder: tempfile::TempDir,
        ground: Ground,
        size: usize,
        variables: &[(&'static str, &str)],
    ) -> Self {
        let sandbox = refairn::sandbox(business("biz_1", API_KEY));
        let refairn = Refairn::start(&sandbox, &Clock::system());
        // No look-up goes out to a real provider.
        std::fs::create_dir(folder.path().join("config")).expect("a folder");
        std::fs::write(folder.path().join("config/refairn-bridge.toml"), ENDPOINTS).expect("written");
        let url = ground.url();
        let all = [&[("DATABASE_URL", url.as_str()), ("REFAIRN_BASE_URL", &refairn.url)], variables].concat();
        let replicas = (0..size).map(|n| Program::new(folder.path(), &format!("log{n}"), &all)).collect();
        Self { replicas, ground, sandbox, refairn, _folder: folder }
    }

    pub(crate) fn size(&self) -> usize {
        self.replicas.len()
    }

    /// Where webhooks are taken.
    pub(crate) fn doors(&self) -> Vec<SocketAddr> {
        self.replicas.iter().map(|r| r.addr).collect()
    }

    pub(crate) fn runs(&self, n: usize) -> bool {
        self.replicas[n].runs()
    }

    /// Starts a replica, which is to end at a point if `crash_at` says so.
    pub(crate) fn spawn(&mut self, n: usize, crash_at: Option<&str>) {
        let more: Vec<&str> = crash_at.into_iter().flat_map(|order| ["--crash-at", order]).collect();
        self.replicas[n].spawn("info", &more);
    }

    /// Waits until a replica takes webhooks.
    pub(crate) async fn ready(&mut self, n: usize) {
        self.replicas[n].ready().await;
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
        let replica = &mut self.replicas[n];
        let ended = replica.try_ended();
        assert!(ended.is_none(), "it had ended by itself with {ended:?}: {}", replica.last_words());
        replica.kill();
    }

    /// Asks a replica to end: SIGTERM.
    pub(crate) fn terminate(&self, n: usize) {
        self.replicas[n].signal("TERM");
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
            let replica = &mut self.replicas[n];
            if let Some(status) = replica.try_ended() {
                assert!(was_aborted(status), "{order}: it ended with {status:?}: {}", replica.last_words());
                return;
            }
            assert!(Instant::now() < give_up, "it never came to {order}: {}", replica.last_words());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.replicas.iter().filter(|r| r.runs()).map(Program::pid).collect()
    }

    /// What the API of the first that runs answers; nothing when there is no answer.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Value> {
        let replica = self.replicas.iter().find(|r| r.runs()).expect("a running bridge");
        get(replica.addr, path).await
    }

    /// Every item of a list.
    pub(crate) async fn all(&self, list: &str, filter: &str) -> Vec<Value> {
        pages(list, filter, async |path| self.try_get(path).await.expect("an answer")).await
    }

    /// Ends everything.
    pub(crate) async fn end(mut self) {
        for n in 0..self.size() {
            self.kill(n);
            self.replicas[n].log_is_clean();
        }
        self.refairn.end().await;
        self.ground.end().await;
    }
}

/// Whether a process ended itself, as at a point.
fn was_aborted(status: std::process::ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    const SIGABRT: i32 = 6;
    status.signal() == Some(SIGABRT)
}
