//! What one process read or wrote last of its customers, as long as the database says the same. A call is leased and
//! settled right after it was planned, and a customer of many sales is planned anew for each: what the plan was made of
//! need not be read and parsed again each time.
//!
//! Only for a database to which nobody else writes. Every statement that changes a row makes this forget the row, and what
//! somebody else has written all the same makes it forget all (see `sqlite::session`).

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::HashMap as QuickMap;

use crate::domain::customer::{CustomerHistory, CustomerKey};
use crate::domain::delivery::{Delivery, DeliveryId, Seq};
use crate::domain::event::{EventId, Outcome};
use crate::domain::reason::EventReason;

/// Facts and calls that are remembered for sure, of all customers; at most twice as many are.
const REMEMBERED_ROWS_MAX: usize = 1024;
/// Facts and calls of one customer who is remembered.
const CUSTOMER_ROWS_MAX: usize = 2048;
/// From so many facts and calls on, to read them costs more than to remember them until the next event comes. Where what is
/// remembered is compared with what is stored, nearly every customer is remembered so.
const LONG_ROWS: usize = if cfg!(any(test, feature = "crash-points")) { 2 } else { 16 };

/// A customer as the database has it.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) struct Stored {
    /// What the ledger plans by.
    pub(in crate::store) history: CustomerHistory,
    /// What was noted of the customer's events. Of a fact whose event is not here the rows may say something else by now.
    pub(in crate::store) noted: HashMap<EventId, Noted>,
    /// It says all that a reading would find.
    pub(in crate::store) is_whole: bool,
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

    /// A row has changed, and is not known any more.
    pub(in crate::store) fn changed(&mut self, row: Row) {
        self.is_whole = false;
        match row {
            Row::Event(id) => drop(self.noted.remove(&EventId(id))),
            Row::Delivery(id) => self.history.deliveries.retain(|call| call.id != Some(DeliveryId(id))),
        }
    }

    /// Reading it costs more than remembering it.
    fn is_long(&self) -> bool {
        let CustomerHistory { facts, deliveries, .. } = &self.history;
        (LONG_ROWS..=CUSTOMER_ROWS_MAX).contains(&(facts.len() + deliveries.len()))
    }

    /// It is soon asked for again, and says all that a reading would find.
    fn is_about_to_be_asked(&self) -> bool {
        self.is_whole
            && self.history.facts.len() + self.history.deliveries.len() <= CUSTOMER_ROWS_MAX
            && self.history.deliveries.iter().any(|call| call.state.is_open())
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        let events = self.history.facts.iter().map(|fact| Row::Event(fact.event.0));
        events.chain(self.history.deliveries.iter().filter_map(|call| Some(Row::Delivery(call.id?.0))))
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
    by_key: QuickMap<Arc<CustomerKey>, Stored>,
    by_row: QuickMap<Row, Arc<CustomerKey>>,
}

impl Recent {
    /// Takes out a customer of whom all is remembered.
    pub(in crate::store) fn take(&mut self, key: &CustomerKey) -> Option<Stored> {
        self.both().into_iter().find_map(|customers| {
            let is_whole = customers.by_key.get(key).is_some_and(|customer| customer.is_whole);
            is_whole.then(|| customers.take(key)).flatten()
        })
    }

    /// Takes out what is remembered of a customer's rows, if that saves more than a few.
    pub(in crate::store) fn take_rows(&mut self, key: &CustomerKey) -> Option<Stored> {
        self.both().into_iter().find_map(|customers| customers.take(key)).filter(Stored::is_long)
    }

    /// Remembers a customer, if it is worth it.
    pub(in crate::store) fn put(&mut self, mut customer: Stored) {
        let key = Arc::new(customer.history.key.clone());
        for customers in self.both() {
            customers.take(&key);
        }
        // What is related may change with another customer.
        let facts = customer.history.facts.len();
        customer.history.facts.retain(|fact| !fact.is_related);
        customer.is_whole &= customer.history.facts.len() == facts;
        if !customer.is_long() && !customer.is_about_to_be_asked() {
            return;
        }
        // A list that grew has room for four, and nearly every customer has one fact and one call.
        customer.history.facts.shrink_to_fit();
        customer.history.deliveries.shrink_to_fit();
        if self.newest.by_row.len() >= REMEMBERED_ROWS_MAX {
            self.before = std::mem::take(&mut self.newest);
        }
        self.newest.by_row.extend(customer.rows().map(|row| (row, key.clone())));
        self.newest.by_key.insert(key, customer);
    }

    /// A row has changed: what is remembered of it is not so any more.
    pub(in crate::store) fn changed(&mut self, row: Row) {
        for customers in self.both() {
            let Some(key) = customers.by_row.remove(&row) else { continue };
            let stays = customers.by_key.get_mut(&key).is_some_and(|customer| {
                customer.changed(row);
                customer.is_long()
            });
            if !stays {
                customers.take(&key);
            }
        }
    }

    /// A fact has changed, and may have counted for customers who are not the event's.
    pub(in crate::store) fn a_fact_changed(&mut self, event: i64) {
        self.changed(Row::Event(event));
        for customers in self.both() {
            customers.by_key.values_mut().for_each(|customer| customer.is_whole = false);
            for (key, customer) in customers.by_key.extract_if(|_, customer| !customer.is_long()) {
                forget_rows(&mut customers.by_row, &key, &customer);
            }
        }
    }

    /// Forgets all.
    pub(in crate::store) fn clear(&mut self) {
        *self = Self::default();
    }

    const fn both(&mut self) -> [&mut Customers; 2] {
        [&mut self.newest, &mut self.before]
    }
}

impl Customers {
    fn take(&mut self, key: &CustomerKey) -> Option<Stored> {
        let customer = self.by_key.remove(key)?;
        forget_rows(&mut self.by_row, key, &customer);
        Some(customer)
    }
}

/// Forgets whose a customer's rows are. One that went over to another customer is that one's, though this one is remembered
/// with it.
fn forget_rows(by_row: &mut QuickMap<Row, Arc<CustomerKey>>, key: &CustomerKey, customer: &Stored) {
    for row in customer.rows() {
        if by_row.get(&row).is_some_and(|whose| **whose == *key) {
            by_row.remove(&row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::DeliveryRecord;

    #[test]
    fn a_customer_is_remembered_without_room_for_more() {
        let key = CustomerKey { business: "biz_1".into(), email_key: "jane@example.com".into() };
        let mut deliveries = Vec::with_capacity(4);
        deliveries.push(Delivery::restore(DeliveryRecord::sample(1)));
        let history = CustomerHistory { key: key.clone(), facts: Vec::with_capacity(4), deliveries };
        let mut recent = Recent::default();
        recent.put(Stored { history, noted: HashMap::new(), is_whole: true });
        let remembered = recent.take(&key).unwrap().history;
        assert_eq!((remembered.facts.capacity(), remembered.deliveries.capacity()), (0, 1));
    }
}
