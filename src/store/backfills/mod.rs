//! Backfills: what was listed at a provider, and how far each list is. What is listed stands apart from the events until
//! somebody says that it will be recorded. So a webhook that comes meanwhile is recorded and told as ever, and what is
//! not wanted leaves nothing among the events.
//!
//! * `pages`: a page of a list is written with the place where the next one begins, in one transaction.
//! * `grouping`: which rows belong together.
//! * `known`: which of them are about somebody or something of which anything is stored.
//! * `trial`: rows are tried out.
//! * `weighing`: all rows are tried out and undone, and what they would come to is added up and kept.
//! * `recording`: it becomes events, in the order of its stages.
//! * `ending`: what nobody needs any more is removed.

mod ending;
mod grouping;
mod known;
mod pages;
mod recording;
mod trial;
mod weighing;

use std::time::Duration;

use jiff::Timestamp;

pub(super) use grouping::Grouped;
pub use grouping::ToWeigh;
pub use pages::{Listed, Place, Written};
use weighing::Progress;
#[cfg(test)]
pub(super) use weighing::weigh_each_alone;

use super::operator::ActionError;
use super::people::audit::{self, Entry};
use super::rows::{micros, time, unknown};
use super::sql::{Db, Dialect, Row, Work, first, values};
use super::{Store, StoreError};
use crate::clock::after;
use crate::domain::audit::{By, Decision};
use crate::domain::backfill::{BackfillId, BackfillState, BackfillSummary, Purpose};
use crate::domain::refusal::Refusal;

/// Backfills that are shown, the newest first.
const SHOWN_MAX: u32 = 50;

/// A backfill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backfill {
    /// The number that it got when it was begun.
    pub id: BackfillId,
    /// What it is for.
    pub purpose: Purpose,
    /// The endpoint whose provider is asked.
    pub endpoint: String,
    /// Payments that were made at this time or later.
    pub since: Timestamp,
    /// Payments that were made at this time or before.
    pub until: Timestamp,
    /// How far it is.
    pub state: BackfillState,
    /// Which page is asked for next.
    pub place: Place,
    /// Pages that were read.
    pub requests: u64,
    /// How often asking has failed in a row.
    pub failures: u32,
    /// Why it waits, or failed, for people.
    pub note: Option<String>,
    /// When it goes on.
    pub due_at: Timestamp,
    /// Rows that were listed.
    pub found: u64,
    /// Those of an event that was recorded before.
    pub known: u64,
    /// Those that report nothing, or nothing of the time that was asked for.
    pub ignored: u64,
    /// Those that became events.
    pub recorded: u64,
    /// What it would come to, once that is known.
    pub summary: Option<BackfillSummary>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last came further.
    pub changed_at: Timestamp,
}

const COLUMNS: &str = "id, purpose, endpoint, since, until, state, list, page, requests, failures, note, due_at, found, known, \
     ignored, recorded, summary, created_at, changed_at";

fn backfill(mut row: Row) -> Result<Backfill, StoreError> {
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let (id, purpose, endpoint) = (BackfillId(row.int()?), row.text()?, row.text()?);
    let (since, until, state) = (time(row.int()?)?, time(row.int()?)?, row.text()?);
    Ok(Backfill {
        id,
        purpose: Purpose::parse(&purpose).ok_or_else(|| unknown("purpose", &purpose))?,
        endpoint,
        since,
        until,
        state: BackfillState::parse(&state).ok_or_else(|| unknown("state", &state))?,
        place: Place { list: row.int()?, page: row.text_option()? },
        requests: count(row.int()?),
        failures: u32::try_from(row.int()?).unwrap_or(u32::MAX),
        note: row.text_option()?,
        due_at: time(row.int()?)?,
        found: count(row.int()?),
        known: count(row.int()?),
        ignored: count(row.int()?),
        recorded: count(row.int()?),
        summary: row
            .text_option()?
            .map(|json| serde_json::from_str::<Progress>(&json))
            .transpose()?
            .and_then(Progress::whole),
        created_at: time(row.int()?)?,
        changed_at: time(row.int()?)?,
    })
}

/// The states in which the bridge has something to do for it, as SQL has them.
fn at_work() -> String {
    in_sql([BackfillState::Listing, BackfillState::Weighing, BackfillState::Recording])
}

/// Those in which it is over.
fn over() -> String {
    in_sql(BackfillState::ALL.iter().copied().filter(|state| state.is_over()))
}

fn in_sql(states: impl IntoIterator<Item = BackfillState>) -> String {
    states.into_iter().map(|state| format!("'{}'", state.code())).collect::<Vec<_>>().join(", ")
}

impl Store {
    /// Begins to read what was paid from `since` to `until`, for a purpose. One of the endpoint that asks for the same and
    /// is not over goes on instead. One with this purpose that asks for something else, and of which nothing is recorded
    /// yet, gives way.
    ///
    /// # Errors
    /// Another one of the endpoint is being recorded, or the store failed.
    pub async fn start_backfill(
        &self,
        purpose: Purpose,
        endpoint: &str,
        [since, until]: [Timestamp; 2],
        by: Option<By>,
        now: Timestamp,
    ) -> Result<BackfillId, ActionError> {
        self.write(Start { purpose, endpoint: endpoint.to_owned(), since, until, by, now }).await?
    }

    /// One backfill.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn backfill(&self, id: BackfillId) -> Result<Option<Backfill>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM backfills WHERE id = ?1");
        self.query(sql, values![id.0]).await?.into_iter().next().map(backfill).transpose()
    }

    /// Those of a purpose, the newest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn backfills(&self, purpose: Purpose) -> Result<Vec<Backfill>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM backfills WHERE purpose = ?1 ORDER BY id DESC LIMIT {SHOWN_MAX}");
        self.query(sql, values![purpose.code()]).await?.into_iter().map(backfill).collect()
    }

    /// The backfill that has been due for longest. Of several replicas one gets it, for as long as `claim`; see
    /// [`Self::let_go_of_backfill`].
    ///
    /// # Errors
    /// The store failed.
    pub async fn take_backfill(&self, now: Timestamp, claim: Duration) -> Result<Option<Backfill>, StoreError> {
        self.write(Take { now, claim }).await
    }

    /// Lets another replica go on with it, at `due_at`. `note` says why it waits; a failure is counted.
    ///
    /// # Errors
    /// The store failed.
    pub async fn let_go_of_backfill(
        &self,
        id: BackfillId,
        due_at: Timestamp,
        failure: Option<String>,
    ) -> Result<(), StoreError> {
        self.write(LetGo { id, due_at, failure }).await
    }

    /// When there is something to do for a backfill next; `None` when there is nothing. What another replica has taken for
    /// as long as `claim` is not due before that.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn next_backfill(&self, now: Timestamp, claim: Duration) -> Result<Option<Timestamp>, StoreError> {
        let claimed = "CASE WHEN claimed_until > ?1 THEN due_at ELSE GREATEST(due_at, claimed_until) END";
        let (due_at, of) = match self.dialect() {
            Dialect::Sqlite => ("due_at", values![]),
            Dialect::Postgres => (claimed, values![micros(after(now, claim))]),
        };
        let sql = format!("SELECT MIN({due_at}) FROM backfills WHERE state IN ({})", at_work());
        let row = self.query(sql, of).await?.into_iter().next();
        row.map(|mut row| row.int_option()).transpose()?.flatten().map(time).transpose()
    }

    /// Takes a backfill from one state to another; gives whether it was in that one.
    ///
    /// # Errors
    /// The store failed.
    pub async fn move_backfill(
        &self,
        id: BackfillId,
        from: BackfillState,
        to: BackfillState,
        note: Option<String>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(Move { id, from, to, note, by: None, now }).await
    }

    /// The same, because somebody decided it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn decide_backfill(
        &self,
        id: BackfillId,
        from: BackfillState,
        to: BackfillState,
        by: By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let is_recorded = to == BackfillState::Recording;
        let decision = if is_recorded { Decision::RecordBackfill } else { Decision::DiscardBackfill };
        self.write(Move { id, from, to, note: None, by: Some((by, decision)), now }).await
    }
}

struct Start {
    purpose: Purpose,
    endpoint: String,
    since: Timestamp,
    until: Timestamp,
    /// The caller who asked for it, where it may be recorded.
    by: Option<By>,
    now: Timestamp,
}

impl Work for Start {
    type Answer = Result<BackfillId, ActionError>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let over = over();
        let sql = format!(
            "SELECT {COLUMNS} FROM backfills WHERE endpoint = ?1 AND purpose = ?2 AND state NOT IN ({over}) ORDER BY id"
        );
        for row in db.query(&sql, values![&self.endpoint, self.purpose.code()]).await? {
            let other = backfill(row)?;
            if (other.since, other.until) == (self.since, self.until) {
                return Ok(Ok(other.id));
            }
            if other.state == BackfillState::Recording {
                let why = format!("{} of this endpoint is being recorded", other.id);
                return Ok(Err(ActionError::NotNow(Refusal::new(why, "begin another one when it is done"))));
            }
            let note = Some("another one was begun");
            let sql = "UPDATE backfills SET state = ?2, note = ?3, changed_at = ?4 WHERE id = ?1";
            db.execute(sql, values![other.id.0, BackfillState::Discarded.code(), note, micros(self.now)]).await?;
        }
        let sql = "INSERT INTO backfills (endpoint, since, until, state, due_at, created_at, changed_at, purpose) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5, ?6) RETURNING id";
        let (since, until, now) = (micros(self.since), micros(self.until), micros(self.now));
        let of = values![&self.endpoint, since, until, BackfillState::Listing.code(), now, self.purpose.code()];
        let row = first(db, sql, of).await?;
        let mut row = row.ok_or_else(|| StoreError::Data("a backfill got no number".to_owned()))?;
        let id = BackfillId(row.int()?);
        if let Some(by) = &self.by {
            let became = Some(format!("{}: {}", self.endpoint, BackfillState::Listing.code()));
            let entry = Entry::about(Decision::StartBackfill, id.to_string()).changing(None, became);
            audit::note(db, by, entry, self.now).await?;
        }
        Ok(Ok(id))
    }
}

struct Take {
    now: Timestamp,
    claim: Duration,
}

impl Work for Take {
    type Answer = Option<Backfill>;

    async fn run<D: Db>(&self, db: &D) -> Result<Self::Answer, StoreError> {
        let until = micros(after(self.now, self.claim));
        // One process has a file: what it has not let go of, an earlier one had. A claim that ends later than one of now
        // was made by a clock that was ahead.
        let free = match D::DIALECT {
            Dialect::Sqlite => "(?2 = ?2)",
            Dialect::Postgres => "(claimed_until <= ?1 OR claimed_until > ?2)",
        };
        let taken = D::DIALECT.take_free_rows();
        let sql = format!(
            "SELECT {COLUMNS} FROM backfills WHERE state IN ({}) AND due_at <= ?1 AND {free} \
             ORDER BY due_at, id LIMIT 1 {taken}",
            at_work()
        );
        let Some(row) = first(db, &sql, values![micros(self.now), until]).await? else { return Ok(None) };
        let taken = backfill(row)?;
        db.execute("UPDATE backfills SET claimed_until = ?2 WHERE id = ?1", values![taken.id.0, until]).await?;
        Ok(Some(taken))
    }
}

struct LetGo {
    id: BackfillId,
    due_at: Timestamp,
    failure: Option<String>,
}

impl Work for LetGo {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let failures = if self.failure.is_some() { "failures + 1" } else { "0" };
        // Of one that is over meanwhile the note says why.
        let sql = format!(
            "UPDATE backfills SET claimed_until = 0, due_at = ?2, failures = {failures}, \
             note = CASE WHEN state IN ({}) THEN note ELSE ?3 END WHERE id = ?1",
            over()
        );
        db.execute(&sql, values![self.id.0, micros(self.due_at), self.failure.as_ref()]).await?;
        Ok(())
    }
}

struct Move {
    id: BackfillId,
    from: BackfillState,
    to: BackfillState,
    note: Option<String>,
    by: Option<(By, Decision)>,
    now: Timestamp,
}

impl Work for Move {
    type Answer = bool;

    async fn run<D: Db>(&self, db: &D) -> Result<bool, StoreError> {
        let sql = "UPDATE backfills SET state = ?3, note = ?4, failures = 0, due_at = ?5, changed_at = ?5 \
             WHERE id = ?1 AND state = ?2";
        let of = values![self.id.0, self.from.code(), self.to.code(), self.note.as_ref(), micros(self.now)];
        let moved = db.execute(sql, of).await? > 0;
        if let Some((by, decision)) = self.by.as_ref().filter(|_| moved) {
            let (was, became) = (Some(self.from.code().to_owned()), Some(self.to.code().to_owned()));
            let entry = Entry::about(*decision, self.id.to_string()).changing(was, became);
            audit::note(db, by, entry, self.now).await?;
        }
        Ok(moved)
    }
}
