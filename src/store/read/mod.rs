//! What the API and the command line ask for. Nothing here writes.

mod accounts;
mod beside;
pub(super) mod codes_came;
pub(super) mod conditions;
mod customers;
pub mod days;
mod events;
pub mod payments;
pub mod queries;
pub mod search;
pub mod stats;
pub mod story;
mod times;
pub mod totals;
pub mod urgent;
pub mod walks;
