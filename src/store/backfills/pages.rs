//! Pages of a list as they are read: their rows, and where the next page begins.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::ending::remove;
use crate::domain::backfill::{BackfillId, BackfillState, Purpose, Stage};
use crate::domain::event::Identity;
use crate::domain::fact::{Fact, FactKind};
use crate::ledger::resolve::all_ids;
use crate::store::rows::micros;
use crate::store::sql::{Db, Work, first, values};
use crate::store::{Store, StoreError};

/// Ids that are noted by one statement.
const IDS_WRITTEN_MAX: usize = 1000;

/// Which page of which list is asked for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The number of the list, from 0.
    pub list: i64,
    /// The path of the page. `None` for the first one.
    pub page: Option<String>,
}

/// A row that reports something.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What tells it from every other event of its endpoint.
    pub identity: Identity,
    /// The body of the event, zstd-compressed.
    pub body_zstd: Vec<u8>,
    /// Where it has its place.
    pub stage: Stage,
    /// When it happened.
    pub at: Timestamp,
    /// Whose status it tells: of several the newest is kept.
    pub status_of: Option<String>,
    /// The ids by which it belongs together with others.
    pub ids: Vec<String>,
}

impl Listed {
    /// A row that reports `fact`; `body_zstd` is the body of its event.
    #[must_use]
    pub fn of(fact: &Fact, identity: Identity, body_zstd: Vec<u8>) -> Self {
        let (stage, status_of) = match &fact.matter {
            FactKind::Customer(_) | FactKind::Link(_) => (Stage::Customers, None),
            FactKind::Reversal(_) => (Stage::Reversals, None),
            FactKind::Payment(_) => (Stage::Payments, None),
            FactKind::Subscription(subscription) => (Stage::Statuses, Some(subscription.id.clone())),
        };
        let mut ids = all_ids(fact);
        // People who buy without an account at the provider have nothing else in common.
        ids.extend(fact.email.as_ref().map(|email| format!("email {}", email.key())));
        Self { identity, body_zstd, stage, at: fact.at, status_of, ids }
    }

    /// A row that could not be read: once it is recorded, a person has to see it.
    #[must_use]
    pub const fn unreadable(identity: Identity, body_zstd: Vec<u8>, at: Timestamp) -> Self {
        Self { identity, body_zstd, stage: Stage::Customers, at, status_of: None, ids: Vec::new() }
    }
}

/// A page that was read.
#[derive(Debug)]
pub struct Written {
    /// The page.
    pub place: Place,
    /// What is asked for next. `None` when all lists are read.
    pub next: Option<Place>,
    /// Its rows that report something.
    pub rows: Vec<Listed>,
    /// How many rows report nothing.
    pub ignored: usize,
}

impl Store {
    /// Writes a page; gives whether its backfill was still to have it. A page that was written before, or of a backfill that
    /// is no longer listed, changes nothing.
    ///
    /// # Errors
    /// Nothing was written; the page has to be asked for again.
    pub async fn write_page(&self, id: BackfillId, page: Written, now: Timestamp) -> Result<bool, StoreError> {
        self.write(WritePage { id, page, now }).await
    }
}

struct WritePage {
    id: BackfillId,
    page: Written,
    now: Timestamp,
}

impl Work for WritePage {
    type Answer = bool;

    async fn run<D: Db>(&self, db: &D) -> Result<bool, StoreError> {
        let Written { place, next, rows, ignored } = &self.page;
        let state = if next.is_some() { BackfillState::Listing } else { BackfillState::Weighing };
        let after = next.as_ref().unwrap_or(place);
        let sql = "UPDATE backfills SET state = ?4, list = ?5, page = ?6, requests = requests + 1, failures = 0, \
             note = NULL, changed_at = ?8 \
             WHERE id = ?1 AND list = ?2 AND page IS NOT DISTINCT FROM ?3 AND state = ?7 RETURNING endpoint, purpose";
        let of = values![
            self.id.0,
            place.list,
            place.page.as_ref(),
            state.code(),
            after.list,
            after.page.as_ref(),
            BackfillState::Listing.code(),
            micros(self.now)
        ];
        let Some(mut row) = first(db, sql, of).await? else { return Ok(false) };
        let (endpoint, purpose) = (row.text()?, row.text()?);
        let compares = purpose == Purpose::Compare.code();
        let recorded = recorded(db, &endpoint, rows).await?;
        let is_known = |row: &&Listed| recorded.contains(&row.identity.dedup_key);
        let known = rows.iter().filter(is_known).count();
        // Of what is known a comparison has to see how it is listed; how subscriptions stand it does not ask.
        let is_wanted = |row: &&Listed| if compares { row.stage != Stage::Statuses } else { !is_known(row) };
        let new = self.newest(db, rows.iter().filter(is_wanted).collect()).await?;
        // Side by side: over a network it is the ways there and back that take time.
        let inserted = try_join_all(new.iter().map(|row| self.insert(db, row))).await?;
        let ids = new.iter().zip(inserted).filter_map(|(row, id)| Some((id?, &row.ids)));
        self.insert_ids(db, ids.flat_map(|(id, keys)| keys.iter().map(move |key| (key.as_str(), id))).collect())
            .await?;
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (found, known) = (number(rows.len() + ignored), number(known));
        let sql = "UPDATE backfills SET found = found + ?2, known = known + ?3, ignored = ignored + ?4 WHERE id = ?1";
        db.execute(sql, values![self.id.0, found, known, number(*ignored)]).await?;
        Ok(true)
    }
}

impl WritePage {
    /// The rows without those that tell the status of a subscription of which something newer was listed. What is older
    /// than one of these goes.
    async fn newest<'r, D: Db>(&self, db: &D, rows: Vec<&'r Listed>) -> Result<Vec<&'r Listed>, StoreError> {
        let mut by_subscription: BTreeMap<&str, &Listed> = BTreeMap::new();
        for row in &rows {
            let Some(of) = row.status_of.as_deref() else { continue };
            let newest = by_subscription.entry(of).or_insert(row);
            if row.at > newest.at {
                *newest = row;
            }
        }
        let mut older = Vec::new();
        if !by_subscription.is_empty() {
            let sql = format!(
                "SELECT id, at, status_of FROM listed WHERE backfill = ?1 AND status_of IS NOT NULL AND {}",
                D::DIALECT.is_one_of("status_of", "?2")
            );
            let all: Vec<&str> = by_subscription.keys().copied().collect();
            for mut listed in db.query(&sql, values![self.id.0, serde_json::to_string(&all)?]).await? {
                let (id, at, of) = (listed.int()?, listed.int()?, listed.text()?);
                if by_subscription.get(of.as_str()).is_some_and(|row| at < micros(row.at)) {
                    older.push(id);
                } else {
                    by_subscription.remove(of.as_str());
                }
            }
        }
        remove(db, &older).await?;
        let stays = |row: &&Listed| match row.status_of.as_deref() {
            None => true,
            Some(of) => by_subscription.get(of).is_some_and(|newest| std::ptr::eq(*newest, *row)),
        };
        Ok(rows.into_iter().filter(stays).collect())
    }

    /// The number of the new row; nothing if it was listed before.
    async fn insert<D: Db>(&self, db: &D, row: &Listed) -> Result<Option<i64>, StoreError> {
        let Listed { identity, body_zstd, stage, at, status_of, .. } = row;
        let sql = "INSERT INTO listed (backfill, dedup_key, provider_event_id, type, snapshot_event, stage, at, status_of, \
             body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (backfill, dedup_key) DO NOTHING RETURNING id";
        let of = values![
            self.id.0,
            &identity.dedup_key,
            identity.provider_event_id.as_ref(),
            &identity.event_type,
            identity.snapshot_event.as_ref(),
            stage.place(),
            micros(*at),
            status_of.as_ref(),
            body_zstd
        ];
        first(db, sql, of).await?.map(|mut row| row.int()).transpose()
    }

    /// Notes by which ids rows belong together with others.
    async fn insert_ids<D: Db>(&self, db: &D, mut ids: Vec<(&str, i64)>) -> Result<(), StoreError> {
        // In the order of the table's own key.
        ids.sort_unstable();
        for ids in ids.chunks(IDS_WRITTEN_MAX) {
            let sql = format!(
                "INSERT INTO listed_ids (backfill, key, listed) SELECT ?1, key, listed FROM ({}) AS ids \
                 WHERE TRUE ON CONFLICT (backfill, key, listed) DO NOTHING",
                D::DIALECT.numbered("?2")
            );
            db.execute(&sql, values![self.id.0, serde_json::to_string(ids)?]).await?;
        }
        Ok(())
    }
}

/// The keys of those rows of which an event was recorded before.
async fn recorded<D: Db>(db: &D, endpoint: &str, rows: &[Listed]) -> Result<HashSet<String>, StoreError> {
    let keys: Vec<&str> = rows.iter().map(|row| row.identity.dedup_key.as_str()).collect();
    let is_asked_for = D::DIALECT.is_one_of("dedup_key", "?2");
    let sql = format!("SELECT dedup_key FROM events WHERE endpoint = ?1 AND {is_asked_for}");
    let found = db.query(&sql, values![endpoint, serde_json::to_string(&keys)?]).await?;
    found.into_iter().map(|mut row| row.text()).collect()
}
