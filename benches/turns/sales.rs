//! The webhooks: signed before they are sent, so that signing takes nothing from what is measured.

use std::ops::Range;

use anyhow::ensure;
use jiff::Timestamp;
use refairn_bridge::clock::Clock;
use refairn_bridge::domain::provider::ProviderKind;
use refairn_bridge::providers::provider;

use super::wire::find;
use crate::kit::program::{API_KEY, STRIPE_SECRET};
use crate::measure;

/// The first sale's number; all have as many digits, so that all bodies are of one length.
pub const FIRST: usize = 10_000_000;
/// Sales of one bridge at most.
pub const SALES_MAX: usize = 12_000_000;
/// Stands for the number until it is known.
const MARK: usize = 7_777_777_777;
const MARK_TEXT: &str = "7777777777";

/// Sales that are ready to be sent, each a whole request.
pub struct Sales {
    /// Their places among all of this bridge, from 0.
    pub places: Range<usize>,
    pub requests: Vec<Vec<u8>>,
}

impl Sales {
    /// Signs so many at this moment. They have to be sent within the signature's tolerance of 300 s.
    pub fn sign(places: Range<usize>) -> anyhow::Result<Self> {
        ensure!(places.end <= SALES_MAX, "more than {SALES_MAX} sales: ask for fewer rounds, or shorter stages");
        let now = Clock::system().now();
        let text = String::from_utf8(measure::sale(MARK, now)).expect("JSON");
        let parts: Vec<&str> = text.split(MARK_TEXT).collect();
        let request = |place: usize| signed(&parts.join(&(FIRST + place).to_string()), now);
        Ok(Self { requests: places.clone().map(request).collect(), places })
    }
}

/// A webhook as a whole request, signed at this moment.
pub fn signed(body: &str, now: Timestamp) -> Vec<u8> {
    let stripe = provider(ProviderKind::Stripe);
    let mut request = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: bridge.example.com\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{}: {}\r\n\r\n",
        body.len(),
        stripe.signature_header(),
        stripe.sign(STRIPE_SECRET, body.as_bytes(), now),
    );
    request.push_str(body);
    request.into_bytes()
}

/// The place of the sale that a call or a webhook is about, by the customer's address.
pub fn place(message: &[u8]) -> Option<usize> {
    let rest = message.get(find(message, b"\"customer-")? + 10..)?;
    let digits = rest.get(..rest.iter().position(|byte| *byte == b'@')?)?;
    std::str::from_utf8(digits).ok()?.parse::<usize>().ok()?.checked_sub(FIRST)
}

/// The call that a sale becomes, as a whole request: the floor makes it as a bridge would.
pub fn call(place: usize) -> String {
    let number = FIRST + place;
    let body = format!(
        r#"{{"businessId":"biz_1","productId":"prod_1","customerEmail":"customer-{number}@example.com","amount":29.99,"currency":"USD","subscriptionStatus":"active","paymentDate":"2030-01-01"}}"#
    );
    format!(
        "POST /api/events/payment-succeeded HTTP/1.1\r\nHost: refairn.example.com\r\nAuthorization: Bearer {API_KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
