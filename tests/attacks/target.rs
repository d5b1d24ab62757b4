//! The bridge under attack: what is sent to it byte by byte, what it must answer, and what must hold afterwards.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind::{self, Paystack, Stripe};
use refairn_bridge::providers::provider;
use refairn_bridge::sandbox::{Call, Kind};
use serde_json::Value;

use crate::kit::postgres::Database;
use crate::kit::process::Process;
use crate::kit::program::{API_KEY, PAYSTACK_SECRET, STRIPE_SECRET, TOKEN};
use crate::kit::samples::{Sale, charge};
use crate::kit::until;
use crate::kit::wire::{Line, Reply, Request};

/// How long a genuine sale may take from its webhook to its call, whatever was sent before it.
const GENUINE_SALE_MAX: Duration = Duration::from_secs(2);
/// A connection that has not been answered and closed by then is kept open.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);
/// In every address of what must never be recorded.
pub const FORGED: &str = "forged";
/// The password in the address of the server; it asks for none.
const DATABASE_PASSWORD: &str = "password-of-the-database";

/// Where the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Postgres,
}

/// What must come of the bytes of an attack.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// Answers of these statuses, in this order, and the connection's end. Nothing is recorded.
    Refused(&'a [u16]),
    /// The connection ends; if there are answers, each of them is a refusal. Nothing is recorded. For what is cut off
    /// while it is still being sent: the reset of the connection may overtake the answer.
    TurnedAway,
    /// It is a webhook like any other, and recorded.
    Taken,
}

/// Says of whom Refairn was told, once for every call.
type Told = dyn Fn(&Process) -> Vec<String>;

/// A running bridge, and what it has been sent.
pub struct Target {
    pub process: Process,
    pub database: Option<Database>,
    /// Webhooks that were answered 200 and are no repetitions.
    pub taken: u64,
    /// When all its sales were made.
    pub began: Timestamp,
    genuine: Vec<String>,
    /// The addresses of the customers of whom Refairn was told.
    told: Box<Told>,
    /// Secrets beside those of every process.
    pub secrets: Vec<String>,
    /// How the addresses of others begin of whom Refairn may be told, each once.
    pub also_told: Vec<&'static str>,
    checks: usize,
    wrong: Vec<String>,
}

impl Target {
    pub async fn start(store: Store) -> Self {
        Self::start_with(store, &[], "").await
    }

    /// The same with these variables, and this configuration file.
    pub async fn start_with(store: Store, variables: &[(&'static str, &str)], file: &str) -> Self {
        let mut target = Self::prepared(store, variables, file);
        target.process.start_at("trace").await;
        target.genuine_sale().await;
        target
    }

    /// Everything but the running bridge.
    pub fn prepared(store: Store, variables: &[(&'static str, &str)], file: &str) -> Self {
        let database = (store == Store::Postgres).then(Database::make);
        let url = database.as_ref().map(|d| format!("{}&password={DATABASE_PASSWORD}", d.url()));
        let mut all = vec![("REFAIRN_BRIDGE__DELIVERY__STATUS_UPDATES", "off")];
        all.extend(url.as_deref().map(|url| ("DATABASE_URL", url)));
        all.extend(variables);
        let process = Process::new(&all);
        let folder = process.folder.path().join("config");
        std::fs::create_dir(&folder).expect("made");
        std::fs::write(folder.join("refairn-bridge.toml"), file).expect("written");
        Self {
            process,
            database,
            taken: 0,
            began: Clock::system().now() - SignedDuration::from_secs(60),
            genuine: vec![],
            told: Box::new(told_to_the_sandbox),
            secrets: vec![],
            also_told: vec![],
            checks: 0,
            wrong: vec![],
        }
    }

    /// Somebody else than the sandbox stands for Refairn, and says of whom it was told.
    pub fn told_as(mut self, told: impl Fn() -> Vec<String> + 'static) -> Self {
        self.told = Box::new(move |_| told());
        self
    }

    /// Runs some bytes against the bridge, and checks what comes of them. Each attack has an address of its own: no
    /// limit by source answers in place of what is looked for.
    pub async fn attack(&mut self, name: &str, bytes: impl AsRef<[u8]>, expected: Expected<'_>) -> Vec<Reply> {
        let replies = self.exchange(self.attacker(), bytes.as_ref()).await;
        self.judge(name, replies, expected).await
    }

    /// An address from which nothing was sent before the next attack.
    pub fn attacker(&self) -> IpAddr {
        let [high, low] = u16::try_from(self.checks).expect("fewer checks").to_be_bytes();
        Ipv4Addr::new(127, 66, high, low).into()
    }

    /// The same for a request that is well formed.
    pub async fn ask(&mut self, name: &str, request: &Request, expected: Expected<'_>) -> Vec<Reply> {
        self.attack(name, request.bytes(), expected).await
    }

    /// Checks what came of an attack.
    pub async fn judge(&mut self, name: &str, replies: Option<Vec<Reply>>, expected: Expected<'_>) -> Vec<Reply> {
        self.checks += 1;
        let Some(replies) = replies else {
            self.wrong(name, "its connection is kept open");
            return vec![];
        };
        let statuses: Vec<u16> = replies.iter().map(|r| r.status).collect();
        let as_expected = match expected {
            Expected::Refused(wanted) => statuses == wanted,
            Expected::TurnedAway => statuses.iter().all(|status| (400..600).contains(status)),
            Expected::Taken => statuses == [200],
        };
        if !as_expected {
            let texts: Vec<String> = replies.iter().map(Reply::text).collect();
            self.wrong(name, &format!("answered {statuses:?}, not {expected:?}: {texts:?}"));
        }
        let recorded = self.recorded().await;
        let due = self.taken + u64::from(matches!(expected, Expected::Taken));
        if recorded != due {
            self.wrong(name, &format!("{recorded} events are recorded, not {due}"));
        }
        self.taken = recorded;
        replies
    }

    /// Notes that something is not as it has to be; [`Self::end`] fails with all of it.
    pub fn wrong(&mut self, name: &str, what: &str) {
        self.wrong.push(format!("{name}: {}", what.chars().take(400).collect::<String>()));
    }

    /// Notes it unless it holds.
    pub fn holds(&mut self, name: &str, holds: bool, otherwise: impl FnOnce() -> String) {
        self.checks += 1;
        if !holds {
            self.wrong(name, &otherwise());
        }
    }

    /// Sends bytes and no more; gives the answers, or nothing when the connection is kept open.
    pub async fn exchange(&self, from: IpAddr, bytes: &[u8]) -> Option<Vec<Reply>> {
        let mut line = Line::open_from(from, self.process.addr).await;
        let all = async {
            line.write(bytes).await;
            line.end().await;
            line.rest().await
        };
        let bytes = tokio::time::timeout(CLOSED_WITHIN, all).await.ok()?;
        Some(replies(&bytes))
    }

    /// How many events there are.
    pub async fn recorded(&self) -> u64 {
        let stats = self.process.get("/api/v1/stats").await;
        stats["events"].as_object().expect("counts").values().filter_map(Value::as_u64).sum()
    }

    /// A body of a sale that must never be recorded.
    pub fn forged(&self) -> Vec<u8> {
        let email = format!("{FORGED}@example.com");
        Sale::new(FORGED, &email, self.began).event().to_string().into_bytes()
    }

    /// A webhook of a new sale, and the address that Refairn is to be told.
    pub fn genuine_of(&mut self, kind: ProviderKind) -> (Vec<u8>, String) {
        let id = format!("genuine{}", self.genuine.len());
        let email = format!("{id}@example.com");
        self.genuine.push(email.clone());
        let body = match kind {
            Stripe => Sale::new(&id, &email, self.began).event(),
            Paystack => charge(&id, &email, 500_000, "", self.began),
        };
        (body.to_string().into_bytes(), email)
    }

    /// A genuine sale of each provider goes through, soon.
    pub async fn genuine_sale(&mut self) {
        for kind in [Stripe, Paystack] {
            let (body, email) = self.genuine_of(kind);
            let began = Instant::now();
            let reply = self.send(&signed(kind, &body)).await;
            assert_eq!(reply.status, 200, "a genuine sale: {}; {:#?}", reply.text(), self.wrong);
            self.taken += 1;
            self.is_told(&email).await;
            assert!(began.elapsed() < GENUINE_SALE_MAX, "{:?} for a genuine sale", began.elapsed());
        }
    }

    /// Sends a request that has to be answered, soon.
    pub async fn send(&self, request: &Request) -> Reply {
        let sent = tokio::time::timeout(CLOSED_WITHIN, request.send(self.process.addr)).await;
        sent.unwrap_or_else(|_| panic!("no answer; {:#?}", self.wrong))
    }

    /// Waits until Refairn has been told of this customer.
    pub async fn is_told(&self, email: &str) {
        let told = async || self.told().iter().any(|e| e == email).then_some(());
        until(&format!("{email} is told; {:#?}", self.wrong), told).await;
    }

    /// Waits until nothing is left to do: all is read, and nothing is on its way. Gives the deliveries.
    pub async fn idle(&self) -> Vec<Value> {
        let all_is_done = async || {
            let stats = self.process.get("/api/v1/stats").await;
            let open = stats["events"].get("received").and_then(Value::as_u64).unwrap_or(0);
            let deliveries = self.process.all("deliveries").await;
            let done = |d: &Value| !["queued", "sending"].iter().any(|state| d["state"] == *state);
            (open == 0 && deliveries.iter().all(done)).then_some(deliveries)
        };
        until(&format!("all is done; {:#?}", self.wrong), all_is_done).await
    }

    /// The addresses of whom Refairn was told, once for every call.
    pub fn told(&self) -> Vec<String> {
        (self.told)(&self.process)
    }

    /// Statements of our own in the database, while the bridge has it open.
    pub fn run_sql(&self, sql: &str) {
        match &self.database {
            Some(database) => database.run(sql),
            None => {
                let db = rusqlite::Connection::open(self.process.folder.path().join("bridge.db")).expect("opened");
                db.busy_timeout(Duration::from_secs(10)).expect("patient");
                db.execute_batch(sql).expect("done");
            }
        }
    }

    /// Checks all that holds after any attack, and ends everything.
    pub async fn end(mut self) {
        self.genuine_sale().await;
        self.only_the_genuine_were_told_and_each_once();
        self.secrets_are_nowhere().await;
        self.log_is_for_machines();
        assert!(self.wrong.is_empty(), "{} of {} checks: {:#?}", self.wrong.len(), self.checks, self.wrong);
        assert!(self.checks > 0, "nothing was attacked");
        self.process.end().await;
    }

    /// Checks what was noted, and ends everything: for when more may be told than [`Self::end`] takes.
    pub fn end_at_once(self) {
        assert!(self.wrong.is_empty(), "{} of {} checks: {:#?}", self.wrong.len(), self.checks, self.wrong);
    }

    fn only_the_genuine_were_told_and_each_once(&mut self) {
        let is_expected = |email: &String| self.also_told.iter().any(|start| email.starts_with(start));
        let (others, mut told): (Vec<_>, Vec<_>) = self.told().into_iter().partition(is_expected);
        let mut genuine = self.genuine.clone();
        told.sort();
        genuine.sort();
        assert_eq!(told, genuine, "{:#?}", self.wrong);
        let mut seen = BTreeSet::new();
        let again: Vec<_> = others.iter().filter(|email| !seen.insert(*email)).collect();
        assert!(again.is_empty(), "told twice: {again:?}; {:#?}", self.wrong);
    }

    /// Everything that nobody may read anywhere.
    pub fn all_secrets(&self) -> Vec<String> {
        let always = [STRIPE_SECRET, PAYSTACK_SECRET, API_KEY, TOKEN, DATABASE_PASSWORD].map(str::to_owned);
        always.into_iter().chain(self.secrets.clone()).collect()
    }

    /// A line is a line: no sender can write one of its own.
    fn log_is_for_machines(&mut self) {
        let log = self.process.log();
        let odd = log.lines().find(|line| line.chars().any(|c| c.is_ascii_control() && c != '\u{7f}'));
        assert_eq!(odd, None, "control characters in the log");
    }
}

/// Whose payments the sandbox was told, once for every call, and which customers.
fn told_to_the_sandbox(process: &Process) -> Vec<String> {
    let told = |call: Call| {
        let body = serde_json::from_str::<Value>(&call.body).unwrap_or_default();
        match (body["customerEmail"].as_str(), call.kind) {
            (Some(email), Kind::PaymentSucceeded) => email.to_owned(),
            (Some(email), Kind::CustomerCreated) => format!("customer {email}"),
            (None, _) => format!("nobody: {}", call.body),
        }
    };
    // The command `check` asks with an empty body what Refairn thinks of the key.
    process.sandbox.calls().into_iter().filter(|call| call.body != "{}").map(told).collect()
}

/// A webhook signed at this moment, to the endpoint by its name.
pub fn signed(kind: ProviderKind, body: &[u8]) -> Request {
    to(kind).header(provider(kind).signature_header(), signature(kind, body)).body(body)
}

/// A request to the endpoint of this provider.
pub fn to(kind: ProviderKind) -> Request {
    Request::new("POST", &format!("/webhooks/{0}/{0}", kind.code()))
}

/// What the provider's header says for this body, now.
pub fn signature(kind: ProviderKind, body: &[u8]) -> String {
    signature_by(kind, secret(kind), body, 0)
}

/// The same with another secret, so many seconds from now.
pub fn signature_by(kind: ProviderKind, secret: &str, body: &[u8], seconds: i64) -> String {
    let now = Clock::system().now();
    let at = Timestamp::from_second(now.as_second() + seconds).expect("a time");
    provider(kind).sign(secret, body, at)
}

/// What this provider's webhooks are signed with.
pub fn secret(kind: ProviderKind) -> &'static str {
    match kind {
        Stripe => STRIPE_SECRET,
        Paystack => PAYSTACK_SECRET,
    }
}

/// Every answer in these bytes, one behind the other.
fn replies(bytes: &[u8]) -> Vec<Reply> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(mut reply) = Reply::parse(rest) {
        let announced = reply.header("content-length").and_then(|length| length.parse().ok());
        let length = announced.filter(|_| reply.status >= 200).unwrap_or(0usize).min(reply.body.len());
        rest = &rest[rest.len() - (reply.body.len() - length)..];
        reply.body.truncate(length);
        found.push(reply);
    }
    found
}
