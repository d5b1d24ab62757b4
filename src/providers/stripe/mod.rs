//! Stripe: signed snapshots of objects, one per event.
//!
//! `signature` says whether Stripe sent it, `payload` what is written there, `facts` what it means.

mod connect;
mod currency;
mod examples;
mod facts;
mod lines;
mod list;
mod lookup;
mod payload;
mod piece;
mod settings;
pub mod signature;
mod snapshot;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::Value;

use self::examples::EXAMPLES;
use self::payload::{Event, Unmapped};
use super::connect::Connect;
use super::headers::values_of;
use super::list::Lists;
use super::lookup::{LookupTarget, Question};
use super::{Dashboard, Descriptor, Piece, Provider, Secrets, Signature, SignatureError, WantedEvents};
use crate::domain::endpoint::{CommissionBase, Endpoint, IdScope, Rules};
use crate::domain::event::Identity;
use crate::domain::fact::Reading;
use crate::domain::mode::Mode;
use crate::domain::reason::EventReason;
use crate::providers::tree;

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

const DESCRIPTOR: Descriptor = Descriptor {
    title: "Stripe",
    api_base_url: "https://api.stripe.com",
    variables: ["STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET_FILE"],
    signature_header: signature::HEADER,
    other_signature_headers: &[],
    secret: Secrets {
        title: "Stripe's signing secrets",
        prefix: "whsec_",
        other_prefixes: &["sk_", "rk_", "pk_"],
        hint: "copy the signing secret (whsec_...) of this endpoint from Stripe's dashboard; an API key goes into api_key",
        are_api_keys: false,
    },
    api_keys: [(Mode::Live, &["sk_live_", "rk_live_"]), (Mode::Test, &["sk_test_", "rk_test_"])],
    ids: IdScope::Provider,
    commission_bases: &[CommissionBase::PAID, settings::EXCLUDING_TAX],
    settings: &[&settings::ONE_TIME, &settings::OUT_OF_BAND],
    dates_signatures: true,
    dashboard: Dashboard {
        page: "Developers → Webhooks → Add destination (snapshot events, your account)",
        url_note: None,
        secret: "the signing secret (whsec_...) it shows then is what this endpoint has to verify with",
        api_key: "a restricted key in Stripe's dashboard, Developers → API keys, that may read what docs/backfill.md lists",
    },
    members: "id, object, type and data",
    // A dispute names its charge.
    dispute_without_charge: "a credit note for",
    examples: EXAMPLES,
};

/// Reports captures of what a checkout session held, and one-off payments without Checkout where an endpoint asks for them.
const PAYMENT_INTENT_SUCCEEDED: &str = "payment_intent.succeeded";

/// The events that report something that no other event here reports. `invoice.payment_succeeded`, `charge.refund.updated`,
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
    fn descriptor(&self) -> &'static Descriptor {
        &DESCRIPTOR
    }

    fn check_form(&self, signatures: &[Signature<'_>]) -> Result<(), SignatureError> {
        signature::check_form(&values_of(signatures, signature::HEADER))
    }

    fn verify(
        &self,
        endpoint: &Endpoint,
        signatures: &[Signature<'_>],
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), SignatureError> {
        signature::verify(
            &values_of(signatures, signature::HEADER),
            body,
            &endpoint.secrets,
            endpoint.signature_tolerance,
            now,
        )
    }

    fn sign(&self, secret: &str, body: &[u8], at: Timestamp) -> String {
        signature::sign(secret, body, at)
    }

    fn identify(&self, body: &[u8]) -> Identity {
        payload::identify(body)
    }

    fn read(&self, body: &[u8], rules: &Rules, received_at: Timestamp) -> Reading {
        let reading = tree::read(body, |tree| facts::reading(Event::read(tree)?, rules, received_at));
        let reading = reading.unwrap_or_else(|error| {
            Err(Unmapped { reason: EventReason::Unreadable, detail: format!("the body is not JSON: {error}") })
        });
        reading.unwrap_or_else(|unmapped| Reading::Unmappable(unmapped.reason, unmapped.detail))
    }

    fn ask(&self, wanted: LookupTarget<'_>, bytes_max: usize) -> Result<Question, String> {
        lookup::ask(wanted, bytes_max)
    }

    fn connect(&self) -> Connect {
        Connect::ByApi(&Stripe)
    }

    fn lists(&self) -> Option<&'static dyn Lists> {
        Some(&Stripe)
    }

    fn piece(&self, json: &Value) -> Option<Piece> {
        piece::piece(json)
    }

    fn wanted_events(&self, rules: &Rules) -> WantedEvents {
        let tick = WANTED_EVENTS.to_vec();
        if settings::intents_count(rules) {
            let tick = tick.into_iter().chain([PAYMENT_INTENT_SUCCEEDED]).collect();
            WantedEvents { tick, for_manual_capture: None }
        } else {
            WantedEvents { tick, for_manual_capture: Some(PAYMENT_INTENT_SUCCEEDED) }
        }
    }
}
