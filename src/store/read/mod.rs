//! What the API and the command line ask for. Nothing here writes.

pub mod queries;
pub mod stats;
