//! The table of the states' transitions: which there are, and who makes them. `docs/states.md` draws it, and says when.

use crate::domain::delivery::DeliveryState;

/// Who moves a delivery from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The plan of the ledger.
    Plan,
    /// A lease.
    Lease,
    /// A lease that is given back: its call was never begun.
    GiveBack,
    /// What an attempt came to, under the lease that it was made in.
    Settle,
    /// A receipt of an attempt whose lease was lost.
    Receipt,
    /// An operator.
    Operator,
    /// A start that moves scopes: the SQL of `rescope.sql`, which finds two calls of one payment.
    Start,
}

/// One row of the table.
pub(super) struct Transition {
    /// Nothing of a new delivery.
    pub(super) from: Option<DeliveryState>,
    pub(super) to: DeliveryState,
    pub(super) by: &'static [By],
}

const fn row(from: DeliveryState, to: DeliveryState, by: &'static [By]) -> Transition {
    Transition { from: Some(from), to, by }
}

const fn new(to: DeliveryState) -> Transition {
    Transition { from: None, to, by: &[By::Plan] }
}

use By::{GiveBack, Lease, Operator, Plan, Receipt, Settle, Start};
use DeliveryState::{Cancelled, Delivered, Discarded, Duplicate, Held, Queued, Rejected, Sending, Superseded};

/// Every transition from one state to another.
pub(super) const TRANSITIONS: &[Transition] = &[
    new(Queued),
    new(Held),
    new(Cancelled),
    row(Queued, Sending, &[Lease]),
    row(Sending, Queued, &[Settle, GiveBack]),
    row(Sending, Sending, &[Lease]),
    row(Sending, Held, &[Start]),
    row(Sending, Delivered, &[Settle]),
    row(Sending, Duplicate, &[Settle]),
    row(Sending, Rejected, &[Settle]),
    row(Queued, Held, &[Plan]),
    row(Held, Queued, &[Plan, Operator]),
    row(Queued, Cancelled, &[Plan]),
    row(Held, Cancelled, &[Plan]),
    row(Cancelled, Queued, &[Plan]),
    row(Cancelled, Held, &[Plan]),
    row(Queued, Superseded, &[Plan, Start]),
    row(Held, Superseded, &[Plan, Start]),
    row(Cancelled, Superseded, &[Plan, Start]),
    row(Rejected, Superseded, &[Plan, Start]),
    row(Discarded, Superseded, &[Start]),
    row(Superseded, Queued, &[Plan]),
    row(Superseded, Held, &[Plan]),
    row(Superseded, Cancelled, &[Plan]),
    row(Rejected, Held, &[Plan]),
    row(Rejected, Queued, &[Operator]),
    row(Discarded, Queued, &[Operator]),
    row(Queued, Discarded, &[Operator]),
    row(Held, Discarded, &[Operator]),
    row(Rejected, Discarded, &[Operator]),
    row(Queued, Delivered, &[Receipt]),
    row(Held, Delivered, &[Receipt]),
    row(Rejected, Delivered, &[Receipt]),
    row(Duplicate, Delivered, &[Receipt]),
    row(Cancelled, Delivered, &[Receipt]),
    row(Superseded, Delivered, &[Receipt]),
    row(Discarded, Delivered, &[Receipt]),
];

/// Whether the table has this transition.
pub(super) fn is_listed(by: By, from: DeliveryState, to: DeliveryState) -> bool {
    TRANSITIONS.iter().any(|row| row.from == Some(from) && row.to == to && row.by.contains(&by))
}
