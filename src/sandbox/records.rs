//! What a book keeps: leads, payments and commissions.

use std::fmt;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Serialize;

use super::money;

/// A customer whom Refairn was told of. `Debug` shows no personal data.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lead {
    /// `lead_1`, `lead_2`, ... in the order of arrival.
    pub lead_id: String,
    /// The business told of the customer.
    pub business_id: String,
    /// The product signed up for.
    pub product_id: String,
    /// The address as it was sent.
    pub customer_email: String,
    /// The name as it was sent.
    pub customer_name: String,
    /// The code as it was sent, whether an agent has it or not.
    pub referral_code: Option<String>,
    /// The agent with that code.
    pub agent_id: Option<String>,
    /// The day of the call.
    pub created_on: Date,
}

/// A payment event that was taken. `Debug` shows no personal data.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// `pay_1`, `pay_2`, ... in the order of arrival.
    pub payment_id: String,
    /// The business paid.
    pub business_id: String,
    /// The product paid for.
    pub product_id: String,
    /// The address as it was sent.
    pub customer_email: String,
    /// In the currency's standard unit.
    #[serde(serialize_with = "money::serialize")]
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
    /// One of the contract's four.
    pub subscription_status: String,
    /// The day the payment was confirmed.
    pub payment_date: Date,
    /// The day of the call.
    pub received_on: Date,
    /// The commission it earned, if an agent was known.
    pub commission_id: Option<String>,
}

/// What an agent earned from one payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Commission {
    /// `comm_1`, `comm_2`, ... in the order of arrival.
    pub commission_id: String,
    /// The payment it comes from.
    pub payment_id: String,
    /// Who earned it.
    pub agent_id: String,
    /// In the payment's currency.
    #[serde(serialize_with = "money::serialize")]
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
    /// The last day on hold.
    pub hold_until: Date,
}

impl Commission {
    /// `pending` up to and including the hold date, `approved` after it.
    #[must_use]
    pub fn status(&self, today: Date) -> &'static str {
        if today > self.hold_until { "approved" } else { "pending" }
    }
}

impl fmt::Debug for Lead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lead").field("lead_id", &self.lead_id).field("agent_id", &self.agent_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Payment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payment")
            .field("payment_id", &self.payment_id)
            .field("payment_date", &self.payment_date)
            .field("commission_id", &self.commission_id)
            .finish_non_exhaustive()
    }
}
