//! Stripe: signed snapshots of objects, one per event.
//!
//! `signature` tells whether Stripe sent it, `payload` what is written there, `facts` what it means.

mod currency;
mod facts;
mod payload;
mod piece;
pub mod signature;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;

use self::payload::{Event, Unmapped};
use super::{Piece, Provider, SignatureError};
use crate::domain::endpoint::{Endpoint, Rules};
use crate::domain::event::Identity;
use crate::domain::fact::Reading;
use crate::domain::json;
use crate::domain::reason::Reason;

/// Stripe.
#[derive(Debug, Clone, Copy)]
pub struct Stripe;

/// The type of an event of our own: Stripe was asked for the checkout session of what it names, and has none.
pub const NO_SESSION: &str = "checkout.session.none";

/// The type of the snapshot that a thin event of this type stands for: it says how to read what the event points at.
#[must_use]
pub fn snapshot_type(thin: &str) -> Option<&str> {
    payload::snapshot_type(thin)
}

/// The events that tell something no other event here tells. `invoice.payment_succeeded`, `charge.refund.updated`,
/// `charge.dispute.updated`, `credit_note.updated` and `credit_note.voided` are read too when they come.
/// `payment_intent.succeeded` is of use with manual capture, or with `one_time = "payment_intent"`; so is
/// `charge.succeeded` with the latter. `invoice.created` must never be here: a receiver that fails on it delays the
/// merchant's own billing.
const WANTED_EVENTS: &[&str] = &[
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.refunded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "credit_note.created",
    "customer.created",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice_payment.paid",
    "refund.created",
    "refund.failed",
    "refund.updated",
];

impl Provider for Stripe {
    fn signature_header(&self) -> &'static str {
        signature::HEADER
    }

    fn check_form(&self, headers: &[&[u8]]) -> Result<(), SignatureError> {
        signature::check_form(headers)
    }

    fn verify(
        &self,
        endpoint: &Endpoint,
        headers: &[&[u8]],
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        signature::verify(headers, body, &endpoint.secrets, endpoint.signature_tolerance, now)
    }

    fn sign(&self, secret: &str, body: &[u8], at: Timestamp) -> String {
        signature::sign(secret, body, at)
    }

    fn identify(&self, body: &[u8]) -> Identity {
        payload::identify(body)
    }

    fn read(&self, body: &[u8], rules: &Rules, received_at: Timestamp) -> Reading {
        let reading = json::value(body)
            .map_err(|error| Unmapped { reason: Reason::Unreadable, detail: format!("the body is not JSON: {error}") })
            .and_then(|value| facts::reading(Event::read(&value)?, rules, received_at));
        reading.unwrap_or_else(|unmapped| Reading::Unmappable(unmapped.reason, unmapped.detail))
    }

    fn piece(&self, json: &Value) -> Option<Piece> {
        piece::piece(json)
    }

    fn wanted_events(&self) -> &'static [&'static str] {
        WANTED_EVENTS
    }
}
