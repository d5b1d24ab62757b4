//! All that is stored of a customer.

use jiff::Timestamp;

use crate::domain::customer::CustomerKey;
use crate::domain::email::Email;
use crate::domain::event::EventId;
use crate::domain::fact::Fact;
use crate::domain::pseudonym::is_pseudonym;
use crate::store::read::queries::{
    AttemptView, DeliveryView, EVENT_COLUMNS, EventDetail, EventView, attempt, delivery_view_columns, event,
};
use crate::store::sql::{Row, values};
use crate::store::written::read_fact;
use crate::store::{Store, StoreError};

/// Events of a story, and calls of it.
pub const STORY_ITEMS_MAX: u32 = 1000;
/// Businesses that may know one address, as far as a story names them.
const BUSINESSES_MAX: u32 = 100;

/// A customer's story.
#[derive(Debug, Clone)]
pub struct Story {
    /// Whose it is.
    pub key: CustomerKey,
    /// Every business that knows the address.
    pub businesses: Vec<String>,
    /// What came, the first one first.
    pub events: Vec<StoryEvent>,
    /// What was told or will be, the first one first.
    pub deliveries: Vec<DeliveryView>,
    /// Products of paused routes.
    pub paused: Vec<String>,
    /// There is more than is given: these are the newest.
    pub is_cut: bool,
}

/// An event of a story.
#[derive(Debug, Clone)]
pub struct StoryEvent {
    /// The event.
    pub event: EventView,
    /// What it reports.
    pub fact: Option<Fact>,
}

impl EventDetail {
    /// The ids of the event and of its calls, as decisions name them.
    #[must_use]
    pub fn items(&self) -> Vec<String> {
        let calls = self.deliveries.iter().filter_map(|view| view.delivery.id.map(|id| id.to_string()));
        std::iter::once(self.event.id.to_string()).chain(calls).collect()
    }
}

impl Story {
    /// The ids of the events and calls, as decisions name them, and what stands for the customer who is forgotten.
    #[must_use]
    pub fn items(&self) -> Vec<String> {
        let forgotten = Some(self.key.email_key.clone()).filter(|key| is_pseudonym(key));
        let events = self.events.iter().map(|told| told.event.id.to_string());
        let calls = self.deliveries.iter().filter_map(|view| view.delivery.id.map(|id| id.to_string()));
        events.chain(calls).chain(forgotten).collect()
    }
}

impl Store {
    /// The story of an address, in this business or in the first that knows it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn story(&self, email: &str, business: Option<&str>) -> Result<Story, StoreError> {
        let email_key = Email::parse(email).map_or_else(|| email.to_ascii_lowercase(), |email| email.key());
        let sql =
            format!("SELECT business FROM customers WHERE email_key = ?1 ORDER BY business LIMIT {BUSINESSES_MAX}");
        let businesses = self.rows(sql, values![&email_key], Row::text).await?;
        let business = business.map(str::to_owned).or_else(|| businesses.first().cloned()).unwrap_or_default();
        let key = CustomerKey { business, email_key };
        let of_person = || values![&key.business, &key.email_key];
        let columns: Vec<String> = EVENT_COLUMNS.split(", ").map(|column| format!("e.{column}")).collect();
        let sql = format!(
            "SELECT f.data, {} FROM facts f JOIN events e ON e.id = f.event_id WHERE f.business = ?1 AND f.email_key = ?2 \
             ORDER BY f.event_id DESC LIMIT {STORY_ITEMS_MAX}",
            columns.join(", ")
        );
        let mut events = self.rows(sql, of_person(), story_event).await?;
        let sql = format!(
            "SELECT {} FROM deliveries WHERE business = ?1 AND email_key = ?2 \
             ORDER BY id DESC LIMIT {STORY_ITEMS_MAX}",
            delivery_view_columns()
        );
        let mut deliveries = self.deliveries_seen(sql, of_person()).await?;
        let sql = "SELECT product FROM routes WHERE business = ?1 AND paused_since IS NOT NULL".to_owned();
        let paused = self.rows(sql, values![&key.business], Row::text).await?;
        let is_cut = events.len().max(deliveries.len()) >= STORY_ITEMS_MAX as usize;
        events.reverse();
        deliveries.reverse();
        Ok(Story { key, businesses, events, deliveries, paused, is_cut })
    }

    /// The raw body of an event, zstd-compressed, unless it is past its retention.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn body(&self, id: EventId) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT body FROM bodies WHERE event_id = ?1".to_owned();
        Ok(self.rows(sql, values![id.0], Row::bytes_option).await?.pop().flatten())
    }

    /// Every attempt to make a call.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn attempts(&self, delivery: i64) -> Result<Vec<AttemptView>, StoreError> {
        let sql = "SELECT a.n, a.at, a.took_ms, a.status, a.outcome, a.response, d.receipt \
             FROM attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE a.delivery_id = ?1 ORDER BY a.n";
        self.rows(sql.to_owned(), values![delivery], attempt).await
    }

    /// An event that nobody's may be yet, as a story has it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn story_event(&self, id: EventId) -> Result<Option<StoryEvent>, StoreError> {
        let Some(detail) = self.event(id).await? else { return Ok(None) };
        let fact = detail.fact.map(|data| serde_json::from_str(&data)).transpose()?;
        Ok(Some(StoryEvent { event: detail.event, fact }))
    }
}

fn story_event(row: &mut Row) -> Result<StoryEvent, StoreError> {
    let fact = read_fact(&row.text()?)?;
    Ok(StoryEvent { fact: Some(fact), event: event(row)? })
}

impl StoryEvent {
    /// When it arrived.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.event.received_at
    }
}
