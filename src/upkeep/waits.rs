//! Ends waits for times that a clock told in error.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Jumps, LOOK_EVERY};
use crate::clock::Clock;
use crate::store::Store;
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;

/// Looks for waits that would only begin later than it is, each minute and when the clock was set, until `stop`; notifies
/// all of `wake` when there may be something to do now.
pub async fn end_waits(
    store: Store,
    clock: Clock,
    lease: Duration,
    mut jumps: Jumps,
    wake: [Arc<Notify>; 2],
    pulse: Pulse,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let step = pulse.step(TURN_MAX);
        match store.end_waits_ahead(&clock, lease).await {
            Ok(0) => {}
            Ok(waits) => events::waits_ended(waits),
            Err(error) => events::store_failed("look for waits that are too long", &error),
        }
        drop(step);
        // A clock that was set forward makes things due.
        wake.iter().for_each(|wake| wake.notify_one());
        tokio::select! {
            () = clock.pass(LOOK_EVERY) => {}
            () = jumps.next() => {}
            () = stop.cancelled() => {}
        }
    }
}
