//! How many are in which state, as the table `counts` has it. What nearly every event does is counted here, and written once
//! for all that is committed together. A trigger would cost more than the rows that it counts: SQLite has every page copied that
//! its statement changes, and PostgreSQL keeps all of these rows for it, as they were and as they are.

use std::borrow::Cow;

use super::quarter::Quarter;
use super::sums::{Sold, Sums};
use crate::domain::delivery::{Delivery, DeliveryState, Fate, Standing};
use crate::domain::event::EventState;
use crate::domain::mode::Mode;
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
    /// Payments of a quarter of an hour that Refairn does not have, and that stand alike.
    Paid(Mode, Standing, Quarter),
}

/// The kind of count that payments of a mode and a standing have.
pub(in crate::store) fn paid(mode: Mode, standing: Standing) -> String {
    format!("paid {} {}", mode.code(), standing.code())
}

impl Counted {
    /// The key of its row: the columns `what` and `state`.
    fn key(self) -> (Cow<'static, str>, Cow<'static, str>) {
        let (what, state) = match self {
            Self::Event(state) => ("events", state.code()),
            Self::Call(state) => ("deliveries", state.code()),
            Self::Fate(fate) => ("fates", fate.code()),
            Self::Attention(reason) => ("attention", reason.map_or("", DeliveryReason::code)),
            Self::Paid(mode, standing, Quarter(n)) => return (paid(mode, standing).into(), n.to_string().into()),
        };
        (what.into(), state.into())
    }

    /// All that a call counts for.
    pub(in crate::store) fn of(call: &Delivery) -> impl Iterator<Item = Self> {
        let attention = call.attention.then_some(Self::Attention(call.reason));
        let paid = call.standing().map(|standing| Self::Paid(call.mode, standing, Quarter::of(call.at)));
        [Some(Self::Call(call.state)), call.fate().map(Self::Fate), attention, paid].into_iter().flatten()
    }
}

/// What has changed, and is not written yet.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Counts {
    states: Vec<(Counted, i64)>,
    sums: Sums,
}

impl Counts {
    pub(in crate::store) fn add(&mut self, what: Counted, by: i64) {
        // A few states: to look through them is quicker than to hash one.
        match self.states.iter_mut().find(|(counted, _)| *counted == what) {
            Some((_, n)) => *n += by,
            None => self.states.push((what, by)),
        }
    }

    /// Adds a payment to what payments add up to, or takes it away.
    pub(in crate::store) fn add_up(&mut self, sold: Sold, is_there: bool) {
        self.sums.add(sold, is_there);
    }

    /// The rows that change: the columns `what` and `state`, and by how much.
    pub(in crate::store) fn rows(&self) -> impl Iterator<Item = (Cow<'static, str>, Cow<'static, str>, i64)> {
        let states = self.states.iter().filter(|(_, by)| *by != 0).map(|(counted, by)| {
            let (what, state) = counted.key();
            (what, state, *by)
        });
        states.chain(self.sums.rows().map(|(what, state, by)| (what, state.into(), by)))
    }
}
