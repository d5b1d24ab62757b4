//! Lenient reading of JSON that others wrote: an id may be a string, a number or an expanded object, an amount a
//! number or a string, a flag 0 or 1. A wrong type is read as absent. Code asks by name for what must be there.

use jiff::Timestamp;
use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

use super::tree::{Members, Tree};

/// Longest id or type that is taken as it is, in bytes. Providers' have some dozen; what PostgreSQL can index has some
/// two thousand, for all parts of a key together.
const KEY_BYTES_MAX: usize = 255;

/// A view of a JSON value that may not be there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<'a>(Option<&'a Tree<'a>>);

impl<'a> Json<'a> {
    /// A view of this value.
    pub(super) const fn new(tree: &'a Tree<'a>) -> Self {
        Self(Some(tree))
    }

    /// The member `key`. `None` when the value is no object.
    pub(super) fn get(self, key: &str) -> Self {
        Self(self.object().and_then(|members| members.get(key)))
    }

    /// The member at a path of keys joined by dots.
    pub(super) fn at(self, path: &str) -> Self {
        path.split('.').fold(self, Self::get)
    }

    /// Something other than null is there.
    pub(super) fn is_some(self) -> bool {
        !matches!(self.0, None | Some(Tree::Null))
    }

    /// A text that is not blank, trimmed.
    pub(super) fn text(self) -> Option<&'a str> {
        match self.0? {
            Tree::Text(text) => Some(text.trim()).filter(|s| !s.is_empty()),
            Tree::Bool(_) | Tree::Number(_) | Tree::Null | Tree::List(_) | Tree::Object(_) => None,
        }
    }

    /// Any scalar as text: codes are sometimes numbers.
    pub(super) fn scalar_text(self) -> Option<String> {
        match self.0? {
            Tree::Text(s) => Some(s.trim().to_owned()).filter(|s| !s.is_empty()),
            Tree::Number(n) => Some(n.to_string()),
            Tree::Bool(_) | Tree::Null | Tree::List(_) | Tree::Object(_) => None,
        }
    }

    /// An id: a text, a number, or the `id` of an expanded object.
    pub(super) fn id(self) -> Option<String> {
        let id = match self.0? {
            Tree::Object(_) => self.get("id").scalar_text(),
            Tree::Text(_) | Tree::Number(_) | Tree::Bool(_) | Tree::Null | Tree::List(_) => self.scalar_text(),
        };
        key(id?)
    }

    /// An id that is written as a text, where an object may stand as well.
    pub(super) fn code(self) -> Option<String> {
        key(self.text()?.to_owned())
    }

    /// An integer, also when written as text or with a zero fraction.
    pub(super) fn integer(self) -> Option<i64> {
        match self.0? {
            Tree::Number(n) => n.as_i64().or_else(|| whole(&n.to_string())),
            Tree::Text(s) => whole(s.trim()),
            Tree::Bool(_) | Tree::Null | Tree::List(_) | Tree::Object(_) => None,
        }
    }

    /// A flag, also when written 0 or 1.
    pub(super) fn flag(self) -> Option<bool> {
        match self.0? {
            Tree::Bool(b) => Some(*b),
            Tree::Number(n) => n.as_i64().map(|n| n != 0),
            Tree::Text(_) | Tree::Null | Tree::List(_) | Tree::Object(_) => None,
        }
    }

    /// Seconds since 1970, as Stripe writes times.
    pub(super) fn unix_time(self) -> Option<Timestamp> {
        self.integer().and_then(|s| Timestamp::from_second(s).ok())
    }

    /// An RFC 3339 time.
    pub(super) fn rfc3339(self) -> Option<Timestamp> {
        self.text().and_then(|s| s.parse().ok())
    }

    /// The elements of an array. None when the value is no array.
    pub(super) fn items(self) -> impl Iterator<Item = Json<'a>> {
        let items = match self.0 {
            Some(Tree::List(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter().map(Json::new)
    }

    /// The members of an object.
    pub(super) fn object(self) -> Option<&'a Members<'a>> {
        match self.0? {
            Tree::Object(members) => Some(members),
            Tree::Text(_) | Tree::Bool(_) | Tree::Number(_) | Tree::Null | Tree::List(_) => None,
        }
    }
}

/// Whether a text is short and plain enough to be kept, shown and looked for as it is.
pub(super) fn is_plain(text: &str) -> bool {
    text.len() <= KEY_BYTES_MAX && !text.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER)
}

/// An id as it goes into keys of the store: as it is, or its hash when it is none that a provider gives. One that could
/// not be read whole is none: it might be another's.
fn key(id: String) -> Option<String> {
    if id.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    Some(if is_plain(&id) { id } else { format!("sha256:{}", hex::encode(Sha256::digest(id))) })
}

/// A whole number written in decimal, perhaps with a zero fraction or an exponent.
fn whole(text: &str) -> Option<i64> {
    let exact = text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(text)).ok()?;
    (exact.fract() == Decimal::ZERO).then(|| i64::try_from(exact.trunc().normalize().mantissa()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn an_id_that_no_provider_gives_becomes_a_key_all_the_same() {
        let id = |v: &Value| {
            let tree = Tree::from(v);
            (Json::new(&tree).id(), Json::new(&tree).code())
        };
        let check = |text: &str, expected: Option<&str>| {
            let expected = expected.map(str::to_owned);
            assert_eq!(id(&json!(text)), (expected.clone(), expected.clone()), "{text}");
            assert_eq!(id(&json!({"id": text})).0, expected, "{text}");
        };
        check(&"r".repeat(255), Some(&"r".repeat(255)));
        let of = |text: &str| id(&json!(text)).0.unwrap();
        assert_eq!(of(&"r".repeat(256)).len(), "sha256:".len() + 64);
        assert_eq!(of(&"r".repeat(9000)), of(&"r".repeat(9000)));
        assert_ne!(of(&"r".repeat(9000)), of(&"r".repeat(9001)));
        assert!(of("a\0b").starts_with("sha256:") && of("\u{1b}[2J").starts_with("sha256:"));
        check("cut \u{fffd}", None);
        check(" ", None);
    }

    #[test]
    fn reading_is_lenient_about_types_and_strict_about_values() {
        let v = json!({"a": "7", "b": 7, "c": 7.0, "d": 7.5, "e": {"id": "x"}, "f": 1, "g": " ", "h": null, "i": 1e3, "j": 1e300});
        let tree = Tree::from(&v);
        let v = Json::new(&tree);
        for key in ["a", "b", "c"] {
            assert_eq!(v.get(key).integer(), Some(7), "{key}");
        }
        for key in ["d", "e", "g", "h", "j", "none"] {
            assert_eq!(v.get(key).integer(), None, "{key}");
        }
        assert_eq!(v.get("i").integer(), Some(1000));
        assert_eq!(v.get("e").id().as_deref(), Some("x"));
        assert_eq!(v.get("b").id().as_deref(), Some("7"));
        assert_eq!(v.get("f").flag(), Some(true));
        assert_eq!(v.at("e.id").text(), Some("x"));
        assert_eq!(v.get("g").text(), None);
        assert!(!v.get("h").is_some());
    }
}
