//! An e-mail address: sent as the provider gave it, compared without regard to ASCII capitals, never printed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::text::visible;

/// Longest address that SMTP can carry (RFC 5321, 4.5.3.1), in bytes.
const EMAIL_BYTES_MAX: usize = 320;

/// An address as the provider gave it, trimmed and without what nobody sees.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Reads an address leniently: anything with an `@` between two parts and without white space. Providers have
    /// checked it before us; nothing at all is better told from a typing error by Refairn.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = visible(text);
        let at = text.rfind('@')?;
        let strange = |c: char| c.is_whitespace() || c.is_control() || c == char::REPLACEMENT_CHARACTER;
        let plain = at > 0 && at + 1 < text.len() && text.len() <= EMAIL_BYTES_MAX && !text.contains(strange);
        plain.then_some(Self(text))
    }

    /// As the provider gave it: for Refairn only, never for a log.
    #[must_use]
    pub fn as_given(&self) -> &str {
        &self.0
    }

    /// What two spellings of one address share. Only ASCII letters have two: of others Unicode makes one where mail
    /// systems see two, such as the Kelvin sign and `k`.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The part before the `@`: the name of last resort.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(self.0.as_str(), |(local, _)| local)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Email;

    #[test]
    fn addresses_are_trimmed_kept_as_given_and_compared_in_lower_case() {
        let email = Email::parse("  Jane.Doe@Example.com ").unwrap();
        assert_eq!(email.as_given(), "Jane.Doe@Example.com");
        assert_eq!(email.key(), "jane.doe@example.com");
        assert_eq!(email.local_part(), "Jane.Doe");
        assert_eq!(format!("{email:?}"), "Email(…)");
    }

    #[test]
    fn two_people_are_not_made_one_and_what_nobody_sees_makes_no_two() {
        let key = |text: &str| Email::parse(text).unwrap().key();
        assert_ne!(key("\u{212a}@example.com"), key("k@example.com"));
        assert_eq!(key("JÖRG@EXAMPLE.COM"), "jÖrg@example.com");
        assert_eq!(key("\u{feff}jane\u{200b}@example\u{202e}.com"), key("jane@example.com"));
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            " ",
            "jane",
            "@example.com",
            "jane@",
            "ja ne@example.com",
            "jane@exa\nmple.com",
            "\u{200b}@example.com",
            "ja\u{fffd}ne@example.com",
        ] {
            assert!(Email::parse(text).is_none(), "{text:?}");
        }
        assert!(Email::parse(&format!("{}@example.com", "x".repeat(400))).is_none());
    }
}
