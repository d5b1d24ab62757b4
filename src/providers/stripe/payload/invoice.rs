//! Invoices, and the payments that are made on them.

use jiff::Timestamp;

use super::about::{About, name};
use crate::domain::money::Currency;
use crate::providers::json::Json;

/// An invoice, before or since the versions in which a subscription became its `parent`.
pub(crate) struct Invoice<'a> {
    /// Whom it is about.
    pub(crate) about: About<'a>,
    /// Its id.
    pub(crate) id: Option<String>,
    /// Its status.
    pub(crate) status: Option<InvoiceStatus>,
    /// Old versions: whether it is paid.
    pub(crate) paid: Option<bool>,
    /// Old versions: it was marked as paid outside of Stripe.
    pub(crate) out_of_band: bool,
    /// It is a subscription's first.
    pub(crate) is_first: bool,
    /// The subscription it bills.
    pub(crate) subscription: Option<String>,
    /// The currency of all amounts.
    pub(crate) currency: Option<Currency>,
    /// Minor units, like all amounts here: what was to be paid.
    pub(crate) amount_due: Option<i64>,
    /// What was paid in money.
    pub(crate) amount_paid: Option<i64>,
    /// After discounts, with tax, before the customer's balance.
    pub(crate) total: Option<i64>,
    /// Before discounts and tax.
    pub(crate) subtotal: Option<i64>,
    /// `total` without tax.
    pub(crate) total_excluding_tax: Option<i64>,
    /// The tax within `total`.
    pub(crate) tax: Tax,
    /// When it was paid.
    pub(crate) paid_at: Option<Timestamp>,
}

/// An invoice's status.
#[derive(PartialEq, Eq)]
pub(crate) enum InvoiceStatus {
    /// Not finalized.
    Draft,
    /// To be paid.
    Open,
    /// Paid.
    Paid,
    /// Given up.
    Uncollectible,
    /// Cancelled.
    Void,
    /// A value not yet invented.
    Other(String),
}

impl InvoiceStatus {
    fn read(text: &str) -> Self {
        match text {
            "draft" => Self::Draft,
            "open" => Self::Open,
            "paid" => Self::Paid,
            "uncollectible" => Self::Uncollectible,
            "void" => Self::Void,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Stripe's word.
    pub(crate) fn as_given(&self) -> &str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
            Self::Other(text) => text,
        }
    }
}

/// The tax within a total, minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tax {
    /// The object lists no tax.
    Unlisted,
    /// This much.
    Sum(i64),
    /// It lists tax that cannot be read.
    Unreadable,
}

impl Tax {
    /// A single amount.
    pub(crate) fn read(amount: Json<'_>) -> Self {
        match amount.integer() {
            Some(tax) => Self::Sum(tax),
            None if amount.is_some() => Self::Unreadable,
            None => Self::Unlisted,
        }
    }

    /// A list of objects with an `amount` each.
    fn read_list(list: Json<'_>) -> Self {
        list.items().map(|item| item.get("amount").integer()).fold(Self::Unlisted, |sum, amount| {
            let sum = match sum {
                Self::Unlisted => Some(0),
                Self::Sum(sum) => Some(sum),
                Self::Unreadable => None,
            };
            let added = sum.zip(amount).and_then(|(sum, amount)| sum.checked_add(amount));
            added.map_or(Self::Unreadable, Self::Sum)
        })
    }

    fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Unlisted => other(),
            Self::Sum(_) | Self::Unreadable => self,
        }
    }
}

impl<'a> Invoice<'a> {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'a>) -> Self {
        let details = [object.at("parent.subscription_details"), object.get("subscription_details")];
        let old = object.get("subscription");
        let subscription = old.id().or_else(|| details.iter().find_map(|d| d.get("subscription").id()));
        let own_id = object.get("id").id();
        Self {
            about: Self::about(object, own_id.clone(), subscription.clone()),
            id: own_id,
            status: object.get("status").text().map(InvoiceStatus::read),
            paid: object.get("paid").flag(),
            out_of_band: object.get("paid_out_of_band").flag() == Some(true),
            is_first: object.get("billing_reason").text() == Some("subscription_create"),
            subscription,
            currency: object.get("currency").text().and_then(|c| c.parse().ok()),
            amount_due: object.get("amount_due").integer(),
            amount_paid: object.get("amount_paid").integer(),
            total: object.get("total").integer(),
            subtotal: object.get("subtotal").integer(),
            total_excluding_tax: object.get("total_excluding_tax").integer(),
            tax: Tax::read_list(object.get("total_taxes"))
                .or(|| Tax::read_list(object.get("total_tax_amounts")))
                .or(|| Tax::read(object.get("tax"))),
            paid_at: object.at("status_transitions.paid_at").unix_time(),
        }
    }

    fn about(object: Json<'a>, own_id: Option<String>, subscription: Option<String>) -> About<'a> {
        let mut about = About::read(object);
        about.add_key(subscription);
        about.add_key(own_id);
        let payments = object.at("payments.data").items().map(|p| p.get("payment"));
        for payment in std::iter::once(object).chain(payments) {
            about.add_key(payment.get("payment_intent").id());
            about.add_key(payment.get("charge").id());
        }
        about.find_email([object.get("customer_email")]);
        about.name = name(object.get("customer_name"));
        about.find_in_customer(object);
        let lines = || object.at("lines.data").items();
        about.metadata.extend([
            object.at("parent.subscription_details.metadata"),
            object.at("subscription_details.metadata"),
            object.at("subscription.metadata"),
        ]);
        // Old versions show the subscription's metadata on its lines only.
        about.metadata.extend(lines().map(|line| line.get("metadata")));
        about.set_sold(lines().map(|line| (line.get("amount").integer().unwrap_or(i64::MIN), line)));
        about
    }
}

/// A payment on an invoice: what ties a payment intent to its invoice in new versions.
pub(crate) struct InvoicePayment {
    /// Ids of the invoice, the payment intent and the charge.
    pub(crate) keys: Vec<String>,
    /// When it was made.
    pub(crate) paid_at: Option<Timestamp>,
}

impl InvoicePayment {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'_>) -> Self {
        let payment = object.get("payment");
        let keys = [object.get("invoice"), payment.get("payment_intent"), payment.get("charge")];
        Self {
            keys: keys.into_iter().filter_map(Json::id).collect(),
            paid_at: object.at("status_transitions.paid_at").unix_time(),
        }
    }
}
