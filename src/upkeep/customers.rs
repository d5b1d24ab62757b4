//! Forgets customers of whom nothing was heard for long. As with bodies, a clock that is wrong for a while must not do it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Jumps;
use super::bodies::left_alone;
use crate::clock::Clock;
use crate::store::{Old, Store, StoreError};
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;

/// How often customers are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// How long all pages of the database may take to be looked through, and overwritten.
const OVERWRITING_MAX: Duration = Duration::from_secs(3600);
/// Customers that are forgotten at a time, about: what else is written waits for a few at most.
const FORGOTTEN_MAX: u64 = 500;

/// Forgets customers with nothing open and no event for `retention`, until `stop`.
pub async fn forget_old_customers(
    store: Store,
    clock: Clock,
    retention: Duration,
    jumps: Jumps,
    pulse: Pulse,
    stop: CancellationToken,
) {
    tokio::select! {
        () = forget_for_ever(&store, &clock, retention, jumps, &pulse) => {}
        () = stop.cancelled() => {}
    }
}

async fn forget_for_ever(store: &Store, clock: &Clock, retention: Duration, mut jumps: Jumps, pulse: &Pulse) {
    // It has begun; its first look is an hour away.
    drop(pulse.step(TURN_MAX));
    left_alone(clock, &mut jumps).await;
    let mut after = 0;
    loop {
        match forget_some(store, clock, retention, after, pulse).await {
            Ok(next) => after = next,
            Err(error) => events::store_failed("forget old customers", &error),
        }
        tokio::select! {
            () = clock.pass(LOOK_EVERY) => {}
            () = jumps.next() => left_alone(clock, &mut jumps).await,
        }
    }
}

/// Forgets who is old by the clock and by what came in last, after the customer of `after`. Gives where to go on.
async fn forget_some(
    store: &Store,
    clock: &Clock,
    retention: Duration,
    mut after: i64,
    pulse: &Pulse,
) -> Result<i64, StoreError> {
    let _step = pulse.step(TURN_MAX);
    let Some(newest) = store.newest_arrival().await? else { return Ok(after) };
    let before = clock.now().min(newest).checked_sub(retention).unwrap_or(jiff::Timestamp::MIN);
    let mut all = 0;
    while all < FORGOTTEN_MAX {
        let _step = pulse.step(TURN_MAX);
        let Old { forgotten, next } = store.forget_old(before, after).await?;
        all += forgotten;
        // After the last one it begins anew.
        let Some(next) = next else {
            after = 0;
            break;
        };
        after = next;
    }
    if all > 0 {
        events::old_customers_forgotten(all);
        let _step = pulse.step(OVERWRITING_MAX);
        store.overwrite_forgotten().await?;
    }
    Ok(after)
}
