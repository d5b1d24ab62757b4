//! What fills a store: mostly sales, each of another customer, and beside them what else comes to a bridge. Payments are
//! spread over the last four weeks.

use std::ops::Range;

use jiff::Timestamp;
use refairn_bridge::clock::Clock;
use serde_json::{Value, json};

use crate::measure;
use crate::turns::sales::{FIRST, Sales, signed};
use crate::turns::sink::REGULAR;

/// Of a hundred events these are sales of regular customers, and these second reports of a sale; one is something odd, and
/// the others are sales.
const RENEWALS: Range<usize> = 75..87;
const REPORTS: Range<usize> = 87..99;
/// Sales of a regular customer: every second day one.
const SALES_OF_REGULAR: usize = 12;
/// Of so many of those one is on the day of another, and held for it.
const ONE_HELD_OF: usize = 1000;
/// Of so many odd events one is a refund and one cannot be read; the others are sales.
const ODD: usize = 10;
const SPREAD_S: usize = 27 * 24 * 3600;
const DAY_S: usize = 24 * 3600;

/// What stands for a number until it is known.
const MARKS: [(&str, Slot); 4] =
    [("7777777777", Slot::Event), ("6666666666", Slot::About), ("8888888888", Slot::PaidAt), ("2999", Slot::Amount)];
const EVENT: usize = 7_777_777_777;
const ABOUT: usize = 6_666_666_666;
const PAID_AT: i64 = 8_888_888_888;

#[derive(Clone, Copy)]
enum Slot {
    Event,
    About,
    PaidAt,
    Amount,
}

enum Piece {
    Text(String),
    Slot(Slot),
}

/// A body whose numbers are left open.
struct Template(Vec<Piece>);

/// The numbers of one body.
struct Numbers {
    event: usize,
    about: usize,
    paid_at: i64,
}

/// Makes the webhooks of a store from their numbers.
pub struct Mix {
    sale: Template,
    renewal: Template,
    report: Template,
    refund: Template,
    unreadable: Template,
}

impl Mix {
    pub fn new() -> Self {
        let sale = sale();
        let mut renewal = sale.clone();
        renewal["data"]["object"]["customer_email"] = json!(format!("{REGULAR}{ABOUT}@example.com"));
        renewal["data"]["object"]["customer"] = json!(format!("cus_{REGULAR}{ABOUT}"));
        renewal["data"]["object"]["id"] = json!(format!("in_{EVENT}"));
        renewal["data"]["object"]["parent"]["subscription_details"]["subscription"] =
            json!(format!("sub_{REGULAR}{ABOUT}"));
        let mut report = sale.clone();
        report["type"] = json!("invoice.payment_succeeded");
        let mut unreadable = sale.clone();
        unreadable["data"]["object"]["currency"] = json!(null);
        Self {
            sale: Template::of(&sale),
            renewal: Template::of(&renewal),
            report: Template::of(&report),
            refund: Template::of(&refund()),
            unreadable: Template::of(&unreadable),
        }
    }

    /// Signs these events at this moment.
    pub fn sign(&self, places: Range<usize>) -> Sales {
        let now = Clock::system().now();
        Sales { requests: places.clone().map(|n| signed(&self.body(n, now), now)).collect(), places }
    }

    /// The body of an event of this number.
    fn body(&self, n: usize, now: Timestamp) -> String {
        let ago = |seconds: usize| now.as_second() - i64::try_from(seconds).unwrap_or(0);
        let of_sale = |n: usize| ago(n.wrapping_mul(7919) % SPREAD_S);
        let (hundreds, rest) = (n / 100, n % 100);
        let sale = Numbers { event: n, about: n, paid_at: of_sale(n) };
        let (template, numbers) = if RENEWALS.contains(&rest) {
            let all = hundreds * RENEWALS.len() + rest - RENEWALS.start;
            let turn = all % SALES_OF_REGULAR;
            let turn = if all % ONE_HELD_OF == ONE_HELD_OF / 2 { turn.saturating_sub(1) } else { turn };
            (&self.renewal, Numbers { event: n, about: all / SALES_OF_REGULAR, paid_at: ago(turn * 2 * DAY_S) })
        } else if REPORTS.contains(&rest) {
            let about = n - REPORTS.start;
            (&self.report, Numbers { event: n, about, paid_at: of_sale(about) })
        } else if rest < RENEWALS.start {
            (&self.sale, sale)
        } else {
            match hundreds % ODD {
                0 => (&self.refund, Numbers { about: hundreds * 100, ..sale }),
                1 => (&self.unreadable, sale),
                _ => (&self.sale, sale),
            }
        };
        template.with(&numbers)
    }
}

/// Whether a number is a sale of a customer's own, which Refairn is told.
pub fn is_sale(n: usize) -> bool {
    n % 100 < RENEWALS.start || n % 100 >= REPORTS.end && (n / 100) % ODD > 1
}

/// A regular customer's number as the address has it, of a store with so many events.
pub fn regular(events: usize, n: usize) -> usize {
    FIRST + n % (events / 100 * RENEWALS.len() / SALES_OF_REGULAR).max(1)
}

fn sale() -> Value {
    let mut event: Value = serde_json::from_slice(&measure::sale(ABOUT, Timestamp::UNIX_EPOCH)).expect("JSON");
    event["id"] = json!(format!("evt_{EVENT}"));
    event["created"] = json!(PAID_AT);
    event["data"]["object"]["status_transitions"]["paid_at"] = json!(PAID_AT);
    event
}

/// A sale's charge that was paid back.
fn refund() -> Value {
    let corpus = include_str!("../../tests/fixtures/stripe/charge.refunded/full-2024/body.json");
    let mut event: Value = serde_json::from_str(corpus).expect("JSON");
    rename(&mut event);
    event["created"] = json!(PAID_AT);
    let charge = &mut event["data"]["object"];
    charge["customer"] = json!(format!("cus_{ABOUT}"));
    charge["invoice"] = json!(format!("in_{ABOUT}"));
    charge["billing_details"]["email"] = json!(format!("customer-{ABOUT}@example.com"));
    charge["currency"] = json!("eur");
    event
}

/// Gives every object the event's number: no two refunds share an id.
fn rename(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((kind, rest)) = text.split_once('_')
                && rest.len() > 20
            {
                *text = format!("{kind}_{EVENT}");
            }
        }
        Value::Array(all) => all.iter_mut().for_each(rename),
        Value::Object(all) => all.values_mut().for_each(rename),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Template {
    fn of(event: &Value) -> Self {
        let (text, mut pieces) = (event.to_string(), Vec::new());
        let mut rest = text.as_str();
        let next =
            |rest: &str| MARKS.iter().filter_map(|mark| Some((rest.find(mark.0)?, *mark))).min_by_key(|(at, _)| *at);
        while let Some((at, (mark, slot))) = next(rest) {
            pieces.push(Piece::Text(rest[..at].to_owned()));
            pieces.push(Piece::Slot(slot));
            rest = &rest[at + mark.len()..];
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Self(pieces)
    }

    fn with(&self, numbers: &Numbers) -> String {
        let mut body = String::with_capacity(6000);
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Slot(Slot::Event) => body.push_str(&(FIRST + numbers.event).to_string()),
                Piece::Slot(Slot::About) => body.push_str(&(FIRST + numbers.about).to_string()),
                Piece::Slot(Slot::PaidAt) => body.push_str(&numbers.paid_at.to_string()),
                // What one sale is charged: the same in all reports of it.
                Piece::Slot(Slot::Amount) => {
                    body.push_str(&(1000 + numbers.about.wrapping_mul(7919) % 9000).to_string())
                }
            }
        }
        body
    }
}
