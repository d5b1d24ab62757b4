//! What was listed, tried out and undone: what each event would come to, and which calls would follow. The ledger itself
//! says it, so that it says the same once the events are recorded.
//!
//! Many customers' events are tried out at once. Those of customers of whom nothing is stored are tried out in memory, several
//! tries side by side. The others need the store itself, and with it the one writer.

use std::collections::BTreeMap;
use std::future::ready;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use futures_util::stream::{TryStreamExt, try_unfold};
use jiff::Timestamp;

use super::grouping::{Grouping, TRIED_MAX, ToWeigh};
use super::trial::{Trial, Weighed};
use crate::domain::backfill::{BackfillCall, BackfillId, BackfillState, BackfillSummary, EventSum, Stage};
use crate::domain::provider::ProviderKind;
use crate::store::inbox::facts::Mapped;
use crate::store::rows::{micros, unknown};
use crate::store::sql::{Db, Work, values};
use crate::store::{Store, StoreError};
use crate::tasks::blocking;

/// Rows of one try in memory. A customer with more is tried out in parts.
const TRIED_IN_MEMORY_MAX: usize = 400;
/// Tries at once: most of the cores of a small machine.
const TRIES_MAX: usize = 4;
/// Nothing more is begun after so long: others may have to be backfilled, too.
const TURN: Duration = Duration::from_secs(1);
/// Rows of a summary that are read in one go.
const SUMMED_ROWS: u32 = 1000;

impl Store {
    /// Tries rows out as `read` reads them, for about a second, and notes what they would come to. Nothing else is written.
    /// Gives whether there was anything to try out.
    ///
    /// # Errors
    /// What was not noted is tried out again.
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
        let begun = Instant::now();
        let groups = try_unfold(Grouping::new(self.clone(), id, TRIED_IN_MEMORY_MAX), |mut grouping| async move {
            if begun.elapsed() > TURN {
                return Ok(None);
            }
            let rows = grouping.next().await?;
            Ok::<_, StoreError>((!rows.is_empty()).then_some((rows, grouping)))
        });
        let tries = groups.map_ok(|rows| {
            let (store, read) = (self.clone(), read.clone());
            let rows = async move {
                blocking(move || {
                    rows.into_iter()
                        .map(|row| {
                            let mapped = read(&row);
                            (row, mapped)
                        })
                        .collect::<Vec<_>>()
                })
                .await
            };
            async move { store.weigh_rows(id, provider, rows.await, now).await }
        });
        let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(TRIES_MAX);
        let tries = tries.try_buffer_unordered(at_once + 1);
        let weighed = tries.try_fold(0, |sum, rows| ready(Ok(sum + rows))).await?;
        if weighed == 0 {
            self.scratch.clear();
        }
        Ok(weighed > 0)
    }

    /// Tries these rows out; gives how many there are.
    async fn weigh_rows(
        &self,
        id: BackfillId,
        provider: ProviderKind,
        rows: Vec<(ToWeigh, Mapped)>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let count = rows.len();
        let known = self.parts_of_known(&rows).await?;
        let (stored, new): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(row, _)| known.contains(&row.part));
        let trial = |rows| Trial { provider, rows, planning: self.planning.clone(), now };
        if !new.is_empty() {
            let ids: Vec<i64> = new.iter().map(|(row, _)| row.id).collect();
            let weighed = self.scratch.run(trial(new)).await?;
            let weighed = ids.into_iter().zip(weighed).collect();
            self.write(Note { id, weighed, now }).await?;
        }
        for rows in in_tries(stored) {
            self.write(Weigh { id, trial: trial(rows) }).await?;
        }
        Ok(count)
    }

    /// Adds up what all rows would come to; then a person has to say whether they are recorded.
    ///
    /// # Errors
    /// Nothing was written.
    pub async fn sum_up_backfill(&self, id: BackfillId, now: Timestamp) -> Result<(), StoreError> {
        let (mut events, mut calls) = (BTreeMap::new(), Vec::new());
        let mut after = 0;
        loop {
            // The plus keeps a database from the index by backfill: it would read and sort all rows for each of these.
            let sql =
                "SELECT id, stage, outcome, calls FROM listed WHERE +backfill = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
            let rows = self.query(sql.to_owned(), values![id.0, after, SUMMED_ROWS]).await?;
            if rows.is_empty() {
                break;
            }
            for mut row in rows {
                after = row.int()?;
                let key = (row.int()?, row.text_option()?.unwrap_or_default());
                *events.entry(key).or_insert(0_u64) += 1;
                if let Some(json) = row.text_option()? {
                    serde_json::from_str::<Vec<BackfillCall>>(&json)?
                        .into_iter()
                        .for_each(|call| add(&mut calls, call));
                }
            }
        }
        let events = events.into_iter().map(|((stage, outcome), count)| {
            let (state, reason) = outcome.split_once(':').unwrap_or((&outcome, ""));
            let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
            EventSum { stage: name(stage).to_owned(), state: state.to_owned(), reason, count }
        });
        let summary = BackfillSummary { events: events.collect(), calls };
        self.write(SumUp { id, summary, now }).await
    }
}

fn name(stage: i64) -> &'static str {
    match Stage::ALL.iter().find(|known| known.place() == stage) {
        Some(Stage::Customers) | None => "customers",
        Some(Stage::Reversals) => "reversals",
        Some(Stage::Payments) => "payments",
        Some(Stage::Statuses) => "statuses",
    }
}

/// Adds a call to those that are alike.
fn add(sums: &mut Vec<BackfillCall>, call: BackfillCall) {
    let alike = |sum: &&mut BackfillCall| {
        (sum.kind, sum.fate, &sum.reason, sum.currency) == (call.kind, call.fate, &call.reason, call.currency)
    };
    match sums.iter_mut().find(alike) {
        Some(sum) => {
            sum.count += call.count;
            sum.amount = sum.amount.zip(call.amount).and_then(|(sum, more)| sum.checked_add(more));
        }
        None => sums.push(call),
    }
}

/// Tries out each customer by itself where everything is stored.
#[cfg(test)]
pub(in crate::store) async fn weigh_each_alone(
    store: &Store,
    id: BackfillId,
    provider: ProviderKind,
    read: impl Fn(&ToWeigh) -> Mapped,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut grouping = Grouping::new(store.clone(), id, TRIED_IN_MEMORY_MAX);
    loop {
        let rows = grouping.next().await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut parts: BTreeMap<usize, Vec<(ToWeigh, Mapped)>> = BTreeMap::new();
        for row in rows {
            let mapped = read(&row);
            parts.entry(row.part).or_default().push((row, mapped));
        }
        for rows in parts.into_values() {
            let trial = Trial { provider, rows, planning: store.planning.clone(), now };
            store.write(Weigh { id, trial }).await?;
        }
    }
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
    id: BackfillId,
    trial: Trial,
}

impl Work for Weigh {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.try_out().await?;
        let weighed = self.trial.run(db).await?;
        db.undo_trial().await?;
        let weighed: Vec<_> = self.trial.rows.iter().map(|(row, _)| row.id).zip(weighed).collect();
        note(db, self.id, &weighed, self.trial.now).await
    }
}

/// Notes what rows would come to.
struct Note {
    id: BackfillId,
    weighed: Vec<(i64, Weighed)>,
    now: Timestamp,
}

impl Work for Note {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        note(db, self.id, &self.weighed, self.now).await
    }
}

async fn note<D: Db>(db: &D, id: BackfillId, weighed: &[(i64, Weighed)], now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE listed SET outcome = ?2, calls = ?3 WHERE id = ?1";
    let calls = |calls: &[BackfillCall]| (!calls.is_empty()).then(|| serde_json::to_string(calls)).transpose();
    // Side by side: over a network it is the ways there and back that take time.
    try_join_all(weighed.iter().map(async |(row, Weighed { outcome, calls: of_row })| {
        db.execute(sql, values![*row, outcome, calls(of_row)?]).await
    }))
    .await?;
    // Another replica may go on with the rest.
    db.execute("UPDATE backfills SET changed_at = ?2 WHERE id = ?1", values![id.0, micros(now)]).await?;
    Ok(())
}

struct SumUp {
    id: BackfillId,
    summary: BackfillSummary,
    now: Timestamp,
}

impl Work for SumUp {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let sql = "UPDATE backfills SET state = ?3, summary = ?4, changed_at = ?5 WHERE id = ?1 AND state = ?2";
        let [from, to] = [BackfillState::Weighing, BackfillState::Ready].map(BackfillState::code);
        let changed = db
            .execute(sql, values![self.id.0, from, to, serde_json::to_string(&self.summary)?, micros(self.now)])
            .await?;
        if changed > 1 {
            return Err(unknown("backfill", &self.id.to_string()));
        }
        Ok(())
    }
}
