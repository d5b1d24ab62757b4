//! Removes bodies that are past their retention. What is removed is gone: a clock that is wrong for a while must not do it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Jumps;
use crate::clock::Clock;
use crate::domain::event::EventId;
use crate::store::{Pruned, Store, StoreError};
use crate::telemetry::events;

/// How often old bodies are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// For so long a clock has to be left alone before anything is removed by it.
const CLOCK_TRIED_FOR: Duration = Duration::from_secs(3600);

/// Removes bodies that are older than `retention`, a share of them at a time, until `stop`.
pub async fn prune(store: Store, clock: Clock, retention: Duration, mut jumps: Jumps, stop: CancellationToken) {
    let mut rest = CLOCK_TRIED_FOR;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = jumps.next() => rest = CLOCK_TRIED_FOR,
            () = clock.pass(rest) => {
                if let Err(error) = prune_a_share(&store, &clock, retention).await {
                    events::store_failed("remove old bodies", &error);
                }
                rest = PRUNE_EVERY;
            }
        }
    }
}

/// Removes what is old by the clock and by what came in last, as far as a share goes.
async fn prune_a_share(store: &Store, clock: &Clock, retention: Duration) -> Result<(), StoreError> {
    let Some(newest) = store.newest_arrival().await? else { return Ok(()) };
    let before = clock.now().min(newest).checked_sub(retention).unwrap_or(jiff::Timestamp::MIN);
    let (mut after_event, mut left) = (EventId(0), store.share_of_bodies().await?);
    while left > 0 {
        let Pruned { removed, next } = store.prune(before, after_event).await?;
        let Some(next) = next else { break };
        (after_event, left) = (next, left.saturating_sub(removed));
    }
    Ok(())
}
