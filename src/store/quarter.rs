//! Quarters of an hour: the times by which payments are counted.

use jiff::Timestamp;

/// Microseconds of the times by which payments are counted: a day begins with one of them in every time zone of today.
const QUARTER_MICROS: i64 = 15 * 60 * 1_000_000;

/// The number of a quarter of an hour, from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Quarter(pub(in crate::store) i64);

impl Quarter {
    pub(in crate::store) fn of(at: Timestamp) -> Self {
        Self(at.as_microsecond() / QUARTER_MICROS)
    }

    /// Its first microsecond and its last.
    pub(in crate::store) const fn micros(self) -> [i64; 2] {
        let first = self.0 * QUARTER_MICROS;
        [first, first + QUARTER_MICROS - 1]
    }

    /// The one that begins at this moment.
    pub(in crate::store) fn beginning_at(at: Timestamp) -> Option<Self> {
        let is_whole = at.as_nanosecond() % (i128::from(QUARTER_MICROS) * 1000) == 0;
        is_whole.then(|| Self::of(at))
    }
}
