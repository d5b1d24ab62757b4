//! What Stripe's events mean: from the wire's structs to one fact each.

mod checkout;
mod invoice;
mod reversal;
mod subscription;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::currency::{amount, money, scale};
use super::payload::{About, Body, Event, Unmapped};
use super::settings::EXCLUDING_TAX;
use crate::domain::endpoint::{CodeRule, CommissionBase, Rules};
use crate::domain::fact::{Customer, Fact, FactKind, Payment, Reading};
use crate::domain::mode::Mode;
use crate::domain::money::Currency;
use crate::domain::reason::EventReason;
use crate::domain::referral::first_code;
use crate::domain::sold::{Bill, Counted};
use crate::providers::json::Json;

/// What `event` reports. `received_at` dates an event that does not say when it happened.
///
/// # Errors
/// When it lacks something that it must have; the text names the field.
pub(super) fn reading(event: Event<'_>, rules: &Rules, received_at: Timestamp) -> Result<Reading, Unmapped> {
    let reader = Reader {
        rules,
        mode: event.mode,
        account: event.account,
        created: event.created.unwrap_or(received_at),
        before: event.before,
    };
    match event.body {
        Body::InvoicePaid(invoice) => invoice::paid(&reader, *invoice),
        Body::InvoiceFailed(invoice) => Ok(invoice::failed(&reader, *invoice)),
        Body::InvoicePaymentPaid(payment) => invoice::linked(&reader, payment),
        Body::SessionCompleted(session) => checkout::completed(&reader, *session),
        Body::SessionFailed(session) => Ok(checkout::failed(&reader, *session)),
        Body::NoSession(session) => Ok(checkout::none(&reader, *session)),
        Body::PaymentIntentSucceeded(intent) => checkout::intent_succeeded(&reader, *intent),
        Body::ChargeSucceeded(charge) => Ok(checkout::charge_succeeded(&reader, *charge)),
        Body::ChargeRefunded(charge) => reversal::charge_refunded(&reader, *charge),
        Body::RefundChanged(refund) => reversal::refund(&reader, refund),
        Body::RefundFailed(refund) => reversal::refund_failed(&reader, refund),
        Body::DisputeChanged(dispute) => reversal::dispute(&reader, dispute),
        Body::CreditNote(note) => reversal::credit_note(&reader, note),
        Body::SubscriptionChanged(subscription) => subscription::changed(&reader, *subscription),
        Body::SubscriptionPaused(subscription) => subscription::paused(&reader, *subscription),
        Body::SubscriptionDeleted(subscription) => subscription::deleted(&reader, *subscription),
        Body::Customer(about) => {
            need(about.customer.as_ref(), "id", "an id")?;
            let customer = Customer::default();
            Ok(reader.fact(*about, reader.created, FactKind::Customer(customer)))
        }
        Body::NotRelevant => Ok(Reading::Ignored(EventReason::NotRelevant)),
        Body::Unknown => Ok(Reading::Ignored(EventReason::UnknownType)),
    }
}

/// What every fact of one event shares.
struct Reader<'r> {
    rules: &'r Rules,
    mode: Mode,
    account: Option<String>,
    /// When the event happened.
    created: Timestamp,
    /// What the event's object was before, as far as that changed.
    before: Json<'r>,
}

/// A payment as far as every kind of it goes.
struct Paid {
    identity: String,
    at: Timestamp,
    /// What the customer paid, minor units.
    minor: i64,
    currency: Currency,
    /// The part of it that is not tax, standard units. `None` when the event does not say.
    untaxed: Option<Decimal>,
    /// The bill that it pays.
    bill: Bill,
    subscription: Option<String>,
    awaits_checkout: bool,
    awaits_invoice: bool,
    needs_session: bool,
    /// What was held and never taken, minor units. Never negative.
    uncaptured: i64,
    primary: bool,
}

impl Reader<'_> {
    /// A fact.
    fn fact(&self, about: About<'_>, at: Timestamp, matter: FactKind) -> Reading {
        let (code, code_refused) = match self.referral_code(&about) {
            Ok(code) => (code, None),
            Err(why) => (None, Some(why)),
        };
        let (code, code_at) = code.map_or((None, None), |(code, since)| (Some(code), since));
        Reading::Fact(Box::new(Fact {
            mode: self.mode,
            account: self.account.clone(),
            at,
            customer: about.customer,
            keys: about.keys,
            email: about.email,
            name: about.name,
            code,
            code_at,
            code_refused,
            product: about.sold.product(self.rules, self.mode),
            rank: self.rules.rank,
            matter,
        }))
    }

    /// No payment, for `reason`. The customer that the event names is learned all the same.
    fn no_payment(&self, about: About<'_>, at: Timestamp, reason: EventReason) -> Reading {
        self.customer(about, at, Customer { no_payment: Some(reason), ..Customer::default() })
    }

    /// Money was paid, but it is no payment, for `reason`.
    fn counts_for_nothing(&self, about: About<'_>, paid: &Paid, reason: EventReason) -> Reading {
        let charged = Some(money(paid.minor, paid.currency));
        self.customer(about, paid.at, Customer { no_payment: Some(reason), charged, ..Customer::default() })
    }

    /// The customer that the event names. An event that names none, and ends no other's wait, reports nothing.
    fn customer(&self, about: About<'_>, at: Timestamp, customer: Customer) -> Reading {
        let names_nobody = about.customer.is_none() && about.email.is_none();
        // Beside its own id a session names what it was the checkout of.
        let ends_a_wait = customer.checkout && about.keys.len() > 1;
        if names_nobody && !ends_a_wait && matches!(self.referral_code(&about), Ok(None)) {
            return Reading::Ignored(customer.no_payment.unwrap_or(EventReason::NamesNobody));
        }
        self.fact(about, at, FactKind::Customer(customer))
    }

    /// A payment, unless it is too small to count.
    fn payment(&self, about: About<'_>, paid: Paid) -> Reading {
        let charged = amount(paid.minor, paid.currency);
        if self.rules.minimum_amount.get(&paid.currency).is_some_and(|minimum| charged < *minimum) {
            return self.counts_for_nothing(about, &paid, EventReason::BelowMinimum);
        }
        let counted = about.sold.counted(self.rules, paid.bill);
        let base = self.amount(&paid, charged, counted);
        if matches!(counted, Counted::Part { .. }) && base.is_some_and(|base| base <= Decimal::ZERO) {
            return self.counts_for_nothing(about, &paid, EventReason::NothingInProducts);
        }
        let lasting = [about.customer.as_ref(), paid.subscription.as_ref()];
        let ties = about.keys.iter().filter(|key| !lasting.contains(&Some(*key))).cloned().collect();
        let uncaptured = (paid.uncaptured > 0).then(|| amount(paid.uncaptured, paid.currency));
        let payment = Payment {
            identity: paid.identity,
            ties,
            amount: base,
            charged,
            currency: paid.currency,
            day: self.rules.day(paid.at),
            subscription: paid.subscription,
            awaits_checkout: paid.awaits_checkout,
            awaits_invoice: paid.awaits_invoice,
            needs_session: paid.needs_session,
            uncaptured,
            primary: paid.primary,
        };
        self.fact(about, paid.at, FactKind::Payment(payment))
    }

    /// The commission base.
    fn amount(&self, paid: &Paid, charged: Decimal, counted: Counted) -> Option<Decimal> {
        let (base, taxed) = match self.rules.commission_base {
            CommissionBase::PAID => (charged, true),
            EXCLUDING_TAX => (paid.untaxed?, false),
            // Stripe's events have no other amount, and the configuration refuses it.
            _ => return None,
        };
        match counted {
            Counted::Whole => Some(base),
            Counted::Part { gross, net } => (if taxed { gross } else { net })?.of(base, scale(paid.currency)),
            Counted::Unknown => None,
        }
    }

    /// The first code in the order of the rules, then of the objects, and since when it has been there; what is no code
    /// gives way to the next place.
    ///
    /// # Errors
    /// Something is there, but nothing that is a code.
    fn referral_code(&self, about: &About<'_>) -> Result<Option<(String, Option<Timestamp>)>, String> {
        let changed = self.before.get("metadata");
        let in_metadata = |key: &str| {
            let found = about.metadata.iter().filter_map(|place| {
                let is_new = place.own && changed.object().is_some_and(|keys| keys.get(key).is_some());
                Some((place.data.get(key).scalar_text()?, if is_new { Some(self.created) } else { place.since }))
            });
            found.collect::<Vec<_>>()
        };
        let found = self.rules.referral_code_from.iter().flat_map(|rule| match rule {
            CodeRule::Metadata(key) => in_metadata(key),
            CodeRule::ClientReferenceId(prefix) => {
                let code =
                    about.client_reference.and_then(|(text, since)| Some((text.strip_prefix(&**prefix)?, since)));
                let code = code.filter(|(code, _)| !code.is_empty());
                code.map(|(code, since)| (code.to_owned(), since)).into_iter().collect()
            }
            // Paystack's.
            CodeRule::CustomField(_) => Vec::new(),
        });
        first_code(found)
    }
}

/// A field of `data.object` without which the event means nothing.
fn need<T>(field: Option<T>, name: &str, what: &str) -> Result<T, Unmapped> {
    field.ok_or_else(|| Unmapped::missing(&format!("data.object.{name}"), what))
}

/// An amount that must be there.
fn need_amount(field: Option<i64>, name: &str) -> Result<i64, Unmapped> {
    need(field, name, "an integer")
}

/// A currency that must be there.
fn need_currency(field: Option<Currency>) -> Result<Currency, Unmapped> {
    need(field, "currency", "a currency of three letters")
}
