//! Recording: events that come at the same time are recorded in one statement, which is a transaction.

use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::oneshot;

use super::error::{silent, unanswered};
use super::session;
use super::{CommitSent, OPERATION_WAIT_MAX, Postgres};
use crate::domain::event::{EventId, NewEvent, Recorded};
use crate::store::StoreError;
use crate::store::inbox::record::{FIND, row_of};
use crate::store::rows::unknown;
use crate::store::sql::{Value, values};

/// Bytes of bodies in one statement, unless a single one has more.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One way there and back. Of those that are the same the first one is recorded.
const RECORD: &str = "WITH given AS (SELECT DISTINCT ON (endpoint, dedup_key) * FROM unnest(\
     $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[], \
     $10::text[], $11::text[], $12::bytea[]) WITH ORDINALITY AS of_all (endpoint, provider, business, dedup_key, provider_event_id, \
     type, state, received_at, snapshot_event, mode, origin, body, nth) ORDER BY endpoint, dedup_key, nth), \
     recorded AS (INSERT INTO events (endpoint, provider, business, dedup_key, provider_event_id, type, state, \
     received_at, snapshot_event, mode, origin) SELECT endpoint, provider, business, dedup_key, provider_event_id, type, state, \
     received_at, snapshot_event, mode, origin FROM given ORDER BY nth \
     ON CONFLICT (endpoint, dedup_key) DO NOTHING RETURNING id, endpoint, dedup_key, state), \
     kept AS (INSERT INTO bodies (event_id, body) SELECT id, body FROM recorded JOIN given USING (endpoint, dedup_key)), \
     counted AS (INSERT INTO count_changes (what, state, n) SELECT 'events', recorded.state, COUNT(*) FROM recorded \
     GROUP BY 2) \
     SELECT id, nth FROM recorded JOIN given USING (endpoint, dedup_key)";

/// An event that waits to be recorded.
pub(super) struct Recording {
    event: NewEvent,
    tell: oneshot::Sender<Result<Recorded, StoreError>>,
}

impl Postgres {
    /// Records an event, together with those that come at the same time.
    pub(in crate::store) async fn record(&self, event: NewEvent) -> Result<Recorded, StoreError> {
        let (tell, told) = oneshot::channel();
        if let Some(mut server) = self.recordings.wait(Recording { event, tell })? {
            let postgres = self.clone();
            self.tasks.spawn(async move {
                while let Some(group) = server.next(GROUP_BYTES_MAX, |r| r.event.body_zstd.len()) {
                    postgres.record_group(group).await;
                }
            });
        }
        told.await.unwrap_or_else(|_| Err(unanswered(silent())))
    }

    /// Records a group. What fails over one of them is tried again with each alone.
    async fn record_group(&self, group: Vec<Recording>) {
        let (events, tells): (Vec<_>, Vec<_>) = group.into_iter().map(|r| (r.event, r.tell)).unzip();
        let events = Arc::new(events);
        match self.record_all(Arc::clone(&events)).await {
            // The sender may be gone: a closed webhook connection takes nothing back.
            Ok(recorded) => tells.into_iter().zip(recorded).for_each(|(tell, recorded)| drop(tell.send(Ok(recorded)))),
            Err(StoreError::Locked(_) | StoreError::Data(_)) if events.len() > 1 => {
                for (event, tell) in events.iter().zip(tells) {
                    let recorded = self.record_all(Arc::new(vec![event.clone()])).await;
                    let recorded = recorded.and_then(|mut one| one.pop().ok_or(StoreError::Closed));
                    let _ = tell.send(recorded);
                }
            }
            Err(error) => tells.into_iter().for_each(|tell| drop(tell.send(Err(error.clone())))),
        }
    }

    async fn record_all(&self, events: Arc<Vec<NewEvent>>) -> Result<Vec<Recorded>, StoreError> {
        let keep = CommitSent::default();
        let (pool, commit, of) = (self.pool.clone(), keep.clone(), Arc::clone(&events));
        let exchange = async move {
            let lent = pool.get().await?;
            commit.set();
            let rows: Vec<Vec<Value>> = of.iter().map(row).collect();
            let sets: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
            let outcome = session::query_sets(lent.parts(), RECORD, &sets).await;
            lent.give_back();
            outcome
        };
        let mut new: Vec<Option<i64>> = vec![None; events.len()];
        for mut row in keep.outcome(self.spawn_bounded(OPERATION_WAIT_MAX, exchange).await)? {
            let (id, nth) = (row.int()?, row.int()?);
            let place = usize::try_from(nth - 1).ok().and_then(|place| new.get_mut(place));
            place.into_iter().for_each(|place| *place = Some(id));
        }
        try_join_all(events.iter().zip(new).map(async |(event, new)| match new {
            Some(id) => Ok(Recorded { id: EventId(id), duplicate: false }),
            None => self.recorded_before(event).await,
        }))
        .await
    }

    async fn recorded_before(&self, event: &NewEvent) -> Result<Recorded, StoreError> {
        let found = self.query(FIND, values![&event.endpoint, &event.identity.dedup_key]).await?;
        let mut row = found.into_iter().next().ok_or_else(|| unknown("event", &event.endpoint))?;
        Ok(Recorded { id: EventId(row.int()?), duplicate: true })
    }
}

fn row(event: &NewEvent) -> Vec<Value> {
    let mut row = row_of(event);
    row.push(Value::from(&event.body_zstd));
    row
}
