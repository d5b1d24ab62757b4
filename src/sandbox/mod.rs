//! A local Refairn: the upstream of `refairn-bridge sandbox`, of `demo` and of the tests.
//!
//! Refairn has no sandbox of its own, so this one answers both event calls with every status of the
//! contract, credits agents by first touch, computes commissions with hold dates, and misbehaves on demand.
//!
//! * [`Book`]: what Refairn holds and decides, a state machine without HTTP, async or clock.
//! * [`Business`], [`Program`], [`Agent`]: what is set up before the first call.
//! * [`Fault`]: one kind of misbehaviour, ordered for so many calls.
//! * [`Sandbox`]: a book, faults and a log of calls, shared between the server and its observers.
//! * [`start`]: the HTTP server around it.
//!
//! The module knows nothing of the bridge, so that neither can share the other's mistakes.

mod book;
mod calls;
mod faults;
mod fields;
mod http;
mod money;
mod program;
mod records;
mod reply;
mod shared;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use book::{ApiCall, Book};
pub use calls::{Call, Kind};
pub use faults::{Fault, FaultError};
pub use http::start;
pub use program::{Agent, Business, Program, Referral};
pub use records::{Commission, Lead, Payment};
pub use reply::Reply;
pub use shared::Sandbox;

/// Tells the sandbox which day it is: it never reads a clock itself.
pub type Today = Arc<dyn Fn() -> jiff::civil::Date + Send + Sync>;
