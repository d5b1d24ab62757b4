//! The envelope of a Paystack event: a type and what it is about, nothing else.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::domain::json;
use crate::domain::mode::Mode;
use crate::providers::json::{Json, is_plain};

/// The type alone, without a look at the rest. `None` for a type that no provider writes.
pub(super) fn event_type(body: &[u8]) -> Option<String> {
    let event = json::leniently(body, |body| {
        let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body)?;
        members.get("event").map(|raw| json::value(raw.get().as_bytes())).transpose()
    });
    event.ok()??.as_str().filter(|text| is_plain(text)).map(str::to_owned)
}

/// The mode alone. `None` where what the event is about does not say it.
pub(super) fn mode(body: &[u8]) -> Option<Mode> {
    let domain = json::leniently(body, |body| {
        let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body)?;
        let data = members.get("data").map(|raw| serde_json::from_str(raw.get())).transpose()?;
        let data: BTreeMap<String, &RawValue> = data.unwrap_or_default();
        data.get("domain").map(|raw| json::value(raw.get().as_bytes())).transpose()
    });
    let domain = domain.ok()??;
    [Mode::Live, Mode::Test].into_iter().find(|mode| domain.as_str() == Some(mode.code()))
}

/// What kind of event it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EventType {
    /// It may report something.
    Known(Known),
    /// It is known to report nothing for Refairn.
    NotRelevant,
    Other(String),
}

/// The types of events that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    ChargeSuccess,
    /// Of our own: the answer to a look-up.
    CustomerLookup,
    DisputeCreate,
    DisputeRemind,
    DisputeResolve,
    InvoiceCreate,
    InvoiceUpdate,
    InvoicePaymentFailed,
    PreauthorizationCaptured,
    RefundPending,
    RefundProcessing,
    RefundNeedsAttention,
    RefundProcessed,
    RefundFailed,
    SubscriptionCreate,
    SubscriptionNotRenew,
    SubscriptionDisable,
}

/// Families that report nothing for Refairn: pay-outs, checks of identity, bank accounts, requests for money (their
/// charge tells all), holds but for their capture, bookkeeping.
const NOT_RELEVANT: &[&str] = &[
    "transfer.",
    "customeridentification.",
    "dedicatedaccount.",
    "paymentrequest.",
    "preauthorization.",
    "bulkcharge.",
    "settlement.",
];

impl EventType {
    fn parse(text: &str) -> Self {
        Self::Known(match text {
            "charge.success" => Known::ChargeSuccess,
            "customer.lookup" => Known::CustomerLookup,
            "charge.dispute.create" => Known::DisputeCreate,
            "charge.dispute.remind" => Known::DisputeRemind,
            "charge.dispute.resolve" => Known::DisputeResolve,
            "invoice.create" => Known::InvoiceCreate,
            "invoice.update" => Known::InvoiceUpdate,
            "invoice.payment_failed" => Known::InvoicePaymentFailed,
            "preauthorization.capture.success" => Known::PreauthorizationCaptured,
            "refund.pending" => Known::RefundPending,
            "refund.processing" => Known::RefundProcessing,
            "refund.needs-attention" => Known::RefundNeedsAttention,
            "refund.processed" => Known::RefundProcessed,
            "refund.failed" => Known::RefundFailed,
            "subscription.create" => Known::SubscriptionCreate,
            "subscription.not_renew" => Known::SubscriptionNotRenew,
            "subscription.disable" => Known::SubscriptionDisable,
            "subscription.expiring_cards" => return Self::NotRelevant,
            other if NOT_RELEVANT.iter().any(|family| other.starts_with(family)) => return Self::NotRelevant,
            other => return Self::Other(other.to_owned()),
        })
    }
}

/// A body that has a type.
#[derive(Debug)]
pub(super) struct Body<'a> {
    pub(super) event: EventType,
    json: Json<'a>,
}

impl<'a> Body<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// What keeps it from being read, and where.
    pub(super) fn read(json: Json<'a>) -> Result<Self, String> {
        if json.object().is_none() {
            return Err("the body is JSON but not an object".to_owned());
        }
        let event = json.get("event").text().ok_or("event is missing or not text")?;
        Ok(Self { event: EventType::parse(event), json })
    }

    /// What the event is about. `None` when that is not an object.
    pub(super) fn data(&self) -> Option<Json<'a>> {
        Some(self.json.get("data")).filter(|data| data.object().is_some())
    }
}
