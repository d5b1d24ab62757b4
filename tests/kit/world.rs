//! A whole bridge on ports of its own, with a sandbox for Refairn and a clock driven by hand. Every world has its own
//! secrets, key, token and e-mail domain, so that any of them can be looked for in the log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use refairn_bridge::app::App;
use refairn_bridge::clock::{Clock, after};
use refairn_bridge::config::{Config, Sources, load};
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::providers::provider;
use refairn_bridge::sandbox::{Book, Business, Fault, Sandbox};
use serde_json::Value;

use super::place::scratch;
use super::postgres::Database;
use super::refairn::{Refairn, business};
use super::wire::{Reply, Request, pages};
use super::{checks, log, until};

/// Looks in vain after which a call that is due must be waiting for the clock.
const LOOKS_MAX: u32 = 100;

static WORLDS: AtomicU32 = AtomicU32::new(1);

/// What a world is made of.
pub struct Setup {
    /// Its number.
    pub n: u32,
    variables: BTreeMap<String, String>,
    file: Option<String>,
    book: Book,
    folder: tempfile::TempDir,
    clock: Clock,
    with_sandbox: bool,
}

impl Setup {
    /// Both providers, one business, and a sandbox that knows it with its agents ADA10 and BAYO15.
    pub fn new() -> Self {
        log::capture();
        let n = WORLDS.fetch_add(1, Ordering::Relaxed);
        let folder = scratch();
        let database = format!("sqlite://{}", folder.path().join("bridge.db").display());
        let start: Timestamp = "2026-06-15T12:00:00Z".parse().expect("a time");
        let setup = Self {
            n,
            variables: BTreeMap::new(),
            file: None,
            book: Book::new().with(business("biz_1", &format!("rk_live_w{n}"))),
            folder,
            clock: Clock::manual(start),
            with_sandbox: true,
        };
        setup
            .set("BRIDGE_LISTEN", "127.0.0.1:0")
            .set("BRIDGE_ADMIN_TOKEN", &format!("admin-token-of-world-{n}"))
            .set("DATABASE_URL", &database)
            .set("REFAIRN_API_KEY", &format!("rk_live_w{n}"))
            .set("REFAIRN_BUSINESS_ID", "biz_1")
            .set("REFAIRN_PRODUCT_ID", "prod_1")
            .set("REFAIRN_TEST_PRODUCT_ID", "prod_test")
            .set("STRIPE_WEBHOOK_SECRET", &format!("whsec_w{n}_old,whsec_w{n}_new"))
            .set("PAYSTACK_SECRET_KEY", &format!("sk_live_w{n}"))
    }

    /// The same with its data in PostgreSQL.
    pub fn on_server() -> Self {
        Self::new().set("DATABASE_URL", &Database::make().url())
    }

    /// Sets a variable of the environment.
    pub fn set(mut self, variable: &str, value: &str) -> Self {
        self.variables.insert(variable.to_owned(), value.to_owned());
        self
    }

    /// Sets `section.key` by its variable.
    pub fn key(self, section: &str, key: &str, value: &str) -> Self {
        self.set(&format!("REFAIRN_BRIDGE__{}__{}", section.to_uppercase(), key.to_uppercase()), value)
    }

    pub fn unset(mut self, variable: &str) -> Self {
        self.variables.remove(variable);
        self
    }

    /// Writes the configuration file.
    pub fn file(mut self, text: &str) -> Self {
        self.file = Some(text.to_owned());
        self
    }

    /// One more business at the sandbox.
    pub fn business(mut self, business: Business) -> Self {
        self.book.set_business(business);
        self
    }

    /// Another start of time.
    pub fn at(mut self, start: &str) -> Self {
        self.clock = Clock::manual(start.parse().expect("a time"));
        self
    }

    /// Something else than the sandbox stands for Refairn.
    pub fn upstream(mut self, base_url: &str) -> Self {
        self.with_sandbox = false;
        self.set("REFAIRN_BASE_URL", base_url)
    }

    pub async fn start(mut self) -> World {
        let sandbox = Sandbox::new(self.book.clone());
        let refairn = self.with_sandbox.then(|| Refairn::start(&sandbox, &self.clock));
        if let Some(refairn) = &refairn {
            self.variables.entry("REFAIRN_BASE_URL".to_owned()).or_insert_with(|| refairn.url.clone());
        }
        if let Some(text) = &self.file {
            std::fs::create_dir_all(self.folder.path().join("config")).expect("a folder");
            std::fs::write(self.folder.path().join("config/refairn-bridge.toml"), text).expect("written");
        }
        let config = load(Sources {
            config_file: None,
            environment: self.variables,
            working_dir: Some(self.folder.path().to_owned()),
        });
        let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let app = start(&config, &self.clock).await;
        let (clock, folder) = (self.clock, self.folder);
        World { n: self.n, clock, sandbox, config, folder, app: Some(app), refairn, leave: checks::Leave::default() }
    }
}

async fn start(config: &Config, clock: &Clock) -> App {
    let token = config.admin_token.clone().expect("a token");
    App::start(config, token, clock).await.expect("started")
}

/// A running bridge and all around it. It has to be ended by [`World::end`].
pub struct World {
    pub n: u32,
    pub clock: Clock,
    pub sandbox: Sandbox,
    pub config: Config,
    pub folder: tempfile::TempDir,
    /// What the checks at the end are to put up with.
    pub leave: checks::Leave,
    app: Option<App>,
    refairn: Option<Refairn>,
}

impl World {
    pub async fn new() -> Self {
        Setup::new().start().await
    }

    pub fn app(&self) -> &App {
        self.app.as_ref().expect("a running bridge")
    }

    pub fn addr(&self) -> SocketAddr {
        self.app().addr()
    }

    /// Whether the sandbox stands for Refairn.
    pub const fn has_sandbox(&self) -> bool {
        self.refairn.is_some()
    }

    /// An address that no other test uses.
    pub fn email(&self, name: &str) -> String {
        format!("{name}@w{}.example.com", self.n)
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Some seconds before now, whole.
    pub fn ago(&self, seconds: i64) -> Timestamp {
        Timestamp::from_second(self.now().as_second() - seconds).expect("a time")
    }

    /// Moves the clock.
    pub fn pass(&self, span: Duration) {
        self.clock.set(after(self.now(), span));
    }

    /// Somebody finds that the clock is ahead.
    pub fn set_back(&self, span: Duration) {
        self.clock.set(self.now() - span);
    }

    /// A POST to the provider's endpoint, signed as the provider would now.
    pub fn signed(&self, kind: ProviderKind, body: &[u8]) -> Request {
        let secret = match kind {
            ProviderKind::Stripe => format!("whsec_w{}_new", self.n),
            ProviderKind::Paystack => format!("sk_live_w{}", self.n),
        };
        let provider = provider(kind);
        let signature = provider.sign(&secret, body, self.now());
        let path = format!("/webhooks/{}", kind.code());
        Request::new("POST", &path)
            .header("Content-Type", "application/json")
            .header(provider.signature_header(), signature)
            .body(body)
    }

    /// Posts an event that is new, and gives our number of it.
    pub async fn post(&self, kind: ProviderKind, event: &Value) -> String {
        let reply = self.signed(kind, event.to_string().as_bytes()).send(self.addr()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.json();
        assert_eq!(answer["duplicate"], false, "{answer}");
        answer["event"].as_str().expect("a number").to_owned()
    }

    pub async fn stripe(&self, event: &Value) -> String {
        self.post(ProviderKind::Stripe, event).await
    }

    pub async fn paystack(&self, event: &Value) -> String {
        self.post(ProviderKind::Paystack, event).await
    }

    /// The admin token, as a request carries it.
    pub fn bearer(&self) -> String {
        format!("Bearer admin-token-of-world-{}", self.n)
    }

    /// A request with the admin token.
    pub fn admin(&self, method: &str, path: &str) -> Request {
        Request::new(method, path).header("Authorization", self.bearer())
    }

    /// What the API answers to a GET.
    pub async fn get(&self, path: &str) -> Value {
        let reply = self.admin("GET", path).send(self.app().admin_addr()).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// What the API answers to an operator's action.
    pub async fn act(&self, path: &str) -> Reply {
        self.admin("POST", path).send(self.app().admin_addr()).await
    }

    /// Every item of a list, through all its pages, the oldest first.
    pub async fn all(&self, list: &str, filter: &str) -> Vec<Value> {
        let mut items = pages(list, filter, async |path| self.get(path).await).await;
        items.reverse();
        items
    }

    /// The deliveries to an address, the oldest first.
    pub async fn deliveries_to(&self, email: &str) -> Vec<Value> {
        self.all("deliveries", &format!("email={email}")).await
    }

    /// The only delivery to an address, once it is in `state`.
    pub async fn delivery_when(&self, email: &str, state: &str) -> Value {
        until(&format!("the delivery to {email} is {state}"), async || {
            let all = self.deliveries_to(email).await;
            assert!(all.len() < 2, "{all:?}");
            all.into_iter().find(|d| d["state"] == state)
        })
        .await
    }

    /// One delivery with its attempts.
    pub async fn detail(&self, delivery: &Value) -> Value {
        self.get(&format!("/api/v1/deliveries/{}", delivery["id"].as_str().expect("an id"))).await
    }

    /// Waits until there is nothing to be done before the clock moves; gives when the next call is due. It looks twice,
    /// for the numbers of one look need not be of one moment.
    pub async fn idle(&self) -> Option<Timestamp> {
        self.rest(u32::MAX).await
    }

    /// The same; every so many looks in vain a second is passed, because Refairn may count as down for a while.
    async fn rest(&self, looks_max: u32) -> Option<Timestamp> {
        let (mut rested_before, mut looks) = (false, 0);
        until("everything that is due is done", async || {
            let stats = self.get("/api/v1/stats").await;
            let none = |of: &Value| of.as_i64().unwrap_or(0) == 0;
            let due: Option<Timestamp> = stats["oldest_queued"].as_str().map(|at| at.parse().expect("a time"));
            let rests = none(&stats["events"]["received"]) && none(&stats["deliveries"]["sending"]);
            let rests = rests && due.is_none_or(|due| due > self.now());
            looks += 1;
            if !rests && looks % looks_max == 0 {
                self.pass(Duration::from_secs(1));
            }
            let twice = rests && std::mem::replace(&mut rested_before, rests);
            rested_before = rests;
            twice.then_some(due)
        })
        .await
    }

    /// Lets time pass, making every call when it is due.
    pub async fn drive(&self, span: Duration) {
        let end = after(self.now(), span);
        while let Some(due) = self.rest(LOOKS_MAX).await.filter(|due| *due <= end) {
            self.clock.set(due);
        }
        self.clock.set(end.max(self.now()));
        self.rest(LOOKS_MAX).await;
    }

    /// Orders the sandbox to misbehave.
    pub fn fault(&self, fault: &str) {
        self.sandbox.add_faults(Fault::read_all(fault.as_bytes()).expect("a fault")).expect("taken");
    }

    /// Ends the bridge and starts it again on what is on disk.
    pub async fn restart(&mut self) {
        self.app.take().expect("a running bridge").stop().await;
        self.app = Some(start(&self.config, &self.clock).await);
    }

    /// Checks that everything is explained and nothing leaked, and stops it all.
    pub async fn end(mut self) {
        checks::at_the_end(&self).await;
        self.app.take().expect("a running bridge").stop().await;
        if let Some(refairn) = self.refairn.take() {
            refairn.end().await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let ended = self.app.is_none() || std::thread::panicking();
        assert!(ended, "a test has to end its world, or nothing of it was checked");
    }
}
