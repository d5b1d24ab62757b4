//! A body's JSON as a tree whose texts are the body's own bytes: nearly all of a webhook is looked past, and to copy each
//! name and text of it took longer than to read what is needed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::domain::json::leniently;

/// A JSON value.
#[derive(Debug, Clone)]
pub(super) enum Tree<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(Members<'a>),
}

/// The members of an object, in the order in which they are written. Of two of one name the last one counts.
#[derive(Debug, Clone)]
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, Tree<'a>)>);

impl<'a> Members<'a> {
    /// The member of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Tree<'a>> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// Reads a text of JSON and asks `look` about it.
///
/// # Errors
/// It is none.
pub(super) fn read<T>(json: &[u8], look: impl Fn(&Tree<'_>) -> T) -> Result<T, serde_json::Error> {
    leniently(json, |json| {
        let mut text = serde_json::Deserializer::from_slice(json);
        let tree = Any.deserialize(&mut text)?;
        text.end().map(|()| look(&tree))
    })
}

impl<'a> From<&'a Value> for Tree<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(members) => {
                let member = |(name, value): (&'a String, &'a Value)| (Cow::Borrowed(name.as_str()), Self::from(value));
                Self::Object(Members(members.iter().map(member).collect()))
            }
        }
    }
}

impl From<Value> for Tree<'static> {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(Cow::Owned(text)),
            Value::Array(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => {
                let member = |(name, value): (String, Value)| (Cow::Owned(name), Self::from(value));
                Self::Object(Members(members.into_iter().map(member).collect()))
            }
        }
    }
}

/// Reads any value.
struct Any;

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Tree<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Tree<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree<'de>, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree<'de>, E> {
        Ok(Number::from_f64(value).map_or(Tree::Null, Tree::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            all.push(item);
        }
        Ok(Tree::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree<'de>, A::Error> {
        let mut all = Vec::new();
        while let Some(name) = members.next_key_seed(Name)? {
            all.push((name, members.next_value_seed(Self)?));
        }
        Ok(Tree::Object(Members(all)))
    }
}

/// Reads the name of a member.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(tree: &Tree<'_>) -> Value {
        match tree {
            Tree::Null => Value::Null,
            Tree::Bool(flag) => Value::Bool(*flag),
            Tree::Number(number) => Value::Number(number.clone()),
            Tree::Text(text) => Value::String(text.to_string()),
            Tree::List(items) => Value::Array(items.iter().map(value).collect()),
            Tree::Object(Members(members)) => {
                Value::Object(members.iter().map(|(name, member)| (name.to_string(), value(member))).collect())
            }
        }
    }

    #[test]
    fn a_text_is_read_as_serde_json_reads_it() {
        for text in [
            r#"{"b":[1,-2,3.5,1e3,18446744073709551615,{}],"a":{"z":null,"a":true,"z":"last"},"":"","\u0061\n":"\""}"#,
            "[[[]]]",
            " \"\\u00e9\\n\" ",
            "0",
            "12345678901234567890123",
        ] {
            let expected: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text.as_bytes(), value).unwrap(), expected, "{text}");
            assert_eq!(value(&Tree::from(&expected)), expected, "{text}");
            assert_eq!(value(&Tree::from(expected.clone())), expected, "{text}");
        }
        for text in ["", "{", "[1,]", "{} {}", "{\"a\":1}x", "nul", &"[".repeat(200)] {
            let error = serde_json::from_str::<Value>(text).unwrap_err().to_string();
            assert_eq!(read(text.as_bytes(), value).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn of_two_members_of_one_name_the_last_one_counts() {
        let last = |tree: &Tree<'_>| {
            let Tree::Object(members) = tree else { return None };
            members.get("a").map(value)
        };
        assert_eq!(read(br#"{"a":1,"b":2,"\u0061":3}"#, last).unwrap(), Some(3.into()));
    }

    #[test]
    fn what_needs_mending_is_read_in_its_mended_form() {
        let text = br#"{"name":"Ada \ud83d","amount":1e999}"#;
        let expected = serde_json::json!({"name": "Ada \u{fffd}", "amount": null});
        assert_eq!(read(text, value).unwrap(), expected);
    }
}
