//! The HTTP client of the look-ups: one question to a provider, with a limit on every wait and on what is read.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION};

use super::question::Question;
use crate::clock::Clock;
use crate::domain::proxy::Proxies;
use crate::domain::secret::Secret;
use crate::outgoing::{self, ClientError, Limits, bearer, retry_after, with_cause};

/// Longest answer that is read, bytes; a large invoice has some hundred kilobytes.
const RESPONSE_BYTES_MAX: usize = 1 << 20;
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Idle connections are closed after this; the provider's side may close them at any time.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// What a provider replied.
#[derive(Debug)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// How long the provider asks to wait.
    pub(super) retry_after: Option<Duration>,
    /// The whole body.
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// Whether it has what was asked for, by its status.
    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum ReplyError {
    /// It is longer than anything we asked for.
    TooLong,
    /// It has more parts than are asked for; which.
    TooMany(String),
    /// It did not come, or broke off; what happened.
    Failed(String),
}

/// Asks providers.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    clock: Clock,
}

impl Client {
    /// A client; a whole question, from connecting to the end of the answer, takes at most `timeout`.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub(super) fn new(timeout: Duration, proxies: &Proxies, clock: Clock) -> Result<Self, ClientError> {
        let limits = Limits { whole: timeout, connect: CONNECT_MAX.min(timeout), idle: IDLE_MAX };
        Ok(Self { http: outgoing::client(limits, proxies)?, clock })
    }

    /// Asks one question of the API at `base_url`.
    pub(super) async fn get(&self, base_url: &str, question: &Question, api_key: &Secret) -> Result<Reply, ReplyError> {
        let Some(bearer) = bearer(api_key) else {
            return Err(ReplyError::Failed("the api_key has characters that a header cannot carry".to_owned()));
        };
        let url = format!("{base_url}{}", question.path);
        let mut request = self.http.get(url).header(AUTHORIZATION, bearer).header(ACCEPT, "application/json");
        for (name, value) in &question.headers {
            request = request.header(*name, value);
        }
        let mut response = request.send().await.map_err(|e| failed(&e))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), self.clock.now());
        let body = match read_limited(&mut response).await {
            Ok(body) => body,
            // The status of a refusal tells enough.
            Err(_) if !(200..300).contains(&status) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Reply { status, retry_after, body })
    }
}

/// Reads the body; one that is too long is left unread and the connection is closed.
async fn read_limited(response: &mut reqwest::Response) -> Result<Vec<u8>, ReplyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| failed(&e))? {
        if body.len().saturating_add(chunk.len()) > RESPONSE_BYTES_MAX {
            return Err(ReplyError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What happened, with the innermost cause: connection refused, unknown host, bad certificate.
fn failed(error: &reqwest::Error) -> ReplyError {
    let message = if error.is_timeout() {
        "the provider did not answer in time"
    } else if error.is_connect() {
        "cannot connect to the provider"
    } else {
        "the connection broke before the provider's answer was complete"
    };
    ReplyError::Failed(with_cause(message, error))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::domain::event::Mode;
    use crate::lookup::stripe;

    /// Asks a server that reads the request, writes `answer` and then says no more.
    async fn ask(answer: &'static [u8], close: bool) -> Result<Reply, ReplyError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let server = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).await.unwrap();
            // The client may have gone before everything is written.
            let _ = connection.write_all(answer).await;
            if !close {
                std::future::pending::<()>().await;
            }
        };
        let client = Client::new(Duration::from_millis(300), &Proxies::default(), Clock::system()).unwrap();
        let question = stripe::customer("cus_1", None, Mode::Live).unwrap();
        let key = Secret::parse("rk_test_1").unwrap();
        let asking = client.get(&base_url, &question, &key);
        tokio::pin!(asking);
        tokio::select! {
            reply = &mut asking => reply,
            () = server => asking.await,
        }
    }

    #[track_caller]
    fn check_failed(reply: Result<Reply, ReplyError>, expected: &str) {
        let Err(ReplyError::Failed(message)) = reply else { panic!("{reply:?}") };
        assert!(message.starts_with(expected), "{message}");
    }

    #[tokio::test]
    async fn no_provider_is_waited_for_longer_than_allowed() {
        check_failed(ask(b"", false).await, "the provider did not answer in time");
        let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";
        check_failed(ask(half, false).await, "the provider did not answer in time");
    }

    #[tokio::test]
    async fn a_broken_connection_is_no_answer_but_a_refusal_needs_no_body() {
        check_failed(ask(b"", true).await, "the connection broke");
        check_failed(ask(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", true).await, "the connection broke");
        let refusal = ask(b"HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 100\r\n\r\n", true).await.unwrap();
        assert_eq!((refusal.status, refusal.retry_after), (429, Some(Duration::from_secs(7))));
    }

    #[tokio::test]
    async fn nobody_there_is_said() {
        let client = Client::new(Duration::from_secs(5), &Proxies::default(), Clock::system()).unwrap();
        let question = stripe::customer("cus_1", None, Mode::Live).unwrap();
        let key = Secret::parse("rk_test_1").unwrap();
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        check_failed(client.get(&format!("http://{unused}"), &question, &key).await, "cannot connect to the provider");
    }
}
