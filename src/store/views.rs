//! Read-only answers for people: the API, the command line, gauges. Pages are bounded; nothing here counts a table.

use serde::Serialize;

use super::rows::{DELIVERY_COLUMNS, delivery, reason, time, time_option};
use super::sql::{Row, Value, values};
use super::{Store, StoreError};
use crate::domain::delivery::{Delivery, DeliveryId, DeliveryState, Kind};
use crate::domain::email::Email;
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
    /// When the event that waits longest to be read arrived.
    pub oldest_unread: Option<Timestamp>,
    /// Every route that was ever used.
    pub routes: Vec<RouteView>,
}

const EVENT_COLUMNS: &str = "id, endpoint, provider, provider_event_id, type, state, reason, detail, received_at";

fn event(row: &mut Row) -> Result<EventView, StoreError> {
    let (id, endpoint, provider) = (EventId(row.int()?), row.text()?, row.text()?);
    let (provider_event_id, event_type, state) = (row.text_option()?, row.text()?, row.text()?);
    Ok(EventView {
        id,
        endpoint,
        provider,
        provider_event_id,
        event_type,
        state: EventState::parse(&state).ok_or_else(|| super::rows::unknown("state", &state))?,
        reason: reason(row.text_option()?)?,
        detail: row.text_option()?,
        received_at: time(row.int()?)?,
    })
}

/// Conditions that are joined by AND, with their values.
#[derive(Default)]
struct Conditions {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    /// `sql` ends before its parameter; nothing is asked when there is no value.
    fn and<T>(mut self, sql: &str, value: Option<T>) -> Self
    where
        Value: From<T>,
    {
        if let Some(value) = value {
            self.values.push(Value::from(value));
            self.sql.push(format!("{sql} ?{}", self.values.len()));
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
        let conditions = Conditions::default()
            .and("state =", filter.state.map(EventState::code))
            .and("type =", filter.event_type)
            .and("endpoint =", filter.endpoint)
            .and("id <", filter.after);
        let (clause, limit) = (conditions.clause(), filter.limit.clamp(1, PAGE_ITEMS_MAX));
        let sql = format!("SELECT {EVENT_COLUMNS} FROM events {clause} ORDER BY id DESC LIMIT {limit}");
        self.rows(sql, conditions.values, event).await
    }

    /// One event by our number.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn event(&self, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE id = ?1");
        let Some(event) = self.rows(sql, values![id.0], event).await?.pop() else { return Ok(None) };
        let sql = "SELECT body FROM bodies WHERE event_id = ?1".to_owned();
        let body_zstd = self.rows(sql, values![id.0], Row::bytes_option).await?.pop().flatten();
        let sql = "SELECT scope, data FROM facts WHERE event_id = ?1".to_owned();
        let fact = self.rows(sql, values![id.0], |row| Ok((row.text()?, row.text()?))).await?.pop();
        // A payment that several events report has one call; each of them shows it.
        let about = fact.as_ref().map(|(scope, data)| payment_subject(scope, data)).transpose()?.flatten();
        let sql = format!(
            "SELECT business, {DELIVERY_COLUMNS} FROM deliveries WHERE event_id = ?1 \
             OR (business = (SELECT business FROM events WHERE id = ?1) AND subject_key = ?2) \
             ORDER BY id LIMIT {DELIVERIES_OF_EVENT_MAX}"
        );
        let deliveries = self.rows(sql, values![id.0, about], delivery_view).await?;
        Ok(Some(EventDetail { event, body_zstd, fact: fact.map(|(_, data)| data), deliveries }))
    }

    /// Our number of the newest event with this provider's id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn event_by_provider_id(&self, provider_event_id: String) -> Result<Option<EventId>, StoreError> {
        let sql = "SELECT MAX(id) FROM events WHERE provider_event_id = ?1".to_owned();
        let id = self.rows(sql, values![provider_event_id], Row::int_option).await?.pop().flatten();
        Ok(id.map(EventId))
    }

    /// Deliveries, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryView>, StoreError> {
        let conditions = Conditions::default()
            .and("state =", filter.state.map(DeliveryState::code))
            .and("attention =", filter.attention.then_some(true))
            .and("email_key =", filter.email.map(|text| Email::parse(&text).map_or(text, |email| email.key())))
            .and("kind =", filter.kind.map(Kind::code))
            .and("id <", filter.after);
        let (clause, limit) = (conditions.clause(), filter.limit.clamp(1, PAGE_ITEMS_MAX));
        let sql =
            format!("SELECT business, {DELIVERY_COLUMNS} FROM deliveries {clause} ORDER BY id DESC LIMIT {limit}");
        self.rows(sql, conditions.values, delivery_view).await
    }

    /// One delivery with every attempt.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<(DeliveryView, Vec<AttemptView>)>, StoreError> {
        let sql = format!("SELECT business, {DELIVERY_COLUMNS} FROM deliveries WHERE id = ?1");
        let Some(view) = self.rows(sql, values![id.0], delivery_view).await?.pop() else { return Ok(None) };
        let sql = "SELECT n, at, took_ms, status, outcome, response FROM attempts WHERE delivery_id = ?1 ORDER BY n";
        Ok(Some((view, self.rows(sql.to_owned(), values![id.0], attempt).await?)))
    }

    /// The event whose turn it is to be read.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn first_unread(&self) -> Result<Option<EventId>, StoreError> {
        let sql = "SELECT id FROM events WHERE state = 'received' ORDER BY id LIMIT 1".to_owned();
        Ok(self.rows(sql, values![], Row::int).await?.pop().map(EventId))
    }

    /// The state of everything in a few numbers.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        // One statement sees one moment: all numbers of an answer fit together.
        let sql = "SELECT 'count' AS part, what, state, n, CAST(NULL AS BIGINT) AS probe_at, CAST(NULL AS TEXT) AS detail \
             FROM counts UNION ALL \
             SELECT 'oldest', '', '', MIN(due_at), (SELECT received_at FROM events WHERE state = 'received' \
             ORDER BY id LIMIT 1), NULL FROM queue WHERE leased = 0 UNION ALL \
             SELECT 'route', business, product, paused_since, probe_at, detail FROM routes ORDER BY 1, 2, 3";
        let (mut counts, mut oldest, mut routes) = (Vec::new(), (None, None), Vec::new());
        for mut row in self.query(sql.to_owned(), values![]).await? {
            match row.text()?.as_str() {
                "count" => counts.push((row.text()?, row.text()?, row.int()?)),
                "oldest" => {
                    let _no_names = (row.text()?, row.text()?);
                    oldest = (row.int_option()?, row.int_option()?);
                }
                _ => routes.push(route(&mut row)?),
            }
        }
        let of = |what: &str| {
            counts.iter().filter(|(w, ..)| w == what).map(|(_, state, n)| (state.clone(), *n)).collect::<Vec<_>>()
        };
        let unread =
            counts.iter().filter(|(what, state, _)| what == "events" && state == EventState::Unmappable.code());
        Ok(Stats {
            attention: of("attention").iter().map(|(_, n)| n).sum::<i64>() + unread.map(|(_, _, n)| n).sum::<i64>(),
            events: of("events"),
            deliveries: of("deliveries"),
            oldest_due: time_option(oldest.0)?,
            oldest_unread: time_option(oldest.1)?,
            routes,
        })
    }

    async fn rows<T>(
        &self,
        sql: String,
        values: Vec<Value>,
        read: impl Fn(&mut Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.query(sql, values).await?.into_iter().map(|mut row| read(&mut row)).collect()
    }
}

fn delivery_view(row: &mut Row) -> Result<DeliveryView, StoreError> {
    Ok(DeliveryView { business: row.text()?, delivery: delivery(row)? })
}

fn attempt(row: &mut Row) -> Result<AttemptView, StoreError> {
    let out_of_range = |_| StoreError::Data("an HTTP status is out of range".to_owned());
    Ok(AttemptView {
        n: row.int()?,
        at: time(row.int()?)?,
        took_ms: row.int()?,
        status: row.int_option()?.map(u16::try_from).transpose().map_err(out_of_range)?,
        outcome: row.text()?,
        response: row.text_option()?,
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

fn payment_subject(scope: &str, data: &str) -> Result<Option<String>, StoreError> {
    use crate::domain::delivery::Subject;
    use crate::domain::fact::{Fact, Matter};
    let fact: Fact = serde_json::from_str(data)?;
    Ok(match fact.matter {
        Matter::Payment(p) => Some(Subject::Payment { scope: scope.to_owned(), identity: p.identity }.key("")),
        Matter::Customer(_) | Matter::Subscription(_) | Matter::Reversal(_) | Matter::Link(_) => None,
    })
}
