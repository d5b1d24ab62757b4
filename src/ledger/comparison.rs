//! What a provider lists beside what we have, payment by payment: the ledger reads both as one customer's facts, so that
//! a payment is one whichever ids its reports have.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::resolve::payment_ids;
use super::sales::Sale;
use crate::domain::customer::{CustomerHistory, KnownFact};
use crate::domain::delivery::{Call, Delivery, DeliveryKey, DeliveryState};
use crate::domain::email::Email;
use crate::domain::event::EventId;
use crate::domain::fact::{Customer, FactKind};
use crate::domain::money::{Currency, Money};
use crate::domain::reason::{DeliveryReason, EventReason};
use crate::domain::reconciliation::{Compared, Comparison, Field, Side, Told};

/// A payment on both sides, and the keys of all calls that may be about it.
#[derive(Debug)]
pub struct ComparedSale {
    /// The keys, that of the payment itself first.
    pub subjects: Vec<DeliveryKey>,
    /// How it stands.
    pub compared: Compared,
    /// The listed events that report it.
    pub listed: Vec<EventId>,
    /// When it was paid, as we have it.
    pub ours_at: Option<Timestamp>,
}

/// Compares the payments of a customer of which the provider lists something: `listed` are the events that stand for its
/// rows, and all others are ours. `zone` is where payments have their days.
#[must_use]
pub fn compare(customer: &CustomerHistory, listed: &BTreeSet<EventId>, zone: &TimeZone) -> Vec<ComparedSale> {
    let only = |theirs: bool| CustomerHistory {
        facts: customer.facts.iter().filter(|f| listed.contains(&f.event) == theirs).cloned().collect(),
        ..customer.clone()
    };
    let (theirs, ours) = (only(true), only(false));
    let (theirs, ours) = (Sale::all(&theirs), Sale::all(&ours));
    let both = Both {
        customer,
        listed,
        theirs: by_subject(&theirs),
        ours: by_subject(&ours),
        given_back: given_back(customer, listed),
    };
    let all = Sale::all(customer);
    let mut compared: Vec<ComparedSale> = all.iter().filter_map(|sale| both.compare(sale, &all)).collect();
    compared.extend(both.of_no_commission(zone));
    compared
}

fn by_subject<'s, 'a>(sales: &'s [Sale<'a>]) -> HashMap<&'s DeliveryKey, &'s Sale<'a>> {
    sales.iter().flat_map(|sale| subjects(sale).map(move |subject| (subject, sale))).collect()
}

fn subjects<'s>(sale: &'s Sale<'_>) -> impl Iterator<Item = &'s DeliveryKey> {
    std::iter::once(&sale.subject).chain(&sale.aliases)
}

/// The ids of what the provider lists and is no payment by now: Paystack lists what was given back so.
fn given_back<'a>(customer: &'a CustomerHistory, listed: &BTreeSet<EventId>) -> HashSet<&'a str> {
    let is_one = |f: &&KnownFact| {
        let back = Some(EventReason::NotPaid);
        listed.contains(&f.event) && matches!(&f.fact.matter, FactKind::Customer(c) if c.no_payment == back)
    };
    customer.facts.iter().filter(is_one).flat_map(|f| payment_ids(&f.fact)).collect()
}

struct Both<'s, 'a> {
    customer: &'a CustomerHistory,
    listed: &'s BTreeSet<EventId>,
    theirs: HashMap<&'s DeliveryKey, &'s Sale<'a>>,
    ours: HashMap<&'s DeliveryKey, &'s Sale<'a>>,
    given_back: HashSet<&'a str>,
}

impl<'a> Both<'_, 'a> {
    fn compare(&self, sale: &Sale<'a>, all: &[Sale<'a>]) -> Option<ComparedSale> {
        let elsewhere = all.iter().filter(|other| other.is_told_elsewhere_as(sale));
        let theirs = subjects(sale).find_map(|key| self.theirs.get(key)).copied();
        let keys: Vec<&DeliveryKey> = subjects(sale).chain(elsewhere.flat_map(subjects)).collect();
        let ours_of = |key: &DeliveryKey| self.ours.get(key).copied();
        let own: Vec<&Sale<'a>> = subjects(sale).filter_map(ours_of).collect();
        let ours_one = keys.iter().find_map(|key| ours_of(key));
        let is_given_back = theirs.is_none() && sale.ties.iter().any(|tie| self.given_back.contains(tie));
        let touched = sale.taken_back.events.iter().any(|event| self.listed.contains(event));
        if theirs.is_none() && !is_given_back && !touched {
            return None;
        }
        let calls: Vec<&Delivery> = self.customer.deliveries.iter().filter(|d| keys.contains(&&d.subject)).collect();
        let told: Vec<Told> = calls.iter().filter(|d| says_something(d)).filter_map(|d| told(d)).collect();
        let known = ours_one.map_or(Decimal::ZERO, |ours| ours.taken_back.amount);
        let more_back =
            ours_one.is_some() && (sale.taken_back.amount > known || is_given_back && !sale.taken_back.full);
        let provider = theirs.map(|theirs| self.their_side(theirs, sale.taken_back.amount));
        let ours_side = ours_one.map(|ours| self.our_side(ours, theirs, &calls, known));
        let mut differs = provider.as_ref().zip(ours_side.as_ref()).map(|(a, b)| differences(a, b)).unwrap_or_default();
        // When a hold was captured no list says after a while, only when the money was held.
        if theirs.is_some_and(|theirs| theirs.payment.needs_session) {
            differs.retain(|field| *field != Field::Day);
        }
        let (comparison, reason) = if is_told_twice(&calls) || own.len() > 1 && told.len() > 1 && distinct(&own) {
            (Comparison::Doubled, None)
        } else if ours_one.is_none() {
            missing(sale)
        } else if more_back {
            (Comparison::RefundMissing, None)
        } else if !differs.is_empty() {
            (Comparison::Different, None)
        } else {
            standing(sale, &calls)
        };
        // What only a reversal of this time is about is of another time.
        if theirs.is_none() && !is_given_back && comparison != Comparison::RefundMissing {
            return None;
        }
        let identity = theirs.or(ours_one).map_or(&sale.payment.identity, |side| &side.payment.identity);
        let listed = sale.reports.iter().map(|f| f.event).filter(|event| self.listed.contains(event)).collect();
        let compared = Compared {
            id: identity.clone(),
            paid_at: theirs.or(ours_one).map_or(sale.paid_at(), Sale::paid_at),
            comparison,
            reason,
            differs,
            provider,
            ours: ours_side,
            told,
        };
        let ours_at = ours_one.map(Sale::paid_at);
        Some(ComparedSale { subjects: keys.into_iter().cloned().collect(), compared, listed, ours_at })
    }

    fn side(&self, sale: &Sale<'_>, taken_back: Decimal) -> Side {
        let payment = sale.payment;
        Side {
            amount: payment.amount.unwrap_or(payment.charged),
            currency: payment.currency,
            day: sale.day(),
            email: sale.reports.iter().find_map(|f| f.fact.email.clone()),
            taken_back,
            product: sale.product().map(str::to_owned),
        }
    }

    /// Its product is what the rows themselves name: how subscriptions stand is not listed here. A session whose invoice is
    /// made afterwards names nothing that was sold.
    fn their_side(&self, theirs: &Sale<'_>, taken_back: Decimal) -> Side {
        let named = theirs.best.fact.product.id().filter(|_| !theirs.payment.awaits_invoice);
        Side { product: named.map(str::to_owned), ..self.side(theirs, taken_back) }
    }

    /// As the endpoint of the provider's list would have it: another endpoint may count another amount, and for another
    /// product. What Refairn was told stays as it was told.
    fn our_side(&self, ours: &Sale<'_>, theirs: Option<&Sale<'_>>, calls: &[&Delivery], taken_back: Decimal) -> Side {
        let mut side = self.side(ours, taken_back);
        let rank = theirs.map(|theirs| theirs.best.fact.rank);
        if rank.is_none_or(|rank| rank == ours.best.fact.rank) {
            let left = calls.iter().find(|d| d.may_be_acknowledged());
            if let Some((amount, currency, _)) = left.and_then(|d| paid(&d.call)) {
                (side.amount, side.currency) = (amount, currency);
                side.product = left.map(|d| d.call.product().to_owned());
            }
        } else {
            let of_rank = ours.reports.iter().filter(|f| Some(f.fact.rank) == rank);
            let mut own = of_rank.filter_map(|f| match &f.fact.matter {
                FactKind::Payment(payment) => Some((f, payment)),
                FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => None,
            });
            let own = own.next_back();
            side.amount = own.map_or(side.amount, |(_, payment)| payment.amount.unwrap_or(payment.charged));
            side.product = own.and_then(|(f, _)| f.fact.product.id()).map(str::to_owned);
        }
        // A call goes to one address; what its events spell is the same by then.
        let email = calls.iter().find(|d| says_something(d)).map(|d| d.call.email().clone());
        side.email = email.or(side.email);
        side
    }

    /// What was paid, and reads as nothing to be told.
    fn of_no_commission(&self, zone: &TimeZone) -> Vec<ComparedSale> {
        let own = self.customer.facts.iter().filter(|f| !f.is_related && self.listed.contains(&f.event));
        let seen = own.filter_map(|known| {
            let FactKind::Customer(Customer { no_payment: Some(reason), charged, .. }) = &known.fact.matter else {
                return None;
            };
            let id = payment_ids(&known.fact).last().filter(|_| was_paid(*reason))?;
            let side = |money: Money, currency| {
                let amount = money.amount_in(currency).unwrap_or_default();
                let (day, email) = (known.fact.at, known.fact.email.clone());
                let day = day.to_zoned(zone.clone()).date();
                Side { amount, currency, day, email, taken_back: Decimal::ZERO, product: None }
            };
            let provider = charged.map(|money| side(money, money.currency()));
            let subject = DeliveryKey::Payment { scope: known.scope.clone(), identity: id.to_owned() };
            let compared = Compared {
                id: id.to_owned(),
                paid_at: known.fact.at,
                comparison: Comparison::Ignored,
                reason: Some(reason.code().to_owned()),
                differs: Vec::new(),
                provider,
                ours: None,
                told: Vec::new(),
            };
            Some(ComparedSale { subjects: vec![subject], compared, listed: vec![known.event], ours_at: None })
        });
        seen.collect()
    }
}

/// Money moved, and it calls for no commission.
const fn was_paid(reason: EventReason) -> bool {
    matches!(
        reason,
        EventReason::BelowMinimum
            | EventReason::OutOfBand
            | EventReason::NothingInProducts
            | EventReason::NothingAfterFees
    )
}

fn paid(call: &Call) -> Option<(Decimal, Currency, Date)> {
    match call {
        Call::PaymentSucceeded { amount, currency, day, .. } => Some((*amount, *currency, *day)),
        Call::CustomerCreated { .. } => None,
    }
}

fn told(delivery: &Delivery) -> Option<Told> {
    let (amount, currency, day) = paid(&delivery.call)?;
    Some(Told { delivery: delivery.id?, state: delivery.state, fate: delivery.fate(), amount, currency, day })
}

/// Another call of the same payment says it instead.
fn says_something(delivery: &Delivery) -> bool {
    delivery.state != DeliveryState::Superseded && delivery.reason != Some(DeliveryReason::Remapped)
}

fn is_told_twice(calls: &[&Delivery]) -> bool {
    let told = calls.iter().filter(|d| d.may_be_acknowledged()).count();
    told > 1 || calls.iter().any(|d| d.reason == Some(DeliveryReason::ToldTwice))
}

/// Whether these are several sales, and not one under several names.
fn distinct(sales: &[&Sale<'_>]) -> bool {
    let first: HashSet<&DeliveryKey> = sales.iter().map(|sale| &sale.subject).collect();
    first.len() > 1
}

/// A payment that only the provider has.
fn missing(sale: &Sale<'_>) -> (Comparison, Option<String>) {
    match sale.trouble.or_else(|| sale.product().is_none().then_some(EventReason::ProductUnmapped)) {
        Some(reason) => (Comparison::Ignored, Some(reason.code().to_owned())),
        None if sale.taken_back.full => (Comparison::TakenBack, None),
        None => (Comparison::Missing, None),
    }
}

/// A payment that both have alike.
fn standing(sale: &Sale<'_>, calls: &[&Delivery]) -> (Comparison, Option<String>) {
    let code = |d: &Delivery| d.reason.map(|reason| reason.code().to_owned());
    let Some(call) = calls.iter().find(|d| says_something(d)) else {
        return match sale.trouble {
            Some(reason) => (Comparison::Ignored, Some(reason.code().to_owned())),
            None => (Comparison::Same, None),
        };
    };
    match call.state {
        DeliveryState::Held | DeliveryState::Rejected => (Comparison::Held, code(call)),
        DeliveryState::Delivered | DeliveryState::Duplicate | DeliveryState::Queued | DeliveryState::Sending
            if sale.taken_back.is_some() =>
        {
            (Comparison::TakenBack, code(call))
        }
        DeliveryState::Delivered | DeliveryState::Duplicate | DeliveryState::Queued | DeliveryState::Sending => {
            (Comparison::Same, None)
        }
        DeliveryState::Cancelled if call.reason == Some(DeliveryReason::ReversedBeforeSending) => {
            (Comparison::TakenBack, code(call))
        }
        DeliveryState::Cancelled | DeliveryState::Superseded | DeliveryState::Discarded => {
            (Comparison::Ignored, code(call))
        }
    }
}

fn differences(provider: &Side, ours: &Side) -> Vec<Field> {
    let address = |side: &Side| side.email.as_ref().map(Email::key);
    let others = address(provider).zip(address(ours)).is_some_and(|(a, b)| a != b);
    let sold_as = provider.product.as_ref().zip(ours.product.as_ref());
    let found = [
        (Field::Amount, provider.amount != ours.amount),
        (Field::Currency, provider.currency != ours.currency),
        (Field::Day, provider.day != ours.day),
        (Field::Customer, others),
        (Field::Product, sold_as.is_some_and(|(a, b)| a != b)),
    ];
    found.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}
