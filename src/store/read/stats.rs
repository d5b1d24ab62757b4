//! The state of everything in a few numbers, for the API and the gauges: nothing here counts a table. What tests come to is
//! read from the sums of each day.

use std::collections::BTreeMap;
use std::str::FromStr;

use futures_util::future::try_join_all;
use jiff::Timestamp;

use crate::domain::backfill::{BackfillId, BackfillState, Purpose};
use crate::domain::delivery::{DeliveryState, Fate};
use crate::domain::event::EventId;
use crate::domain::mode::Mode;
use crate::domain::reason::{DeliveryReason, EventReason, Reason};
use crate::domain::reconciliation::{Comparison, Summary};
use crate::store::codes::RECEIVED;
use crate::store::read::conditions::{Conditions, newest_along};
use crate::store::read::queries::{DeliveryView, PAGE_ITEMS_MAX, delivery_view_columns};
use crate::store::rows::{time, time_option, unknown};
use crate::store::sql::{Row, values};
use crate::store::sums::{self, Alike, Unit};
use crate::store::{Store, StoreError};

/// A route as people see it.
#[derive(Debug, Clone)]
pub struct RouteView {
    /// Refairn's business.
    pub business: String,
    /// Refairn's product.
    pub product: String,
    /// `open` or `paused`.
    pub state: &'static str,
    /// Since when it is paused.
    pub paused_since: Option<Timestamp>,
    /// When the next probe goes out.
    pub probe_at: Option<Timestamp>,
    /// Why it is paused.
    pub detail: Option<String>,
}

/// The state of everything in a few numbers.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Events by state.
    pub events: Vec<(String, i64)>,
    /// Deliveries by state.
    pub deliveries: Vec<(String, i64)>,
    /// Payments of real money that Refairn has, by what became of them.
    pub fates: Vec<(Fate, i64)>,
    /// Tests that Refairn has, by what became of them.
    pub test_fates: Vec<(Fate, i64)>,
    /// Calls that need attention, by reason.
    pub calls_to_see: Vec<(DeliveryReason, i64)>,
    /// Events that need attention, by endpoint and reason: they could not be read, or have waited too long.
    pub events_to_see: Vec<(String, EventReason, i64)>,
    /// Since when the call that is due longest has been due.
    pub oldest_due: Option<Timestamp>,
    /// When the event that waits longest to be read arrived.
    pub oldest_unread: Option<Timestamp>,
    /// Every route that was ever used.
    pub routes: Vec<RouteView>,
    /// Whether any event had a referral code, but for those that a backfill fetched.
    pub code_came: bool,
    /// The last comparison with each endpoint's provider.
    pub compared: Vec<LastComparison>,
    /// Backfills and comparisons that are not over.
    pub under_way: Vec<UnderWay>,
}

/// A backfill, or a comparison, that is not over.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// The number that it got when it was begun.
    pub id: BackfillId,
    /// What it is for.
    pub purpose: Purpose,
    /// The endpoint whose provider is asked.
    pub endpoint: String,
    /// How far it is.
    pub state: BackfillState,
    /// Rows that are listed so far, or recorded so far.
    pub rows: i64,
    /// Why it waits.
    pub note: Option<String>,
}

/// What the last comparison with an endpoint's provider came to.
#[derive(Debug, Clone)]
pub struct LastComparison {
    /// The endpoint.
    pub endpoint: String,
    /// How many payments a person has to look at.
    pub to_see: i64,
    /// Of these, those that do not need a person as calls already.
    pub differences: i64,
    /// When all were compared.
    pub at: Timestamp,
}

impl Stats {
    /// What needs attention, by reason.
    #[must_use]
    pub fn attention(&self) -> BTreeMap<Reason, i64> {
        let calls = self.calls_to_see.iter().map(|(reason, n)| (reason.reason(), *n));
        let events = self.events_to_see.iter().map(|(_, reason, n)| (reason.reason(), *n));
        let mut attention = BTreeMap::new();
        for (reason, n) in calls.chain(events) {
            *attention.entry(reason).or_default() += n;
        }
        attention
    }
}

/// Calls that are counted one by one; of more it is only known that they are more.
pub const COUNTED_MAX: i64 = 10_000;

/// What of one mode is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Open {
    /// Calls on their way, [`COUNTED_MAX`] at most.
    pub calls: i64,
    /// When the first of them is due.
    pub first_due: Option<Timestamp>,
}

/// When a webhook came last to an endpoint in one mode.
#[derive(Debug, Clone)]
pub struct LastWebhook {
    /// The endpoint.
    pub endpoint: String,
    /// Real money or a test.
    pub mode: Mode,
    /// When it came; `None` when none ever did.
    pub at: Option<Timestamp>,
}

impl Store {
    /// When a webhook came last to each of these endpoints, in each mode.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn last_webhooks(&self, endpoints: impl Iterator<Item = &str>) -> Result<Vec<LastWebhook>, StoreError> {
        let pairs = endpoints.flat_map(|endpoint| [Mode::Live, Mode::Test].map(|mode| (endpoint.to_owned(), mode)));
        try_join_all(pairs.map(async |(endpoint, mode)| {
            let of = Conditions::default().and("endpoint =", Some(endpoint.as_str())).along("mode", mode.code(), None);
            let (clause, order) = (of.clause(), newest_along("mode"));
            let sql = format!("SELECT received_at FROM events {clause} ORDER BY {order} LIMIT 1");
            let at = self.rows(sql, of.values, Row::int).await?.pop();
            Ok(LastWebhook { endpoint, mode, at: time_option(at)? })
        }))
        .await
    }

    /// Whether nothing had come to an endpoint in a mode before this event.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn is_first_webhook(&self, endpoint: &str, mode: Mode, event: EventId) -> Result<bool, StoreError> {
        let of = Conditions::default().and("endpoint =", Some(endpoint)).along("mode", mode.code(), None);
        let sql = format!("SELECT id FROM events {} ORDER BY mode, id LIMIT 1", of.clause());
        // The sender waits for it. So it is asked of what is stored by now, which may not have this event yet.
        let first = self.backend.query_as_it_is(sql, of.values).await?.pop();
        Ok(first.map(|mut row| row.int()).transpose()?.is_none_or(|first| first >= event.0))
    }

    /// What of one mode is on its way.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn open_of(&self, mode: Mode) -> Result<Open, StoreError> {
        let [queued, sending] = [DeliveryState::Queued, DeliveryState::Sending].map(DeliveryState::code);
        let sql = format!(
            "SELECT COUNT(*), MIN(due_at) FROM (SELECT due_at FROM deliveries \
             WHERE state IN ('{queued}', '{sending}') AND mode || '' = '{}' LIMIT {COUNTED_MAX}) c",
            mode.code()
        );
        let read = |row: &mut Row| Ok(Open { calls: row.int()?, first_due: time_option(row.int_option()?)? });
        Ok(self.rows(sql, values![], read).await?.pop().unwrap_or_default())
    }

    /// Calls on their way, of a mode and perhaps of one business, those first that are due first. Of more than
    /// [`COUNTED_MAX`] not all are looked at.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn calls_on_their_way(
        &self,
        business: Option<&str>,
        mode: Mode,
        limit: u32,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let [queued, sending] = [DeliveryState::Queued, DeliveryState::Sending].map(DeliveryState::code);
        let of = Conditions::default()
            .and_always(&format!("state IN ('{queued}', '{sending}') AND mode || '' = '{}'", mode.code()))
            .and("business || '' =", business);
        let (columns, limit) = (delivery_view_columns(), limit.clamp(1, PAGE_ITEMS_MAX));
        let sql = format!(
            "SELECT {columns} FROM deliveries WHERE id IN (SELECT id FROM (SELECT id, due_at FROM deliveries {} \
             LIMIT {COUNTED_MAX}) c ORDER BY due_at, id LIMIT {limit})",
            of.clause()
        );
        let mut calls = self.deliveries_seen(sql, of.values).await?;
        calls.sort_by_key(|view| (view.delivery.due_at, view.delivery.id));
        Ok(calls)
    }

    /// How many events and calls of a business need a person.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn needs_of(&self, business: &str) -> Result<i64, StoreError> {
        let sql = "SELECT (SELECT COUNT(*) FROM deliveries WHERE attention = 1 AND business || '' = ?1) \
             + (SELECT COUNT(*) FROM events WHERE attention = 1 AND business || '' = ?1)";
        let found = self.rows(sql.to_owned(), values![business], Row::int).await?.pop();
        Ok(found.unwrap_or(0))
    }

    /// The state of everything in a few numbers.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        // One statement sees one moment: all numbers of an answer fit together.
        let sql = format!(
            "SELECT 'count' AS part, what, state, n, CAST(NULL AS BIGINT) AS probe_at, CAST(NULL AS TEXT) AS detail \
             FROM counts WHERE what < 'paid ' UNION ALL \
             SELECT 'oldest', '', '', MIN(due_at), (SELECT received_at FROM events WHERE state = '{RECEIVED}' \
             ORDER BY id LIMIT 1), NULL FROM queue WHERE leased = 0 UNION ALL \
             SELECT 'compared', endpoint, '', to_see, compared_at, summary FROM reconciliations WHERE backfill IN \
             (SELECT MAX(backfill) FROM reconciliations GROUP BY endpoint) UNION ALL \
             SELECT 'work', endpoint, purpose || ' ' || state, CASE WHEN state = '{}' THEN recorded ELSE found END, id, note \
             FROM backfills WHERE state IN ({}) UNION ALL \
             SELECT 'test', state, '', n, NULL, NULL FROM counts WHERE what = '{}' AND state LIKE '{}' UNION ALL \
             SELECT 'route', business, product, paused_since, probe_at, detail FROM routes ORDER BY 1, 2, 3",
            BackfillState::Recording.code(),
            not_over(),
            Unit::Day.kinds()[0].0,
            sums::keys_of(Mode::Test),
        );
        let (mut counts, mut oldest, mut routes, mut compared) = (Vec::new(), (None, None), Vec::new(), Vec::new());
        let (mut under_way, mut tests) = (Vec::new(), BTreeMap::<Fate, i64>::new());
        for mut row in self.query(sql, values![]).await? {
            match row.text()?.as_str() {
                "count" => counts.push((row.text()?, row.text()?, row.int()?)),
                "oldest" => {
                    let _no_names = (row.text()?, row.text()?);
                    oldest = (row.int_option()?, row.int_option()?);
                }
                "compared" => compared.push(last_comparison(&mut row)?),
                "test" => {
                    if let Some((fate, n)) = tests_of_a_day(&mut row)? {
                        *tests.entry(fate).or_default() += n;
                    }
                }
                "work" => under_way.push(work(&mut row)?),
                _ => routes.push(route(&mut row)?),
            }
        }
        let of = |what: &str| {
            counts.iter().filter(|(w, ..)| w == what).map(|(_, state, n)| (state.clone(), *n)).collect::<Vec<_>>()
        };
        let all = |fate: Fate| counts.iter().find(|(what, code, _)| what == "fates" && code == fate.code());
        let all = |fate| all(fate).map_or(0, |(.., n)| *n);
        let test = |fate| tests.get(&fate).copied().unwrap_or(0);
        let mut events = of("events");
        if !events.is_empty() && events.iter().all(|(state, _)| state != RECEIVED) {
            // All were read in the commits that they came with.
            events.push((RECEIVED.to_owned(), 0));
        }
        Ok(Stats {
            fates: Fate::ALL.iter().map(|fate| (*fate, all(*fate) - test(*fate))).collect(),
            test_fates: Fate::ALL.iter().map(|fate| (*fate, test(*fate))).collect(),
            calls_to_see: to_see(&counts, "attention").map(|(_, reason, n)| (reason, n)).collect(),
            events_to_see: to_see(&counts, "attention ").collect(),
            events,
            deliveries: of("deliveries"),
            oldest_due: time_option(oldest.0)?,
            oldest_unread: time_option(oldest.1)?,
            routes,
            code_came: self.code_came().await?,
            compared,
            under_way,
        })
    }
}

/// The states of what is not over, as SQL has them.
fn not_over() -> String {
    let states = BackfillState::ALL.iter().filter(|state| !state.is_over());
    states.map(|state| format!("'{}'", state.code())).collect::<Vec<_>>().join(", ")
}

/// How many tests of one day became what, of those that Refairn has.
fn tests_of_a_day(row: &mut Row) -> Result<Option<(Fate, i64)>, StoreError> {
    let (key, _no_name, n) = (row.text()?, row.text()?, row.int()?);
    let (_, alike) = Alike::read(&key).ok_or_else(|| unknown("sum", &key))?;
    Ok(alike.fate.map(|fate| (fate, n)))
}

fn last_comparison(row: &mut Row) -> Result<LastComparison, StoreError> {
    let (endpoint, _no_name, to_see, at) = (row.text()?, row.text()?, row.int()?, time(row.int()?)?);
    let summary: Summary = serde_json::from_str(&row.text()?)?;
    let held = i64::try_from(summary.count(Comparison::Held)).unwrap_or(to_see);
    Ok(LastComparison { endpoint, to_see, differences: to_see - held, at })
}

fn work(row: &mut Row) -> Result<UnderWay, StoreError> {
    let (endpoint, what) = (row.text()?, row.text()?);
    let read = |text: &str| {
        let (purpose, state) = text.split_once(' ')?;
        Some((Purpose::parse(purpose)?, BackfillState::parse(state)?))
    };
    let (purpose, state) = read(&what).ok_or_else(|| unknown("backfill", &what))?;
    let (rows, id, note) = (row.int()?, BackfillId(row.int()?), row.text_option()?);
    Ok(UnderWay { id, purpose, endpoint, state, rows, note })
}

/// Counts of the kind `what`, or of each kind that is `what` and an endpoint's name: the name, the reason and how many,
/// without those that are back at nothing.
fn to_see<R: FromStr>(counts: &[(String, String, i64)], what: &'static str) -> impl Iterator<Item = (String, R, i64)> {
    counts.iter().filter(|(.., n)| *n != 0).filter_map(move |(kind, reason, n)| {
        let endpoint = kind.strip_prefix(what).filter(|rest| rest.is_empty() != what.ends_with(' '))?;
        Some((endpoint.to_owned(), reason.parse().ok()?, *n))
    })
}

fn route(row: &mut Row) -> Result<RouteView, StoreError> {
    let (business, product, paused_since) = (row.text()?, row.text()?, time_option(row.int_option()?)?);
    Ok(RouteView {
        business,
        product,
        state: if paused_since.is_some() { "paused" } else { "open" },
        paused_since,
        probe_at: time_option(row.int_option()?)?,
        detail: row.text_option()?,
    })
}
