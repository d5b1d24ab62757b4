//! Refairn: the one HTTP client, and what its answers mean. The bodies of the calls are [`crate::domain::delivery::Call::body`].

mod client;
mod response;

pub(crate) use response::parse_retry_after;

pub use client::{Client, ClientError, KeyProbe, Sent};
pub use response::{Answer, RetryAfter, classify};
