//! One call per payment, whichever events report it; one payment per day.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::days::{Days, Holder, start_of};
use super::others::Others;
use super::sales::Sale;
use super::statuses::Subscriptions;
use super::told::Told;
use super::{Draft, leads};
use crate::domain::customer::CODE_AFTER_PAYMENT_MAX;
use crate::domain::delivery::{
    Call, Delivery, DeliveryKey, DeliveryRecord, DeliveryState, DesiredDelivery, Fate, Intent,
};
use crate::domain::email::Email;
use crate::domain::mode::Mode;
use crate::domain::money::Money;
use crate::domain::policy::SameDayPayments;
use crate::domain::reason::DeliveryReason;
use crate::domain::status::Status;

/// A payment that is heard of later than that after it was made comes from an outage, in which each event has its own
/// delay.
const HEARD_LATE: SignedDuration = SignedDuration::from_mins(5);
/// How long a session waits for the invoice that is made after it.
const INVOICE_WAIT: Duration = Duration::from_secs(3600);
/// What all payments of a customer in one mode share.
struct Common {
    email: Option<Email>,
    /// The customer's own call.
    lead: Option<Delivery>,
    code_known: bool,
    /// When the customer's code came into being, where that is known.
    code_at: Option<Timestamp>,
}

impl Common {
    fn of(draft: &Draft<'_>, mode: Mode) -> Self {
        let code = leads::first_code(draft.customer, mode);
        Self {
            email: leads::email_and_name(draft, mode).map(|(email, _)| email),
            lead: draft.find(&DeliveryKey::Lead(mode)).cloned(),
            code_known: code.is_some(),
            code_at: code.and_then(|known| known.fact.code_at),
        }
    }

    /// The customer's own call was refused and nobody has dealt with it: a payment sent now would credit nobody.
    fn lead_failed(&self) -> bool {
        self.lead.as_ref().is_some_and(|l| matches!(l.state, DeliveryState::Rejected | DeliveryState::Held))
    }

    /// The payment was made before anybody referred the customer.
    fn was_before_the_code(&self, paid_at: Timestamp) -> bool {
        self.code_at.is_some_and(|code_at| code_at.duration_since(paid_at) > CODE_AFTER_PAYMENT_MAX)
    }

    /// Refairn knows the customer's agent, or may know it.
    fn lead_may_be_told(&self) -> bool {
        self.lead.as_ref().is_some_and(|d| d.may_be_acknowledged())
    }
}

pub(super) fn plan(draft: &mut Draft<'_>, sales: &[Sale<'_>], subscriptions: &Subscriptions<'_>) {
    let others = Others::of(draft.customer, sales);
    let mut days = Days::of_sent(draft.deliveries());
    let (live, test) = (Common::of(draft, Mode::Live), Common::of(draft, Mode::Test));
    let told = Told::of(&draft.customer.deliveries, sales);
    for sale in sales {
        let subject = settle_on_one(draft, sale);
        let Some(product) = sale.product() else { continue };
        let common = match sale.mode {
            Mode::Live => &live,
            Mode::Test => &test,
        };
        let old = draft.find(subject);
        let released = old.is_some_and(|d| d.released);
        match old {
            Some(told) if told.state.is_acknowledged() => look_back(draft, subject, sale, common),
            Some(old) if old.outcome_unknown && old.state.is_unfinished() => {
                if let Some(old) = draft.find_mut(subject) {
                    hold_what_was_taken_back(old, sale);
                }
            }
            Some(old) if !old.is_unsent() && !came_back(old, sale) => {}
            Some(_) | None => {
                let Some(email) = &common.email else { continue };
                let turn = turn(draft, &others, sale, common, released, &mut days);
                let status = subscriptions.with_payment(sale, &told);
                let wanted = wanted(draft, sale, product, email, turn, status);
                draft.put(DesiredDelivery { subject: subject.clone(), ..wanted });
                if was_heard_late(sale) && draft.find(subject).is_some_and(waits_for_a_code) {
                    draft.sessions_wanted.push(subject.clone());
                }
            }
        }
    }
}

/// The subject under which a sale is told: the one under which it was, or may have been, if so. Other calls of the sale
/// that wait would say the same, and go.
fn settle_on_one<'s>(draft: &mut Draft<'_>, sale: &'s Sale<'_>) -> &'s DeliveryKey {
    let subjects = || std::iter::once(&sale.subject).chain(&sale.aliases);
    if sale.aliases.is_empty() {
        return &sale.subject;
    }
    let is = |what: fn(&DeliveryRecord) -> bool| subjects().find(|s| draft.find(s).is_some_and(|d| what(d)));
    let told = is(|d| d.state.is_acknowledged());
    let kept = told.or_else(|| is(DeliveryRecord::may_be_acknowledged)).unwrap_or(&sale.subject);
    let kept_credits = draft.find(kept).and_then(|d| d.fate());
    let paid = sale.payment.charged_money();
    for other in subjects().filter(|s| *s != kept) {
        let Some(delivery) = draft.find_mut(other) else { continue };
        if delivery.state.is_acknowledged() {
            // Where one of the two credited nobody, there is one commission.
            let twice = ![kept_credits, delivery.fate()].contains(&Some(Fate::CreditedNobody));
            let finding =
                (DeliveryReason::ToldTwice, format!("the same payment of {paid} was told under another id, too"));
            delivery.flag(twice.then_some(finding));
        } else if delivery.may_be_acknowledged() {
            hold_a_second_telling(delivery, &paid);
        } else {
            delivery.give_way();
        }
    }
    kept
}

/// What may have been told under another id is not sent again by itself: it would be a second commission.
fn hold_a_second_telling(delivery: &mut Delivery, paid: &Money) {
    let waits = matches!(delivery.state, DeliveryState::Queued | DeliveryState::Rejected);
    if waits && !delivery.released {
        let detail =
            format!("the same payment of {paid} goes out under another id; how an attempt at this ended nobody knows");
        delivery.hold(DeliveryReason::ToldTwice, Some(detail));
    }
}

/// A payment that was wholly taken back after an attempt of which nobody knows how it ended is not sent again by itself.
fn hold_what_was_taken_back(delivery: &mut Delivery, sale: &Sale<'_>) {
    let held = delivery.reason == Some(DeliveryReason::ReversedOutcomeUnknown);
    if delivery.state == DeliveryState::Queued && sale.taken_back.full && !delivery.released {
        let detail = format!("{} was taken back", sale.payment.charged_money());
        delivery.hold(DeliveryReason::ReversedOutcomeUnknown, Some(detail));
    } else if held && delivery.state == DeliveryState::Held && !sale.taken_back.full {
        delivery.resume();
    }
}

/// A call that was cancelled because its payment was taken back, when that turned out not to last; or that gave way to
/// another id of its payment, when the first one is the better after all.
fn came_back(delivery: &Delivery, sale: &Sale<'_>) -> bool {
    let undone = delivery.reason == Some(DeliveryReason::ReversedBeforeSending) && !sale.taken_back.full;
    let gave_way =
        delivery.state == DeliveryState::Superseded && delivery.reason == Some(DeliveryReason::AlreadyReported);
    delivery.was_withdrawn() || gave_way || delivery.state == DeliveryState::Cancelled && undone
}

fn wanted(
    draft: &Draft<'_>,
    sale: &Sale<'_>,
    product: &str,
    email: &Email,
    turn: Turn,
    status: Status,
) -> DesiredDelivery {
    let own = sale.best.fact.email.as_ref().filter(|e| e.key() == draft.customer.key.email_key);
    let call = Call::PaymentSucceeded {
        product: product.to_owned(),
        email: own.unwrap_or(email).clone(),
        amount: sale.payment.amount.unwrap_or_default(),
        currency: sale.payment.currency,
        status,
        day: turn.day,
    };
    let foreign = turn.intent == Intent::Hold(DeliveryReason::ReversedInAnotherCurrency);
    let detail = foreign
        .then(|| format!("{} was taken back of a payment of {}", taken_back(sale), sale.payment.charged_money()));
    let (event, subject) = (sale.event(), sale.subject.clone());
    DesiredDelivery { event, subject, mode: sale.mode, at: sale.paid_at(), call, intent: turn.intent, detail }
}

/// Whether and when a payment may go out, and on which day it is dated.
struct Turn {
    intent: Intent,
    day: jiff::civil::Date,
}

/// Why a payment is not sent without a person's word, whatever its day.
fn hold(
    draft: &Draft<'_>,
    others: &Others<'_>,
    sale: &Sale<'_>,
    common: &Common,
    released: bool,
) -> Option<DeliveryReason> {
    if sale.payment.amount.is_none() {
        return Some(DeliveryReason::AmountUnknown);
    }
    if released {
        return None;
    }
    let told = |s: &Sale<'_>| {
        let subjects = || std::iter::once(&s.subject).chain(&s.aliases);
        subjects().any(|subject| draft.find(subject).is_some_and(|d| d.may_be_acknowledged()))
    };
    if !sale.taken_back.foreign.is_empty() {
        Some(DeliveryReason::ReversedInAnotherCurrency)
    } else if others.alike(sale).any(told) {
        Some(DeliveryReason::MayBeReportedAlready)
    } else if common.lead_may_be_told() && common.was_before_the_code(sale.paid_at()) {
        Some(DeliveryReason::PaidBeforeReferral)
    } else {
        None
    }
}

fn turn(
    draft: &Draft<'_>,
    others: &Others<'_>,
    sale: &Sale<'_>,
    common: &Common,
    released: bool,
    days: &mut Days,
) -> Turn {
    let (now, day) = (draft.now, sale.day());
    let held = |reason| Turn { intent: Intent::Hold(reason), day };
    if sale.taken_back.full {
        return Turn { intent: Intent::Cancel(DeliveryReason::ReversedBeforeSending), day };
    }
    if let Some(reason) = hold(draft, others, sale, common, released) {
        return held(reason);
    }
    if common.lead_failed() {
        days.take(day, Holder::Payment);
        return held(DeliveryReason::CustomerCreatedRejected);
    }
    let Some(holder) = days.holder(day) else {
        days.take(day, Holder::Payment);
        let wait = end_of_wait(draft, others, sale, common).filter(|(end, _)| *end > now);
        let (due_at, waits_for) = wait.map_or((now, None), |(end, reason)| (end, Some(reason)));
        return Turn { intent: Intent::Send { due_at, waits_for }, day };
    };
    match (draft.policy.same_day_payments, holder) {
        (SameDayPayments::Hold, Holder::Payment) if !released => held(DeliveryReason::SameDayPayment),
        (SameDayPayments::Hold, Holder::Status) if !released => held(DeliveryReason::DayTakenByStatus),
        (SameDayPayments::Send, _) if !released => Turn { intent: Intent::Send { due_at: now, waits_for: None }, day },
        (SameDayPayments::Hold | SameDayPayments::NextFreeDay | SameDayPayments::Send, _) => {
            let Some(free) = days.first_free(day) else { return held(DeliveryReason::SameDayPayment) };
            days.take(free, Holder::Payment);
            let due_at = start_of(free, &draft.policy.time_zone).max(now);
            let waits_for = (due_at > now).then_some(DeliveryReason::WaitingForFreeDay);
            Turn { intent: Intent::Send { due_at, waits_for }, day: free }
        }
    }
}

/// Until when a payment waits for what may still be on its way, and for what.
fn end_of_wait(
    draft: &Draft<'_>,
    others: &Others<'_>,
    sale: &Sale<'_>,
    common: &Common,
) -> Option<(Timestamp, DeliveryReason)> {
    if sale.awaits_invoice() {
        let end = draft.end_of_wait(&sale.subject, sale.first_received_at(), INVOICE_WAIT);
        return Some((end, DeliveryReason::WaitingForInvoice));
    }
    let lead_made = common.lead.as_ref().is_some_and(|l| l.state.is_acknowledged());
    let told_by_its_session = sale.payments().any(|p| !p.awaits_checkout);
    if told_by_its_session || common.code_known || lead_made || draft.policy.first_payment_wait.is_zero() {
        return None;
    }
    if others.has_session_of(sale) {
        return None;
    }
    let heard = sale.first_received_at();
    let wait = if was_heard_late(sale) {
        let as_late = Duration::try_from(lateness(sale)).unwrap_or_default();
        as_late.min(draft.policy.late_payment_wait_max).max(draft.policy.first_payment_wait)
    } else {
        draft.policy.first_payment_wait
    };
    Some((draft.end_of_wait(&sale.subject, heard, wait), DeliveryReason::WaitingForReferralCode))
}

/// How long after a payment was made the first event of it came in.
fn lateness(sale: &Sale<'_>) -> SignedDuration {
    sale.first_received_at().duration_since(sale.paid_at())
}

fn was_heard_late(sale: &Sale<'_>) -> bool {
    lateness(sale) > HEARD_LATE
}

fn waits_for_a_code(delivery: &Delivery) -> bool {
    delivery.state == DeliveryState::Queued && delivery.reason == Some(DeliveryReason::WaitingForReferralCode)
}

/// Whether something happened since to a payment that Refairn has.
fn look_back(draft: &mut Draft<'_>, subject: &DeliveryKey, sale: &Sale<'_>, common: &Common) {
    let Some(delivery) = draft.find(subject) else { return };
    if sale.taken_back.is_some() && delivery.fate() == Some(Fate::CreditedNobody) {
        // There is no commission that anybody could take back.
        let detail = told_and_taken_back(sale, delivery);
        if let Some(delivery) = draft.find_mut(subject) {
            delivery.note(DeliveryReason::ReversedNobodyCredited, detail);
        }
        return;
    }
    let finding = if sale.taken_back.is_some() {
        Some((DeliveryReason::Reversed, told_and_taken_back(sale, delivery)))
    } else {
        let late = common.lead.as_ref().is_some_and(|lead| credited_nobody(delivery, lead));
        let late = late && !common.was_before_the_code(sale.paid_at());
        late.then(|| {
            (DeliveryReason::ReferralCodeLate, format!("{} earned nobody a commission", sale.payment.charged_money()))
        })
    };
    if !delivery.is_flagged(finding.as_ref())
        && let Some(delivery) = draft.find_mut(subject)
    {
        delivery.flag(finding);
    }
}

/// How much went back, each amount in its own currency.
fn taken_back(sale: &Sale<'_>) -> String {
    let own = Some(sale.taken_back.amount.normalize().to_string()).filter(|_| !sale.taken_back.amount.is_zero());
    let foreign = sale.taken_back.foreign.iter().map(ToString::to_string);
    own.into_iter().chain(foreign).collect::<Vec<_>>().join(" and ")
}

/// How much went back, of what, and which commission that is about.
fn told_and_taken_back(sale: &Sale<'_>, delivery: &Delivery) -> String {
    let told = delivery.call.amount().filter(|told| *told != sale.payment.charged);
    let told = told.map_or_else(String::new, |told| format!(", of which Refairn was told {}", told.normalize()));
    let (taken, paid) = (taken_back(sale), sale.payment.charged_money());
    format!("{taken} of {paid}{told} was taken back{}", commission(delivery))
}

/// Which commission a payment earned, as far as Refairn said so.
fn commission(delivery: &Delivery) -> String {
    let receipt = delivery.receipt.as_ref();
    match delivery.fate() {
        Some(Fate::CreditedNobody) | None => String::new(),
        Some(Fate::CreditUnknown) => "; which commission that is, Refairn's dashboard shows".to_owned(),
        Some(Fate::Credited) => {
            let id = receipt.and_then(|r| r.commission_id.as_ref());
            let id = id.map_or_else(|| "its commission".to_owned(), |id| format!("commission {id}"));
            let hold = receipt.and_then(|r| r.hold_until.as_ref());
            let hold = hold.map_or_else(String::new, |day| format!(", on hold until {day}"));
            format!("; {id}{hold}")
        }
    }
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
    payment.state.is_acknowledged() && has_code && nobody && later
}
