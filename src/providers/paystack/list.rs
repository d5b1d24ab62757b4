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
use crate::providers::tree::Tree;

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
    let pages = meta.map(Tree::from).and_then(|meta| Json::new(&meta).get("pageCount").integer());
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
    let tree = Tree::from(&object);
    let json = Json::new(&tree);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::fact::{Fact, FactKind, Reading, ReversalStage};
    use crate::domain::status::Status;
    use crate::providers::Provider;
    use crate::providers::paystack::Paystack;
    use crate::providers::toy;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn lists() -> Vec<List> {
        let (since, until) = (at("2026-03-10T00:00:00Z"), at("2026-04-10T23:59:59Z"));
        Paystack.of_period(&Period { since, until, begun_at: at("2026-06-30T00:00:00Z") }, &toy::rules())
    }

    /// What the only row of a page stands for.
    fn read(list: &str, row: &Value) -> (Option<String>, Fact) {
        let all = lists();
        let list = all.iter().find(|known| known.name == list).unwrap();
        let body = json!({"status": true, "message": "retrieved", "data": [row], "meta": {"page": 1, "pageCount": 1}});
        let page = Paystack.page(list, &list.path, body.to_string().as_bytes(), at("2026-06-30T00:00:00Z")).unwrap();
        let [row] = page.rows.try_into().unwrap();
        let Reading::Fact(fact) = Paystack.read(&row.body, &toy::rules(), at("2026-06-30T00:00:00Z")) else {
            panic!("no fact: {}", row.body.escape_ascii());
        };
        (row.name, *fact)
    }

    #[test]
    fn transactions_are_asked_for_from_a_week_before_and_those_given_back_too() {
        let paths: Vec<String> = lists().into_iter().map(|list| list.path).collect();
        let paid = "from=2026-03-03T00%3A00%3A00Z&to=2026-04-10T23%3A59%3A59Z&perPage=100&page=1";
        let since = "from=2026-03-10T00%3A00%3A00Z&to=2026-06-30T00%3A00%3A00Z&perPage=100&page=1";
        assert_eq!(
            paths[..4],
            [
                format!("/transaction?status=success&{paid}"),
                format!("/transaction?status=reversed&{paid}"),
                format!("/refund?{since}"),
                format!("/dispute?{since}")
            ]
        );
    }

    #[test]
    fn a_transaction_of_a_list_is_the_payment_that_its_webhook_tells() {
        let data = json!({"id": 1, "domain": "live", "status": "success", "reference": "ref_1", "amount": 299_900,
            "currency": "NGN", "paid_at": "2026-03-15T10:00:00Z", "created_at": "2026-03-15T09:59:00Z",
            "metadata": {"refairn_code": "ADA10"},
            "customer": {"id": 7, "customer_code": "CUS_1", "email": "jane@example.com"}});
        let event = json!({"event": "charge.success", "data": data});
        let sent = Paystack.read(event.to_string().as_bytes(), &toy::rules(), at("2026-03-15T10:00:05Z"));
        let Reading::Fact(sent) = sent else { panic!("no fact") };
        let mut row = data;
        row["paidAt"] = json!("2026-03-15T10:00:00Z");
        row["log"] = json!({"attempts": 1});
        let (name, listed) = read(TRANSACTIONS, &row);
        assert_eq!((name.as_deref(), &listed), (Some("charge.success/live/ref_1/success"), &*sent));
        row["status"] = json!("reversed");
        let (_, given_back) = read(REVERSED, &row);
        assert!(matches!(given_back.matter, FactKind::Customer(_)), "{given_back:?}");
    }

    #[test]
    fn refunds_and_subscriptions_say_how_they_stand() {
        let refund = |status: &str| {
            json!({"id": 5, "domain": "live", "transaction": 1, "transaction_reference": "ref_1", "amount": 100_000,
                "currency": "NGN", "status": status})
        };
        let stage = |status: &str| {
            let FactKind::Reversal(reversal) = read(REFUNDS, &refund(status)).1.matter else { panic!("no refund") };
            reversal.stage
        };
        assert_eq!(stage("processed"), ReversalStage::Final);
        assert_eq!(stage("pending"), ReversalStage::Pending);
        assert_eq!(stage("failed"), ReversalStage::Void);
        let subscription = |status: &str| {
            json!({"domain": "live", "status": status, "subscription_code": "SUB_1", "createdAt": "2026-03-01T00:00:00Z",
                "customer": {"customer_code": "CUS_1", "email": "jane@example.com"}})
        };
        let told = |status: &str| {
            let fact = read(SUBSCRIPTIONS, &subscription(status)).1;
            let FactKind::Subscription(subscription) = fact.matter else { panic!("no status") };
            subscription.status
        };
        let words = ["active", "non-renewing", "attention", "cancelled", "complete"].map(told);
        let [active, past_due, cancelled] = [Status::Active, Status::PastDue, Status::Cancelled].map(Some);
        assert_eq!(words, [active, active, past_due, cancelled, cancelled]);
    }

    #[test]
    fn pages_are_counted() {
        let check = |path: &str, rows: usize, meta: Option<Value>, expected: Option<&str>| {
            assert_eq!(next(path, rows, meta.as_ref()).as_deref(), expected, "{path} {rows}");
        };
        check("/refund?perPage=100&page=1", 100, Some(json!({"pageCount": 3})), Some("/refund?perPage=100&page=2"));
        check("/refund?perPage=100&page=3", 20, Some(json!({"pageCount": 3})), None);
        check("/refund?perPage=100&page=2", 0, Some(json!({"pageCount": 3})), None);
        check("/refund?perPage=100&page=1", 100, None, Some("/refund?perPage=100&page=2"));
        check("/refund?perPage=100&page=1", 99, Some(json!({})), None);
        for unlike in ["", "[]", "{}", r#"{"status":false,"data":[]}"#, r#"{"status":true,"data":[{}]}"#] {
            assert!(
                Paystack.page(&lists()[0], "/transaction?page=1", unlike.as_bytes(), Timestamp::UNIX_EPOCH).is_err()
            );
        }
    }
}
