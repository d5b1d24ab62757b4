//! How many are in which state, as the table `counts` has it. In PostgreSQL triggers add it up. In SQLite a trigger has
//! every page copied that its statement changes, so that it can be undone: what nearly every event does is counted here,
//! and written once for all that is committed together.

use crate::domain::delivery::{Delivery, DeliveryState, Fate};
use crate::domain::event::EventState;
use crate::domain::reason::DeliveryReason;

/// Something that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Counted {
    /// Events of a state.
    Event(EventState),
    /// Calls of a state.
    Call(DeliveryState),
    /// Payments of a fate.
    Fate(Fate),
    /// Calls that need attention for a reason.
    Attention(Option<DeliveryReason>),
}

impl Counted {
    /// The key of its row: the columns `what` and `state`.
    pub(in crate::store) const fn key(self) -> (&'static str, &'static str) {
        match self {
            Self::Event(state) => ("events", state.code()),
            Self::Call(state) => ("deliveries", state.code()),
            Self::Fate(fate) => ("fates", fate.code()),
            Self::Attention(Some(reason)) => ("attention", reason.code()),
            Self::Attention(None) => ("attention", ""),
        }
    }

    /// All that a call counts for.
    pub(in crate::store) fn of(call: &Delivery) -> impl Iterator<Item = Self> {
        let attention = call.attention.then_some(Self::Attention(call.reason));
        [Some(Self::Call(call.state)), call.fate().map(Self::Fate), attention].into_iter().flatten()
    }
}

/// What has changed, and is not written yet.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Counts(Vec<(Counted, i64)>);

impl Counts {
    pub(in crate::store) fn add(&mut self, what: Counted, by: i64) {
        // A few states: to look through them is quicker than to hash one.
        match self.0.iter_mut().find(|(counted, _)| *counted == what) {
            Some((_, n)) => *n += by,
            None => self.0.push((what, by)),
        }
    }

    /// Each with its change.
    pub(in crate::store) fn iter(&self) -> impl Iterator<Item = (Counted, i64)> {
        self.0.iter().copied()
    }
}
