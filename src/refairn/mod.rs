//! Refairn: the one HTTP client, and what its answers mean. The bodies of the calls are [`crate::domain::delivery::Call::body`].

mod client;
mod response;

pub use client::{Client, KeyProbe, Sent};
pub use response::{Answer, classify};

pub use crate::outbound::ClientError;
