//! The bodies of both calls, read field by field so that a refusal names the field that is wrong.

use std::collections::HashMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

use super::money;

/// Longest e-mail address taken, in bytes; mail itself allows no longer one.
const EMAIL_BYTES_MAX: usize = 320;

/// The subscription states Refairn knows.
const STATUSES: [&str; 4] = ["active", "trialing", "past_due", "cancelled"];

/// Why a body is refused with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    /// Not JSON at all.
    #[error("the body is not valid JSON")]
    NotJson,
    /// JSON, but no object.
    #[error("the body must be a JSON object")]
    NotObject,
    /// A required field is not there.
    #[error("{0} is required")]
    Missing(&'static str),
    /// A field is there and wrong.
    #[error("{field} must be {want}")]
    Invalid { field: &'static str, want: &'static str },
}

/// A customer-created call whose fields are all well formed.
pub(super) struct CustomerCreated {
    pub(super) business_id: String,
    pub(super) product_id: String,
    pub(super) email: String,
    pub(super) name: String,
    pub(super) referral_code: Option<String>,
}

/// A payment-succeeded call whose fields are all well formed.
pub(super) struct PaymentSucceeded {
    pub(super) business_id: String,
    pub(super) product_id: String,
    pub(super) email: String,
    pub(super) amount: Decimal,
    pub(super) currency: String,
    pub(super) status: String,
    pub(super) date: Date,
}

impl CustomerCreated {
    pub(super) fn read(body: &[u8]) -> Result<Self, BodyError> {
        let fields = Fields::read(body)?;
        Ok(Self {
            business_id: fields.text("businessId")?,
            product_id: fields.text("productId")?,
            email: fields.email()?,
            name: fields.text("customerName")?,
            referral_code: fields.referral_code()?,
        })
    }
}

impl PaymentSucceeded {
    pub(super) fn read(body: &[u8]) -> Result<Self, BodyError> {
        let fields = Fields::read(body)?;
        Ok(Self {
            business_id: fields.text("businessId")?,
            product_id: fields.text("productId")?,
            email: fields.email()?,
            amount: fields.amount()?,
            currency: fields.currency()?,
            status: fields.status()?,
            date: fields.date()?,
        })
    }
}

/// The customer's address in a body, if it can be read at all: for faults that strike one customer only.
pub(super) fn email_of(body: &[u8]) -> Option<String> {
    Fields::read(body).ok()?.email().ok()
}

/// The top level of a body. Values stay text, so an amount never becomes a float.
struct Fields<'a>(HashMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    fn read(body: &'a [u8]) -> Result<Self, BodyError> {
        serde_json::from_slice(body)
            .map(Self)
            .map_err(|error| if error.is_data() { BodyError::NotObject } else { BodyError::NotJson })
    }

    fn required(&self, field: &'static str) -> Result<&'a str, BodyError> {
        match self.0.get(field).map(|value| value.get()) {
            None | Some("null") => Err(BodyError::Missing(field)),
            Some(value) => Ok(value),
        }
    }

    fn text(&self, field: &'static str) -> Result<String, BodyError> {
        string(self.required(field)?).ok_or(BodyError::Invalid { field, want: "a non-empty string" })
    }

    fn email(&self) -> Result<String, BodyError> {
        let field = "customerEmail";
        let email = self.text(field)?;
        let valid = email.len() <= EMAIL_BYTES_MAX
            && !email.contains(|c: char| c.is_whitespace() || c.is_control())
            && email.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        if valid { Ok(email) } else { Err(BodyError::Invalid { field, want: "an e-mail address" }) }
    }

    fn referral_code(&self) -> Result<Option<String>, BodyError> {
        let field = "referralCode";
        let Some(value) = self.0.get(field) else {
            return Ok(None);
        };
        match string(value.get()) {
            Some(code) => Ok(Some(code)),
            None => Err(BodyError::Invalid { field, want: "a non-empty string, and left out when there is none" }),
        }
    }

    fn amount(&self) -> Result<Decimal, BodyError> {
        let field = "amount";
        let text = self.required(field)?;
        if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(BodyError::Invalid { field, want: "a JSON number" });
        }
        let amount = money::read(text).ok_or(BodyError::Invalid { field, want: "a number of at most 20 digits" })?;
        if amount < Decimal::ZERO {
            return Err(BodyError::Invalid { field, want: "zero or more" });
        }
        Ok(amount.abs())
    }

    fn currency(&self) -> Result<String, BodyError> {
        let field = "currency";
        let currency = self.text(field)?;
        let valid = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        if valid { Ok(currency) } else { Err(BodyError::Invalid { field, want: "an ISO 4217 code such as \"USD\"" }) }
    }

    fn status(&self) -> Result<String, BodyError> {
        let field = "subscriptionStatus";
        let status = self.text(field)?;
        if STATUSES.contains(&status.as_str()) {
            return Ok(status);
        }
        Err(BodyError::Invalid { field, want: "one of active, trialing, past_due, cancelled" })
    }

    fn date(&self) -> Result<Date, BodyError> {
        let field = "paymentDate";
        let invalid = BodyError::Invalid { field, want: "a date in the form YYYY-MM-DD" };
        let text = self.text(field)?;
        // The date parser takes more forms than the contract does, so the form is checked first.
        let form = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                0..=3 | 5..=6 | 8.. => byte.is_ascii_digit(),
            });
        if form { text.parse().map_err(|_| invalid) } else { Err(invalid) }
    }
}

/// A JSON string with something in it.
fn string(json: &str) -> Option<String> {
    serde_json::from_str::<String>(json).ok().filter(|text| !text.trim().is_empty())
}
