//! The queue: customers are planned, leased when it is their turn, and settled. What waits too long is ended.

pub(super) mod clock_skew;
pub(super) mod customer_plan;
pub(super) mod held;
pub(super) mod history;
pub(super) mod lease;
pub(super) mod overdue;
pub(super) mod planning;
mod routes;
mod settle;
