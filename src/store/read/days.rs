//! How many payments of some times stand how: what the dashboard's chart shows. They are counted as they are written, by
//! the quarter of an hour in which they were paid.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::delivery::{Fate, Standing};
use crate::domain::mode::Mode;
use crate::store::counts::paid;
use crate::store::quarter::Quarter;
use crate::store::rows::unknown;
use crate::store::sql::{Dialect, Row, values};
use crate::store::sums::{self, Unit, stretches_between};
use crate::store::{Store, StoreError};

/// Times of one chart.
pub const TIMES_MAX: usize = 400;

/// How many payments of one time stand how. One that Refairn has counts by its fate, as in every list and sum, whether or not a
/// person has to see to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// An agent is credited.
    pub credited: i64,
    /// Refairn was told, and nobody is credited, or it is not known who.
    pub nobody: i64,
    /// They go out by themselves.
    pub on_its_way: i64,
    /// Refairn does not have them until a person decides: they are held, or were refused.
    pub undecided: i64,
}

impl Counts {
    /// All of them. Those that are not told, and rightly so, are not counted.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.credited + self.nobody + self.on_its_way + self.undecided
    }

    /// Adds those of another time.
    pub const fn add(&mut self, other: Self) {
        self.credited += other.credited;
        self.nobody += other.nobody;
        self.on_its_way += other.on_its_way;
        self.undecided += other.undecided;
    }
}

impl Store {
    /// How many payments of a mode were paid in each of these times, from the first moment on and before the second one. Each
    /// moment counts as the beginning of its quarter of an hour. What was paid before 1970 is in none. Of more than
    /// [`TIMES_MAX`] times the first ones are answered.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn payments_within(
        &self,
        times: &[(Timestamp, Timestamp)],
        mode: Mode,
    ) -> Result<Vec<Counts>, StoreError> {
        let quarter = |at: Timestamp| Quarter::of(at).0.clamp(0, Unit::END);
        let times = times.iter().take(TIMES_MAX).map(|(from, to)| [quarter(*from), quarter(*to)]);
        let times: Vec<[i64; 2]> = times.collect();
        let stretches = stretches_of(&times);
        let told: Vec<[String; 4]> = stretches.iter().flat_map(told_in).collect();
        let untold = stretches.iter().map(|[first, next]| [first.to_string(), (next - 1).to_string()]);
        let untold: Vec<[String; 2]> = untold.collect();
        let mut by_quarter: BTreeMap<i64, Counts> = BTreeMap::new();
        let values = values![serde_json::to_string(&told)?, serde_json::to_string(&untold)?];
        for (quarter, counts) in self.rows(counted_sql(self.dialect(), mode), values, counted).await? {
            by_quarter.entry(quarter).or_default().add(counts);
        }
        let sum = |[from, to]: [i64; 2]| {
            let mut sum = Counts::default();
            by_quarter.range(from..to.max(from)).for_each(|(_, counts)| sum.add(*counts));
            sum
        };
        Ok(times.into_iter().map(sum).collect())
    }
}

/// Payments that Refairn was told of, and that credited nobody or nobody knows whom, as a statement names them.
const NOBODY: &str = "nobody";

/// The statement that counts payments of stretches. One statement sees one moment: how many stand how, and how many of them
/// Refairn has, fit together. Its columns are what [`counted`] takes.
fn counted_sql(dialect: Dialect, mode: Mode) -> String {
    let (counts, changes) = dialect.counts();
    let [(sold, _), ..] = Unit::Quarter.kinds();
    let is_told =
        format!("k.state LIKE '{}' AND k.state NOT LIKE '{}'", sums::keys_of(mode), sums::keys_of_fate(mode, None));
    let credited = Fate::Credited.code();
    let told = format!(
        "CASE WHEN k.state LIKE '{}' THEN '{credited}' ELSE '{NOBODY}' END",
        sums::keys_of_fate(mode, Some(Fate::Credited))
    );
    let names =
        Standing::ALL.iter().map(|standing| format!("WHEN '{}' THEN '{}'", paid(mode, *standing), standing.code()));
    let untold = format!("CASE k.what {} END", names.collect::<Vec<_>>().join(" "));
    let kinds =
        Standing::ALL.iter().map(|standing| format!("'{}'", paid(mode, *standing))).collect::<Vec<_>>().join(", ");
    // They are read from their JSON once.
    let mut all = format!(
        "WITH s (first, what, start, next) AS MATERIALIZED ({}), t (first, last) AS MATERIALIZED ({}), c (first, stands, n) AS ({} UNION ALL {}",
        dialect.lists("?1", 4),
        dialect.pairs("?2"),
        dialect.for_each("s", [
            &format!("s.first, {told}, k.n"),
            &format!("{counts} k"),
            &format!("k.what = s.what AND k.state >= s.start AND k.state < s.next AND {is_told}"),
        ], None),
        dialect.for_each("t", [
            &format!("t.first, {untold}, k.n"),
            &format!("{counts} k"),
            // Keys of times before 1970 begin with another character than a digit.
            &format!(
                "k.what IN ({kinds}) AND k.state >= t.first AND k.state <= t.last AND length(k.state) = length(t.first) \
                 AND k.n <> 0"
            ),
        ], None),
    );
    if let Some(changes) = changes {
        all = format!(
            "{all} UNION ALL SELECT CASE k.what WHEN '{sold}' THEN substr(k.state, 1, 10) ELSE k.state END, \
             CASE k.what WHEN '{sold}' THEN {told} ELSE {untold} END, k.n FROM {changes} k \
             WHERE k.what IN ({kinds}) OR k.what = '{sold}' AND {is_told}"
        );
    }
    format!("{all}) SELECT first, stands, CAST(SUM(n) AS BIGINT) FROM c GROUP BY first, stands")
}

/// The stretches between any two moments at which times begin or end, each with its first quarter and the first one after it.
/// In each of them numbers have one length: as texts they are in the order that they have as numbers.
fn stretches_of(times: &[[i64; 2]]) -> Vec<[i64; 2]> {
    let mut ends: BTreeSet<i64> = times.iter().flatten().copied().collect();
    let (first, last) = (ends.first().copied().unwrap_or(0), ends.last().copied().unwrap_or(0));
    let longer = std::iter::successors(Some(10_i64), |power| power.checked_mul(10));
    ends.extend(longer.take_while(|power| *power < last).filter(|power| *power > first));
    ends.iter().zip(ends.iter().skip(1)).map(|(first, next)| [*first, *next]).collect()
}

/// Where the payments of a stretch are added up by their fate: its first quarter, the column `what`, and the first column
/// `state` and the first one after them.
fn told_in([first, next]: &[i64; 2]) -> Vec<[String; 4]> {
    let parts = stretches_between(*first, *next).into_iter();
    let keys = parts.map(|(unit, keys)| {
        let [(what, _), ..] = unit.kinds();
        // Keys of times before 1970 begin with another character than a digit.
        [first.to_string(), what.to_owned(), keys.start.max("0".to_owned()), keys.end]
    });
    keys.collect()
}

/// What was counted from a quarter on: how many payments stand in one way.
fn counted(row: &mut Row) -> Result<(i64, Counts), StoreError> {
    let (quarter, stands, n) = (row.text()?, row.text()?, row.int()?);
    let quarter = quarter.parse().map_err(|_| unknown("quarter of an hour", &quarter))?;
    let mut counts = Counts::default();
    let place = match stands.as_str() {
        NOBODY => &mut counts.nobody,
        stands if stands == Fate::Credited.code() => &mut counts.credited,
        stands if stands == Standing::OnItsWay.code() => &mut counts.on_its_way,
        stands if stands == Standing::Undecided.code() => &mut counts.undecided,
        other => return Err(unknown("standing", other)),
    };
    *place = n;
    Ok((quarter, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_asked_for_in_stretches_of_numbers_of_one_length() {
        let check = |times: &[[i64; 2]], expected: &[[i64; 2]]| {
            assert_eq!(stretches_of(times), expected, "{times:?}");
        };
        check(&[], &[]);
        check(&[[2000, 2000]], &[]);
        check(&[[2000, 2096], [2096, 2192]], &[[2000, 2096], [2096, 2192]]);
        // A day that is in a month, too.
        check(&[[2000, 2400], [2096, 2192]], &[[2000, 2096], [2096, 2192], [2192, 2400]]);
        check(&[[96, 1000]], &[[96, 100], [100, 1000]]);
        check(&[[0, 101]], &[[0, 10], [10, 100], [100, 101]]);
    }
}
