//! The state of everything in a few numbers. Fields stand in the order of their names, as they always did in this answer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /api/v1/stats`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// How many events and deliveries need attention, by the code of the reason.
    pub attention: BTreeMap<String, i64>,
    /// Whether any event had a referral code, but for those that a backfill fetched.
    #[serde(default)]
    pub code_came: bool,
    /// How many deliveries there are, by the code of the state.
    pub deliveries: BTreeMap<String, i64>,
    /// How many events there are, by the code of the state.
    pub events: BTreeMap<String, i64>,
    /// The events that need attention, by endpoint and reason.
    pub events_that_need_attention: Vec<EventsToSee>,
    /// When a webhook came last, by endpoint and mode.
    #[serde(default)]
    pub last_webhooks: Vec<LastWebhook>,
    /// The sum of `attention`.
    pub needs_attention: i64,
    /// Since when the call that is due longest has been due. `None` when none is due.
    pub oldest_queued: Option<Timestamp>,
    /// When the event arrived that waits longest to be read. `None` when none waits.
    #[serde(default)]
    pub oldest_unread: Option<Timestamp>,
    /// How many payments of real money Refairn has, by the code of what became of them.
    pub payments: BTreeMap<String, i64>,
    /// What the last comparison with each endpoint's provider came to.
    #[serde(default)]
    pub reconciliations: Vec<LastReconciliation>,
    /// The last requests that were refused, the newest first.
    pub refused_requests: Vec<RefusedRequests>,
    /// Every route that was ever used.
    pub routes: Vec<Route>,
    /// How many tests Refairn has, by the code of what became of them.
    #[serde(default)]
    pub test_payments: BTreeMap<String, i64>,
    /// Backfills and comparisons that are not over.
    #[serde(default)]
    pub under_way: Vec<UnderWay>,
    /// An address that sends X-Forwarded-For and is not trusted. `None` when there is none.
    #[schema(value_type = Option<String>)]
    pub unnamed_proxy: Option<IpAddr>,
}

/// An event that has waited so long to be read is a person's business.
const UNREAD_LONG: SignedDuration = SignedDuration::from_secs(60);

impl Stats {
    /// How many things need a person: events and calls, routes that are paused, payments that comparisons found otherwise,
    /// and that events are not read. `status` and the pages tell this number.
    #[must_use]
    pub fn things_to_see(&self, now: Timestamp) -> i64 {
        let differences: i64 = self.reconciliations.iter().map(|last| last.differences).sum();
        let paused = i64::try_from(self.paused().count()).unwrap_or(i64::MAX);
        self.needs_attention + paused + differences + i64::from(self.unread_for_long(now).is_some())
    }

    /// The routes that are paused.
    pub fn paused(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(|route| route.state == "paused")
    }

    /// Since when an event has waited to be read, if that is too long.
    #[must_use]
    pub fn unread_for_long(&self, now: Timestamp) -> Option<Timestamp> {
        self.oldest_unread.filter(|at| now.duration_since(*at) > UNREAD_LONG)
    }
}

/// A backfill, or a comparison with a provider's list, that is not over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnderWay {
    /// The endpoint's name.
    pub endpoint: String,
    /// The bridge's id, such as `bkf_3` or `rec_3`.
    pub id: String,
    /// Why it waits. `None` where it does not.
    pub note: Option<String>,
    /// Rows that are listed so far, or recorded so far.
    pub rows: i64,
    /// The code of its state.
    pub state: String,
}

/// When a webhook came last to an endpoint in one mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastWebhook {
    /// When. `None` when none ever did.
    pub at: Option<Timestamp>,
    /// The endpoint's name.
    pub endpoint: String,
    /// The code of the mode.
    pub mode: String,
}

/// What the last comparison with an endpoint's provider came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastReconciliation {
    /// When all were compared.
    pub at: Timestamp,
    /// Of the payments that a person has to look at, those that do not need a person as calls already: all that are not held.
    #[serde(default)]
    pub differences: i64,
    /// The endpoint's name.
    pub endpoint: String,
    /// How many payments a person has to look at.
    pub to_see: i64,
}

/// How many events of an endpoint need attention for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsToSee {
    /// The endpoint's name.
    pub endpoint: String,
    /// How many.
    pub events: i64,
    /// The code of the reason.
    pub reason: String,
}

/// Refused requests of one source, alike in endpoint and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedRequests {
    /// When the last of them came.
    pub at: Timestamp,
    /// The size of the body of the last of them, bytes.
    pub body_bytes: usize,
    /// The endpoint's name. `None` when they met no endpoint.
    pub endpoint: Option<String>,
    /// The path of the last of them. Only when they met no endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The code of the error they were answered with.
    pub reason: String,
    /// The sender's address, of the last of them. `None` when it is not known.
    #[schema(value_type = Option<String>)]
    pub source: Option<IpAddr>,
    /// How many there were.
    pub times: u64,
}

/// A route: the calls for one product of a business. It is paused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    /// The Refairn business.
    pub business: String,
    /// Why it is paused. `None` when it is open.
    pub detail: Option<String>,
    /// Since when it is paused. `None` when it is open.
    pub paused_since: Option<Timestamp>,
    /// When the next probe goes out. `None` when it is open.
    pub probe_at: Option<Timestamp>,
    /// The Refairn product.
    pub product: String,
    /// `open` or `paused`.
    pub state: String,
}
