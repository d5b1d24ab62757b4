//! A backfill: a provider's lists, read for what was missed while nobody listened. What it lists is held apart until a
//! person has seen what would be told.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::money::Currency;
use super::reason::DeliveryReason;

/// Our own number of a backfill; written `bkf_3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackfillId(pub i64);

impl fmt::Display for BackfillId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bkf_{}", self.0)
    }
}

/// What a provider's lists are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// What was missed becomes events, once a person has said so.
    Record,
    /// It is only compared with what we have: a reconciliation.
    Compare,
}

impl Purpose {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Compare => "compare",
        }
    }

    /// How the id of one for this purpose is written: `bkf_3`, or `rec_3`.
    #[must_use]
    pub fn written(self, id: BackfillId) -> String {
        match self {
            Self::Record => id.to_string(),
            Self::Compare => format!("rec_{}", id.0),
        }
    }

    /// The code of a state of one for this purpose.
    #[must_use]
    pub const fn code_of(self, state: BackfillState) -> &'static str {
        match (self, state) {
            (Self::Compare, BackfillState::Weighing) => "comparing",
            (Self::Record | Self::Compare, state) => state.code(),
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        [Self::Record, Self::Compare].into_iter().find(|purpose| purpose.code() == code)
    }
}

/// How far a backfill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackfillState {
    /// The provider's lists are read.
    Listing,
    /// What was listed is tried out: what it would come to, or how it compares.
    Weighing,
    /// A person has to say whether it is recorded.
    Ready,
    /// What was listed becomes events.
    Recording,
    /// All of it is recorded, or compared.
    Done,
    /// Nothing of it is recorded: nobody wanted it, or nobody answered.
    Discarded,
    /// The lists could not be read to their end. Nothing of it is recorded.
    Failed,
}

impl BackfillState {
    /// Every state.
    pub const ALL: &[Self] =
        &[Self::Listing, Self::Weighing, Self::Ready, Self::Recording, Self::Done, Self::Discarded, Self::Failed];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Weighing => "weighing",
            Self::Ready => "ready",
            Self::Recording => "recording",
            Self::Done => "done",
            Self::Discarded => "discarded",
            Self::Failed => "failed",
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.code() == code)
    }

    /// Nothing more comes of it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Listing | Self::Weighing | Self::Ready | Self::Recording => false,
            Self::Done | Self::Discarded | Self::Failed => true,
        }
    }
}

/// Where what was listed has its place: what it is recorded after, and before.
///
/// What was taken back comes before what was paid: a payment that is known to be taken back is never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Customers, their referral codes, and what ties ids together.
    Customers,
    /// What was taken back.
    Reversals,
    /// Payments, those that were paid first.
    Payments,
    /// How subscriptions stand.
    Statuses,
}

impl Stage {
    /// Every stage, in its order.
    pub const ALL: &[Self] = &[Self::Customers, Self::Reversals, Self::Payments, Self::Statuses];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Reversals => "reversals",
            Self::Payments => "payments",
            Self::Statuses => "statuses",
        }
    }

    /// The stage that has its place there.
    #[must_use]
    pub fn at(place: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.place() == place)
    }

    /// Its place, from 0.
    #[must_use]
    pub const fn place(self) -> i64 {
        match self {
            Self::Customers => 0,
            Self::Reversals => 1,
            Self::Payments => 2,
            Self::Statuses => 3,
        }
    }
}

/// What a call of a backfill is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// A payment.
    Payment,
    /// A customer with a referral code.
    Customer,
    /// A change of status.
    Status,
}

impl CallKind {
    /// So many of them, in words.
    #[must_use]
    pub fn counted(self, n: u64) -> String {
        let (one, many) = match self {
            Self::Payment => ("payment", "payments"),
            Self::Customer => ("customer with a code", "customers with a code"),
            Self::Status => ("change of status", "changes of status"),
        };
        format!("{n} {}", if n == 1 { one } else { many })
    }
}

/// What would become of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallFate {
    /// Refairn would be told.
    Told,
    /// A person would have to release it.
    Held,
    /// Refairn would not be told.
    NotTold,
    /// A call that is there already would change, or need attention.
    Changed,
}

impl CallFate {
    /// Every fate, in the order in which people read them.
    pub const ALL: &[Self] = &[Self::Told, Self::Held, Self::NotTold, Self::Changed];

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Told => "would be told",
            Self::Held => "would be held",
            Self::NotTold => "not told",
            Self::Changed => "would change",
        }
    }
}

/// Calls that a backfill would lead to, and that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillCall {
    /// What it is about.
    pub kind: CallKind,
    /// What would become of it.
    pub fate: CallFate,
    /// The code of the reason. `None` when there is none.
    pub reason: Option<String>,
    /// The currency of payments.
    pub currency: Option<Currency>,
    /// What payments add up to, standard units. `None` when that is longer than 28 digits.
    #[serde(default, with = "rust_decimal::serde::str_option", skip_serializing_if = "Option::is_none")]
    pub amount: Option<Decimal>,
    /// How many there are.
    pub count: u64,
}

/// What a backfill would come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillSummary {
    /// Calls of one kind, fate, reason and currency.
    pub calls: Vec<BackfillCall>,
    /// Events of one stage that report something new, something known, or nothing.
    pub events: Vec<EventSum>,
}

impl BackfillCall {
    /// Why, in a sentence; nothing where there is nothing to explain.
    #[must_use]
    pub fn why(&self) -> Option<&'static str> {
        self.reason.as_deref()?.parse::<DeliveryReason>().ok().map(DeliveryReason::sentence)
    }
}

/// Events that come to the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSum {
    /// `customers`, `reversals`, `payments` or `statuses`.
    pub stage: String,
    /// The code of the state they would be in.
    pub state: String,
    /// The code of the reason. `None` when the state needs none.
    pub reason: Option<String>,
    /// How many there are.
    pub count: u64,
}

impl BackfillSummary {
    /// Adds an event of this stage that would be in this state.
    pub fn add_event(&mut self, stage: Stage, state: &str, reason: Option<&str>) {
        let (stage, state, reason) = (stage.code().to_owned(), state.to_owned(), reason.map(str::to_owned));
        self.add_events(EventSum { stage, state, reason, count: 1 });
    }

    /// Adds events to those that are alike.
    fn add_events(&mut self, more: EventSum) {
        let is_alike =
            |sum: &&mut EventSum| (&sum.stage, &sum.state, &sum.reason) == (&more.stage, &more.state, &more.reason);
        match self.events.iter_mut().find(is_alike) {
            Some(sum) => sum.count += more.count,
            None => self.events.push(more),
        }
    }

    /// Adds calls to those that are alike.
    pub fn add_call(&mut self, call: BackfillCall) {
        let is_alike = |sum: &&mut BackfillCall| {
            (sum.kind, sum.fate, &sum.reason, sum.currency) == (call.kind, call.fate, &call.reason, call.currency)
        };
        match self.calls.iter_mut().find(is_alike) {
            Some(sum) => {
                sum.count += call.count;
                sum.amount = sum.amount.zip(call.amount).and_then(|(sum, more)| sum.checked_add(more));
            }
            None => self.calls.push(call),
        }
    }

    /// Adds what another part comes to.
    pub fn add(&mut self, other: Self) {
        other.calls.into_iter().for_each(|call| self.add_call(call));
        other.events.into_iter().for_each(|more| self.add_events(more));
    }

    /// The same in the order in which people read it, whichever part was added first.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.calls.sort_by(|a, b| {
            let key = |call: &BackfillCall| (call.fate, call.kind, call.reason.clone(), call.currency);
            key(a).cmp(&key(b))
        });
        self.events.sort_by(|a, b| {
            let stage = |sum: &EventSum| Stage::ALL.iter().position(|stage| stage.code() == sum.stage);
            (stage(a), &a.state, &a.reason).cmp(&(stage(b), &b.state, &b.reason))
        });
        self
    }

    /// Whether a payment would be told: then its date may be old.
    #[must_use]
    pub fn tells_payments(&self) -> bool {
        self.calls.iter().any(|calls| (calls.fate, calls.kind) == (CallFate::Told, CallKind::Payment))
    }

    /// Whether anything would be told, held, or another than it is.
    #[must_use]
    pub fn changes_something(&self) -> bool {
        self.calls.iter().any(|calls| calls.fate != CallFate::NotTold)
    }
}
