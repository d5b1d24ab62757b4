//! What Stripe's events mean: from the wire's structs to one fact each.

mod checkout;
mod invoice;
mod reversal;
mod subscription;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::currency::amount;
use super::payload::{About, Body, Event, Unmapped};
use crate::domain::endpoint::{CodeRule, CommissionBase, OneTime, Rules};
use crate::domain::event::Mode;
use crate::domain::fact::{Customer, Fact, Matter, Payment, Reading};
use crate::domain::money::Currency;
use crate::domain::reason::Reason;
use crate::domain::referral::parse_code;

/// What `event` reports. `received_at` dates an event that does not say when it happened.
///
/// # Errors
/// When it lacks something that it must have; the text names the field.
pub(super) fn reading(event: Event<'_>, rules: &Rules, received_at: Timestamp) -> Result<Reading, Unmapped> {
    let reader =
        Reader { rules, mode: event.mode, account: event.account, created: event.created.unwrap_or(received_at) };
    match event.body {
        Body::InvoicePaid(invoice) => invoice::paid(&reader, *invoice),
        Body::InvoiceFailed(invoice) => Ok(invoice::failed(&reader, *invoice)),
        Body::InvoicePaymentPaid(payment) => invoice::linked(&reader, payment),
        Body::SessionCompleted(session) => checkout::completed(&reader, *session),
        Body::SessionFailed(session) => Ok(checkout::failed(&reader, *session)),
        Body::PaymentIntentSucceeded(_) | Body::ChargeSucceeded(_) if rules.one_time == OneTime::Checkout => {
            Ok(Reading::Ignored(Reason::OneTimeOff))
        }
        Body::PaymentIntentSucceeded(intent) => checkout::intent_succeeded(&reader, *intent),
        Body::ChargeSucceeded(charge) => Ok(checkout::charge_succeeded(&reader, *charge)),
        Body::ChargeRefunded(charge) => reversal::charge_refunded(&reader, *charge),
        Body::RefundChanged(refund) => reversal::refund(&reader, refund),
        Body::RefundFailed(refund) => reversal::refund_failed(&reader, refund),
        Body::DisputeChanged(dispute) => reversal::dispute(&reader, dispute),
        Body::DisputeReinstated(dispute) => reversal::dispute_reinstated(&reader, dispute),
        Body::SubscriptionChanged(subscription) => subscription::changed(&reader, *subscription),
        Body::SubscriptionPaused(subscription) => subscription::paused(&reader, *subscription),
        Body::SubscriptionDeleted(subscription) => subscription::deleted(&reader, *subscription),
        Body::Customer(about) => {
            need(about.customer.as_ref(), "id", "an id")?;
            let customer = Customer::default();
            Ok(reader.fact(*about, reader.created, Matter::Customer(customer)))
        }
        Body::NotRelevant => Ok(Reading::Ignored(Reason::NotRelevant)),
        Body::Unknown => Ok(Reading::Ignored(Reason::UnknownType)),
    }
}

/// What every fact of one event shares.
struct Reader<'r> {
    rules: &'r Rules,
    mode: Mode,
    account: Option<String>,
    /// When the event happened.
    created: Timestamp,
}

/// A payment as far as every kind of it goes.
struct Paid {
    identity: String,
    at: Timestamp,
    /// What the customer paid, minor units.
    minor: i64,
    currency: Currency,
    /// What of it is not tax, standard units, where the event tells.
    untaxed: Option<Decimal>,
    subscription: Option<String>,
    awaits_checkout: bool,
    primary: bool,
}

impl Reader<'_> {
    /// A fact.
    fn fact(&self, about: About<'_>, at: Timestamp, matter: Matter) -> Reading {
        let (code, code_refused) = match referral_code(&self.rules.referral_code_from, &about) {
            Some(Ok(code)) => (Some(code), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        Reading::Fact(Box::new(Fact {
            mode: self.mode,
            account: self.account.clone(),
            at,
            customer: about.customer,
            keys: about.keys,
            email: about.email,
            name: about.name,
            code,
            code_at: None,
            code_refused,
            product: self.rules.product(self.mode, &about.sold),
            rank: self.rules.rank,
            matter,
        }))
    }

    /// No payment, for `reason`; but whom the event names is learned.
    fn no_payment(&self, about: About<'_>, at: Timestamp, reason: Reason) -> Reading {
        self.customer(about, at, None, Some(reason))
    }

    /// Whom the event names, if it names anybody.
    fn customer(
        &self,
        about: About<'_>,
        at: Timestamp,
        checkout_of: Option<String>,
        no_payment: Option<Reason>,
    ) -> Reading {
        let names_nobody = about.customer.is_none() && about.email.is_none() && checkout_of.is_none();
        if names_nobody && referral_code(&self.rules.referral_code_from, &about).is_none() {
            return Reading::Ignored(no_payment.unwrap_or(Reason::NotRelevant));
        }
        self.fact(about, at, Matter::Customer(Customer { checkout_of, no_payment, ..Customer::default() }))
    }

    /// A payment, unless it is too small to count.
    fn payment(&self, about: About<'_>, paid: Paid) -> Reading {
        let charged = amount(paid.minor, paid.currency);
        if self.rules.minimum_amount.get(&paid.currency).is_some_and(|minimum| charged < *minimum) {
            return self.no_payment(about, paid.at, Reason::BelowMinimum);
        }
        let amount = match self.rules.commission_base {
            CommissionBase::Paid => Some(charged),
            CommissionBase::ExcludingTax => paid.untaxed,
            // Not among what Stripe's events say; configuration refuses them.
            CommissionBase::Requested | CommissionBase::NetOfFees => None,
        };
        let lasting = [about.customer.as_ref(), paid.subscription.as_ref()];
        let ties = about.keys.iter().filter(|key| !lasting.contains(&Some(*key))).cloned().collect();
        let payment = Payment {
            identity: paid.identity,
            ties,
            amount,
            charged,
            currency: paid.currency,
            day: self.rules.day(paid.at),
            subscription: paid.subscription,
            awaits_checkout: paid.awaits_checkout,
            awaits_invoice: false,
            needs_session: false,
            uncaptured: None,
            primary: paid.primary,
        };
        self.fact(about, paid.at, Matter::Payment(payment))
    }
}

/// The first place of the rules that holds anything decides, whether or not that is a code.
fn referral_code(rules: &[CodeRule], about: &About<'_>) -> Option<Result<String, String>> {
    let found = rules.iter().find_map(|rule| match rule {
        CodeRule::Metadata(key) => about.metadata.iter().find_map(|m| m.get(key).scalar_text()),
        CodeRule::ClientReferenceId(prefix) => {
            let code = about.client_reference?.strip_prefix(prefix.as_str())?;
            Some(code.to_owned()).filter(|c| !c.is_empty())
        }
        // Paystack's.
        CodeRule::CustomField(_) => None,
    });
    found.map(|text| parse_code(&text))
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
