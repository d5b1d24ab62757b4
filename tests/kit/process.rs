//! The real program as a child process, on a port that it keeps over its restarts.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::endpoint::ProviderKind;
use refairn_bridge::providers::provider;
use refairn_bridge::sandbox::{self, Book, Sandbox};
use refairn_bridge::tasks::Tasks;
use serde_json::Value;

use super::place::scratch;
use super::until;
use super::wire::Request;
use super::world::business;

pub const STRIPE_SECRET: &str = "whsec_of_the_process";
pub const PAYSTACK_SECRET: &str = "sk_live_of_the_process";
pub const API_KEY: &str = "rk_live_of_the_process";
pub const TOKEN: &str = "admin-token-of-the-process";

/// A folder, an address, a sandbox, and the bridge while it runs.
pub struct Process {
    pub folder: tempfile::TempDir,
    pub addr: SocketAddr,
    pub sandbox: Sandbox,
    /// It is made to panic: its log says so.
    pub panics: bool,
    variables: BTreeMap<&'static str, String>,
    child: Option<Child>,
    server: ServerHandle,
    tasks: Tasks,
}

impl Process {
    /// Prepares everything; the bridge itself does not run yet.
    pub fn new(variables: &[(&'static str, &str)]) -> Self {
        let folder = scratch();
        let free = TcpListener::bind("127.0.0.1:0").expect("bound");
        let addr = free.local_addr().expect("an address");
        let sandbox = Sandbox::new(Book::new().with(business("biz_1", API_KEY)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let today = Arc::new(|| Clock::system().now().to_zoned(jiff::tz::TimeZone::UTC).date());
        let running = sandbox::start(listener, sandbox.clone(), today, 1).expect("a sandbox");
        let (server, tasks) = (running.handle(), Tasks::new());
        tasks.spawn(async move { running.await.unwrap_or_default() });
        let mut all = BTreeMap::from([
            ("BRIDGE_LISTEN", addr.to_string()),
            ("BRIDGE_ADMIN_TOKEN", TOKEN.to_owned()),
            ("DATABASE_URL", format!("sqlite://{}", folder.path().join("bridge.db").display())),
            ("REFAIRN_BASE_URL", url),
            ("REFAIRN_API_KEY", API_KEY.to_owned()),
            ("REFAIRN_BUSINESS_ID", "biz_1".to_owned()),
            ("REFAIRN_PRODUCT_ID", "prod_1".to_owned()),
            ("REFAIRN_TEST_PRODUCT_ID", "prod_test".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET.to_owned()),
            ("PAYSTACK_SECRET_KEY", PAYSTACK_SECRET.to_owned()),
        ]);
        all.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self { folder, addr, sandbox, panics: false, variables: all, child: None, server, tasks }
    }

    /// Whatever it is started with from now on has this in its environment, too.
    pub fn set(&mut self, variable: &'static str, value: &str) {
        self.variables.insert(variable, value.to_owned());
    }

    /// The same without a variable.
    pub fn unset(mut self, variable: &str) -> Self {
        self.variables.remove(variable);
        self
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// All that the program wrote so far, to standard output as well.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The program with the variables of this bridge.
    pub fn command(&self, args: &[&str]) -> Command {
        // A write beyond a limit of the system is to fail, as on a full disk, and not to end the program.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_refairn-bridge")]);
        command.args(args).env_clear().envs(&self.variables).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn log_file(&self) -> File {
        File::options().create(true).append(true).open(self.log_path()).expect("a log")
    }

    /// Starts the bridge, and waits until it takes webhooks.
    pub async fn start(&mut self) {
        self.start_at("debug").await;
    }

    /// The same, logging at this level.
    pub async fn start_at(&mut self, level: &str) {
        let log = self.log_file();
        self.start_with(level, log).await;
    }

    /// The same, logging to something else than the file that [`Self::log`] reads.
    pub async fn start_with(&mut self, level: &str, stderr: impl Into<Stdio>) {
        let command = self.command(&["serve", "--log", level, "--log-format", "json"]);
        self.run(command, stderr);
        self.ready().await;
    }

    /// Starts the bridge with more arguments.
    pub fn spawn(&mut self, more: &[&str]) {
        let command = self.command(&[&["serve", "--log", "debug", "--log-format", "json"], more].concat());
        let log = self.log_file();
        self.run(command, log);
    }

    /// Starts the bridge by `command`, with its standard error elsewhere.
    pub fn run(&mut self, mut command: Command, stderr: impl Into<Stdio>) {
        let child = command.stdout(self.log_file()).stderr(stderr).spawn();
        self.child = Some(child.expect("the program"));
    }

    /// What reads the bridge's standard error, if that is a pipe.
    pub fn take_stderr(&mut self) -> ChildStderr {
        self.child.as_mut().expect("a running bridge").stderr.take().expect("a pipe")
    }

    /// Waits until the bridge takes webhooks.
    pub async fn ready(&mut self) {
        until("the bridge is ready", async || {
            let ended = self.child.as_mut().and_then(|c| c.try_wait().expect("a child"));
            assert!(ended.is_none(), "it ended with {ended:?}: {}", self.log());
            let reply = Request::new("GET", "/readyz").try_send(self.addr).await?;
            (reply.status == 200).then_some(())
        })
        .await;
    }

    /// Ends the bridge in an instant: SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a running bridge");
        child.kill().expect("killed");
        child.wait().expect("ended");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.pid())]).status();
        assert!(sent.expect("sh runs").success());
    }

    /// Whether the bridge has ended, and with which exit code; then it does not run any more.
    pub fn try_ended(&mut self) -> Option<Option<i32>> {
        let status = self.child.as_mut().expect("a running bridge").try_wait().expect("a child")?;
        self.child = None;
        Some(status.code())
    }

    /// Waits until the bridge has ended; gives its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        self.status().await.code()
    }

    /// Waits until the bridge has ended; gives how.
    pub async fn status(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("a running bridge");
        until("the bridge has ended", async || child.try_wait().expect("a child")).await
    }

    /// The most memory that the bridge has had so far, in MiB; nothing where the system does not tell.
    pub fn memory_peak_mib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
    }

    /// A POST to the provider's endpoint, signed at this moment.
    pub fn signed(&self, kind: ProviderKind, body: &[u8]) -> Request {
        signed(kind, body)
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running bridge").id()
    }

    /// Posts a signed body; gives the event's number and whether it was known, if it was answered 200.
    pub async fn post(&self, kind: ProviderKind, body: &[u8]) -> Option<(String, bool)> {
        post(self.addr, kind, body).await
    }

    /// What the API answers.
    pub async fn get(&self, path: &str) -> Value {
        let request = Request::new("GET", path).header("Authorization", format!("Bearer {TOKEN}"));
        let reply = request.send(self.addr).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// An operator's action.
    pub async fn act(&self, path: &str) -> u16 {
        let request = Request::new("POST", path).header("Authorization", format!("Bearer {TOKEN}"));
        request.send(self.addr).await.status
    }

    /// Every item of a list.
    pub async fn all(&self, list: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("/api/v1/{list}?limit=500&after={after}")).await;
            items.extend(page[list].as_array().expect("a list").clone());
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => return items,
            }
        }
    }

    /// Nothing private may be in what the program said.
    pub fn log_is_clean(&self) {
        let log = self.log();
        for text in ["@", STRIPE_SECRET, PAYSTACK_SECRET, API_KEY, TOKEN] {
            let line = log.lines().find(|l| l.contains(text));
            assert!(line.is_none(), "{text:?} is in the log: {line:?}");
        }
        let panicked = log.lines().find(|l| l.contains("panicked")).filter(|_| !self.panics);
        assert_eq!(panicked, None);
    }

    /// Ends everything; the bridge may have ended before.
    pub async fn end(mut self) {
        if self.child.is_some() {
            self.kill();
        }
        self.log_is_clean();
        self.server.stop(false).await;
        assert!(self.tasks.stop(Duration::from_secs(10)).await, "the sandbox did not stop");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A failing test must not leave it behind.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Posts a body signed at this moment; gives the event's number and whether it was known, if it was answered 200.
pub async fn post(addr: SocketAddr, kind: ProviderKind, body: &[u8]) -> Option<(String, bool)> {
    let reply = signed(kind, body).try_send(addr).await?;
    // A connection may break anywhere; an answer that is here is whole only with its body.
    let answer: Value = serde_json::from_slice(&reply.body).ok()?;
    assert!(matches!(reply.status, 200 | 503), "{}: {answer}", reply.status);
    let id = answer["event"].as_str().filter(|_| reply.status == 200)?;
    Some((id.to_owned(), answer["duplicate"] == true))
}

fn signed(kind: ProviderKind, body: &[u8]) -> Request {
    let secret = match kind {
        ProviderKind::Stripe => STRIPE_SECRET,
        ProviderKind::Paystack => PAYSTACK_SECRET,
    };
    let provider = provider(kind);
    let signature = provider.sign(secret, body, Clock::system().now());
    let request = Request::new("POST", &format!("/webhooks/{}", kind.code()));
    request.header(provider.signature_header(), signature).body(body)
}

/// Copies the database as a power cut would leave it: the file and its log, of one moment after another.
pub fn copy_files(from: &Path, to: &Path) {
    for name in ["bridge.db", "bridge.db-wal"] {
        std::fs::copy(from.join(name), to.join(name)).expect("copied");
    }
}
