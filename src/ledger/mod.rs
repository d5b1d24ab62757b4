//! The ledger: from everything known of one customer to the calls that Refairn is to get.
//!
//! [`plan`] is a pure function of a [`CustomerHistory`] - the set of facts and the calls made so far - and is asked anew
//! whenever either changes. It does not step from state to state: it says what differs from the desired state, and the
//! store writes that. So the order in which events arrive cannot matter, but where a call has already left the house.
//!
//! The rules keep each sale paid once, although Refairn takes one payment per customer and day, one customer per
//! address, and credits the referrer that it knows when the payment arrives:
//!
//! * `leads`: the customer's own call, once a referral code is known, before all else;
//! * `payments`: one call per payment, whichever events report it, one per day;
//! * `sales`: which reports are about one payment; `others`: what each is looked at beside;
//! * `reversals`, `charges`: what was taken back, joined to its payment and weighed charge by charge;
//! * `returns`: which reports are about one refund or dispute, by whatever names;
//! * `statuses`: changes of status, on days that no payment needs;
//! * `told`: the statuses that Refairn was told;
//! * `waiting`: what lacks its customer or its payment, and for how long;
//! * `outcomes`: what each event came to, in one word;
//! * `conflict`: what a 409 means.
//!
//! [`comparison`] reads what a provider lists beside what we have.
//!
//! Before all that, [`resolve`] says whose a fact is.

mod charges;
pub mod comparison;
mod conflict;
mod days;
mod leads;
mod likeness;
mod others;
mod outcomes;
mod payments;
pub mod resolve;
mod returns;
mod reversals;
mod sales;
mod statuses;
mod told;
mod waiting;

use std::borrow::Cow;
use std::time::Duration;

use foldhash::{HashMap, HashSet};
use jiff::Timestamp;

use crate::clock::{after, is_ahead};
use crate::domain::customer::{Change, CustomerHistory, KnownFact, Plan};
use crate::domain::delivery::{Delivery, DeliveryKey, DeliveryState, DesiredDelivery};
use crate::domain::event::{EventId, Outcome};
use crate::domain::mode::Mode;
use crate::domain::policy::Policy;
use crate::domain::pseudonym::is_pseudonym;
use crate::domain::reason::{DeliveryReason, EventReason};

pub use conflict::conflict;
pub use waiting::{WAIT_MAX, is_too_long, without_customer_at_last};

/// What has to change for `customer`, as things stand at `now`.
#[must_use]
pub fn plan(customer: &CustomerHistory, policy: &Policy, now: Timestamp) -> Plan {
    let mut draft = Draft::new(customer, policy, now);
    let payments = sales::Sale::all(customer);
    leads::plan(&mut draft, &payments);
    let subscriptions = statuses::Subscriptions::of(customer, &payments);
    payments::plan(&mut draft, &payments, &subscriptions);
    statuses::plan(&mut draft, &payments, &subscriptions);
    draft.cancel_orphans(&payments);
    let outcomes = outcomes::of(&draft, &payments);
    let plan = Plan { changes: draft.changes(), outcomes, sessions_wanted: draft.sessions_wanted };
    if is_pseudonym(&customer.key.email_key) { of_forgotten(plan) } else { plan }
}

/// What is planned for a customer who is forgotten: nothing goes out under what stands for their address.
fn of_forgotten(mut plan: Plan) -> Plan {
    let goes_out = |change: &Change| match change {
        Change::New(_) => true,
        Change::Changed { delivery, .. } => delivery.state == DeliveryState::Queued,
    };
    let unmade: HashSet<EventId> =
        plan.changes.iter().filter(|c| goes_out(c)).map(|change| change.delivery().event).collect();
    plan.changes.retain(|change| !goes_out(change));
    for (_, outcome) in plan.outcomes.iter_mut().filter(|(event, _)| unmade.contains(event)) {
        *outcome = Outcome::ignored(EventReason::CustomerForgotten);
    }
    plan.sessions_wanted.clear();
    plan
}

/// A plan in the making.
struct Draft<'a> {
    customer: &'a CustomerHistory,
    policy: &'a Policy,
    now: Timestamp,
    /// As they are stored, but for those that the plan may change.
    deliveries: Vec<Cow<'a, Delivery>>,
    /// Where each subject's delivery is: a customer may have thousands.
    places: HashMap<Cow<'a, DeliveryKey>, usize>,
    /// See [`Plan::sessions_wanted`].
    sessions_wanted: Vec<DeliveryKey>,
}

impl<'a> Draft<'a> {
    fn new(customer: &'a CustomerHistory, policy: &'a Policy, now: Timestamp) -> Self {
        let stored = &customer.deliveries;
        let deliveries = stored.iter().map(Cow::Borrowed).collect();
        let places = stored.iter().enumerate().map(|(place, d)| (Cow::Borrowed(&d.subject), place)).collect();
        Self { customer, policy, now, deliveries, places, sessions_wanted: Vec::new() }
    }

    /// The customer's own facts in one mode, in the order of events.
    fn facts(&self, mode: Mode) -> impl Iterator<Item = &KnownFact> {
        self.customer.facts.iter().filter(move |f| f.fact.mode == mode && !f.is_related)
    }

    /// The deliveries as they are planned so far.
    fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.deliveries.iter().map(Cow::as_ref)
    }

    fn find(&self, subject: &DeliveryKey) -> Option<&Delivery> {
        self.places.get(subject).and_then(|place| self.deliveries.get(*place)).map(Cow::as_ref)
    }

    /// One that may change: of a stored one a copy is made.
    fn find_mut(&mut self, subject: &DeliveryKey) -> Option<&mut Delivery> {
        self.places.get(subject).and_then(|place| self.deliveries.get_mut(*place)).map(Cow::to_mut)
    }

    /// Changes those of them of which this is true.
    fn change_those(&mut self, is_one: impl Fn(&Delivery) -> bool, change: impl Fn(&mut Delivery)) {
        self.deliveries.iter_mut().filter(|delivery| is_one(delivery)).for_each(|delivery| change(delivery.to_mut()));
    }

    /// What differs from what is.
    fn changes(&self) -> Vec<Change> {
        let before = self.customer.deliveries.iter().map(Some).chain(std::iter::repeat(None));
        let changed = self.deliveries.iter().zip(before).filter_map(|(planned, before)| match planned {
            Cow::Owned(planned) if before != Some(planned) => Some(planned),
            Cow::Owned(_) | Cow::Borrowed(_) => None,
        });
        let change = |delivery: &Delivery| match delivery.id {
            Some(id) => Change::Changed { id, delivery: delivery.clone() },
            None => Change::New(delivery.clone()),
        };
        changed.map(change).collect()
    }

    /// When a call has waited for what may be on its way, which it does since its first event came in. One that a clock
    /// told which was ahead came in nobody knows when: then the wait began when it was decided, or begins now.
    fn end_of_wait(&self, subject: &DeliveryKey, first_received_at: Timestamp, wait: Duration) -> Timestamp {
        let decided_at = self.find(subject).map(|delivery| delivery.waits_from);
        let mut known = [Some(first_received_at), decided_at].into_iter().flatten();
        let begin = known.find(|at| !is_ahead(*at, self.now)).unwrap_or(self.now);
        after(begin, wait)
    }

    /// Makes the delivery what the plan wants. One of which something was sent stays as it is.
    fn put(&mut self, desired: DesiredDelivery) {
        let now = self.now;
        if let Some(delivery) = self.find_mut(&desired.subject) {
            delivery.change(desired, now);
        } else {
            self.places.insert(Cow::Owned(desired.subject.clone()), self.deliveries.len());
            self.deliveries.push(Cow::Owned(Delivery::plan(desired, now)));
        }
    }

    /// Cancels calls that were queued for a fact which, after a new reading of its event, is no longer there.
    fn cancel_orphans(&mut self, payments: &[sales::Sale<'_>]) {
        let customer = self.customer;
        let reported: HashSet<EventId> = customer.facts.iter().map(|f| f.event).collect();
        let sold = payments.iter().filter(|p| p.product().is_some());
        let sold: HashSet<&DeliveryKey> = sold.flat_map(|p| std::iter::once(&p.subject).chain(&p.aliases)).collect();
        let tests_are_told = is_told(customer, Mode::Test);
        let is_untold_test = |d: &Delivery| d.mode == Mode::Test && !tests_are_told;
        let is_asked_for = |d: &Delivery| match &d.subject {
            DeliveryKey::Lead(_) | DeliveryKey::Status(_) => !is_untold_test(d) && reported.contains(&d.event),
            subject @ DeliveryKey::Payment { .. } => sold.contains(subject),
        };
        let is_orphan = |d: &Delivery| d.is_unsent() && d.id.is_some() && !is_asked_for(d);
        self.change_those(is_orphan, |d| {
            let test = is_untold_test(d);
            d.cancel(if test { DeliveryReason::TestOfALiveCustomer } else { DeliveryReason::Remapped });
        });
    }
}

/// Test events of a customer who is known from live mode are told to nobody: Refairn knows people by address alone.
fn is_told(customer: &CustomerHistory, mode: Mode) -> bool {
    mode == Mode::Live || !customer.facts.iter().any(|f| !f.is_related && f.fact.mode == Mode::Live)
}

#[cfg(test)]
mod tests;
