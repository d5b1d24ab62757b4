//! The event that is recorded for an object that was looked up or listed: it has the shape of Stripe's own.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::providers::list::Listed;
use crate::providers::lookup::{Answer, LookupResult, Origin};

/// An object of Stripe's, and the event that will be made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    /// The object's id.
    pub(super) id: String,
    /// The type of the event.
    pub(super) event_type: String,
    /// When it happened. `None` stands for now.
    pub(super) created: Option<Timestamp>,
    /// Real money or not, where that is known.
    pub(super) livemode: Option<bool>,
    /// The connected account.
    pub(super) account: Option<String>,
    /// The account it belongs to, as the newer API names it.
    pub(super) context: Option<String>,
}

/// The event to be made of the object in `body`, unless that `lacks` something.
pub(super) fn found(
    body: &[u8],
    pointer: &Pointer,
    lacks: impl Fn(&Value) -> Option<&'static str>,
    origin: Origin<'_>,
) -> Answer {
    let read = || {
        let raw: &RawValue = serde_json::from_slice(body).ok()?;
        let object: Value = serde_json::from_str(raw.get()).ok()?;
        (object.get("id").and_then(Value::as_str) == Some(&pointer.id)).then_some((raw, object))
    };
    let Some((raw, object)) = read() else { return Answer::Unlike(None) };
    match (lacks(&object), event(pointer, raw, origin)) {
        (Some(lacking), _) => Answer::Nothing(lacking.to_owned()),
        (None, Ok(body)) => Answer::Found(LookupResult { event_type: pointer.event_type.clone(), body }),
        (None, Err(_)) => Answer::Unlike(None),
    }
}

/// An event of Stripe's shape around an object that was fetched.
#[derive(Serialize)]
struct Event<'a> {
    id: String,
    object: &'static str,
    /// The account's own, which the object does not say.
    api_version: Option<&'a str>,
    created: i64,
    data: Data<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    livemode: Option<bool>,
    pending_webhooks: u8,
    request: Option<&'a str>,
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    #[serde(flatten)]
    asked: Asked<'a>,
}

/// How we came by the object.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Asked<'a> {
    Lookup(Origin<'a>),
    Listed(Listed),
}

/// The object byte for byte: no number passes through a float.
#[derive(Serialize)]
struct Data<'a> {
    object: &'a RawValue,
}

/// The event that is recorded for `object`.
///
/// # Errors
/// Memory ran out.
pub(super) fn event(pointer: &Pointer, object: &RawValue, lookup: Origin<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let (id, created) = (format!("lookup_{}", pointer.id), pointer.created.unwrap_or(lookup.at()));
    written(pointer, object, id, created, Asked::Lookup(lookup))
}

/// The event that is recorded for `object` of a list.
///
/// # Errors
/// Memory ran out.
pub(super) fn listed_event(pointer: &Pointer, object: &RawValue, listed: Listed) -> Result<Vec<u8>, serde_json::Error> {
    let (id, created) = (format!("listed_{}", pointer.id), pointer.created.unwrap_or(listed.at));
    written(pointer, object, id, created, Asked::Listed(listed))
}

fn written(
    pointer: &Pointer,
    object: &RawValue,
    id: String,
    created: Timestamp,
    asked: Asked<'_>,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Event {
        id,
        object: "event",
        api_version: None,
        created: created.as_second(),
        data: Data { object },
        livemode: pointer.livemode,
        pending_webhooks: 0,
        request: None,
        event_type: &pointer.event_type,
        account: pointer.account.as_deref(),
        context: pointer.context.as_deref(),
        asked,
    })
}
