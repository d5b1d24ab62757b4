//! Columns of JSON that are written short: what other columns of the row say, and what is so of nearly all rows, is left
//! out. Rows of earlier versions have all of it, and are read as well. What statements look for in them is never left out.

use std::borrow::Cow;

use super::StoreError;
use crate::domain::delivery::{Call, DeliveryKey, Kind};
use crate::domain::event::EventId;
use crate::domain::fact::Fact;
use crate::domain::mode::Mode;

/// How the JSON of a payment begins.
const PAYMENT: &str = r#""matter":{"kind":"payment","#;

/// The column `data` of a fact. Of a payment, what is so of nearly all is left out: that it waits for no session, that its
/// own event told it, that its amount is all that was charged, and that its day is that of its time.
pub(super) fn fact(fact: &Fact) -> Result<String, StoreError> {
    let mut data = serde_json::to_string(fact)?;
    if let Some(matter) = data.find(PAYMENT) {
        for (field, value) in usual(&data, matter) {
            let written = format!(",{field}{value}");
            // In a text of the JSON a backslash is before a quotation mark.
            if let Some(found) = data[matter..].find(&written) {
                data.replace_range(matter + found..matter + found + written.len(), "");
            }
        }
    }
    Ok(data)
}

/// The same, read.
pub(super) fn read_fact(data: &str) -> Result<Fact, StoreError> {
    let Some(matter) = data.find(PAYMENT) else { return Ok(serde_json::from_str(data)?) };
    let (before, after) = data.split_at(matter + PAYMENT.len());
    let mut whole = before.to_owned();
    for (field, value) in usual(data, matter).into_iter().filter(|(field, _)| !after.contains(field)) {
        whole.extend([field, value.as_str(), ","]);
    }
    Ok(serde_json::from_str(&(whole + after))?)
}

/// Fields of a payment, whose matter is at this place of the JSON, and how nearly all have them.
fn usual(data: &str, matter: usize) -> Vec<(&'static str, String)> {
    let text = |json: &str, field: &str, end: [char; 2]| {
        let begin = json.find(field)? + field.len();
        Some(format!("\"{}\"", json[begin..].split(end).next()?))
    };
    let day = text(&data[..matter], r#","at":""#, ['T', '"']);
    let amount = text(&data[matter..], r#""amount":""#, ['"'; 2]);
    let flags = [(r#""awaits_checkout":"#, "false".to_owned()), (r#""primary":"#, "true".to_owned())];
    let day = day.map(|day| (r#""day":"#, day));
    let charged = amount.map(|amount| (r#""charged":"#, amount));
    flags.into_iter().chain(day).chain(charged).collect()
}

/// A fact's JSON as people see it.
pub(super) fn whole_fact(data: &str) -> Result<String, StoreError> {
    Ok(serde_json::to_string(&read_fact(data)?)?)
}

/// The column `call` of a delivery, without what its column `kind` says.
pub(super) fn call(call: &Call) -> Result<String, StoreError> {
    let whole = serde_json::to_string(call)?;
    let rest = whole.strip_prefix(&tag(call.kind()));
    Ok(rest.map(|rest| format!("{{{rest}")).unwrap_or(whole))
}

/// The same, read.
pub(super) fn read_call(kind: &str, call: &str) -> Result<Call, StoreError> {
    let whole = match Kind::ALL.iter().find(|known| known.code() == kind) {
        Some(kind) if !call.starts_with(TAG) => Cow::from(call.replacen('{', &tag(*kind), 1)),
        Some(_) | None => Cow::from(call),
    };
    Ok(serde_json::from_str(&whole)?)
}

/// How a call's JSON begins that says of which kind it is.
const TAG: &str = r#"{"call":"#;

fn tag(kind: Kind) -> String {
    format!("{TAG}\"{}\",", kind.code().replace('-', "_"))
}

/// The column `subject` of a delivery: how many characters of its `subject_key` are the scope, where there is one. The key
/// says all the rest. 0: there is none.
pub(super) fn subject(key: &DeliveryKey) -> Result<String, StoreError> {
    Ok(match key {
        // PostgreSQL's key has it escaped.
        DeliveryKey::Payment { identity, .. } if identity.contains('\0') => serde_json::to_string(key)?,
        DeliveryKey::Payment { scope, .. } => scope.chars().count().to_string(),
        DeliveryKey::Lead(_) | DeliveryKey::Status(_) => "0".to_owned(),
    })
}

/// The same, read.
pub(super) fn read_subject(subject: &str, key: &str) -> Result<DeliveryKey, StoreError> {
    if subject.starts_with('{') {
        return Ok(serde_json::from_str(subject)?);
    }
    let (kind, rest) = key.split_once(' ').unwrap_or((key, ""));
    let read = match kind {
        DeliveryKey::PAYMENT => payment(subject, rest),
        DeliveryKey::LEAD => {
            let mode = rest.split(' ').next();
            [Mode::Live, Mode::Test].into_iter().find(|m| Some(m.code()) == mode).map(DeliveryKey::Lead)
        }
        DeliveryKey::STATUS => {
            let event = rest.strip_prefix("evt_").and_then(|number| number.parse().ok());
            event.map(|number| DeliveryKey::Status(EventId(number)))
        }
        _ => None,
    };
    read.ok_or_else(|| StoreError::Data("a delivery's key says nothing".to_owned()))
}

fn payment(scope_chars: &str, rest: &str) -> Option<DeliveryKey> {
    let (end, _) = rest.char_indices().nth(scope_chars.parse().ok()?)?;
    let (scope, identity) = rest.split_at(end);
    Some(DeliveryKey::Payment { scope: scope.to_owned(), identity: identity.strip_prefix(' ')?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_deliverys_key_says_is_read_from_it() {
        let check = |key: DeliveryKey, written: &str| {
            let text = subject(&key).unwrap();
            assert_eq!(text, written, "{key:?}");
            assert_eq!(read_subject(&text, &key.key("jane@example.com")).unwrap(), key);
            let whole = serde_json::to_string(&key).unwrap();
            assert_eq!(read_subject(&whole, "of an earlier version").unwrap(), key);
        };
        let payment =
            |scope: &str, identity: &str| DeliveryKey::Payment { scope: scope.into(), identity: identity.into() };
        check(DeliveryKey::Lead(Mode::Test), "0");
        check(DeliveryKey::Status(EventId(17)), "0");
        check(payment("stripe/biz_1//live", "in_1"), "18");
        check(payment("stripe/Größe 3 /live x//test", " in /live 1"), "28");
        check(payment("", ""), "0");
        let nul = payment("stripe/biz_1//live", "in_\0");
        check(nul.clone(), &serde_json::to_string(&nul).unwrap());
        for (subject, key) in [
            ("18", "payment"),
            ("x", "payment s i"),
            ("9", "payment s i"),
            ("0", "lead other a@b.c"),
            ("0", "status 7"),
            ("0", ""),
        ] {
            assert!(read_subject(subject, key).is_err(), "{subject} {key}");
        }
    }

    #[test]
    fn a_fact_is_read_as_it_was_whatever_of_it_was_left_out() {
        let whole = r#"{"mode":"live","account":"a,\"at\":\"b","at":"2026-11-13T23:49:39Z","keys":["in_1"],"name":"\"matter\":{\"kind\":\"payment\",","product":{"id":"prod_1"},"matter":{"kind":"payment","identity":",\"primary\":true","amount":"67.88","charged":"67.88","currency":"EUR","day":"2026-11-13","awaits_checkout":false,"primary":true}}"#;
        let short = whole.replace(r#","charged":"67.88""#, "").replace(r#","day":"2026-11-13""#, "");
        let short = short.replace(r#","awaits_checkout":false"#, "").replace(r#","primary":true}}"#, "}}");
        let check = |whole: &str, expected: &str| {
            let read: Fact = serde_json::from_str(whole).unwrap();
            assert_eq!(fact(&read).unwrap(), expected);
            assert_eq!(read_fact(expected).unwrap(), read);
            assert_eq!(read_fact(whole).unwrap(), read, "of an earlier version");
            assert_eq!(whole_fact(expected).unwrap(), whole);
        };
        check(whole, &short);
        let other = [
            (r#""charged":"67.88""#, r#""charged":"67.880""#),
            (r#""day":"2026-11-13""#, r#""day":"2026-11-14""#),
            (r#""awaits_checkout":false"#, r#""awaits_checkout":true"#),
            (r#""primary":true}}"#, r#""primary":false}}"#),
        ];
        for (usual, other) in other {
            let end = short.rfind('}').unwrap() - 1;
            let other_whole = whole.replace(usual, other);
            // It stays where it was: in the order of the fields.
            let read: Fact = serde_json::from_str(&other_whole).unwrap();
            let written = fact(&read).unwrap();
            assert!(written.contains(other.trim_end_matches('}')) && written.len() > short[..end].len(), "{written}");
            assert_eq!(whole_fact(&written).unwrap(), other_whole);
        }
        let without_amount = whole.replace(r#""amount":"67.88","#, "");
        let read: Fact = serde_json::from_str(&without_amount).unwrap();
        assert_eq!(whole_fact(&fact(&read).unwrap()).unwrap(), without_amount);
    }

    #[test]
    fn a_calls_kind_is_not_in_it_twice() {
        let email = || crate::domain::email::Email::parse("jane@example.com").unwrap();
        let calls = [
            Call::CustomerCreated { product: "p".into(), email: email(), name: "{\"call\":".into(), code: None },
            Call::PaymentSucceeded {
                product: "p".into(),
                email: email(),
                amount: 30.into(),
                currency: "USD".parse().unwrap(),
                status: crate::domain::status::Status::Active,
                day: "2026-01-10".parse().unwrap(),
            },
        ];
        for told in calls {
            let (kind, text) = (told.kind().code(), call(&told).unwrap());
            assert!(text.starts_with(r#"{"product":"p","#), "{text}");
            assert_eq!(read_call(kind, &text).unwrap(), told);
            assert_eq!(read_call(kind, &serde_json::to_string(&told).unwrap()).unwrap(), told, "of an earlier version");
        }
    }
}
