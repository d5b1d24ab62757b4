//! What people decided: written with what it changed, all or nothing, and never changed afterwards.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::audit::{By, Decision, Note, Via};
use crate::domain::delivery::{Delivery, DeliveryKey};
use crate::domain::reason::DeliveryReason;
use crate::store::queries::PAGE_ITEMS_MAX;
use crate::store::read::conditions::Conditions;
use crate::store::rows::{micros, time, unknown};
use crate::store::sql::{Db, Row, values};
use crate::store::{Store, StoreError};

/// Decisions that are shown of one page's items, the newest.
const SHOWN_MAX: u32 = 200;

/// What is written about a decision.
pub(in crate::store) struct Entry {
    decision: Decision,
    item: String,
    business: Option<String>,
    was: Option<String>,
    became: Option<String>,
    days: [Option<Date>; 2],
}

impl Entry {
    /// A decision about an item, of which nothing more is known.
    pub(in crate::store) const fn about(decision: Decision, item: String) -> Self {
        Self { decision, item, business: None, was: None, became: None, days: [None, None] }
    }

    /// The same about a business's item.
    pub(in crate::store) fn of(self, business: &str) -> Self {
        Self { business: Some(business.to_owned()), ..self }
    }

    /// The same with how the item stood before, and how it stands now.
    pub(in crate::store) fn changing(self, was: Option<String>, became: Option<String>) -> Self {
        Self { was, became, ..self }
    }

    /// A decision about a call, as it was and as it became.
    pub(in crate::store) fn of_call(decision: Decision, business: &str, was: &Delivery, became: &Delivery) -> Self {
        let item = was.id.map(|id| id.to_string()).unwrap_or_default();
        let day = |delivery: &Delivery| {
            delivery.call.day().filter(|_| matches!(delivery.subject, DeliveryKey::Payment { .. }))
        };
        Self {
            days: [day(was), day(became)],
            ..Self::about(decision, item).of(business).changing(Some(standing(was)), Some(standing(became)))
        }
    }
}

/// State and reason of a call.
fn standing(delivery: &Delivery) -> String {
    let state = delivery.state.code();
    let seen = if delivery.acknowledged { ", seen" } else { "" };
    match delivery.reason.map(DeliveryReason::code) {
        Some(reason) => format!("{state}: {reason}{seen}"),
        None => format!("{state}{seen}"),
    }
}

/// Writes what somebody decided.
pub(in crate::store) async fn note<D: Db>(db: &D, by: &By, entry: Entry, now: Timestamp) -> Result<(), StoreError> {
    let Entry { decision, item, business, was, became, days } = entry;
    let [day_was, day_became] = days.map(|day| day.map(|day| day.to_string()));
    let words = by.note.as_ref().map(Note::text);
    let (who, via, decision) = (&by.who.name, by.via.code(), decision.code());
    let sql = "INSERT INTO audit (at, who, via, decision, item, business, note, was, became, day_was, day_became) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let of = values![micros(now), who, via, decision, item, business, words, was, became, day_was, day_became];
    db.execute(sql, of).await?;
    Ok(())
}

/// A decision as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditView {
    /// The number that the store gave it; written `aud_5`.
    pub id: i64,
    /// When it was decided, by the store's clock.
    pub at: Timestamp,
    /// The name of the person.
    pub who: String,
    /// By which way it came in.
    pub via: Via,
    /// What was decided.
    pub decision: Decision,
    /// Our id of what it is about.
    pub item: String,
    /// Whose item it is.
    pub business: Option<String>,
    /// What they wrote.
    pub note: Option<String>,
    /// State and reason before.
    pub was: Option<String>,
    /// State and reason after.
    pub became: Option<String>,
    /// The payment's day before.
    pub day_was: Option<String>,
    /// The payment's day after.
    pub day_became: Option<String>,
}

/// Which decisions to list; everything that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// By this person.
    pub who: Option<String>,
    /// Of this kind.
    pub decision: Option<Decision>,
    /// About this item.
    pub item: Option<String>,
    /// About items of this business.
    pub business: Option<String>,
    /// At most so many; [`PAGE_ITEMS_MAX`] in any case.
    pub limit: u32,
    /// Older than this one: the `next` of the page before.
    pub after: Option<i64>,
}

const COLUMNS: &str = "id, at, who, via, decision, item, business, note, was, became, day_was, day_became";

impl Store {
    /// What people decided, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn audit(&self, filter: AuditFilter) -> Result<Vec<AuditView>, StoreError> {
        let limit = filter.limit.clamp(1, PAGE_ITEMS_MAX);
        let conditions = Conditions::default()
            .and("who =", filter.who)
            .and("decision =", filter.decision.map(Decision::code))
            .and("item =", filter.item)
            .and("business =", filter.business)
            .and("id <", filter.after);
        let clause = conditions.clause();
        let sql = format!("SELECT {COLUMNS} FROM audit {clause} ORDER BY id DESC LIMIT {limit}");
        self.rows(sql, conditions.values, view).await
    }

    /// What people decided about these items, the oldest first: of many the newest.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn decisions_about(&self, items: &[String]) -> Result<Vec<AuditView>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM audit WHERE item IN ({}) ORDER BY id DESC LIMIT {SHOWN_MAX}",
            self.dialect().texts("?1")
        );
        let mut found = self.rows(sql, values![serde_json::to_string(items)?], view).await?;
        found.reverse();
        Ok(found)
    }
}

fn view(row: &mut Row) -> Result<AuditView, StoreError> {
    let (id, at, who, via, decision) = (row.int()?, time(row.int()?)?, row.text()?, row.text()?, row.text()?);
    Ok(AuditView {
        id,
        at,
        who,
        via: Via::parse(&via).ok_or_else(|| unknown("way", &via))?,
        decision: Decision::parse(&decision).ok_or_else(|| unknown("decision", &decision))?,
        item: row.text()?,
        business: row.text_option()?,
        note: row.text_option()?,
        was: row.text_option()?,
        became: row.text_option()?,
        day_was: row.text_option()?,
        day_became: row.text_option()?,
    })
}
