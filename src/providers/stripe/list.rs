//! Stripe's lists: its own events for as long as it keeps them, and the objects themselves for the time before.

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

const EVENTS: &str = "events";
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
            let object: Value =
                serde_json::from_str(raw.get()).map_err(|_| format!("one of the {} cannot be read", list.name))?;
            let tree = Tree::from(&object);
            let id = Json::new(&tree).get("id").text().filter(|id| is_plain(id));
            let id = id.ok_or_else(|| format!("one of the {} has no id", list.name))?.to_owned();
            rows.extend(row(list.name, &id, &object, raw, at)?);
            last = Some(id);
        }
        let next = last.filter(|_| answer.has_more).map(|id| {
            let first = path.split("&starting_after=").next().unwrap_or(path);
            format!("{first}&starting_after={}", utf8_percent_encode(&id, SEGMENT))
        });
        Ok(Page { rows, next })
    }
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
    if intents_count(rules) {
        types.extend([PAYMENT_INTENT_SUCCEEDED, CHARGE_SUCCEEDED]);
    }
    let path = |types: &[&str]| {
        let types: String = types.iter().map(|name| format!("&types[]={name}")).collect();
        format!("/v1/events?created[gte]={since}&limit={ROWS}{types}")
    };
    types.chunks(TYPES_MAX).map(|types| list(EVENTS, "Events", path(types))).collect()
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

/// What a row stands for. Nothing of an object that never was, or is not yet, what its events would report.
fn row(list: &'static str, id: &str, object: &Value, raw: &RawValue, at: Timestamp) -> Result<Option<Row>, String> {
    if list == EVENTS {
        return Ok(Some(Row { name: None, body: raw.get().as_bytes().to_vec() }));
    }
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
    let pointer = Pointer {
        id: id.to_owned(),
        event_type: event_type.to_owned(),
        created,
        livemode: json.get("livemode").flag(),
        account: None,
        context: None,
    };
    let body = listed_event(&pointer, raw, Listed { list, at }).map_err(|error| error.to_string())?;
    let name = [id, &as_it_is].join("/");
    Ok(Some(Row { name: Some(name.trim_end_matches('/').to_owned()), body }))
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
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::fact::{Fact, FactKind, Payment, Reading};
    use crate::providers::Provider;
    use crate::providers::stripe::Stripe;
    use crate::providers::toy;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn lists(since: &str) -> Vec<List> {
        let period =
            Period { since: at(since), until: at("2026-06-30T23:59:59Z"), begun_at: at("2026-06-30T00:00:00Z") };
        Stripe.of_period(&period, &toy::rules())
    }

    #[test]
    fn a_request_for_events_names_twenty_types_at_most() {
        let recent = lists("2026-06-10T00:00:00Z");
        let types: Vec<usize> = recent.iter().map(|list| list.path.matches("types[]=").count()).collect();
        assert_eq!(types, [20, WANTED_EVENTS.len() - 20]);
        let beginning = "/v1/events?created[gte]=1781049600&limit=100&types[]=charge.dispute.closed";
        assert!(recent[0].path.starts_with(beginning), "{}", recent[0].path);
    }

    #[test]
    fn what_is_older_than_events_is_listed_by_its_objects() {
        let names: Vec<&str> = lists("2026-03-01T00:00:00Z").iter().map(|list| list.name).collect();
        assert_eq!(names, [EVENTS, EVENTS, INVOICES, SESSIONS, REFUNDS, DISPUTES, SUBSCRIPTIONS]);
        let paths: Vec<String> = lists("2026-03-01T00:00:00Z").into_iter().map(|list| list.path).collect();
        // Made 35 days before, and up to the day whose events may be gone meanwhile.
        assert!(paths[2].contains("?status=paid&created[gte]=1769299200&created[lte]=1780272000&"), "{}", paths[2]);
        assert!(paths[6].contains("status=all"), "{}", paths[6]);
    }

    /// What the only row of a page stands for.
    fn read(list: &str, object: &Value) -> (Option<String>, Fact) {
        let all = lists("2026-03-01T00:00:00Z");
        let list = all.iter().find(|known| known.name == list).unwrap();
        let body = json!({"object": "list", "has_more": false, "data": [object]}).to_string();
        let page = Stripe.page(list, &list.path, body.as_bytes(), at("2026-06-30T00:00:00Z")).unwrap();
        let [row] = page.rows.try_into().unwrap();
        assert_eq!(page.next, None);
        let Reading::Fact(fact) = Stripe.read(&row.body, &toy::rules(), at("2026-06-30T00:00:00Z")) else {
            panic!("no fact: {}", row.body.escape_ascii());
        };
        (row.name, *fact)
    }

    #[test]
    fn an_invoice_of_a_list_is_the_payment_that_its_webhook_tells() {
        let invoice = json!({"id": "in_1", "object": "invoice", "customer": "cus_1", "customer_email": "jane@example.com",
            "currency": "usd", "amount_paid": 2999, "amount_due": 2999, "total": 2999, "status": "paid",
            "billing_reason": "subscription_cycle", "created": 1_772_000_000, "livemode": true,
            "status_transitions": {"paid_at": 1_772_366_400}});
        let event = json!({"id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1_772_366_401,
            "livemode": true, "data": {"object": invoice}});
        let sent = Stripe.read(event.to_string().as_bytes(), &toy::rules(), at("2026-03-01T12:00:00Z"));
        let Reading::Fact(sent) = sent else { panic!("no fact") };
        let mut with_more = invoice;
        with_more["customer"] = json!({"id": "cus_1", "object": "customer", "metadata": {"refairn_code": "ADA10"}});
        with_more["payments"] = json!({"data": [{"payment": {"type": "payment_intent", "payment_intent": "pi_1"}}]});
        let (name, listed) = read(INVOICES, &with_more);
        assert_eq!(name.as_deref(), Some("in_1"));
        let paid = |fact: &Fact| {
            let FactKind::Payment(payment) = &fact.matter else { panic!("no payment") };
            let Payment { identity, amount, charged, currency, day, .. } = payment;
            (identity.clone(), *amount, *charged, *currency, *day, fact.at, fact.mode, fact.email.clone())
        };
        assert_eq!(paid(&listed), paid(&sent));
        assert_eq!(listed.code.as_deref(), Some("ADA10"));
        // How long the code has been there no list tells.
        assert_eq!(listed.code_at, None);
    }

    #[test]
    fn a_session_is_dated_by_its_charge_and_a_status_by_today() {
        let session = json!({"id": "cs_1", "object": "checkout.session", "mode": "payment", "status": "complete",
            "payment_status": "paid", "amount_total": 500, "currency": "usd", "created": 1_772_000_000, "livemode": true,
            "customer_details": {"email": "jane@example.com"},
            "payment_intent": {"id": "pi_1", "latest_charge": {"id": "ch_1", "created": 1_772_000_600}}});
        let (name, fact) = read(SESSIONS, &session);
        assert_eq!((name.as_deref(), fact.at.as_second()), (Some("cs_1/paid"), 1_772_000_600));
        let FactKind::Payment(payment) = fact.matter else { panic!("no payment") };
        assert_eq!(payment.identity, "pi_1");
        let standing = |status: &str| json!({"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": status, "created": 1_600_000_000});
        let ((active, fact), (ended, _)) =
            (read(SUBSCRIPTIONS, &standing("active")), read(SUBSCRIPTIONS, &standing("canceled")));
        assert_eq!(fact.at, at("2026-06-30T00:00:00Z"));
        assert_ne!(active, ended, "each way to stand is an event of its own");
        let refund = json!({"id": "re_1", "object": "refund", "amount": 500, "currency": "usd", "payment_intent": "pi_1",
            "status": "succeeded", "created": 1_772_000_900});
        assert_eq!(read(REFUNDS, &refund).0.as_deref(), Some("re_1/succeeded"));
    }

    #[test]
    fn pages_follow_each_other_by_the_last_id() {
        let list = &lists("2026-06-10T00:00:00Z")[0];
        let page = |path: &str, ids: &[&str], more: bool| {
            let data: Vec<Value> =
                ids.iter().map(|id| json!({"id": id, "object": "event", "type": "invoice.paid"})).collect();
            let body = json!({"object": "list", "has_more": more, "data": data}).to_string();
            Stripe.page(list, path, body.as_bytes(), at("2026-06-30T00:00:00Z")).unwrap()
        };
        let first = page(&list.path, &["evt_9", "evt_8"], true);
        assert_eq!(first.rows.iter().filter(|row| row.name.is_none()).count(), 2);
        let second = first.next.unwrap();
        assert_eq!(second, format!("{}&starting_after=evt_8", list.path));
        assert_eq!(page(&second, &["evt_7"], true).next.unwrap(), format!("{}&starting_after=evt_7", list.path));
        assert_eq!(page(&second, &["evt_7"], false).next, None);
        assert_eq!(page(&second, &[], true).next, None);
        for unlike in ["", "{}", "[]", r#"{"data":[{}],"has_more":false}"#, r#"{"data":[{"id":7}],"has_more":false}"#] {
            assert!(Stripe.page(list, &list.path, unlike.as_bytes(), Timestamp::UNIX_EPOCH).is_err(), "{unlike}");
        }
    }
}
