//! The ledger: from everything known of one customer to the calls that Refairn is to get.
//!
//! [`plan`] is a pure function of a [`Person`] - the set of facts and the calls made so far - and is asked anew
//! whenever either changes. It does not step from state to state: it says what is to be, and the store writes what
//! differs. So the order in which events arrive cannot matter, but where a call has already left the house.
//!
//! The rules keep each sale paid once, although Refairn takes one payment per customer and day, one customer per
//! address, and credits whoever it knows when the payment arrives:
//!
//! * `leads`: the customer's own call, once a referral code is known, before all else;
//! * `payments`: one call per payment, whichever events report it, one per day;
//! * `sales`: which reports are about one payment;
//! * `reversals`, `charges`: what was taken back, joined to its payment and weighed charge by charge;
//! * `statuses`: changes of status, on days that no payment needs;
//! * `waiting`: what lacks its customer or its payment, and for how long;
//! * `outcomes`: what each event came to, in one word.

mod charges;
mod days;
mod leads;
mod outcomes;
mod payments;
mod reversals;
mod sales;
mod statuses;
mod waiting;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{after, is_ahead};
use crate::domain::delivery::{Call, Delivery, DeliveryState, Subject};
use crate::domain::event::EventId;
use crate::domain::mode::Mode;
use crate::domain::person::{KnownFact, Person, Plan};
use crate::domain::policy::Policy;
use crate::domain::reason::Reason;

pub use waiting::{WAIT_MAX, is_too_long, without_customer, without_customer_at_last};

/// What is to be done for `person`, as things stand at `now`.
#[must_use]
pub fn plan(person: &Person, policy: &Policy, now: Timestamp) -> Plan {
    let mut draft = Draft::new(person, policy, now);
    leads::plan(&mut draft);
    let payments = sales::Sale::all(person);
    let subscriptions = statuses::Subscriptions::of(person, &payments);
    payments::plan(&mut draft, &payments, &subscriptions);
    statuses::plan(&mut draft, &payments, &subscriptions);
    draft.withdraw_what_nobody_asks_for(&payments);
    let outcomes = outcomes::of(&draft, &payments);
    Plan { deliveries: draft.deliveries, outcomes, sessions_wanted: draft.sessions_wanted }
}

/// A plan in the making.
struct Draft<'a> {
    person: &'a Person,
    policy: &'a Policy,
    now: Timestamp,
    deliveries: Vec<Delivery>,
    /// Where each subject's delivery is: a customer may have thousands.
    places: HashMap<Subject, usize>,
    /// See [`Plan::sessions_wanted`].
    sessions_wanted: Vec<Subject>,
}

/// What a delivery is to be, while nothing of it has been sent.
struct Wanted {
    event: EventId,
    subject: Subject,
    mode: Mode,
    at: Timestamp,
    call: Call,
    state: DeliveryState,
    reason: Option<Reason>,
    detail: Option<String>,
    due_at: Timestamp,
}

impl<'a> Draft<'a> {
    fn new(person: &'a Person, policy: &'a Policy, now: Timestamp) -> Self {
        let deliveries = person.deliveries.clone();
        let places = deliveries.iter().enumerate().map(|(place, d)| (d.subject.clone(), place)).collect();
        Self { person, policy, now, deliveries, places, sessions_wanted: Vec::new() }
    }

    /// The person's own facts in one mode, in the order of events.
    fn facts(&self, mode: Mode) -> impl Iterator<Item = &KnownFact> {
        self.person.facts.iter().filter(move |f| f.fact.mode == mode && !f.kin)
    }

    fn find(&self, subject: &Subject) -> Option<&Delivery> {
        self.places.get(subject).and_then(|place| self.deliveries.get(*place))
    }

    fn find_mut(&mut self, subject: &Subject) -> Option<&mut Delivery> {
        self.places.get(subject).and_then(|place| self.deliveries.get_mut(*place))
    }

    /// When a call has waited for what may be on its way, which it does since its first event came in. One that a clock
    /// told which was ahead came in nobody knows when: then the wait began when it was decided, or begins now.
    fn end_of_wait(&self, subject: &Subject, first_received_at: Timestamp, wait: Duration) -> Timestamp {
        let decided_at = self.find(subject).map(|delivery| delivery.waits_from);
        let mut known = [Some(first_received_at), decided_at].into_iter().flatten();
        let begin = known.find(|at| !is_ahead(*at, self.now)).unwrap_or(self.now);
        after(begin, wait)
    }

    /// Makes the delivery what it is to be. The caller has seen that it is new, or that nothing of it was sent.
    fn put(&mut self, wanted: Wanted) {
        let now = self.now;
        let Some(delivery) = self.find_mut(&wanted.subject) else {
            self.places.insert(wanted.subject.clone(), self.deliveries.len());
            self.deliveries.push(wanted.into_delivery(now));
            return;
        };
        // A call in backoff keeps its turn, and a due one its place, unless it is to wait for something now.
        let backing_off = delivery.state == DeliveryState::Queued && delivery.attempts > 0;
        let still_due = delivery.state == DeliveryState::Queued && delivery.due_at <= now;
        let keep = wanted.state == DeliveryState::Queued && wanted.due_at <= now && (backing_off || still_due);
        if !keep {
            let turn = if backing_off { delivery.due_at } else { wanted.due_at };
            delivery.wait_until(wanted.due_at.max(turn), now);
        }
        if !(backing_off && keep) {
            delivery.reason = wanted.reason;
            delivery.detail = wanted.detail;
        }
        delivery.attention = wanted.state == DeliveryState::Held;
        delivery.state = wanted.state;
        // The event that first asked for it may report something else by now.
        delivery.event = wanted.event;
        delivery.call = wanted.call;
        delivery.at = wanted.at;
    }

    /// Cancels calls that were queued for a fact which, after a new reading of its event, is no longer there.
    fn withdraw_what_nobody_asks_for(&mut self, payments: &[sales::Sale<'_>]) {
        let Self { person, deliveries, .. } = self;
        let reported: HashSet<EventId> = person.facts.iter().map(|f| f.event).collect();
        let sold = payments.iter().filter(|p| p.product().is_some());
        let sold: HashSet<&Subject> = sold.flat_map(|p| std::iter::once(&p.subject).chain(&p.aliases)).collect();
        let tests_are_told = is_told(person, Mode::Test);
        for delivery in deliveries.iter_mut().filter(|d| d.is_unsent() && d.id.is_some()) {
            let asked_for = match &delivery.subject {
                Subject::Lead(_) | Subject::Status(_) if delivery.mode == Mode::Test && !tests_are_told => false,
                Subject::Lead(_) | Subject::Status(_) => reported.contains(&delivery.event),
                subject @ Subject::Payment { .. } => sold.contains(subject),
            };
            if !asked_for {
                delivery.state = DeliveryState::Cancelled;
                let test = delivery.mode == Mode::Test && !tests_are_told;
                delivery.reason = Some(if test { Reason::TestOfALiveCustomer } else { Reason::Remapped });
                delivery.attention = false;
            }
        }
    }
}

impl Wanted {
    fn into_delivery(self, now: Timestamp) -> Delivery {
        Delivery {
            id: None,
            event: self.event,
            subject: self.subject,
            mode: self.mode,
            at: self.at,
            call: self.call,
            attention: self.state == DeliveryState::Held,
            state: self.state,
            reason: self.reason,
            detail: self.detail,
            released: false,
            acknowledged: false,
            due_at: self.due_at,
            waits_from: now,
            attempts: 0,
            first_attempt_at: None,
            taken_seq: None,
            last_seq: None,
            waited: Duration::ZERO,
            outcome_unknown: false,
            settled_at: None,
            receipt: None,
            created_at: now,
        }
    }
}

/// Marks a call that Refairn has as needing attention, or no longer; an operator's word that it was seen holds until
/// there is something new to see.
fn flag(delivery: &mut Delivery, finding: Option<(Reason, String)>) {
    let (reason, detail) = finding.map_or((None, None), |(r, d)| (Some(r), Some(d)));
    let settled_as = (delivery.state == DeliveryState::Duplicate).then_some(Reason::AlreadyAtRefairn);
    if reason.is_some() && (delivery.reason != reason || delivery.detail != detail) {
        delivery.acknowledged = false;
    }
    delivery.attention = reason.is_some() && !delivery.acknowledged;
    delivery.reason = reason.or(settled_as);
    delivery.detail = detail;
}

/// Notes something about a call that Refairn has, which asks nobody to do anything.
fn note(delivery: &mut Delivery, reason: Reason, detail: String) {
    delivery.attention = false;
    delivery.reason = Some(reason);
    delivery.detail = Some(detail);
}

/// A call that was cancelled because no fact asked for it any more: if one does again, it is made.
fn was_withdrawn(delivery: &Delivery) -> bool {
    let withdrawn = matches!(delivery.reason, Some(Reason::Remapped | Reason::TestOfALiveCustomer));
    delivery.state == DeliveryState::Cancelled && withdrawn
}

/// Test events of a customer who is known from live mode are told to nobody: Refairn knows people by address alone.
fn is_told(person: &Person, mode: Mode) -> bool {
    mode == Mode::Live || !person.facts.iter().any(|f| !f.kin && f.fact.mode == Mode::Live)
}

#[cfg(test)]
mod tests;
