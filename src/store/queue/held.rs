//! The customers of whom this process has a call under way: leased, being made, or not settled yet. It leases none of them
//! again before that has ended, whatever any clock says.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::customer::CustomerKey;
use crate::store::StoreError;

/// All of them.
#[derive(Clone, Default)]
pub(in crate::store) struct UnderWay(Arc<Mutex<HashSet<CustomerKey>>>);

impl UnderWay {
    fn customers(&self) -> MutexGuard<'_, HashSet<CustomerKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A customer is one of them until what this gives is let go or dropped.
    pub(in crate::store) fn hold(&self, key: &CustomerKey) -> Held {
        self.customers().insert(key.clone());
        Held { key: key.clone(), all: self.clone(), gone: AtomicBool::new(false) }
    }

    /// Them all, as [`crate::store::sql::Dialect::is_held`] reads them.
    pub(in crate::store) fn list(&self) -> Result<String, StoreError> {
        let customers = self.customers();
        let pairs: Vec<_> = customers.iter().map(|key| [&key.business, &key.email_key]).collect();
        Ok(serde_json::to_string(&pairs)?)
    }
}

/// A customer who is one of them.
pub(in crate::store) struct Held {
    key: CustomerKey,
    all: UnderWay,
    gone: AtomicBool,
}

impl Held {
    /// Nothing of the customer is under way here any more.
    pub(in crate::store) fn let_go(&self) {
        // Once: the customer may be held for the next call by then.
        if !self.gone.swap(true, Ordering::AcqRel) {
            self.all.customers().remove(&self.key);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held")
    }
}
