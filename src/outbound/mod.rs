//! One way out: every request to another server (Refairn, a provider, a bridge) is made by what is here.
//!
//! * `client`: one request and one answer. `failure`: why there is none. `retry_after`: when to come back.
//! * `backoff`: how long to wait before the next try. `outage`: a server that is left alone for a while.
//! * `excerpt`: what people are shown of a server's words.

mod backoff;
mod client;
mod excerpt;
mod failure;
mod outage;
mod retry_after;

pub(crate) use backoff::{Backoff, with_jitter};
#[cfg(test)]
pub(crate) use client::Body;
pub use client::ClientError;
pub(crate) use client::{Bearer, Client, Limits, Method, Reply, Request};
pub(crate) use excerpt::{message_of, shorten};
pub(crate) use failure::{Failure, FailureKind};
pub(crate) use outage::Outage;
pub(crate) use reqwest::Url;
