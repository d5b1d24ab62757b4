//! The HTTP client of the look-ups: one question to a provider, with a limit on every wait and on what is read.

use std::time::Duration;

use crate::clock::Clock;
use crate::domain::proxy::Proxies;
use crate::domain::secret::Secret;
use crate::outbound::{self, Bearer, ClientError, Failure, FailureKind, Limits, Method, Request};

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

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum ReplyError {
    /// The reply is longer than anything we asked for.
    TooLong,
    /// The reply did not come, or broke off. The text says what happened.
    Failed(String),
}

/// Asks providers.
#[derive(Debug)]
pub(super) struct Client {
    http: outbound::Client,
}

impl Client {
    /// A client; a whole question, from connecting to the end of the answer, takes at most `timeout`.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub(super) fn new(timeout: Duration, proxies: &Proxies, clock: Clock) -> Result<Self, ClientError> {
        let connect = CONNECT_MAX.min(timeout);
        let limits = Limits { whole: timeout, connect, idle: IDLE_MAX, response_bytes: RESPONSE_BYTES_MAX };
        Ok(Self { http: outbound::Client::new(limits, proxies, clock)? })
    }

    /// Asks for what is at `url`, with these headers beside the key.
    pub(super) async fn get(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        api_key: &Secret,
    ) -> Result<Reply, ReplyError> {
        let Some(bearer) = Bearer::of(api_key) else {
            return Err(ReplyError::Failed("the api_key has characters that a header cannot carry".to_owned()));
        };
        let own = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let headers: Vec<(&str, &str)> = std::iter::once(("accept", "application/json")).chain(own).collect();
        let request = Request { method: Method::Get, url, bearer: Some(bearer), headers: &headers, body: None };
        let outbound::Reply { status, retry_after, body } = self.http.ask(request).await.map_err(|e| failed(&e))?;
        let body = match body {
            Ok(body) if body.is_whole => body.bytes,
            // The status of a refusal tells enough.
            Ok(_) | Err(_) if !(200..300).contains(&status) => Vec::new(),
            Ok(_) => return Err(ReplyError::TooLong),
            Err(failure) => return Err(failed(&failure)),
        };
        Ok(Reply { status, retry_after, body })
    }
}

/// What happened, and its cause.
fn failed(failure: &Failure) -> ReplyError {
    ReplyError::Failed(failure.with_cause(match failure.kind {
        FailureKind::ConnectTimeout | FailureKind::Timeout => "the provider did not answer in time",
        FailureKind::Unreachable => "cannot connect to the provider",
        FailureKind::Broken => "the connection broke before the provider's answer was complete",
    }))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

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
        let key = Secret::parse("rk_test_1").unwrap();
        let asking = client.get(&base_url, &[], &key);
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
        let key = Secret::parse("rk_test_1").unwrap();
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        check_failed(client.get(&format!("http://{unused}"), &[], &key).await, "cannot connect to the provider");
    }
}
