//! What an attacker may try, with harmless input, against the real program on both stores: requests that no client
//! sends, signatures that are none, texts that nobody writes, a hostile Refairn and a hostile provider. Each class has
//! one running bridge a store. After every attack nothing may be recorded or told that was not genuine, and a genuine
//! sale goes through.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests may fail loudly, and their helpers are for this binary alone"
)]

/// Runs each of these tests against a bridge with its data in SQLite, and one in PostgreSQL.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::target::Store::Sqlite).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::target::Store::Postgres).await;
            })*
        }
    };
}

#[path = "../kit/mod.rs"]
mod kit;

mod target;

mod admin;
mod content;
mod framing;
mod lookups;
mod mended;
mod mended_content;
mod paths;
mod refairn;
mod replays;
mod secrets;
mod signatures;
mod slow;
mod spoofed;
