//! All that is known of one delivery, as the store keeps it and as everybody reads it.

use std::time::Duration;

use jiff::Timestamp;

use super::{Call, DeliveryId, DeliveryKey, DeliveryState, Fate, Receipt, Standing};
use crate::domain::event::EventId;
use crate::domain::mode::Mode;
use crate::domain::money::Money;
use crate::domain::reason::DeliveryReason;

/// Counts the attempts to make a customer's calls, and so orders them: 1, 2, 3 and on, no number twice, and gaps where a
/// call was given back. No clock has a say in it. It is the fencing token of a lease.
pub type Seq = i64;

/// The fields of a delivery. A [`super::Delivery`] shows them, and only its transitions write them. The store makes one of
/// a row of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Its number; nothing until the store has given it one.
    pub id: Option<DeliveryId>,
    /// The event that led to it. Another one may ask for the call as long as it is unsent.
    pub event: EventId,
    /// What it is about. It never changes.
    pub subject: DeliveryKey,
    /// Real money or not.
    pub mode: Mode,
    /// When what it tells became true, by the provider's clock; payments go out in this order. Of the customer's own call:
    /// when the referral code came into being, or 1970 where nobody knows.
    pub at: Timestamp,
    /// What is told. It stays as it is once an attempt may have reached Refairn.
    pub call: Call,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why it stands there; nothing where there is nothing to explain.
    pub reason: Option<DeliveryReason>,
    /// More for a person: how much was reversed, what Refairn said.
    pub detail: Option<String>,
    /// A person has to look at it; then there is a reason.
    pub attention: bool,
    /// An operator has let it go: on the next free day if its own is taken, and as it is if Refairn may have it.
    pub released: bool,
    /// An operator has seen what needed attention. A new finding takes it back.
    pub acknowledged: bool,
    /// When it may go out.
    pub due_at: Timestamp,
    /// When `due_at` was decided, by the same clock: it waits since then.
    pub waits_from: Timestamp,
    /// How often it was tried. A lease raises it, and a call that is given back lowers it again.
    pub attempts: u32,
    /// When it was first tried, for people to read: which call came first is told by `taken_seq`.
    pub first_attempt_at: Option<Timestamp>,
    /// The first attempt that Refairn may have taken; the one that it took, once it has said which.
    pub taken_seq: Option<Seq>,
    /// The last attempt, made or given back; nothing before the first lease. It only rises.
    pub last_seq: Option<Seq>,
    /// How long it has waited between its own attempts, by the waits that were chosen; an operator's word lets it count
    /// anew. A clock that jumps, a pause of its route and an outage in which others are tried add nothing.
    pub waited: Duration,
    /// An attempt ended without our knowing whether Refairn has it.
    pub outcome_unknown: bool,
    /// When Refairn's last word on it came; nothing as long as it has to be tried.
    pub settled_at: Option<Timestamp>,
    /// What Refairn answered; nothing unless it took the call from us.
    pub receipt: Option<Receipt>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl DeliveryRecord {
    /// What it tells, in a few words.
    #[must_use]
    pub fn what(&self) -> String {
        match (&self.call, &self.subject) {
            (Call::CustomerCreated { code: Some(code), .. }, _) => format!("customer, code {code}"),
            (Call::CustomerCreated { code: None, .. }, _) => "customer".to_owned(),
            (Call::PaymentSucceeded { status, day, .. }, DeliveryKey::Status(_)) => {
                format!("{day} now {}", status.code())
            }
            (
                Call::PaymentSucceeded { amount, currency, day, .. },
                DeliveryKey::Payment { .. } | DeliveryKey::Lead(_),
            ) => {
                format!("{day} {}", Money::new(*amount, *currency).in_full())
            }
        }
    }

    /// The commission that Refairn noted, with all its digits and its currency, which is the payment's.
    #[must_use]
    pub fn commission(&self) -> Option<String> {
        let text = self.receipt.as_ref()?.commission_amount.as_deref()?;
        let Call::PaymentSucceeded { currency, .. } = &self.call else { return Some(text.to_owned()) };
        let amount = text.parse().ok();
        Some(amount.map_or_else(|| format!("{text} {currency}"), |amount| Money::new(amount, *currency).in_full()))
    }

    /// It waits for a day to come or to be over, not for a span.
    #[must_use]
    pub const fn waits_for_its_day(&self) -> bool {
        matches!(self.reason, Some(DeliveryReason::WaitingForDayEnd | DeliveryReason::WaitingForFreeDay))
    }

    /// Refairn has it, or may have it, whatever became of it since. What is so does not change any more.
    #[must_use]
    pub const fn may_be_acknowledged(&self) -> bool {
        self.state.is_acknowledged() || matches!(self.state, DeliveryState::Sending) || self.outcome_unknown
    }

    /// Nothing of it has ever been sent: it may still be changed or withdrawn.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        self.state.is_unfinished() && !self.outcome_unknown
    }

    /// It was cancelled because no fact asked for it any more: if one does again, it is made.
    #[must_use]
    pub const fn was_withdrawn(&self) -> bool {
        matches!(self.state, DeliveryState::Cancelled)
            && matches!(self.reason, Some(DeliveryReason::Remapped | DeliveryReason::TestOfALiveCustomer))
    }

    /// What became of a payment; nothing of other calls, and of payments that Refairn does not have.
    #[must_use]
    pub fn fate(&self) -> Option<Fate> {
        if !matches!(self.subject, DeliveryKey::Payment { .. }) {
            return None;
        }
        let agent = self.receipt.as_ref().is_some_and(|r| r.agent_id.is_some());
        match self.state {
            DeliveryState::Delivered if agent => Some(Fate::Credited),
            DeliveryState::Delivered => Some(Fate::CreditedNobody),
            DeliveryState::Duplicate => Some(Fate::CreditUnknown),
            DeliveryState::Queued
            | DeliveryState::Sending
            | DeliveryState::Rejected
            | DeliveryState::Held
            | DeliveryState::Cancelled
            | DeliveryState::Superseded
            | DeliveryState::Discarded => None,
        }
    }

    /// How a payment stands that Refairn does not have; nothing of other calls.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        if !matches!(self.subject, DeliveryKey::Payment { .. }) || self.fate().is_some() {
            None
        } else if self.attention {
            Some(Standing::Undecided)
        } else {
            self.state.is_open().then_some(Standing::OnItsWay)
        }
    }
}

#[cfg(test)]
impl DeliveryRecord {
    /// A payment's call that was tried twice, waits for its turn and has the number `id`: tests change what they are about.
    pub(crate) fn sample(id: i64) -> Self {
        let at = Timestamp::UNIX_EPOCH;
        Self {
            id: Some(DeliveryId(id)),
            event: EventId(id),
            subject: DeliveryKey::Payment { scope: "stripe//live".into(), identity: format!("in_{id}") },
            mode: Mode::Live,
            at,
            call: Call::PaymentSucceeded {
                product: "prod_1".into(),
                email: crate::domain::email::Email::parse("jane@example.com").unwrap(),
                amount: 30.into(),
                currency: "usd".parse().unwrap(),
                status: crate::domain::status::Status::Active,
                day: jiff::civil::date(2026, 1, 10),
            },
            state: DeliveryState::Queued,
            reason: None,
            detail: None,
            attention: false,
            released: false,
            acknowledged: false,
            due_at: at,
            waits_from: at,
            attempts: 2,
            first_attempt_at: Some(at),
            taken_seq: Some(1),
            last_seq: Some(2),
            waited: Duration::ZERO,
            outcome_unknown: false,
            settled_at: None,
            receipt: None,
            created_at: at,
        }
    }
}

#[cfg(test)]
impl super::Delivery {
    /// The same delivery, with some fields as a test wants them.
    pub(crate) fn but(&self, change: impl FnOnce(&mut DeliveryRecord)) -> Self {
        let mut record = DeliveryRecord::clone(self);
        change(&mut record);
        Self::restore(record)
    }
}
