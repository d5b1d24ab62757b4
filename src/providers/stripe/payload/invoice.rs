//! Invoices, and the payments that are made on them.

use jiff::Timestamp;

use super::about::{About, name, sold_in};
use crate::domain::money::Currency;
use crate::domain::sold::Line;
use crate::providers::json::Json;

/// An invoice, before or since the versions in which a subscription became its `parent`.
pub(crate) struct Invoice<'a> {
    /// The customer it is about.
    pub(crate) about: About<'a>,
    /// Stripe's id of the invoice, such as `in_1X`. `None` when the event has no usable one.
    pub(crate) id: Option<String>,
    /// Where the invoice stands. `None` when the event does not say.
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
    /// Minor units, like all amounts here: what the customer owes.
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
        let created = object.get("created").unix_time();
        for path in ["parent.subscription_details.metadata", "subscription_details.metadata"] {
            about.add_metadata(object.at(path), created);
        }
        about.add_metadata(object.at("subscription.metadata"), object.at("subscription.created").unix_time());
        // Old versions show the subscription's metadata on its lines only.
        for line in object.at("lines.data").items() {
            about.add_metadata(line.get("metadata"), created);
        }
        about.set_sold(object.get("lines"), object.get("subtotal").integer(), line);
        about
    }
}

/// A line. Its `amount` is before discounts and before tax that comes on top.
fn line(line: Json<'_>) -> Line {
    let is_credit = |part: &Json<'_>| part.get("type").text() == Some("credit_balance_transaction");
    let discounts = sum(line.get("discount_amounts").items());
    let credits = sum(line.get("pretax_credit_amounts").items().filter(is_credit));
    let new = line.get("taxes").items().next().is_some();
    let taxes = || line.get(if new { "taxes" } else { "tax_amounts" }).items();
    let is_inclusive = |tax: &Json<'_>| {
        tax.get("inclusive").flag().unwrap_or_else(|| tax.get("tax_behavior").text() == Some("inclusive"))
    };
    let on_top = sum(taxes().filter(|tax| !is_inclusive(tax)));
    let inside = sum(taxes().filter(is_inclusive));
    let less = |from: Option<i64>, part: Option<i64>| from.zip(part).and_then(|(from, part)| from.checked_sub(part));
    let weight = less(less(line.get("amount").integer(), discounts), credits);
    Line {
        ids: sold_in(line),
        weight,
        gross: weight.zip(on_top).and_then(|(weight, tax)| weight.checked_add(tax)),
        net: less(weight, inside),
    }
}

/// The sum of the `amount` of each. `None` when one of them has no amount that can be read.
fn sum<'a>(mut parts: impl Iterator<Item = Json<'a>>) -> Option<i64> {
    parts.try_fold(0_i64, |sum, part| sum.checked_add(part.get("amount").integer()?))
}

/// A payment on an invoice: what ties a payment intent to its invoice in new versions.
pub(crate) struct InvoicePayment {
    /// Ids of the invoice and of what paid it.
    pub(crate) keys: Vec<String>,
    /// What paid it: the payment intent, else the charge, else a record of a payment outside of Stripe.
    pub(crate) paid_by: Option<String>,
    /// Minor units.
    pub(crate) amount_paid: Option<i64>,
    /// The currency of the amount.
    pub(crate) currency: Option<Currency>,
    /// When it was made.
    pub(crate) paid_at: Option<Timestamp>,
}

impl InvoicePayment {
    /// Reads what is there.
    pub(crate) fn read(object: Json<'_>) -> Self {
        let payment = object.get("payment");
        let paid_by = ["payment_intent", "charge", "payment_record"].map(|key| payment.get(key).id());
        Self {
            keys: [object.get("invoice").id()].iter().chain(&paid_by).flatten().cloned().collect(),
            paid_by: paid_by.into_iter().flatten().next(),
            amount_paid: object.get("amount_paid").integer(),
            currency: object.get("currency").text().and_then(|c| c.parse().ok()),
            paid_at: object.at("status_transitions.paid_at").unix_time(),
        }
    }
}
