//! Keeps the store's clock right, and tells when it was set, and when the machine's stands apart from it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Tell;
use crate::clock::{Clock, SLACK};
use crate::store::Store;
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;

/// How often the clocks are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the store's clock until `stop`, and at `machine`'s beside it.
pub async fn keep_time(store: Store, clock: Clock, machine: Clock, tell: Tell, pulse: Pulse, stop: CancellationToken) {
    let (mut before, mut apart) = (clock.read(), false);
    loop {
        // By the steady time alone: it is the clocks that are looked at.
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
        // A store that cannot be asked is told of by those who work on it; the clock goes on by itself.
        let step = pulse.step(TURN_MAX);
        let _ = store.put_right(&clock).await;
        drop(step);
        let now = clock.read();
        let set_by = now.set_since(&before);
        before = now;
        if set_by.unsigned_abs() > SLACK {
            events::clock_was_set(set_by);
            // Those who were told may have ended.
            let _ = tell.0.send(());
        }
        let skew = machine.now().duration_since(clock.now());
        let is_apart = skew.unsigned_abs() > SLACK;
        events::clocks_stand_apart(skew, is_apart && !apart);
        apart = is_apart;
    }
}
