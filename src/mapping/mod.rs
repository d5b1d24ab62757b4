//! Mapping: recorded events → facts → the ledger, in the order of recording, at our own pace. A mapper's bug can
//! delay an event, never lose it: fix the bridge, and map the event anew.

mod reader;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use reader::Reader;

use crate::clock::Clock;
use crate::crash::{self, Point};
use crate::domain::endpoint::Endpoint;
use crate::domain::fact::Reading;
use crate::domain::reason::EventReason;
use crate::store::{Mapped, Store, StoreError};
use crate::tasks::{Pulse, TURN_MAX};
use crate::telemetry::events;

/// Events that are read and written together: a webhook that comes meanwhile waits for them.
const BATCH_EVENTS_MAX: u32 = 64;
/// How long the mapper rests when the store fails.
const STORE_REST: Duration = Duration::from_secs(1);

/// Reads events as they are recorded.
pub struct Mapper {
    store: Store,
    clock: Clock,
    reader: Reader,
    /// Notified when an event is recorded.
    inbox: Arc<Notify>,
    /// Notified when there may be something to send.
    outbox: Arc<Notify>,
    /// Notified when something may be to be looked up.
    lookups: Option<Arc<Notify>>,
}

impl Mapper {
    /// A mapper for these endpoints.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        endpoints: &[Endpoint],
        body_bytes_max: usize,
        inbox: Arc<Notify>,
        outbox: Arc<Notify>,
    ) -> Self {
        let reader = Reader::new(endpoints, body_bytes_max);
        Self { store, clock, reader, inbox, outbox, lookups: None }
    }

    /// The same, which also notifies `lookups` when something may be to be looked up.
    #[must_use]
    pub fn waking(self, lookups: Arc<Notify>) -> Self {
        Self { lookups: Some(lookups), ..self }
    }

    /// Works until `stop`.
    pub async fn run(self, pulse: Pulse, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let turn = pulse.step(TURN_MAX);
            let read = match self.work_once().await {
                Ok(read) => read,
                Err(error) => {
                    drop(turn);
                    events::store_failed("map events", &error);
                    self.clock.sleep(STORE_REST).await;
                    continue;
                }
            };
            if read == 0 {
                tokio::select! {
                    () = self.inbox.notified() => {}
                    () = pulse.rest() => {}
                    () = stop.cancelled() => {}
                }
            }
        }
    }

    /// Reads one batch; gives how many events it had.
    ///
    /// # Errors
    /// The store failed; the events are still in the inbox.
    pub async fn work_once(&self) -> Result<usize, StoreError> {
        let batch = self.store.inbox(BATCH_EVENTS_MAX).await?;
        let count = batch.len();
        if count > 0 {
            let mapped: Vec<Mapped> = batch.into_iter().map(|event| self.reader.map(event)).collect();
            for event in &mapped {
                events::mapped(event);
            }
            crash::here(Point::Mapped);
            self.post(mapped).await?;
            self.store.new_crowds().into_iter().for_each(events::crowded);
            self.outbox.notify_one();
            if let Some(lookups) = &self.lookups {
                lookups.notify_one();
            }
        }
        Ok(count)
    }

    /// Writes what the events report. One that cannot be written, because of what is stored about its customer or of a
    /// defect of ours, is set aside for a person to see: it must not keep all others waiting for ever.
    async fn post(&self, events: Vec<Mapped>) -> Result<(), StoreError> {
        match self.store.post(events.clone(), self.clock.now()).await {
            Err(StoreError::Data(_) | StoreError::Panicked) => {}
            outcome => return outcome,
        }
        for event in events {
            let outcome = self.store.post(vec![event.clone()], self.clock.now()).await;
            if let Err(error @ (StoreError::Data(_) | StoreError::Panicked)) = outcome {
                events::store_failed("write what an event reports", &error);
                let reading = if error == StoreError::Panicked {
                    Reading::Unmappable(
                        EventReason::InternalError,
                        "it was read, and the bridge failed over it".to_owned(),
                    )
                } else {
                    let detail = format!(
                        "it was read, and what it reports could not be written: {error}; remap it once that is mended"
                    );
                    Reading::Unmappable(EventReason::Unreadable, detail)
                };
                self.store.post(vec![Mapped { reading, ..event }], self.clock.now()).await?;
            } else {
                outcome?;
            }
        }
        Ok(())
    }
}
