//! Reading a provider's lists of what was paid, for a backfill: which pages to ask for, and which events their rows stand
//! for. A provider says what to ask and reads the answers. It does not ask, wait or record.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::endpoint::Rules;
use crate::domain::json;

/// The time of which payments are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Paid at this time or later.
    pub since: Timestamp,
    /// Paid at this time or before.
    pub until: Timestamp,
    /// When the lists are begun to be read. All pages of a backfill are asked for with the same.
    pub begun_at: Timestamp,
}

impl Period {
    /// A time before `since`, Unix seconds: lists are filtered by when an object was made, and it may be paid later.
    pub(super) fn made_since(&self, margin: Duration) -> i64 {
        self.since.as_second().saturating_sub(i64::try_from(margin.as_secs()).unwrap_or(i64::MAX))
    }
}

/// One of a provider's lists. The same period makes the same lists, so that a place in them can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// What it lists, for people: "invoices".
    pub name: &'static str,
    /// What the key must be allowed to read, as the provider's dashboard names it.
    pub right: &'static str,
    /// The path of its first page, with its leading slash.
    pub path: String,
    /// Headers beside the key.
    pub headers: &'static [(&'static str, &'static str)],
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What its rows stand for, in their order.
    pub rows: Vec<Row>,
    /// The path of the page after it. `None` on the last one.
    pub next: Option<String>,
}

/// What a row stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The name of what an event was made of, and of how it is now: the same is recorded once. `None` of an event of the
    /// provider's own, which is known by its id.
    pub name: Option<String>,
    /// The event, read like a webhook.
    pub body: Vec<u8>,
}

/// A provider whose lists can be read.
pub trait Lists: Sync {
    /// How many requests a second it is asked at most; always one at a time.
    fn requests_per_second(&self) -> u32;

    /// The lists that have what was paid in a period, and what belongs to it.
    fn of_period(&self, period: &Period, rules: &Rules) -> Vec<List>;

    /// Reads the answer to a request for the page of `list` at `path`, which came at `at`.
    ///
    /// # Errors
    /// It is no page of this list; what it is instead, for people.
    fn page(&self, list: &List, path: &str, body: &[u8], at: Timestamp) -> Result<Page, String>;
}

/// The list that an event comes from. It stands in the event's body.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Listed {
    /// What was listed.
    pub(super) list: &'static str,
    /// When the answer came.
    pub(super) at: Timestamp,
}

/// An answer as it can be read: half a character of a text does not hide the rest of a page.
pub(super) fn readable(body: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    json::mended(body).map_or(std::borrow::Cow::Borrowed(body), std::borrow::Cow::Owned)
}
