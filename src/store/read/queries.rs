//! What came in and what goes out, for people: the API and the command line. Pages are bounded.

use crate::domain::delivery::{Call, DELIVERED, Delivery, DeliveryId, DeliveryKey, DeliveryState, Fate, Kind, Receipt};
use crate::domain::email::Email;
use crate::domain::event::{EventId, EventState, Origin};
use crate::domain::fact::FactKind;
use crate::domain::mode::Mode;
use crate::domain::reason::EventReason;
use crate::store::codes::{CANCELLED, NEEDS_ATTENTION, RECEIVED, delivery_is, is_payment};
use crate::store::read::conditions::{Conditions, newest_along};
use crate::store::read::walks::Page;
use crate::store::rows::{DELIVERY_COLUMNS, delivery, mode, origin, reason, time};
use crate::store::sql::{Row, Value, values};
use crate::store::written::{read_call, read_fact, whole_fact};
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use jiff::civil::Date;

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
    /// Needing attention.
    pub attention: bool,
    /// That we came by in this way.
    pub origin: Option<Origin>,
    /// Of this business.
    pub business: Option<String>,
    /// Real money or tests; what does not say it counts as real.
    pub mode: Option<Mode>,
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
    /// Of payments that Refairn has: what became of them.
    pub fate: Option<Fate>,
    /// Of this business.
    pub business: Option<String>,
    /// Real money or tests.
    pub mode: Option<Mode>,
    /// At most so many; [`PAGE_ITEMS_MAX`] in any case.
    pub limit: u32,
    /// Older than this one: the `next` of the page before.
    pub after: Option<i64>,
}

/// An event as people see it.
#[derive(Debug, Clone)]
pub struct EventView {
    /// The number of the event.
    pub id: EventId,
    /// The business of that endpoint.
    pub business: String,
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
    /// Why the event is in this state; `None` of one that needs no reason.
    pub reason: Option<EventReason>,
    /// What exactly.
    pub detail: Option<String>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Someone should look at it: it could not be read, or has waited too long.
    pub attention: bool,
    /// Real money or a test, where its envelope says it.
    pub mode: Option<Mode>,
    /// How we came by it.
    pub origin: Origin,
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
    /// The endpoint of the event that led to it; empty when that is not known.
    pub endpoint: String,
    /// The referral code with which the customer was reported, or will be.
    pub code: Option<String>,
    /// The customer's name, where it was looked for and is known.
    pub name: Option<String>,
    /// Of a payment that credited nobody: the customer's events that might have brought a code.
    pub searched: Vec<Searched>,
    /// Of a payment that is held for its day: the call that has it, and what that tells.
    pub day_holder: Option<(DeliveryId, String)>,
    /// Of a payment that is not dated on the day on which it was paid: that day.
    pub moved_from: Option<Date>,
}

impl DeliveryView {
    /// A call that is planned and not stored: what is known of the customer beside it is not looked for.
    #[must_use]
    pub fn planned(business: String, delivery: Delivery) -> Self {
        let (code, name, searched, day_holder, moved_from) = (None, None, Vec::new(), None, None);
        Self { business, delivery, endpoint: String::new(), code, name, searched, day_holder, moved_from }
    }

    /// Whether it tells a payment, and no customer or status.
    #[must_use]
    pub fn is_payment(&self) -> bool {
        matches!(self.delivery.subject, DeliveryKey::Payment { .. })
    }
}

/// An event in which a referral code was looked for.
#[derive(Debug, Clone)]
pub struct Searched {
    /// The number of the event.
    pub event: EventId,
    /// The endpoint it came to.
    pub endpoint: String,
    /// The provider's type.
    pub event_type: String,
    /// The code that it brought.
    pub code: Option<String>,
    /// Why a code that it held is not used.
    pub refused: Option<String>,
}

/// One attempt as people see it.
#[derive(Debug, Clone)]
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

pub(super) const EVENT_COLUMNS: &str = "id, business, endpoint, provider, provider_event_id, type, state, reason, detail, received_at, attention, mode, origin";

pub(super) fn event(row: &mut Row) -> Result<EventView, StoreError> {
    let (id, business, endpoint, provider) = (EventId(row.int()?), row.text()?, row.text()?, row.text()?);
    let (provider_event_id, event_type, state) = (row.text_option()?, row.text()?, row.text()?);
    Ok(EventView {
        id,
        business,
        endpoint,
        provider,
        provider_event_id,
        event_type,
        state: EventState::parse(&state).ok_or_else(|| crate::store::rows::unknown("state", &state))?,
        reason: reason(row.text_option()?)?,
        detail: row.text_option()?,
        received_at: time(row.int()?)?,
        attention: row.flag()?,
        mode: row.text_option()?.map(|code| mode(&code)).transpose()?,
        origin: origin(&row.text()?)?,
    })
}

/// Of a row `deliveries`: its endpoint, the call by which its customer is reported, if it stands, what the event reports
/// that led to it, of a payment; and its own columns.
pub(super) fn delivery_view_columns() -> String {
    let endpoint = "(SELECT e.endpoint FROM events e WHERE e.id = deliveries.event_id)";
    let fact = format!("(SELECT f.data FROM facts f WHERE f.event_id = deliveries.event_id AND {})", is_payment(""));
    delivery_columns(endpoint, &fact)
}

/// The same without what its event says. To read that of each row of a long list is most of what the list costs.
pub(super) fn delivery_line_columns() -> String {
    delivery_columns("NULL", "NULL")
}

fn delivery_columns(endpoint: &str, fact: &str) -> String {
    let lead = DeliveryKey::LEAD;
    format!(
        "business, {endpoint} AS endpoint, \
     (SELECT l.call FROM deliveries l WHERE l.business = deliveries.business \
     AND l.subject_key = '{lead} ' || deliveries.mode || ' ' || deliveries.email_key AND l.state <> '{CANCELLED}') AS lead, \
     {fact} AS fact, {DELIVERY_COLUMNS}"
    )
}

impl Store {
    /// One event by our number.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn event(&self, id: EventId) -> Result<Option<EventDetail>, StoreError> {
        let sql = format!("SELECT {EVENT_COLUMNS} FROM events WHERE id = ?1");
        let Some(event) = self.rows(sql, values![id.0], event).await?.pop() else { return Ok(None) };
        let body_zstd = self.body(id).await?;
        let sql = "SELECT scope, data FROM facts WHERE event_id = ?1".to_owned();
        let fact = self.rows(sql, values![id.0], |row| Ok((row.text()?, row.text()?))).await?.pop();
        // A payment that several events report has one call; each of them shows it.
        let about = fact.as_ref().map(|(scope, data)| payment_subject(scope, data)).transpose()?.flatten();
        let columns = delivery_view_columns();
        // Each of the two has an index.
        let either = "SELECT id FROM deliveries WHERE event_id = ?1 UNION SELECT id FROM deliveries \
             WHERE business = (SELECT business FROM events WHERE id = ?1) AND subject_key = ?2";
        let sql = format!(
            "SELECT {columns} FROM deliveries WHERE {} ORDER BY id + 0 LIMIT {DELIVERIES_OF_EVENT_MAX}",
            self.dialect().is_among("id", either)
        );
        let deliveries = self.deliveries_seen(sql, values![id.0, about]).await?;
        let fact = fact.map(|(_, data)| whole_fact(&data)).transpose()?;
        Ok(Some(EventDetail { event, body_zstd, fact, deliveries }))
    }

    /// Our number of the newest event with this provider's id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn event_by_provider_id(&self, provider_event_id: String) -> Result<Option<EventId>, StoreError> {
        let sql = "SELECT MAX(id + 0) FROM events WHERE provider_event_id = ?1".to_owned();
        let id = self.rows(sql, values![provider_event_id], Row::int_option).await?.pop().flatten();
        Ok(id.map(EventId))
    }

    /// Deliveries, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryView>, StoreError> {
        Ok(self.page_of_deliveries(filter).await?.items)
    }

    /// The same, with where the next page begins.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn page_of_deliveries(&self, filter: DeliveryFilter) -> Result<Page<DeliveryView>, StoreError> {
        let limit = filter.limit.clamp(1, PAGE_ITEMS_MAX);
        // An index leads to the few that need attention, have another state or one address, and to no kind.
        let are_many = matches!(filter.state, None | Some(DeliveryState::Delivered));
        let down_to = match filter.kind {
            Some(_) if are_many && !filter.attention && filter.email.is_none() => {
                Some(self.down_to("deliveries", filter.after).await?)
            }
            _ => None,
        };
        let found = self.deliveries_down_to(filter, limit, down_to).await?;
        Ok(Page::of(found, limit, down_to, |view| Some(view.delivery.id?.0)))
    }

    async fn deliveries_down_to(
        &self,
        filter: DeliveryFilter,
        limit: u32,
        down_to: Option<i64>,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let is_by_email = filter.email.is_some();
        let conditions = Conditions::default()
            .and_if(filter.state.map(delivery_is))
            .and_if(filter.attention.then(|| NEEDS_ATTENTION.to_owned()))
            .and("email_key =", filter.email.map(|text| Email::parse(&text).map_or(text, |email| email.key())))
            .and("kind =", filter.kind.map(Kind::code))
            // A column in an expression leads nowhere: the newest are near by their numbers.
            .and("business || '' =", filter.business)
            .and("mode || '' =", filter.mode.map(Mode::code));
        let (conditions, order) = match filter.fate {
            // A customer's few calls are sorted.
            fate if is_by_email => {
                (conditions.and("fate =", fate.map(Fate::code)).and("id <", filter.after), "id + 0 DESC".to_owned())
            }
            Some(fate) => (conditions.along_down_to("fate", fate.code(), filter.after, down_to), newest_along("fate")),
            None => (conditions.and("id <", filter.after).and("id >=", down_to), "id DESC".to_owned()),
        };
        let (clause, columns) = (conditions.clause(), delivery_view_columns());
        let sql = format!("SELECT {columns} FROM deliveries {clause} ORDER BY {order} LIMIT {limit}");
        self.deliveries_seen(sql, conditions.values).await
    }

    /// One delivery with every attempt.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<(DeliveryView, Vec<AttemptView>)>, StoreError> {
        let sql = format!("SELECT {} FROM deliveries WHERE id = ?1", delivery_view_columns());
        let Some(view) = self.deliveries_seen(sql, values![id.0]).await?.pop() else { return Ok(None) };
        Ok(Some((view, self.attempts(id.0).await?)))
    }

    /// The event that is read next.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn first_unread(&self) -> Result<Option<EventId>, StoreError> {
        let sql = format!("SELECT id FROM events WHERE state = '{RECEIVED}' ORDER BY id LIMIT 1");
        Ok(self.rows(sql, values![], Row::int).await?.pop().map(EventId))
    }

    pub(in crate::store) async fn rows<T>(
        &self,
        sql: String,
        values: Vec<Value>,
        read: impl Fn(&mut Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.query(sql, values).await?.into_iter().map(|mut row| read(&mut row)).collect()
    }
}

pub(super) fn delivery_view(row: &mut Row) -> Result<DeliveryView, StoreError> {
    let (business, endpoint, lead, fact) = (row.text()?, row.text_option()?, row.text_option()?, row.text_option()?);
    let code = match lead.map(|lead| read_call(Kind::CustomerCreated.code(), &lead)).transpose()? {
        Some(Call::CustomerCreated { code, .. }) => code,
        Some(Call::PaymentSucceeded { .. }) | None => None,
    };
    let endpoint = endpoint.unwrap_or_default();
    let delivery = delivery(row)?;
    let moved_from = match fact.map(|data| read_fact(&data)).transpose()?.map(|fact| fact.matter) {
        Some(FactKind::Payment(payment)) => Some(payment.day).filter(|day| delivery.call.day() != Some(*day)),
        Some(FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_)) | None => {
            None
        }
    };
    let (name, searched, day_holder) = (None, Vec::new(), None);
    Ok(DeliveryView { business, endpoint, code, name, searched, day_holder, moved_from, delivery })
}

pub(super) fn attempt(row: &mut Row) -> Result<AttemptView, StoreError> {
    let out_of_range = |_| StoreError::Data("an HTTP status is out of range".to_owned());
    let mut attempt = AttemptView {
        n: row.int()?,
        at: time(row.int()?)?,
        took_ms: row.int()?,
        status: row.int_option()?.map(u16::try_from).transpose().map_err(out_of_range)?,
        outcome: row.text()?,
        response: row.text_option()?,
    };
    let receipt = row.text_option()?;
    if attempt.response.is_none() && attempt.outcome == DELIVERED {
        // Of an answer that the receipt tells byte for byte, only the receipt is kept.
        let receipt: Option<Receipt> = receipt.map(|receipt| serde_json::from_str(&receipt)).transpose()?;
        attempt.response = receipt.and_then(|receipt| receipt.answer());
    }
    Ok(attempt)
}

pub(super) fn payment_subject(scope: &str, data: &str) -> Result<Option<String>, StoreError> {
    use crate::domain::delivery::DeliveryKey;
    Ok(match read_fact(data)?.matter {
        FactKind::Payment(p) => Some(DeliveryKey::Payment { scope: scope.to_owned(), identity: p.identity }.key("")),
        FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => None,
    })
}
