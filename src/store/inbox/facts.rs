//! From the inbox to facts: whose each one is, who was waiting for it, and what has to be done now.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::crowds::Crowds;
use super::customers;
use super::identity::Report;
use super::resolve::{go_on, resolve_fact};
use super::thin;
use crate::crash::{self, Point};
use crate::domain::customer::CustomerKey;
use crate::domain::delivery::scope;
use crate::domain::event::{EventId, EventState, Outcome};
use crate::domain::fact::Reading;
use crate::domain::provider::ProviderKind;
use crate::domain::reason::EventReason;
use crate::ledger::resolve::all_ids;
use crate::store::codes::{MAPPED, RECEIVED};
use crate::store::counts::Counted;
use crate::store::numbering::Numbered;
use crate::store::parts::Parts;
use crate::store::queue::customer_plan::{replan, write};
use crate::store::queue::history::read;
use crate::store::queue::planning::{Defect, Planning};
use crate::store::rows::{put_outcome, time, unknown};
use crate::store::sql::{Db, Dialect, Lock, Row, Value, Work, first, values};
use crate::store::{Backend, Store, StoreError};

/// Events in one transaction of PostgreSQL: each takes a lock for each of its ids, and the server's table of locks is
/// bounded. Where there is no room for the locks of so many, fewer are written together.
pub(in crate::store) const POSTGRES_EVENTS_MAX: u32 = 64;

/// An event that waits to be read.
#[derive(Debug)]
pub struct Inbox {
    /// The number that the event got when it was recorded.
    pub id: EventId,
    /// The endpoint it came to.
    pub endpoint: String,
    /// Who sent it.
    pub provider: ProviderKind,
    /// The Refairn business it was recorded for.
    pub business: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The raw body, zstd-compressed; nothing when it is past its retention.
    pub body_zstd: Option<Vec<u8>>,
}

/// An event after it was read.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// The number that the event got when it was recorded.
    pub id: EventId,
    /// The endpoint it came to.
    pub endpoint: String,
    /// The Refairn business it is for.
    pub business: String,
    /// Within what its ids are unique; see [`crate::domain::endpoint::Endpoint::realm`].
    pub realm: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// What it reports.
    pub reading: Reading,
    /// The number of the reading that read it; see [`crate::providers::READING`].
    pub reader: u32,
    /// The provider's id of the event that carries what this one only points at.
    pub snapshot_event: Option<String>,
}

/// The columns of an inbox row, in the order in which [`inbox`] reads them.
pub(in crate::store) const INBOX_COLUMNS: &str = "e.id, e.endpoint, e.provider, e.business, e.received_at, b.body";

pub(in crate::store) fn inbox(row: &mut Row) -> Result<Inbox, StoreError> {
    let (id, endpoint, provider) = (row.int()?, row.text()?, row.text()?);
    Ok(Inbox {
        id: EventId(id),
        endpoint,
        provider: ProviderKind::parse(&provider).ok_or_else(|| unknown("provider", &provider))?,
        business: row.text()?,
        received_at: time(row.int()?)?,
        body_zstd: row.bytes_option()?,
    })
}

fn spooled_inbox(Numbered { id, event }: &Numbered) -> Inbox {
    Inbox {
        id: *id,
        endpoint: event.endpoint.clone(),
        provider: event.provider,
        business: event.business.clone(),
        received_at: event.received_at,
        body_zstd: Some(event.body_zstd.clone()),
    }
}

impl Store {
    /// The oldest events that nobody has read yet. Of several replicas, each gets others: what one has been given is
    /// its own to read for a few seconds.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn inbox(&self, events_max: u32) -> Result<Vec<Inbox>, StoreError> {
        let rows = match &self.backend {
            Backend::Sqlite(sqlite) => {
                // What is moved meanwhile is found twice, and nothing not at all.
                let spooled = sqlite.spooled(events_max);
                let sql = format!(
                    "SELECT {INBOX_COLUMNS} FROM events e \
                     LEFT JOIN bodies b ON b.event_id = e.id WHERE e.state = '{RECEIVED}' ORDER BY e.id LIMIT ?1"
                );
                let rows = sqlite.query_as_it_is(sql, values![events_max]).await?;
                let stored: Vec<Inbox> = rows.into_iter().map(|mut row| inbox(&mut row)).collect::<Result<_, _>>()?;
                let mut all: BTreeMap<EventId, Inbox> = stored.into_iter().map(|event| (event.id, event)).collect();
                for event in spooled {
                    all.entry(event.id).or_insert_with(|| spooled_inbox(&event));
                }
                return Ok(all.into_values().take(events_max as usize).collect());
            }
            // As many as are written together: what waits for its turn is not lost to a replica that dies.
            Backend::Postgres(postgres) => postgres.inbox(events_max.min(POSTGRES_EVENTS_MAX)).await?,
        };
        rows.into_iter().map(|mut row| inbox(&mut row)).collect()
    }

    /// Writes what events report, and what follows from it for their customers: facts, deliveries, outcomes and the
    /// queue. What one event leads to is written whole or not at all; only of one that many facts were waiting for
    /// (see `RESOLVED_MAX`) the rest goes on in further writes, right after, and waits as before if the process ends meanwhile.
    /// An event that was read before is read anew: its old fact is replaced.
    ///
    /// # Errors
    /// Some or all of the events are still in the inbox, as they were.
    pub async fn post(&self, events: Vec<Mapped>, now: Timestamp) -> Result<(), StoreError> {
        let mut most = match &self.backend {
            Backend::Sqlite(_) => events.len(),
            Backend::Postgres(_) => POSTGRES_EVENTS_MAX as usize,
        };
        let (events, mut begin) = (Arc::new(events), 0);
        while begin < events.len() {
            let end = events.len().min(begin + most);
            let (planning, crowds, entangled) = (self.planning.clone(), self.crowds.clone(), AtomicBool::new(false));
            let post = Post { all: Arc::clone(&events), part: begin..end, planning, crowds, now, entangled };
            let mut left = match self.write(post).await {
                Err(StoreError::TooManyLocks(_)) if end - begin > 1 => {
                    most = (end - begin) / 2;
                    continue;
                }
                outcome => outcome?,
            };
            while !left.is_empty() {
                left = self.write(GoOn { left, planning: self.planning.clone(), now }).await?;
            }
            begin = end;
        }
        if let Backend::Postgres(postgres) = &self.backend {
            // Without notice, the other replicas find it within a second.
            let _ = postgres.notify().await;
        }
        Ok(())
    }
}

struct Post {
    all: Arc<Vec<Mapped>>,
    /// Which of them are written.
    part: Range<usize>,
    planning: Planning,
    crowds: Crowds,
    now: Timestamp,
    /// Events of this write wait for each other: it is run again, one of them after the other.
    entangled: AtomicBool,
}

/// Whose calls have to be planned, and the facts that are left to [`go_on`] with.
type Posted = (BTreeSet<CustomerKey>, Vec<Report>);

impl Post {
    fn events(&self) -> &[Mapped] {
        self.all.get(self.part.clone()).unwrap_or_default()
    }

    /// Nothing is written but events over which the bridge failed: it must not fail over them again.
    fn sets_aside(&self) -> bool {
        let failed = |event: &Mapped| matches!(event.reading, Reading::Unmappable(EventReason::InternalError, _));
        self.events().iter().all(failed)
    }

    /// Over a network it is the ways there and back that take time. Events that share an id keep their order.
    async fn side_by_side<D: Db>(&self, db: &D, events: &[&Mapped]) -> Result<Posted, StoreError> {
        if self.entangled.load(Ordering::Relaxed) {
            lock_ids(db, events).await?;
            return one_by_one(db, events).await;
        }
        let parts = Parts::default();
        let posts = events.iter().enumerate().map(async |(number, event)| {
            let part = parts.part(db, number);
            lock_ids(&part, &[*event]).await?;
            one_by_one(&part, &[*event]).await
        });
        let posted = try_join_all(posts).await.inspect_err(|error| {
            self.entangled.store(matches!(error, StoreError::Locked(_)), Ordering::Relaxed);
        })?;
        let (people, left): (Vec<_>, Vec<_>) = posted.into_iter().unzip();
        Ok((people.into_iter().flatten().collect(), left.into_iter().flatten().collect()))
    }
}

async fn one_by_one<D: Db>(db: &D, events: &[&Mapped]) -> Result<Posted, StoreError> {
    let (mut people, mut left) = (BTreeSet::new(), Vec::new());
    for event in events {
        left.extend(post(db, event, &mut people).await?);
    }
    Ok((people, left))
}

impl Work for Post {
    /// What is left to go on with.
    type Answer = Vec<Report>;

    async fn run<D: Db>(&self, db: &D) -> Result<Vec<Report>, StoreError> {
        let ids: Vec<EventId> = self.events().iter().map(|event| event.id).collect();
        let unread = db.unread(&ids).await?;
        let events: Vec<&Mapped> = self.events().iter().filter(|event| unread.contains(&event.id)).collect();
        let (people, left) = if D::DIALECT == Dialect::Postgres {
            self.side_by_side(db, &events).await?
        } else {
            one_by_one(db, &events).await?
        };
        let locks: Vec<Lock<'_>> = people.iter().map(Lock::Customer).collect();
        db.lock(&locks).await?;
        customers::note(db, &people).await?;
        crash::here(Point::Posting);
        // Side by side: over a network it is the ways there and back that take time.
        let defect = if self.sets_aside() { Defect::Hold } else { Defect::Undo };
        try_join_all(people.iter().map(async |key| {
            let customer = read(db, key).await?;
            self.crowds.look_at(&customer.history);
            let plan = self.planning.planned(&customer.history, self.now, defect);
            db.remember(write(db, customer, plan).await?);
            Ok::<_, StoreError>(())
        }))
        .await?;
        Ok(left)
    }
}

/// Goes on with facts that were left.
struct GoOn {
    left: Vec<Report>,
    planning: Planning,
    now: Timestamp,
}

impl Work for GoOn {
    type Answer = Vec<Report>;

    async fn run<D: Db>(&self, db: &D) -> Result<Vec<Report>, StoreError> {
        let mut people = BTreeSet::new();
        let left = go_on(db, &self.left, &mut people).await?;
        db.lock(&people.iter().map(Lock::Customer).collect::<Vec<_>>()).await?;
        customers::note(db, &people).await?;
        for key in &people {
            replan(db, &self.planning, key, self.now, Defect::Hold).await?;
        }
        Ok(left)
    }
}

/// Two replicas with facts that wait for each other must not both look before either has written.
async fn lock_ids<D: Db>(db: &D, events: &[&Mapped]) -> Result<(), StoreError> {
    let mut ids = Vec::new();
    for event in events {
        if let Reading::Fact(fact) = &event.reading {
            let scope = scope(&event.realm, &event.business, fact.account.as_deref(), fact.mode);
            ids.extend(all_ids(fact).into_iter().map(|key| (scope.clone(), key)));
        }
    }
    let locks: Vec<Lock<'_>> = ids.iter().map(|(scope, key)| Lock::Key { scope, key }).collect();
    db.lock(&locks).await
}

/// Writes what one event reports. Gives the facts that are left to [`go_on`] with.
pub(in crate::store) async fn post<D: Db>(
    db: &D,
    event: &Mapped,
    people: &mut BTreeSet<CustomerKey>,
) -> Result<Vec<Report>, StoreError> {
    let before = remove_reading(db, event.id, people).await?;
    note_reading(db, event).await?;
    thin::clear(db, event.id).await?;
    match &event.reading {
        Reading::Unmappable(EventReason::ThinEvent, _) if thin::is_told_by_another(db, event.id).await? => {
            put_outcome(db, event.id, &Outcome::ignored(EventReason::AlreadyReported)).await?;
        }
        Reading::Ignored(_) | Reading::Unmappable(..) => {}
        Reading::Fact(fact) => {
            let scope = scope(&event.realm, &event.business, fact.account.as_deref(), fact.mode);
            let (business, fact) = (event.business.clone(), (**fact).clone());
            let report = Report { event: event.id, business, scope, fact, before };
            return resolve_fact(db, report, event.received_at, people).await;
        }
    }
    Ok(Vec::new())
}

/// Takes the event out of the inbox. Of one that reports something the plan then says what it came to.
async fn note_reading<D: Db>(db: &D, event: &Mapped) -> Result<(), StoreError> {
    let outcome = match &event.reading {
        Reading::Ignored(reason) => Outcome::ignored(*reason),
        Reading::Unmappable(reason, detail) => Outcome::unmappable(*reason, detail.clone()),
        Reading::Fact(_) => Outcome::MAPPED,
    };
    if outcome == Outcome::MAPPED && event.snapshot_event.is_none() {
        // Nearly every event comes here. No column is named on which a trigger hangs, and it is counted here. It is looked for by
        // its id alone: what is unread may be a long backlog, and no statistics know of it.
        let sql = format!(
            "UPDATE events SET reading = ?2, state = '{MAPPED}' \
             WHERE id = ?1 AND state || '' = '{RECEIVED}' AND reason IS NULL AND detail IS NULL"
        );
        if db.execute(&sql, values![event.id.0, event.reader]).await? > 0 {
            db.count(Counted::Event(EventState::Received), -1);
            db.count(Counted::Event(EventState::Mapped), 1);
            return Ok(());
        }
    }
    let (state, reason) = (outcome.end.state().code(), outcome.end.reason().map(EventReason::code));
    let mut of = values![event.id.0, event.reader, state, reason, outcome.detail.as_ref()];
    // Hardly any event points at another: the index of those that do is left alone.
    let snapshot = if event.snapshot_event.is_some() { ", snapshot_event = COALESCE(snapshot_event, ?6)" } else { "" };
    of.extend(event.snapshot_event.as_ref().map(Value::from));
    let sql = format!("UPDATE events SET reading = ?2, state = ?3, reason = ?4, detail = ?5{snapshot} WHERE id = ?1");
    db.execute(&sql, of).await?;
    Ok(())
}

/// Removes what an earlier reading of the event left behind; whose it was by that reading.
async fn remove_reading<D: Db>(
    db: &D,
    event: EventId,
    people: &mut BTreeSet<CustomerKey>,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT business, email_key FROM facts WHERE event_id = ?1";
    let Some(mut row) = first(db, sql, values![event.0]).await? else { return Ok(None) };
    let (business, before) = (row.text()?, row.text_option()?);
    db.execute("DELETE FROM facts WHERE event_id = ?1", values![event.0]).await?;
    people.extend(before.clone().map(|email_key| CustomerKey { business, email_key }));
    db.execute("DELETE FROM unresolved WHERE event_id = ?1", values![event.0]).await?;
    Ok(before)
}
