//! Intake: verify, identify, record. Nothing else happens between a webhook's arrival and its answer.

mod refusals;
mod throttle;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

pub use refusals::{Refusal, Refusals};
pub use throttle::{RateLimited, Throttle};

use crate::crash::{self, Point};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{NewEvent, Origin, Recorded};
use crate::domain::mode::Mode;
use crate::providers::{Signature, SignatureError, provider, verify};
use crate::store::{Store, StoreError, body};
use crate::telemetry::events;
use crate::telemetry::lines::Lines;

/// So many characters of a path that leads nowhere are shown.
const PATH_CHARS_MAX: usize = 80;

/// The code of a request that was turned away because of its sender's failed signatures.
pub const RATE_LIMITED: &str = "too_many_failed_signatures";

/// A request that may come in, by all that is known before its body is read. Only [`Intake::admit`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct Admission<'a> {
    endpoint: &'a Endpoint,
    source: Option<IpAddr>,
    is_known: bool,
    rate_limited: Option<RateLimited>,
}

impl Admission<'_> {
    /// Whether something new came from the same address within the last day, validly signed.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.is_known
    }

    /// Whether its address has failed so often that only a small body is looked at. A small one always is: verifying it
    /// costs no more than turning it away, and an address may be shared by a flood and a provider.
    #[must_use]
    pub const fn rate_limited(self) -> Option<RateLimited> {
        self.rate_limited
    }
}

/// A request to a webhook endpoint, before anything of it is believed.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// Who sent it, and where to.
    pub admission: Admission<'a>,
    /// Every value of the provider's signature headers.
    pub signatures: Vec<Signature<'a>>,
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
    /// The sender's address has failed too often.
    #[error("this address has sent too many requests that could not be accepted")]
    RateLimited(RateLimited),
    /// It is not signed by the provider.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is, but we could not write it down: the sender is to come again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a refused request was sent to.
enum Target<'a> {
    Endpoint(&'a Endpoint),
    /// A path that leads to no endpoint, or not by this method.
    Path(&'a str),
}

/// Takes in webhooks, and knows who has sent what could not be taken.
#[derive(Debug, Clone)]
pub struct Intake {
    store: Store,
    refusals: Arc<Refusals>,
    throttle: Arc<Throttle>,
    lines: Arc<Lines>,
    inbox: Arc<Notify>,
    /// Endpoints and modes to which something new has come since the start.
    heard: Arc<Mutex<HashSet<(String, Mode)>>>,
}

impl Intake {
    /// An intake that notifies `inbox` of what it records, and lets a source fail `failed_signatures_per_minute` times
    /// (0: without end).
    #[must_use]
    pub fn new(store: Store, inbox: Arc<Notify>, failed_signatures_per_minute: u32) -> Self {
        let throttle = Arc::new(Throttle::new(failed_signatures_per_minute));
        Self { store, refusals: Arc::default(), throttle, lines: Arc::default(), inbox, heard: Arc::default() }
    }

    /// The requests that were refused last.
    #[must_use]
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// The lines of the log that strangers may fill.
    #[must_use]
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// Whether something new came from `source` within the last day, validly signed.
    #[must_use]
    pub fn knows(&self, source: IpAddr, at: Timestamp) -> bool {
        self.throttle.is_trusted(Some(source), at)
    }

    /// Decides whether a request may come in at all, before its body is read: `source` is who sent it, as far as trusted
    /// proxies tell; `signatures` is every value of the provider's signature headers, `body_bytes` the announced length.
    ///
    /// # Errors
    /// The address is not allowed, or the signature is not one whatever the body is.
    pub fn admit<'a>(
        &self,
        endpoint: &'a Endpoint,
        source: Option<IpAddr>,
        signatures: &[Signature<'_>],
        body_bytes: usize,
        at: Timestamp,
    ) -> Result<Admission<'a>, IntakeError> {
        let rate_limited = self.throttle.check(source, at).err();
        let admission = Admission { endpoint, source, is_known: self.throttle.is_trusted(source, at), rate_limited };
        let allowed = endpoint.allowed_ips.is_empty()
            || source.is_some_and(|ip| endpoint.allowed_ips.iter().any(|allowed| allowed.contains(ip)));
        if !allowed {
            self.refuse(admission, "address_not_allowed", body_bytes, at);
            return Err(IntakeError::AddressNotAllowed);
        }
        match (provider(endpoint.provider).check_form(signatures), rate_limited) {
            (Ok(()), _) => Ok(admission),
            (Err(_), Some(rate_limited)) => {
                self.put_off(admission, RATE_LIMITED, body_bytes, at);
                Err(IntakeError::RateLimited(rate_limited))
            }
            (Err(error), None) => {
                self.refuse(admission, error.code(), body_bytes, at);
                Err(error.into())
            }
        }
    }

    /// Verifies a request and records its event. When this returns `Ok`, the event is on disk.
    ///
    /// # Errors
    /// Nothing was recorded.
    pub async fn accept(&self, arrival: Arrival<'_>) -> Result<Recorded, IntakeError> {
        let Admission { endpoint, source, .. } = arrival.admission;
        let signed = match verify(endpoint, &arrival.signatures, arrival.body, arrival.machine_at) {
            Ok(signed) => signed,
            Err(error) => {
                self.refuse(arrival.admission, error.code(), arrival.body.len(), arrival.at);
                return Err(error.into());
            }
        };
        let identity = provider(endpoint.provider).identify(signed.body());
        let body_zstd = body::compress(signed.body())?;
        let event = NewEvent {
            origin: Origin::Webhook,
            endpoint: endpoint.name.clone(),
            provider: endpoint.provider,
            business: endpoint.business.clone(),
            identity,
            body_zstd,
            received_at: arrival.at,
        };
        let (event_type, mode) = (event.identity.event_type.clone(), event.identity.mode);
        crash::here(Point::Verified);
        let recorded = self.store.record(event).await?;
        crash::here(Point::Recorded);
        if !recorded.duplicate {
            // A repetition vouches for nobody: anybody who has once seen a signed request can send it again.
            self.throttle.passed(source, arrival.at);
            self.inbox.notify_one();
        }
        events::received(endpoint, &event_type, recorded);
        if let Some(mode) = mode {
            self.hear(endpoint, mode, recorded).await;
        }
        Ok(recorded)
    }

    /// Tells of the first webhook that ever comes to an endpoint in a mode: the person who sets it up waits for that.
    async fn hear(&self, endpoint: &Endpoint, mode: Mode, recorded: Recorded) {
        let is_new = |heard: &mut HashSet<_>| heard.insert((endpoint.name.clone(), mode));
        if !is_new(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        // A store that cannot say it costs a line of the log, and nothing else.
        if matches!(self.store.is_first_webhook(&endpoint.name, mode, recorded.id).await, Ok(true)) {
            events::first_webhook(endpoint, mode, recorded.id);
        }
    }

    /// Notes a request that was refused for a fault of its sender's, perhaps before its body was read; `reason` is a
    /// stable code.
    pub fn refuse(&self, admission: Admission<'_>, reason: &'static str, body_bytes: usize, at: Timestamp) {
        self.throttle.failed(admission.source, at);
        self.put_off(admission, reason, body_bytes, at);
    }

    /// The same for no fault of its sender's, or one that it has been blamed for already.
    pub fn put_off(&self, admission: Admission<'_>, reason: &'static str, body_bytes: usize, at: Timestamp) {
        self.note(&Target::Endpoint(admission.endpoint), reason, admission.source, body_bytes, at);
    }

    /// Notes a request that met no endpoint.
    pub fn stray(&self, path: &str, reason: &'static str, source: Option<IpAddr>, body_bytes: usize, at: Timestamp) {
        self.throttle.failed(source, at);
        self.note(&Target::Path(path), reason, source, body_bytes, at);
    }

    /// Notes a connection that was ended for a fault of its peer's.
    pub fn disconnect(&self, peer: IpAddr, reason: &'static str, at: Timestamp) {
        self.throttle.failed(Some(peer), at);
        events::disconnected(reason, peer, self.lines.ask(Some(peer), reason, at));
    }

    fn note(
        &self,
        target: &Target<'_>,
        reason: &'static str,
        source: Option<IpAddr>,
        body_bytes: usize,
        at: Timestamp,
    ) {
        let (endpoint, path) = match target {
            Target::Endpoint(endpoint) => (Some(endpoint.name.clone()), None),
            Target::Path(path) => (None, Some(path.chars().take(PATH_CHARS_MAX).collect())),
        };
        events::refused(endpoint.as_deref(), reason, source, self.lines.ask(source, reason, at));
        self.refusals.add(Refusal { at, endpoint, path, reason, source, body_bytes, times: 1 });
    }
}
