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
#[cfg(any(test, feature = "crash-points"))]
use crate::store::{StoreError, sql::Row};

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

/// Events of a store that is counted anew at its end.
#[cfg(any(test, feature = "crash-points"))]
pub(in crate::store) const SMALL_STORE_EVENTS: i64 = 10_000;

/// What is counted and is not what the tables have, of a store of no more than `?1` events.
#[cfg(any(test, feature = "crash-points"))]
pub(in crate::store) const MISCOUNTED: &str = "SELECT what || ' ' || state || ' ' || n FROM (\
     SELECT * FROM (SELECT what, state, n FROM counts WHERE n <> 0 EXCEPT SELECT what, state, n FROM counted) a \
     UNION ALL SELECT * FROM (SELECT what, state, n FROM counted EXCEPT SELECT what, state, n FROM counts) b) c \
     WHERE (SELECT MAX(id) FROM events) <= ?1 LIMIT 20";

/// Ends the program over rows of [`MISCOUNTED`].
#[cfg(any(test, feature = "crash-points"))]
pub(in crate::store) fn distrust(miscounted: Vec<Row>) -> Result<(), StoreError> {
    let wrong: Vec<String> = miscounted.into_iter().map(|mut row| row.text()).collect::<Result<_, _>>()?;
    if !wrong.is_empty() {
        crate::crash::impossible(&format!("what is counted is not what there is: {}", wrong.join(", ")));
    }
    Ok(())
}
