//! Stripe's events as they are on the wire, read once into typed structs: the discriminator first, then the object it
//! names.
//!
//! Objects are read by the presence of their fields, never by `api_version`: endpoints pinned to an old version get
//! hybrids of old and new. What is missing or of another type is absent here. `facts` asks for what it needs.

mod about;
mod checkout;
mod invoice;
mod reversal;
mod subscription;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

pub(super) use self::about::About;
pub(super) use self::checkout::{Charge, PaymentIntent, PaymentStatus, Session, SessionMode};
pub(super) use self::invoice::{Invoice, InvoicePayment, InvoiceStatus, Tax};
pub(super) use self::reversal::{CreditNote, Dispute, DisputeStatus, OfCharge, Refund, RefundStatus};
pub(super) use self::subscription::{Subscription, SubscriptionStatus};
use super::NO_SESSION;
use crate::domain::event::Identity;
use crate::domain::json;
use crate::domain::mode::Mode;
use crate::domain::reason::EventReason;
use crate::providers::json::{Json, is_plain};
use crate::providers::tree::Tree;

/// The `object` of an event that points at something instead of carrying it.
const THIN: &str = "v2.core.event";

/// The resources in Stripe's list of event types, which are written `resource.happening`. What happens to these may be
/// new, but is not unheard of.
const RESOURCES: &[&str] = &[
    "account",
    "account.application",
    "account.external_account",
    "application_fee",
    "application_fee.refund",
    "apps.install",
    "balance",
    "balance_settings",
    "billing.alert",
    "billing.credit_balance_transaction",
    "billing.credit_grant",
    "billing.meter",
    "billing_portal.configuration",
    "billing_portal.session",
    "capability",
    "cash_balance",
    "charge",
    "charge.dispute",
    "charge.refund",
    "checkout.session",
    "climate.order",
    "climate.product",
    "coupon",
    "credit_note",
    "customer",
    "customer.bank_account",
    "customer.card",
    "customer.discount",
    "customer.source",
    "customer.subscription",
    "customer.tax_id",
    "customer_cash_balance_transaction",
    "entitlements.active_entitlement_summary",
    "file",
    "financial_connections.account",
    "financial_connections.authorization",
    "identity.verification_session",
    "invoice",
    "invoice_payment",
    "invoiceitem",
    "issuing_authorization",
    "issuing_card",
    "issuing_cardholder",
    "issuing_dispute",
    "issuing_personalization_design",
    "issuing_token",
    "issuing_transaction",
    "mandate",
    "order",
    "payment_intent",
    "payment_link",
    "payment_method",
    "payout",
    "person",
    "plan",
    "price",
    "product",
    "promotion_code",
    "quote",
    "radar.early_fraud_warning",
    "refund",
    "reporting.report_run",
    "reporting.report_type",
    "reserve.hold",
    "reserve.plan",
    "reserve.release",
    "review",
    "setup_intent",
    "sigma.scheduled_query_run",
    "sku",
    "source",
    "source.transaction",
    "subscription_schedule",
    "tax.settings",
    "tax_rate",
    "terminal.reader",
    "test_helpers.test_clock",
    "three_d_secure.authentication",
    "topup",
    "transfer",
    "treasury.credit_reversal",
    "treasury.debit_reversal",
    "treasury.financial_account",
    "treasury.inbound_transfer",
    "treasury.outbound_payment",
    "treasury.outbound_transfer",
    "treasury.received_credit",
    "treasury.received_debit",
];

/// Thin events of these have no snapshot of their name: each says that a subscription's status or its end changed, and the
/// subscription says to what.
const STATUS_TOLD_THIN: &[&str] = &[
    "customer.subscription.active",
    "customer.subscription.cancel_at_changed",
    "customer.subscription.incomplete",
    "customer.subscription.incomplete_expired",
    "customer.subscription.past_due",
    "customer.subscription.trialing",
    "customer.subscription.unpaid",
];

/// The type of the snapshot that a thin event of this type stands for.
pub(super) fn snapshot_type(thin: &str) -> Option<&str> {
    let named = thin.strip_prefix("v1.")?;
    Some(if STATUS_TOLD_THIN.contains(&named) { "customer.subscription.updated" } else { named })
}

/// Why an event cannot be mapped.
#[derive(Debug)]
pub(super) struct Unmapped {
    /// The reason.
    pub(super) reason: EventReason,
    /// What is wrong, and where. Never a value of the body, except the id of another event.
    pub(super) detail: String,
}

impl Unmapped {
    /// A field that must be there is not, or is not `what` it must be.
    pub(super) fn missing(path: &str, what: &str) -> Self {
        Self { reason: EventReason::MissingField, detail: format!("{path} is missing or not {what}") }
    }
}

/// An event.
pub(super) struct Event<'a> {
    /// Real money or not.
    pub(super) mode: Mode,
    /// The connected account it comes from.
    pub(super) account: Option<String>,
    /// When it happened.
    pub(super) created: Option<Timestamp>,
    /// What its object was before, as far as that changed.
    pub(super) before: Json<'a>,
    /// What it carries.
    pub(super) body: Body<'a>,
}

/// What an event carries, by its type.
pub(super) enum Body<'a> {
    /// `invoice.paid`, `invoice.payment_succeeded`
    InvoicePaid(Box<Invoice<'a>>),
    /// `invoice.payment_failed`
    InvoiceFailed(Box<Invoice<'a>>),
    /// `invoice_payment.paid`
    InvoicePaymentPaid(InvoicePayment),
    /// `checkout.session.completed`, `.async_payment_succeeded`
    SessionCompleted(Box<Session<'a>>),
    /// `checkout.session.async_payment_failed`
    SessionFailed(Box<Session<'a>>),
    /// `checkout.session.none`
    NoSession(Box<Session<'a>>),
    /// `payment_intent.succeeded`
    PaymentIntentSucceeded(Box<PaymentIntent<'a>>),
    /// `charge.succeeded`
    ChargeSucceeded(Box<Charge<'a>>),
    /// `charge.refunded`
    ChargeRefunded(Box<Charge<'a>>),
    /// `refund.created`, `.updated`, `charge.refund.updated`
    RefundChanged(Refund),
    /// `refund.failed`
    RefundFailed(Refund),
    /// `charge.dispute.created`, `.updated`, `.closed`, `.funds_withdrawn`, `.funds_reinstated`
    DisputeChanged(Dispute),
    /// `credit_note.created`, `.updated`, `.voided`
    CreditNote(CreditNote),
    /// `customer.subscription.created`, `.updated`, `.resumed`
    SubscriptionChanged(Box<Subscription<'a>>),
    /// `customer.subscription.paused`
    SubscriptionPaused(Box<Subscription<'a>>),
    /// `customer.subscription.deleted`
    SubscriptionDeleted(Box<Subscription<'a>>),
    /// `customer.created`, `.updated`
    Customer(Box<About<'a>>),
    /// Of a type that reports nothing for Refairn.
    NotRelevant,
    /// Of a type about something that is not in Stripe's list.
    Unknown,
}

impl<'a> Event<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is no event, a thin one, or carries no object although its type needs one.
    pub(super) fn read(body: &'a Tree<'a>) -> Result<Self, Unmapped> {
        let json = Json::new(body);
        let unreadable = |detail: &str| Unmapped { reason: EventReason::Unreadable, detail: detail.to_owned() };
        if json.object().is_none() {
            return Err(unreadable("the body is not a JSON object"));
        }
        let event_type = json.get("type").text().ok_or_else(|| unreadable("type is missing or not a text"))?;
        let object = json.at("data.object");
        let body = if json.get("object").text() == Some(THIN) {
            Body::read_thin(event_type, object, json.get("snapshot_event"))?
        } else {
            Body::read(event_type, object)
        };
        if object.object().is_none() && !matches!(body, Body::NotRelevant | Body::Unknown) {
            return Err(Unmapped::missing("data.object", "an object"));
        }
        let livemode = json.get("livemode").flag().or_else(|| object.get("livemode").flag());
        Ok(Self {
            mode: if livemode == Some(false) { Mode::Test } else { Mode::Live },
            account: account(json),
            created: json.get("created").unix_time(),
            before: json.at("data.previous_attributes"),
            body,
        })
    }
}

impl<'a> Body<'a> {
    /// A thin event has no object of its own. Where its type is one that does not matter, the object is not needed. Events
    /// of `v2.` types are about objects that have no part in sales, or about the event destination.
    fn read_thin(event_type: &str, object: Json<'a>, snapshot: Json<'_>) -> Result<Self, Unmapped> {
        if event_type.starts_with("v2.") {
            return Ok(Self::NotRelevant);
        }
        match snapshot_type(event_type).map(|snapshot| Self::read(snapshot, object)) {
            Some(body @ (Self::NotRelevant | Self::Unknown)) => Ok(body),
            Some(_) | None => {
                let twin = snapshot.id().map_or_else(String::new, |id| format!("; event {id} carries the object"));
                let detail = format!("it points at an object instead of carrying it (object is v2.core.event){twin}");
                Err(Unmapped { reason: EventReason::ThinEvent, detail })
            }
        }
    }

    fn read(event_type: &str, object: Json<'a>) -> Self {
        match event_type {
            "invoice.paid" | "invoice.payment_succeeded" => Self::InvoicePaid(Box::new(Invoice::read(object))),
            "invoice.payment_failed" => Self::InvoiceFailed(Box::new(Invoice::read(object))),
            "invoice_payment.paid" => Self::InvoicePaymentPaid(InvoicePayment::read(object)),
            "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
                Self::SessionCompleted(Box::new(Session::read(object)))
            }
            "checkout.session.async_payment_failed" => Self::SessionFailed(Box::new(Session::read(object))),
            NO_SESSION => Self::NoSession(Box::new(Session::read(object))),
            "payment_intent.succeeded" => Self::PaymentIntentSucceeded(Box::new(PaymentIntent::read(object))),
            "charge.succeeded" => Self::ChargeSucceeded(Box::new(Charge::read(object))),
            "charge.refunded" => Self::ChargeRefunded(Box::new(Charge::read(object))),
            "refund.created" | "refund.updated" | "charge.refund.updated" => Self::RefundChanged(Refund::read(object)),
            "refund.failed" => Self::RefundFailed(Refund::read(object)),
            "charge.dispute.created"
            | "charge.dispute.updated"
            | "charge.dispute.closed"
            | "charge.dispute.funds_withdrawn"
            | "charge.dispute.funds_reinstated" => Self::DisputeChanged(Dispute::read(object)),
            "credit_note.created" | "credit_note.updated" => Self::CreditNote(CreditNote::read(object)),
            "credit_note.voided" => Self::CreditNote(CreditNote { is_void: true, ..CreditNote::read(object) }),
            "customer.subscription.created" | "customer.subscription.updated" | "customer.subscription.resumed" => {
                Self::SubscriptionChanged(Box::new(Subscription::read(object)))
            }
            "customer.subscription.paused" => Self::SubscriptionPaused(Box::new(Subscription::read(object))),
            "customer.subscription.deleted" => Self::SubscriptionDeleted(Box::new(Subscription::read(object))),
            "customer.created" => Self::Customer(Box::new(About::customer_itself(object, true))),
            "customer.updated" => Self::Customer(Box::new(About::customer_itself(object, false))),
            other if is_documented(other) => Self::NotRelevant,
            _ => Self::Unknown,
        }
    }
}

/// Whether the type is about a documented resource. A word alone is no type.
fn is_documented(event_type: &str) -> bool {
    event_type.rsplit_once('.').is_some_and(|(resource, word)| RESOURCES.contains(&resource) && !word.is_empty())
}

/// What identifies an event. Only the members that are needed are looked into, so that this works for bodies too deep
/// to be read whole.
pub(super) fn identify(body: &[u8]) -> Identity {
    let head = json::leniently(body, |body| {
        let members: BTreeMap<String, &RawValue> = serde_json::from_slice(body)?;
        let wanted = members.into_iter().filter(|(key, _)| {
            matches!(key.as_str(), "id" | "type" | "account" | "context" | "snapshot_event" | "livemode")
        });
        Ok(wanted.filter_map(|(key, raw)| Some((key, json::value(raw.get().as_bytes()).ok()?))).collect())
    });
    let head = Tree::from(Value::Object(head.unwrap_or_default()));
    let json = Json::new(&head);
    let id = json.get("id").scalar_text().filter(|id| is_plain(id));
    let event_type = json.get("type").text().filter(|t| is_plain(t)).unwrap_or("");
    // Test events that the dashboard sends share one id, whatever their type.
    let dedup_key = match &id {
        Some(id) => format!("{}/{id}/{event_type}", account(json).as_deref().unwrap_or("")),
        None => format!("sha256:{}", hex::encode(Sha256::digest(body))),
    };
    let snapshot_event = json.get("snapshot_event").id();
    let mode = json.get("livemode").flag().map(|live| if live { Mode::Live } else { Mode::Test });
    Identity { dedup_key, provider_event_id: id, event_type: event_type.to_owned(), snapshot_event, mode }
}

/// The connected account of an event. `context` may name other things than an account, or a path of several.
fn account(event: Json<'_>) -> Option<String> {
    let is_account = |text: &String| {
        text.strip_prefix("acct_").is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    event.get("account").id().or_else(|| event.get("context").id().filter(is_account))
}
