//! What goes on side by side in one transaction asks for its statements at the same time. They are run in rounds: in each,
//! those of the same text are one statement.
//!
//! So a write of many events, or of what became of many calls, is written as if there were one, and costs as many
//! statements as one.

use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::future::try_join_all;
use tokio::sync::oneshot;

use super::counts::COUNT_ANEW;
use super::session::{Session, number};
use super::sets::{Reply, SetForm};
use crate::domain::customer::CustomerKey;
use crate::domain::event::{EventId, NewEvent};
use crate::store::StoreError;
use crate::store::counts::{Counted, Counts};
use crate::store::numbering::Numbering;
use crate::store::realms::NO_TIME_LIMIT;
use crate::store::recent::Stored;
use crate::store::sql::{Db, Dialect, Lock, Row, Value, values};
use crate::store::sums::Sold;

/// Sets of parameters in one statement.
const SETS_MAX: usize = 1000;

/// A transaction whose statements are run in rounds.
pub(super) struct Rounds<'a> {
    session: &'a Session<'a>,
    asked: Mutex<Vec<Asked>>,
    counted: Mutex<Counts>,
    /// What was counted before something was tried out.
    before_trial: Mutex<Counts>,
}

/// A statement that waits for the next round.
struct Asked {
    what: What,
    reply: oneshot::Sender<Reply>,
}

enum What {
    /// A statement, run for its rows or for how many rows it changes.
    Run {
        sql: String,
        reads: bool,
        values: Vec<Value>,
    },
    Lock(Vec<i64>),
}

/// A statement, and all sets of parameters that it runs for in one round.
struct Statement {
    sql: String,
    reads: bool,
    sets: Vec<Set>,
}

/// Parameters of a statement, and who waits for what comes of them.
struct Set {
    values: Vec<Value>,
    reply: oneshot::Sender<Reply>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(session: &'a Session<'a>) -> Self {
        Self { session, asked: Mutex::default(), counted: Mutex::default(), before_trial: Mutex::default() }
    }

    /// Runs what is written with these rounds, to its end.
    pub(super) async fn drive<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let mut work = pin!(work);
        loop {
            let done = poll_fn(|context| match work.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if self.asked().is_empty() => Poll::Pending,
                Poll::Pending => Poll::Ready(None),
            });
            if let Some(done) = done.await {
                return done;
            }
            // A statement that fails ends the transaction, and with it all that is written.
            let asked = std::mem::take(&mut *self.asked());
            self.run(asked).await?;
        }
    }

    /// Writes what was counted, as the last of what is committed together.
    pub(super) async fn write_counts(&self) -> Result<(), StoreError> {
        let counted = std::mem::take(&mut *lock(&self.counted));
        self.session.count(&counted).await
    }

    fn asked(&self) -> MutexGuard<'_, Vec<Asked>> {
        lock(&self.asked)
    }

    async fn ask(&self, what: What) -> Result<Reply, StoreError> {
        let (reply, replied) = oneshot::channel();
        self.asked().push(Asked { what, reply });
        replied.await.map_err(|_| StoreError::Closed)
    }

    /// One round. Locks come first; statements go out in the order in which they were asked for.
    async fn run(&self, asked: Vec<Asked>) -> Result<(), StoreError> {
        let (mut numbers, mut locked) = (Vec::new(), Vec::new());
        let mut statements: Vec<Statement> = Vec::new();
        let mut places: HashMap<(String, bool), usize> = HashMap::new();
        for Asked { what, reply } in asked {
            match what {
                What::Lock(more) => {
                    numbers.extend(more);
                    locked.push(reply);
                }
                What::Run { sql, reads, values } => {
                    let place = *places.entry((sql.clone(), reads)).or_insert(statements.len());
                    match statements.get_mut(place) {
                        Some(statement) => statement.sets.push(Set { values, reply }),
                        None => statements.push(Statement { sql, reads, sets: vec![Set { values, reply }] }),
                    }
                }
            }
        }
        if !numbers.is_empty() {
            self.session.lock(numbers).await?;
        }
        // Who waited may be gone: a work that failed in one part drops the others.
        locked.into_iter().for_each(|reply| drop(reply.send(Reply::default())));
        try_join_all(statements.into_iter().map(|statement| self.run_sets(statement))).await?;
        Ok(())
    }

    async fn run_sets(&self, Statement { sql, reads, sets }: Statement) -> Result<(), StoreError> {
        let form = if sets.len() > 1 { self.session.set_form(&sql).await? } else { None };
        let Some(form) = form else {
            let each = sets.into_iter().map(async |Set { values, reply }| {
                let result = self.session.run_one(&sql, reads, &values).await?;
                let _ = reply.send(result);
                Ok(())
            });
            return try_join_all(each).await.map(|_: Vec<()>| ());
        };
        // One batch after the other: what is apart has to see what came before it.
        for Batch { sets: batch, .. } in batches(&form, sets) {
            let values: Vec<&[Value]> = batch.iter().map(|set| set.values.as_slice()).collect();
            let replies = self.session.run_many(&form, &values).await?;
            for (set, reply) in batch.into_iter().zip(replies) {
                let _ = set.reply.send(reply);
            }
        }
        Ok(())
    }
}

/// Sets of parameters that are in one statement.
struct Batch {
    shared: Vec<Value>,
    /// What tells its sets apart.
    names: HashSet<Vec<Value>>,
    sets: Vec<Set>,
}

/// Divides sets of parameters into those that may be in one statement.
fn batches(form: &SetForm, sets: Vec<Set>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for set in sets {
        let pick = |places: &[usize]| places.iter().filter_map(|n| set.values.get(*n).cloned()).collect::<Vec<_>>();
        let (shared, name) = (pick(&form.shared), pick(&form.apart_by));
        let fits = |batch: &&mut Batch| {
            let is_apart = form.apart_by.is_empty() || !batch.names.contains(&name);
            batch.shared == shared && batch.sets.len() < SETS_MAX && is_apart
        };
        match batches.iter_mut().find(fits) {
            Some(batch) => {
                batch.names.insert(name);
                batch.sets.push(set);
            }
            None => batches.push(Batch { shared, names: HashSet::from([name]), sets: vec![set] }),
        }
    }
    batches
}

impl Db for Rounds<'_> {
    const DIALECT: Dialect = Dialect::Postgres;

    async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        Ok(self.ask(What::Run { sql: sql.to_owned(), values, reads: true }).await?.rows)
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(self.ask(What::Run { sql: sql.to_owned(), values, reads: false }).await?.changed)
    }

    async fn insert(&self, sql: &str, values: Vec<Value>) -> Result<Option<i64>, StoreError> {
        let rows = self.query(&format!("{sql} RETURNING id"), values).await?;
        rows.into_iter().next().map(|mut row| row.int()).transpose()
    }

    async fn run_all(&self, sql: &str) -> Result<(), StoreError> {
        self.session.run(sql).await
    }

    async fn lock(&self, locks: &[Lock<'_>]) -> Result<(), StoreError> {
        if !locks.is_empty() {
            self.ask(What::Lock(locks.iter().copied().map(number).collect())).await?;
        }
        Ok(())
    }

    async fn try_lock(&self, lock: Lock<'_>) -> Result<bool, StoreError> {
        let rows = self.query("SELECT pg_try_advisory_xact_lock(?1)", values![number(lock)]).await?;
        rows.into_iter().next().map_or(Ok(false), |mut row| row.flag())
    }

    async fn unread(&self, events: &[EventId]) -> Result<Vec<EventId>, StoreError> {
        self.session.unread(events).await
    }

    async fn try_out(&self) -> Result<(), StoreError> {
        let counted = lock(&self.counted).clone();
        *lock(&self.before_trial) = counted;
        self.run_all("SAVEPOINT as_it_is").await
    }

    async fn undo_trial(&self) -> Result<(), StoreError> {
        let before = std::mem::take(&mut *lock(&self.before_trial));
        *lock(&self.counted) = before;
        self.run_all("ROLLBACK TO SAVEPOINT as_it_is; RELEASE SAVEPOINT as_it_is").await
    }

    fn number(&self, _: &NewEvent) -> Result<Numbering, StoreError> {
        Ok(Numbering::ByDatabase)
    }

    fn recall(&self, _: &CustomerKey) -> Option<Stored> {
        // Another replica may have written since.
        None
    }

    fn recall_rows(&self, _: &CustomerKey) -> Option<Stored> {
        // Another replica may have written since.
        None
    }

    fn remember(&self, _: Stored) {}

    fn count(&self, what: Counted, by: i64) {
        lock(&self.counted).add(what, by);
    }

    fn add_up(&self, sold: Sold, is_there: bool) {
        lock(&self.counted).add_up(sold, is_there);
    }

    async fn count_anew(&self) -> Result<(), StoreError> {
        *lock(&self.counted) = Counts::default();
        self.session.run(&format!("{NO_TIME_LIMIT}; {COUNT_ANEW}")).await
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio_postgres::types::Type;

    use super::*;

    fn sets(ids: &[i64]) -> Vec<Set> {
        ids.iter().map(|id| Set { values: values![*id, "x"], reply: oneshot::channel().0 }).collect()
    }

    #[test]
    fn what_changes_one_row_twice_is_not_in_one_statement() {
        let form = SetForm::of("UPDATE t SET a = ?2 WHERE id = ?1", &[Type::INT8, Type::TEXT]).unwrap();
        let ids = |batch: &Batch| batch.sets.iter().map(|set| set.values[0].clone()).collect::<Vec<_>>();
        let divided: Vec<_> = batches(&form, sets(&[1, 2, 1, 3, 2, 1])).iter().map(ids).collect();
        assert!(divided == [values![1_i64, 2_i64, 3_i64], values![1_i64, 2_i64], values![1_i64]]);
        let form = SetForm::of("SELECT a FROM t WHERE id = ?1 AND b = ?2", &[Type::INT8, Type::TEXT]).unwrap();
        assert_eq!(batches(&form, sets(&[1, 1, 1])).len(), 1);
    }
}
