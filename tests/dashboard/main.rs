//! The dashboard, as a browser sees it: pages over raw sockets, on both stores, and in a real Chromium.

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

mod acting;
mod agreeing;
mod browser;
mod chromium;
mod comparing;
mod decided;
mod forgetting;
mod live;
mod pages;
mod people;
mod shop;
mod signing_in;
mod visitor;
