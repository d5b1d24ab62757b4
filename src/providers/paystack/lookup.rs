//! Paystack: customers by code.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::email::Email;
use crate::domain::json;
use crate::domain::mode::Mode;
use crate::providers::lookup::{Answer, LookupResult, LookupTarget, Origin, Question, Reader, segment};

/// How a customer's code begins. The bare number that some events give instead is not asked for.
const CODE: &str = "CUS_";

/// The question for what is wanted.
///
/// # Errors
/// Why it cannot be asked for, for people.
pub(super) fn ask(wanted: LookupTarget<'_>) -> Result<Question, String> {
    match wanted {
        LookupTarget::Customer { id, account: _, mode } => customer(id, mode),
        LookupTarget::Object { .. } => Err("paystack has no thin events".to_owned()),
        LookupTarget::Lines(_) => Err("paystack has no lists of lines".to_owned()),
        LookupTarget::Session(_) => Err("paystack has no checkout sessions".to_owned()),
    }
}

/// Asks for a customer.
///
/// # Errors
/// Why it cannot be asked for.
fn customer(code: &str, mode: Mode) -> Result<Question, String> {
    if !code.starts_with(CODE) {
        return Err("it names its customer by a number, which cannot be looked up".to_owned());
    }
    let (path, reader) = (format!("/customer/{}", segment(code)?), Asked { code: code.to_owned(), mode });
    Ok(Question { path, headers: Vec::new(), needs_no_more_rights: true, reader: Box::new(reader) })
}

/// The customer that was asked for.
#[derive(Debug)]
struct Asked {
    code: String,
    mode: Mode,
}

impl Reader for Asked {
    fn read(&mut self, body: &[u8], origin: Origin<'_>) -> Answer {
        let Some(customer) = read(body, &self.code) else { return Answer::Unlike(None) };
        match (customer.lacks_address(), event(&customer, self.mode, origin)) {
            (Some(lacking), _) => Answer::Nothing(lacking.to_owned()),
            (None, Ok(body)) => Answer::Found(LookupResult { event_type: EVENT_TYPE.to_owned(), body }),
            (None, Err(_)) => Answer::Unlike(None),
        }
    }
}

/// What is kept of a customer: Paystack's answer also holds its cards and everything it ever paid.
#[derive(Deserialize, Serialize)]
struct Customer<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    customer_code: String,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    email: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
}

/// Paystack's answer: `data`, unless `status` is false.
#[derive(Deserialize)]
struct Reply<'a> {
    status: bool,
    #[serde(borrow)]
    data: Option<Customer<'a>>,
}

/// Reads an answer. `None` when it is not one of Paystack's about this customer.
fn read<'a>(body: &'a [u8], code: &str) -> Option<Customer<'a>> {
    let reply: Reply<'a> = serde_json::from_slice(body).ok()?;
    reply.data.filter(|customer| reply.status && customer.customer_code == code)
}

impl Customer<'_> {
    /// Why this customer is of no use, if so.
    fn lacks_address(&self) -> Option<&'static str> {
        let email = self.email.and_then(|raw| json::value(raw.get().as_bytes()).ok());
        let email = email.as_ref().and_then(Value::as_str).and_then(Email::parse);
        email.is_none().then_some("the customer has no e-mail address at Paystack")
    }
}

/// An event of Paystack's shape around a customer that was fetched.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    data: Data<'a>,
    lookup: Origin<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    domain: &'static str,
    customer: &'a Customer<'a>,
}

/// The type of the event that is recorded. Paystack itself has none about customers.
const EVENT_TYPE: &str = "customer.lookup";

/// The event that is recorded for `customer`.
///
/// # Errors
/// Memory ran out.
fn event(customer: &Customer<'_>, mode: Mode, lookup: Origin<'_>) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Event { event: EVENT_TYPE, data: Data { domain: mode.code(), customer }, lookup })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::json;

    #[test]
    fn only_what_names_the_customer_is_kept() {
        let body = json!({"status": true, "message": "Customer retrieved", "data": {
            "id": 4_100_001, "customer_code": "CUS_a", "email": "jane@example.com", "first_name": "Jane", "last_name": null,
            "metadata": {"refairn_code": "AGENT1"}, "authorizations": [{"last4": "4081"}], "transactions": []}});
        let text = body.to_string();
        let customer = read(text.as_bytes(), "CUS_a").unwrap();
        assert_eq!(customer.lacks_address(), None);
        let question = super::customer("CUS_a", Mode::Test).unwrap();
        let origin = Origin::new(&question.path, crate::domain::event::EventId(7), Timestamp::UNIX_EPOCH);
        let event: Value = serde_json::from_slice(&event(&customer, Mode::Test, origin).unwrap()).unwrap();
        let expected = json!({"event": "customer.lookup",
            "data": {"domain": "test", "customer": {"id": 4_100_001, "customer_code": "CUS_a", "email": "jane@example.com",
                "first_name": "Jane", "metadata": {"refairn_code": "AGENT1"}}},
            "lookup": {"path": "/customer/CUS_a", "at": "1970-01-01T00:00:00Z", "event": "evt_7"}});
        assert_eq!(event, expected);
    }

    #[test]
    fn half_a_character_does_not_hide_the_address() {
        let body = br#"{"status":true,"data":{"customer_code":"CUS_a","email":"jane@example.com\u200b\ud83d"}}"#;
        assert!(read(body, "CUS_a").unwrap().lacks_address().is_some(), "it may be another address");
        let body =
            br#"{"status":true,"data":{"customer_code":"CUS_a","email":"jane@example.com","last_name":"\ud83d"}}"#;
        assert_eq!(read(body, "CUS_a").unwrap().lacks_address(), None);
    }

    #[test]
    fn another_answer_is_none() {
        let check = |body: &str| assert!(read(body.as_bytes(), "CUS_a").is_none(), "{body}");
        check("");
        check("<html>");
        check("{}");
        check(r#"{"status":true}"#);
        check(r#"{"status":false,"message":"no","data":null}"#);
        check(r#"{"status":true,"data":{"customer_code":"CUS_b","email":"jane@example.com"}}"#);
        check(r#"{"status":true,"data":[]}"#);
        let body = br#"{"status":true,"data":{"customer_code":"CUS_a","email":""}}"#;
        assert!(read(body, "CUS_a").unwrap().lacks_address().is_some());
        assert!(customer("41000001", Mode::Live).is_err());
        let why = ask(LookupTarget::Object { body: b"{}" }).unwrap_err();
        assert!(why.contains("no thin events"), "{why}");
    }
}
