//! The HTTP client: one request and one answer, with a limit on every wait and on what is read. It follows no redirect,
//! repeats nothing and goes through the proxies of the configuration alone.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::failure::Failure;
use super::retry_after::retry_after;
use crate::clock::Clock;
use crate::domain::proxy::Proxies;
use crate::domain::secret::Secret;

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client: {0}")]
pub struct ClientError(String);

/// How long a client waits, and how much it reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// From connecting to the last byte of the answer.
    pub(crate) whole: Duration,
    /// For a connection.
    pub(crate) connect: Duration,
    /// Idle connections are closed after this.
    pub(crate) idle: Duration,
    /// Of an answer's body.
    pub(crate) response_bytes: usize,
}

/// Asks other servers. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    response_bytes_max: usize,
    clock: Clock,
}

/// What is asked for with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Delete,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    /// Who asks, where the server wants to see that.
    pub(crate) bearer: Option<Bearer>,
    /// Names and values.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: Option<Vec<u8>>,
}

/// A secret as a header shows it.
#[derive(Debug)]
pub(crate) struct Bearer(HeaderValue);

impl Bearer {
    /// The header that shows `secret`; nothing when a header cannot carry it.
    pub(crate) fn of(secret: &Secret) -> Option<Self> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", secret.expose())).ok()?;
        bearer.set_sensitive(true);
        Some(Self(bearer))
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: u16,
    /// How long it asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// The body, unless it broke off.
    pub(crate) body: Result<Body, Failure>,
}

/// A body as far as it was read.
#[derive(Debug)]
pub(crate) struct Body {
    /// Its beginning, up to the limit.
    pub(crate) bytes: Vec<u8>,
    /// There is nothing beyond that.
    pub(crate) is_whole: bool,
}

impl Client {
    /// A client within `limits`.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub(crate) fn new(limits: Limits, proxies: &Proxies, clock: Clock) -> Result<Self, ClientError> {
        Self::build(limits, proxies, clock, |builder| builder)
    }

    /// A client for `http://` alone, which needs no certificates.
    ///
    /// # Errors
    /// The client cannot be built.
    pub(crate) fn in_clear_text(limits: Limits, proxies: &Proxies, clock: Clock) -> Result<Self, ClientError> {
        Self::build(limits, proxies, clock, |builder| builder.tls_certs_only([]))
    }

    fn build(
        limits: Limits,
        proxies: &Proxies,
        clock: Clock,
        certificates: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, ClientError> {
        // An error only says that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxies = proxies.clone();
        let builder = reqwest::Client::builder()
            .timeout(limits.whole)
            .connect_timeout(limits.connect)
            .pool_idle_timeout(limits.idle)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("refairn-bridge/", env!("CARGO_PKG_VERSION")))
            // Those of the environment were read with the configuration; the client is not to read them again.
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| Some(proxies.of(url.as_str())?.address().to_owned())));
        let http = certificates(builder).build().map_err(|e| ClientError(e.to_string()))?;
        Ok(Self { http, response_bytes_max: limits.response_bytes, clock })
    }

    /// Makes one request.
    ///
    /// # Errors
    /// Nobody answered.
    pub(crate) async fn ask(&self, request: Request<'_>) -> Result<Reply, Failure> {
        let Request { method, url, bearer, headers, body } = request;
        let mut request = match method {
            Method::Get => self.http.get(url),
            Method::Post => self.http.post(url),
            Method::Delete => self.http.delete(url),
        };
        if let Some(Bearer(bearer)) = bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(|e| Failure::of(&e))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers(), self.clock.now());
        let body = read(&mut response, self.response_bytes_max).await.map_err(|e| Failure::of(&e));
        Ok(Reply { status, retry_after, body })
    }
}

/// Reads a body up to `bytes_max`; what is beyond is left unread, and the connection is closed.
async fn read(response: &mut reqwest::Response, bytes_max: usize) -> Result<Body, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = bytes_max.saturating_sub(bytes.len());
        bytes.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
        if chunk.len() > room {
            return Ok(Body { bytes, is_whole: false });
        }
    }
    Ok(Body { bytes, is_whole: true })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Longer than anything takes here.
    const WAIT: Duration = Duration::from_secs(20);

    /// Asks `url` with these proxies; gives the request that came to `listener`.
    async fn asked(url: &str, variable: (&'static str, String), listener: tokio::net::TcpListener) -> String {
        let limits = Limits { whole: WAIT, connect: WAIT, idle: WAIT, response_bytes: 9 };
        let proxies = Proxies::read(|name| (name == variable.0).then_some(variable.1.as_str()));
        let client = Client::new(limits, &proxies, Clock::system()).unwrap();
        let server = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = connection.read(&mut request).await.unwrap();
            connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        // Who fails to ask ends the test, for the server would wait for ever.
        let request = Request { method: Method::Get, url, bearer: None, headers: &[], body: None };
        let answer = async { client.ask(request).await.unwrap().status };
        let (status, request) = tokio::join!(answer, server);
        assert_eq!(status, 204);
        request
    }

    #[tokio::test]
    async fn a_proxy_is_asked_for_others_and_never_for_this_machine() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = ("HTTP_PROXY", format!("http://user:hunter2@{}", listener.local_addr().unwrap()));
        let request = asked("http://refairn.example/x", proxy, listener).await;
        assert!(request.starts_with("GET http://refairn.example/x HTTP/1.1\r\n"), "{request}");
        assert!(request.to_ascii_lowercase().contains("proxy-authorization: basic "), "{request}");

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let request = asked(&url, ("ALL_PROXY", format!("http://{unused}")), listener).await;
        assert!(request.starts_with("GET /x HTTP/1.1\r\n"), "{request}");
    }

    #[tokio::test]
    async fn no_more_of_a_body_is_read_than_the_limit() {
        let limits = Limits { whole: WAIT, connect: WAIT, idle: WAIT, response_bytes: 9 };
        let client = Client::new(limits, &Proxies::default(), Clock::system()).unwrap();
        for (sent, read, is_whole) in
            [("", "", true), ("123456789", "123456789", true), ("1234567890", "123456789", false)]
        {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/x", listener.local_addr().unwrap());
            let server = async {
                let (mut connection, _) = listener.accept().await.unwrap();
                let _ = connection.read(&mut [0; 4096]).await.unwrap();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{sent}", sent.len());
                connection.write_all(answer.as_bytes()).await.unwrap();
            };
            let request = Request { method: Method::Get, url: &url, bearer: None, headers: &[], body: None };
            let (reply, ()) = tokio::join!(client.ask(request), server);
            let body = reply.unwrap().body.unwrap();
            assert_eq!((body.bytes.as_slice(), body.is_whole), (read.as_bytes(), is_whole), "{sent}");
        }
    }
}
