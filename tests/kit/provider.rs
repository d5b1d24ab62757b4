//! A payment provider's API: answers what a test tells it to, or what its lists have, and notes what it was asked.

#![allow(clippy::disallowed_methods, reason = "the connections of a fake provider end with its test")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::lists::Lists;

/// The key it takes.
pub const PROVIDER_KEY: &str = "rk_test_of_the_tests";

/// One answer.
#[derive(Debug, Clone)]
pub enum Says {
    /// 200 with this body.
    Object(Value),
    /// This status and this body.
    Status(u16, String),
    /// 429, to come back after so many seconds.
    Busy(u32),
    /// The object, but only after a while.
    Slowly(Duration, Value),
    /// 200 and more spaces than anybody reads.
    Flood,
    /// 302 to this address.
    Elsewhere(String),
    /// Nothing: the connection is closed.
    HangUp,
}

/// One question it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub path: String,
    pub account: Option<String>,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<String, VecDeque<Says>>,
    asked: Vec<Asked>,
    refuses_key: bool,
    /// Further keys that it takes.
    keys: Vec<String>,
    lists: Lists,
    at_once: usize,
    most_at_once: usize,
}

/// A provider's API on a port of its own; it ends with the test.
#[derive(Clone)]
pub struct Provider {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let provider = Self { addr: listener.local_addr().expect("an address"), state: Arc::default() };
        let server = provider.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.serve(connection).await });
            }
        });
        provider
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("unpoisoned")
    }

    /// From now on it answers `path` with these, one after the other; the last one for ever.
    pub fn says(&self, path: &str, answers: impl IntoIterator<Item = Says>) {
        self.state().answers.insert(path.to_owned(), answers.into_iter().collect());
    }

    /// Changes what its lists have, or how it answers for them.
    pub fn lists<R>(&self, change: impl FnOnce(&mut Lists) -> R) -> R {
        change(&mut self.state().lists)
    }

    /// It takes this key, too.
    pub fn takes_key(&self, key: &str) {
        self.state().keys.push(key.to_owned());
    }

    /// Whether it refuses the key.
    pub fn refuses_key(&self, yes: bool) {
        self.state().refuses_key = yes;
    }

    /// Everything it was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// How often it was asked for `path`.
    pub fn times(&self, path: &str) -> usize {
        self.state().asked.iter().filter(|a| a.path == path).count()
    }

    /// The most questions it had before it at one time.
    pub fn most_at_once(&self) -> usize {
        self.state().most_at_once
    }

    async fn serve(&self, mut connection: TcpStream) {
        let Some((head, body)) = read_request(&mut connection).await else { return };
        let header = |name: &str| {
            let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
        let says = {
            let mut state = self.state();
            state.asked.push(Asked { path: path.clone(), account: header("stripe-account") });
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
            let shown = header("authorization").unwrap_or_default();
            let mut keys = std::iter::once(PROVIDER_KEY).chain(state.keys.iter().map(String::as_str));
            let known = keys.any(|key| shown == format!("Bearer {key}")) && !state.refuses_key;
            let State { answers, lists, .. } = &mut *state;
            match answers.get_mut(&path) {
                _ if !known => error(401, "Invalid API Key provided: rk_test_****"),
                Some(answers) if answers.len() > 1 => answers.pop_front().expect("several"),
                Some(answers) => answers.front().expect("one").clone(),
                None if lists.has(&path) => lists.answer(&path),
                None if path.starts_with("/v1/webhook_endpoints") => {
                    lists.hook(method, &path, &body).expect("an answer")
                }
                None => error(404, "No such object"),
            }
        };
        self.answer(&mut connection, says).await;
        self.state().at_once -= 1;
    }

    async fn answer(&self, connection: &mut TcpStream, says: Says) {
        let (status, headers, body) = match says {
            Says::Object(object) => (200, String::new(), object.to_string()),
            Says::Status(status, body) => (status, String::new(), body),
            Says::Busy(seconds) => (429, format!("retry-after: {seconds}\r\n"), String::new()),
            Says::Slowly(wait, object) => {
                tokio::time::sleep(wait).await;
                (200, String::new(), object.to_string())
            }
            Says::Flood => (200, String::new(), " ".repeat(8 << 20)),
            Says::Elsewhere(address) => (302, format!("location: {address}\r\n"), String::new()),
            Says::HangUp => return,
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n");
        // Whoever asked may have gone.
        let _ = connection.write_all(head.as_bytes()).await;
        let _ = connection.write_all(body.as_bytes()).await;
    }
}

/// An error in the provider's words.
pub fn error(status: u16, message: &str) -> Says {
    Says::Status(status, json!({"error": {"type": "invalid_request_error", "message": message}}).to_string())
}

/// Head and body of a request.
async fn read_request(connection: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8(bytes.clone()).ok()?;
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let read = connection.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
    }
}
