//! What one process read or wrote last of its customers, as long as the database says the same. A call is leased and
//! settled right after it was planned: what the plan was made of need not be read and parsed again each time.
//!
//! Only for a database to which nobody else writes. Every statement that changes a row makes this forget the customer
//! that has it (see `sqlite::session`).

use std::collections::HashMap;

use crate::domain::customer::{CustomerHistory, CustomerKey};
use crate::domain::delivery::{Delivery, DeliveryId, Seq};
use crate::domain::event::{EventId, Outcome};
use crate::domain::reason::EventReason;

/// Facts and calls that are remembered for sure, of all customers; at most twice as many are.
const REMEMBERED_ROWS_MAX: usize = 8192;
/// Facts and calls of one customer who is remembered.
const CUSTOMER_ROWS_MAX: usize = 2048;

/// A customer as the database has it.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) struct Stored {
    /// What the ledger plans by.
    pub(in crate::store) history: CustomerHistory,
    /// What was noted of the customer's events.
    pub(in crate::store) noted: HashMap<EventId, Noted>,
    /// Something was written since of which the row may say more than this does.
    pub(in crate::store) is_vague: bool,
}

/// An outcome in the words of its row.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) struct Noted {
    pub(in crate::store) state: String,
    pub(in crate::store) reason: Option<String>,
    pub(in crate::store) detail: Option<String>,
}

impl Noted {
    pub(in crate::store) fn says(&self, outcome: &Outcome) -> bool {
        // The look-up of lines that were left out knows more of why they are not there than the ledger does.
        let detail_stays = outcome.end.reason() == Some(EventReason::LinesNotSeen);
        self.state == outcome.end.state().code()
            && self.reason.as_deref() == outcome.end.reason().map(EventReason::code)
            && (detail_stays || self.detail == outcome.detail)
    }
}

impl Stored {
    /// A call, and the number of its customer's next attempt.
    pub(in crate::store) fn attempt(&self, id: DeliveryId) -> Option<(Delivery, Seq)> {
        let calls = &self.history.deliveries;
        let last = calls.iter().filter_map(|call| call.last_seq).max().unwrap_or(0);
        calls.iter().find(|call| call.id == Some(id)).map(|call| (call.clone(), last + 1))
    }

    /// Whether it is soon asked for again, and says all that a reading would find. A related fact may change with another
    /// customer's.
    fn is_worth_it(&self) -> bool {
        let CustomerHistory { facts, deliveries, .. } = &self.history;
        !self.is_vague
            && facts.len() + deliveries.len() <= CUSTOMER_ROWS_MAX
            && deliveries.iter().any(|call| call.state.is_open())
            && facts.iter().all(|fact| !fact.is_related)
    }
}

/// A row that belongs to a customer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::store) enum Row {
    /// Of events, and of the fact that the event reports.
    Event(i64),
    /// Of deliveries.
    Delivery(i64),
}

/// The customers that are remembered: the newest, and those before them.
#[derive(Default)]
pub(in crate::store) struct Recent {
    newest: Customers,
    before: Customers,
}

#[derive(Default)]
struct Customers {
    by_key: HashMap<CustomerKey, Stored>,
    by_row: HashMap<Row, CustomerKey>,
}

impl Recent {
    /// Takes out what is remembered of a customer.
    pub(in crate::store) fn take(&mut self, key: &CustomerKey) -> Option<Stored> {
        self.newest.take(key).or_else(|| self.before.take(key))
    }

    /// Remembers a customer, if it is worth it.
    pub(in crate::store) fn put(&mut self, customer: Stored) {
        let key = customer.history.key.clone();
        self.take(&key);
        if !customer.is_worth_it() {
            return;
        }
        if self.newest.by_row.len() >= REMEMBERED_ROWS_MAX {
            self.before = std::mem::take(&mut self.newest);
        }
        self.newest.by_row.extend(customer.rows().map(|row| (row, key.clone())));
        self.newest.by_key.insert(key, customer);
    }

    /// A row has changed: what is remembered of its customer is not so any more.
    pub(in crate::store) fn changed(&mut self, row: Row) {
        for customers in [&mut self.newest, &mut self.before] {
            if let Some(key) = customers.by_row.get(&row).cloned() {
                customers.take(&key);
            }
        }
    }

    /// Forgets all.
    pub(in crate::store) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Customers {
    fn take(&mut self, key: &CustomerKey) -> Option<Stored> {
        let customer = self.by_key.remove(key)?;
        for row in customer.rows() {
            self.by_row.remove(&row);
        }
        Some(customer)
    }
}

impl Stored {
    fn rows(&self) -> impl Iterator<Item = Row> {
        let events = self.history.facts.iter().map(|fact| Row::Event(fact.event.0));
        events.chain(self.history.deliveries.iter().filter_map(|call| Some(Row::Delivery(call.id?.0))))
    }
}
