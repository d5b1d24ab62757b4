//! JSON that others wrote: what its grammar allows and our types cannot hold must not make a whole text unreadable.
//!
//! Two things are such. Half of a surrogate pair (`"\ud83d"`), which programs leave that cut a text inside an emoji, is
//! no character: it is read as U+FFFD. A number beyond what a double holds (`1e999`) is no amount: it is read as null.

use std::ops::RangeInclusive;

use serde_json::Value;

/// First halves of surrogate pairs.
const HIGH: RangeInclusive<u16> = 0xd800..=0xdbff;
/// Second halves.
const LOW: RangeInclusive<u16> = 0xdc00..=0xdfff;
/// The length of an escape `\uXXXX`.
const ESCAPE: usize = 6;
/// Stands for half a character.
const REPLACEMENT: &[u8; ESCAPE] = b"\\ufffd";

/// Reads a text of JSON.
///
/// # Errors
/// It is none.
pub fn value(json: &[u8]) -> Result<Value, serde_json::Error> {
    leniently(json, |json| serde_json::from_slice(json))
}

/// Reads `json` with `read`, and once more in its mended form when it fails and there is one.
///
/// # Errors
/// Those of `read`.
pub fn leniently<T>(json: &[u8], read: impl Fn(&[u8]) -> Result<T, serde_json::Error>) -> Result<T, serde_json::Error> {
    read(json).or_else(|error| match mended(json) {
        Some(mended) => read(&mended),
        None => Err(error),
    })
}

/// `json` with something readable in the place of what is not, every other byte where it was; nothing when there is
/// nothing to repair.
#[must_use]
pub fn mended(json: &[u8]) -> Option<Vec<u8>> {
    let mut mended = json.to_vec();
    let mut is_mended = false;
    let (mut at, mut in_text) = (0, false);
    let mut replace = |at: usize, length: usize, by: &[u8]| {
        for (place, byte) in mended.iter_mut().skip(at).take(length).zip(by.iter().chain(std::iter::repeat(&b' '))) {
            *place = *byte;
        }
        is_mended = true;
    };
    while let Some(byte) = json.get(at) {
        let length = match (in_text, byte) {
            (_, b'"') => {
                in_text = !in_text;
                1
            }
            (true, b'\\') => match (unit(json, at), unit(json, at + ESCAPE)) {
                (Some(high), Some(low)) if HIGH.contains(&high) && LOW.contains(&low) => 2 * ESCAPE,
                (Some(half), _) if HIGH.contains(&half) || LOW.contains(&half) => {
                    replace(at, ESCAPE, REPLACEMENT);
                    ESCAPE
                }
                (Some(_), _) => ESCAPE,
                (None, _) => 2,
            },
            (false, b'-' | b'0'..=b'9') => {
                let number = number(json, at);
                if number.parse::<f64>().is_ok_and(f64::is_infinite) {
                    replace(at, number.len(), b"null");
                }
                number.len()
            }
            (_, _) => 1,
        };
        at += length;
    }
    is_mended.then_some(mended)
}

/// The UTF-16 unit of an escape `\uXXXX` at `at`.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// The number that begins at `at`, one character at least.
fn number(json: &[u8], at: usize) -> &str {
    let rest = json.get(at..).unwrap_or_default();
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
    rest.get(..length).and_then(|number| std::str::from_utf8(number).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &Value) {
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text} needs no mending");
        assert_eq!(value(text.as_bytes()).unwrap(), *expected, "{text}");
    }

    #[test]
    fn half_a_character_is_read_as_one_that_stands_for_it() {
        check(r#"{"name":"Ada \ud83d","amount":5}"#, &json!({"name": "Ada \u{fffd}", "amount": 5}));
        check(r#"["\uDE00 x"]"#, &json!(["\u{fffd} x"]));
        check(r#"["\ud83d\ud83d\ude00"]"#, &json!(["\u{fffd}\u{1f600}"]));
        check(r#"["\ude00\ud83d"]"#, &json!(["\u{fffd}\u{fffd}"]));
        check(r#"["\ud83d\n\u0041"]"#, &json!(["\u{fffd}\nA"]));
        check(r#"{"\ud83d":[1,"\\\ud83d"]}"#, &json!({"\u{fffd}": [1, "\\\u{fffd}"]}));
    }

    #[test]
    fn a_number_that_is_too_large_is_read_as_none() {
        check(r#"{"a":1e309,"b":[-1e999,7]}"#, &json!({"a": null, "b": [null, 7]}));
        check(&format!("[{}]", "9".repeat(400)), &json!([null]));
        check(r#"{"a":1e309,"b":"1e309 \ud83d"}"#, &json!({"a": null, "b": "1e309 \u{fffd}"}));
    }

    #[test]
    fn what_is_no_json_stays_so_and_what_needs_no_mending_has_none() {
        for text in ["", "{", r#"{"a":"\ud83d""#, r#"["\ud83"]"#, "1e309 x", "[1e309", r#"["\ud83d", 1e]"#, "\\ud83d"] {
            assert!(value(text.as_bytes()).is_err(), "{text}");
        }
        for text in [r#"["\\ud83d"]"#, r#"["\ud83d\ude00","\\\\ud83d"]"#, "[1e308, -0.0, 12]", r#"["1e309"]"#] {
            assert_eq!(mended(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through_and_keep_their_places(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(mended) = mended(&bytes) {
                prop_assert_eq!(mended.len(), bytes.len());
            }
        }

        #[test]
        fn any_text_with_half_characters_is_read(parts in proptest::collection::vec((any::<u16>(), any::<bool>()), 0..20)) {
            let text: String =
                parts.iter().map(|(unit, raw)| if *raw { "\\\\".to_owned() } else { format!("\\u{unit:04x}") }).collect();
            let json = format!("[\"{text}\"]");
            prop_assert!(value(json.as_bytes()).is_ok());
        }
    }
}
