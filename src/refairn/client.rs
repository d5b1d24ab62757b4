//! The client of calls: one call to Refairn, with a limit on every wait and on what is read.

use std::time::Duration;

use super::response::{Answer, classify};
use crate::clock::Clock;
use crate::domain::delivery::Kind;
use crate::domain::proxy::Proxies;
use crate::domain::redact::Redactor;
use crate::domain::secret::Secret;
use crate::outbound::{self, Bearer, ClientError, Failure, Limits, Method, Reply, Request};

/// Longest answer that is read, bytes; Refairn's are a few hundred.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// What is kept of an answer for people, bytes.
const EXCERPT_BYTES_MAX: usize = 2 * 1024;
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Idle connections are closed after this. Servers commonly close them after five seconds; a call that meets such a
/// closing on its way is lost without our knowing.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// What Refairn thinks of an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProbe {
    /// Refairn accepts the key.
    Good,
    /// Refairn refuses the key. The text is Refairn's message.
    Bad(String),
    /// No server answered. The text says why.
    Unreachable(String),
    /// A server answered with this status, but not as Refairn does.
    Unexpected(u16, String),
}

/// One call's result.
#[derive(Debug)]
pub struct Sent {
    /// What the answer means.
    pub answer: Answer,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// The beginning of the answer's body, for people.
    pub excerpt: Option<String>,
}

/// Calls Refairn. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: outbound::Client,
    base_url: String,
}

impl Client {
    /// A client for `base_url`; a whole call, from connecting to the end of the answer, takes at most `timeout`.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(base_url: &str, timeout: Duration, proxies: &Proxies, clock: Clock) -> Result<Self, ClientError> {
        // A connection takes less than the whole: one that was never made is then told from a call that was cut off.
        let connect = CONNECT_MAX.min(timeout / 2);
        let limits = Limits { whole: timeout, connect, idle: IDLE_MAX, response_bytes: RESPONSE_BYTES_MAX };
        let http = outbound::Client::new(limits, proxies, clock)?;
        Ok(Self { http, base_url: base_url.trim_end_matches('/').to_owned() })
    }

    /// Whether Refairn takes this API key, found out without creating a record: it answers 400 to an empty body when
    /// the key is good, 401 when it is not.
    pub async fn probe(&self, api_key: &Secret) -> KeyProbe {
        let sent = self.send(Kind::CustomerCreated, api_key, "{}".to_owned(), Redactor::default()).await;
        match (sent.status, sent.answer) {
            (Some(400), _) => KeyProbe::Good,
            (Some(401), Answer::Misconfigured(message)) => KeyProbe::Bad(message),
            (None, Answer::TryLater { message, .. } | Answer::Misconfigured(message)) => KeyProbe::Unreachable(message),
            (
                Some(status),
                Answer::TryLater { message, .. } | Answer::Misconfigured(message) | Answer::Refused(message),
            ) => KeyProbe::Unexpected(status, message),
            (status, Answer::Success(_) | Answer::Conflict | Answer::Refused(_)) => KeyProbe::Unexpected(
                status.unwrap_or_default(),
                "this is no answer of Refairn's to an empty body".to_owned(),
            ),
        }
    }

    /// Makes one call. What `about` takes out, and the API key, are in nothing that comes back: a server may repeat what it
    /// was sent.
    pub async fn send(&self, kind: Kind, api_key: &Secret, body: String, about: Redactor) -> Sent {
        let url = format!("{}/api/events/{}", self.base_url, kind.code());
        let Some(bearer) = Bearer::of(api_key) else {
            let message = "the API key has characters that a header cannot carry".to_owned();
            return Sent { answer: Answer::Misconfigured(message), status: None, excerpt: None };
        };
        let private = about.and(api_key.expose());
        let request = Request {
            method: Method::Post,
            url: &url,
            bearer: Some(bearer),
            headers: &[("content-type", "application/json")],
            body: Some(body.into_bytes()),
        };
        let Reply { status, retry_after, body } = match self.http.ask(request).await {
            Ok(reply) => reply,
            Err(failure) => return Sent { answer: failed(&failure).redacted(&private), status: None, excerpt: None },
        };
        let body = match body {
            Ok(body) => body.bytes,
            // A status without its body still tells what to do, but for a success, which needs its receipt.
            Err(failure) if (200..300).contains(&status) => {
                return Sent { answer: failed(&failure).redacted(&private), status: Some(status), excerpt: None };
            }
            Err(_) => Vec::new(),
        };
        // The key is taken out first: a text that is cut first might end with half of it.
        let excerpt = excerpt(private.text(&String::from_utf8_lossy(&body)));
        Sent { answer: classify(status, retry_after, &body).redacted(&private), status: Some(status), excerpt }
    }
}

/// The beginning of an answer. `None` when there was no answer.
fn excerpt(mut text: String) -> Option<String> {
    text.truncate(text.floor_char_boundary(EXCERPT_BYTES_MAX));
    Some(text).filter(|text| !text.is_empty())
}

/// A call without an answer. Only a connection that was never made proves that Refairn has nothing.
fn failed(failure: &Failure) -> Answer {
    Answer::TryLater { retry_after: None, outcome_unknown: failure.may_have_arrived(), message: failure.to_string() }
}
