//! Tells of events that nobody reads: until they are read, nothing goes out that came in later.

use tokio_util::sync::CancellationToken;

use super::LOOK_EVERY;
use crate::clock::Clock;
use crate::domain::event::EventId;
use crate::store::Store;
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;

/// Looks each minute, until `stop`, whether the first event of the inbox is still the same. No clock has to be right for
/// that: an event may have come in by a clock that was ahead, or be an old one that has to be read anew.
pub async fn look_for_unread(store: Store, clock: Clock, pulse: Pulse, stop: CancellationToken) {
    let mut before: Option<EventId> = None;
    loop {
        let step = pulse.step(TURN_MAX);
        let first = match store.first_unread().await {
            Ok(first) => first,
            Err(error) => {
                events::store_failed("look for unread events", &error);
                None
            }
        };
        if let Some(event) = first.filter(|first| before == Some(*first)) {
            events::nobody_reads(event);
        }
        drop(step);
        before = first;
        tokio::select! {
            () = clock.pass(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}
