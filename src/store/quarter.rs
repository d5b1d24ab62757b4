//! Quarters of an hour: the times by which payments are counted.

use jiff::Timestamp;

/// Microseconds of the times by which payments are counted: a day begins with one of them in every time zone of today.
const QUARTER_MICROS: i64 = 15 * 60 * 1_000_000;

/// The number of a quarter of an hour, from 1970 on. Before that it is rounded towards 1970, as the databases divide: the first
/// one has two quarters of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Quarter(pub(in crate::store) i64);

impl Quarter {
    pub(in crate::store) fn of(at: Timestamp) -> Self {
        Self(at.as_microsecond() / QUARTER_MICROS)
    }

    /// Its first microsecond and its last.
    pub(in crate::store) const fn micros(self) -> [i64; 2] {
        let next_to_1970 = self.0 * QUARTER_MICROS;
        let first = if self.0 <= 0 { next_to_1970 - QUARTER_MICROS + 1 } else { next_to_1970 };
        let last = if self.0 >= 0 { next_to_1970 + QUARTER_MICROS - 1 } else { next_to_1970 };
        [first, last]
    }

    /// The one that begins at this moment.
    pub(in crate::store) fn beginning_at(at: Timestamp) -> Option<Self> {
        let is_whole = at.as_nanosecond() % (i128::from(QUARTER_MICROS) * 1000) == 0;
        is_whole.then(|| Self::of(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_has_all_times_of_its_number() {
        for n in [-97, -2, -1, 0, 1, 2, 97] {
            let [first, last] = Quarter(n).micros();
            let number = |micros: i64| Quarter::of(Timestamp::from_microsecond(micros).unwrap()).0;
            assert_eq!([first - 1, first, last, last + 1].map(number), [n - 1, n, n, n + 1]);
        }
    }
}
