//! The command line's one HTTP client: a limit on every wait and on what is read, and no redirects.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::clock::Clock;
use crate::config::Sources;
use crate::domain::redact::Redactor;
use crate::domain::secret::Secret;
use crate::outbound::{Bearer, Client, Failure, Limits, Method, Request};
use crate::providers::connect::{Ask, Verb};

pub(super) use crate::outbound::Url;

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest answer that is read, bytes: a page of the API with the longest bodies there are.
const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Idle connections are closed after this.
const IDLE_MAX: Duration = Duration::from_secs(90);

/// Sends requests to one host. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub(super) struct HttpClient {
    http: Client,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// The beginning of its body.
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// 2xx.
    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The body, if it is JSON of this shape.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Nobody answered, or not to the end; why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(pub(super) String);

/// Reads an address: `http` or `https`, and a host.
///
/// # Errors
/// What is wrong with it, for a person.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|error| format!("it is no address ({error}): write http:// or https:// and a host"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("write http:// or https:// and a host".to_owned());
    }
    Ok(url)
}

impl HttpClient {
    /// A client for the host of `url`; a whole request, from connecting to the end of the answer, takes at most `timeout`.
    ///
    /// # Errors
    /// The system's certificates cannot be read; they are needed for `https` only.
    pub(super) fn new(url: &Url, timeout: Duration) -> anyhow::Result<Self> {
        let connect = CONNECT_MAX.min(timeout);
        let limits = Limits { whole: timeout, connect, idle: IDLE_MAX, response_bytes: RESPONSE_BYTES_MAX };
        let (proxies, clock) = (Sources::from_process(None).proxies(), Clock::system());
        // A container without certificates can still be asked whether it is healthy.
        let build = if url.scheme() == "http" { Client::in_clear_text } else { Client::new };
        Ok(Self { http: build(limits, &proxies, clock)? })
    }

    /// Posts `body` byte for byte, as JSON, with one more header.
    ///
    /// # Errors
    /// Nobody answered.
    pub(super) async fn post(&self, url: &Url, header: (&str, &str), body: Vec<u8>) -> Result<Reply, NoAnswer> {
        let headers = [("content-type", "application/json"), header];
        let url = url.as_str();
        self.request(Request { method: Method::Post, url, bearer: None, headers: &headers, body: Some(body) }).await
    }

    /// Asks for `url`.
    ///
    /// # Errors
    /// Nobody answered.
    pub(super) async fn get(&self, url: &Url) -> Result<Reply, NoAnswer> {
        self.request(Request { method: Method::Get, url: url.as_str(), bearer: None, headers: &[], body: None }).await
    }

    /// Asks for `url`, or posts to it without a body, as the holder of `token`.
    ///
    /// # Errors
    /// Nobody answered.
    pub(super) async fn ask(&self, post: bool, url: &Url, token: &Secret) -> Result<Reply, NoAnswer> {
        let method = if post { Method::Post } else { Method::Get };
        let request = Request { method, url: url.as_str(), bearer: Some(bearer(token)?), headers: &[], body: None };
        Ok(without_token(self.request(request).await?, token))
    }

    /// Posts JSON to `url` as the holder of `token`.
    ///
    /// # Errors
    /// Nobody answered.
    pub(super) async fn tell(&self, url: &Url, token: &Secret, body: Vec<u8>) -> Result<Reply, NoAnswer> {
        let headers = [("content-type", "application/json")];
        let request = Request {
            method: Method::Post,
            url: url.as_str(),
            bearer: Some(bearer(token)?),
            headers: &headers,
            body: Some(body),
        };
        Ok(without_token(self.request(request).await?, token))
    }

    /// Asks a provider's API below `base` as the holder of `key`.
    ///
    /// # Errors
    /// Nobody answered.
    pub(super) async fn ask_provider(&self, base: &str, ask: &Ask, key: &Secret) -> Result<Reply, NoAnswer> {
        let bearer = Bearer::of(key)
            .ok_or_else(|| NoAnswer("the api_key has characters that a header cannot carry".to_owned()))?;
        let method = match ask.verb {
            Verb::Get => Method::Get,
            Verb::Post => Method::Post,
            Verb::Delete => Method::Delete,
        };
        let (url, body) = (format!("{base}{}", ask.path), ask.body.clone().map(String::into_bytes));
        self.request(Request { method, url: &url, bearer: Some(bearer), headers: &ask.headers, body }).await
    }

    async fn request(&self, request: Request<'_>) -> Result<Reply, NoAnswer> {
        let reply = self.http.ask(request).await?;
        Ok(Reply { status: reply.status, body: reply.body?.bytes })
    }
}

fn bearer(token: &Secret) -> Result<Bearer, NoAnswer> {
    Bearer::of(token).ok_or_else(|| NoAnswer("the token has characters that a header cannot carry".to_owned()))
}

/// A server that refuses a request may repeat what it was sent.
fn without_token(mut reply: Reply, token: &Secret) -> Reply {
    if !reply.is_success() {
        reply.body = Redactor::of(token).text(&String::from_utf8_lossy(&reply.body)).into_bytes();
    }
    reply
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self(failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        let check = |text: &str, fine: bool| assert_eq!(parse_url(text).is_ok(), fine, "{text}");
        check("http://127.0.0.1:8080/webhooks/stripe", true);
        check("https://bridge.example.com", true);
        for bad in
            ["", "127.0.0.1:8080", "localhost:8080", "ftp://example.com", "http://", "file:///etc/hosts", "/webhooks"]
        {
            check(bad, false);
        }
    }
}
