//! The pages' own files, compiled in. Their address has a part that changes with them, so browsers may keep them.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use sha2::{Digest, Sha256};

use crate::http::problem::Problem;

/// A file: its name, its type, its content.
type File = (&'static str, &'static str, &'static str);

const FILES: &[File] = &[
    ("dashboard.css", "text/css; charset=utf-8", include_str!("assets/dashboard.css")),
    ("dashboard.js", "text/javascript; charset=utf-8", include_str!("assets/dashboard.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// Digits of a file's hash in its address.
const VERSION_DIGITS: usize = 12;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    FILES.iter().for_each(|(_, _, content)| hash.update(content));
    let mut version = hex::encode(hash.finalize());
    version.truncate(VERSION_DIGITS);
    version
});

/// The address of one of the files.
pub(super) fn address(name: &str) -> String {
    format!("/assets/{name}?v={}", *VERSION)
}

/// `GET /assets/{name}`: open to all, for there is nothing in them.
pub(super) async fn asset(name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let (_, content_type, content) =
        FILES.iter().find(|(known, ..)| *known == name.as_str()).ok_or_else(Problem::no_such_path)?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CONTENT_TYPE, *content_type));
    answer.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    Ok(answer.body(*content))
}
