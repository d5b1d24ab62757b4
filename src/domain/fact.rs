//! What an event reports, in words that no provider owns. The ledger knows only these.
//!
//! An event is one [`Fact`]: whom it is about, what ties it to other facts, and the one [`FactKind`] it reports.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::email::Email;
use super::mode::Mode;
use super::money::{Currency, Money};
use super::reason::EventReason;
use super::status::Status;
use crate::domain::product::Product;

/// What one event came to when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// It reports something.
    Fact(Box<Fact>),
    /// It reports nothing for Refairn.
    Ignored(EventReason),
    /// It could not be read; the text says what, where.
    Unmappable(EventReason, String),
}

/// What one event reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Real money or the provider's test mode.
    pub mode: Mode,
    /// The connected account it comes from (Stripe's `account`); ids are unique within it only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// When it became true, by the provider's clock.
    pub at: Timestamp,
    /// The provider's id of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Ids that other facts about the same person share: customer, subscription, invoice, charge, payment
    /// intent, session, transaction reference. Each is unique within the account. They tell the e-mail address
    /// of a fact that has none, and join a refund to its payment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// As the provider gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// The customer's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An agent's referral code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When the code came into being, by the provider's clock: when it was changed, or when what holds it was made. Nothing
    /// where the event does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_at: Option<Timestamp>,
    /// Why a referral code was there but is not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_refused: Option<String>,
    /// The Refairn product it is about.
    pub product: Product,
    /// The endpoint's place in the configuration: of two reports of one sale that name different products, the first
    /// endpoint's counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rank: u32,
    /// What is reported.
    pub matter: FactKind,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The one thing an event reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum FactKind {
    /// A customer, perhaps with a referral code.
    Customer(Customer),
    /// Money that was paid.
    Payment(Payment),
    /// What a subscription is now.
    Subscription(Subscription),
    /// Money that was taken back, or may be.
    Reversal(Reversal),
    /// Nothing but that the keys belong together.
    Link(Link),
}

/// A customer became known, or more of one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Customer {
    /// The subscription whose checkout session this is: its first payment need wait no longer for a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkout_of: Option<String>,
    /// A checkout session, of whatever kind: a payment that one of its keys names need wait no longer for a code.
    #[serde(default, skip_serializing_if = "is_false")]
    pub checkout: bool,
    /// The payment intent of a session without an invoice whose money was only held: its capture is the payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captures: Option<String>,
    /// Why the event makes no payment, when one might have expected it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_payment: Option<EventReason>,
    /// What was paid all the same, standard units, where `no_payment` says why it counts for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged: Option<Money>,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// What every event about this payment shares: invoice, payment intent, session or reference.
    pub identity: String,
    /// Ids that no other payment has: invoice, payment intents, charges, session, reference. Reports that share one, or
    /// whose ids a link ties together, are about one sale.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ties: Vec<String>,
    /// The commission base, exact, standard units; nothing when the event does not say what `commission_base` asks for.
    #[serde(default, with = "rust_decimal::serde::str_option", skip_serializing_if = "Option::is_none")]
    pub amount: Option<Decimal>,
    /// What the customer paid, in the same units: a full refund takes this back.
    #[serde(with = "rust_decimal::serde::str")]
    pub charged: Decimal,
    /// The currency of both.
    pub currency: Currency,
    /// The day on which it was confirmed, in the endpoint's time zone.
    pub day: Date,
    /// The subscription it pays for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// No renewal, and not told by its own checkout session, which may still bring a referral code.
    pub awaits_checkout: bool,
    /// A session that lets its invoice be made afterwards: the invoice reports the payment, if it comes within an hour.
    #[serde(default, skip_serializing_if = "is_false")]
    pub awaits_invoice: bool,
    /// It counts only where a session without an invoice named this intent before it was paid: a capture of a hold.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_session: bool,
    /// What was held and never taken, in the same units. A refund of exactly this gives nothing back.
    #[serde(default, with = "rust_decimal::serde::str_option", skip_serializing_if = "Option::is_none")]
    pub uncaptured: Option<Decimal>,
    /// Reported by the event that always reports it, rather than by one that happens to.
    pub primary: bool,
}

impl Payment {
    /// What the customer paid.
    #[must_use]
    pub fn charged_money(&self) -> Money {
        Money::new(self.charged, self.currency)
    }
}

/// A subscription's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The subscription.
    pub id: String,
    /// Refairn's word for it; nothing when there is none (`incomplete`, or a value not yet invented) or when the
    /// event tells only that nothing was charged.
    pub status: Option<Status>,
    /// The provider's word.
    pub as_given: String,
    /// The day of the change, in the endpoint's time zone.
    pub day: Date,
    /// The provider's word that this one replaced, where the event tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// When the free trial began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_start: Option<Timestamp>,
    /// When the free trial ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_end: Option<Timestamp>,
    /// Why this alone calls for nothing, where that is known at once (a failed first invoice, a zero amount).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_call: Option<EventReason>,
}

/// Ids that belong together, and perhaps what was paid by the charge among them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Link {
    /// The charge: its payment intent, else its own id. See [`Reversal::of_charge`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_charge: Option<String>,
    /// What that charge brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<Money>,
}

/// A refund or a dispute. It is joined to its payment by any of the fact's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversal {
    /// What every event about this refund or dispute shares, as far as its provider has one name for it.
    pub identity: String,
    /// What kind of name that is.
    #[serde(default, skip_serializing_if = "is_sole")]
    pub name: ReversalName,
    /// The identity that events have which know it by its number, where this one knows it by its reference, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What was taken back, standard units.
    pub money: Money,
    /// Whether `money` is the total of all refunds so far rather than this one's.
    pub cumulative: bool,
    /// The provider says that nothing is left.
    pub full: bool,
    /// A dispute, or money given back outside of the charge (a credit note): it is no part of a running total of refunds.
    pub dispute: bool,
    /// How far it is.
    pub stage: ReversalStage,
    /// Which of a payment's charges it is about: the payment intent, else the charge. Nothing where a payment has one only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_charge: Option<String>,
    /// For a join without a common key: what the charge was, when, and (in `Fact::customer`) whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<ReversedCharge>,
}

impl Reversal {
    /// What kind of name its identity is.
    #[must_use]
    pub fn name(&self) -> ReversalName {
        // The hash of its event's body; earlier readings do not say that it is no name.
        if self.identity.contains("sha256:") { ReversalName::Missing } else { self.name }
    }
}

/// By which of its names an event knows a refund or a dispute. Paystack's webhooks have a refund's reference, or nothing,
/// and its lists the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReversalName {
    /// The one that all of its events have.
    #[default]
    Sole,
    /// The number that the provider gave it.
    Number,
    /// The reference of the transfer that brought the money back.
    Reference,
    /// None: it is known by the body of its event, or by what it is a dispute of.
    Missing,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_sole(name: &ReversalName) -> bool {
    matches!(*name, ReversalName::Sole)
}

/// The charge behind a reversal, as far as the event tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReversedCharge {
    /// What was charged, standard units.
    pub money: Money,
    /// When the customer was charged.
    pub at: Timestamp,
}

/// How far a reversal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReversalStage {
    /// Asked for; no money has moved back.
    Pending,
    /// The money is gone (for a dispute: it is withdrawn while the dispute is open).
    Final,
    /// It failed, or the dispute was won: the payment stands.
    Void,
}
