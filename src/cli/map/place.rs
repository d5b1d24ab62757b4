//! Where a referral code was found: the rule, and the path in the body.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::domain::endpoint::{CodeRule, Rules};
use crate::domain::fact::{Fact, Reading};
use crate::domain::json;
use crate::domain::provider::ProviderKind;
use crate::domain::referral::parse_code;
use crate::providers::provider;

/// The rule by which a fact has its code, or the text that was refused as one. Nothing when there was neither.
pub(super) fn rule<'r>(kind: ProviderKind, body: &[u8], rules: &'r Rules, fact: &Fact) -> Option<&'r CodeRule> {
    if fact.code.is_none() && fact.code_refused.is_none() {
        return None;
    }
    // Reading is pure: read again with one rule at a time, and see which of them finds the same.
    rules.referral_code_from.iter().find(|rule| {
        let alone = Rules { referral_code_from: vec![(*rule).clone()], ..rules.clone() };
        match provider(kind).read(body, &alone, fact.at) {
            Reading::Fact(again) => again.code == fact.code && again.code_refused == fact.code_refused,
            Reading::Ignored(_) | Reading::Unmappable(..) => false,
        }
    })
}

/// The path of `code` in the body, as far as it can be told; `rule` says what to look for. The outermost place wins, as
/// it does when a body is read.
pub(super) fn path(body: &[u8], rule: &CodeRule, code: &str) -> Option<String> {
    let body = json::value(body).ok()?;
    let mut todo = VecDeque::from([(String::new(), &body)]);
    while let Some((path, value)) = todo.pop_front() {
        match value {
            Value::Object(map) => {
                let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                if let Some(found) = own(map, below, rule, code) {
                    return Some(found);
                }
                todo.extend(map.iter().map(|(key, inner)| (below(key), inner)));
            }
            Value::Array(items) => {
                todo.extend(items.iter().enumerate().map(|(i, item)| (format!("{path}[{i}]"), item)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    None
}

/// The path of `code` in an object itself, leaving out the objects inside of it.
fn own(map: &Map<String, Value>, below: impl Fn(&str) -> String, rule: &CodeRule, code: &str) -> Option<String> {
    match rule {
        CodeRule::ClientReferenceId(prefix) => {
            let text = map.get("client_reference_id").and_then(Value::as_str);
            let same = text.and_then(|t| t.strip_prefix(prefix.as_str())).is_some_and(|text| is_code(text, code));
            same.then(|| below("client_reference_id"))
        }
        CodeRule::Metadata(_) | CodeRule::CustomField(_) => {
            map.get("metadata").and_then(|metadata| in_metadata(metadata, &below("metadata"), rule, code))
        }
    }
}

/// Whether `text` is read as `code`.
fn is_code(text: &str, code: &str) -> bool {
    parse_code(text).is_ok_and(|read| read == code)
}

fn in_metadata(metadata: &Value, path: &str, rule: &CodeRule, code: &str) -> Option<String> {
    if let Some(text) = metadata.as_str() {
        // Paystack returns metadata as it was sent, even if that was JSON written into a text.
        let inner = json::value(text.as_bytes()).ok()?;
        return in_metadata(&inner, path, rule, code);
    }
    let holds_code = |value: &Value| match value {
        Value::String(text) => is_code(text, code),
        Value::Number(number) => number.to_string() == code,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    match rule {
        CodeRule::Metadata(key) => metadata.get(key).filter(|v| holds_code(v)).map(|_| format!("{path}.{key}")),
        CodeRule::CustomField(name) => {
            let fields = metadata.get("custom_fields")?.as_array()?;
            let named = |field: &Value| field.get("variable_name").and_then(Value::as_str) == Some(name);
            let found = fields.iter().position(|field| named(field) && field.get("value").is_some_and(holds_code))?;
            Some(format!("{path}.custom_fields[{found}].value"))
        }
        CodeRule::ClientReferenceId(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_where_it_stands() {
        let check = |rule: &str, body: &str, expected: Option<&str>| {
            let found = path(body.as_bytes(), &CodeRule::parse(rule).unwrap(), "ADA10");
            assert_eq!(found.as_deref(), expected, "{rule} {body}");
        };
        let nested = r#"{"data":{"object":{"lines":[{"metadata":{"refairn_code":"ADA10"}}],"metadata":{}}}}"#;
        check("metadata.refairn_code", nested, Some("data.object.lines[0].metadata.refairn_code"));
        let own =
            r#"{"data":{"customer":{"metadata":{"refairn_code":"ADA10"}},"metadata":{"refairn_code":" ADA10 "}}}"#;
        check("metadata.refairn_code", own, Some("data.metadata.refairn_code"));
        let outer = r#"{"a":{"b":{"metadata":{"refairn_code":"ADA10"}}},"c":{"metadata":{"refairn_code":"ADA10"}}}"#;
        check("metadata.refairn_code", outer, Some("c.metadata.refairn_code"));
        let text = r#"{"data":{"metadata":"{\"refairn_code\":\"ADA10\"}"}}"#;
        check("metadata.refairn_code", text, Some("data.metadata.refairn_code"));
        let field = r#"{"data":{"metadata":{"custom_fields":[{"variable_name":"x","value":1},{"variable_name":"refairn_code","value":"ADA10"}]}}}"#;
        check("custom_fields.refairn_code", field, Some("data.metadata.custom_fields[1].value"));
        check(
            "client_reference_id:refairn_",
            r#"{"client_reference_id":"refairn_ADA10"}"#,
            Some("client_reference_id"),
        );
        check("metadata.refairn_code", r#"{"metadata":{"refairn_code":"BAYO15"}}"#, None);
        check("metadata.refairn_code", "not JSON", None);
    }
}
