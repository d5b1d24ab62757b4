//! From a recorded body to what it reports, by the rules of its endpoint.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::crash::{self, Point};
use crate::domain::endpoint::Endpoint;
use crate::domain::fact::Reading;
use crate::domain::reason::EventReason;
use crate::providers::{READING, provider};
use crate::store::{Inbox, Mapped, body};

/// Reads recorded events.
#[derive(Debug, Clone)]
pub struct Reader {
    endpoints: BTreeMap<String, Endpoint>,
    body_bytes_max: usize,
}

impl Reader {
    /// A reader by the rules of these endpoints.
    #[must_use]
    pub fn new(endpoints: &[Endpoint], body_bytes_max: usize) -> Self {
        Self { endpoints: endpoints.iter().map(|e| (e.name.clone(), e.clone())).collect(), body_bytes_max }
    }

    /// Reads an event. A defect that it brings out ends as its outcome.
    #[must_use]
    pub fn map(&self, event: Inbox) -> Mapped {
        // A defect that one event brings out is no reason for the others to wait.
        let reading = catch_unwind(AssertUnwindSafe(|| self.read(&event))).unwrap_or_else(|_| {
            Reading::Unmappable(EventReason::InternalError, "the bridge failed over reading it".to_owned())
        });
        let endpoint = self.endpoints.get(&event.endpoint);
        let thin = matches!(reading, Reading::Unmappable(EventReason::ThinEvent, _));
        let body = event.body_zstd.as_deref().filter(|_| thin).and_then(|b| body::decompress(b, self.body_bytes_max));
        Mapped {
            // One that was recorded by a version before has it in its body only.
            reader: READING,
            snapshot_event: body.and_then(|body| provider(event.provider).identify(&body).snapshot_event),
            id: event.id,
            business: endpoint.map_or(event.business, |e| e.business.clone()),
            realm: endpoint.map_or_else(String::new, Endpoint::realm),
            endpoint: event.endpoint,
            received_at: event.received_at,
            reading,
        }
    }

    fn read(&self, event: &Inbox) -> Reading {
        crash::here(Point::Reading);
        let Some(endpoint) = self.endpoints.get(&event.endpoint) else {
            let detail =
                format!("endpoint {:?} is not in the configuration any more: add it and remap", event.endpoint);
            return Reading::Unmappable(EventReason::Unreadable, detail);
        };
        let Some(body) = event.body_zstd.as_deref().and_then(|b| body::decompress(b, self.body_bytes_max)) else {
            return Reading::Unmappable(EventReason::Unreadable, "the stored body is missing or damaged".to_owned());
        };
        provider(event.provider).read(&body, &endpoint.rules, event.received_at)
    }
}
