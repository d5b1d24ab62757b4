//! Stripe: customers by id, the objects that thin events point at, invoices with all lines, and checkout sessions.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::lines::{Invoice, LIST_MAX};
use super::snapshot::{Pointer, event, found};
use super::{NO_SESSION, snapshot_type};
use crate::domain::email::Email;
use crate::domain::json;
use crate::domain::lookup::Sought;
use crate::domain::mode::Mode;
use crate::providers::lookup::{Answer, LookupResult, LookupTarget, Origin, Question, Reader, is_plain, segment};

/// Names the connected account that the object belongs to.
const ACCOUNT_HEADER: &str = "Stripe-Account";
/// The same in the newer API, which also knows paths such as `org_1/acct_1`.
const CONTEXT_HEADER: &str = "Stripe-Context";

/// Newer accounts' customers may be accounts themselves, and have no address under `/v1/customers`.
const NEWER_CUSTOMER: &str = "acct_";

/// A payment intent's id begins with it.
const INTENT: &str = "pi_";
/// The payment whose checkout session is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkout {
    /// What the event of the answer says beside the session. It happened when the payment was made: a look-up dates
    /// neither a payment nor a code.
    pub(super) pointer: Pointer,
    /// Which field of its session names it, and as what.
    pub(super) named_in: (&'static str, String),
    /// The provider's id of the customer.
    pub(super) customer: Option<String>,
    /// The list is that of all sessions of the customer, so that those of other payments are among them.
    pub(super) among_others: bool,
}

/// The question for what is wanted.
///
/// # Errors
/// Why it cannot be asked for, for people.
pub(super) fn ask(wanted: LookupTarget<'_>, bytes_max: usize) -> Result<Question, String> {
    match wanted {
        LookupTarget::Customer { id, account, mode } => customer(id, account, mode),
        LookupTarget::Object { body } => object(body),
        LookupTarget::Lines(sought) => invoice(sought, bytes_max),
        LookupTarget::Session(sought) => session(sought),
    }
}

/// A question that every key of ours may ask, but for objects of connected accounts: one account that the key does not
/// reach says nothing of the others.
fn question(path: String, headers: Vec<(&'static str, String)>, reader: impl Reader + 'static) -> Question {
    Question { path, needs_no_more_rights: headers.is_empty(), headers, reader: Box::new(reader) }
}

/// Asks for a customer. What comes is a change of the customer as of now.
///
/// # Errors
/// Why it cannot be asked for.
fn customer(id: &str, account: Option<&str>, mode: Mode) -> Result<Question, String> {
    if id.starts_with(NEWER_CUSTOMER) {
        return Err("its customer is of the newer kind (customer_account), which cannot be looked up".to_owned());
    }
    let pointer = Pointer {
        id: id.to_owned(),
        event_type: "customer.updated".to_owned(),
        created: None,
        livemode: Some(mode == Mode::Live),
        account: account.map(str::to_owned),
        context: None,
    };
    let headers = headers(&pointer)?;
    Ok(question(format!("/v1/customers/{}", segment(id)?), headers, Customer(pointer)))
}

/// Asks for what a thin event points at.
///
/// # Errors
/// Why that cannot be asked for, or would be of no use.
fn object(body: &[u8]) -> Result<Question, String> {
    let (path, pointer) = pointed_at(body)?;
    Ok(question(path, headers(&pointer)?, Object(pointer)))
}

/// The path of the object that a thin event points at, and the event that will be made of it.
fn pointed_at(body: &[u8]) -> Result<(String, Pointer), String> {
    let event = json::value(body).map_err(|e| format!("its body is not JSON: {e}"))?;
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).map(str::trim);
    let related = |key: &str| text(&format!("/related_object/{key}")).filter(|t| is_plain(t));
    let (Some(id), Some(path)) = (related("id"), related("url")) else {
        return Err("it names no object that could be looked up (related_object)".to_owned());
    };
    let event_type = text("/type").filter(|t| is_plain(t)).and_then(snapshot_type).filter(|t| !t.is_empty());
    let event_type = event_type.ok_or("its type is none of those that stand for a snapshot (v1.)")?;
    // The key is sent there: it must stay on the provider's API, and among the objects that can be read.
    if !path.starts_with("/v1/") || path.contains("..") || path.contains("//") {
        return Err("what it points at is not under /v1/ (related_object.url)".to_owned());
    }
    let pointer = Pointer {
        id: id.to_owned(),
        event_type: event_type.to_owned(),
        created: text("/created").and_then(|at| at.parse::<Timestamp>().ok()),
        livemode: event.get("livemode").and_then(Value::as_bool),
        account: text("/account").filter(|t| !t.is_empty()).map(str::to_owned),
        context: text("/context").filter(|t| !t.is_empty()).map(str::to_owned),
    };
    Ok((path.to_owned(), pointer))
}

/// Asks for an invoice with all of its lines.
///
/// # Errors
/// Why it cannot be asked for.
fn invoice(sought: &Sought, bytes_max: usize) -> Result<Question, String> {
    let pointer = of_payment(sought, &sought.identity, "invoice.paid");
    let (path, headers) = (format!("/v1/invoices/{}", segment(&sought.identity)?), headers(&pointer)?);
    let reader = Box::new(Invoice::new(path.clone(), pointer, bytes_max));
    // A restricted key that was made for less still reads customers and objects.
    Ok(Question { path, headers, needs_no_more_rights: false, reader })
}

/// Asks for the checkout session of a payment: by its subscription, else by its payment intent, else among those of its
/// customer, by its invoice.
///
/// # Errors
/// Why it cannot be asked for.
fn session(sought: &Sought) -> Result<Question, String> {
    let intent = || sought.ties.iter().find(|tie| tie.starts_with(INTENT));
    let (filter, field, id) = if let Some(subscription) = &sought.subscription {
        (format!("subscription={}&limit=1", segment(subscription)?), "subscription", subscription)
    } else if let Some(intent) = intent() {
        (format!("payment_intent={}&limit=1", segment(intent)?), "payment_intent", intent)
    } else if let Some(customer) = sought.customer.as_ref().filter(|id| !id.starts_with(NEWER_CUSTOMER)) {
        (format!("customer={}&limit={LIST_MAX}", segment(customer)?), "invoice", &sought.identity)
    } else {
        return Err("it names nothing by which its checkout session could be looked up".to_owned());
    };
    let checkout = Checkout {
        pointer: of_payment(sought, id, "checkout.session.completed"),
        named_in: (field, id.clone()),
        customer: sought.customer.clone(),
        among_others: filter.starts_with("customer="),
    };
    let (path, headers) = (format!("/v1/checkout/sessions?{filter}"), headers(&checkout.pointer)?);
    Ok(Question { path, headers, needs_no_more_rights: false, reader: Box::new(checkout) })
}

fn of_payment(sought: &Sought, id: &str, event_type: &str) -> Pointer {
    Pointer {
        id: id.to_owned(),
        event_type: event_type.to_owned(),
        created: Some(sought.at),
        livemode: Some(sought.mode == Mode::Live),
        account: sought.account.clone(),
        context: None,
    }
}

/// Reads a customer.
#[derive(Debug)]
struct Customer(Pointer);

impl Reader for Customer {
    fn read(&mut self, body: &[u8], origin: Origin<'_>) -> Answer {
        found(body, &self.0, lacks_address, origin)
    }
}

/// Reads what a thin event points at.
#[derive(Debug)]
struct Object(Pointer);

impl Reader for Object {
    fn read(&mut self, body: &[u8], origin: Origin<'_>) -> Answer {
        found(body, &self.0, |_| None, origin)
    }
}

impl Reader for Checkout {
    fn read(&mut self, body: &[u8], origin: Origin<'_>) -> Answer {
        checked_out(body, self, origin).map_or(Answer::Unlike(None), Answer::Found)
    }
}

/// A list as Stripe answers with it.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

/// The event to be made of a list of checkout sessions: the session that is wanted, or that there is none.
fn checked_out(body: &[u8], checkout: &Checkout, lookup: Origin<'_>) -> Option<LookupResult> {
    let Checkout { pointer, named_in: (field, wanted), customer, among_others } = checkout;
    let List { data } = serde_json::from_slice(body).ok()?;
    for raw in &data {
        let session: Value = serde_json::from_str(raw.get()).ok()?;
        let id = |key: &str| {
            let named = session.get(key)?;
            named.as_str().or_else(|| named.get("id")?.as_str())
        };
        if id(field) == Some(wanted) {
            let pointer = Pointer { id: id("id").filter(|id| is_plain(id))?.to_owned(), ..pointer.clone() };
            let body = event(&pointer, raw, lookup).ok()?;
            return Some(LookupResult { event_type: pointer.event_type, body });
        }
    }
    if !data.is_empty() && !among_others {
        return None;
    }
    let none = json!({"object": "checkout.session", "customer": customer, *field: wanted});
    let none = serde_json::value::to_raw_value(&none).ok()?;
    let pointer = Pointer { event_type: NO_SESSION.to_owned(), ..pointer.clone() };
    let body = event(&pointer, &none, lookup).ok()?;
    Some(LookupResult { event_type: pointer.event_type, body })
}

fn headers(pointer: &Pointer) -> Result<Vec<(&'static str, String)>, String> {
    let header = match (&pointer.account, &pointer.context) {
        (Some(account), _) => (ACCOUNT_HEADER, account),
        (None, Some(context)) if context.starts_with("acct_") && !context.contains('/') => (ACCOUNT_HEADER, context),
        (None, Some(context)) => (CONTEXT_HEADER, context),
        (None, None) => return Ok(Vec::new()),
    };
    let (name, value) = header;
    if !is_plain(value) {
        return Err("its account cannot be asked for".to_owned());
    }
    Ok(vec![(name, value.clone())])
}

/// Why this customer is of no use, if so.
fn lacks_address(customer: &Value) -> Option<&'static str> {
    if customer.get("deleted").and_then(Value::as_bool) == Some(true) {
        return Some("the customer was deleted at Stripe");
    }
    let email = customer.get("email").and_then(Value::as_str).and_then(Email::parse);
    email.is_none().then_some("the customer has no e-mail address at Stripe")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thin(changes: &[(&str, Value)]) -> Value {
        let mut event = json!({"id": "evt_1", "object": "v2.core.event", "type": "v1.invoice.paid", "livemode": true,
            "created": "2026-10-02T09:14:03.117Z", "context": null,
            "related_object": {"id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1"}});
        for (path, value) in changes {
            *event.pointer_mut(path).unwrap() = value.clone();
        }
        event
    }

    fn asked(changes: &[(&str, Value)]) -> Result<Question, String> {
        object(thin(changes).to_string().as_bytes())
    }

    #[test]
    fn a_thin_event_becomes_the_snapshot_it_stands_for() {
        let check = |kind: &str, thin_type: &str, expected: Option<&str>| {
            let body = thin(&[("/related_object/type", json!(kind)), ("/type", json!(thin_type))]).to_string();
            let found = pointed_at(body.as_bytes());
            let event_type = found.as_ref().ok().map(|(_, pointer)| pointer.event_type.as_str());
            assert_eq!(event_type, expected, "{kind} {thin_type}: {found:?}");
        };
        check("invoice", "v1.invoice.paid", Some("invoice.paid"));
        check("subscription", "v1.customer.subscription.deleted", Some("customer.subscription.deleted"));
        for word in
            ["active", "past_due", "unpaid", "trialing", "incomplete", "incomplete_expired", "cancel_at_changed"]
        {
            let thin_type = format!("v1.customer.subscription.{word}");
            check("subscription", &thin_type, Some("customer.subscription.updated"));
        }
        check("invoice", "v1.", None);
        check("invoice", "v2.core.event_destination.ping", None);
        check("invoice", "invoice.paid", None);
    }

    #[test]
    fn a_thin_event_is_fetched_from_the_api_and_nowhere_else() {
        let check = |url: Value, expected: bool| {
            let found = asked(&[("/related_object/url", url.clone())]);
            assert_eq!(found.is_ok(), expected, "{url}: {found:?}");
        };
        check(json!("/v1/invoices/in_1"), true);
        for elsewhere in [
            json!(null),
            json!(7),
            json!(""),
            json!("/v2/core/accounts/acct_1"),
            json!("https://example.com/v1/invoices/in_1"),
            json!("//example.com/v1/"),
            json!("/v1//example.com"),
            json!("/v1/../v2/keys"),
            json!("/v1/invoices?expand=x"),
            json!("/v1/invoices#x"),
            json!("/v1/@example.com"),
            json!(format!("/v1/{}", "x".repeat(300))),
        ] {
            check(elsewhere, false);
        }
        for body in ["", "[]", "null", "{}", "{\"related_object\":[]}"] {
            assert!(object(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_connected_account_is_named() {
        let check = |context: Value, expected: &[(&str, &str)]| {
            let headers = asked(&[("/context", context)]).unwrap().headers;
            assert_eq!(headers.iter().map(|(n, v)| (*n, v.as_str())).collect::<Vec<_>>(), expected);
        };
        check(json!(null), &[]);
        check(json!("acct_1"), &[("Stripe-Account", "acct_1")]);
        check(json!("org_1/acct_1"), &[("Stripe-Context", "org_1/acct_1")]);
        assert!(asked(&[("/context", json!("acct_1\r\nx: y"))]).is_err());
        let question = customer("cus_1", Some("acct_1"), Mode::Live).unwrap();
        assert_eq!(question.headers, [("Stripe-Account", "acct_1".to_owned())]);
        assert!(customer("acct_1", None, Mode::Live).is_err());
    }

    #[test]
    fn a_customer_needs_an_address_to_be_of_use() {
        let check = |customer: Value, expected: Option<&str>| {
            let lacking = lacks_address(&customer);
            assert_eq!(lacking.is_some(), expected.is_some(), "{customer}");
            assert!(lacking.is_none_or(|why| why.contains(expected.unwrap_or_default())), "{lacking:?}");
        };
        check(json!({"email": "jane@example.com"}), None);
        check(json!({"email": null}), Some("no e-mail"));
        check(json!({"email": "jane"}), Some("no e-mail"));
        check(json!({}), Some("no e-mail"));
        check(json!({"deleted": true, "email": "jane@example.com"}), Some("deleted"));
    }
}
