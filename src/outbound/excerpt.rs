//! What people are shown of a server's words.

use serde_json::Value;

use crate::domain::json;
use crate::domain::redact::Redactor;
use crate::domain::text::is_invisible;

/// What is shown of a provider's message, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// The beginning of `text`, at most `chars_max` characters, without what is not seen or moves what is.
pub(crate) fn shorten(text: &str, chars_max: usize) -> String {
    let printable = text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c });
    let mut short: String = printable.take(chars_max).collect();
    if text.chars().count() > chars_max {
        short.push('…');
    }
    short
}

/// What a provider that answered `status` says of it in `body`. What `private` takes out is not in it.
pub(crate) fn message_of(status: u16, body: &[u8], private: &Redactor) -> String {
    let json = json::value(body).ok();
    let text = |pointer: &str| json.as_ref().and_then(|v| v.pointer(pointer)).and_then(Value::as_str);
    let Some(text) = text("/error/message").or_else(|| text("/message")) else {
        return format!("the provider answered {status}");
    };
    format!("the provider answered {status}: {}", shorten(&private.text(text), MESSAGE_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn long_texts_are_cut_and_nothing_stays_unseen() {
        assert_eq!(shorten("naïve", 5), "naïve");
        assert_eq!(shorten("naïve", 3), "naï…");
        assert_eq!(shorten("a\u{202e}b\n\u{200b}c", 9), "a b  c");
        assert_eq!(shorten("", 0), "");
    }
}
