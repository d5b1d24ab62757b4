//! The only user of the HTTP client: one call to Refairn, with a limit on every wait and on what is read.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};

use super::response::{Answer, classify};
use crate::domain::delivery::Kind;
use crate::domain::secret::Secret;

/// Longest answer that is read, bytes; Refairn's are a few hundred.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// What is kept of an answer for people, bytes.
const EXCERPT_BYTES_MAX: usize = 2 * 1024;
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Idle connections are closed after this. Servers commonly close them after five seconds; a call that meets such a
/// closing on its way is lost without our knowing.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client: {0}")]
pub struct ClientError(pub(crate) String);

/// What Refairn thinks of an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyProbe {
    /// It is taken.
    Good,
    /// It is not; Refairn's message.
    Bad(String),
    /// Nobody answered; why.
    Unreachable(String),
    /// Somebody answered with this status, but not as Refairn does.
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
    http: reqwest::Client,
    base_url: String,
}

impl Client {
    /// A client for `base_url`; a whole call, from connecting to the end of the answer, takes at most `timeout`.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(base_url: &str, timeout: Duration) -> Result<Self, ClientError> {
        // An error only says that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(timeout)
            // Shorter than the whole: a connection that was never made is then told from a call that was cut off.
            .connect_timeout(CONNECT_MAX.min(timeout / 2))
            .pool_idle_timeout(IDLE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("refairn-bridge/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| ClientError(e.to_string()))?;
        Ok(Self { http, base_url: base_url.trim_end_matches('/').to_owned() })
    }

    /// Whether Refairn takes this API key, found out without creating a record: it answers 400 to an empty body when
    /// the key is good, 401 when it is not.
    pub async fn probe(&self, api_key: &Secret) -> KeyProbe {
        let sent = self.send(Kind::CustomerCreated, api_key, "{}".to_owned()).await;
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

    /// Makes one call.
    pub async fn send(&self, kind: Kind, api_key: &Secret, body: String) -> Sent {
        let url = format!("{}/api/events/{}", self.base_url, kind.code());
        let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {}", api_key.expose())) else {
            let message = "the API key has characters that a header cannot carry".to_owned();
            return Sent { answer: Answer::Misconfigured(message), status: None, excerpt: None };
        };
        bearer.set_sensitive(true);
        let request =
            self.http.post(url).header(AUTHORIZATION, bearer).header(CONTENT_TYPE, "application/json").body(body);
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Sent { answer: failed(&error), status: None, excerpt: None },
        };
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = match read_limited(&mut response).await {
            Ok(body) => body,
            // A status without its body still tells what to do, but for a success, which needs its receipt.
            Err(error) if (200..300).contains(&status) => {
                return Sent { answer: failed(&error), status: Some(status), excerpt: None };
            }
            Err(_) => Vec::new(),
        };
        let excerpt =
            String::from_utf8_lossy(body.get(..EXCERPT_BYTES_MAX.min(body.len())).unwrap_or_default()).into_owned();
        Sent {
            answer: classify(status, retry_after.as_deref(), &body),
            status: Some(status),
            excerpt: (!excerpt.is_empty()).then_some(excerpt),
        }
    }
}

/// Reads the body up to the limit; what is beyond is left unread and the connection is closed.
async fn read_limited(response: &mut reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = RESPONSE_BYTES_MAX.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if body.len() >= RESPONSE_BYTES_MAX {
            break;
        }
    }
    Ok(body)
}

/// A call without an answer. Only a connection that was never made proves that Refairn has nothing.
fn failed(error: &reqwest::Error) -> Answer {
    let outcome_unknown = !error.is_connect();
    let mut message = if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "cannot connect".to_owned()
    } else {
        "the connection broke before the answer was complete".to_owned()
    };
    // The innermost cause is what helps: connection refused, unknown host, bad certificate.
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    if let Some(cause) = cause {
        message = format!("{message}: {cause}");
    }
    Answer::TryLater { retry_after: None, outcome_unknown, message }
}
