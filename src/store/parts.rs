//! Parts of one write that go on side by side. Where two of them want the same lock, the later one waits until the
//! earlier one is done, as if each had a transaction of its own.
//!
//! On SQLite no part ever waits for the database: each is done before the next begins.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::StoreError;
use super::counts::Counted;
use super::numbering::Numbering;
use super::recent::Stored;
use super::sql::{Db, Dialect, Lock, Row, Value};
use super::sums::Sold;
use crate::domain::customer::CustomerKey;
use crate::domain::event::{EventId, NewEvent};

/// The parts of one write, and which of them has which locks.
#[derive(Default)]
pub(super) struct Parts {
    locks: Mutex<Locks>,
    freed: Notify,
}

/// A part's own view of the database.
pub(super) struct Part<'a, D> {
    db: &'a D,
    parts: &'a Parts,
    number: usize,
}

#[derive(Default)]
struct Locks {
    /// Which part has it.
    held: HashMap<Name, usize>,
    /// What the parts wait for.
    wanted: BTreeMap<usize, Vec<Name>>,
}

/// A lock's name.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name([String; 3]);

impl Name {
    fn of(lock: Lock<'_>) -> Self {
        Self(match lock {
            Lock::Key { scope, key } => ["key".to_owned(), scope.to_owned(), key.to_owned()],
            Lock::Customer(key) => ["customer".to_owned(), key.business.clone(), key.email_key.clone()],
        })
    }
}

impl Parts {
    /// The part of this number. Of two that want one lock, the lower number goes first.
    pub(super) const fn part<'a, D>(&'a self, db: &'a D, number: usize) -> Part<'a, D> {
        Part { db, parts: self, number }
    }

    fn locks(&self) -> MutexGuard<'_, Locks> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other part has one of these, or waits for it with a lower number.
    async fn take(&self, number: usize, names: Vec<Name>) -> Result<(), StoreError> {
        loop {
            let freed = self.freed.notified();
            {
                let mut locks = self.locks();
                if locks.before(number, &names).is_empty() {
                    locks.wanted.remove(&number);
                    locks.held.extend(names.into_iter().map(|name| (name, number)));
                    return Ok(());
                }
                locks.wanted.insert(number, names.clone());
                if locks.waits_for_itself(number) {
                    // The write is run again, one part after the other.
                    return Err(StoreError::Locked("parts of one write wait for each other".to_owned()));
                }
            }
            freed.await;
        }
    }
}

impl Locks {
    /// The parts that go first.
    fn before(&self, number: usize, names: &[Name]) -> HashSet<usize> {
        let holders = names.iter().filter_map(|name| self.held.get(name)).copied();
        let earlier = self.wanted.range(..number).filter(|(_, wanted)| names.iter().any(|name| wanted.contains(name)));
        holders.chain(earlier.map(|(earlier, _)| *earlier)).filter(|other| *other != number).collect()
    }

    fn waits_for_itself(&self, number: usize) -> bool {
        let (mut seen, mut next) = (HashSet::new(), vec![number]);
        while let Some(waiting) = next.pop() {
            let Some(names) = self.wanted.get(&waiting) else { continue };
            for other in self.before(waiting, names) {
                if other == number {
                    return true;
                }
                if seen.insert(other) {
                    next.push(other);
                }
            }
        }
        false
    }
}

impl<D> Drop for Part<'_, D> {
    fn drop(&mut self) {
        let mut locks = self.parts.locks();
        locks.held.retain(|_, holder| *holder != self.number);
        locks.wanted.remove(&self.number);
        drop(locks);
        self.parts.freed.notify_waiters();
    }
}

impl<D: Db> Db for Part<'_, D> {
    const DIALECT: Dialect = D::DIALECT;

    async fn query(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.db.query(sql, values).await
    }

    async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        self.db.execute(sql, values).await
    }

    async fn insert(&self, sql: &str, values: Vec<Value>) -> Result<Option<i64>, StoreError> {
        self.db.insert(sql, values).await
    }

    async fn run_all(&self, sql: &str) -> Result<(), StoreError> {
        self.db.run_all(sql).await
    }

    async fn lock(&self, locks: &[Lock<'_>]) -> Result<(), StoreError> {
        self.parts.take(self.number, locks.iter().copied().map(Name::of).collect()).await?;
        self.db.lock(locks).await
    }

    async fn try_lock(&self, lock: Lock<'_>) -> Result<bool, StoreError> {
        let name = Name::of(lock);
        let is_free = {
            let mut locks = self.parts.locks();
            let is_free = locks.before(self.number, std::slice::from_ref(&name)).is_empty();
            if is_free {
                locks.held.insert(name, self.number);
            }
            is_free
        };
        Ok(is_free && self.db.try_lock(lock).await?)
    }

    async fn unread(&self, events: &[EventId]) -> Result<Vec<EventId>, StoreError> {
        self.db.unread(events).await
    }

    async fn try_out(&self) -> Result<(), StoreError> {
        self.db.try_out().await
    }

    async fn undo_trial(&self) -> Result<(), StoreError> {
        self.db.undo_trial().await
    }

    fn number(&self, event: &NewEvent) -> Result<Numbering, StoreError> {
        self.db.number(event)
    }

    fn recall(&self, key: &CustomerKey) -> Option<Stored> {
        self.db.recall(key)
    }

    fn recall_rows(&self, key: &CustomerKey) -> Option<Stored> {
        self.db.recall_rows(key)
    }

    fn remember(&self, customer: Stored) {
        self.db.remember(customer);
    }

    fn count(&self, what: Counted, by: i64) {
        self.db.count(what, by);
    }

    fn add_up(&self, sold: Sold, is_there: bool) {
        self.db.add_up(sold, is_there);
    }

    async fn count_anew(&self) -> Result<(), StoreError> {
        self.db.count_anew().await
    }
}
