//! What Refairn's answers mean: total, every status has one meaning.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::domain::delivery::Receipt;
use crate::domain::json;

/// What is shown of a message, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// When Refairn asks to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// After a span.
    Span(Duration),
    /// At a time.
    At(Timestamp),
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Recorded.
    Success(Receipt),
    /// Recorded before, by Refairn's own rules of sameness.
    Conflict,
    /// Refused for what the call says; the text is Refairn's message.
    Refused(String),
    /// Refused for our key, business or product; the text says which.
    Misconfigured(String),
    /// Not now.
    TryLater {
        /// When Refairn asks to come back.
        retry_after: Option<RetryAfter>,
        /// Refairn may have recorded it.
        outcome_unknown: bool,
        /// What happened.
        message: String,
    },
}

/// The meaning of a status, its Retry-After header and its body.
#[must_use]
pub fn classify(status: u16, retry_after: Option<&str>, body: &[u8]) -> Answer {
    let message = || message(status, body);
    match status {
        200..=299 => success(status, body),
        300..=399 => Answer::Misconfigured(format!(
            "base_url answers with a redirect ({status}), which is not followed: set the address it leads to"
        )),
        401 => Answer::Misconfigured(format!("the API key is missing or invalid: {}", message())),
        403 => Answer::Misconfigured(format!("the API key is another business's: {}", message())),
        404 => Answer::Misconfigured(format!("the business or product is unknown: {}", message())),
        409 => Answer::Conflict,
        408 | 425 | 429 | 500.. => Answer::TryLater {
            retry_after: retry_after.and_then(parse_retry_after),
            outcome_unknown: !matches!(status, 425 | 429),
            message: message(),
        },
        0..=199 => Answer::TryLater { retry_after: None, outcome_unknown: true, message: message() },
        400..=499 => Answer::Refused(message()),
    }
}

/// A success carries its receipt. What is no JSON object with `success` was not written by Refairn: the call is made
/// again, and a 409 then tells that it had been recorded.
fn success(status: u16, body: &[u8]) -> Answer {
    let fields = json::leniently(body, |body| serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(body));
    let Ok(fields) = fields else {
        let message = format!("answer {status} is not the JSON that Refairn sends");
        return Answer::TryLater { retry_after: None, outcome_unknown: true, message };
    };
    let text = |key: &str| json::value(fields.get(key)?.get().as_bytes()).ok()?.as_str().map(str::to_owned);
    match fields.get("success").map(|raw| raw.get()) {
        Some("true") => Answer::Success(Receipt {
            lead_id: text("leadId"),
            commission_id: text("commissionId"),
            agent_id: text("agentId"),
            // The digits as Refairn wrote them: no float on the way.
            commission_amount: fields.get("commissionAmount").map(|raw| raw.get().to_owned()).filter(|n| n != "null"),
            commission_status: text("commissionStatus"),
            hold_until: text("holdUntil"),
            message: text("message").map(|m| shorten(&m)),
        }),
        Some("false") => Answer::Refused(message(status, body)),
        Some(_) | None => {
            let message = format!("answer {status} does not say whether it was a success");
            Answer::TryLater { retry_after: None, outcome_unknown: true, message }
        }
    }
}

/// Refairn's own message, else that there was none.
fn message(status: u16, body: &[u8]) -> String {
    let json = json::value(body).ok();
    let field = |key: &str| json.as_ref().and_then(|v| v.get(key)).and_then(serde_json::Value::as_str);
    match field("message").or_else(|| field("error")) {
        Some(text) => format!("Refairn answered {status}: {}", shorten(text)),
        None => format!("Refairn answered {status} without a message"),
    }
}

fn shorten(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = printable.take(MESSAGE_CHARS_MAX).collect();
    if text.chars().count() > MESSAGE_CHARS_MAX {
        short.push('…');
    }
    short
}

/// Whole seconds or an HTTP date (RFC 9110, 10.2.3); anything else is as good as nothing.
pub(crate) fn parse_retry_after(text: &str) -> Option<RetryAfter> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(RetryAfter::Span(Duration::from_secs(u64::from(seconds))));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(RetryAfter::At(date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_the_contract_has_its_meaning() {
        let check = |status: u16, body: &str, expected: fn(&Answer) -> bool| {
            let answer = classify(status, None, body.as_bytes());
            assert!(expected(&answer), "{status} {body}: {answer:?}");
        };
        check(200, r#"{"success":true}"#, |a| matches!(a, Answer::Success(_)));
        check(
            201,
            r#"{"success":true,"commissionId":null,"agentId":null}"#,
            |a| matches!(a, Answer::Success(r) if r.agent_id.is_none()),
        );
        check(200, r#"{"success":false,"message":"no"}"#, |a| matches!(a, Answer::Refused(m) if m.contains("no")));
        check(
            400,
            r#"{"message":"amount must be positive"}"#,
            |a| matches!(a, Answer::Refused(m) if m.contains("amount")),
        );
        check(422, "", |a| matches!(a, Answer::Refused(_)));
        for status in [301, 302, 307, 401, 403, 404] {
            check(status, "<html>", |a| matches!(a, Answer::Misconfigured(_)));
        }
        check(409, "anything", |a| *a == Answer::Conflict);
        for status in [408, 500, 502, 503, 504, 599, 100, 999] {
            check(status, "", |a| matches!(a, Answer::TryLater { outcome_unknown: true, .. }));
        }
        for status in [425, 429] {
            check(status, "", |a| matches!(a, Answer::TryLater { outcome_unknown: false, .. }));
        }
    }

    #[test]
    fn a_success_that_refairn_did_not_write_is_asked_for_again() {
        for body in [
            "",
            "<html>ok</html>",
            "[]",
            "{}",
            r#"{"success":"true"}"#,
            r#"{"success":1}"#,
            "{\"success\":true",
            "null",
        ] {
            let answer = classify(200, None, body.as_bytes());
            assert!(matches!(answer, Answer::TryLater { outcome_unknown: true, .. }), "{body}: {answer:?}");
        }
    }

    #[test]
    fn half_a_character_does_not_hide_a_success() {
        let body = br#"{"success":true,"\ud83d":0,"commissionId":"comm_1","message":"Welcome, Jane \ud83d","x":1e999}"#;
        let Answer::Success(receipt) = classify(201, None, body) else { panic!("no success") };
        assert_eq!(receipt.commission_id.as_deref(), Some("comm_1"));
        assert_eq!(receipt.message.as_deref(), Some("Welcome, Jane \u{fffd}"));
        let Answer::Refused(message) = classify(400, None, br#"{"message":"no, Jane \ud83d"}"#) else { panic!("taken") };
        assert!(message.ends_with("no, Jane \u{fffd}"), "{message}");
    }

    #[test]
    fn receipts_keep_the_amount_to_the_digit() {
        let body = br#"{"success":true,"commissionId":"comm_1","agentId":"agent_1","commissionAmount":20.00,"commissionStatus":"pending","holdUntil":"2026-06-28"}"#;
        let Answer::Success(receipt) = classify(200, None, body) else { panic!("no success") };
        assert_eq!(receipt.commission_amount.as_deref(), Some("20.00"));
        assert_eq!(receipt.hold_until.as_deref(), Some("2026-06-28"));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_or_nothing() {
        let check = |text: &str, expected: Option<RetryAfter>| {
            let Answer::TryLater { retry_after, .. } = classify(429, Some(text), b"") else { panic!("no retry") };
            assert_eq!(retry_after, expected, "{text}");
        };
        check("7", Some(RetryAfter::Span(Duration::from_secs(7))));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(RetryAfter::At("1994-11-06T08:49:37Z".parse().unwrap())));
        for nonsense in ["soon", "-1", "1.5", "99999999999999999999", ""] {
            check(nonsense, None);
        }
    }
}
