//! Changes of a subscription's status: told as payments of nothing, on days that no payment needs, and only to those
//! who have paid before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::days::{Days, Holder, end_of, start_of};
use super::payments::Sale;
use super::{Draft, Wanted};
use crate::domain::delivery::{Call, Delivery, DeliveryState, Subject};
use crate::domain::event::{EventId, Mode};
use crate::domain::fact::{Matter, Product, Subscription};
use crate::domain::person::{KnownFact, Person};
use crate::domain::policy::StatusUpdates;
use crate::domain::reason::Reason;
use crate::domain::status::Status;

/// One report of a subscription's status.
#[derive(Clone, Copy)]
struct Report<'a> {
    known: &'a KnownFact,
    subscription: &'a Subscription,
    status: Status,
}

impl Report<'_> {
    /// Later reports win; of two at the same time the terminal one does, for a snapshot may be as old as the end.
    fn order(&self) -> impl Ord + use<> {
        (self.known.fact.at, self.status == Status::Cancelled, self.known.event)
    }
}

fn reports(person: &Person, mode: Mode) -> impl Iterator<Item = Report<'_>> {
    person.facts.iter().filter(move |f| f.fact.mode == mode && !f.kin).filter_map(|known| match &known.fact.matter {
        Matter::Subscription(s) => s.status.map(|status| Report { known, subscription: s, status }),
        Matter::Customer(_) | Matter::Payment(_) | Matter::Reversal(_) | Matter::Link => None,
    })
}

/// The status that a payment carries: `active`, unless its subscription was in a trial, or had ended, when it was
/// made; and never an older one than Refairn was told.
pub(super) fn with_payment(draft: &Draft<'_>, sale: &Sale<'_>) -> Status {
    let told_later = draft.deliveries.iter().filter(|d| {
        let same =
            matches!(d.subject, Subject::Status(_)) && d.mode == sale.mode && Some(d.call.product()) == sale.product();
        same && d.may_be_told() && d.at > sale.paid_at()
    });
    if let Some(status) = told_later.max_by_key(|d| d.at).and_then(|d| d.call.status()) {
        return status;
    }
    at_payment(draft.person, sale)
}

fn at_payment(person: &Person, sale: &Sale<'_>) -> Status {
    let paid_at = sale.paid_at();
    let own = reports(person, sale.mode)
        .filter(|r| r.known.scope == sale.best.scope && Some(&r.subscription.id) == sale.payment.subscription.as_ref())
        .filter(|r| r.known.fact.at <= paid_at)
        .max_by_key(Report::order);
    match own {
        Some(r) if r.status == Status::Cancelled => Status::Cancelled,
        Some(r) if r.status == Status::Trialing && r.subscription.trial_end.is_none_or(|end| end > paid_at) => {
            Status::Trialing
        }
        Some(_) | None => Status::Active,
    }
}

/// Where a product's subscriptions stand, and what was the last change.
struct Standing<'a> {
    status: Status,
    at: Timestamp,
    day: jiff::civil::Date,
    /// Every report of these subscriptions.
    reports: Vec<Report<'a>>,
    /// Nothing when the last change was a payment.
    changed_by: Option<EventId>,
}

/// The strongest status over the subscriptions of one product, and the last change among them. Nothing when a payment
/// came after it that belongs to none of them, for that says the status itself.
fn standing<'a>(person: &'a Person, sales: &[Sale<'a>], mode: Mode, product: &str) -> Option<Standing<'a>> {
    let of_product = |r: &Report<'a>| product_of(person, r, sales) == Some(product);
    let reports: Vec<Report<'a>> = reports(person, mode).filter(of_product).collect();
    let mut latest: BTreeMap<(&str, &str), Report<'a>> = BTreeMap::new();
    for report in &reports {
        let key = (report.known.scope.as_str(), report.subscription.id.as_str());
        let newer = latest.get(&key).is_none_or(|old| old.order() < report.order());
        if newer {
            latest.insert(key, *report);
        }
    }
    let key_of = |s: &'_ Sale<'a>| Some((s.best.scope.as_str(), s.payment.subscription.as_deref()?));
    let kept = || sales.iter().filter(|s| s.mode == mode && !s.taken_back.full);
    let each = latest.iter().map(|(key, report)| {
        let paid = kept().filter(|s| key_of(s) == Some(*key) || recovers(s, report)).max_by_key(|s| s.paid_at());
        match paid {
            Some(s) if s.paid_at() >= report.known.fact.at => (at_payment(person, s), s.paid_at(), s.payment.day, None),
            Some(_) | None => (report.status, report.known.fact.at, report.subscription.day, Some(report.known.event)),
        }
    });
    let each: Vec<(Status, Timestamp, jiff::civil::Date, Option<EventId>)> = each.collect();
    let status = each.iter().map(|(status, ..)| *status).max()?;
    let (_, at, day, changed_by) = *each.iter().max_by_key(|(_, at, _, event)| (*at, *event))?;
    let apart = |s: &&Sale<'a>| s.product() == Some(product) && key_of(s).is_none_or(|key| !latest.contains_key(&key));
    let said = kept().filter(apart).any(|s| s.paid_at() >= at);
    (!said).then_some(Standing { status, at, day, reports, changed_by })
}

/// Some payments do not name their subscription, but share a key with it. If a charge of it had failed, they made up for
/// that; more they do not tell, for an ended subscription and its successor have the same key.
fn recovers(sale: &Sale<'_>, report: &Report<'_>) -> bool {
    let shared = |key: &String| report.known.scope == sale.best.scope && report.known.fact.keys.contains(key);
    report.status == Status::PastDue && sale.payment.subscription.as_ref().is_some_and(shared)
}

/// The product of a subscription: that of its payments, else what any report of it says.
fn product_of<'a>(person: &'a Person, report: &Report<'a>, sales: &[Sale<'a>]) -> Option<&'a str> {
    let paid = sales.iter().filter(|s| {
        s.best.scope == report.known.scope && s.payment.subscription.as_ref() == Some(&report.subscription.id)
    });
    let by_payment = paid.filter(|s| s.product().is_some()).max_by_key(|s| s.paid_at()).map(|s| s.best);
    let same = |r: &Report<'a>| r.known.scope == report.known.scope && r.subscription.id == report.subscription.id;
    let by_sibling = || reports(person, report.known.fact.mode).filter(same).map(|r| r.known);
    by_payment.into_iter().chain([report.known]).chain(by_sibling()).find_map(|known| match &known.fact.product {
        Product::Id(id) => Some(id.as_str()),
        Product::Unnamed | Product::Unmapped | Product::NoTestProduct => None,
    })
}

pub(super) fn plan(draft: &mut Draft<'_>, sales: &[Sale<'_>]) {
    for mode in [Mode::Live, Mode::Test] {
        let products: BTreeSet<String> = reports(draft.person, mode)
            .filter_map(|r| product_of(draft.person, &r, sales))
            .map(str::to_owned)
            .collect();
        for product in products {
            let wanted = wanted(draft, sales, mode, &product);
            let subject = wanted.as_ref().map(|w| w.subject.clone());
            supersede_others(draft, mode, &product, subject.as_ref());
            let sent = |d: &Delivery| !d.is_unsent() && d.state != DeliveryState::Superseded;
            if let Some(wanted) = wanted.filter(|w| !draft.find(&w.subject).is_some_and(sent)) {
                draft.put(wanted);
            }
        }
    }
}

/// Drops queued changes of status that something later says too.
fn supersede_others(draft: &mut Draft<'_>, mode: Mode, product: &str, keep: Option<&Subject>) {
    for delivery in &mut draft.deliveries {
        let same = delivery.mode == mode && delivery.call.product() == product;
        if same
            && matches!(delivery.subject, Subject::Status(_))
            && delivery.is_unsent()
            && Some(&delivery.subject) != keep
        {
            delivery.state = DeliveryState::Superseded;
            delivery.reason = Some(Reason::Superseded);
            delivery.attention = false;
        }
    }
}

fn wanted(draft: &Draft<'_>, sales: &[Sale<'_>], mode: Mode, product: &str) -> Option<Wanted> {
    let policy = draft.policy;
    if policy.status_updates == StatusUpdates::Off {
        return None;
    }
    let standing = standing(draft.person, sales, mode, product)?;
    let at = standing.at;
    let carried =
        |d: &&Delivery| matches!(d.subject, Subject::Payment { .. }) && d.mode == mode && d.call.product() == product;
    let payments: Vec<&Delivery> = draft.deliveries.iter().filter(carried).collect();
    // A product that was never paid for is told nothing: a call of nothing would use up its first commission.
    let last_paid = payments.iter().filter(|d| d.state.is_told()).max_by_key(|d| d.at)?;
    // What is still to go out carries the status itself.
    if payments.iter().any(|d| d.state.is_open() && d.at >= at) {
        return None;
    }
    if told(draft, mode, product) == Some(standing.status) {
        return None;
    }
    let event = event_to_tell(draft, &standing)?;
    let subject = Subject::Status(event);
    let day = free_day(draft, sales, &subject, standing.day)?;
    let due_at = match policy.status_updates {
        StatusUpdates::Immediate => start_of(day, &policy.time_zone),
        StatusUpdates::EndOfDay | StatusUpdates::Off => end_of(day, &policy.time_zone),
    };
    let Call::PaymentSucceeded { email, currency, .. } = &last_paid.call else { return None };
    Some(Wanted {
        event,
        subject,
        mode,
        at,
        call: Call::PaymentSucceeded {
            product: product.to_owned(),
            email: email.clone(),
            amount: Decimal::ZERO,
            currency: *currency,
            status: standing.status,
            day,
        },
        state: DeliveryState::Queued,
        reason: (due_at > draft.now).then_some(Reason::WaitingForDayEnd),
        due_at: due_at.max(draft.now),
    })
}

/// The event in whose name the status is told: that of the last change. Where that was told already, or was a payment,
/// an older change came in since and made another of it; then the newest to come gives its name.
fn event_to_tell(draft: &Draft<'_>, standing: &Standing<'_>) -> Option<EventId> {
    let told = |event: &EventId| draft.find(&Subject::Status(*event)).is_some_and(|d| d.state.is_told());
    if let Some(event) = standing.changed_by.filter(|event| !told(event)) {
        return Some(event);
    }
    let unsent = |event: &EventId| draft.find(&Subject::Status(*event)).is_none_or(Delivery::is_unsent);
    standing.reports.iter().map(|r| r.known.event).filter(unsent).max()
}

/// What Refairn was told last for this product.
fn told(draft: &Draft<'_>, mode: Mode, product: &str) -> Option<Status> {
    let told = draft.deliveries.iter().filter(|d| d.mode == mode && d.state.is_told() && d.call.product() == product);
    told.filter(|d| d.call.status().is_some()).max_by_key(|d| (d.settled_at, d.id)).and_then(|d| d.call.status())
}

/// The change's own day, or the next on which nothing else is dated.
fn free_day(draft: &Draft<'_>, sales: &[Sale<'_>], own: &Subject, day: jiff::civil::Date) -> Option<jiff::civil::Date> {
    let mut days = Days::of_sent(&draft.deliveries);
    let other = |d: &&Delivery| d.state.is_open() && d.subject != *own;
    for day in draft.deliveries.iter().filter(other).filter_map(|d| d.call.day()) {
        days.take(day, Holder::Payment);
    }
    for sale in sales.iter().filter(|s| s.product().is_some() && !s.taken_back.full) {
        days.take(sale.payment.day, Holder::Payment);
    }
    days.first_free(day)
}
