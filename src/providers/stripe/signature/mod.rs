//! Stripe's signature: `t=<unix seconds>,v1=<hex>`, where `v1` is the HMAC-SHA256 of the text of
//! `t`, a dot and the raw body, keyed with the whole secret, `whsec_` included.
//!
//! The header has one `v1` per active secret while a secret is being rolled, and an endpoint may hold
//! several secrets: any `v1` under any secret counts. Other schemes, such as `v0`, never do.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::secret::Secret;
use crate::providers::error::SignatureError;
use crate::providers::hmac;

/// The header that carries the signature, in lower case.
pub const HEADER: &str = "stripe-signature";

/// How many elements, split at commas, a header may have. Stripe sends two or three, and one more
/// for each secret being rolled.
pub const ELEMENTS_MAX: usize = 32;

/// The length of a `v1` once decoded from hex.
const V1_BYTES: usize = 32;

/// Accepts `body` if and only if the one header has a `v1` that is its signature under any of
/// `secrets`, made no longer than `tolerance` before or after `now`.
///
/// `headers` are all values of [`HEADER`], as received. The body is hashed at most once per secret,
/// and each hash compared with at most [`ELEMENTS_MAX`] signatures, whatever the header says.
///
/// # Errors
/// See [`SignatureError`]. Whether the time is right is asked last: a time nobody signed means
/// nothing, so a signature that does not fit is a mismatch, however old it claims to be.
pub fn verify(
    headers: &[&[u8]],
    body: &[u8],
    secrets: &[Secret],
    tolerance: Duration,
    now: Timestamp,
) -> Result<(), SignatureError> {
    let header = read(headers)?;
    let mut genuine = false;
    for secret in secrets {
        let expected = hmac::sha256(secret.expose().as_bytes(), &[header.t.as_bytes(), b".", body]);
        genuine |= hmac::matches_any(&header.v1, &expected);
    }
    if genuine { check_time(header.signed_at, tolerance, now) } else { Err(SignatureError::Mismatch) }
}

/// Whether `headers`, all values of [`HEADER`], are one that could sign something.
///
/// # Errors
/// See [`SignatureError`]: missing, repeated or malformed.
pub fn check_form(headers: &[&[u8]]) -> Result<(), SignatureError> {
    read(headers).map(|_| ())
}

/// The header's value as Stripe makes it for `body`, signed `at` (its whole seconds).
#[must_use]
pub fn sign(secret: &str, body: &[u8], at: Timestamp) -> String {
    let t = at.as_second().to_string();
    let v1 = hmac::sha256(secret.as_bytes(), &[t.as_bytes(), b".", body]);
    format!("t={t},v1={}", hex::encode(v1))
}

/// What counts of a header.
struct Header<'h> {
    /// The text of `t`, as it was signed.
    t: &'h str,
    /// The same as a number: seconds since 1970, not necessarily within [`Timestamp`]'s range.
    signed_at: i64,
    /// Every well-formed `v1`; at least one.
    v1: Vec<[u8; V1_BYTES]>,
}

fn read<'h>(headers: &[&'h [u8]]) -> Result<Header<'h>, SignatureError> {
    match headers {
        [] => Err(SignatureError::Missing),
        [header] => parse(header),
        [_, _, ..] => Err(SignatureError::Repeated),
    }
}

/// Reads a header. What it does not know it skips, so that a scheme of the future does no harm;
/// what it needs must be there, and the time only once.
fn parse(header: &[u8]) -> Result<Header<'_>, SignatureError> {
    let malformed = |what| Err(SignatureError::Malformed(what));
    let Ok(text) = str::from_utf8(header) else {
        return malformed("it is not UTF-8");
    };
    if text.split(',').nth(ELEMENTS_MAX).is_some() {
        return malformed("it has too many elements");
    }
    let mut time = None;
    let mut v1 = Vec::new();
    for element in text.split(',') {
        match element.trim_ascii().split_once('=') {
            Some(("t", _)) if time.is_some() => return malformed("it has more than one t"),
            Some(("t", value)) => time = Some(value),
            Some(("v1", value)) => {
                let mut bytes = [0; V1_BYTES];
                // Fails on any other length as well. Upper-case digits count like lower-case ones.
                if hex::decode_to_slice(value, &mut bytes).is_ok() {
                    v1.push(bytes);
                }
            }
            Some(_) | None => {}
        }
    }
    let Some(t) = time else {
        return malformed("it has no t=<time>");
    };
    // Digits only: a sign, which the number's own parser would take, is nothing Stripe sends.
    if !t.bytes().all(|byte| byte.is_ascii_digit()) {
        return malformed("its t is not a plain number of seconds");
    }
    let Ok(signed_at) = t.parse() else {
        return malformed("its t is empty or too large");
    };
    if v1.is_empty() {
        return malformed("it has no v1=<64 hexadecimal digits>");
    }
    Ok(Header { t, signed_at, v1 })
}

/// Compares exactly, with the fraction of a second that `now` has. A time too far off for the
/// subtraction ends at the largest difference there is.
fn check_time(signed_at: i64, tolerance: Duration, now: Timestamp) -> Result<(), SignatureError> {
    let age = now.as_duration().saturating_sub(SignedDuration::from_secs(signed_at));
    let distance = age.unsigned_abs();
    if distance <= tolerance {
        Ok(())
    } else if age.is_negative() {
        Err(SignatureError::Future { ahead: distance, tolerance })
    } else {
        Err(SignatureError::Stale { age: distance, tolerance })
    }
}

#[cfg(test)]
mod tests;
