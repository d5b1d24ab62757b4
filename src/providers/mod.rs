//! The payment providers: bytes → [`Signed`] → facts. Pure: no clock, no store, no network.
//!
//! A provider is a folder here and nothing elsewhere. To add one: its line in the list of
//! [`domain::endpoint`](crate::domain::endpoint), its folder with an `impl Provider`, and its entry in [`provider`].

pub mod connect;
mod descriptor;
mod error;
mod examples;
mod fingerprint;
mod headers;
mod hmac;
mod json;
pub mod list;
pub mod lookup;
pub mod paystack;
mod piece;
pub mod stripe;
#[cfg(test)]
mod toy;
mod tree;

pub use descriptor::{Dashboard, Descriptor, Secrets, WantedEvents, alternatives, one_of};
pub use error::SignatureError;
pub use examples::{Example, Examples};
pub use headers::{Signature, signatures};
pub use piece::Piece;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::endpoint::{Endpoint, Rules};
use crate::domain::event::Identity;
use crate::domain::fact::Reading;
use crate::domain::provider::ProviderKind;
use connect::Connect;
use list::Lists;
use lookup::{LookupTarget, Question};

/// The number of the reading: it is raised with every change by which any event is read otherwise than before. What was
/// read under a smaller one is worth reading anew.
pub const READING: u32 = 4;

/// What a provider must say of itself. There are no default methods: a new provider answers every question, and what it
/// forgets does not compile. What only some providers can do is a trait of its own, and a method here that gives it or
/// nothing.
pub trait Provider: Sync {
    /// What it is.
    fn descriptor(&self) -> &'static Descriptor;

    /// Whether `signatures` (every value of every signature header, as received) could sign anything, before there is a
    /// body.
    ///
    /// # Errors
    /// Why the request is refused, whatever its body is.
    fn check_form(&self, signatures: &[Signature<'_>]) -> Result<(), SignatureError>;

    /// Whether `signatures` (every value of every signature header, as received) sign `body` for this endpoint at `now`.
    ///
    /// # Errors
    /// Why the request is refused.
    fn verify(
        &self,
        endpoint: &Endpoint,
        signatures: &[Signature<'_>],
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureError>;

    /// The value of [`Descriptor::signature_header`] by which the provider would sign `body` at `at`.
    fn sign(&self, secret: &str, body: &[u8], at: Timestamp) -> String;

    /// What identifies the event; total: a body that cannot be read is identified by its hash.
    fn identify(&self, body: &[u8]) -> Identity;

    /// What the event reports; total and deterministic. `received_at` dates what the provider sends without a time of
    /// its own (Paystack's ended subscriptions).
    fn read(&self, body: &[u8], rules: &Rules, received_at: Timestamp) -> Reading;

    /// What to ask the provider's API for what is wanted, and how its answers are read. Parts of an answer that come one by
    /// one are not put together beyond `bytes_max`.
    ///
    /// # Errors
    /// Why it cannot be asked for, for people.
    fn ask(&self, wanted: LookupTarget<'_>, bytes_max: usize) -> Result<Question, String>;

    /// How it is made to send its webhooks to the bridge.
    fn connect(&self) -> Connect;

    /// Its lists of what was paid. `None` where it has none that a backfill can read.
    fn lists(&self) -> Option<&'static dyn Lists>;

    /// What a piece of JSON is, if it is this provider's: for people who have no webhook as sent at hand.
    fn piece(&self, json: &Value) -> Option<Piece>;

    /// The events to tick in the provider's dashboard for an endpoint with these rules.
    fn wanted_events(&self, rules: &Rules) -> WantedEvents;
}

impl dyn Provider {
    /// The header that carries the signature, in lower case.
    #[must_use]
    pub fn signature_header(&self) -> &'static str {
        self.descriptor().signature_header
    }
}

/// The provider's implementation.
#[must_use]
pub fn provider(kind: ProviderKind) -> &'static dyn Provider {
    match kind {
        ProviderKind::Stripe => &stripe::Stripe,
        ProviderKind::Paystack => &paystack::Paystack,
    }
}

/// A body whose signature was right. Only [`verify`] makes one from a request.
#[derive(Debug)]
pub struct Signed<'a> {
    body: &'a [u8],
}

impl<'a> Signed<'a> {
    /// The body, byte for byte.
    #[must_use]
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }
}

/// Verifies a request's body by its endpoint's rules.
///
/// # Errors
/// Why the request is refused.
pub fn verify<'a>(
    endpoint: &Endpoint,
    signatures: &[Signature<'_>],
    body: &'a [u8],
    now: Timestamp,
) -> Result<Signed<'a>, SignatureError> {
    provider(endpoint.provider).verify(endpoint, signatures, body, now)?;
    Ok(Signed { body })
}
