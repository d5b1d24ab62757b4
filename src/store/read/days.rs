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
        let keys = stretches.iter().map(|[first, next]| [first.to_string(), (next - 1).to_string()]);
        let keys: Vec<[String; 2]> = keys.collect();
        let mut by_quarter: BTreeMap<i64, Counts> = BTreeMap::new();
        let values = values![serde_json::to_string(&keys)?, serde_json::to_string(&told)?];
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

/// The statement that counts payments of stretches. One statement sees one moment: how many stand how, and how many of them
/// Refairn has, fit together. Its columns are a quarter, and what [`counted`] takes.
fn counted_sql(dialect: Dialect, mode: Mode) -> String {
    let (counts, changes) = dialect.counts();
    let of = |standing| format!("'{}'", paid(mode, standing));
    let on_its_way = of(Standing::OnItsWay);
    let others = [Standing::Credited, Standing::Nobody, Standing::NeedsYou].map(of).join(", ");
    let [(sold, _), ..] = Unit::Quarter.kinds();
    let (all, untold) = (sums::keys_of(mode), sums::keys_of_fate(mode, None));
    let is_told = format!("k.state LIKE '{all}' AND k.state NOT LIKE '{untold}'");
    let is_credited = format!("k.state LIKE '{}'", sums::keys_of_fate(mode, Some(Fate::Credited)));
    let paid = |kinds: &str| {
        format!(
            "(SELECT CAST(SUM(k.n) AS BIGINT) FROM {counts} k WHERE k.what IN ({kinds}) AND k.state >= t.first \
             AND k.state <= t.last AND length(k.state) = length(t.first) AND CAST(k.state AS BIGINT) >= 0)"
        )
    };
    let told = |condition: &str| {
        format!(
            "(SELECT CAST(SUM(k.n) AS BIGINT) FROM {counts} k WHERE k.what = s.what AND k.state >= s.start \
             AND k.state < s.next AND {condition})"
        )
    };
    let none = "CAST(NULL AS BIGINT)";
    // They are read from their JSON once, and not for each count.
    let mut sql = format!(
        "WITH t (first, last) AS MATERIALIZED ({}), s (first, what, start, next) AS MATERIALIZED ({}) \
         SELECT t.first, {}, {}, {none}, {none} FROM t UNION ALL SELECT s.first, {none}, {none}, {}, {} FROM s",
        dialect.pairs("?1"),
        dialect.lists("?2", 4),
        paid(&on_its_way),
        paid(&others),
        told(&is_credited),
        told(&is_told),
    );
    if let Some(changes) = changes {
        sql = format!(
            "{sql} UNION ALL SELECT k.state, CASE WHEN k.what = {on_its_way} THEN k.n END, \
             CASE WHEN k.what <> {on_its_way} THEN k.n END, {none}, {none} FROM {changes} k \
             WHERE k.what IN ({on_its_way}, {others}) \
             UNION ALL SELECT substr(k.state, 1, 10), {none}, {none}, CASE WHEN {is_credited} THEN k.n END, k.n \
             FROM {changes} k WHERE k.what = '{sold}' AND {is_told}"
        );
    }
    sql
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

/// What was counted from a quarter on: how many are on their way, how many stand otherwise, and of these how many are credited
/// and how many Refairn has.
fn counted(row: &mut Row) -> Result<(i64, Counts), StoreError> {
    let quarter = row.text()?;
    let quarter = quarter.parse().map_err(|_| unknown("quarter of an hour", &quarter))?;
    let mut number = || row.int_option().map(Option::unwrap_or_default);
    let (on_its_way, others, credited, told) = (number()?, number()?, number()?, number()?);
    Ok((quarter, Counts { credited, nobody: told - credited, on_its_way, undecided: others - told }))
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
