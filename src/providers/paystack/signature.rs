//! Paystack's signature: the hex HMAC-SHA512 of the raw body, keyed with the account's secret key.
//!
//! There is no time in it, so a captured request verifies for ever. What keeps it from counting
//! twice is that the body's fingerprint is remembered for ever, not anything here.

use crate::domain::secret::Secret;
use crate::providers::error::SignatureError;
use crate::providers::hmac;

/// The header that carries the signature, in lower case.
pub const HEADER: &str = "x-paystack-signature";

/// The signature's length once decoded from hex.
const SIGNATURE_BYTES: usize = 64;

/// Accepts `body` if and only if the one header is its signature under any of `secrets`.
///
/// `headers` are all values of [`HEADER`], as received; `secrets` are the account's secret keys, two
/// while a key is being rotated. The body is hashed at most once per secret, whatever the header says.
///
/// # Errors
/// See [`SignatureError`]; never stale nor in the future.
pub fn verify(headers: &[&[u8]], body: &[u8], secrets: &[Secret]) -> Result<(), SignatureError> {
    let received = read(headers)?;
    let mut genuine = false;
    for secret in secrets {
        let expected = hmac::sha512(secret.expose().as_bytes(), &[body]);
        genuine |= hmac::matches_any(&[received], &expected);
    }
    if genuine { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// Whether `headers`, all values of [`HEADER`], are one that could sign something.
///
/// # Errors
/// See [`SignatureError`]: missing, repeated or malformed.
pub fn check_form(headers: &[&[u8]]) -> Result<(), SignatureError> {
    read(headers).map(|_| ())
}

fn read(headers: &[&[u8]]) -> Result<[u8; SIGNATURE_BYTES], SignatureError> {
    let header = match headers {
        [] => return Err(SignatureError::Missing),
        [header] => *header,
        [_, _, ..] => return Err(SignatureError::Repeated),
    };
    let mut received = [0; SIGNATURE_BYTES];
    // Fails on any other length as well. Upper-case digits count like lower-case ones.
    match hex::decode_to_slice(header.trim_ascii(), &mut received) {
        Ok(()) => Ok(received),
        Err(_) => Err(SignatureError::Malformed("it is not 128 hexadecimal digits")),
    }
}

/// The header's value as Paystack makes it for `body`.
#[must_use]
pub fn sign(secret: &str, body: &[u8]) -> String {
    hex::encode(hmac::sha512(secret.as_bytes(), &[body]))
}

#[cfg(test)]
mod tests {
    use super::{sign, verify};
    use crate::domain::secret::Secret;
    use proptest::prelude::*;

    const CURRENT: &str = "sk_test_example_current";
    const OTHER: &str = "sk_test_example_other";
    const BODY: &[u8] = br#"{"event":"charge.success","data":{"reference":"ref_1"}}"#;

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| Secret::parse(*text).unwrap()).collect()
    }

    /// The code of the refusal, or "accepted".
    fn outcome(headers: &[&[u8]], body: &[u8], texts: &[&str]) -> &'static str {
        verify(headers, body, &secrets(texts)).map_or_else(|e| e.code(), |()| "accepted")
    }

    #[track_caller]
    fn check(header: impl AsRef<[u8]>, expected: &str) {
        let header = header.as_ref();
        assert_eq!(outcome(&[header], BODY, &[CURRENT]), expected, "{}", header.escape_ascii());
    }

    #[track_caller]
    fn check_body(body: &[u8]) {
        let header = sign(CURRENT, body);
        assert_eq!(outcome(&[header.as_bytes()], body, &[CURRENT]), "accepted", "{}", body.escape_ascii());
        assert_eq!(outcome(&[header.as_bytes()], BODY, &[CURRENT]), "signature_mismatch", "{}", body.escape_ascii());
    }

    #[test]
    fn agrees_with_a_signature_made_elsewhere() {
        let body = r#"{"event":"charge.success","data":{"name":"Zoë Ångström"}}"#;
        let header = "1bbcedbdcff76782b38b01be016c72a630f3eca514cedc7e3b449e28d4c069de\
                      e2685d5f6635d8757d77bb141358638d28f557f7cc840f8648a4fef9c5a4fdc1";
        assert_eq!(sign(CURRENT, body.as_bytes()), header);
        assert_eq!(outcome(&[header.as_bytes()], body.as_bytes(), &[CURRENT]), "accepted");
    }

    #[test]
    fn header_grammar() {
        let good = sign(CURRENT, BODY);
        check(&good, "accepted");
        check(good.to_uppercase(), "accepted");
        check(format!(" {good}\t"), "accepted");
        check(sign(OTHER, BODY), "signature_mismatch");
        check("00".repeat(64), "signature_mismatch");
        check("", "signature_malformed");
        check("   ", "signature_malformed");
        check("free text", "signature_malformed");
        check("deadbeef", "signature_malformed");
        check(&good[..126], "signature_malformed");
        check(&good[..127], "signature_malformed");
        check(format!("{good}00"), "signature_malformed");
        check(good.repeat(1_000), "signature_malformed");
        check("g".repeat(128), "signature_malformed");
        check(format!("0x{}", &good[2..]), "signature_malformed");
        check(format!("sha512={good}"), "signature_malformed");
        check(format!("{good}, {good}"), "signature_malformed");
        check(format!("{} {}", &good[..64], &good[65..]), "signature_malformed");
        check([0xff; 128], "signature_malformed");
        check("é".repeat(64), "signature_malformed");
    }

    #[test]
    fn exactly_one_header() {
        let good = sign(CURRENT, BODY);
        let good = good.as_bytes();
        assert_eq!(outcome(&[], BODY, &[CURRENT]), "signature_missing");
        assert_eq!(outcome(&[good], BODY, &[CURRENT]), "accepted");
        assert_eq!(outcome(&[good, good], BODY, &[CURRENT]), "signature_repeated");
        assert_eq!(outcome(&[good, b"", b"x"], BODY, &[CURRENT]), "signature_repeated");
    }

    #[test]
    fn any_secret_verifies_while_a_key_is_rotated() {
        let good = sign(CURRENT, BODY);
        let good = good.as_bytes();
        assert_eq!(outcome(&[good], BODY, &[OTHER, CURRENT]), "accepted");
        assert_eq!(outcome(&[good], BODY, &[CURRENT, OTHER]), "accepted");
        assert_eq!(outcome(&[good], BODY, &[OTHER]), "signature_mismatch");
        // No secret is no open door, not even for one who signs with an empty one.
        assert_eq!(outcome(&[good], BODY, &[]), "signature_mismatch");
        assert_eq!(outcome(&[sign("", BODY).as_bytes()], BODY, &[]), "signature_mismatch");
    }

    #[test]
    fn the_body_counts_byte_by_byte_and_is_never_parsed() {
        for body in [
            b"".as_slice(),
            b"not json",
            b"\xef\xbb\xbf{\"event\":\"charge.success\",\"data\":{\"reference\":\"ref_1\"}}",
            b"{\"event\":\"charge.success\",\r\n\"data\":{}}",
            b"{\"event\":\"charge.success\",\n\"data\":{}}",
            b"{\"event\": \"charge.success\", \"data\": {\"reference\": \"ref_1\"}}",
            b"{\"event\":\"a\",\"event\":\"b\"}",
            "{\"name\":\"Zoë 株式会社 🦀\"}".as_bytes(),
            b"\xff\xfe\x00 not UTF-8",
            b"\x1f\x8b\x08 as if gzip",
            "[".repeat(100_000).as_bytes(),
        ] {
            check_body(body);
        }
    }

    #[test]
    fn errors_tell_nothing_of_secret_signature_or_body() {
        let forged = sign(OTHER, BODY);
        let error = verify(&[forged.as_bytes()], BODY, &secrets(&[CURRENT])).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(![CURRENT, OTHER, &forged, "ref_1"].iter().any(|part| text.contains(part)), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies_and_a_flipped_bit_does_not(
            secret in "[!-~]{1,200}",
            body in prop::collection::vec(any::<u8>(), 1..500),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let header = sign(&secret, &body);
            prop_assert_eq!(outcome(&[header.as_bytes()], &body, &[&secret]), "accepted");

            let mut altered = body.clone();
            altered[at.index(body.len())] ^= 1 << bit;
            prop_assert_eq!(outcome(&[header.as_bytes()], &altered, &[&secret]), "signature_mismatch");

            let mut signature = hex::decode(&header).unwrap();
            signature[at.index(64)] ^= 1 << bit;
            prop_assert_eq!(outcome(&[hex::encode(signature).as_bytes()], &body, &[&secret]), "signature_mismatch");

            let mut other = secret.clone().into_bytes();
            other[at.index(secret.len())] ^= 1 << (bit % 7);
            let header = sign(std::str::from_utf8(&other).unwrap(), &body);
            prop_assert_eq!(outcome(&[header.as_bytes()], &body, &[&secret]), "signature_mismatch");
        }

        #[test]
        fn any_header_is_refused_cleanly(header in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(outcome(&[&header], BODY, &[CURRENT]).starts_with("signature_"));
        }
    }
}
