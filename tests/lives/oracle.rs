//! What must hold of every life, whatever the weather: judged by the truth of the life, the calls that were made and
//! what Refairn holds in the end.

#[path = "statuses.rs"]
mod statuses;

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use refairn_bridge::domain::delivery::{Delivery, DeliveryKey, DeliveryState};
use refairn_bridge::domain::event::EventState;
use refairn_bridge::domain::mode::Mode;
use refairn_bridge::domain::policy::Policy;
use refairn_bridge::domain::reason::{DeliveryReason, EventReason};
use refairn_bridge::sandbox;
use rust_decimal::Decimal;

use crate::drive::Seen;
use crate::events::{Event, NAME, TYPED_NAME};
use crate::kit::pipeline::{MadeCall, Moment, Weather};
use crate::life::{DAY, Life};
use crate::truth::{self, Code, Payment, Terms, Truth};

/// Everything that is wrong with what came of a life.
pub(crate) fn complaints(life: &Life, events: &[Event], seen: &Seen, policy: &Policy) -> Vec<String> {
    let mut all = seen.wrong.clone();
    for address in 0..life.addresses() {
        let truth = truth::of(life, address, events, &seen.arrivals, &policy.time_zone);
        let own = seen.of(&life.address(address));
        let mut judge =
            Judge { life, address, seen: &own, truth: &truth, policy, elsewhere: vec![], complaints: vec![] };
        if address == 0 {
            judge.events(seen);
        }
        judge.elsewhere = seen
            .calls
            .iter()
            .filter(|c| c.kind == "payment-succeeded" && c.key.email_key != life.address(address))
            .map(told)
            .collect();
        judge.lead();
        for payment in &truth.payments {
            judge.payment(payment);
        }
        judge.nothing_else();
        judge.changes_of_status();
        judge.last_words();
        all.extend(judge.complaints);
    }
    all
}

/// How long a subscription's first payment waits for its checkout session; longer when it was heard later than this: as
/// long as it was late, up to an hour.
const FIRST_WAIT: Duration = Duration::from_secs(15);
const HEARD_LATE: Duration = Duration::from_secs(300);
const LATE_WAIT_MAX: Duration = Duration::from_secs(3600);

struct Judge<'a> {
    life: &'a Life,
    address: usize,
    seen: &'a Seen,
    truth: &'a Truth,
    policy: &'a Policy,
    /// Payment calls for other addresses of this life.
    elsewhere: Vec<Told>,
    complaints: Vec<String>,
}

/// A payment call as the log has it.
struct Told {
    when: Moment,
    day: Date,
    amount: Decimal,
    product: String,
    status: String,
    /// Refairn took it, then.
    taken: bool,
    /// It may have.
    perhaps: bool,
    /// The bridge was told what became of it.
    heard: bool,
    body: String,
}

impl Judge<'_> {
    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    fn is_live(&self) -> bool {
        self.life.is_live(self.address)
    }

    fn payment_calls(&self) -> Vec<Told> {
        let payments = self.seen.calls.iter().filter(|c| c.kind == "payment-succeeded");
        payments.map(told).collect()
    }

    fn held_on(&self, day: Date) -> Option<&(sandbox::Payment, Option<sandbox::Commission>)> {
        self.seen.held.iter().find(|(p, _)| p.payment_date == day)
    }

    /// Refairn may have another payment of that day, of which nobody knows.
    fn may_be_held(&self, day: Date) -> bool {
        let unknown = |d: &&Delivery| d.reason == Some(DeliveryReason::ReversedOutcomeUnknown);
        self.seen.deliveries.iter().filter(unknown).any(|d| d.call.day() == Some(day))
    }

    fn delivery_of(&self, payment: &Payment) -> Option<&Delivery> {
        self.seen.deliveries.iter().find(|d| match &d.subject {
            DeliveryKey::Payment { scope, identity } => {
                let own = *identity == payment.bill || payment.receipt.as_ref() == Some(identity);
                // The other of two ids under which it was to be told.
                let said = d.state == DeliveryState::Superseded && d.reason == Some(DeliveryReason::AlreadyReported);
                *scope == payment.scope && own && !said
            }
            DeliveryKey::Lead(_) | DeliveryKey::Status(_) => false,
        })
    }

    /// Every event ends in one state, with a reason, and nothing waits for what will never come.
    fn events(&mut self, all: &Seen) {
        for ((act, part), view) in &all.outcomes {
            // A refund waits for a payment that counts, and a card check is none.
            let nobody = self.truth.nobodys.contains(&(*act, *part)) || self.life.is_card_check(*act);
            let fine = match view.state {
                EventState::Mapped => true,
                EventState::Ignored => view.reason.is_some(),
                EventState::Waiting => nobody && view.reason.is_some(),
                EventState::Unmappable => {
                    self.truth.unseen.contains(act) && view.attention && view.reason == Some(EventReason::LinesNotSeen)
                }
                EventState::Received => false,
            };
            if !fine {
                self.complain(format!(
                    "{} #{act} ended as {:?} {:?} {:?}",
                    view.event_type, view.state, view.reason, view.detail
                ));
            }
        }
        let open: Vec<String> =
            all.deliveries.iter().filter(|d| d.state.is_open()).map(|d| format!("{d:?} is still open")).collect();
        self.complaints.extend(open);
    }

    /// The customer's own call: only with a code of this life, and where there is one, it is told.
    fn lead(&mut self) {
        for call in self.seen.calls.iter().filter(|c| c.kind == "customer-created") {
            let (name, code) = (&call.body["customerName"], call.body["referralCode"].as_str());
            let known = self.truth.codes.iter().any(|c| Some(c.code) == code && c.heard <= call.when.at);
            let address = self.life.address(self.address);
            let local = address.split('@').next().unwrap_or_default();
            let named = [NAME, TYPED_NAME].contains(&name.as_str().unwrap_or_default())
                || name.as_str().is_some_and(|n| n.to_lowercase() == local);
            if !known || !named {
                self.complaints.push(format!("a customer-created call nobody asked for: {}", call.body));
            }
        }
        for mode in [Mode::Live, Mode::Test] {
            let code = self.truth.codes.iter().any(|c| c.mode == mode && c.known.is_some());
            let lead = self.seen.deliveries.iter().find(|d| d.subject == DeliveryKey::Lead(mode));
            if mode == Mode::Test && self.is_live() {
                continue;
            }
            if code && !lead.is_some_and(|d| d.state.is_acknowledged()) {
                self.complain(format!("a code was known, but the {} customer was not told: {lead:?}", mode.code()));
            }
        }
    }

    fn payment(&mut self, payment: &Payment) {
        let what = format!("payment {} {}", payment.scope, payment.bill);
        let found =
            self.delivery_of(payment).filter(|d| d.reason != Some(DeliveryReason::TestOfALiveCustomer)).cloned();
        let Some(delivery) = found else {
            // It may have been told before anything of the customer's came from live mode.
            if payment.mode == Mode::Test && self.is_live() {
                return;
            }
            if payment.known.is_some() {
                self.complain(format!("{what} was lost"));
            }
            return;
        };
        match delivery.state {
            DeliveryState::Delivered | DeliveryState::Duplicate => self.told(payment, &delivery, &what),
            DeliveryState::Held | DeliveryState::Rejected if !delivery.attention => {
                self.complain(format!("{what} is held, and nobody is told"));
            }
            DeliveryState::Held => {
                let holder = self.held_on(payment.day).map(|(p, _)| p.amount.is_zero());
                let justified = match delivery.reason {
                    Some(DeliveryReason::SameDayPayment) => holder == Some(false) || self.may_be_held(payment.day),
                    Some(DeliveryReason::DayTakenByStatus) => holder == Some(true),
                    // It may have got through before it was taken back.
                    Some(DeliveryReason::ReversedOutcomeUnknown) => payment.all_taken_back(),
                    Some(DeliveryReason::ReversedInAnotherCurrency) => payment.foreign.is_some(),
                    Some(DeliveryReason::PaidBeforeReferral) => self.codes(payment).any(|code| !owes(code, payment)),
                    _ => false,
                };
                if !justified {
                    self.complain(format!(
                        "{what} is held for {:?}, but its day is held by {holder:?}",
                        delivery.reason
                    ));
                }
            }
            // Nobody is told of a live customer's test, whatever became of it.
            DeliveryState::Cancelled if payment.mode == Mode::Test && self.is_live() => {}
            DeliveryState::Cancelled
                if payment.all_taken_back() && delivery.reason == Some(DeliveryReason::ReversedBeforeSending) => {}
            DeliveryState::Queued
            | DeliveryState::Sending
            | DeliveryState::Rejected
            | DeliveryState::Cancelled
            | DeliveryState::Superseded
            | DeliveryState::Discarded => {
                self.complain(format!("{what} ended as {:?} {:?}", delivery.state, delivery.reason));
            }
        }
    }

    /// A payment that Refairn has: exactly, once, credited, and marked when it was taken back.
    fn told(&mut self, payment: &Payment, delivery: &Delivery, what: &str) {
        let Some((held, commission)) = self.held_on(payment.day).cloned() else {
            return self.complain(format!("{what} is said to be told, but Refairn has nothing on {}", payment.day));
        };
        let Some(first) = self.seen.calls.iter().find(|call| call.delivery == delivery.id).map(|call| call.when) else {
            return self.complain(format!("{what} is said to be told, but no call was made"));
        };
        let sent = first.at;
        let exact = held.currency == payment.currency && told_as(payment, &held, sent);
        if !exact || delivery.call.day() != Some(payment.day) {
            let Payment { terms, currency, day, .. } = payment;
            self.complain(format!("{what} should be {terms:?} in {currency} on {day}, is {held:?}, sent {sent}"));
        }
        // A trial that has begun goes on, whatever it cost to begin it.
        let said = |c: &MadeCall| c.when.at < sent && c.body["amount"] == 0;
        if payment.trial_known.is_some_and(|known| known < sent)
            && held.subscription_status != "trialing"
            && !self.seen.calls.iter().any(said)
        {
            self.complain(format!("{what} is of a trial, and told as {}", held.subscription_status));
        }
        self.credited(payment, delivery, commission.is_some(), sent, what);
        self.waited(payment, first, what);
        let own = (!payment.taken_back.is_zero()).then(|| payment.taken_back.normalize().to_string());
        let foreign = payment.foreign.map(|amount| format!("{} GBP", amount.normalize()));
        let went_back: Vec<String> = own.into_iter().chain(foreign).collect();
        let taken = format!("{} of ", went_back.join(" and "));
        let nobodys = delivery.reason == Some(DeliveryReason::ReversedNobodyCredited) && commission.is_none();
        let marked = delivery.reason == Some(DeliveryReason::Reversed) && delivery.attention || nobodys;
        let exactly = delivery.detail.as_ref().is_some_and(|d| d.starts_with(&taken));
        // Nothing of the test mode is planned any more since the customer was known from live mode.
        let unplanned = payment.mode == Mode::Test && self.is_live() && !marked;
        if !unplanned && went_back.is_empty() == marked || (marked && !exactly) {
            self.complain(format!(
                "{what}: {} was taken back, it says {:?} {:?}",
                payment.taken_back, delivery.reason, delivery.detail
            ));
        }
        let before = payment.all_taken_back() && payment.reversals_known.is_some_and(|known| known < sent);
        if before {
            self.complain(format!("{what} was sent although all of it had been taken back"));
        }
    }

    fn codes(&self, payment: &Payment) -> impl Iterator<Item = &Code> {
        self.truth.codes.iter().filter(|c| c.mode == payment.mode)
    }

    fn credited(&mut self, payment: &Payment, delivery: &Delivery, credited: bool, sent: Timestamp, what: &str) {
        // The first code counts. An agent who came by a day after the payment has no part in it.
        let first = |codes: &mut dyn Iterator<Item = &Code>| {
            codes.min_by_key(|c| (c.at, c.code)).is_some_and(|code| owes(code, payment))
        };
        // Nothing of the test mode is told since the customer was known from live mode, nor that a code came late.
        if payment.mode == Mode::Test && self.is_live() {
            return;
        }
        let in_time = first(&mut self.codes(payment).filter(|c| c.known.is_some_and(|known| known <= sent)));
        let ever = first(&mut self.codes(payment).filter(|c| c.known.is_some()));
        let says_so = matches!(
            delivery.reason,
            Some(DeliveryReason::ReferralCodeLate | DeliveryReason::Reversed | DeliveryReason::ReversedNobodyCredited)
        );
        if in_time && !credited {
            self.complain(format!("{what} credited nobody, although the code was known in time"));
        } else if ever && !credited && !says_so {
            self.complain(format!(
                "{what} credited nobody, and nobody is told: {:?} {:?}",
                delivery.state, delivery.reason
            ));
        }
        let doubt = delivery.state == DeliveryState::Duplicate;
        if credited && delivery.reason == Some(DeliveryReason::ReferralCodeLate) && !doubt {
            self.complain(format!("{what} credited somebody, but is said to have credited nobody"));
        }
    }

    /// A first invoice waits for its checkout session a while, unless there is nothing to wait for.
    fn waited(&mut self, payment: &Payment, sent: Moment, what: &str) {
        // After an outage each event comes at a time of its own.
        let late = payment.heard.by_clock.duration_since(Timestamp::from_second(payment.at).expect("a time"));
        let late = Duration::try_from(late).unwrap_or_default();
        let wait = if late > HEARD_LATE { late.clamp(FIRST_WAIT, LATE_WAIT_MAX) } else { FIRST_WAIT };
        let wait = payment.heard.at + wait;
        let code = self.truth.codes.iter().any(|c| c.heard <= sent.at);
        let session = payment.session.is_some_and(|at| at <= sent.at);
        // A clock that jumps ends a wait.
        let jumped = self.seen.jumps.iter().any(|at| (payment.heard.at..=sent.at).contains(at));
        if payment.first_invoice && !code && !session && !jumped && sent.at < wait {
            self.complain(format!("{what} did not wait for its checkout session"));
        }
    }

    /// No payment call that the life does not contain, and no day for two.
    fn nothing_else(&mut self) {
        let real = self.seen.held.iter().filter(|(p, _)| !p.amount.is_zero()).count();
        let of = |wanted: &dyn Fn(&Delivery) -> bool| {
            self.truth.payments.iter().filter(|p| self.delivery_of(p).is_some_and(wanted)).count()
        };
        let told = of(&|d| d.state.is_acknowledged());
        let perhaps = of(&|d| d.reason == Some(DeliveryReason::ReversedOutcomeUnknown));
        if real < told || real > told + perhaps {
            self.complain(format!("Refairn has {real} payments, {told} were told"));
        }
        let calls = self.payment_calls();
        for (i, call) in calls.iter().enumerate().filter(|(_, c)| c.perhaps) {
            if let Some(other) =
                calls.iter().skip(i + 1).find(|o| o.perhaps && o.day == call.day && o.body != call.body)
            {
                self.complain(format!("two calls for one day: {} {}", call.body, other.body));
            }
        }
    }
}

/// Whether a payment is told as the first endpoint would have it, as far as that was known.
fn told_as(payment: &Payment, held: &sandbox::Payment, sent: Timestamp) -> bool {
    let same = |terms: &&Terms| held.amount == terms.amount && held.product_id == terms.product;
    let best = &payment.terms[0];
    let known = best.known.is_some_and(|known| known < sent);
    same(&best) || !known && payment.terms.iter().any(|terms| same(&terms))
}

/// Whether the agent of a code had a part in a payment. Where its events hardly tell, it may be.
fn owes(code: &Code, payment: &Payment) -> bool {
    code.since.is_none_or(|since| since - payment.at <= DAY)
}

fn told(call: &MadeCall) -> Told {
    let text = |key: &str| call.body[key].as_str().unwrap_or_default().to_owned();
    let taken = call.status == Some(200);
    // What is refused as too much or unauthorized surely was not taken.
    let perhaps = taken || !matches!(call.weather, Weather::Refused(401 | 429));
    Told {
        when: call.when,
        day: text("paymentDate").parse().expect("a date"),
        amount: call.body["amount"].to_string().parse().expect("an amount"),
        product: text("productId"),
        status: text("subscriptionStatus"),
        taken,
        perhaps,
        heard: call.weather == Weather::Fine,
        body: call.body.to_string(),
    }
}
