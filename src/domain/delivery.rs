//! A call to Refairn that is to be made, was made, or will not be made.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use super::call::{Call, Kind};
use super::event::EventId;
use super::mode::Mode;
use super::reason::Reason;

/// Our own number of a delivery; written `dlv_9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub i64);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dlv_{}", self.0)
    }
}

/// What a delivery tells, and about what: at most one delivery exists per subject and business.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The customer, once per mode.
    Lead(Mode),
    /// A payment, by its scope, and its identity within it.
    Payment {
        /// See [`scope`].
        scope: String,
        /// See [`super::fact::Payment::identity`].
        identity: String,
    },
    /// A change of status, by the event that reported it.
    Status(EventId),
}

/// The space within which a provider's ids are unique: a realm ([`super::endpoint::Endpoint::realm`]), the business,
/// the connected account, the mode.
#[must_use]
pub fn scope(realm: &str, business: &str, account: Option<&str>, mode: Mode) -> String {
    format!("{realm}/{business}/{}/{}", account.unwrap_or(""), mode.code())
}

impl Subject {
    /// A text that is unique among all subjects of a customer.
    #[must_use]
    pub fn key(&self, email_key: &str) -> String {
        match self {
            Self::Lead(mode) => format!("lead {} {email_key}", mode.code()),
            // A payment's key does not name the customer: whatever address later events carry, it is one payment.
            Self::Payment { scope, identity } => format!("payment {scope} {identity}"),
            Self::Status(event) => format!("status {event}"),
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It goes out when it is due and its customer's turn.
    Queued,
    /// It is on its way under a lease.
    Sending,
    /// Refairn has it.
    Delivered,
    /// Refairn had it already.
    Duplicate,
    /// Refairn refused it, or we gave up; needs attention.
    Rejected,
    /// It is not sent without an operator's word; needs attention.
    Held,
    /// It is not to be sent: what it would tell was undone first.
    Cancelled,
    /// It is not to be sent: another call tells it.
    Superseded,
    /// An operator dropped it.
    Discarded,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: &[Self] = &[
        Self::Queued,
        Self::Sending,
        Self::Delivered,
        Self::Duplicate,
        Self::Rejected,
        Self::Held,
        Self::Cancelled,
        Self::Superseded,
        Self::Discarded,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Held => "held",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Discarded => "discarded",
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.code() == code)
    }

    /// It is still to be sent.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sending)
    }

    /// It is to be sent, or may yet be.
    #[must_use]
    pub const fn is_unfinished(self) -> bool {
        matches!(self, Self::Queued | Self::Held)
    }

    /// Refairn has it.
    #[must_use]
    pub const fn is_told(self) -> bool {
        matches!(self, Self::Delivered | Self::Duplicate)
    }
}

/// What became of a payment that Refairn has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// An agent is credited.
    Credited,
    /// Refairn named no agent.
    CreditedNobody,
    /// Refairn had it before, and did not say whom it credits.
    CreditUnknown,
}

impl Fate {
    /// Every fate.
    pub const ALL: &[Self] = &[Self::Credited, Self::CreditedNobody, Self::CreditUnknown];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Credited => "credited",
            Self::CreditedNobody => "credited_nobody",
            Self::CreditUnknown => "credit_unknown",
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.code() == code)
    }
}

/// What Refairn answered to a call that succeeded; amounts as it wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The lead that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_id: Option<String>,
    /// The commission that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_id: Option<String>,
    /// The agent who is credited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The commission, in the payment's currency, as Refairn wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_amount: Option<String>,
    /// `pending` at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_status: Option<String>,
    /// The day after which the commission is approved, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number; nothing until the store has given it one.
    pub id: Option<DeliveryId>,
    /// The event that led to it.
    pub event: EventId,
    /// What it is about.
    pub subject: Subject,
    /// Real money or not.
    pub mode: Mode,
    /// When what it tells became true, by the provider's clock; payments go out in this order. Of the customer's own call:
    /// when the referral code came into being, or 1970 where nobody knows.
    pub at: Timestamp,
    /// What is told.
    pub call: Call,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why.
    pub reason: Option<Reason>,
    /// More for a person: how much was reversed, what Refairn said.
    pub detail: Option<String>,
    /// Someone should look at it.
    pub attention: bool,
    /// An operator has let it go: on the next free day if its own is taken, and as it is if Refairn may have it.
    pub released: bool,
    /// An operator has seen what needed attention.
    pub acknowledged: bool,
    /// When it may go out.
    pub due_at: Timestamp,
    /// When that was decided, by the same clock: since then it waits.
    pub waits_from: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first tried, for people to read: which call came first is told by `taken_seq`.
    pub first_attempt_at: Option<Timestamp>,
    /// The first attempt that Refairn may have taken; the one that it took, once it has said which.
    pub taken_seq: Option<Seq>,
    /// The last attempt, made or given back.
    pub last_seq: Option<Seq>,
    /// How long it has waited between its own attempts, by the waits that were chosen; an operator's word lets it count
    /// anew. A clock that jumps, a pause of its route and an outage in which others are tried add nothing.
    pub waited: Duration,
    /// An attempt ended without our knowing whether Refairn has it.
    pub outcome_unknown: bool,
    /// When Refairn's last word on it came.
    pub settled_at: Option<Timestamp>,
    /// What Refairn answered.
    pub receipt: Option<Receipt>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Counts the attempts to make a customer's calls, and so orders them: 1, 2, 3 and on, no number twice, and gaps where a
/// call was given back. No clock has a say in it.
pub type Seq = i64;

impl Delivery {
    /// A lease is taken to make this attempt.
    pub fn begin_attempt(&mut self, seq: Seq, now: Timestamp) {
        if self.state == DeliveryState::Sending {
            // It was leased before and never settled.
            self.lose_sight();
        }
        self.state = DeliveryState::Sending;
        self.attempts = self.attempts.saturating_add(1);
        self.first_attempt_at = self.first_attempt_at.or(Some(now));
        self.taken_seq = self.taken_seq.or(Some(seq));
        self.last_seq = Some(seq);
    }

    /// Nobody knows whether Refairn has it. From now on its body stays as it is; a person's word of before, that let it go,
    /// was about something else.
    pub const fn lose_sight(&mut self) {
        self.released &= self.outcome_unknown;
        self.outcome_unknown = true;
    }

    /// The attempt was never made. Its number stays taken: a number is never given twice.
    pub fn forget_attempt(&mut self) {
        self.state = DeliveryState::Queued;
        self.attempts = self.attempts.saturating_sub(1);
        self.first_attempt_at = self.first_attempt_at.filter(|_| self.attempts > 0);
        self.taken_seq = self.taken_seq.filter(|taken| Some(*taken) != self.last_seq);
    }

    /// It may go out at `due_at`, as is decided now.
    pub fn wait_until(&mut self, due_at: Timestamp, now: Timestamp) {
        if self.due_at != due_at {
            self.due_at = due_at;
            self.waits_from = now;
        }
    }

    /// It waits for a day to come or to be over, not for a span.
    #[must_use]
    pub const fn waits_for_its_day(&self) -> bool {
        matches!(self.reason, Some(Reason::WaitingForDayEnd | Reason::WaitingForFreeDay))
    }

    /// It has left the house, or may have: Refairn has it, or nobody knows, whatever became of it since.
    #[must_use]
    pub const fn may_be_told(&self) -> bool {
        self.state.is_told() || matches!(self.state, DeliveryState::Sending) || self.outcome_unknown
    }

    /// What became of a payment; nothing of other calls, and of payments that Refairn does not have.
    #[must_use]
    pub fn fate(&self) -> Option<Fate> {
        if !matches!(self.subject, Subject::Payment { .. }) {
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

    /// Nothing of it has ever left the house: it may still be changed or withdrawn.
    #[must_use]
    pub const fn is_unsent(&self) -> bool {
        match self.state {
            DeliveryState::Queued | DeliveryState::Held => !self.outcome_unknown,
            DeliveryState::Sending
            | DeliveryState::Delivered
            | DeliveryState::Duplicate
            | DeliveryState::Rejected
            | DeliveryState::Cancelled
            | DeliveryState::Superseded
            | DeliveryState::Discarded => false,
        }
    }
}
