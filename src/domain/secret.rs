//! A text that must not leak: webhook secrets, API keys, admin tokens.
//!
//! It has no `Display`, no `Serialize` and a `Debug` that tells nothing, so that it cannot slip into
//! a log, an error or an answer. It has no `==` either: secrets are compared in constant time, by
//! the code that knows what they are for.

use std::collections::BTreeSet;
use std::fmt;

use zeroize::ZeroizeOnDrop;

/// What others can know of a secret: how dashboards begin it.
const PREFIXES: [&str; 5] = ["whsec_", "sk_live_", "sk_test_", "rk_live_", "rk_test_"];
/// Fewer characters than this, beside a prefix that everybody knows, can be tried out or were chosen by a person.
pub const SECRET_CHARS_GOOD: usize = 16;
/// So many random characters have more different ones than this in all but one of millions of cases.
const SECRET_CHARS_DIFFERENT: usize = 6;

/// A secret text, neither empty nor blank, without spaces around it or control characters in it.
///
/// Its memory is overwritten when it is dropped; what a file, the environment or a library read before is not.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` as a secret, exactly as it is: nothing is trimmed, because a provider signs
    /// with every character of it.
    ///
    /// # Errors
    /// When `text` cannot be what a provider's dashboard shows. An empty secret would let anybody
    /// sign; one with stray characters would refuse every genuine request.
    pub fn parse(text: impl Into<String>) -> Result<Self, SecretError> {
        let text = text.into();
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if text.chars().all(|c| is_stray(c) || c.is_control()) {
            return Err(SecretError::Blank);
        }
        if text.starts_with(is_stray) || text.ends_with(is_stray) {
            return Err(SecretError::SurroundingSpace);
        }
        if text.contains(char::is_control) {
            return Err(SecretError::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// Whether a stranger may guess it: it is short, or few characters repeated.
    #[must_use]
    pub fn is_guessable(&self) -> bool {
        let own = PREFIXES.iter().find_map(|prefix| self.0.strip_prefix(prefix)).unwrap_or(&self.0);
        let different: BTreeSet<char> = own.chars().collect();
        own.chars().count() < SECRET_CHARS_GOOD || different.len() < SECRET_CHARS_DIFFERENT
    }

    /// What may be shown of it: how dashboards begin it, and how long it is.
    #[must_use]
    pub fn masked(&self) -> String {
        let prefix = PREFIXES.iter().find(|prefix| self.0.starts_with(**prefix)).copied().unwrap_or_default();
        format!("{prefix}... ({} characters)", self.0.chars().count())
    }

    /// The secret itself. Only for signing, verifying and authenticating.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a text is no secret. Holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No character at all.
    #[error("the secret is empty: paste the value the dashboard shows, or remove the setting")]
    Empty,
    /// Nothing but spaces, line ends and the like.
    #[error("the secret is blank: paste the value the dashboard shows, or remove the setting")]
    Blank,
    /// A space, a line end or a byte order mark before or after it.
    #[error("the secret has a space, a line end or a byte order mark before or after it: remove that")]
    SurroundingSpace,
    /// A character that cannot be seen, such as a tab or a line end, inside of it.
    #[error("the secret has a tab, a line end or another control character in it: copy it again, in one piece")]
    ControlCharacter,
}

/// White space, and the marks an editor may leave in a file without showing them: the byte order
/// mark and the zero-width space.
fn is_stray(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}')
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretError};

    #[track_caller]
    fn check(text: &str, expected: Result<(), SecretError>) {
        let parsed = Secret::parse(text);
        assert_eq!(parsed.as_ref().map(|_| ()).map_err(|e| *e), expected, "{text:?}");
        if let Ok(secret) = parsed {
            assert_eq!(secret.expose(), text);
        }
    }

    #[test]
    fn a_mask_shows_how_it_begins_and_how_long_it_is() {
        let check = |text: &str, shown: &str| assert_eq!(Secret::parse(text).unwrap().masked(), shown);
        check("whsec_hidden", "whsec_... (12 characters)");
        check("hunter2", "... (7 characters)");
    }

    #[test]
    fn takes_what_dashboards_show() {
        check("whsec_example", Ok(()));
        check("sk_test_example", Ok(()));
        check("x", Ok(()));
        check("pässwört", Ok(()));
        check("host=db.example.com user=bridge", Ok(()));
    }

    #[test]
    fn refuses_what_cannot_be_a_secret() {
        check("", Err(SecretError::Empty));
        for blank in [" ", "   ", "\t", "\n", "\r\n", "\u{a0}", "\u{feff}", "\0", " \u{7f} "] {
            check(blank, Err(SecretError::Blank));
        }
        for padded in [
            " whsec_a",
            "whsec_a ",
            "whsec_a\n",
            "whsec_a\r\n",
            "\twhsec_a",
            "whsec_a\u{a0}",
            "\u{feff}whsec_a",
            "whsec_a\u{200b}",
        ] {
            check(padded, Err(SecretError::SurroundingSpace));
        }
        for control in ["whsec\ta", "whsec\na", "whsec\0a", "\0whsec", "whsec_a\u{7f}", "whsec\u{85}a"] {
            check(control, Err(SecretError::ControlCharacter));
        }
    }

    #[test]
    fn what_is_short_or_the_same_again_and_again_is_easy_to_guess() {
        let check = |text: &str, expected: bool| {
            assert_eq!(Secret::parse(text).unwrap().is_guessable(), expected, "{text}");
        };
        for weak in ["x", "changeme", "whsec_changeme", "sk_live_1234567890", "fifteen_letters", &"xyz".repeat(20)] {
            check(weak, true);
        }
        check(&format!("whsec_{}", "a".repeat(32)), true);
        for good in ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "sk_test_7c1f0b2d9e8a4c6f", "correct-horse-battery"] {
            check(good, false);
        }
    }

    #[test]
    fn shows_nothing_of_itself() {
        let secret = Secret::parse("whsec_example").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(format!("{:#?}", Some(secret)), "Some(\n    Secret(…),\n)");
    }

    #[test]
    fn errors_say_what_to_do() {
        for error in
            [SecretError::Empty, SecretError::Blank, SecretError::SurroundingSpace, SecretError::ControlCharacter]
        {
            let text = error.to_string();
            assert!(text.starts_with("the secret ") && text.contains(": "), "{text}");
        }
    }
}
