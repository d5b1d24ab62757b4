//! `/refairn.js` in a real Chromium: pages of shops with the providers' own packages, and stand-ins for the providers' hosts.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests may fail loudly, and their helpers are for this binary alone"
)]

#[path = "../kit/mod.rs"]
mod kit;

#[path = "../dashboard/chromium.rs"]
#[allow(dead_code, reason = "the dashboard's tests use all of it")]
mod chromium;

mod serving;
mod site;
mod visit;

mod paystack;
mod stripe;
mod visitors;
