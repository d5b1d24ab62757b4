//! The payment providers: bytes → [`Signed`] → facts. Pure: no clock, no store, no network.
//!
//! To add one: a folder with `signature`, `payload` and `facts`, a variant of [`ProviderKind`], and the arms that the
//! compiler then asks for.

mod error;
mod hmac;
mod json;
pub mod paystack;
mod piece;
pub mod stripe;

pub use error::SignatureError;
pub use piece::Piece;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::endpoint::{Endpoint, ProviderKind, Rules};
use crate::domain::event::Identity;
use crate::domain::fact::Reading;

/// The number of the reading: it is raised with every change by which any event is read otherwise than before. What was
/// read under a smaller one is worth reading anew.
pub const READING: u32 = 2;

/// What a provider must say of itself. There are no default methods: a new provider answers every question.
pub trait Provider: Sync {
    /// The header that carries the signature, in lower case.
    fn signature_header(&self) -> &'static str;

    /// Whether `headers` (every value of the signature header, as received) could sign anything, before there is a body.
    ///
    /// # Errors
    /// Why the request is refused, whatever its body is.
    fn check_form(&self, headers: &[&[u8]]) -> Result<(), SignatureError>;

    /// Whether `headers` (every value of the signature header, as received) sign `body` for this endpoint at `now`.
    ///
    /// # Errors
    /// Why the request is refused.
    fn verify(&self, endpoint: &Endpoint, headers: &[&[u8]], body: &[u8], now: Timestamp)
    -> Result<(), SignatureError>;

    /// The header value by which the provider would sign `body` at `at`.
    fn sign(&self, secret: &str, body: &[u8], at: Timestamp) -> String;

    /// What identifies the event; total: a body that cannot be read is identified by its hash.
    fn identify(&self, body: &[u8]) -> Identity;

    /// What the event reports; total and deterministic. `received_at` dates what the provider sends without a time of
    /// its own (Paystack's ended subscriptions).
    fn read(&self, body: &[u8], rules: &Rules, received_at: Timestamp) -> Reading;

    /// What a piece of JSON is, if it is this provider's: for people who have no webhook as sent at hand.
    fn piece(&self, json: &Value) -> Option<Piece>;

    /// The events to tick in the provider's dashboard; empty when the provider sends all.
    fn wanted_events(&self) -> &'static [&'static str];
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
    headers: &[&[u8]],
    body: &'a [u8],
    now: Timestamp,
) -> Result<Signed<'a>, SignatureError> {
    provider(endpoint.provider).verify(endpoint, headers, body, now)?;
    Ok(Signed { body })
}
