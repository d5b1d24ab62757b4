//! What a page's form sends, read within limits, and whether a page of ours sent it.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use futures_util::StreamExt;
use url::{Url, form_urlencoded};

use super::problem::Problem;

/// Longest body of a form, bytes: a token, an address of ours, a note.
const FORM_BYTES_MAX: usize = 16 << 10;
/// How long it may take to arrive.
const FORM_WAIT_MAX: Duration = Duration::from_secs(10);

/// The fields of a form.
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a form as browsers send it. The body is read to its end, or to its limit.
    ///
    /// # Errors
    /// It is too long, too slow or broken.
    pub(super) async fn read(payload: &mut web::Payload) -> Result<Self, Problem> {
        Ok(Self(form_urlencoded::parse(&bytes(payload).await?).into_owned().collect()))
    }

    /// A field; empty when it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// What a form, or a command, sends: read to its end, or to its limit.
///
/// # Errors
/// It is too long, too slow or broken.
pub(super) async fn bytes(payload: &mut web::Payload) -> Result<Vec<u8>, Problem> {
    let read = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Problem::body_incomplete())?;
            if bytes.len() + chunk.len() > FORM_BYTES_MAX {
                return Err(Problem::body_too_large(FORM_BYTES_MAX));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    let in_time = tokio::time::timeout(FORM_WAIT_MAX, read).await;
    in_time.unwrap_or_else(|_| Err(Problem::too_slow(FORM_WAIT_MAX.as_secs())))
}

/// Whether a request comes from a page of ours, by what the browser says of it. `Sec-Fetch-Site` is sent over https and
/// to this machine only, so where it is absent the origin has to be our own address. A program that says neither is
/// judged by what it knows.
pub(super) fn is_from_us(request: &HttpRequest) -> bool {
    let value = |name: header::HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or("null"));
    if let Some(site) = value(header::HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = value(header::ORIGIN) else { return true };
    let Ok(origin) = Url::parse(origin) else { return false };
    let forwarded = value(header::HeaderName::from_static("x-forwarded-host"));
    [value(header::HOST), forwarded].into_iter().flatten().any(|host| is_at(&origin, host))
}

/// Whether an origin is at the host, and port, that a request was sent to.
fn is_at(origin: &Url, host: &str) -> bool {
    let Ok(host) = Url::parse(&format!("{}://{}", origin.scheme(), host.trim())) else { return false };
    origin.host_str().is_some() && origin.host() == host.host() && origin.port() == host.port()
}

/// Whether the browser came over https, as its origin or the proxy says. Who says so wrongly only keeps the own cookie.
pub(super) fn is_secure(request: &HttpRequest) -> bool {
    let says = |name: &'static str, start: &str| {
        let value = request.headers().get(header::HeaderName::from_static(name));
        value.and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with(start))
    };
    if request.headers().contains_key(header::ORIGIN) {
        return says("origin", "https://");
    }
    says("x-forwarded-proto", "https")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_our_own_pages_are_believed() {
        let check = |headers: &[(&str, &str)], expected: bool| {
            let mut request = TestRequest::post().insert_header(("host", "bridge.example.com:8080"));
            for (name, value) in headers {
                request = request.append_header((*name, *value));
            }
            assert_eq!(is_from_us(&request.to_http_request()), expected, "{headers:?}");
        };
        check(&[], true);
        check(&[("origin", "http://bridge.example.com:8080")], true);
        check(&[("origin", "http://BRIDGE.example.com:8080")], true);
        check(&[("origin", "https://bridge.example.com:8080")], true);
        check(&[("origin", "http://bridge.example.com")], false);
        check(&[("origin", "null")], false);
        check(&[("origin", "http://evil.example")], false);
        check(&[("origin", "http://bridge.example.com:8080.evil.example")], false);
        check(&[("origin", "https://pay.example.com"), ("x-forwarded-host", "pay.example.com")], true);
        check(&[("sec-fetch-site", "same-origin"), ("origin", "https://other.example")], true);
        check(&[("sec-fetch-site", "same-site"), ("origin", "http://bridge.example.com:8080")], false);
        check(&[("sec-fetch-site", "cross-site")], false);
    }

    #[test]
    fn a_cookie_is_secure_where_the_browser_came_over_https() {
        let check = |headers: &[(&str, &str)], expected: bool| {
            let mut request = TestRequest::post();
            for (name, value) in headers {
                request = request.append_header((*name, *value));
            }
            assert_eq!(is_secure(&request.to_http_request()), expected, "{headers:?}");
        };
        check(&[], false);
        check(&[("origin", "http://a.example")], false);
        check(&[("origin", "https://a.example")], true);
        check(&[("x-forwarded-proto", "https")], true);
        check(&[("origin", "http://a.example"), ("x-forwarded-proto", "https")], false);
    }
}
