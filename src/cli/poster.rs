//! The command line's one HTTP client: a limit on every wait and on what is read, and no redirects.

use std::time::Duration;

use anyhow::Context;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::output;
use crate::domain::proxy::is_this_machine;
use crate::domain::redact::Redactor;
use crate::domain::secret::Secret;

pub(super) use reqwest::Url;

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest answer that is read, bytes: a page of the API with the longest bodies there are.
const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What webhooks are sent as.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Sends requests to one host. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub(super) struct Poster {
    http: reqwest::Client,
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

    /// The body, if it is a JSON object.
    pub(super) fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok().filter(serde_json::Value::is_object)
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

impl Poster {
    /// A client for the host of `url`; a whole request, from connecting to the end of the answer, takes at most `timeout`.
    ///
    /// # Errors
    /// The system's certificates cannot be read; they are needed for `https` only.
    pub(super) fn new(url: &Url, timeout: Duration) -> anyhow::Result<Self> {
        // An error only says that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(CONNECT_MAX.min(timeout))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("refairn-bridge/", env!("CARGO_PKG_VERSION")));
        if url.scheme() == "http" {
            // A container without certificates can still be asked whether it is healthy.
            builder = builder.tls_certs_only([]);
        }
        if is_this_machine(url.as_str()) {
            // A proxy of the environment leads elsewhere.
            builder = builder.no_proxy();
        }
        let http = builder.build().context("cannot set up the HTTP client")?;
        Ok(Self { http })
    }

    /// Posts `body` byte for byte, as JSON, with one more header.
    ///
    /// # Errors
    /// Nobody answered.
    pub(super) async fn post(&self, url: &Url, header: (&str, &str), body: Vec<u8>) -> Result<Reply, NoAnswer> {
        self.request(self.http.post(url.clone()).header(CONTENT_TYPE, JSON).header(header.0, header.1).body(body)).await
    }

    /// Asks for `url`.
    ///
    /// # Errors
    /// Nobody answered.
    pub(super) async fn get(&self, url: &Url) -> Result<Reply, NoAnswer> {
        self.request(self.http.get(url.clone())).await
    }

    /// Asks for `url`, or posts to it without a body, as the holder of `token`.
    ///
    /// # Errors
    /// Nobody answered.
    pub(super) async fn ask(&self, post: bool, url: &Url, token: &Secret) -> Result<Reply, NoAnswer> {
        let request = if post { self.http.post(url.clone()) } else { self.http.get(url.clone()) };
        let mut reply = self.request(request.bearer_auth(token.expose())).await?;
        if !reply.is_success() {
            // A server that refuses it may repeat what it was sent.
            reply.body = Redactor::of(token).text(&String::from_utf8_lossy(&reply.body)).into_bytes();
        }
        Ok(reply)
    }

    async fn request(&self, request: reqwest::RequestBuilder) -> Result<Reply, NoAnswer> {
        let mut response = request.send().await.map_err(no_answer)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            let room = RESPONSE_BYTES_MAX.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
            if body.len() >= RESPONSE_BYTES_MAX {
                break;
            }
        }
        Ok(Reply { status, body })
    }
}

/// Why there is no answer: what happened, and the innermost cause, which is what helps.
fn no_answer(error: reqwest::Error) -> NoAnswer {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "cannot connect"
    } else {
        "the connection broke before the answer was complete"
    };
    let error = anyhow::Error::new(error);
    let cause = output::innermost(&error);
    NoAnswer(if error.chain().nth(1).is_some() { format!("{what}: {cause}") } else { what.to_owned() })
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
