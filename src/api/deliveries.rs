//! Deliveries: the calls to Refairn.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::AuditEntry;
use crate::domain::delivery::Receipt;

/// `GET /api/v1/deliveries`: a page, the newest delivery first.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct DeliveryPage {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// The value of `after` for the next page. `None` on the last page.
    pub next: Option<String>,
}

/// A delivery.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The bridge's id, such as `dlv_9`. Empty when the call is planned only, and not stored.
    pub id: String,
    /// The event that led to it.
    pub event_id: String,
    /// The code of its kind.
    pub kind: String,
    /// What it tells, in a few words: day and amount, a status, a customer.
    #[serde(default)]
    pub what: String,
    /// The code of its state.
    pub state: String,
    /// The code of the reason for its state. `None` when the state needs no reason.
    pub reason: Option<String>,
    /// The reason in words, and what to do about it.
    pub explanation: Option<String>,
    /// Whether a person should look at it.
    pub needs_attention: bool,
    /// Whether a person let it go although something kept it.
    #[serde(default)]
    pub released: bool,
    /// The customer's address, as the provider gave it.
    pub email: String,
    /// The Refairn business.
    pub business: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// When it goes out at the earliest.
    pub due_at: Timestamp,
    /// The exact body for Refairn, digits and order as they are sent.
    #[schema(value_type = Option<Object>)]
    pub request: Option<Box<RawValue>>,
    /// What Refairn answered. `None` before it took the call.
    #[schema(value_type = Option<Object>)]
    pub response: Option<Receipt>,
    /// What is known of the payment.
    #[serde(flatten)]
    pub payment: PaymentFields,
    /// Every attempt, the first one first. Only in the answer about one delivery: `None` in lists.
    // A field, and not a type around this one: a raw value cannot be read through a flattened field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_log: Option<Vec<Attempt>>,
    /// What people decided about it, the first decision first. Only in the answer about one delivery: `None` in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<Vec<AuditEntry>>,
}

/// What is known of a delivery's payment, and what became of it. Of a call that is no payment only the mode is known.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PaymentFields {
    /// The code of the mode.
    pub mode: String,
    /// The payment's identity at the provider: an invoice, a payment intent, a session or a reference.
    pub provider_id: Option<String>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// The code of what became of it. `None` before Refairn has it.
    pub fate: Option<String>,
    /// What became of it, in words.
    pub fate_explanation: Option<String>,
    /// The customer's name. Only in the list of payments: `None` elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// The referral code with which the customer was, or will be, reported.
    pub code: Option<String>,
    /// The agent who is credited.
    pub agent_id: Option<String>,
    /// Refairn's commission.
    pub commission_id: Option<String>,
    /// The commission's amount, as Refairn wrote it.
    pub commission_amount: Option<String>,
    /// In what it is counted.
    #[serde(default)]
    pub commission_currency: Option<String>,
    /// The day after which the commission is approved, as Refairn wrote it.
    pub hold_until: Option<String>,
    /// Of a payment that is held for its day: the bridge's id of the call that has it, and what that tells.
    #[serde(default)]
    pub day_held_by: Option<String>,
    /// Of a payment that is dated on another day than that on which it was paid: that day.
    #[serde(default)]
    pub moved_from: Option<Date>,
    /// Where a referral code was looked for. Only of a payment that credited nobody.
    pub looked_in: Option<Vec<LookedIn>>,
}

/// Where a referral code was looked for: one of the endpoints that the customer's events came to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LookedIn {
    /// The endpoint's name.
    pub endpoint: String,
    /// The endpoint's `referral_code_from` as it is now, in this order. Empty when it is no longer configured.
    pub rules: Vec<String>,
    /// What its events had.
    pub found: Vec<FoundCode>,
}

/// What one event had for a referral code.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FoundCode {
    /// The bridge's id of the event.
    pub event_id: String,
    /// The provider's type of the event.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The code that it brought.
    pub code: Option<String>,
    /// Why what was there is not used.
    pub refused: Option<String>,
}

/// One attempt to make a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// Its number, from 1 on.
    pub n: i64,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: i64,
    /// The HTTP status. `None` when no answer came.
    pub status: Option<u16>,
    /// The code of what it came to.
    pub outcome: String,
    /// The beginning of the answer's body.
    pub response: Option<String>,
}
