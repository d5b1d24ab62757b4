//! Why a customer's payment credited whom it did, or nobody: one word of a closed list, by all that is known of the customer.
//! Pure: the caller brings the calls and the events.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::delivery::{Call, Delivery, DeliveryId, DeliveryKey, DeliveryState, Fate};
use super::event::{EventId, EventState};
use super::mode::Mode;
use super::reason::{DeliveryReason, EventReason};

/// What has to be said first when somebody asks about a customer. The order is that of the list: the first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CustomerVerdict {
    /// Nothing of this address or id ever came.
    NothingCame,
    /// It was a test.
    TestMode,
    /// It was below the endpoint's minimum.
    BelowMinimum,
    /// What was sold is not in the program.
    OutsideProgram,
    /// Nobody knows the customer's address yet.
    WaitsForAddress,
    /// Another payment or a status has the day.
    HeldForItsDay,
    /// It is held for another reason, which a person decides about.
    HeldForAPerson,
    /// Refairn refuses our key, business or product.
    RoutePaused,
    /// It goes out by itself.
    OnItsWay,
    /// Refairn refused the call, or could not be told of it.
    RefusedByRefairn,
    /// An operator, or another reading of its event, decided against it.
    NotSent,
    /// No referral code came.
    NoCode,
    /// The code came after the payment had been told.
    CodeLate,
    /// Refairn knows no agent by the code.
    CodeUnknown,
    /// The money went back.
    TakenBack,
    /// Refairn had the payment already, and did not say whom it credits.
    CreditUnknown,
    /// Refairn was told, and its program gives nothing for this payment.
    RateIsZero,
    /// An agent is credited.
    Credited,
    /// Events came, and none of them is a payment.
    NoPayment,
}

impl CustomerVerdict {
    /// Every verdict, in the order of the list.
    pub const ALL: &[Self] = &[
        Self::NothingCame,
        Self::TestMode,
        Self::BelowMinimum,
        Self::OutsideProgram,
        Self::WaitsForAddress,
        Self::HeldForItsDay,
        Self::HeldForAPerson,
        Self::RoutePaused,
        Self::OnItsWay,
        Self::RefusedByRefairn,
        Self::NotSent,
        Self::NoCode,
        Self::CodeLate,
        Self::CodeUnknown,
        Self::TakenBack,
        Self::CreditUnknown,
        Self::RateIsZero,
        Self::Credited,
        Self::NoPayment,
    ];

    /// A sentence, and what to do.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NothingCame => (
                "Nothing of this ever came.",
                "See whether webhooks were refused (refairn-bridge status), whether the customer paid under another address, and whether the provider's account is one of yours. If its webhook was lost: reconcile compares the month in which it was paid with the provider, and backfill fetches what is missing.",
            ),
            Self::TestMode => (
                "It was a test: no real money moved.",
                "Nothing to do. Tests go to the test product alone, if one is set.",
            ),
            Self::BelowMinimum => (
                "The payment was below the endpoint's minimum_amount.",
                "Lower minimum_amount and remap the event if it was a real sale.",
            ),
            Self::OutsideProgram => (
                "What was sold is not in the program.",
                "Add its price, product or plan to products and remap the event if it earns commission.",
            ),
            Self::WaitsForAddress => (
                "It waits for the customer's address.",
                "Give the customer an address at the provider, or the endpoint an api_key; it goes on by itself.",
            ),
            Self::HeldForItsDay => (
                "Held: something else has its day, and Refairn takes one payment per customer and day.",
                "Release it to send it dated on the next free day, or discard it.",
            ),
            Self::HeldForAPerson => ("Held until a person decides.", "Release it or discard it."),
            Self::RoutePaused => (
                "Refairn refuses our API key, business or product, so it waits.",
                "Set the right key and ids; sending goes on by itself.",
            ),
            Self::OnItsWay => ("On its way.", "Nothing to do: it goes out by itself."),
            Self::RefusedByRefairn => {
                ("Refairn refused it, or could not be told of it.", "Mend the cause, then retry it.")
            }
            Self::NotSent => ("It is not sent.", "Retry it if it should be."),
            Self::NoCode => (
                "Told, credited to nobody: no referral code came.",
                "See whether your checkout puts the code where it is looked for; credit the agent in Refairn if there was one.",
            ),
            Self::CodeLate => (
                "Told, credited to nobody: the referral code came too late.",
                "Credit the agent in Refairn's dashboard, then discard the warning.",
            ),
            Self::CodeUnknown => (
                "Told, credited to nobody: Refairn knows no agent by the code.",
                "Check the code with the agent, and credit the customer in Refairn's dashboard.",
            ),
            Self::TakenBack => (
                "The money went back, by a refund or a dispute.",
                "If somebody was credited, reverse the commission in Refairn's dashboard before its hold date.",
            ),
            Self::CreditUnknown => (
                "Refairn had this payment already, and did not say whom it credits.",
                "Look for the customer in Refairn's dashboard.",
            ),
            Self::RateIsZero => {
                ("Told, and Refairn's program gives nothing for it.", "See the product's rates in Refairn's dashboard.")
            }
            Self::Credited => ("An agent is credited.", "Nothing to do."),
            Self::NoPayment => (
                "Events came, and none of them is a payment.",
                "Nothing to do, unless something was paid: then reconcile compares that month with the provider, and backfill fetches what is missing.",
            ),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NothingCame => "nothing_came",
            Self::TestMode => "test_mode",
            Self::BelowMinimum => "below_minimum",
            Self::OutsideProgram => "outside_program",
            Self::WaitsForAddress => "waits_for_address",
            Self::HeldForItsDay => "held_for_its_day",
            Self::HeldForAPerson => "held_for_a_person",
            Self::RoutePaused => "route_paused",
            Self::OnItsWay => "on_its_way",
            Self::RefusedByRefairn => "refused_by_refairn",
            Self::NotSent => "not_sent",
            Self::NoCode => "no_code",
            Self::CodeLate => "code_late",
            Self::CodeUnknown => "code_unknown",
            Self::TakenBack => "taken_back",
            Self::CreditUnknown => "credit_unknown",
            Self::RateIsZero => "rate_is_zero",
            Self::Credited => "credited",
            Self::NoPayment => "no_payment",
        }
    }

    /// Whether the provider may have a payment that is not known here.
    #[must_use]
    pub const fn may_be_missed(self) -> bool {
        matches!(self, Self::NothingCame | Self::NoPayment)
    }

    /// One sentence for a person.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        self.words().0
    }

    /// What to do.
    #[must_use]
    pub const fn cure(self) -> &'static str {
        self.words().1
    }
}

/// What of an event counts.
#[derive(Debug, Clone, Copy)]
pub struct EventStand<'a> {
    /// The bridge's number of it, by which a judgement names it.
    pub id: EventId,
    /// Where it stands.
    pub state: EventState,
    /// Why it stands there; `None` of an event that needs no reason.
    pub reason: Option<EventReason>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The referral code that it brought.
    pub code: Option<&'a str>,
}

/// All that is known of a customer, or of an event that nobody has yet.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The calls.
    pub deliveries: &'a [&'a Delivery],
    /// The events, the first one first.
    pub events: &'a [EventStand<'a>],
    /// Products of paused routes.
    pub paused: &'a [&'a str],
    /// The payment that is asked about; without it the one that needs a person, else the newest.
    pub payment: Option<DeliveryId>,
}

/// A verdict, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: CustomerVerdict,
    /// The payment that it is about.
    pub payment: Option<DeliveryId>,
    /// The event that it is about, where there is no payment.
    pub event: Option<EventId>,
    /// What exactly.
    pub because: Option<String>,
    /// What comes by itself.
    pub next: Option<String>,
    /// The call that somebody has seen to: then nothing is left to do.
    pub seen: Option<DeliveryId>,
}

/// Judges a case.
#[must_use]
pub fn judge(case: &Case<'_>) -> Judgement {
    let Some(payment) = about(case) else { return by_events(case) };
    let (verdict, because) = of_payment(case, payment);
    let agent = lead(case, payment.mode).and_then(|lead| lead.receipt.as_ref()?.agent_id.clone());
    let next = agent.filter(|_| verdict == CustomerVerdict::CodeLate);
    let next = next.map(|agent| format!("further payments credit {agent} by themselves"));
    let because = because.or_else(|| payment.detail.clone());
    // That Refairn knows no agent by a code is told on the customer's own call.
    let about = lead(case, payment.mode).filter(|_| verdict == CustomerVerdict::CodeUnknown);
    let seen = std::iter::once(payment).chain(about).find(|call| call.acknowledged).and_then(|call| call.id);
    Judgement { verdict, payment: payment.id, event: None, because, next, seen }
}

/// The payment that a question is about.
fn about<'a>(case: &Case<'a>) -> Option<&'a Delivery> {
    let told_by_another =
        |d: &Delivery| d.state == DeliveryState::Superseded || d.state == DeliveryState::Cancelled && d.was_withdrawn();
    let mut payments = case.deliveries.iter().copied().filter(|d| d.subject.payment().is_some());
    if let Some(id) = case.payment {
        return payments.find(|d| d.id == Some(id));
    }
    let standing = payments.filter(|d| !told_by_another(d));
    standing.max_by_key(|d| (d.mode == Mode::Live, d.attention, d.at, d.id))
}

fn lead<'a>(case: &Case<'a>, mode: Mode) -> Option<&'a Delivery> {
    case.deliveries
        .iter()
        .copied()
        .find(|d| d.subject == DeliveryKey::Lead(mode) && d.state != DeliveryState::Cancelled)
}

fn of_payment(case: &Case<'_>, payment: &Delivery) -> (CustomerVerdict, Option<String>) {
    use CustomerVerdict as V;
    if payment.mode == Mode::Test {
        return (V::TestMode, None);
    }
    let for_its_day = || (V::HeldForItsDay, day_holder(case.deliveries, payment).map(holds_the_day));
    match (payment.state, payment.reason) {
        (DeliveryState::Held, Some(DeliveryReason::SameDayPayment | DeliveryReason::DayTakenByStatus))
        | (DeliveryState::Rejected, Some(DeliveryReason::DaySlotTaken)) => for_its_day(),
        (DeliveryState::Held, reason) => (V::HeldForAPerson, reason.map(|r| r.sentence().to_owned())),
        (DeliveryState::Queued | DeliveryState::Sending, reason) => {
            let paused = reason == Some(DeliveryReason::RoutePaused) || case.paused.contains(&payment.call.product());
            let verdict = if paused { V::RoutePaused } else { V::OnItsWay };
            (verdict, reason.map(|r| r.sentence().to_owned()))
        }
        (DeliveryState::Rejected, _) => (V::RefusedByRefairn, None),
        (DeliveryState::Cancelled, Some(DeliveryReason::ReversedBeforeSending)) => {
            (V::TakenBack, Some("it went back before Refairn was told, so no call was made".to_owned()))
        }
        (DeliveryState::Cancelled | DeliveryState::Superseded | DeliveryState::Discarded, reason) => {
            (V::NotSent, reason.map(|r| r.sentence().to_owned()))
        }
        (DeliveryState::Delivered | DeliveryState::Duplicate, reason) => match payment.fate() {
            Some(Fate::Credited) if reason == Some(DeliveryReason::Reversed) => (V::TakenBack, credit(payment)),
            Some(Fate::Credited) if gives_nothing(payment) => (V::RateIsZero, credit(payment)),
            Some(Fate::Credited) => (V::Credited, credit(payment)),
            Some(Fate::CreditUnknown) | None if reason == Some(DeliveryReason::Reversed) => (V::TakenBack, None),
            Some(Fate::CreditUnknown) | None => (V::CreditUnknown, None),
            Some(Fate::CreditedNobody) => nobody(case, payment),
        },
    }
}

/// Why a payment that Refairn has credited nobody.
fn nobody(case: &Case<'_>, payment: &Delivery) -> (CustomerVerdict, Option<String>) {
    use CustomerVerdict as V;
    let first = case.events.iter().find_map(|event| Some((event.code?, event.received_at)));
    let Some((code, came_at)) = first else { return (V::NoCode, None) };
    let lead = lead(case, payment.mode);
    let named = lead.is_some_and(|lead| lead.receipt.as_ref().is_some_and(|r| r.agent_id.is_some()));
    let told_after = lead.is_none_or(|lead| lead.taken_seq.is_none() || lead.taken_seq > payment.taken_seq);
    if payment.reason == Some(DeliveryReason::ReferralCodeLate) || told_after {
        let after = payment.settled_at.map(|told| came_at.duration_since(told)).filter(|after| after.is_positive());
        let after = after.map_or_else(String::new, |after| {
            let whole = jiff::SignedDuration::from_secs(after.as_secs());
            format!(", {whole:#} after the payment was told")
        });
        return (V::CodeLate, Some(format!("code {code} came {}{after}", minute(came_at))));
    }
    let code = format!("code {code} came {}", minute(came_at));
    (if named { V::RateIsZero } else { V::CodeUnknown }, Some(code))
}

/// A time to the minute.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn gives_nothing(payment: &Delivery) -> bool {
    let amount = payment.receipt.as_ref().and_then(|r| r.commission_amount.as_deref());
    amount.and_then(|text| text.parse::<Decimal>().ok()).is_some_and(|amount| amount.is_zero())
}

fn credit(payment: &Delivery) -> Option<String> {
    let receipt = payment.receipt.as_ref()?;
    let commission = match (&receipt.commission_id, payment.commission()) {
        (Some(id), Some(amount)) => Some(format!("commission {id} of {amount}")),
        (Some(id), None) => Some(format!("commission {id}")),
        (None, amount) => amount.map(|amount| format!("a commission of {amount}")),
    };
    let agent = receipt.agent_id.as_ref().map(|agent| format!("agent {agent}"));
    let hold = receipt.hold_until.as_ref().map(|day| format!("on hold until {day}"));
    let words: Vec<String> = [agent, commission, hold].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// The call that has the day of a held payment.
#[must_use]
pub fn day_holder<'a>(deliveries: &[&'a Delivery], held: &Delivery) -> Option<&'a Delivery> {
    let has_it = |d: &&Delivery| {
        let sent_or_to_be = d.may_be_acknowledged() || d.state == DeliveryState::Queued;
        d.id != held.id
            && sent_or_to_be
            && matches!(d.call, Call::PaymentSucceeded { .. })
            && d.call.day() == held.call.day()
    };
    deliveries.iter().copied().filter(has_it).max_by_key(|d| d.may_be_acknowledged())
}

fn holds_the_day(holder: &Delivery) -> String {
    let id = holder.id.map(|id| id.to_string()).unwrap_or_default();
    format!("{id} ({}) has the day", holder.what())
}

/// The verdict where there is no payment.
fn by_events(case: &Case<'_>) -> Judgement {
    use CustomerVerdict as V;
    let of = |event: &EventStand<'_>| match (event.state, event.reason) {
        (_, Some(EventReason::TestModeOff | EventReason::TestOfALiveCustomer)) => V::TestMode,
        (_, Some(EventReason::BelowMinimum)) => V::BelowMinimum,
        (_, Some(EventReason::ProductUnmapped | EventReason::NothingInProducts)) => V::OutsideProgram,
        (EventState::Waiting, Some(EventReason::CustomerUnknown)) => V::WaitsForAddress,
        (EventState::Received, _) => V::OnItsWay,
        (_, _) => V::NoPayment,
    };
    let first = case.events.iter().min_by_key(|event| (of(event), std::cmp::Reverse(event.id)));
    let verdict = first.map_or(V::NothingCame, of);
    let reason = first.and_then(|event| event.reason).map(|reason| reason.sentence().to_owned());
    Judgement { verdict, payment: None, event: first.map(|e| e.id), because: reason, next: None, seen: None }
}

#[cfg(test)]
mod tests;
