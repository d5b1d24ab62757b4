//! Intake: verify, identify, record. Nothing else happens between a webhook's arrival and its answer.

mod refusals;
mod throttle;

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

pub use refusals::{Refusal, Refusals};
use throttle::{ShutOut, Throttle};

use crate::crash::{self, Point};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{NewEvent, Recorded};
use crate::providers::{SignatureError, provider, verify};
use crate::store::{Store, StoreError, body};
use crate::telemetry::events;

/// The code of a request that was turned away because of its sender's failed signatures.
pub const SHUT_OUT: &str = "too_many_failed_signatures";

/// A request that may come in, by all that is known before its body is read. Only [`Intake::admit`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Visitor<'a> {
    endpoint: &'a Endpoint,
    source: Option<IpAddr>,
    is_known: bool,
}

impl Visitor<'_> {
    /// Whether a valid webhook came from the same address within the last day.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.is_known
    }
}

/// A request to a webhook endpoint, before anything of it is believed.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Who sent it, and where to.
    pub visitor: Visitor<'a>,
    /// Every value of the provider's signature header.
    pub signatures: Vec<&'a [u8]>,
    /// The raw body.
    pub body: &'a [u8],
    /// When it arrived, by the store's clock.
    pub at: Timestamp,
    /// The same by this machine's, as its signature is judged.
    pub machine_at: Timestamp,
}

/// Why a request was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The sender's address is not on the endpoint's list.
    #[error("the sender's address is not among the endpoint's allowed_ips")]
    AddressNotAllowed,
    /// The sender's address has sent too many failed signatures.
    #[error("this address has sent too many requests whose signature was not accepted")]
    ShutOut {
        /// When it may come back, seconds.
        retry_after_s: u32,
    },
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
    throttle: Arc<Throttle>,
    inbox: Arc<Notify>,
}

impl Intake {
    /// An intake that notifies `inbox` of what it records, and lets a source fail `failed_signatures_per_minute` times
    /// (0: without end).
    #[must_use]
    pub fn new(store: Store, inbox: Arc<Notify>, failed_signatures_per_minute: u32) -> Self {
        let throttle = Arc::new(Throttle::new(failed_signatures_per_minute));
        Self { store, refusals: Arc::default(), throttle, inbox }
    }

    /// The requests that were refused last.
    #[must_use]
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// Decides whether a request may come in at all, before its body is read: `source` is who sent it, as far as trusted
    /// proxies tell; `body_bytes` is the length it announces.
    ///
    /// # Errors
    /// The address is not allowed, or has sent too many failed signatures.
    pub fn admit<'a>(
        &self,
        endpoint: &'a Endpoint,
        source: Option<IpAddr>,
        body_bytes: usize,
        at: Timestamp,
    ) -> Result<Visitor<'a>, IntakeError> {
        let visitor = Visitor { endpoint, source, is_known: self.throttle.is_good(source, at) };
        let allowed = endpoint.allowed_ips.is_empty() || source.is_some_and(|ip| endpoint.allowed_ips.contains(&ip));
        if !allowed {
            self.refuse(visitor, "address_not_allowed", body_bytes, at);
            return Err(IntakeError::AddressNotAllowed);
        }
        match self.throttle.check(source, at) {
            Ok(()) => Ok(visitor),
            Err(ShutOut { retry_after_s, is_news }) => {
                if is_news {
                    self.refuse(visitor, SHUT_OUT, body_bytes, at);
                } else {
                    events::refused_again(endpoint, SHUT_OUT);
                }
                Err(IntakeError::ShutOut { retry_after_s })
            }
        }
    }

    /// Verifies a request and records its event. When this returns `Ok`, the event is on disk.
    ///
    /// # Errors
    /// Nothing was recorded.
    pub async fn accept(&self, arrival: Arrival<'_>) -> Result<Recorded, IntakeError> {
        let Visitor { endpoint, source, .. } = arrival.visitor;
        let signed = match verify(endpoint, &arrival.signatures, arrival.body, arrival.machine_at) {
            Ok(signed) => signed,
            Err(error) => {
                self.throttle.failed(source, arrival.at);
                self.refuse(arrival.visitor, error.code(), arrival.body.len(), arrival.at);
                return Err(error.into());
            }
        };
        self.throttle.passed(source, arrival.at);
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
        crash::here(Point::Verified);
        let recorded = self.store.record(event).await?;
        crash::here(Point::Recorded);
        if !recorded.duplicate {
            self.inbox.notify_one();
        }
        events::received(endpoint, &event_type, recorded);
        Ok(recorded)
    }

    /// Notes a request that was refused, perhaps before its body was read; `reason` is a stable code.
    pub fn refuse(&self, visitor: Visitor<'_>, reason: &'static str, body_bytes: usize, at: Timestamp) {
        let Visitor { endpoint, source, .. } = visitor;
        events::refused(endpoint, reason);
        self.refusals.add(Refusal { at, endpoint: endpoint.name.clone(), reason, source, body_bytes });
    }
}
