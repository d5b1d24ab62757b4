//! Paystack's metadata: whatever the merchant attached, in any of the shapes in which it comes back, and the referral
//! code in it.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::endpoint::CodeRule;
use crate::domain::json;
use crate::domain::referral::first_code;
use crate::providers::json::Json;
use crate::providers::tree::{Members, Tree};

/// JSON inside a string is read up to this size. A merchant's own is far smaller.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// JSON inside a string inside a string: how often that is unwrapped.
const TEXT_DEPTH_MAX: usize = 3;

/// Paystack puts the address of the checkout page here, and agents' names may be in it.
const REFERRER: &str = "referrer";

/// The metadata of one object, unwrapped.
#[derive(Debug)]
pub(super) struct Metadata<'a> {
    members: Cow<'a, Members<'a>>,
    /// Since when it has been there. `None` when its object does not say.
    since: Option<Timestamp>,
}

impl<'a> Metadata<'a> {
    /// Reads an object, or one inside a string. Everything else that stands for "none" - `""`, `null`, `0`, a list - is
    /// none.
    pub(super) fn read(json: Json<'a>, since: Option<Timestamp>) -> Option<Self> {
        if let Some(members) = json.object() {
            return Some(Self { members: Cow::Borrowed(members), since });
        }
        match unwrap(json.text()?)? {
            Tree::Object(members) => Some(Self { members: Cow::Owned(members), since }),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::Text(_) | Tree::List(_) => None,
        }
    }

    /// What this metadata holds where `rule` looks. `None` when that is blank.
    fn find(&self, rule: &CodeRule) -> Option<String> {
        match rule {
            CodeRule::Metadata(key) if key == REFERRER => None,
            CodeRule::Metadata(key) => self.members.get(key).and_then(|found| Json::new(found).scalar_text()),
            CodeRule::CustomField(name) => self.custom_field(name),
            // Only Stripe's sessions have one.
            CodeRule::ClientReferenceId(_) => None,
        }
    }

    /// The value of the first custom field with this `variable_name` that has one.
    fn custom_field(&self, name: &str) -> Option<String> {
        let fields = self.members.get("custom_fields")?;
        let unwrapped = Json::new(fields).text().and_then(unwrap);
        Json::new(unwrapped.as_ref().unwrap_or(fields))
            .items()
            .filter(|field| field.get("variable_name").text() == Some(name))
            .find_map(|field| field.get("value").scalar_text())
    }
}

/// JSON that was written into a string, perhaps more than once; never a string.
fn unwrap(text: &str) -> Option<Tree<'static>> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..TEXT_DEPTH_MAX {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        match json::value(text.as_bytes()).ok()? {
            Value::String(inner) => text = Cow::Owned(inner),
            value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Some(value.into());
            }
        }
    }
    None
}

/// The first referral code, in the order of the rules and then of the objects, and since when it has been there.
///
/// # Errors
/// Something is there, but nothing that is a code.
pub(super) fn referral_code(
    rules: &[CodeRule],
    objects: &[Metadata<'_>],
) -> Result<Option<(String, Option<Timestamp>)>, String> {
    let of = |rule| move |object: &Metadata<'_>| Some((object.find(rule)?, object.since));
    first_code(rules.iter().flat_map(|rule| objects.iter().filter_map(of(rule))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `objects` are the metadata values in order; `expected` is the code, `"refused"`, or nothing.
    #[track_caller]
    fn check(objects: &[Value], expected: Option<&str>) {
        let rules = CodeRule::defaults();
        let trees: Vec<Tree<'_>> = objects.iter().map(Tree::from).collect();
        let read: Vec<_> = trees.iter().filter_map(|tree| Metadata::read(Json::new(tree), None)).collect();
        let found = referral_code(&rules, &read).map(|found| found.map(|(code, _)| code));
        let found = found.unwrap_or_else(|_| Some("refused".to_owned()));
        assert_eq!(found.as_deref(), expected, "{objects:?}");
    }

    #[test]
    fn every_shape_of_metadata_is_read() {
        for none in [json!(""), json!(null), json!(0), json!({}), json!([]), json!("no JSON"), json!("7"), json!(true)]
        {
            check(&[none], None);
        }
        check(&[json!({"refairn_code": "ADA"})], Some("ADA"));
        check(&[json!({"referralCode": 48213})], Some("48213"));
        check(&[json!(r#"{"referral_code":" ADA "}"#)], Some("ADA"));
        check(&[json!(json!(json!({"refairn_code": "ADA"}).to_string()).to_string())], Some("ADA"));
        let mut wrapped = json!({"refairn_code": "ADA"});
        for _ in 0..TEXT_DEPTH_MAX {
            wrapped = json!(wrapped.to_string());
        }
        check(&[json!(wrapped.to_string())], None);
        let long = json!({"refairn_code": "ADA", "filler": "x".repeat(TEXT_BYTES_MAX)}).to_string();
        check(&[json!(long)], None);
        check(&[json!("[".repeat(10_000))], None);
    }

    #[test]
    fn custom_fields_are_found_by_variable_name_with_any_scalar() {
        let field = |value: Value| json!({"display_name": "Code", "variable_name": "referral_code", "value": value});
        check(
            &[json!({"custom_fields": [{"variable_name": "size", "value": "XL"}, field(json!("ADA"))]})],
            Some("ADA"),
        );
        check(&[json!({"custom_fields": [field(json!(null)), field(json!(" ")), field(json!(7))]})], Some("7"));
        check(&[json!({"custom_fields": json!([field(json!("ADA"))]).to_string()})], Some("ADA"));
        check(&[json!(json!({"custom_fields": [field(json!("ADA"))]}).to_string())], Some("ADA"));
        for none in [json!({}), json!("x"), json!([7, null, "x"]), json!([field(json!({"a": 1}))]), json!(null)] {
            check(&[json!({"custom_fields": none})], None);
        }
    }

    #[test]
    fn rules_go_before_objects_and_blank_or_bad_values_give_way() {
        check(&[json!({"referral_code": "SECOND"}), json!({"refairn_code": "FIRST"})], Some("FIRST"));
        check(&[json!({"refairn_code": "FIRST"}), json!({"refairn_code": "SECOND"})], Some("FIRST"));
        check(&[json!({"refairn_code": " ", "referral_code": null, "referralCode": "ADA"})], Some("ADA"));
        check(&[json!({"refairn_code": "a b", "referral_code": "ADA"})], Some("ADA"));
        check(&[json!({"refairn_code": "a b"})], Some("refused"));
    }

    #[test]
    fn the_page_a_visitor_came_from_is_no_code() {
        let metadata = json!({"referrer": "ADA"});
        let rules = [CodeRule::Metadata("referrer".to_owned()), CodeRule::ClientReferenceId(String::new())];
        let tree = Tree::from(&metadata);
        let read: Vec<_> = Metadata::read(Json::new(&tree), None).into_iter().collect();
        assert_eq!(referral_code(&rules, &read), Ok(None));
    }
}
