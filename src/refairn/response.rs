//! What Refairn's answers mean: total, every status has one meaning.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::domain::delivery::Receipt;
use crate::domain::json;
use crate::domain::redact::Redactor;
use crate::outbound::shorten;

/// What is shown of a message, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Recorded.
    Success(Receipt),
    /// Refairn had recorded the same before, by its own rules.
    Conflict,
    /// Refused for what the call says. The text is Refairn's message.
    Refused(String),
    /// Refused for our key, business or product. The text says which.
    Misconfigured(String),
    /// Not taken now. It may be taken later.
    TryLater {
        /// How long Refairn asks to wait.
        retry_after: Option<Duration>,
        /// Refairn may have recorded it.
        outcome_unknown: bool,
        /// What happened.
        message: String,
    },
}

impl Answer {
    /// Its texts as they may be kept and shown: short, and without what `private` takes out.
    #[must_use]
    pub(super) fn redacted(self, private: &Redactor) -> Self {
        let text = |text: String| shorten(&private.text(&text), MESSAGE_CHARS_MAX);
        let id = |id: Option<String>| id.map(|id| shorten(&private.id(&id), MESSAGE_CHARS_MAX));
        match self {
            Self::Success(receipt) => Self::Success(Receipt {
                lead_id: id(receipt.lead_id),
                commission_id: id(receipt.commission_id),
                agent_id: id(receipt.agent_id),
                commission_amount: id(receipt.commission_amount),
                commission_status: id(receipt.commission_status),
                hold_until: id(receipt.hold_until),
                message: receipt.message.map(text),
            }),
            Self::Conflict => Self::Conflict,
            Self::Refused(message) => Self::Refused(text(message)),
            Self::Misconfigured(message) => Self::Misconfigured(text(message)),
            Self::TryLater { retry_after, outcome_unknown, message } => {
                Self::TryLater { retry_after, outcome_unknown, message: text(message) }
            }
        }
    }
}

/// The meaning of a status, the wait that it asks for and its body. Its texts are as long as they came.
#[must_use]
pub fn classify(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Answer {
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
        408 | 425 | 429 | 500.. => {
            Answer::TryLater { retry_after, outcome_unknown: !matches!(status, 425 | 429), message: message() }
        }
        0..=199 => Answer::TryLater { retry_after: None, outcome_unknown: true, message: message() },
        400..=499 => Answer::Refused(message()),
    }
}

/// A success carries its receipt. A body that is no JSON object with `success` was not written by Refairn. The call is
/// made again, and a 409 then says that it had been recorded.
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
            message: text("message"),
        }),
        Some("false") => Answer::Refused(message(status, body)),
        Some(_) | None => {
            let message = format!("answer {status} does not say whether it was a success");
            Answer::TryLater { retry_after: None, outcome_unknown: true, message }
        }
    }
}

/// Refairn's own message. Where there is none, a text that says so.
fn message(status: u16, body: &[u8]) -> String {
    let json = json::value(body).ok();
    let field = |key: &str| json.as_ref().and_then(|v| v.get(key)).and_then(serde_json::Value::as_str);
    match field("message").or_else(|| field("error")) {
        Some(text) => format!("Refairn answered {status}: {text}"),
        None => format!("Refairn answered {status} without a message"),
    }
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
    fn what_an_answer_repeats_is_in_none_of_its_texts() {
        let private = Redactor::default().and("rfk_1/of+us").and("jane@example.com").and_name("Jane Doe");
        let body = br#"{"message":"no such key RFK_1%2Fof%2Bus of jane%40example.com, Jane Doe"}"#;
        for status in [400, 401, 403, 404, 429, 503] {
            let (Answer::Refused(told) | Answer::Misconfigured(told) | Answer::TryLater { message: told, .. }) =
                classify(status, None, body).redacted(&private)
            else {
                panic!("{status} is a success")
            };
            assert!(told.ends_with("no such key … of …, …"), "{told}");
        }
        // Cut short first, the beginning of the key would be left.
        let long = format!(r#"{{"message":"{}rfk_1/of+us"}}"#, "x ".repeat(MESSAGE_CHARS_MAX / 2 - 3));
        let Answer::Refused(told) = classify(400, None, long.as_bytes()).redacted(&private) else { panic!("taken") };
        assert!(!told.contains("rfk"), "{told}");
        let body = br#"{"success":true,"leadId":"rfk_1/of+us","agentId":"Doe","commissionAmount":"jane@example.com",
            "message":"Jane has jane@example.com"}"#;
        let Answer::Success(receipt) = classify(200, None, body).redacted(&private) else { panic!("no success") };
        let (lead, agent, message) = (receipt.lead_id, receipt.agent_id, receipt.message);
        assert_eq!((lead.as_deref(), agent.as_deref(), message.as_deref()), (Some("…"), Some("Doe"), Some("… has …")));
        assert_eq!(receipt.commission_amount.as_deref(), Some("\"…\""));
    }

    #[test]
    fn half_a_character_does_not_hide_a_success() {
        let body = br#"{"success":true,"\ud83d":0,"commissionId":"comm_1","message":"Welcome, Jane \ud83d","x":1e999}"#;
        let Answer::Success(receipt) = classify(201, None, body) else { panic!("no success") };
        assert_eq!(receipt.commission_id.as_deref(), Some("comm_1"));
        assert_eq!(receipt.message.as_deref(), Some("Welcome, Jane \u{fffd}"));
        let Answer::Refused(message) = classify(400, None, br#"{"message":"no, Jane \ud83d"}"#) else {
            panic!("taken")
        };
        assert!(message.ends_with("no, Jane \u{fffd}"), "{message}");
    }

    #[test]
    fn receipts_keep_the_amount_to_the_digit() {
        let body = br#"{"success":true,"commissionId":"comm_1","agentId":"agent_1","commissionAmount":20.00,"commissionStatus":"pending","holdUntil":"2026-06-28"}"#;
        let Answer::Success(receipt) = classify(200, None, body) else { panic!("no success") };
        assert_eq!(receipt.commission_amount.as_deref(), Some("20.00"));
        assert_eq!(receipt.hold_until.as_deref(), Some("2026-06-28"));
    }
}
