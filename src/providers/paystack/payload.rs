//! Paystack's JSON, parsed once into types that stay in this folder. Fields are read by their presence: the same object
//! has had many shapes, and nothing in it names its version.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::metadata::Metadata;
use crate::domain::email::Email;
use crate::domain::mode::Mode;
use crate::domain::money::Currency;
use crate::domain::text;
use crate::providers::json::Json;

/// What events of every type may say: the mode, the customer, and what was sold.
#[derive(Debug)]
pub(super) struct Common<'a> {
    pub(super) mode: Mode,
    pub(super) customer: Customer,
    pub(super) plan: Plan,
    /// The subscription's own code, which charges do not have.
    pub(super) subscription_code: Option<String>,
    /// The nearest first.
    pub(super) metadata: Vec<Metadata<'a>>,
}

impl<'a> Common<'a> {
    pub(super) fn read(data: Json<'a>) -> Self {
        let (own, nested) = (data.get("subscription_code").id(), data.get("subscription"));
        let transaction = data.get("transaction");
        // A customer lives long: no field says since when its metadata holds something.
        let metadata = [(data, made_at(data)), (transaction, made_at(transaction)), (data.get("customer"), None)];
        Self {
            mode: mode(data),
            customer: Customer::read(data),
            plan: Plan::read(data),
            subscription_code: own.or_else(|| nested.get("subscription_code").id()).or_else(|| nested.code()),
            metadata: metadata.iter().filter_map(|(of, since)| Metadata::read(of.get("metadata"), *since)).collect(),
        }
    }
}

/// `domain` is `test` or `live`; where the event has none, one of its objects may.
fn mode(data: Json<'_>) -> Mode {
    let places = ["domain", "transaction.domain", "customer.domain", "subscription.domain", "plan.domain"];
    match places.iter().find_map(|path| data.at(path).text()) {
        Some(domain) if domain.eq_ignore_ascii_case("test") => Mode::Test,
        Some(_) | None => Mode::Live,
    }
}

/// Who paid.
#[derive(Debug)]
pub(super) struct Customer {
    /// `CUS_...`, else the bare id.
    pub(super) code: Option<String>,
    pub(super) email: Option<Email>,
    /// First and last name, else the name on the card or account that paid.
    pub(super) name: Option<String>,
}

impl Customer {
    fn read(data: Json<'_>) -> Self {
        let customer = data.get("customer");
        let names = ["first_name", "last_name"].iter().filter_map(|key| customer.get(key).text().and_then(text::name));
        let names: Vec<String> = names.collect();
        Self {
            code: customer.get("customer_code").id().or_else(|| customer.id()),
            email: customer.get("email").text().and_then(Email::parse),
            name: text::name(&names.join(" "))
                .or_else(|| data.at("authorization.account_name").text().and_then(text::name)),
        }
    }
}

/// The ids of the plan that was paid for, `PLN_...` first; none for a one-off sale.
#[derive(Debug)]
pub(super) struct Plan(pub(super) Vec<String>);

impl Plan {
    fn read(data: Json<'_>) -> Self {
        let places = ["plan", "plan_object", "subscription.plan", "subscription.plan_object"].map(|path| data.at(path));
        let codes = places.iter().filter_map(|plan| plan.get("plan_code").id().or_else(|| plan.code()));
        let mut ids: Vec<String> = Vec::new();
        for id in codes.chain(places.iter().filter_map(|plan| plan.id())) {
            // Where an object may stand, 0 is one more way of saying "none".
            if id != "0" && !ids.contains(&id) {
                ids.push(id);
            }
        }
        Self(ids)
    }
}

/// Money that moved, or was to: a charge, or the transaction inside an invoice or a dispute.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) reference: Option<String>,
    pub(super) status: Option<TransactionStatus>,
    /// Hundredths of the standard unit, as all amounts here.
    pub(super) amount: Option<i64>,
    pub(super) requested_amount: Option<i64>,
    pub(super) fees: Option<i64>,
    pub(super) currency: Option<Currency>,
    pub(super) paid_at: Option<Timestamp>,
    pub(super) created_at: Option<Timestamp>,
    /// It bears no date, not even one that cannot be read.
    pub(super) is_dateless: bool,
}

impl Transaction {
    pub(super) fn read(json: Json<'_>) -> Self {
        Self {
            reference: json.get("reference").id(),
            status: json.get("status").text().map(TransactionStatus::parse),
            amount: json.get("amount").integer(),
            requested_amount: json.get("requested_amount").integer(),
            fees: json.get("fees").integer(),
            currency: currency(json),
            paid_at: first_time(json, &["paid_at", "paidAt"]),
            created_at: created_at(json),
            is_dateless: !["paid_at", "paidAt", "created_at", "createdAt"].iter().any(|key| json.get(key).is_some()),
        }
    }
}

/// What was taken of a hold.
#[derive(Debug)]
pub(super) struct Capture {
    pub(super) reference: Option<String>,
    pub(super) amount: Option<i64>,
    pub(super) fees: Option<i64>,
    pub(super) currency: Option<Currency>,
    pub(super) at: Option<Timestamp>,
}

impl Capture {
    pub(super) fn read(data: Json<'_>) -> Self {
        let transaction = data.get("transaction");
        Self {
            reference: transaction.get("reference").id().or_else(|| data.get("reference").id()),
            // The amount beside it is what was held.
            amount: data.get("captured_amount").integer(),
            fees: transaction.get("fees").integer(),
            currency: currency(data).or_else(|| currency(transaction)),
            at: time(data.get("captured_at")).or_else(|| time(transaction.get("transaction_date"))),
        }
    }
}

/// What became of a transaction, or of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TransactionStatus {
    Success,
    Reversed,
    Other(String),
}

impl TransactionStatus {
    fn parse(text: &str) -> Self {
        match text {
            "success" => Self::Success,
            "reversed" => Self::Reversed,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// One period of a subscription.
#[derive(Debug)]
pub(super) struct Invoice {
    /// Paid by its own word, by its status and by its transaction's: after a failed attempt the three differ.
    pub(super) paid: bool,
    /// The invoice's own amounts and times.
    pub(super) own: Transaction,
    pub(super) transaction: Transaction,
    pub(super) period_start: Option<Timestamp>,
}

impl Invoice {
    pub(super) fn read(data: Json<'_>) -> Self {
        let (own, transaction) = (Transaction::read(data), Transaction::read(data.get("transaction")));
        let success = |t: &Transaction| t.status == Some(TransactionStatus::Success);
        Self {
            paid: data.get("paid").flag() == Some(true) && success(&own) && success(&transaction),
            own,
            transaction,
            period_start: time(data.get("period_start")),
        }
    }
}

/// A subscription as it is.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) status: Option<SubscriptionStatus>,
    /// The status as Paystack writes it.
    pub(super) word: Option<String>,
    pub(super) created_at: Option<Timestamp>,
    /// The last change that it names. Most events name none.
    pub(super) changed_at: Option<Timestamp>,
}

impl Subscription {
    pub(super) fn read(data: Json<'_>) -> Self {
        let created_at = created_at(data);
        let changes =
            ["updated_at", "updatedAt", "cancelled_at", "cancelledAt"].iter().filter_map(|k| time(data.get(k)));
        Self {
            status: data.get("status").text().map(SubscriptionStatus::parse),
            word: data.get("status").text().map(str::to_owned),
            created_at,
            changed_at: changes.filter(|at| created_at.is_none_or(|created| *at > created)).max(),
        }
    }
}

/// Paystack's words for a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SubscriptionStatus {
    Active,
    NonRenewing,
    Attention,
    Cancelled,
    /// Also spelt `complete`.
    Completed,
    Other(String),
}

impl SubscriptionStatus {
    fn parse(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "non-renewing" => Self::NonRenewing,
            "attention" => Self::Attention,
            "cancelled" => Self::Cancelled,
            "complete" | "completed" => Self::Completed,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// A refund, which need not be of the whole amount.
#[derive(Debug)]
pub(super) struct Refund {
    pub(super) transaction_reference: Option<String>,
    /// The reference of the transfer back. Most webhooks have it, and early ones neither this nor the number.
    pub(super) reference: Option<String>,
    /// Its number, which the list has.
    pub(super) number: Option<String>,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<Currency>,
    /// The last time that it names. Most events name none.
    pub(super) at: Option<Timestamp>,
}

impl Refund {
    pub(super) fn read(data: Json<'_>) -> Self {
        let transaction = data.get("transaction");
        Self {
            transaction_reference: data
                .get("transaction_reference")
                .id()
                .or_else(|| transaction.get("reference").id())
                .or_else(|| transaction.code()),
            reference: data.get("refund_reference").id(),
            number: data.get("id").id(),
            amount: data.get("amount").integer(),
            currency: currency(data).or_else(|| currency(transaction)),
            at: first_time(data, &["refunded_at", "refundedAt", "updated_at", "updatedAt", "created_at", "createdAt"]),
        }
    }
}

/// A customer's bank asking for the money back.
#[derive(Debug)]
pub(super) struct Dispute {
    pub(super) id: Option<String>,
    pub(super) refund_amount: Option<i64>,
    pub(super) currency: Option<Currency>,
    pub(super) resolution: Option<Resolution>,
    pub(super) transaction: Transaction,
    pub(super) created_at: Option<Timestamp>,
    pub(super) resolved_at: Option<Timestamp>,
}

impl Dispute {
    pub(super) fn read(data: Json<'_>) -> Self {
        let mut transaction = Transaction::read(data.get("transaction"));
        transaction.reference = transaction.reference.or_else(|| data.get("transaction_reference").id());
        Self {
            id: data.get("id").id(),
            refund_amount: data.get("refund_amount").integer(),
            currency: currency(data).or(transaction.currency),
            resolution: data.get("resolution").text().map(Resolution::parse),
            transaction,
            created_at: created_at(data),
            resolved_at: first_time(data, &["resolved_at", "resolvedAt", "updated_at", "updatedAt"]),
        }
    }
}

/// How a dispute ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolution {
    MerchantAccepted,
    /// The merchant did not answer in time.
    AutoAccepted,
    Declined,
    Other(String),
}

impl Resolution {
    fn parse(text: &str) -> Self {
        match text {
            "merchant-accepted" => Self::MerchantAccepted,
            "auto-accepted" => Self::AutoAccepted,
            "declined" => Self::Declined,
            other => Self::Other(other.to_owned()),
        }
    }
}

fn currency(json: Json<'_>) -> Option<Currency> {
    json.get("currency").text().and_then(|text| text.parse().ok())
}

/// When an object was made, or else when it was paid: no later was its metadata there.
fn made_at(json: Json<'_>) -> Option<Timestamp> {
    created_at(json).or_else(|| first_time(json, &["paid_at", "paidAt", "captured_at", "transaction_date"]))
}

fn created_at(json: Json<'_>) -> Option<Timestamp> {
    first_time(json, &["created_at", "createdAt"])
}

/// The first of these members that holds a time.
fn first_time(json: Json<'_>, keys: &[&str]) -> Option<Timestamp> {
    keys.iter().find_map(|key| time(json.get(key)))
}

/// An RFC 3339 time. One without an offset is UTC, as all of Paystack's are.
fn time(json: Json<'_>) -> Option<Timestamp> {
    let civil = || json.text()?.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    json.rfc3339().or_else(|| civil().map(|zoned| zoned.timestamp()))
}
