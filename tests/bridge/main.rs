//! The bridge as a black box: the app on a port of its own, a sandbox or a raw socket for Refairn, a clock driven by
//! hand. Nothing sleeps: whatever has to happen is waited for.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stderr,
    unreachable_pub,
    reason = "tests may fail loudly, and their helpers are for this binary alone"
)]

/// Runs each of these tests with its data in SQLite, and in PostgreSQL; they are handed what makes their worlds.
macro_rules! in_both {
    ($($name:ident)*) => {
        mod in_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::kit::world::Setup::new).await;
            })*
        }

        mod in_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::kit::world::Setup::on_server).await;
            })*
        }
    };
}

#[path = "../kit/mod.rs"]
mod kit;

mod idle;

mod actions;
mod alerts;
mod answers;
mod api;
mod asking;
mod calls;
mod certificates;
mod clocks;
mod connections;
mod corpus;
mod fairness;
mod fates;
mod faults;
mod floods;
mod forgetting;
mod limits;
mod memory;
mod odd_clocks;
mod openapi;
mod operation;
mod prometheus;
mod refusals;
mod restart;
mod retries;
mod routes;
mod signals;
mod strangers;
mod waits;
mod webhooks;
