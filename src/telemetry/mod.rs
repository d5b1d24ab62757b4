//! What people and machines may know of the process: every happening is one function of [`events`], which logs and
//! counts. Bodies, e-mail addresses and secrets never get here.

pub mod events;
pub mod lines;
pub mod log;
pub mod metrics;
