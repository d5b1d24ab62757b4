//! Paystack's lists. Their rows are the objects of its events, with more in them.

use std::time::Duration;

use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::endpoint::Rules;
use crate::providers::json::{Json, is_plain};
use crate::providers::list::{List, Listed, Lists, Page, Period, Row, readable};
use crate::providers::lookup::SEGMENT;

/// Requests a second. Paystack publishes no limit, and answers 429 to who asks for too much.
const REQUESTS_PER_SECOND: u32 = 10;
/// A transaction is made, and may be paid as late as that, by a bank transfer or another try.
const PAID_AFTER_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Rows of one page.
const ROWS: usize = 100;

const TRANSACTIONS: &str = "transactions";
const REVERSED: &str = "reversed transactions";
const REFUNDS: &str = "refunds";
const DISPUTES: &str = "disputes";
const SUBSCRIPTIONS: &str = "subscriptions";

impl Lists for super::Paystack {
    fn requests_per_second(&self) -> u32 {
        REQUESTS_PER_SECOND
    }

    fn of_period(&self, period: &Period, _rules: &Rules) -> Vec<List> {
        let from = Timestamp::from_second(period.made_since(PAID_AFTER_MAX)).unwrap_or(period.since);
        // Rows that come in meanwhile would move the others to later pages.
        let between = |from: Timestamp, to: Timestamp| format!("from={}&to={}", time(from), time(to));
        let paid = between(from, period.until.min(period.begun_at));
        let since = between(period.since, period.begun_at);
        let list = |name, path: String| List {
            name,
            // A secret key may do everything.
            right: "the account",
            path: format!("{path}&perPage={ROWS}&page=1"),
            headers: &[],
        };
        vec![
            list(TRANSACTIONS, format!("/transaction?status=success&{paid}")),
            // A payment that was wholly given back is no success any more.
            list(REVERSED, format!("/transaction?status=reversed&{paid}")),
            list(REFUNDS, format!("/refund?{since}")),
            list(DISPUTES, format!("/dispute?{since}")),
            list(SUBSCRIPTIONS, format!("/subscription?{}", between(Timestamp::UNIX_EPOCH, period.begun_at))),
        ]
    }

    fn page(&self, list: &List, path: &str, body: &[u8], at: Timestamp) -> Result<Page, String> {
        let body = readable(body);
        let answer: Answer<'_> =
            serde_json::from_slice(&body).map_err(|_| format!("it is no list of {}", list.name))?;
        if !answer.status {
            return Err(format!("it is no list of {}, but says that something failed", list.name));
        }
        let count = answer.data.len();
        let rows = answer.data.into_iter().map(|raw| row(list.name, raw, at));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(Page { rows, next: next(path, count, answer.meta.as_ref()) })
    }
}

/// A list as Paystack answers with it.
#[derive(Deserialize)]
struct Answer<'a> {
    status: bool,
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    meta: Option<Value>,
}

fn time(at: Timestamp) -> String {
    utf8_percent_encode(&at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), SEGMENT).to_string()
}

/// The page after the one at `path`: as far as the answer says how many there are, else as long as pages are full.
fn next(path: &str, rows: usize, meta: Option<&Value>) -> Option<String> {
    let (list, page) = path.rsplit_once("&page=")?;
    let page: i64 = page.parse().ok()?;
    let pages = meta.map(Json::new).and_then(|meta| meta.get("pageCount").integer());
    let has_more = pages.map_or(rows >= ROWS, |pages| page < pages && rows > 0);
    has_more.then(|| format!("{list}&page={}", page + 1))
}

/// An event of Paystack's shape around a row.
#[derive(Serialize)]
struct Event<'a> {
    event: &'a str,
    data: &'a RawValue,
    listed: Listed,
}

/// What a row stands for.
fn row(list: &'static str, raw: &RawValue, at: Timestamp) -> Result<Row, String> {
    let object: Value = serde_json::from_str(raw.get()).map_err(|_| format!("one of the {list} cannot be read"))?;
    let json = Json::new(&object);
    let status = json.get("status").text().unwrap_or_default();
    let id = |key: &str| json.get(key).id();
    let (event, id) = match list {
        TRANSACTIONS | REVERSED => ("charge.success", id("reference")),
        REFUNDS => {
            let event = match status {
                "processed" => "refund.processed",
                "failed" => "refund.failed",
                "processing" => "refund.processing",
                "needs-attention" => "refund.needs-attention",
                _ => "refund.pending",
            };
            (event, id("id").or_else(|| id("refund_reference")))
        }
        DISPUTES if status == "resolved" => ("charge.dispute.resolve", id("id")),
        DISPUTES => ("charge.dispute.create", id("id")),
        // It says what it is, and nothing of when that began.
        SUBSCRIPTIONS if ["cancelled", "complete", "completed"].contains(&status) => {
            ("subscription.disable", id("subscription_code"))
        }
        SUBSCRIPTIONS => ("subscription.not_renew", id("subscription_code")),
        _ => return Err(format!("{list} are none of its lists")),
    };
    let id = id.filter(|id| is_plain(id)).ok_or_else(|| format!("one of the {list} has no id"))?;
    let domain = json.get("domain").text().unwrap_or_default();
    let name = [event, domain, &id, status].join("/");
    let event = Event { event, data: raw, listed: Listed { list, at } };
    let body = serde_json::to_vec(&event).map_err(|error| error.to_string())?;
    Ok(Row { name: Some(name), body })
}
