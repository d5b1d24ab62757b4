//! What Refairn is told: its two calls, field for field as the contract has them.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::email::Email;
use super::money::{Currency, json_number};
use super::redact::Redactor;
use super::status::Status;

/// Which of Refairn's two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `POST /api/events/customer-created`
    CustomerCreated,
    /// `POST /api/events/payment-succeeded`
    PaymentSucceeded,
}

impl Kind {
    /// Both.
    pub const ALL: &[Self] = &[Self::CustomerCreated, Self::PaymentSucceeded];

    /// As the API and Refairn's paths write it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CustomerCreated => "customer-created",
            Self::PaymentSucceeded => "payment-succeeded",
        }
    }
}

/// What is told, complete but for the business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "call")]
pub enum Call {
    /// A customer.
    CustomerCreated {
        /// Refairn product.
        product: String,
        /// As the provider gave it.
        email: Email,
        /// The customer's name.
        name: String,
        /// The agent's code.
        code: Option<String>,
    },
    /// A payment, or a change of status told as one of nothing.
    PaymentSucceeded {
        /// Refairn product.
        product: String,
        /// As the provider gave it.
        email: Email,
        /// Standard units.
        #[serde(with = "rust_decimal::serde::str")]
        amount: Decimal,
        /// What `amount` is counted in.
        currency: Currency,
        /// The subscription after it.
        status: Status,
        /// The day it is dated on.
        day: Date,
    },
}

/// The body of `customer-created`, field for field as the contract has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CustomerCreatedBody<'a> {
    business_id: &'a str,
    product_id: &'a str,
    customer_email: &'a str,
    customer_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    referral_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
}

/// The body of `payment-succeeded`, field for field as the contract has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentSucceededBody<'a> {
    business_id: &'a str,
    product_id: &'a str,
    customer_email: &'a str,
    amount: &'a serde_json::value::RawValue,
    currency: &'a str,
    subscription_status: Status,
    payment_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
}

impl Call {
    /// Which call it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::CustomerCreated { .. } => Kind::CustomerCreated,
            Self::PaymentSucceeded { .. } => Kind::PaymentSucceeded,
        }
    }

    /// The Refairn product it names.
    #[must_use]
    pub fn product(&self) -> &str {
        match self {
            Self::CustomerCreated { product, .. } | Self::PaymentSucceeded { product, .. } => product,
        }
    }

    /// The same for another address, and for another name where it has one.
    pub fn readdress(&mut self, to: &Email, other_name: Option<&str>) {
        match self {
            Self::CustomerCreated { email, name, .. } => {
                email.clone_from(to);
                if let Some(other) = other_name {
                    other.clone_into(name);
                }
            }
            Self::PaymentSucceeded { email, .. } => email.clone_from(to),
        }
    }

    /// The customer's address.
    #[must_use]
    pub const fn email(&self) -> &Email {
        match self {
            Self::CustomerCreated { email, .. } | Self::PaymentSucceeded { email, .. } => email,
        }
    }

    /// Takes out of a text what the call says of a person.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let email = Redactor::default().and(self.email().as_given());
        match self {
            Self::CustomerCreated { name, .. } => email.and_name(name),
            Self::PaymentSucceeded { .. } => email,
        }
    }

    /// The day it is dated on.
    #[must_use]
    pub const fn day(&self) -> Option<Date> {
        match self {
            Self::CustomerCreated { .. } => None,
            Self::PaymentSucceeded { day, .. } => Some(*day),
        }
    }

    /// What a payment tells that was paid, standard units.
    #[must_use]
    pub const fn amount(&self) -> Option<Decimal> {
        match self {
            Self::PaymentSucceeded { amount, .. } => Some(*amount),
            Self::CustomerCreated { .. } => None,
        }
    }

    /// The subscription status it tells.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::CustomerCreated { .. } => None,
            Self::PaymentSucceeded { status, .. } => Some(*status),
        }
    }

    /// The exact JSON body for Refairn. `event_id` is added as `eventId` when given.
    ///
    /// # Errors
    /// None in practice: every field is a string or a number.
    pub fn body(&self, business: &str, event_id: Option<&str>) -> Result<String, serde_json::Error> {
        match self {
            Self::CustomerCreated { product, email, name, code } => serde_json::to_string(&CustomerCreatedBody {
                business_id: business,
                product_id: product,
                customer_email: email.as_given(),
                customer_name: name,
                referral_code: code.as_deref(),
                event_id,
            }),
            Self::PaymentSucceeded { product, email, amount, currency, status, day } => {
                serde_json::to_string(&PaymentSucceededBody {
                    business_id: business,
                    product_id: product,
                    customer_email: email.as_given(),
                    amount: &json_number(*amount),
                    currency: &currency.code(),
                    subscription_status: *status,
                    payment_date: day.to_string(),
                    event_id,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_the_contract_to_the_letter() {
        let call = Call::CustomerCreated {
            product: "product_123".into(),
            email: Email::parse("jane@example.com").unwrap(),
            name: "Jane Smith".into(),
            code: Some("AGENT123".into()),
        };
        assert_eq!(
            call.body("business_123", None).unwrap(),
            r#"{"businessId":"business_123","productId":"product_123","customerEmail":"jane@example.com","customerName":"Jane Smith","referralCode":"AGENT123"}"#
        );
        let call = Call::PaymentSucceeded {
            product: "product_123".into(),
            email: Email::parse("jane@example.com").unwrap(),
            amount: "29.990".parse().unwrap(),
            currency: "usd".parse().unwrap(),
            status: Status::PastDue,
            day: "2026-06-14".parse().unwrap(),
        };
        assert_eq!(
            call.body("business_123", Some("evt_7")).unwrap(),
            r#"{"businessId":"business_123","productId":"product_123","customerEmail":"jane@example.com","amount":29.99,"currency":"USD","subscriptionStatus":"past_due","paymentDate":"2026-06-14","eventId":"evt_7"}"#
        );
    }
}
