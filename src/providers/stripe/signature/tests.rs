//! Which signatures are accepted, to the second and to the bit.

use super::{ELEMENTS_MAX, sign, verify};
use crate::domain::secret::Secret;
use crate::providers::error::SignatureError;
use crate::providers::hmac;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

const CURRENT: &str = "whsec_example_current";
const OLD: &str = "whsec_example_old";
const BODY: &[u8] = br#"{"id":"evt_1","object":"event","type":"invoice.paid"}"#;
/// When everything is signed, unless a test says otherwise.
const AT: i64 = 1_700_000_000;
const TOLERANCE: Duration = Duration::from_secs(300);

fn at() -> Timestamp {
    Timestamp::from_second(AT).unwrap()
}

/// The `v1` of `body` for any text of `t`, also for one that [`sign`] would never write.
fn v1(secret: &str, t: &str, body: &[u8]) -> String {
    hex::encode(hmac::sha256(secret.as_bytes(), &[t.as_bytes(), b".", body]))
}

/// The code of the refusal, or "accepted".
fn outcome_at(headers: &[&[u8]], body: &[u8], texts: &[&str], now: Timestamp) -> &'static str {
    let secrets: Vec<_> = texts.iter().map(|text| Secret::parse(*text).unwrap()).collect();
    verify(headers, body, &secrets, TOLERANCE, now).map_or_else(|e| e.code(), |()| "accepted")
}

fn outcome(header: impl AsRef<[u8]>, body: &[u8], texts: &[&str]) -> &'static str {
    outcome_at(&[header.as_ref()], body, texts, at())
}

#[track_caller]
fn check(header: impl AsRef<[u8]>, expected: &str) {
    let header = header.as_ref();
    assert_eq!(outcome(header, BODY, &[CURRENT]), expected, "{}", header.escape_ascii());
}

#[test]
fn agrees_with_a_signature_made_elsewhere() {
    let body = r#"{"id":"evt_1","name":"Zoë Ångström"}"#.as_bytes();
    let header = "t=1700000000,v1=1f1baf189dc5b7edd2ff190204109a29b93d1610930f813dc4d94af101988ec7";
    assert_eq!(sign(CURRENT, body, at()), header);
    assert_eq!(outcome(header, body, &[CURRENT]), "accepted");
}

#[test]
fn header_without_what_is_needed() {
    let good = v1(CURRENT, "1700000000", BODY);
    for header in "| |free text|deadbeef|v1,t=1|t=|t|,,|t,v1=,v0=|t=1700000000|=|=,=|t=1700000000,v1".split('|') {
        check(header, "signature_malformed");
    }
    check(format!("v1={good}"), "signature_malformed");
    check(format!("t,v1={good}"), "signature_malformed");
    check(format!("t=1700000000,v0={good}"), "signature_malformed");
    check(format!("t=1700000000,v2={good},V1={good},v1 ={good},v1= {good}"), "signature_malformed");
    check(format!("T=1700000000,v1={good}"), "signature_malformed");
    check(format!("t=1700000000;v1={good}"), "signature_malformed");
    check([b"t=1700000000,v1=", good.as_bytes(), b",x=\xff\xfe"].concat(), "signature_malformed");
    check([0xff; 80], "signature_malformed");
}

#[test]
fn header_with_a_signature_of_the_wrong_kind() {
    let good = v1(CURRENT, "1700000000", BODY);
    check(format!("t=1700000000,v1={}", "00".repeat(32)), "signature_mismatch");
    check(format!("t=1700000000,v1={}", v1(OLD, "1700000000", BODY)), "signature_mismatch");
    check(format!("t=1700000000,v1={}", v1(CURRENT, "1700000001", BODY)), "signature_mismatch");
    check("t=1700000000,v1=deadbeef", "signature_malformed");
    check("t=1700000000,v1=bad_signature", "signature_malformed");
    for value in [&good[..62], &good[..63], &format!("{good}00"), &good.repeat(2), &format!("0x{}", &good[2..])] {
        check(format!("t=1700000000,v1={value}"), "signature_malformed");
        check(format!("t=1700000000,v1={value},v1={good}"), "accepted");
    }
}

#[test]
fn header_that_is_good_whatever_else_it_has() {
    let good = v1(CURRENT, "1700000000", BODY);
    let zeros = "00".repeat(32);
    check(sign(CURRENT, BODY, at()), "accepted");
    check(format!("t=1700000000,v1={good},v1=bad"), "accepted");
    check(format!("t=1700000000,v1={zeros},v1={good}"), "accepted");
    check(format!("t=1700000000,v1={good},v1={zeros},v0={zeros}"), "accepted");
    check(format!("v1={good},t=1700000000"), "accepted");
    check(format!("t=1700000000,v1={}", good.to_uppercase()), "accepted");
    check(format!("  t=1700000000 ,\tv1={good}  "), "accepted");
    check(format!(",free text,=,x=y=z,t,t=1700000000,v1,v1=,v1={good},é=ü,,"), "accepted");
}

#[test]
fn time_is_one_plain_number() {
    let odd = "not_a_number||+1700000000|-1700000000|1700000000.0|17e8|0x6553f100|1_700_000_000|１７| 1700000000";
    for t in odd.split('|').chain(["9223372036854775808", &"9".repeat(500)]) {
        check(format!("t={t},v1={}", v1(CURRENT, t, BODY)), "signature_malformed");
    }
    // The text of t is what is signed, not its value.
    check(format!("t=01700000000,v1={}", v1(CURRENT, "01700000000", BODY)), "accepted");
    check(format!("t=01700000000,v1={}", v1(CURRENT, "1700000000", BODY)), "signature_mismatch");
    // Fits i64, but is no time a calendar knows.
    check(format!("t=9223372036854775807,v1={}", v1(CURRENT, "9223372036854775807", BODY)), "signature_in_future");
    check(format!("t=0,v1={}", v1(CURRENT, "0", BODY)), "signature_stale");

    let good = sign(CURRENT, BODY, at());
    check(format!("{good},t=1700000000"), "signature_malformed");
    check(format!("t=1,{good}"), "signature_malformed");
    check(format!("{good},t="), "signature_malformed");
    // What an intermediary makes of a header sent twice.
    check(format!("{good}, {good}"), "signature_malformed");
}

#[test]
fn exactly_one_header() {
    let good = sign(CURRENT, BODY, at());
    let good = good.as_bytes();
    let outcome = |headers: &[&[u8]]| outcome_at(headers, BODY, &[CURRENT], at());
    assert_eq!(outcome(&[]), "signature_missing");
    assert_eq!(outcome(&[good]), "accepted");
    assert_eq!(outcome(&[good, good]), "signature_repeated");
    assert_eq!(outcome(&[b"", good, b"x"]), "signature_repeated");
}

#[test]
fn elements_are_capped() {
    let good = sign(CURRENT, BODY, at());
    check(format!("{good}{}", ",v1=x".repeat(ELEMENTS_MAX - 2)), "accepted");
    check(format!("{good}{}", ",v1=x".repeat(ELEMENTS_MAX - 1)), "signature_malformed");
    check(format!("{good}{}", format!(",v1={}", "00".repeat(32)).repeat(10_000)), "signature_malformed");
    check(",".repeat(10_000), "signature_malformed");
}

#[test]
fn any_secret_verifies_while_one_is_rolled() {
    let both = format!("{},v1={}", sign(CURRENT, BODY, at()), v1(OLD, "1700000000", BODY));
    let one = sign(CURRENT, BODY, at());
    for (header, texts, expected) in [
        (&both, vec![CURRENT], "accepted"),
        (&both, vec![OLD], "accepted"),
        (&both, vec![OLD, CURRENT], "accepted"),
        (&both, vec!["whsec_example_third"], "signature_mismatch"),
        (&one, vec![OLD, CURRENT], "accepted"),
        (&one, vec![CURRENT, OLD], "accepted"),
        (&one, vec![OLD], "signature_mismatch"),
        // The prefix is part of the key.
        (&one, vec!["example_current"], "signature_mismatch"),
        // No secret is no open door, not even for one who signs with an empty one.
        (&one, vec![], "signature_mismatch"),
        (&sign("", BODY, at()), vec![], "signature_mismatch"),
    ] {
        assert_eq!(outcome(header, BODY, &texts), expected, "{texts:?}");
    }
}

#[track_caller]
fn check_age(age_ms: i64, tolerance_s: u64, expected: Result<(), SignatureError>) {
    let now = at() + SignedDuration::from_millis(age_ms);
    let secrets = [Secret::parse(CURRENT).unwrap()];
    let tolerance = Duration::from_secs(tolerance_s);
    let verified = |header: String| verify(&[header.as_bytes()], BODY, &secrets, tolerance, now);
    assert_eq!(verified(sign(CURRENT, BODY, at())), expected);
    // A time that nobody we know has signed means nothing.
    assert_eq!(verified(sign(OLD, BODY, at())), Err(SignatureError::Mismatch));
}

#[test]
fn tolerance_holds_both_ways_to_the_millisecond() {
    let ms = Duration::from_millis;
    let stale = |age, s| Err(SignatureError::Stale { age: ms(age), tolerance: Duration::from_secs(s) });
    let future = |ahead, s| Err(SignatureError::Future { ahead: ms(ahead), tolerance: Duration::from_secs(s) });
    check_age(0, 300, Ok(()));
    check_age(299_000, 300, Ok(()));
    check_age(300_000, 300, Ok(()));
    check_age(300_001, 300, stale(300_001, 300));
    check_age(86_400_000, 300, stale(86_400_000, 300));
    check_age(-300_000, 300, Ok(()));
    check_age(-300_001, 300, future(300_001, 300));
    check_age(-15_000, 10, future(15_000, 10));
    check_age(-10_000, 10, Ok(()));
    check_age(1, 0, stale(1, 0));
    check_age(86_400_000, u64::MAX, Ok(()));
}

#[test]
fn the_body_counts_byte_by_byte_and_is_never_parsed() {
    for body in [
        b"".as_slice(),
        b"not json",
        b"\xef\xbb\xbf{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"invoice.paid\"}",
        b"{\"id\":\"evt_1\",\r\n\"object\":\"event\"}",
        b"{\"id\":\"evt_1\",\n\"object\":\"event\"}",
        b"{\"id\":\"evt_2\",\"object\":\"event\",\"type\":\"invoice.paid\"}",
        b"{\"id\": \"evt_1\", \"object\": \"event\", \"type\": \"invoice.paid\"}",
        b"{\"id\":\"evt_1\",\"id\":\"evt_2\"}",
        "{\"name\":\"Zoë 株式会社 🦀\"}".as_bytes(),
        b"\xff\xfe\x00 not UTF-8",
        b"\x1f\x8b\x08 as if gzip",
        "[".repeat(100_000).as_bytes(),
        &vec![b' '; (1 << 20) + 1],
    ] {
        let name = body[..body.len().min(60)].escape_ascii();
        assert_eq!(outcome(sign(CURRENT, body, at()), body, &[CURRENT]), "accepted", "{name}");
        assert_eq!(outcome(sign(CURRENT, BODY, at()), body, &[CURRENT]), "signature_mismatch", "{name}");
    }
}

#[test]
fn errors_tell_nothing_of_secret_signature_or_body() {
    let forged = format!("{},x=\u{fffd}", sign(OLD, BODY, at()));
    let secrets = [Secret::parse(CURRENT).unwrap()];
    for header in [forged.as_str(), "t=not_a_number", "t=1,t=1", ""] {
        let error = verify(&[header.as_bytes()], BODY, &secrets, TOLERANCE, at()).unwrap_err();
        let text = format!("{error} {error:?}");
        for part in ["whsec", "evt_1", "not_a_number", &forged[16..80]] {
            assert!(!text.contains(part), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_a_flipped_bit_does_not(
        secret in "[!-~]{1,120}",
        body in prop::collection::vec(any::<u8>(), 1..500),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u32,
    ) {
        let header = sign(&secret, &body, self::at());
        prop_assert_eq!(outcome(&header, &body, &[&secret]), "accepted");

        let mut altered = body.clone();
        altered[at.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(outcome(&header, &altered, &[&secret]), "signature_mismatch");

        let (time, signature) = header.rsplit_once('=').unwrap();
        let mut signature = hex::decode(signature).unwrap();
        signature[at.index(32)] ^= 1 << bit;
        let forged = format!("{time}={}", hex::encode(signature));
        prop_assert_eq!(outcome(forged, &body, &[&secret]), "signature_mismatch");

        let mut other = secret.clone().into_bytes();
        other[at.index(secret.len())] ^= 1 << (bit % 7);
        let forged = sign(str::from_utf8(&other).unwrap(), &body, self::at());
        prop_assert_eq!(outcome(forged, &body, &[&secret]), "signature_mismatch");
    }

    #[test]
    fn accepted_exactly_within_the_tolerance(offset_ns in -600_000_000_000_i64..=600_000_000_000) {
        let now = at() + SignedDuration::from_nanos(offset_ns);
        let expected = match offset_ns {
            ..-300_000_000_000 => "signature_in_future",
            -300_000_000_000..=300_000_000_000 => "accepted",
            300_000_000_001.. => "signature_stale",
        };
        prop_assert_eq!(outcome_at(&[sign(CURRENT, BODY, at()).as_bytes()], BODY, &[CURRENT], now), expected);
    }

    #[test]
    fn any_header_is_refused_cleanly(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "(( ?(t|v1|v0|x)?=?([0-9]{0,20}|[0-9a-f]{64}|é) ?),){0,6}",
    ) {
        prop_assert!(outcome(bytes, BODY, &[CURRENT]).starts_with("signature_"));
        prop_assert!(outcome(text, BODY, &[CURRENT]).starts_with("signature_"));
    }
}
