//! Read-only answers for people: the API, the command line, gauges. Pages are bounded; nothing here counts a table.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde::Serialize;

use super::rows::{DELIVERY_COLUMNS, delivery, reason, time, time_option};
use super::{Store, StoreError};
use crate::domain::delivery::{Delivery, DeliveryId, DeliveryState, Kind};
use crate::domain::event::{EventId, EventState};
use crate::domain::reason::Reason;
use jiff::Timestamp;

/// Most items of one page.
pub const PAGE_ITEMS_MAX: u32 = 500;
/// Most deliveries shown with one event.
const DELIVERIES_OF_EVENT_MAX: u32 = 100;

/// Which events to list; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// In this state.
    pub state: Option<EventState>,
    /// Of this provider's type.
    pub event_type: Option<String>,
    /// To this endpoint.
    pub endpoint: Option<String>,
    /// At most so many; [`PAGE_ITEMS_MAX`] in any case.
    pub limit: u32,
    /// Older than this one: the `next` of the page before.
    pub after: Option<i64>,
}

/// Which deliveries to list; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Needing attention.
    pub attention: bool,
    /// To this address, in either case.
    pub email: Option<String>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// At most so many; [`PAGE_ITEMS_MAX`] in any case.
    pub limit: u32,
    /// Older than this one: the `next` of the page before.
    pub after: Option<i64>,
}

/// An event as people see it.
#[derive(Debug, Clone)]
pub struct EventView {
    /// Its number.
    pub id: EventId,
    /// The endpoint it came to.
    pub endpoint: String,
    /// Who sent it.
    pub provider: String,
    /// The provider's id.
    pub provider_event_id: Option<String>,
    /// The provider's type.
    pub event_type: String,
    /// Where it stands.
    pub state: EventState,
    /// Why.
    pub reason: Option<Reason>,
    /// What exactly.
    pub detail: Option<String>,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// An event with all that belongs to it.
#[derive(Debug, Clone)]
pub struct EventDetail {
    /// The event.
    pub event: EventView,
    /// The raw body, zstd-compressed, unless past its retention.
    pub body_zstd: Option<Vec<u8>>,
    /// What it reports, as JSON.
    pub fact: Option<String>,
    /// The calls made in its name, or about the payment it reports.
    pub deliveries: Vec<DeliveryView>,
}

/// A delivery with its business.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// The Refairn business.
    pub business: String,
    /// The delivery.
    pub delivery: Delivery,
}

/// One attempt as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptView {
    /// Counting from 1.
    pub n: i64,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: i64,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
    /// What it came to.
    pub outcome: String,
    /// The beginning of the answer's body.
    pub response: Option<String>,
}

/// A route as people see it.
#[derive(Debug, Clone, Serialize)]
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
    /// Deliveries that need attention, and events that could not be read.
    pub attention: i64,
    /// Since when the call that is due longest has been due.
    pub oldest_due: Option<Timestamp>,
    /// Every route that was ever used.
    pub routes: Vec<RouteView>,
}

const EVENT_COLUMNS: &str = "id, endpoint, provider, provider_event_id, type, state, reason, detail, received_at";

fn event(row: &Row<'_>) -> Result<EventView, StoreError> {
    let state: String = row.get("state")?;
    Ok(EventView {
        id: EventId(row.get("id")?),
        endpoint: row.get("endpoint")?,
        provider: row.get("provider")?,
        provider_event_id: row.get("provider_event_id")?,
        event_type: row.get("type")?,
        state: EventState::parse(&state).ok_or_else(|| super::rows::unknown("state", &state))?,
        reason: reason(row.get("reason")?)?,
        detail: row.get("detail")?,
        received_at: time(row.get("received_at")?)?,
    })
}

/// Conditions that are joined by AND, with their values.
#[derive(Default)]
struct Conditions {
    sql: Vec<&'static str>,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    fn and(mut self, sql: &'static str, value: Option<impl ToSql + 'static>) -> Self {
        if let Some(value) = value {
            self.sql.push(sql);
            self.values.push(Box::new(value));
        }
        self
    }

    /// `WHERE …`, or nothing.
    fn clause(&self) -> String {
        if self.sql.is_empty() { String::new() } else { format!("WHERE {}", self.sql.join(" AND ")) }
    }
}

impl Store {
    /// Events, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn events(&self, filter: EventFilter) -> Result<Vec<EventView>, StoreError> {
        self.read(move |db| {
            let conditions = Conditions::default()
                .and("state = ?", filter.state.map(EventState::code))
                .and("type = ?", filter.event_type)
                .and("endpoint = ?", filter.endpoint)
                .and("id < ?", filter.after);
            let limit = filter.limit.clamp(1, PAGE_ITEMS_MAX);
            let sql =
                format!("SELECT {EVENT_COLUMNS} FROM events {} ORDER BY id DESC LIMIT {limit}", conditions.clause());
            rows(db, &sql, &conditions.values, event)
        })
        .await
    }

    /// One event by our number.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn event(&self, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        self.read(move |db| detail(db, id)).await
    }

    /// Our number of the newest event with this provider's id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn event_by_provider_id(&self, provider_event_id: String) -> Result<Option<EventId>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT MAX(id) FROM events WHERE provider_event_id = ?1";
            let id: Option<i64> = db.prepare_cached(sql)?.query_row([provider_event_id], |row| row.get(0))?;
            Ok(id.map(EventId))
        })
        .await
    }

    /// Deliveries, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryView>, StoreError> {
        self.read(move |db| {
            let conditions = Conditions::default()
                .and("state = ?", filter.state.map(DeliveryState::code))
                .and("attention = ?", filter.attention.then_some(1))
                .and("email_key = ?", filter.email.map(|e| e.trim().to_lowercase()))
                .and("kind = ?", filter.kind.map(Kind::code))
                .and("id < ?", filter.after);
            let limit = filter.limit.clamp(1, PAGE_ITEMS_MAX);
            let clause = conditions.clause();
            let sql =
                format!("SELECT business, {DELIVERY_COLUMNS} FROM deliveries {clause} ORDER BY id DESC LIMIT {limit}");
            rows(db, &sql, &conditions.values, delivery_view)
        })
        .await
    }

    /// One delivery with every attempt.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<(DeliveryView, Vec<AttemptView>)>, StoreError> {
        self.read(move |db| {
            let sql = format!("SELECT business, {DELIVERY_COLUMNS} FROM deliveries WHERE id = ?1");
            let Some(view) = rows(db, &sql, &[Box::new(id.0)], delivery_view)?.pop() else { return Ok(None) };
            let sql =
                "SELECT n, at, took_ms, status, outcome, response FROM attempts WHERE delivery_id = ?1 ORDER BY n";
            let attempts = rows(db, sql, &[Box::new(id.0)], |row| {
                Ok(AttemptView {
                    n: row.get(0)?,
                    at: time(row.get(1)?)?,
                    took_ms: row.get(2)?,
                    status: row.get(3)?,
                    outcome: row.get(4)?,
                    response: row.get(5)?,
                })
            })?;
            Ok(Some((view, attempts)))
        })
        .await
    }

    /// The state of everything in a few numbers.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        self.read(stats).await
    }
}

fn rows<T>(
    db: &Connection,
    sql: &str,
    values: &[Box<dyn ToSql>],
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

fn delivery_view(row: &Row<'_>) -> Result<DeliveryView, StoreError> {
    Ok(DeliveryView { business: row.get("business")?, delivery: delivery(row)? })
}

fn detail(db: &Connection, id: EventId) -> Result<Option<EventDetail>, StoreError> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE id = ?1");
    let Some(event) = rows(db, &sql, &[Box::new(id.0)], event)?.pop() else { return Ok(None) };
    let body_zstd = db
        .prepare_cached("SELECT body FROM bodies WHERE event_id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    let fact: Option<(String, String)> = db
        .prepare_cached("SELECT scope, data FROM facts WHERE event_id = ?1")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // A payment that several events report has one call; each of them shows it.
    let about = fact.as_ref().map(|(scope, data)| payment_subject(scope, data)).transpose()?.flatten();
    let sql = format!(
        "SELECT business, {DELIVERY_COLUMNS} FROM deliveries WHERE event_id = ?1 \
         OR (business = (SELECT business FROM events WHERE id = ?1) AND subject_key = ?2) \
         ORDER BY id LIMIT {DELIVERIES_OF_EVENT_MAX}"
    );
    let deliveries = rows(db, &sql, &[Box::new(id.0), Box::new(about)], delivery_view)?;
    Ok(Some(EventDetail { event, body_zstd, fact: fact.map(|(_, data)| data), deliveries }))
}

fn payment_subject(scope: &str, data: &str) -> Result<Option<String>, StoreError> {
    use crate::domain::delivery::Subject;
    use crate::domain::fact::{Fact, Matter};
    let fact: Fact = serde_json::from_str(data)?;
    Ok(match fact.matter {
        Matter::Payment(p) => Some(Subject::Payment { scope: scope.to_owned(), identity: p.identity }.key("")),
        Matter::Customer(_) | Matter::Subscription(_) | Matter::Reversal(_) | Matter::Link => None,
    })
}

fn stats(db: &Connection) -> Result<Stats, StoreError> {
    let counts = rows(db, "SELECT what, state, n FROM counts ORDER BY what, state", &[], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    let of = |what: &str| {
        counts.iter().filter(|(w, ..)| w == what).map(|(_, state, n)| (state.clone(), *n)).collect::<Vec<_>>()
    };
    let oldest: Option<i64> =
        db.prepare_cached("SELECT MIN(due_at) FROM queue WHERE leased = 0")?.query_row(params![], |row| row.get(0))?;
    let routes = rows(db, "SELECT business, product, paused_since, probe_at, detail FROM routes", &[], |row| {
        let paused_since = time_option(row.get(2)?)?;
        Ok(RouteView {
            business: row.get(0)?,
            product: row.get(1)?,
            state: if paused_since.is_some() { "paused" } else { "open" },
            paused_since,
            probe_at: time_option(row.get(3)?)?,
            detail: row.get(4)?,
        })
    })?;
    let unread = counts.iter().filter(|(what, state, _)| what == "events" && state == EventState::Unmappable.code());
    Ok(Stats {
        attention: of("attention").iter().map(|(_, n)| n).sum::<i64>() + unread.map(|(_, _, n)| n).sum::<i64>(),
        events: of("events"),
        deliveries: of("deliveries"),
        oldest_due: time_option(oldest)?,
        routes,
    })
}
