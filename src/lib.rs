//! refairn-bridge: payment-provider webhooks in, Refairn commissions out.
//!
//! One path, told in the order of the rooms:
//!
//! ```text
//! http::webhooks ──► intake ──► store (events) ──► mapping ──► ledger ──► store (deliveries) ──► delivery ──► refairn
//!   receive            verify, identify,   wake      facts        calls     one transaction         lease, send,   POST, classify
//!                      record → 200                  (pure)       (pure)                            decide, settle
//! ```
//!
//! An event that was answered 2xx is on disk. What it means is decided afterwards, from all that is known of its
//! customer, by a pure function; its calls are sent one at a time per customer, until Refairn has it.

pub mod delivery;
pub mod http;
pub mod intake;
pub mod ledger;
pub mod lookup;
pub mod mapping;
pub mod providers;
pub mod refairn;
pub mod store;

pub mod domain;

pub mod alerts;
pub mod api;
pub mod app;
pub mod backfill;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
mod outbound;
mod private;
pub mod sandbox;
pub mod tasks;
pub mod telemetry;
pub mod upkeep;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
