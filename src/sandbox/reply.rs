//! What calls are answered with: the contract's replies, and every refusal with its status.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use super::fields::BodyError;
use super::money;
use super::records::{Commission, Lead};

/// What a call is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// A JSON object.
    pub body: String,
}

/// Why a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("a valid API key is needed as Authorization: Bearer KEY")]
    Unauthorized,
    #[error(transparent)]
    Invalid(#[from] BodyError),
    #[error("the API key belongs to another business than businessId names")]
    Forbidden,
    #[error("businessId is unknown")]
    UnknownBusiness,
    #[error("productId is unknown for this business")]
    UnknownProduct,
    #[error("this customerEmail was recorded before")]
    DuplicateCustomer,
    #[error("a payment of this customerEmail on this paymentDate was recorded before")]
    DuplicatePayment,
    #[error("the sandbox is full; POST /_sandbox/reset empties it")]
    Full,
}

impl Refusal {
    fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Invalid(_) => 400,
            Self::Forbidden => 403,
            Self::UnknownBusiness | Self::UnknownProduct => 404,
            Self::DuplicateCustomer | Self::DuplicatePayment => 409,
            Self::Full => 503,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CustomerAnswer<'a> {
    success: bool,
    lead_id: &'a str,
    agent_id: Option<&'a str>,
    attribution: &'static str,
    message: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentAnswer<'a> {
    success: bool,
    commission_id: Option<&'a str>,
    agent_id: Option<&'a str>,
    #[serde(serialize_with = "money::serialize")]
    commission_amount: Decimal,
    commission_status: &'static str,
    hold_until: Date,
}

impl Reply {
    /// A reply with `answer` as its JSON body.
    fn json(status: u16, answer: &impl Serialize) -> Self {
        match serde_json::to_string(answer) {
            Ok(body) => Self { status, body },
            Err(_) => Self { status: 500, body: r#"{"success":false}"#.to_owned() },
        }
    }

    /// A refusal, with the sentence where the contract says to look for it.
    pub(super) fn refusal(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "success": false, "message": message }))
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::refusal(refusal.status(), &refusal.to_string())
    }
}

/// A hold date beyond the calendar.
pub(super) const DATE_TOO_LATE: Refusal =
    Refusal::Invalid(BodyError::Invalid { field: "paymentDate", want: "early enough for its hold date" });

/// A commission beyond what an exact amount can hold.
pub(super) const AMOUNT_TOO_LARGE: Refusal =
    Refusal::Invalid(BodyError::Invalid { field: "amount", want: "small enough for its commission" });

/// The 200 to a customer-created call.
pub(super) fn lead_recorded(lead: &Lead) -> Reply {
    let answer = CustomerAnswer {
        success: true,
        lead_id: &lead.lead_id,
        agent_id: lead.agent_id.as_deref(),
        attribution: "first_touch",
        message: match lead.agent_id {
            Some(_) => "The customer is recorded and credited to an agent.",
            None => "The customer is recorded; no agent was found.",
        },
    };
    Reply::json(200, &answer)
}

/// The 200 to a payment-succeeded call; without an agent there is no commission to name.
pub(super) fn payment_recorded(commission: Option<&Commission>, hold_until: Date) -> Reply {
    let answer = PaymentAnswer {
        success: true,
        commission_id: commission.map(|commission| commission.commission_id.as_str()),
        agent_id: commission.map(|commission| commission.agent_id.as_str()),
        commission_amount: commission.map_or(Decimal::ZERO, |commission| commission.amount),
        commission_status: "pending",
        hold_until,
    };
    Reply::json(200, &answer)
}
