//! Changes of a subscription's status: told as payments of nothing, on days that no payment needs, and only to those
//! who have paid before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::days::{Days, Holder, end_of, start_of};
use super::sales::Sale;
use super::told::Told;
use super::{Draft, is_told};
use crate::clock::after;
use crate::domain::customer::{CustomerHistory, KnownFact};
use crate::domain::delivery::{Call, Delivery, DeliveryKey, DeliveryState, DesiredDelivery, Intent};
use crate::domain::event::EventId;
use crate::domain::fact::{self, FactKind};
use crate::domain::mode::Mode;
use crate::domain::policy::StatusUpdates;
use crate::domain::reason::DeliveryReason;
use crate::domain::status::Status;

/// One report of a subscription's status.
#[derive(Clone, Copy)]
struct Report<'a> {
    known: &'a KnownFact,
    subscription: &'a fact::Subscription,
    status: Status,
}

/// How long after its day a status still waits: a payment of the last second of a day is heard a while later.
const AFTER_DAY_END: Duration = Duration::from_secs(3 * 3600);

/// Puts the reports of one subscription in their order. Of two of the same second the terminal one is the later, for a
/// snapshot may be as old as the end; then the one that names the other's status as the one it replaced; then the
/// stronger status. Arrival decides nothing but between reports that say the same.
fn in_order(reports: &mut [Report<'_>]) {
    reports.sort_by_key(|r| (r.known.fact.at, r.status == Status::Cancelled, r.status, r.known.event));
    for same in reports.chunk_by_mut(|a, b| {
        a.known.fact.at == b.known.fact.at && (a.status == Status::Cancelled) == (b.status == Status::Cancelled)
    }) {
        // A step for each: a report goes behind those that it follows, and none is moved twice in a circle.
        for place in 0..same.len() {
            let replaced =
                |a: &Report<'_>, b: &Report<'_>| a.subscription.before.as_ref() == Some(&b.subscription.as_given);
            let follows = |a: &Report<'_>, b: &Report<'_>| replaced(a, b) && !replaced(b, a);
            let behind = same.get(place..).unwrap_or_default();
            let last = behind.first().and_then(|own| behind.iter().rposition(|other| follows(own, other)));
            if let Some(moved) = last.and_then(|last| same.get_mut(place..=place + last)) {
                moved.rotate_left(1.min(moved.len()));
            }
        }
    }
}

/// One subscription: what is reported of it, and what was paid for it.
struct Subscription<'a> {
    reports: Vec<Report<'a>>,
    /// In the order in which they were made.
    sales: Vec<&'a Sale<'a>>,
}

impl<'a> Subscription<'a> {
    /// The product of a report: that of the subscription's payments, else what this report of it says, else any.
    fn product(&self, report: &Report<'a>) -> Option<&'a str> {
        let by_payment = self.sales.iter().rev().find_map(|s| s.product());
        let all = || [report].into_iter().chain(&self.reports);
        by_payment.or_else(|| all().find_map(|r| r.known.fact.product.id()))
    }

    fn last_kept(&self) -> Option<&'a Sale<'a>> {
        self.sales.iter().rev().find(|s| !s.taken_back.full).copied()
    }

    /// What it was when it was paid for.
    fn at_payment(&self, paid_at: Timestamp) -> Status {
        let in_trial = |r: &Report<'_>| {
            let began = r.subscription.trial_start.is_none_or(|start| start <= paid_at);
            let ended = r.subscription.trial_end.is_some_and(|end| end <= paid_at);
            r.status == Status::Trialing && began && !ended
        };
        match self.reports.iter().rfind(|r| r.known.fact.at <= paid_at) {
            Some(r) if r.status == Status::Cancelled => Status::Cancelled,
            Some(r) if in_trial(r) => Status::Trialing,
            // The report of a trial may be stamped a moment after the payment that it spans.
            None if self.reports.iter().any(|r| r.subscription.trial_start.is_some() && in_trial(r)) => {
                Status::Trialing
            }
            Some(_) | None => Status::Active,
        }
    }
}

/// A scope, and the id of a subscription in it.
type Key<'a> = (&'a str, &'a str);

/// All subscriptions of a customer of which a status was reported.
pub(super) struct Subscriptions<'a>(BTreeMap<Key<'a>, Subscription<'a>>);

impl<'a> Subscriptions<'a> {
    pub(super) fn of(customer: &'a CustomerHistory, sales: &'a [Sale<'a>]) -> Self {
        let mut all: BTreeMap<Key<'_>, Subscription<'a>> = BTreeMap::new();
        for known in customer.facts.iter().filter(|f| !f.is_related || f.has_stayed) {
            let FactKind::Subscription(subscription) = &known.fact.matter else { continue };
            let Some(status) = subscription.status else { continue };
            let key = (known.scope.as_str(), subscription.id.as_str());
            let own = all.entry(key).or_insert_with(|| Subscription { reports: vec![], sales: vec![] });
            own.reports.push(Report { known, subscription, status });
        }
        for sale in sales {
            if let Some(own) = key_of(sale).and_then(|key| all.get_mut(&key)) {
                own.sales.push(sale);
            }
        }
        all.values_mut().for_each(|own| in_order(&mut own.reports));
        Self(all)
    }

    /// The status that a payment carries: `active`, unless its subscription was in a trial, or had ended, when it was
    /// made; and never an older one than Refairn was told.
    pub(super) fn with_payment(&self, sale: &Sale<'_>, told: &Told<'_>) -> Status {
        told.later(sale).unwrap_or_else(|| self.at_payment(sale))
    }

    fn at_payment(&self, sale: &Sale<'_>) -> Status {
        let own = key_of(sale).and_then(|key| self.0.get(&key));
        own.map_or(Status::Active, |own| own.at_payment(sale.paid_at()))
    }

    /// The reports that concern a product, or any, by subscription.
    fn reports(&self, mode: Mode) -> impl Iterator<Item = (&Subscription<'a>, &Report<'a>, &'a str)> {
        let all = self.0.values().flat_map(|s| s.reports.iter().map(move |r| (s, r)));
        let of_mode = all.filter(move |(_, r)| r.known.fact.mode == mode);
        of_mode.filter_map(|(s, r)| Some((s, r, s.product(r)?)))
    }
}

/// The subscription that a payment names.
fn key_of<'a>(sale: &Sale<'a>) -> Option<Key<'a>> {
    Some((sale.best.scope.as_str(), sale.payment.subscription.as_deref()?))
}

/// Where a product's subscriptions stand, and what was the last change.
struct Standing<'a> {
    status: Status,
    at: Timestamp,
    day: jiff::civil::Date,
    /// Every report of these subscriptions.
    reports: Vec<Report<'a>>,
    /// Nothing when the last change was a payment, or was told under another address.
    changed_by: Option<EventId>,
    /// A payment that belongs to none of them came after it, and said the status itself.
    said_by: Option<&'a Sale<'a>>,
}

/// The strongest status over the subscriptions of one product, and the last change among them.
fn standing<'a>(
    subscriptions: &Subscriptions<'a>,
    sales: &'a [Sale<'a>],
    mode: Mode,
    product: &str,
) -> Option<Standing<'a>> {
    let mut latest: BTreeMap<(&str, &str), (&Subscription<'a>, Report<'a>)> = BTreeMap::new();
    let mut reports = Vec::new();
    for (subscription, report, _) in subscriptions.reports(mode).filter(|(.., p)| *p == product) {
        reports.push(*report);
        let key = (report.known.scope.as_str(), report.subscription.id.as_str());
        // They come in their order.
        latest.insert(key, (subscription, *report));
    }
    let kept = || sales.iter().filter(|s| s.mode == mode && !s.taken_back.full);
    let each = latest.values().map(|(subscription, report)| {
        // Only a failed charge is made up for by a payment that does not name its subscription.
        let past_due = report.status == Status::PastDue;
        let recovered = past_due.then(|| kept().filter(|s| recovers(s, report)).max_by_key(|s| s.paid_at())).flatten();
        let paid = recovered.into_iter().chain(subscription.last_kept()).max_by_key(|s| s.paid_at());
        match paid {
            Some(s) if s.paid_at() >= report.known.fact.at => (subscriptions.at_payment(s), s.paid_at(), s.day(), None),
            Some(_) | None => {
                let named = Some(report.known.event).filter(|_| !report.known.has_stayed);
                (report.status, report.known.fact.at, report.subscription.day, named)
            }
        }
    });
    let each: Vec<(Status, Timestamp, jiff::civil::Date, Option<EventId>)> = each.collect();
    let status = each.iter().map(|(status, ..)| *status).max()?;
    let (_, at, day, changed_by) = *each.iter().max_by_key(|(_, at, _, event)| (*at, *event))?;
    let apart = |s: &&Sale<'a>| s.product() == Some(product) && key_of(s).is_none_or(|key| !latest.contains_key(&key));
    let said_by = kept().filter(apart).filter(|s| s.paid_at() >= at).max_by_key(|s| s.paid_at());
    Some(Standing { status, at, day, reports, changed_by, said_by })
}

/// Some payments do not name their subscription, but share a key with it. If a charge of it had failed, they made up for
/// that; more they do not tell, for an ended subscription and its successor have the same key.
fn recovers(sale: &Sale<'_>, report: &Report<'_>) -> bool {
    let shared = |key: &String| report.known.scope == sale.best.scope && report.known.fact.keys.contains(key);
    report.status == Status::PastDue && sale.payment.subscription.as_ref().is_some_and(shared)
}

pub(super) fn plan<'a>(draft: &mut Draft<'_>, sales: &'a [Sale<'a>], subscriptions: &Subscriptions<'a>) {
    for mode in [Mode::Live, Mode::Test].into_iter().filter(|mode| is_told(draft.customer, *mode)) {
        // A product that a subscription has left may have a change in the queue, which nobody asks for any more.
        let queued = |d: &&Delivery| d.mode == mode && matches!(d.subject, DeliveryKey::Status(_)) && d.is_unsent();
        let left = draft.deliveries().filter(queued).map(|d| d.call.product().to_owned());
        let current = subscriptions.reports(mode).map(|(.., product)| product.to_owned());
        let products: BTreeSet<String> = current.chain(left).collect();
        for product in &products {
            let wanted = wanted(draft, sales, subscriptions, mode, product);
            let subject = wanted.as_ref().map(|w| w.subject.clone());
            supersede_others(draft, mode, product, subject.as_ref());
            let sent = |d: &Delivery| !d.is_unsent() && d.state != DeliveryState::Superseded && !d.was_withdrawn();
            if let Some(wanted) = wanted.filter(|w| !draft.find(&w.subject).is_some_and(sent)) {
                draft.put(wanted);
            }
        }
    }
}

/// Drops queued changes of status that something later says too.
fn supersede_others(draft: &mut Draft<'_>, mode: Mode, product: &str, keep: Option<&DeliveryKey>) {
    let is_other = |d: &Delivery| {
        let same = d.mode == mode && d.call.product() == product;
        same && matches!(d.subject, DeliveryKey::Status(_)) && d.is_unsent() && Some(&d.subject) != keep
    };
    draft.change_those(is_other, |delivery| {
        delivery.supersede();
    });
}

fn wanted<'a>(
    draft: &Draft<'_>,
    sales: &'a [Sale<'a>],
    subscriptions: &Subscriptions<'a>,
    mode: Mode,
    product: &str,
) -> Option<DesiredDelivery> {
    let policy = draft.policy;
    if policy.status_updates == StatusUpdates::Off {
        return None;
    }
    let standing = said_again(draft, standing(subscriptions, sales, mode, product)?)?;
    let at = standing.at;
    let carried = |d: &&Delivery| {
        matches!(d.subject, DeliveryKey::Payment { .. }) && d.mode == mode && d.call.product() == product
    };
    let payments: Vec<&Delivery> = draft.deliveries().filter(carried).collect();
    // A product that was never paid for is told nothing: a call of nothing would use up its first commission.
    let last_paid = payments.iter().filter(|d| d.state.is_acknowledged()).max_by_key(|d| d.at)?;
    // What is still to go out carries the status itself.
    if payments.iter().any(|d| d.state.is_open() && d.at >= at) {
        return None;
    }
    if told(draft, mode, product) == Some(standing.status) {
        return None;
    }
    let event = event_to_tell(draft, sales, &standing, mode, product)?;
    let subject = DeliveryKey::Status(event);
    // A past day may belong to a payment that is still on its way.
    let heard = standing.reports.iter().map(|r| r.known).chain(draft.facts(mode).filter(|f| f.event == event));
    let heard = heard.map(|known| known.received_at).max()?;
    let heard_on = heard.to_zoned(policy.time_zone.clone()).date();
    let day = free_day(draft, sales, &subject, standing.day.max(heard_on))?;
    let due_at = match policy.status_updates {
        StatusUpdates::Immediate => start_of(day, &policy.time_zone),
        StatusUpdates::EndOfDay | StatusUpdates::Off => after(end_of(day, &policy.time_zone), AFTER_DAY_END),
    };
    let Call::PaymentSucceeded { email, currency, .. } = &last_paid.call else { return None };
    Some(DesiredDelivery {
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
        intent: Intent::Send {
            due_at: due_at.max(draft.now),
            waits_for: (due_at > draft.now).then_some(DeliveryReason::WaitingForDayEnd),
        },
        detail: None,
    })
}

/// The event in whose name the status is told: that of the last change. Where that was told already, or was a payment,
/// an older change came in since and made another of it; then the newest to come gives its name. Where all of them were
/// told, what was paid or taken back made another of it.
fn event_to_tell(
    draft: &Draft<'_>,
    sales: &[Sale<'_>],
    standing: &Standing<'_>,
    mode: Mode,
    product: &str,
) -> Option<EventId> {
    let told = |event: &EventId| draft.find(&DeliveryKey::Status(*event)).is_some_and(|d| d.state.is_acknowledged());
    if let Some(event) = standing.changed_by.filter(|event| !told(event)) {
        return Some(event);
    }
    let unsent = |event: &EventId| draft.find(&DeliveryKey::Status(*event)).is_none_or(|d| d.is_unsent());
    let by_payment = || standing.said_by.map(|sale| sale.best.event).filter(unsent);
    let own = || standing.reports.iter().filter(|r| !r.known.has_stayed);
    let by_report = || own().map(|r| r.known.event).filter(unsent).max();
    let of_sale = |sale: &Sale<'_>| {
        let reports = sale.reports.iter().map(|f| f.event);
        reports.chain(sale.taken_back.events.iter().copied()).collect::<Vec<_>>()
    };
    let by_sale = || {
        let own = sales.iter().filter(|s| s.mode == mode && s.product() == Some(product));
        own.flat_map(of_sale).filter(unsent).max()
    };
    by_payment().or_else(by_report).or_else(by_sale)
}

/// Nothing when a payment said the status itself; but one that was taken back for a while, in which another status was
/// told, has to be followed by its own again.
fn said_again<'a>(draft: &Draft<'_>, standing: Standing<'a>) -> Option<Standing<'a>> {
    let Some(sale) = standing.said_by else { return Some(standing) };
    let mut told = std::iter::once(&sale.subject).chain(&sale.aliases).filter_map(|subject| draft.find(subject));
    let payment = told.find(|d| d.state.is_acknowledged())?;
    let later = |d: &&Delivery| {
        matches!(d.subject, DeliveryKey::Status(_)) && d.mode == sale.mode && d.call.product() == payment.call.product()
    };
    let mut later = draft.deliveries().filter(later).filter(|d| d.state.is_acknowledged() && d.at < sale.paid_at());
    later.any(|d| d.taken_seq > payment.taken_seq).then_some(())?;
    let status = payment.call.status()?;
    Some(Standing { status, at: sale.paid_at(), day: sale.day(), changed_by: None, ..standing })
}

/// What Refairn was told last for this product.
fn told(draft: &Draft<'_>, mode: Mode, product: &str) -> Option<Status> {
    let told =
        draft.deliveries().filter(|d| d.mode == mode && d.state.is_acknowledged() && d.call.product() == product);
    told.filter(|d| d.call.status().is_some()).max_by_key(|d| (d.taken_seq, d.id)).and_then(|d| d.call.status())
}

/// The change's own day, or the next on which nothing else is dated.
fn free_day(
    draft: &Draft<'_>,
    sales: &[Sale<'_>],
    own: &DeliveryKey,
    day: jiff::civil::Date,
) -> Option<jiff::civil::Date> {
    let mut days = Days::of_sent(draft.deliveries());
    let other = |d: &&Delivery| d.state.is_open() && d.subject != *own;
    for day in draft.deliveries().filter(other).filter_map(|d| d.call.day()) {
        days.take(day, Holder::Payment);
    }
    // One that was taken back may come back: a refund fails, or turns out to be another payment's.
    for sale in sales.iter().filter(|s| s.product().is_some()) {
        days.take(sale.day(), Holder::Payment);
    }
    days.first_free(day)
}
