//! When the payments that are asked for were paid, as it was counted while they were written. A list of some that are rare
//! looks there, and not through all that was paid between them.

use std::collections::BTreeMap;

use crate::store::quarter::Quarter;
use crate::store::read::payments::PaymentFilter;
use crate::store::rows::time;
use crate::store::sql::{Row, values};
use crate::store::sums::{Alike, Unit};
use crate::store::{Store, StoreError};

/// Payments that a list walks through, rather than to look first where those are that are asked for.
const WALKED: i64 = 1000;

/// Payments of one time.
#[derive(Clone, Copy, Default)]
struct Paid {
    /// Those that are asked for.
    asked: i64,
    all: i64,
}

type ByTime = BTreeMap<i64, Paid>;

impl Store {
    /// The newest quarters of an hour in which so many payments were paid that a list asks for, each with its first microsecond
    /// and its last. Nothing where nobody knows, or where a walk finds them sooner.
    pub(in crate::store) async fn times_of(
        &self,
        filter: &PaymentFilter,
        limit: u32,
    ) -> Result<Option<Vec<[i64; 2]>>, StoreError> {
        let takes_any = filter.mode.is_none() && filter.fates.is_empty() && filter.business.is_none();
        if takes_any || filter.agent.is_some() || filter.code.is_some() {
            return Ok(None);
        }
        let before = match filter.after {
            None => filter.to,
            Some(after) => {
                let sql = "SELECT at FROM deliveries WHERE id >= ?1 AND id <= ?1 ORDER BY id LIMIT 1".to_owned();
                let Some(at) = self.rows(sql, values![after], Row::int).await?.pop() else { return Ok(None) };
                let at = time(at)?;
                Some(filter.to.map_or(at, |to| to.min(at)))
            }
        };
        // Of what was paid before 1970 only the whole is known.
        let from = filter.from.map_or(Some(0), |from| Some(Quarter::of(from).0).filter(|quarter| *quarter > 0));
        let to = before.map_or(Some(Unit::END), |to| Some(Quarter::of(to).0).filter(|quarter| *quarter > 0));
        let Some((from, to)) = from.zip(to) else { return Ok(None) };
        let days = self.paid_by(filter, Unit::Day, [Unit::Day.of(from), Unit::Day.of(to)]).await?;
        if days.values().map(|paid| paid.all).sum::<i64>() <= WALKED {
            return Ok(None);
        }
        // What is counted here may have changed when it is listed.
        let wanted = i64::from(limit) * 2;
        let Some(first) = newest(&days, Unit::Day.of(to), wanted) else { return Ok(Some(Vec::new())) };
        let first = from.max(Unit::Day.first_quarter(first));
        let quarters = self.paid_by(filter, Unit::Quarter, [first, to]).await?;
        if walk(&quarters, wanted).is_some_and(|walked| walked <= WALKED) {
            return Ok(None);
        }
        let Some(first) = newest(&quarters, to, wanted) else { return Ok(Some(Vec::new())) };
        let asked = quarters.range(first..).filter(|(_, paid)| paid.asked > 0);
        Ok(Some(asked.map(|(quarter, _)| Quarter(*quarter).micros()).collect()))
    }

    /// How many payments were paid in each of these times, from the first to the last, if there are any.
    async fn paid_by(&self, filter: &PaymentFilter, unit: Unit, [first, last]: [i64; 2]) -> Result<ByTime, StoreError> {
        let [(what, _), ..] = unit.kinds();
        let sql =
            format!("SELECT state, n FROM counts WHERE what = '{what}' AND state >= ?1 AND state < ?2 AND n <> 0");
        let keys = values![Unit::first_key(first), Unit::first_key(last + 1)];
        let mut by_time = ByTime::new();
        for (key, n) in self.rows(sql, keys, |row| Ok((row.text()?, row.int()?))).await? {
            let read = Alike::read(&key);
            let (number, alike) = read.ok_or_else(|| StoreError::Data(format!("a sum {key:?} cannot be read")))?;
            let paid = by_time.entry(number).or_default();
            paid.all += n;
            paid.asked += if filter.takes(&alike) { n } else { 0 };
        }
        Ok(by_time)
    }
}

/// The first of the newest times that have so many payments together. Of the time `cut`, which may be listed in part, none is
/// counted on.
fn newest(by_time: &ByTime, cut: i64, wanted: i64) -> Option<i64> {
    let (mut first, mut found) = (None, 0);
    for (time, paid) in by_time.iter().rev().filter(|(_, paid)| paid.asked > 0) {
        first = Some(*time);
        found += if *time == cut { 0 } else { paid.asked };
        if found >= wanted {
            break;
        }
    }
    first
}

/// How many payments a walk from the newest on passes until it has found so many, if those of each time are mixed evenly.
/// Nothing where there are not so many.
fn walk(by_time: &ByTime, wanted: i64) -> Option<i64> {
    let (mut passed, mut left) = (0, wanted);
    for paid in by_time.values().rev() {
        if paid.asked >= left {
            return Some(passed + paid.all.saturating_mul(left) / paid.asked);
        }
        passed += paid.all;
        left -= paid.asked;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_payments_are_looked_for_where_they_are_and_common_ones_by_a_walk() {
        let check = |by_time: &[(i64, i64, i64)], wanted: i64, expected: (Option<i64>, Option<i64>)| {
            let by_time: ByTime =
                by_time.iter().map(|(time, asked, all)| (*time, Paid { asked: *asked, all: *all })).collect();
            assert_eq!((walk(&by_time, wanted), newest(&by_time, 9, wanted)), expected, "{wanted}");
        };
        let burst = [(7, 3, 4), (8, 50_000, 60_000)];
        check(&burst, 100, (Some(120), Some(8)));
        check(&burst, 50_002, (Some(60_002), Some(7)));
        check(&burst, 50_004, (None, Some(7)));
        // Of a time that is listed in part nobody knows how many are left.
        check(&[(8, 10, 20), (9, 10, 20)], 10, (Some(20), Some(8)));
        check(&[(8, 0, 20), (9, 0, 20)], 10, (None, None));
        check(&[], 10, (None, None));
    }
}
