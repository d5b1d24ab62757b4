//! Intake: verify, identify, record. Nothing else happens between a webhook's arrival and its answer.

mod refusals;

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

pub use refusals::{Refusal, Refusals};

use crate::domain::endpoint::Endpoint;
use crate::domain::event::{NewEvent, Recorded};
use crate::providers::{SignatureError, provider, verify};
use crate::store::{Store, StoreError, body};
use crate::telemetry::events;

/// A request to a webhook endpoint, before anything of it is believed.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Where it came to.
    pub endpoint: &'a Endpoint,
    /// Who sent it, as far as trusted proxies tell.
    pub source: Option<IpAddr>,
    /// Every value of the provider's signature header.
    pub signatures: Vec<&'a [u8]>,
    /// The raw body.
    pub body: &'a [u8],
    /// When it arrived.
    pub at: Timestamp,
}

/// Why a request was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The sender's address is not on the endpoint's list.
    #[error("the sender's address is not among the endpoint's allowed_ips")]
    AddressNotAllowed,
    /// It is not signed by the provider.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is, but we could not write it down: the sender is to come again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes in webhooks.
#[derive(Debug, Clone)]
pub struct Intake {
    store: Store,
    refusals: Arc<Refusals>,
    inbox: Arc<Notify>,
}

impl Intake {
    /// An intake that notifies `inbox` of what it records.
    #[must_use]
    pub fn new(store: Store, inbox: Arc<Notify>) -> Self {
        Self { store, refusals: Arc::default(), inbox }
    }

    /// The requests that were refused last.
    #[must_use]
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Verifies a request and records its event. When this returns `Ok`, the event is on disk.
    ///
    /// # Errors
    /// Nothing was recorded.
    pub async fn accept(&self, arrival: Arrival<'_>) -> Result<Recorded, IntakeError> {
        let endpoint = arrival.endpoint;
        let allowed =
            endpoint.allowed_ips.is_empty() || arrival.source.is_some_and(|ip| endpoint.allowed_ips.contains(&ip));
        if !allowed {
            self.refuse(&arrival, "address_not_allowed");
            return Err(IntakeError::AddressNotAllowed);
        }
        let signed = match verify(endpoint, &arrival.signatures, arrival.body, arrival.at) {
            Ok(signed) => signed,
            Err(error) => {
                self.refuse(&arrival, error.code());
                return Err(error.into());
            }
        };
        let identity = provider(endpoint.provider).identify(signed.body());
        let body_zstd = body::compress(signed.body())?;
        let event = NewEvent {
            endpoint: endpoint.name.clone(),
            provider: endpoint.provider,
            business: endpoint.business.clone(),
            identity,
            body_zstd,
            received_at: arrival.at,
        };
        let event_type = event.identity.event_type.clone();
        let recorded = self.store.record(event).await?;
        if !recorded.duplicate {
            self.inbox.notify_one();
        }
        events::received(endpoint, &event_type, recorded);
        Ok(recorded)
    }

    fn refuse(&self, arrival: &Arrival<'_>, reason: &'static str) {
        self.refused_unread(arrival.endpoint, reason, arrival.source, arrival.body.len(), arrival.at);
    }

    /// Notes a request that was refused, perhaps before its body was read.
    pub fn refused_unread(
        &self,
        endpoint: &Endpoint,
        reason: &'static str,
        source: Option<IpAddr>,
        body_bytes: usize,
        at: Timestamp,
    ) {
        events::refused(endpoint, reason);
        self.refusals.add(Refusal { at, endpoint: endpoint.name.clone(), reason, source, body_bytes });
    }
}
