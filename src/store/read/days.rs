//! How many payments of some times stand how: what the dashboard's chart shows. They are counted as they are written, by
//! the quarter of an hour in which they were paid.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::delivery::Standing;
use crate::domain::mode::Mode;
use crate::store::counts::paid;
use crate::store::quarter::Quarter;
use crate::store::rows::unknown;
use crate::store::sql::{Row, values};
use crate::store::{Store, StoreError};

/// Times of one chart.
pub const TIMES_MAX: usize = 400;

/// How many payments of one time stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// An agent is credited.
    pub credited: i64,
    /// Refairn was told, and nobody is credited, or it is not known who.
    pub nobody: i64,
    /// They go out by themselves.
    pub on_its_way: i64,
    /// A person has to look at them.
    pub needs_you: i64,
}

impl Counts {
    /// All of them. Those that are not told, and rightly so, are not counted.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.credited + self.nobody + self.on_its_way + self.needs_you
    }

    /// So many that stand like this.
    pub(in crate::store) fn of(standing: Standing, n: i64) -> Self {
        let mut counts = Self::default();
        match standing {
            Standing::Credited => counts.credited = n,
            Standing::Nobody => counts.nobody = n,
            Standing::OnItsWay => counts.on_its_way = n,
            Standing::NeedsYou => counts.needs_you = n,
        }
        counts
    }

    /// Adds those of another time.
    pub const fn add(&mut self, other: Self) {
        self.credited += other.credited;
        self.nobody += other.nobody;
        self.on_its_way += other.on_its_way;
        self.needs_you += other.needs_you;
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
        let quarter = |at: Timestamp| Quarter::of(at).0.max(0);
        let times = times.iter().take(TIMES_MAX).map(|(from, to)| [quarter(*from), quarter(*to)]);
        let times: Vec<[i64; 2]> = times.collect();
        let (counts, changes) = self.dialect().counts();
        let kinds = Standing::ALL.iter().map(|standing| format!("'{}'", paid(mode, *standing))).collect::<Vec<_>>();
        let each = |column: &dyn Fn(&String) -> String| kinds.iter().map(column).collect::<Vec<_>>().join(", ");
        let sum = each(&|kind| {
            format!(
                "(SELECT CAST(SUM(k.n) AS BIGINT) FROM {counts} k WHERE k.what = {kind} AND k.state >= t.first \
                 AND k.state <= t.last AND length(k.state) = length(t.first) AND CAST(k.state AS BIGINT) >= 0)"
            )
        });
        let stretches = self.dialect().pairs("?1");
        // They are read from their JSON once, and not for each count.
        let mut sql = format!("WITH t (first, last) AS MATERIALIZED ({stretches}) SELECT t.first, {sum} FROM t");
        if let Some(changes) = changes {
            let (change, kinds) = (each(&|kind| format!("CASE what WHEN {kind} THEN n END")), kinds.join(", "));
            sql = format!("{sql} UNION ALL SELECT state, {change} FROM {changes} WHERE what IN ({kinds})");
        }
        let mut by_quarter: BTreeMap<i64, Counts> = BTreeMap::new();
        for (quarter, counts) in self.rows(sql, values![serde_json::to_string(&stretches_of(&times))?], counted).await?
        {
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

/// The stretches between any two moments at which times begin or end, each with its first quarter and its last. In each of
/// them numbers have one length: as texts they are in the order that they have as numbers.
fn stretches_of(times: &[[i64; 2]]) -> Vec<[String; 2]> {
    let mut ends: BTreeSet<i64> = times.iter().flatten().copied().collect();
    let (first, last) = (ends.first().copied().unwrap_or(0), ends.last().copied().unwrap_or(0));
    let longer = std::iter::successors(Some(10_i64), |power| power.checked_mul(10));
    ends.extend(longer.take_while(|power| *power < last).filter(|power| *power > first));
    ends.iter().zip(ends.iter().skip(1)).map(|(first, next)| [first.to_string(), (next - 1).to_string()]).collect()
}

/// What was counted from a quarter on.
fn counted(row: &mut Row) -> Result<(i64, Counts), StoreError> {
    let quarter = row.text()?;
    let quarter = quarter.parse().map_err(|_| unknown("quarter of an hour", &quarter))?;
    let mut counts = Counts::default();
    for standing in Standing::ALL {
        counts.add(Counts::of(*standing, row.int_option()?.unwrap_or(0)));
    }
    Ok((quarter, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_asked_for_in_stretches_of_numbers_of_one_length() {
        let check = |times: &[[i64; 2]], expected: &[[&str; 2]]| {
            assert_eq!(stretches_of(times), expected, "{times:?}");
        };
        check(&[], &[]);
        check(&[[2000, 2000]], &[]);
        check(&[[2000, 2096], [2096, 2192]], &[["2000", "2095"], ["2096", "2191"]]);
        // A day that is in a month, too.
        check(&[[2000, 2400], [2096, 2192]], &[["2000", "2095"], ["2096", "2191"], ["2192", "2399"]]);
        check(&[[96, 1000]], &[["96", "99"], ["100", "999"]]);
        check(&[[0, 101]], &[["0", "9"], ["10", "99"], ["100", "100"]]);
    }
}
