//! The real program, started again and again on one folder, one port and one environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::providers::provider;
use serde_json::Value;

use super::child::Running;
use super::until;
use super::wire::{Reply, Request, pages};

pub const STRIPE_SECRET: &str = "whsec_of_the_process";
pub const PAYSTACK_SECRET: &str = "sk_live_of_the_process";
pub const API_KEY: &str = "rk_live_of_the_process";
pub const TOKEN: &str = "admin-token-of-the-process";

/// An answer that has not come by then never will.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);
/// Lines of the log that a failure shows.
const LAST_LINES: usize = 30;
/// Ports that no system gives to an outgoing connection: who has one gets it again after a while without it.
const PORTS: std::ops::Range<u16> = 15_000..30_000;

/// An address on which nobody listens, and which is still free when a program on it is started again.
pub fn lasting_addr() -> SocketAddr {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = rand::random_range(PORTS);
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        if TAKEN.lock().expect("unpoisoned").insert(port) && TcpListener::bind(addr).is_ok() {
            return addr;
        }
    }
}

/// The program, while it runs and while it does not.
pub struct Program {
    pub addr: SocketAddr,
    /// It is made to panic: its log says so.
    pub panics: bool,
    /// The file that is run; the one that Cargo has built beside the test, unless another is named.
    pub binary: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    variables: BTreeMap<&'static str, String>,
    child: Option<Running>,
}

impl Program {
    /// The program in this folder, with its data there in `bridge.db` and its log in the file `log`.
    pub fn new(folder: &Path, log: &str, variables: &[(&'static str, &str)]) -> Self {
        let addr = lasting_addr();
        let mut all = BTreeMap::from([
            ("BRIDGE_LISTEN", addr.to_string()),
            ("BRIDGE_ADMIN_TOKEN", TOKEN.to_owned()),
            ("DATABASE_URL", format!("sqlite://{}", folder.join("bridge.db").display())),
            ("REFAIRN_API_KEY", API_KEY.to_owned()),
            ("REFAIRN_BUSINESS_ID", "biz_1".to_owned()),
            ("REFAIRN_PRODUCT_ID", "prod_1".to_owned()),
            ("REFAIRN_TEST_PRODUCT_ID", "prod_test".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", STRIPE_SECRET.to_owned()),
            ("PAYSTACK_SECRET_KEY", PAYSTACK_SECRET.to_owned()),
        ]);
        all.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let (folder, log) = (folder.to_owned(), folder.join(log));
        let binary = env!("CARGO_BIN_EXE_refairn-bridge").into();
        Self { addr, panics: false, binary, folder, log, variables: all, child: None }
    }

    /// From now on it has this in its environment, too.
    pub fn set(&mut self, variable: &'static str, value: &str) {
        self.variables.insert(variable, value.to_owned());
    }

    pub fn unset(&mut self, variable: &str) {
        self.variables.remove(variable);
    }

    /// All that the program wrote so far, to standard output as well.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of that.
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// The program with its variables, in its folder.
    pub fn command(&self, args: &[&str]) -> Command {
        // A write beyond a limit of the system is to fail, as on a full disk, and not to end the program.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(&self.binary);
        command.args(args).env_clear().envs(&self.variables).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    fn log_file(&self) -> File {
        File::options().create(true).append(true).open(&self.log).expect("a log")
    }

    /// Starts it, and waits until it takes webhooks.
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

    /// Starts it with more arguments.
    pub fn spawn(&mut self, level: &str, more: &[&str]) {
        let command = self.command(&[&["serve", "--log", level, "--log-format", "json"], more].concat());
        let log = self.log_file();
        self.run(command, log);
    }

    /// Starts it by `command`, with its standard error elsewhere.
    pub fn run(&mut self, mut command: Command, stderr: impl Into<Stdio>) {
        self.child = Some(Running::start(command.stdout(self.log_file()).stderr(stderr)));
    }

    pub const fn runs(&self) -> bool {
        self.child.is_some()
    }

    fn child(&self) -> &Running {
        self.child.as_ref().expect("a running bridge")
    }

    fn child_mut(&mut self) -> &mut Running {
        self.child.as_mut().expect("a running bridge")
    }

    /// What reads its standard error, if that is a pipe.
    pub fn take_stderr(&mut self) -> ChildStderr {
        self.child_mut().take_stderr()
    }

    /// Waits until it takes webhooks.
    pub async fn ready(&mut self) {
        until("the bridge is ready", async || {
            let ended = self.child_mut().try_ended();
            assert!(ended.is_none(), "it ended with {ended:?}: {}", self.last_words());
            let reply = answer(self.addr, Request::new("GET", "/readyz")).await?;
            (reply.status == 200).then_some(())
        })
        .await;
    }

    /// Ends it in an instant: SIGKILL.
    pub fn kill(&mut self) {
        drop(self.child.take().expect("a running bridge"));
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        self.child().signal(name);
    }

    /// How it ended, if it has; then it does not run any more.
    pub fn try_ended(&mut self) -> Option<ExitStatus> {
        let status = self.child_mut().try_ended()?;
        self.child = None;
        Some(status)
    }

    /// Waits until it has ended; gives its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        self.status().await.code()
    }

    /// Waits until it has ended; gives how.
    pub async fn status(&mut self) -> ExitStatus {
        until("the bridge has ended", async || self.try_ended()).await
    }

    /// The most memory that it has had so far, in KiB; nothing where the system does not say.
    pub fn memory_peak_kib(&self) -> Option<u64> {
        self.child().memory_peak_kib()
    }

    pub fn pid(&self) -> u32 {
        self.child().pid()
    }

    /// A POST to the provider's endpoint, signed at this moment.
    pub fn signed(&self, kind: ProviderKind, body: &[u8]) -> Request {
        signed(kind, body)
    }

    /// Posts a signed body; gives the event's number and whether it was known, if it was answered 200.
    pub async fn post(&self, kind: ProviderKind, body: &[u8]) -> Option<(String, bool)> {
        post(self.addr, kind, body).await
    }

    /// What the API answers.
    pub async fn get(&self, path: &str) -> Value {
        get(self.addr, path).await.unwrap_or_else(|| panic!("{path}: {}", self.last_words()))
    }

    /// An operator's action.
    pub async fn act(&self, path: &str) -> u16 {
        authorized("POST", path).send(self.addr).await.status
    }

    /// Every item of a list, the newest first.
    pub async fn all(&self, list: &str) -> Vec<Value> {
        pages(list, "", async |path| self.get(path).await).await
    }

    /// The number of the metric whose line begins so; 0 while there is no such line.
    pub async fn metric(&self, line: &str) -> u64 {
        let text = authorized("GET", "/metrics").send(self.addr).await.text();
        let line = text.lines().find(|l| l.starts_with(line)).and_then(|l| l.rsplit(' ').next());
        line.map_or(0, |number| number.parse().expect("a number"))
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

/// What the API of a bridge answers, if it answers 200.
pub async fn get(addr: SocketAddr, path: &str) -> Option<Value> {
    answer(addr, authorized("GET", path)).await.filter(|r| r.status == 200).map(|r| r.json())
}

/// A request with the admin token.
pub fn authorized(method: &str, path: &str) -> Request {
    Request::new(method, path).header("Authorization", format!("Bearer {TOKEN}"))
}

async fn answer(addr: SocketAddr, request: Request) -> Option<Reply> {
    tokio::time::timeout(ANSWER_WAIT_MAX, request.try_send(addr)).await.ok().flatten()
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

impl Drop for Program {
    /// A test that fails shows what the bridge had to say.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the end of the log {}:\n{}", self.log.display(), self.last_words());
        }
    }
}
