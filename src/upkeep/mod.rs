//! What is done beside the one path: the clock is kept right and watched, waits are ended that a clock told in error,
//! what is not read or waits too long is told of, old bodies are removed,
//! and customers forgotten of whom nothing was heard for long.

mod bodies;
mod customers;
mod overdue;
mod timekeeper;
mod unread;
mod waits;

use std::time::Duration;

use tokio::sync::watch;

pub use bodies::prune;
pub use customers::forget_old_customers;
pub use overdue::look_for_overdue;
pub use timekeeper::keep_time;
pub use unread::look_for_unread;
pub use waits::end_waits;

/// Tells that the store's clock was set.
#[derive(Debug, Clone)]
pub struct Jumps(watch::Receiver<()>);

/// What tells it.
#[derive(Debug)]
pub struct Tell(watch::Sender<()>);

/// For one who looks at the clock, and those who want to know.
#[must_use]
pub fn jumps() -> (Tell, Jumps) {
    let (tell, jumps) = watch::channel(());
    (Tell(tell), Jumps(jumps))
}

impl Jumps {
    /// Done when the clock was set since this was asked last.
    async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody looks at the clock any more.
            std::future::pending::<()>().await;
        }
    }
}

/// How often waits, and events that are unread or overdue, are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);
