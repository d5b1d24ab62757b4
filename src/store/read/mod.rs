//! What the API and the command line ask for. Nothing here writes.

mod conditions;
pub mod payments;
pub mod queries;
pub mod search;
pub mod stats;
pub mod story;
