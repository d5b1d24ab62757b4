//! A customer's story, and the verdict on it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{AuditEntry, Delivery, Event};
use crate::domain::fact::Fact;

/// `GET /api/v1/customers/{email}`
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CustomerStory {
    /// The address.
    pub email: String,
    /// The business whose customer it is. Empty when none knows the address.
    pub business: String,
    /// Every business that knows the address.
    pub businesses: Vec<String>,
    /// What has to be said first.
    pub verdict: Verdict,
    /// The payments, the first one first.
    pub payments: Vec<Delivery>,
    /// Every call, those of the payments too, the first one first.
    pub deliveries: Vec<Delivery>,
    /// Every event, the first one first.
    pub events: Vec<StoryEvent>,
    /// What people decided about all of it, the first decision first.
    #[serde(default)]
    pub decisions: Vec<AuditEntry>,
    /// There is more than is given: these are the newest.
    pub more: bool,
}

/// `GET /api/v1/why`
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The customer's address. `None` where nobody knows it.
    pub email: Option<String>,
    /// The business whose customer it is.
    pub business: Option<String>,
    /// Every business that knows the address.
    pub businesses: Vec<String>,
    /// Other customers to whom what was sought leads: the verdict is about one of several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// The payment that it is about.
    pub payment: Option<Delivery>,
    /// The event that it is about, where there is no payment.
    pub event: Option<StoryEvent>,
    /// Requests that were refused since the start: what is sought may have been among them.
    pub refused_requests: u64,
}

/// Why the customer's payment credited whom it did, or nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// The stable code.
    pub code: String,
    /// One sentence.
    pub sentence: String,
    /// What exactly.
    pub because: Option<String>,
    /// What to do.
    pub to_do: String,
    /// Commands that ask the providers, where a sale may be missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// What comes by itself.
    pub next: Option<String>,
    /// The bridge's id of the payment that it is about.
    pub payment: Option<String>,
    /// The bridge's id of the event that it is about, where there is no payment.
    pub event: Option<String>,
}

/// An event of a story.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct StoryEvent {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// When it became true, by the provider's clock.
    pub at: Option<Timestamp>,
    /// The referral code that it brought.
    pub code: Option<String>,
    /// What it reports.
    #[schema(value_type = Option<Object>)]
    pub fact: Option<Fact>,
    /// The body as it arrived. Only where everything is asked for; null when it is past its retention, or too much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}
