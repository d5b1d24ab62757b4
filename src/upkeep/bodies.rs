//! Removes bodies that are past their retention. What is removed is gone: a clock that is wrong for a while must not do it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Jumps;
use crate::clock::Clock;
use crate::domain::event::EventId;
use crate::store::{Pruned, Store, StoreError};
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;

/// How often old bodies are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// For so long a clock has to be left alone before anything is removed by it.
const CLOCK_TRIED_FOR: Duration = Duration::from_secs(3600);

/// Removes bodies that are older than `retention`, a share of them at a time, until `stop`.
pub async fn prune(
    store: Store,
    clock: Clock,
    retention: Duration,
    jumps: Jumps,
    pulse: Pulse,
    stop: CancellationToken,
) {
    tokio::select! {
        () = prune_for_ever(&store, &clock, retention, jumps, &pulse) => {}
        () = stop.cancelled() => {}
    }
}

async fn prune_for_ever(store: &Store, clock: &Clock, retention: Duration, mut jumps: Jumps, pulse: &Pulse) {
    // It has begun; its first look is an hour away.
    drop(pulse.step(TURN_MAX));
    left_alone(clock, &mut jumps).await;
    loop {
        if let Err(error) = prune_a_share(store, clock, retention, pulse).await {
            events::store_failed("remove old bodies", &error);
        }
        tokio::select! {
            () = clock.pass(PRUNE_EVERY) => {}
            () = jumps.next() => left_alone(clock, &mut jumps).await,
        }
    }
}

/// Waits until nobody has set the clock for a while.
pub(super) async fn left_alone(clock: &Clock, jumps: &mut Jumps) {
    loop {
        tokio::select! {
            () = clock.pass(CLOCK_TRIED_FOR) => return,
            () = jumps.next() => {}
        }
    }
}

/// Removes what is old by the clock and by what came in last, as far as a share goes.
async fn prune_a_share(store: &Store, clock: &Clock, retention: Duration, pulse: &Pulse) -> Result<(), StoreError> {
    let _step = pulse.step(TURN_MAX);
    let Some(newest) = store.newest_arrival().await? else { return Ok(()) };
    let before = clock.now().min(newest).checked_sub(retention).unwrap_or(jiff::Timestamp::MIN);
    let (mut after_event, mut left) = (EventId(0), store.share_of_bodies().await?);
    while left > 0 {
        let _step = pulse.step(TURN_MAX);
        let Pruned { removed, next } = store.prune(before, after_event).await?;
        let Some(next) = next else { break };
        (after_event, left) = (next, left.saturating_sub(removed));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::after;
    use crate::upkeep::jumps;

    #[tokio::test]
    async fn a_clock_that_was_set_is_tried_for_an_hour_anew() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let (tell, mut told) = jumps();
        let tried = async {
            left_alone(&clock, &mut told).await;
            clock.now()
        };
        let drive = async {
            let minutes = async |n: u64| {
                clock.set(after(clock.now(), Duration::from_secs(60 * n)));
                // The other looks at what happened before anything else does.
                tokio::task::yield_now().await;
            };
            minutes(59).await;
            tell.0.send(()).unwrap();
            tokio::task::yield_now().await;
            minutes(59).await;
            minutes(1).await;
            minutes(30).await;
        };
        let (tried_at, ()) = tokio::join!(tried, drive);
        assert_eq!(tried_at, after(jiff::Timestamp::UNIX_EPOCH, Duration::from_secs(119 * 60)));
    }
}
