//! What the store asks of the ledger while it holds a customer's facts and calls in one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::Timestamp;

use crate::crash::{self, Point};
use crate::domain::customer::{Change, CustomerHistory, Plan};
use crate::domain::delivery::{Delivery, DeliveryState, Settlement};
use crate::domain::policy::Policy;
use crate::domain::reason::DeliveryReason;
use crate::ledger;

/// The ledger under the policy that the store was opened with; cheap to clone.
#[derive(Clone)]
pub(in crate::store) struct Planning {
    policy: Arc<Policy>,
    /// The ledger has a defect that customers of the name Jane bring out.
    #[cfg(test)]
    pub(in crate::store) broken: Arc<std::sync::atomic::AtomicBool>,
}

/// What becomes of a write when the ledger panics over a customer: a defect of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Defect {
    /// It is undone, and the caller gets an error.
    Undo,
    /// It stands, and nothing more goes out for the customer until a person has seen to it.
    Hold,
}

impl Planning {
    pub(in crate::store) fn new(policy: Policy) -> Self {
        Self {
            policy: Arc::new(policy),
            #[cfg(test)]
            broken: Arc::default(),
        }
    }

    /// What has to change for a customer.
    pub(in crate::store) fn planned(&self, customer: &CustomerHistory, now: Timestamp, defect: Defect) -> Plan {
        match defect {
            Defect::Undo => self.plan(customer, now),
            Defect::Hold => self.plan_or_hold(customer, now),
        }
    }

    /// See [`ledger::plan`].
    pub(in crate::store) fn plan(&self, customer: &CustomerHistory, now: Timestamp) -> Plan {
        crash::here(Point::Planning);
        #[cfg(test)]
        self.fail_over_jane(customer);
        ledger::plan(customer, &self.policy, now)
    }

    /// The plan. When the ledger panics, all that was never sent waits for a person; what may have left the house goes on
    /// as it is.
    pub(in crate::store) fn plan_or_hold(&self, customer: &CustomerHistory, now: Timestamp) -> Plan {
        let planned = catch_unwind(AssertUnwindSafe(|| self.plan(customer, now)));
        planned.unwrap_or_else(|_| {
            let unsent = customer.deliveries.iter().filter(|d| d.state == DeliveryState::Queued && d.is_unsent());
            let held = unsent.filter_map(|delivery| {
                let mut delivery = delivery.clone();
                delivery.hold(DeliveryReason::InternalError, None);
                Some(Change::Changed { id: delivery.id?, delivery })
            });
            Plan { changes: held.collect(), ..Plan::default() }
        })
    }

    /// What Refairn's 409 means; a person has to look when we fail over that.
    pub(in crate::store) fn conflict(&self, customer: &CustomerHistory, delivery: &Delivery) -> Settlement {
        let meant = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            self.fail_over_jane(customer);
            ledger::conflict(customer, delivery)
        }));
        meant.unwrap_or_else(|_| {
            Settlement::failed_over("Refairn answered 409, and the bridge failed over what that means")
        })
    }

    #[cfg(test)]
    fn fail_over_jane(&self, customer: &CustomerHistory) {
        let broken = self.broken.load(std::sync::atomic::Ordering::Relaxed);
        assert!(!(broken && customer.key.email_key.starts_with("jane")), "on purpose");
    }
}
