//! `--set PATH=VALUE`: one member of a body, set.

use serde_json::Value;

/// What is set where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    path: Vec<String>,
    value: Value,
}

impl Setting {
    /// Reads `a.b.0.c=VALUE`: names and numbers of list entries, counted from 0. The value is JSON, or else a text.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (path, value) = text.split_once('=').ok_or("write PATH=VALUE")?;
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err("its path has an empty part: write names apart by dots".to_owned());
        }
        Ok(Self { path, value: serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)) })
    }

    /// The path as it is written.
    pub(super) fn path(&self) -> String {
        self.path.join(".")
    }

    /// Sets the member, if all that it stands in is there.
    pub(super) fn apply(&self, body: &mut Value) -> bool {
        let Some((last, parents)) = self.path.split_last() else { return false };
        let mut place = body;
        for part in parents {
            let Some(inner) = inside(place, part) else { return false };
            place = inner;
        }
        match place {
            Value::Object(map) => {
                map.insert(last.clone(), self.value.clone());
                true
            }
            Value::Array(_) => inside(place, last).map(|entry| *entry = self.value.clone()).is_some(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
}

fn inside<'a>(value: &'a mut Value, part: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(map) => map.get_mut(part),
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_set_where_its_place_is() {
        let check = |text: &str, expected: Option<Value>| {
            let mut body = json!({ "a": { "b": [{ "c": 1 }], "d": "x" } });
            let setting = Setting::parse(text).unwrap();
            assert_eq!(setting.apply(&mut body).then_some(body), expected, "{text}");
        };
        check("a.b.0.c=2", Some(json!({ "a": { "b": [{ "c": 2 }], "d": "x" } })));
        check("a.d=y=z", Some(json!({ "a": { "b": [{ "c": 1 }], "d": "y=z" } })));
        check("a.d=null", Some(json!({ "a": { "b": [{ "c": 1 }], "d": null } })));
        check("a.new=\"7\"", Some(json!({ "a": { "b": [{ "c": 1 }], "d": "x", "new": "7" } })));
        check("a.b.0=[]", Some(json!({ "a": { "b": [[]], "d": "x" } })));
        for nowhere in ["a.b.1.c=2", "a.b.1=2", "a.x.y=1", "a.d.e=1", "b.c=1"] {
            check(nowhere, None);
        }
        for wrong in ["a.b", "=1", "a..b=1", ""] {
            assert!(Setting::parse(wrong).is_err(), "{wrong}");
        }
    }
}
