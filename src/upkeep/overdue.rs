//! Tells of events that have waited too long for what they lack.

use tokio_util::sync::CancellationToken;

use super::{Jumps, LOOK_EVERY};
use crate::clock::Clock;
use crate::store::{OVERDUE_EVENTS_MAX, Store};
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;

/// Looks for them each minute and when the clock was set, until `stop`; as long as there are many, on and on.
pub async fn look_for_overdue(store: Store, clock: Clock, mut jumps: Jumps, pulse: Pulse, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let step = pulse.step(TURN_MAX);
        let seen_to = match store.see_to_the_overdue(clock.now()).await {
            Ok(seen_to) => seen_to,
            Err(error) => {
                events::store_failed("look for events that wait too long", &error);
                0
            }
        };
        drop(step);
        if seen_to == OVERDUE_EVENTS_MAX {
            continue;
        }
        tokio::select! {
            () = clock.pass(LOOK_EVERY) => {}
            () = jumps.next() => {}
            () = stop.cancelled() => {}
        }
    }
}
