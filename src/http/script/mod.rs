//! `/refairn.js`: what a merchant's pages load, so that a visitor's referral code gets into their checkouts.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

/// Where it is.
pub(super) const PATH: &str = "/refairn.js";
/// The script, as it is read and as it is sent.
const SCRIPT: &str = include_str!("refairn.js");
/// How long a browser keeps it without asking, seconds.
const KEPT_S: u32 = 3600;
/// Digits of its hash in the tag.
const TAG_DIGITS: usize = 16;
/// It is compressed once.
const ZSTD_LEVEL: i32 = 19;

/// Tells this script from that of another version. Both of its forms have it, so it is weak.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let mut hash = hex::encode(Sha256::digest(SCRIPT));
    hash.truncate(TAG_DIGITS);
    format!("W/\"{hash}\"")
});
static COMPRESSED: LazyLock<Option<Vec<u8>>> =
    LazyLock::new(|| zstd::bulk::compress(SCRIPT.as_bytes(), ZSTD_LEVEL).ok());

/// `GET /refairn.js`: open to all, as the pages are that load it.
pub(super) async fn script(request: HttpRequest) -> HttpResponse {
    let is_known = any(&request, &header::IF_NONE_MATCH, |tag| tag == "*" || strong(tag) == strong(&TAG));
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={KEPT_S}")))
        .insert_header((header::ETAG, TAG.as_str()))
        .insert_header((header::VARY, "Accept-Encoding"))
        // A page may load it as a module, or isolate itself from other origins.
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if is_known {
        return answer.finish();
    }
    answer.insert_header((header::CONTENT_TYPE, "text/javascript; charset=utf-8"));
    match COMPRESSED.as_ref().filter(|_| any(&request, &header::ACCEPT_ENCODING, is_zstd)) {
        Some(compressed) => answer.insert_header((header::CONTENT_ENCODING, "zstd")).body(compressed.as_slice()),
        None => answer.body(SCRIPT),
    }
}

/// Whether one of the values of a header, which commas separate, is so.
fn any(request: &HttpRequest, name: &header::HeaderName, is_so: impl Fn(&str) -> bool) -> bool {
    let lines = request.headers().get_all(name).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|value| is_so(value.trim()))
}

/// A tag without the mark of a weak one.
fn strong(tag: &str) -> &str {
    tag.trim_start_matches("W/")
}

/// Whether an encoding is zstd, and not refused by a weight of nothing.
fn is_zstd(encoding: &str) -> bool {
    let mut parts = encoding.split(';').map(str::trim);
    let is_refused =
        |weight: &str| weight.strip_prefix("q=").is_some_and(|q| q.trim_end_matches(['0', '.']).is_empty());
    parts.next().is_some_and(|name| name.eq_ignore_ascii_case("zstd")) && !parts.any(is_refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_when_compressed() {
        let compressed = COMPRESSED.as_ref().unwrap().len();
        assert!(compressed < 2000, "{compressed} bytes");
    }

    #[test]
    fn an_encoding_is_taken_where_it_is_offered() {
        let check = |encoding: &str, taken: bool| assert_eq!(is_zstd(encoding), taken, "{encoding}");
        check("zstd", true);
        check("ZSTD;q=0.1", true);
        for other in ["gzip", "zstd;q=0", "zstd; q=0.00", "br;zstd", "", "*"] {
            check(other, false);
        }
    }
}
