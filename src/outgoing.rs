//! What the clients of other servers have in common: limits, proxies, and how answers are read.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::domain::proxy::Proxies;
use crate::domain::secret::Secret;

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client: {0}")]
pub struct ClientError(String);

/// How long a client waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// From connecting to the last byte of the answer.
    pub(crate) whole: Duration,
    /// For a connection.
    pub(crate) connect: Duration,
    /// Idle connections are closed after this.
    pub(crate) idle: Duration,
}

/// A client without redirects and without repetitions, which goes through `proxies` alone.
///
/// # Errors
/// The system's certificates cannot be read.
pub(crate) fn client(limits: Limits, proxies: &Proxies) -> Result<reqwest::Client, ClientError> {
    // An error only says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let proxies = proxies.clone();
    reqwest::Client::builder()
        .timeout(limits.whole)
        .connect_timeout(limits.connect)
        .pool_idle_timeout(limits.idle)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .user_agent(concat!("refairn-bridge/", env!("CARGO_PKG_VERSION")))
        // Those of the environment were read with the configuration; the client is not to read them again.
        .no_proxy()
        .proxy(reqwest::Proxy::custom(move |url| Some(proxies.of(url.as_str())?.address().to_owned())))
        .build()
        .map_err(|e| ClientError(e.to_string()))
}

/// The header that shows `secret`; nothing when a header cannot carry it.
pub(crate) fn bearer(secret: &Secret) -> Option<HeaderValue> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", secret.expose())).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}

/// The innermost cause, which is what helps: connection refused, unknown host, bad certificate.
pub(crate) fn with_cause(what: &str, error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    cause.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
}

/// How long an answer that came at `now` asks to wait: whole seconds, or until a date in any of HTTP's three forms
/// (RFC 9110, 10.2.3 and 5.6.7); anything else counts as no header. A date is measured by the clock of the server that
/// wrote it, which the answer's own Date shows: ours may be wrong.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let until = httpdate::parse_http_date(asked).ok()?;
    let from = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    Some(until.duration_since(from.unwrap_or_else(|| SystemTime::from(now))).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Longer than anything takes here.
    const WAIT: Duration = Duration::from_secs(20);

    /// Asks `url` with these proxies; gives the request that came to `listener`.
    async fn asked(url: &str, variable: (&'static str, String), listener: tokio::net::TcpListener) -> String {
        let limits = Limits { whole: WAIT, connect: WAIT, idle: WAIT };
        let proxies = Proxies::read(|name| (name == variable.0).then_some(variable.1.as_str()));
        let client = client(limits, &proxies).unwrap();
        let server = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = connection.read(&mut request).await.unwrap();
            connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        // Who fails to ask ends the test, for the server would wait for ever.
        let answer = async { client.get(url).send().await.unwrap().status().as_u16() };
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

    #[track_caller]
    fn check(asked: &str, date: Option<&str>, seconds: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, asked.parse().unwrap());
        date.map(|date| headers.insert(DATE, date.parse().unwrap()));
        let now = "1994-11-06T08:49:30Z".parse().unwrap();
        assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{asked}, {date:?}");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_or_nothing() {
        check("7", None, Some(7));
        check(" 7 ", None, Some(7));
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            check(date, None, Some(7));
        }
        check("Sun, 06 Nov 1994 08:49:00 GMT", None, Some(0));
        for none in ["", "soon", "-5", "1.5", "99999999999999999999", "Sun, 31 Feb 1994 08:49:37 GMT"] {
            check(none, None, None);
        }
        assert_eq!(retry_after(&HeaderMap::new(), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_date_is_measured_by_the_clock_of_the_answer() {
        // Three hours before ours.
        check("Sun, 06 Nov 1994 05:49:37 GMT", Some("Sun, 06 Nov 1994 05:49:30 GMT"), Some(7));
        check("Sun, 06 Nov 1994 11:49:37 GMT", Some("Sunday, 06-Nov-94 11:49:30 GMT"), Some(7));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some("yesterday"), Some(7));
        check("7", Some("Sun, 06 Nov 1994 05:49:30 GMT"), Some(7));
    }
}
