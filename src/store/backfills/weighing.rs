//! What was listed, tried out and undone: what the events would come to, and which calls would follow. The ledger itself
//! says it, so that it says the same once the events are recorded.
//!
//! Many customers' events are tried out at once. Those of customers of whom nothing is stored are tried out in memory, several
//! tries side by side. The others need the store itself, and with it the one writer.
//!
//! Of the rows nothing is written meanwhile: each holds its body, and would be written anew. What they come to is added up,
//! and kept after each turn with the row that is next.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::grouping::{Parts, TRIED_MAX, ToWeigh};
use super::trial::Trial;
use crate::domain::backfill::{BackfillId, BackfillState, BackfillSummary};
use crate::domain::provider::ProviderKind;
use crate::store::inbox::facts::Mapped;
use crate::store::rows::micros;
use crate::store::sql::{Db, Work, values};
use crate::store::{Store, StoreError};
use crate::tasks::blocking;

/// Rows of one try in memory. A customer with more is tried out in parts.
const TRIED_IN_MEMORY_MAX: usize = 400;
/// Tries at once: most of the cores of a small machine.
const TRIES_MAX: usize = 4;
/// Nothing more is begun after so long: others may have to be backfilled, too.
const TURN: Duration = Duration::from_secs(4);

/// What rows come to, as it is kept until all are tried out: a summary, and which row is next. Without one it is whole.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Progress {
    #[serde(flatten)]
    summary: BackfillSummary,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

impl Progress {
    /// The summary, once it is whole.
    pub(super) fn whole(self) -> Option<BackfillSummary> {
        self.next.is_none().then_some(self.summary)
    }

    /// What was tried out so far, and where it goes on.
    fn so_far(self, parts: &Parts) -> (BackfillSummary, usize) {
        // A row that is gone since was forgotten with its customer.
        let place = self.next.and_then(|row| parts.place_of(row));
        place.map_or_else(Default::default, |place| (self.summary, place))
    }
}

impl Store {
    /// Tries rows out as `read` reads them, for some seconds, and keeps what they would come to. Nothing else is written.
    /// Gives whether there are more; when there are none, a person has to say whether they are recorded.
    ///
    /// # Errors
    /// What was tried out in this turn is tried out again.
    pub async fn weigh<R>(
        &self,
        id: BackfillId,
        provider: ProviderKind,
        read: R,
        now: Timestamp,
    ) -> Result<bool, StoreError>
    where
        R: Fn(&ToWeigh) -> Mapped + Clone + Send + 'static,
    {
        self.weigh_for(TURN, id, provider, read, now).await
    }

    /// The same for so long: one group of rows at least.
    pub(in crate::store) async fn weigh_for<R>(
        &self,
        turn: Duration,
        id: BackfillId,
        provider: ProviderKind,
        read: R,
        now: Timestamp,
    ) -> Result<bool, StoreError>
    where
        R: Fn(&ToWeigh) -> Mapped + Clone + Send + 'static,
    {
        let begun = Instant::now();
        let parts = self.parts(id).await?;
        let (mut summary, mut place) = self.progress(id).await?.so_far(&parts);
        let begin = place;
        let groups = std::iter::from_fn(|| {
            let is_time = place == begin || begun.elapsed() < turn;
            (is_time && place < parts.len()).then(|| {
                let group = parts.group(place, TRIED_IN_MEMORY_MAX);
                place = group.end;
                group
            })
        });
        let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(TRIES_MAX);
        let tries = stream::iter(groups).map(|group| self.weigh_group(&parts, group, provider, read.clone(), now));
        // While one is read, others are tried out.
        let mut tries = tries.buffer_unordered(at_once + 1);
        while let Some(of_group) = tries.try_next().await? {
            summary.add(of_group);
        }
        drop(tries);
        let next = parts.row(place);
        self.write(Keep { id, progress: Progress { summary: summary.in_order(), next }, now }).await?;
        if next.is_none() {
            self.scratch.clear();
            self.grouped.clear();
        }
        Ok(next.is_some())
    }

    /// How far the weighing is.
    async fn progress(&self, id: BackfillId) -> Result<Progress, StoreError> {
        let row = self.query("SELECT summary FROM backfills WHERE id = ?1".to_owned(), values![id.0]).await?;
        let kept = row.into_iter().next().map(|mut row| row.text_option()).transpose()?.flatten();
        Ok(kept.map(|json| serde_json::from_str(&json)).transpose()?.unwrap_or_default())
    }

    /// Tries these rows out.
    async fn weigh_group<R>(
        &self,
        parts: &Parts,
        group: Range<usize>,
        provider: ProviderKind,
        read: R,
        now: Timestamp,
    ) -> Result<BackfillSummary, StoreError>
    where
        R: Fn(&ToWeigh) -> Mapped + Send + 'static,
    {
        let rows = self.rows_of(parts, group).await?;
        let read = move |row: ToWeigh| {
            let mapped = read(&row);
            (row, mapped)
        };
        let rows: Vec<_> = blocking(move || rows.into_iter().map(read).collect()).await;
        let known = self.parts_of_known(&rows).await?;
        let (stored, new): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(row, _)| known.contains(&row.part));
        let trial = |rows| Trial { provider, rows, planning: self.planning.clone(), now };
        let mut summary = BackfillSummary::default();
        if !new.is_empty() {
            summary.add(self.scratch.run(trial(new)).await?);
        }
        for rows in in_tries(stored) {
            summary.add(self.write(Weigh { trial: trial(rows) }).await?);
        }
        Ok(summary)
    }
}

/// What each customer comes to, tried out by itself where everything is stored.
#[cfg(test)]
pub(in crate::store) async fn weigh_each_alone(
    store: &Store,
    id: BackfillId,
    provider: ProviderKind,
    read: impl Fn(&ToWeigh) -> Mapped,
    now: Timestamp,
) -> Result<BackfillSummary, StoreError> {
    let (parts, mut summary) = (store.parts(id).await?, BackfillSummary::default());
    for group in parts.each() {
        let rows = store.rows_of(&parts, group).await?;
        let rows = rows.into_iter().map(|row| {
            let mapped = read(&row);
            (row, mapped)
        });
        let trial = Trial { provider, rows: rows.collect(), planning: store.planning.clone(), now };
        summary.add(store.write(Weigh { trial }).await?);
    }
    Ok(summary.in_order())
}

/// A row as it was read, and its place in the order in which rows would be recorded.
type Placed = (usize, (ToWeigh, Mapped));

/// As many customers in each as the writer can be kept for.
fn in_tries(rows: Vec<(ToWeigh, Mapped)>) -> Vec<Vec<(ToWeigh, Mapped)>> {
    let mut parts: BTreeMap<usize, Vec<Placed>> = BTreeMap::new();
    for (place, (row, mapped)) in rows.into_iter().enumerate() {
        parts.entry(row.part).or_default().push((place, (row, mapped)));
    }
    let mut tries: Vec<Vec<Placed>> = Vec::new();
    for part in parts.into_values() {
        match tries.last_mut().filter(|last| last.len() + part.len() <= TRIED_MAX) {
            Some(last) => last.extend(part),
            None => tries.push(part),
        }
    }
    let cut = tries.into_iter().flat_map(|mut rows| {
        // They keep the order in which they would be recorded.
        rows.sort_by_key(|(place, _)| *place);
        let mut rows = rows.into_iter().map(|(_, row)| row).peekable();
        let mut parts = Vec::new();
        while rows.peek().is_some() {
            parts.push(rows.by_ref().take(TRIED_MAX).collect());
        }
        parts
    });
    cut.collect()
}

/// Tries rows out where everything is stored.
struct Weigh {
    trial: Trial,
}

impl Work for Weigh {
    type Answer = BackfillSummary;

    async fn run<D: Db>(&self, db: &D) -> Result<BackfillSummary, StoreError> {
        db.try_out().await?;
        let summary = self.trial.run(db).await?;
        db.undo_trial().await?;
        Ok(summary)
    }
}

/// Keeps what was tried out. When that is all, a person has to say whether it is recorded.
struct Keep {
    id: BackfillId,
    progress: Progress,
    now: Timestamp,
}

impl Work for Keep {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let sql = "UPDATE backfills SET state = ?3, summary = ?4, changed_at = ?5 WHERE id = ?1 AND state = ?2";
        let weighing = BackfillState::Weighing;
        let state = if self.progress.next.is_some() { weighing } else { BackfillState::Ready };
        let kept = serde_json::to_string(&self.progress)?;
        db.execute(sql, values![self.id.0, weighing.code(), state.code(), kept, micros(self.now)]).await?;
        Ok(())
    }
}
