//! What of an example is new: ids, references, addresses, codes and times, each the same in all of its bodies.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::domain::email::Email;
use crate::domain::mode::Mode;

/// Shorter tails than this are words, not ids.
const ID_TAIL_CHARS_MIN: usize = 10;
/// Numbers below this are counts, not ids.
const ID_NUMBER_MIN: u64 = 100_000;
/// What holds numbers of seconds since 1970: from 2001 to 2096. No amount of an example is as large.
const UNIX_TIMES: std::ops::Range<i64> = 1_000_000_000..4_000_000_000;
/// The members that date an event.
const DATES: &[&str] = &["created", "created_at", "paid_at"];
/// The members that may hold a referral code, as the bridge looks for it.
const CODES: &[&str] = &["refairn_code", "referral_code", "referralCode"];
/// How a code begins where a shop's own ids may stand.
const CODE_PREFIX: &str = "refairn_";
/// What is sold stays what it is.
const SOLD: &str = "plan";

/// Makes one turn of an example.
pub(super) struct Fresh<'a> {
    pub(super) ids: &'static [&'static str],
    pub(super) references: &'static [&'static str],
    /// The member that says the mode, and what it has to say.
    pub(super) mode: (&'static str, Value),
    pub(super) email: Option<&'a Email>,
    pub(super) code: &'a str,
    /// What makes this turn's ids its own.
    pub(super) tag: u64,
    /// By how much times move.
    pub(super) shift_s: i64,
    /// New ids by the old ones.
    pub(super) renamed: BTreeMap<String, String>,
    pub(super) told: Told,
}

/// What was found in the bodies.
#[derive(Default)]
pub(super) struct Told {
    /// The customer's address, as it is now.
    pub(super) email: Option<String>,
    /// Whether there is a referral code.
    pub(super) code: bool,
}

/// When the newest of what a body dates came into being, in seconds since 1970.
pub(super) fn newest(body: &Value) -> Option<i64> {
    match body {
        Value::Object(map) => map
            .iter()
            .filter_map(|(key, value)| match value {
                Value::Number(number) if DATES.contains(&key.as_str()) => {
                    number.as_i64().filter(|n| UNIX_TIMES.contains(n))
                }
                Value::String(text) if DATES.contains(&key.as_str()) => {
                    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
                }
                Value::Object(_) | Value::Array(_) => newest(value),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            })
            .max(),
        Value::Array(items) => items.iter().filter_map(newest).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

impl Fresh<'_> {
    /// A body with new ids, wherever they stand in it: addresses hold some, too.
    pub(super) fn text(&mut self, body: &str, mode: Mode) -> String {
        let mut text = String::with_capacity(body.len());
        let mut rest = body;
        while !rest.is_empty() {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let word = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (token, left) = rest.split_at(word);
            text.push_str(&self.token(token, mode));
            let gap = left.find(is_part).unwrap_or(left.len());
            let (gap, left) = left.split_at(gap);
            text.push_str(gap);
            rest = left;
        }
        text
    }

    fn token(&mut self, token: &str, mode: Mode) -> String {
        let Some((head, tail)) = token.rsplit_once('_') else { return token.to_owned() };
        let is_id = self.ids.iter().any(|prefix| token.starts_with(prefix))
            && tail.len() >= ID_TAIL_CHARS_MIN
            && tail.contains(|c: char| c.is_ascii_digit());
        if !is_id {
            return token.to_owned();
        }
        let head = match mode {
            Mode::Live => head.to_owned(),
            Mode::Test => head.replace("_live", "_test"),
        };
        self.rename(token, |tag| format!("{head}_{tag}"))
    }

    /// The new form of `old`: `form` of what no other id of any turn has.
    fn rename(&mut self, old: &str, form: impl FnOnce(&str) -> String) -> String {
        let number = self.renamed.len();
        let tag = format!("{:x}x{number:02}", self.tag);
        self.renamed.entry(old.to_owned()).or_insert_with(|| form(&tag)).clone()
    }

    /// Goes through a value that stands under `key`.
    pub(super) fn walk(&mut self, key: &str, value: &mut Value) {
        if key == self.mode.0 {
            *value = self.mode.1.clone();
            return;
        }
        match value {
            Value::Object(map) => {
                let names_a_code = map.get("variable_name").and_then(Value::as_str).is_some_and(|n| CODES.contains(&n));
                for (name, inner) in map.iter_mut() {
                    let name = if names_a_code && name == "value" { CODES[0] } else { name };
                    if key != SOLD {
                        self.walk(name, inner);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(key, item)),
            Value::String(text) => self.string(key, text),
            Value::Number(number) => {
                if let Some(number) = self.number(key, number) {
                    *value = number;
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn string(&mut self, key: &str, text: &mut String) {
        if CODES.contains(&key) {
            self.told.code = true;
            self.code.clone_into(text);
        } else if text.starts_with(CODE_PREFIX) && !CODES.contains(&text.as_str()) {
            self.told.code = true;
            *text = format!("{CODE_PREFIX}{}", self.code);
        } else if self.references.contains(&key) {
            *text = self.rename(text, str::to_owned);
        } else if let Ok(at) = text.parse::<Timestamp>() {
            let moved = at.checked_add(SignedDuration::from_secs(self.shift_s)).unwrap_or(at);
            *text = moved.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        } else if let Some(email) = Email::parse(text).filter(|_| !text.contains('/')) {
            let (tag, chosen) = (self.tag, self.email);
            let domain = email.as_given().rsplit_once('@').map_or("", |(_, domain)| domain);
            let fresh = || format!("{}+{tag:x}@{domain}", email.local_part());
            *text = chosen.map_or_else(fresh, |email| email.as_given().to_owned());
            self.told.email.get_or_insert_with(|| text.clone());
        }
    }

    fn number(&self, key: &str, number: &serde_json::Number) -> Option<Value> {
        let id = || number.as_u64().filter(|n| key == "id" && *n > ID_NUMBER_MIN);
        let at = || number.as_i64().filter(|n| UNIX_TIMES.contains(n));
        id().map(|old| Value::from(old ^ self.tag)).or_else(|| at().map(|at| Value::from(at + self.shift_s)))
    }
}
