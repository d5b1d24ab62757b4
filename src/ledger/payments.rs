//! One call per payment, whichever events report it; one payment per day.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::days::{Days, Holder, start_of};
use super::reversals::{Reversals, TakenBack};
use super::statuses::{Subscriptions, Told};
use super::{Draft, Wanted, flag, leads};
use crate::domain::delivery::{Call, Delivery, DeliveryState, Subject};
use crate::domain::email::Email;
use crate::domain::event::{EventId, Mode};
use crate::domain::fact::{Matter, Payment};
use crate::domain::person::{KnownFact, Person};
use crate::domain::policy::SameDayPayments;
use crate::domain::reason::Reason;
use crate::domain::status::Status;

/// A payment and the events that report it.
pub(super) struct Sale<'a> {
    pub(super) subject: Subject,
    pub(super) mode: Mode,
    /// Every event that reports it, in the order of arrival.
    pub(super) reports: Vec<&'a KnownFact>,
    /// The report that counts.
    pub(super) best: &'a KnownFact,
    pub(super) payment: &'a Payment,
    pub(super) taken_back: TakenBack,
}

impl<'a> Sale<'a> {
    /// All payments of a person in the order in which they were made.
    pub(super) fn all(person: &'a Person) -> Vec<Self> {
        let mut reports: BTreeMap<(&str, &str), Vec<&'a KnownFact>> = BTreeMap::new();
        for known in person.facts.iter().filter(|f| !f.kin) {
            if let Matter::Payment(payment) = &known.fact.matter {
                reports.entry((&known.scope, &payment.identity)).or_default().push(known);
            }
        }
        let reversals = Reversals::of(person);
        let sales = reports.into_iter().filter_map(|((scope, identity), reports)| {
            let (best, payment) = reports
                .iter()
                .filter_map(|f| match &f.fact.matter {
                    Matter::Payment(p) => Some((*f, p)),
                    Matter::Customer(_) | Matter::Subscription(_) | Matter::Reversal(_) | Matter::Link(_) => None,
                })
                .min_by_key(|(f, p)| (!p.primary, p.amount.is_none(), f.event))?;
            Some(Self {
                subject: Subject::Payment { scope: scope.to_owned(), identity: identity.to_owned() },
                mode: best.fact.mode,
                taken_back: reversals.taken_back(payment, best.fact.at, &reports),
                reports,
                best,
                payment,
            })
        });
        let mut sales: Vec<Self> = sales.collect();
        sales.sort_by(|a, b| (a.paid_at(), &a.subject).cmp(&(b.paid_at(), &b.subject)));
        sales
    }

    pub(super) const fn paid_at(&self) -> Timestamp {
        self.best.fact.at
    }

    /// The Refairn product, if the sale concerns Refairn at all.
    pub(super) fn product(&self) -> Option<&str> {
        self.best.fact.product.id()
    }

    fn first_received_at(&self) -> Timestamp {
        self.reports.iter().map(|f| f.received_at).min().unwrap_or(self.best.received_at)
    }

    /// The event in whose name the call is made.
    fn event(&self) -> EventId {
        self.reports.first().map_or(self.best.event, |f| f.event)
    }
}

/// What all payments of a customer in one mode share.
struct Common {
    email: Option<Email>,
    /// The customer's own call.
    lead: Option<Delivery>,
    code_known: bool,
}

impl Common {
    fn of(draft: &Draft<'_>, mode: Mode) -> Self {
        Self {
            email: leads::email_and_name(draft, mode).map(|(email, _)| email),
            lead: draft.find(&Subject::Lead(mode)).cloned(),
            code_known: leads::first_code(draft.person, mode).is_some(),
        }
    }

    /// The customer's own call was refused and nobody has dealt with it: a payment sent now would credit nobody.
    fn lead_failed(&self) -> bool {
        self.lead.as_ref().is_some_and(|l| matches!(l.state, DeliveryState::Rejected | DeliveryState::Held))
    }
}

pub(super) fn plan(draft: &mut Draft<'_>, sales: &[Sale<'_>], subscriptions: &Subscriptions<'_>) {
    let mut days = Days::of_sent(&draft.deliveries);
    let (live, test) = (Common::of(draft, Mode::Live), Common::of(draft, Mode::Test));
    let told = Told::of(&draft.deliveries);
    for sale in sales {
        let Some(product) = sale.product() else { continue };
        let common = match sale.mode {
            Mode::Live => &live,
            Mode::Test => &test,
        };
        let old = draft.find_mut(&sale.subject);
        let released = old.as_ref().is_some_and(|d| d.released);
        match old {
            Some(told) if told.state.is_told() => look_back(told, sale, common.lead.as_ref()),
            Some(old) if !old.is_unsent() && !came_back(old, sale) => {}
            Some(_) | None => {
                let Some(email) = &common.email else { continue };
                let turn = turn(draft, sale, common, released, &mut days);
                let status = subscriptions.with_payment(sale, &told);
                draft.put(wanted(draft, sale, product, email, turn, status));
            }
        }
    }
}

/// A call that was cancelled because its payment was taken back, when that turned out not to last.
fn came_back(delivery: &Delivery, sale: &Sale<'_>) -> bool {
    let cancelled = delivery.state == DeliveryState::Cancelled;
    let undone = delivery.reason == Some(Reason::ReversedBeforeSending) && !sale.taken_back.full;
    cancelled && (undone || delivery.reason == Some(Reason::Remapped))
}

fn wanted(draft: &Draft<'_>, sale: &Sale<'_>, product: &str, email: &Email, turn: Turn, status: Status) -> Wanted {
    let own = sale.best.fact.email.as_ref().filter(|e| e.key() == draft.person.key.email_key);
    let call = Call::PaymentSucceeded {
        product: product.to_owned(),
        email: own.unwrap_or(email).clone(),
        amount: sale.payment.amount.unwrap_or_default(),
        currency: sale.payment.currency,
        status,
        day: turn.day,
    };
    let (state, reason, due_at) = (turn.state, turn.reason, turn.due_at);
    let (event, subject) = (sale.event(), sale.subject.clone());
    Wanted { event, subject, mode: sale.mode, at: sale.paid_at(), call, state, reason, due_at }
}

/// Whether and when a payment may go out, and on which day it is dated.
struct Turn {
    state: DeliveryState,
    reason: Option<Reason>,
    due_at: Timestamp,
    day: jiff::civil::Date,
}

fn turn(draft: &Draft<'_>, sale: &Sale<'_>, common: &Common, released: bool, days: &mut Days) -> Turn {
    let (now, day) = (draft.now, sale.payment.day);
    let not_sent = |state, reason| Turn { state, reason: Some(reason), due_at: now, day };
    if sale.taken_back.full {
        return not_sent(DeliveryState::Cancelled, Reason::ReversedBeforeSending);
    }
    if sale.payment.amount.is_none() {
        return not_sent(DeliveryState::Held, Reason::AmountUnknown);
    }
    if common.lead_failed() {
        days.take(day, Holder::Payment);
        return not_sent(DeliveryState::Held, Reason::CustomerCreatedRejected);
    }
    let Some(holder) = days.holder(day) else {
        days.take(day, Holder::Payment);
        let due_at = end_of_wait(draft, sale, common).filter(|wait| *wait > now);
        let reason = due_at.map(|_| Reason::WaitingForReferralCode);
        return Turn { state: DeliveryState::Queued, reason, due_at: due_at.unwrap_or(now), day };
    };
    match (draft.policy.same_day_payments, holder) {
        (SameDayPayments::Hold, Holder::Payment) if !released => not_sent(DeliveryState::Held, Reason::SameDayPayment),
        (SameDayPayments::Hold, Holder::Status) if !released => not_sent(DeliveryState::Held, Reason::DayTakenByStatus),
        (SameDayPayments::Send, _) if !released => {
            Turn { state: DeliveryState::Queued, reason: None, due_at: now, day }
        }
        (SameDayPayments::Hold | SameDayPayments::NextFreeDay | SameDayPayments::Send, _) => {
            let Some(free) = days.first_free(day) else { return not_sent(DeliveryState::Held, Reason::SameDayPayment) };
            days.take(free, Holder::Payment);
            let due_at = start_of(free, &draft.policy.time_zone).max(now);
            let reason = (due_at > now).then_some(Reason::WaitingForFreeDay);
            Turn { state: DeliveryState::Queued, reason, due_at, day: free }
        }
    }
}

/// How long a subscription's first payment waits for the checkout session that may bring a code.
fn end_of_wait(draft: &Draft<'_>, sale: &Sale<'_>, common: &Common) -> Option<Timestamp> {
    let lead_made = common.lead.as_ref().is_some_and(|l| l.state.is_told());
    let may_come = sale.payment.awaits_checkout && !common.code_known && !lead_made;
    let mut of_scope = draft.facts(sale.mode).filter(|f| f.scope == sale.best.scope);
    let waits = may_come
        && !of_scope.any(|f| match &f.fact.matter {
            Matter::Customer(c) => c.checkout_of.is_some() && c.checkout_of == sale.payment.subscription,
            Matter::Payment(_) | Matter::Subscription(_) | Matter::Reversal(_) | Matter::Link(_) => false,
        });
    waits.then(|| draft.end_of_wait(&sale.subject, sale.first_received_at()))
}

/// Whether something happened since to a payment that Refairn has.
fn look_back(delivery: &mut Delivery, sale: &Sale<'_>, lead: Option<&Delivery>) {
    let finding = if sale.taken_back.amount.is_zero() {
        let late = lead.is_some_and(|lead| credited_nobody(delivery, lead));
        late.then(|| (Reason::ReferralCodeLate, format!("{} earned nobody a commission", sale.payment.charged_money())))
    } else {
        let receipt = delivery.receipt.as_ref();
        let commission = receipt.and_then(|r| r.commission_id.as_ref());
        let commission = commission.map_or_else(|| "its commission".to_owned(), |id| format!("commission {id}"));
        let hold = receipt.and_then(|r| r.hold_until.as_ref());
        let hold = hold.map_or_else(String::new, |day| format!(", on hold until {day}"));
        let (taken, paid) = (sale.taken_back.amount.normalize(), sale.payment.charged_money());
        Some((Reason::Reversed, format!("{taken} of {paid} was taken back; {commission}{hold}")))
    };
    flag(delivery, finding);
}

/// The customer's own call, with a code, came after the payment: too late for an agent to be credited.
fn credited_nobody(payment: &Delivery, lead: &Delivery) -> bool {
    let has_code = matches!(&lead.call, Call::CustomerCreated { code: Some(_), .. });
    // Without a receipt nobody knows who was credited: then it counts which call was taken first.
    let nobody = payment.receipt.as_ref().is_none_or(|r| r.agent_id.is_none());
    let later = match lead.state {
        DeliveryState::Delivered | DeliveryState::Duplicate => lead.taken_seq > payment.taken_seq,
        DeliveryState::Queued | DeliveryState::Sending => true,
        DeliveryState::Rejected
        | DeliveryState::Held
        | DeliveryState::Cancelled
        | DeliveryState::Superseded
        | DeliveryState::Discarded => false,
    };
    payment.state.is_told() && has_code && nobody && later
}
