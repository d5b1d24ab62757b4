//! What the black-box tests are made of: a running bridge with a sandbox for Refairn, a client that sees every byte,
//! an upstream of raw sockets, and webhooks as the providers send them.

#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests may fail loudly, and each test binary uses its own part"
)]

pub mod call;
pub mod case;
pub mod checks;
pub mod child;
pub mod command;
pub mod lists;
pub mod log;
pub mod pipeline;
pub mod place;
pub mod pooler;
pub mod postgres;
pub mod process;
pub mod program;
pub mod provider;
pub mod refairn;
pub mod rules;
pub mod samples;
pub mod upstream;
pub mod wire;
pub mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A condition that has not come true by then never will.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A program, a file or a folder that `./test` fetched, in the folder `tools` beside the build.
pub fn tool(name: &str) -> PathBuf {
    let build = std::env::current_exe().expect("a path");
    let found = build.ancestors().map(|folder| folder.join("tools").join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not beside the build: ./test fetches it"))
}

/// Looks again and again until `look` gives something, and fails the test with `what` when it never does.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < give_up, "waited in vain: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
