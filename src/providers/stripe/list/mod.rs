//! Stripe's lists: its own events for as long as it keeps them, and the objects themselves for the time before.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::settings::intents_count;
use super::snapshot::{Pointer, listed_event};
use super::{PAYMENT_INTENT_SUCCEEDED, WANTED_EVENTS};
use crate::domain::endpoint::Rules;
use crate::providers::json::{Json, is_plain};
use crate::providers::list::{List, Listed, Lists, Page, Period, Row, readable};
use crate::providers::lookup::SEGMENT;
use crate::providers::tree::Tree;

/// The version in which objects are asked for: one that most fixtures are written in. Events come as they were made.
pub(super) const VERSION: &str = "2026-07-29.dahlia";
pub(super) const HEADERS: &[(&str, &str)] = &[("Stripe-Version", VERSION)];
/// Requests a second: what an account in test mode is allowed, and a quarter of what a live one is.
const REQUESTS_PER_SECOND: u32 = 25;
/// How long Stripe keeps events.
const EVENTS_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Objects are listed up to a day younger than the oldest events: those may be gone before their page is asked for.
const OVERLAP: Duration = Duration::from_secs(86_400);
/// An invoice is made, and may be paid as late as that: by hand, or by the last try of a card.
const PAID_AFTER_MAX: Duration = Duration::from_secs(35 * 86_400);
/// A session is open for a day, and a bank's debit may take days more.
const CHECKED_OUT_AFTER_MAX: Duration = Duration::from_secs(15 * 86_400);
/// Types that one request may name.
const TYPES_MAX: usize = 20;
/// Rows of one page.
const ROWS: u32 = 100;
/// With `one_time = "payment_intent"` it knows an address that the intent may not.
const CHARGE_SUCCEEDED: &str = "charge.succeeded";

/// What [`rows_of`] looks into, beside an event's `data` where captures are looked for.
const HEAD: &[&str] = &[
    "id",
    "type",
    "created",
    "livemode",
    "status",
    "payment_status",
    "payment_intent",
    "invoice",
    "status_transitions",
    "cancel_at",
    "cancel_at_period_end",
    "canceled_at",
    "ended_at",
    "pause_collection",
    "trial_end",
];

const EVENTS: &str = "events";
/// Events, and of the intents that succeeded those of holds.
const EVENTS_AND_CAPTURES: &str = "events and captures";
const INVOICES: &str = "invoices";
const SESSIONS: &str = "checkout sessions";
const REFUNDS: &str = "refunds";
const DISPUTES: &str = "disputes";
const SUBSCRIPTIONS: &str = "subscriptions";

impl Lists for super::Stripe {
    fn requests_per_second(&self) -> u32 {
        REQUESTS_PER_SECOND
    }

    fn of_period(&self, period: &Period, rules: &Rules) -> Vec<List> {
        let mut lists = events(period, rules);
        let oldest_event = seconds_before(period.begun_at, EVENTS_KEPT.saturating_sub(OVERLAP));
        if period.since.as_second() < oldest_event {
            lists.extend(objects(period, oldest_event));
        }
        lists
    }

    fn page(&self, list: &List, path: &str, body: &[u8], at: Timestamp) -> Result<Page, String> {
        let body = readable(body);
        let answer: Answer<'_> =
            serde_json::from_slice(&body).map_err(|_| format!("it is no list of {}", list.name))?;
        let mut rows = Vec::with_capacity(answer.data.len());
        let mut last = None;
        for raw in answer.data {
            let object = head(raw, list.name).map_err(|_| format!("one of the {} cannot be read", list.name))?;
            let tree = Tree::from(&object);
            let id = Json::new(&tree).get("id").text().filter(|id| is_plain(id));
            let id = id.ok_or_else(|| format!("one of the {} has no id", list.name))?.to_owned();
            rows.extend(rows_of(list.name, &id, &object, raw, at)?);
            last = Some(id);
        }
        let next = last.filter(|_| answer.has_more).map(|id| {
            let first = path.split("&starting_after=").next().unwrap_or(path);
            format!("{first}&starting_after={}", utf8_percent_encode(&id, SEGMENT))
        });
        Ok(Page { rows, next })
    }
}

/// The members of an object by which its event is made. All of it is read once, with the event.
fn head(raw: &RawValue, list: &str) -> Result<Value, serde_json::Error> {
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(raw.get())?;
    let is_wanted = |key: &str| HEAD.contains(&key) || list == EVENTS_AND_CAPTURES && key == "data";
    let wanted = members.into_iter().filter(|(key, _)| is_wanted(key));
    let wanted = wanted.map(|(key, raw)| Ok((key.into_owned(), serde_json::from_str(raw.get())?)));
    Ok(Value::Object(wanted.collect::<Result<_, serde_json::Error>>()?))
}

/// A list as Stripe answers with it.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
}

fn seconds_before(at: Timestamp, span: Duration) -> i64 {
    at.as_second().saturating_sub(i64::try_from(span.as_secs()).unwrap_or(i64::MAX))
}

/// Stripe's own events. What was taken back after the period counts, too, so they go up to today.
fn events(period: &Period, rules: &Rules) -> Vec<List> {
    let since = period.since.as_second().max(seconds_before(period.begun_at, EVENTS_KEPT));
    let mut types = WANTED_EVENTS.to_vec();
    let captures = if intents_count(rules) {
        types.extend([PAYMENT_INTENT_SUCCEEDED, CHARGE_SUCCEEDED]);
        EVENTS
    } else {
        types.push(PAYMENT_INTENT_SUCCEEDED);
        EVENTS_AND_CAPTURES
    };
    let path = |types: &[&str]| {
        let types: String = types.iter().map(|name| format!("&types[]={name}")).collect();
        format!("/v1/events?created[gte]={since}&limit={ROWS}{types}")
    };
    let name = |types: &[&str]| if types.contains(&PAYMENT_INTENT_SUCCEEDED) { captures } else { EVENTS };
    types.chunks(TYPES_MAX).map(|types| list(name(types), "Events", path(types))).collect()
}

/// The objects, for what happened before the oldest event that is kept.
fn objects(period: &Period, oldest_event: i64) -> [List; 5] {
    let (since, until) = (period.since.as_second(), period.until.as_second().min(oldest_event));
    let made = |margin| format!("created[gte]={}&created[lte]", period.made_since(margin));
    let rows = format!("limit={ROWS}");
    [
        // The customer for the code in its metadata, the payments for the intents that refunds name.
        list(
            INVOICES,
            "Invoices",
            format!(
                "/v1/invoices?status=paid&{}={until}&{rows}&expand[]=data.customer&expand[]=data.payments",
                made(PAID_AFTER_MAX)
            ),
        ),
        // The charge for the time when it was paid, which no session says.
        list(
            SESSIONS,
            "Checkout Sessions",
            format!(
                "/v1/checkout/sessions?status=complete&{}={oldest_event}&{rows}&expand[]=data.payment_intent.latest_charge",
                made(CHECKED_OUT_AFTER_MAX)
            ),
        ),
        list(
            REFUNDS,
            "Charges and Refunds",
            format!("/v1/refunds?created[gte]={since}&created[lte]={oldest_event}&{rows}"),
        ),
        list(DISPUTES, "Disputes", format!("/v1/disputes?created[gte]={since}&created[lte]={oldest_event}&{rows}")),
        // Without a status those that were cancelled are left out.
        list(
            SUBSCRIPTIONS,
            "Subscriptions",
            format!("/v1/subscriptions?status=all&created[lte]={oldest_event}&{rows}"),
        ),
    ]
}

fn list(name: &'static str, right: &'static str, path: String) -> List {
    List { name, right, path, headers: HEADERS }
}

/// What a row stands for.
fn rows_of(list: &'static str, id: &str, object: &Value, raw: &RawValue, at: Timestamp) -> Result<Vec<Row>, String> {
    let sent = || Row { name: None, body: raw.get().as_bytes().to_vec() };
    match list {
        EVENTS => Ok(vec![sent()]),
        // Any other intent is an invoice's or a session's, which report it.
        EVENTS_AND_CAPTURES => {
            let of_intent = object.get("type").and_then(Value::as_str) == Some(PAYMENT_INTENT_SUCCEEDED);
            let is_wanted = !of_intent || is_hold(Json::new(&Tree::from(object)).at("data.object"));
            Ok(is_wanted.then(sent).into_iter().collect())
        }
        SESSIONS => match capture(object, at)? {
            // The session said that the money was held, and what was taken of it its intent said.
            Some(capture) => Ok(vec![as_held(id, raw, at)?, capture]),
            None => Ok(vec![row(list, id, object, raw, at)?]),
        },
        _ => Ok(vec![row(list, id, object, raw, at)?]),
    }
}

/// Whether the money of an intent is taken later than it is held.
fn is_hold(intent: Json<'_>) -> bool {
    intent.get("capture_method").text() == Some("manual")
}

/// The event of the intent by which a session's hold was captured, if it was. No object says when: it is dated when the
/// money was held.
fn capture(session: &Value, at: Timestamp) -> Result<Option<Row>, String> {
    let intent = session.get("payment_intent").unwrap_or(&Value::Null);
    let tree = Tree::from(intent);
    let json = Json::new(&tree);
    let has_invoice = session.get("invoice").is_some_and(|invoice| !invoice.is_null());
    let was_captured = is_hold(json) && json.get("status").text() == Some("succeeded") && !has_invoice;
    let Some(id) = json.get("id").id().filter(|_| was_captured) else { return Ok(None) };
    let created = json.at("latest_charge.created").unix_time().or(json.get("created").unix_time());
    let pointer = pointer(&id, PAYMENT_INTENT_SUCCEEDED, created, Json::new(&Tree::from(session)));
    listed(pointer, &written(intent)?, SESSIONS, at, format!("{id}/captured")).map(Some)
}

/// A session as it was when its money was held.
fn as_held(id: &str, session: &RawValue, at: Timestamp) -> Result<Row, String> {
    let mut held: Value = serde_json::from_str(session.get()).map_err(|error| error.to_string())?;
    if let Some(fields) = held.as_object_mut() {
        fields.insert("payment_status".to_owned(), "unpaid".into());
    }
    let tree = Tree::from(&held);
    let json = Json::new(&tree);
    let pointer = pointer(id, "checkout.session.completed", json.get("created").unix_time(), json);
    listed(pointer, &written(&held)?, SESSIONS, at, format!("{id}/unpaid"))
}

fn written(object: &Value) -> Result<Box<RawValue>, String> {
    serde_json::value::to_raw_value(object).map_err(|error| error.to_string())
}

fn pointer(id: &str, event_type: &str, created: Option<Timestamp>, object: Json<'_>) -> Pointer {
    Pointer {
        id: id.to_owned(),
        event_type: event_type.to_owned(),
        created,
        livemode: object.get("livemode").flag(),
        account: None,
        context: None,
    }
}

/// The event of an object, under a name.
fn listed(pointer: Pointer, raw: &RawValue, list: &'static str, at: Timestamp, name: String) -> Result<Row, String> {
    let body = listed_event(&pointer, raw, Listed { list, at }).map_err(|error| error.to_string())?;
    Ok(Row { name: Some(name), body })
}

/// What an object stands for. Nothing of one that never was, or is not yet, what its events would report.
fn row(list: &'static str, id: &str, object: &Value, raw: &RawValue, at: Timestamp) -> Result<Row, String> {
    let tree = Tree::from(object);
    let json = Json::new(&tree);
    let time = |path: &str| json.at(path).unix_time();
    let status = json.get("status").text().unwrap_or_default();
    // What an object says of its status is so today, whenever it began to be so.
    let (event_type, created, as_it_is) = match list {
        INVOICES => ("invoice.paid", time("status_transitions.paid_at").or(time("created")), String::new()),
        SESSIONS => {
            let paid = time("payment_intent.latest_charge.created").or(time("created"));
            ("checkout.session.completed", paid, json.get("payment_status").text().unwrap_or_default().to_owned())
        }
        REFUNDS if ["failed", "canceled"].contains(&status) => ("refund.failed", Some(at), status.to_owned()),
        REFUNDS => ("refund.updated", Some(at), status.to_owned()),
        DISPUTES if ["won", "lost", "warning_closed", "prevented"].contains(&status) => {
            ("charge.dispute.closed", Some(at), status.to_owned())
        }
        DISPUTES => ("charge.dispute.created", Some(at), status.to_owned()),
        SUBSCRIPTIONS if status == "canceled" => ("customer.subscription.deleted", Some(at), standing(object)),
        SUBSCRIPTIONS => ("customer.subscription.updated", Some(at), standing(object)),
        _ => return Err(format!("{list} are none of its lists")),
    };
    let name = [id, &as_it_is].join("/");
    listed(pointer(id, event_type, created, json), raw, list, at, name.trim_end_matches('/').to_owned())
}

/// How a subscription stands, in a few characters: all that a change of status may come from.
fn standing(subscription: &Value) -> String {
    let parts =
        ["status", "cancel_at", "cancel_at_period_end", "canceled_at", "ended_at", "pause_collection", "trial_end"];
    let part = |key: &&str| subscription.get(key).unwrap_or(&Value::Null).to_string();
    let text = parts.iter().map(part).collect::<Vec<_>>().join(" ");
    hex::encode(Sha256::digest(text)).chars().take(16).collect()
}

#[cfg(test)]
mod tests;
