//! From Paystack's events to facts.

mod payment;
mod reversal;
mod subscription;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::envelope::{Body, EventType, Known};
use super::metadata::referral_code;
use super::payload::{Capture, Common, Dispute, Invoice, Refund, Subscription, Transaction};
use crate::domain::endpoint::{Rules, Unmapped};
use crate::domain::fact::{Customer, Fact, FactKind, Reading, ReversalStage};
use crate::domain::mode::Mode;
use crate::domain::product::Product;
use crate::domain::reason::EventReason;
use crate::providers::json::Json;
use crate::providers::tree;

/// What the event reports. Total: whatever the body, there is an answer.
pub(super) fn read(body: &[u8], rules: &Rules, received_at: Timestamp) -> Reading {
    let unreadable = |why| Reading::Unmappable(EventReason::Unreadable, why);
    let reading = tree::read(body, |tree| match Body::read(Json::new(tree)) {
        Ok(parsed) => reading(&parsed, body, rules, received_at),
        Err(why) => unreadable(why),
    });
    reading.unwrap_or_else(|error| unreadable(format!("the body is not JSON: {error}")))
}

fn reading(parsed: &Body<'_>, body: &[u8], rules: &Rules, received_at: Timestamp) -> Reading {
    let event = match &parsed.event {
        EventType::Known(event) => *event,
        EventType::NotRelevant => return Reading::Ignored(EventReason::NotRelevant),
        EventType::Other(_) => return Reading::Ignored(EventReason::UnknownType),
    };
    let Some(data) = parsed.data() else {
        return Reading::Unmappable(EventReason::MissingField, "data is missing or not an object".to_owned());
    };
    let context = Context { rules, received_at, body, common: Common::read(data) };
    match fact_of(&context, event, data) {
        Ok(fact) => Reading::Fact(Box::new(fact)),
        Err(Missing(what)) => Reading::Unmappable(EventReason::MissingField, what),
    }
}

fn fact_of(context: &Context<'_>, event: Known, data: Json<'_>) -> Result<Fact, Missing> {
    match event {
        Known::ChargeSuccess => payment::charge(context, &Transaction::read(data)),
        Known::CustomerLookup => Ok(context.customer_looked_up()),
        Known::InvoiceCreate | Known::InvoiceUpdate => payment::invoice(context, &Invoice::read(data)),
        Known::PreauthorizationCaptured => payment::captured(context, &Capture::read(data)),
        Known::InvoicePaymentFailed => subscription::payment_failed(context, &Invoice::read(data)),
        Known::SubscriptionCreate | Known::SubscriptionNotRenew => {
            subscription::going_on(context, &Subscription::read(data))
        }
        Known::SubscriptionDisable => subscription::ended(context, &Subscription::read(data)),
        Known::RefundPending | Known::RefundProcessing | Known::RefundNeedsAttention => {
            reversal::refund(context, &Refund::read(data), ReversalStage::Pending)
        }
        Known::RefundProcessed => reversal::refund(context, &Refund::read(data), ReversalStage::Final),
        Known::RefundFailed => reversal::refund(context, &Refund::read(data), ReversalStage::Void),
        Known::DisputeCreate | Known::DisputeRemind => reversal::dispute_opened(context, &Dispute::read(data)),
        Known::DisputeResolve => reversal::dispute_resolved(context, &Dispute::read(data)),
    }
}

/// What an event of a known type lacks: names the field, never a value.
#[derive(Debug)]
struct Missing(String);

/// `value`, which this type of event must have.
fn required<T>(value: Option<T>, what: &str) -> Result<T, Missing> {
    value.ok_or_else(|| Missing(format!("{what} is missing or malformed")))
}

/// Every amount of Paystack's is in hundredths, whatever the currency.
const SCALE: u32 = 2;

/// The key of a transaction, which its refunds and disputes name too.
fn transaction_key(reference: &str) -> String {
    format!("ref:{reference}")
}

/// What all facts of an event share.
struct Context<'a> {
    rules: &'a Rules,
    received_at: Timestamp,
    body: &'a [u8],
    common: Common<'a>,
}

impl Context<'_> {
    /// A fact of this event, which became true at `at`.
    fn fact(&self, at: Timestamp, keys: Vec<String>, product: Product, matter: FactKind) -> Fact {
        let Common { mode, customer, metadata, .. } = &self.common;
        let (code, code_refused) = match referral_code(&self.rules.referral_code_from, metadata) {
            Ok(code) => (code, None),
            Err(why) => (None, Some(why)),
        };
        let (code, code_at) = code.map_or((None, None), |(code, since)| (Some(code), since));
        Fact {
            mode: *mode,
            account: None,
            at,
            customer: customer.code.clone(),
            keys,
            email: customer.email.clone(),
            name: customer.name.clone(),
            code,
            code_at,
            code_refused,
            product,
            rank: self.rules.rank,
            matter,
        }
    }

    /// The customer alone, of an event that might have been a payment but for `no_payment`. It keeps the key of its
    /// transaction: what is refunded of one that was no payment is no reversal.
    fn customer_only(&self, at: Timestamp, reference: Option<&str>, product: Product, no_payment: EventReason) -> Fact {
        let customer = Customer { no_payment: Some(no_payment), ..Customer::default() };
        let keys = self.lasting_keys().into_iter().chain(reference.map(transaction_key)).collect();
        self.fact(at, keys, product, FactKind::Customer(customer))
    }

    /// The customer as Paystack answered when it was asked.
    fn customer_looked_up(&self) -> Fact {
        let customer = Customer::default();
        self.fact(self.received_at, self.lasting_keys(), self.product_known(), FactKind::Customer(customer))
    }

    /// What the ledger is to know the subscription by: its code, which subscriptions and their invoices name. Charges
    /// name the plan only, so customer and plan stand for it; a customer who subscribes anew has a new code.
    fn subscription(&self) -> Option<String> {
        self.common.subscription_code.clone().or_else(|| self.plan_keys().into_iter().next())
    }

    fn plan_keys(&self) -> Vec<String> {
        let Common { customer, plan, .. } = &self.common;
        let of = |customer: &String| plan.0.iter().map(|plan| format!("plan:{customer}:{plan}")).collect();
        customer.code.as_ref().map_or_else(Vec::new, of)
    }

    /// The keys of the customer and the subscription, which outlast one payment.
    fn lasting_keys(&self) -> Vec<String> {
        let Common { customer, subscription_code, .. } = &self.common;
        customer.code.clone().into_iter().chain(self.plan_keys()).chain(subscription_code.clone()).collect()
    }

    /// The product of money that was paid. Without a plan something was sold all the same, and no entry of the products
    /// map can name it: the account's other apps are told apart by this.
    fn product_sold(&self) -> Product {
        let plan = &self.common.plan.0;
        if plan.is_empty() {
            self.rules.product(self.common.mode, &[""])
        } else {
            self.rules.product(self.common.mode, plan)
        }
    }

    /// The product of an event that is no sale. Where plans decide on it and the event names none, no guess is made:
    /// its subscription's payments tell.
    fn product_known(&self) -> Product {
        let Common { mode, plan, .. } = &self.common;
        let by_plan = !self.rules.products.is_empty() || self.rules.unmapped == Unmapped::Ignore;
        match mode {
            Mode::Live if plan.0.is_empty() && by_plan => Product::Unnamed,
            Mode::Live | Mode::Test => self.rules.product(*mode, &plan.0),
        }
    }
}
