//! A message as each place takes it: Slack's incoming webhooks, and a webhook of one's own as Standard Webhooks has it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::Sha256;

use crate::domain::alert::{Notice, Phase};
use crate::domain::signing_key::SigningKey;

/// Characters of a message to Slack.
const SLACK_CHARS_MAX: usize = 2000;

/// The signature of a message, as Standard Webhooks has it.
pub(super) fn sign(key: &SigningKey, id: &str, at_s: i64, body: &str) -> String {
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key.bytes()) else { return String::new() };
    mac.update(format!("{id}.{at_s}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Where a page is, if the bridge knows its address.
fn link(public_url: Option<&str>, path: &str) -> Option<String> {
    public_url.map(|base| format!("{base}{path}"))
}

/// What Slack is sent.
pub(super) fn slack(notice: &Notice, public_url: Option<&str>) -> String {
    // Unescaped, a text could call everybody of a channel.
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mark = match notice.phase {
        Phase::Began => ":warning:",
        Phase::Over => ":white_check_mark:",
    };
    let text: String = escaped(&notice.text).chars().take(SLACK_CHARS_MAX).collect();
    let link = link(public_url, &notice.path).map_or_else(String::new, |url| format!(" <{url}|Open>"));
    json!({ "text": format!("{mark} {text}{link}") }).to_string()
}

/// What a webhook of one's own is sent.
pub(super) fn webhook(notice: &Notice, public_url: Option<&str>, made_at: Timestamp) -> String {
    let phase = match notice.phase {
        Phase::Began => "began",
        Phase::Over => "over",
    };
    let link = link(public_url, &notice.path);
    let data = json!({ "kind": notice.kind.code(), "item": notice.item, "text": notice.text, "link": link });
    json!({ "type": format!("alert.{phase}"), "timestamp": made_at.to_string(), "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alert::AlertKind;
    use crate::domain::secret::Secret;

    #[test]
    fn a_message_is_signed_as_standard_webhooks_has_it() {
        // The example of the specification.
        let key = SigningKey::parse(Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()).unwrap();
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn slack_is_told_nothing_that_it_would_act_upon() {
        let notice = Notice {
            phase: Phase::Began,
            kind: AlertKind::Silent,
            item: "silent x".to_owned(),
            text: format!("<!channel> & {}", "x".repeat(5000)),
            path: "/set-up".to_owned(),
        };
        let body: serde_json::Value = serde_json::from_str(&slack(&notice, Some("https://b.example"))).unwrap();
        let text = body["text"].as_str().unwrap();
        assert!(text.starts_with(":warning: &lt;!channel&gt; &amp; xxx"), "{text}");
        assert!(text.ends_with(" <https://b.example/set-up|Open>") && text.len() < 2100, "{text}");
    }
}
