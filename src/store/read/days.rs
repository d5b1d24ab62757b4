//! How many payments of some times stand how: what the dashboard's chart shows. They are counted as they are written, by
//! the quarter of an hour in which they were paid.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::delivery::Standing;
use crate::domain::mode::Mode;
use crate::store::counts::paid;
use crate::store::quarter::Quarter;
use crate::store::rows::unknown;
use crate::store::sql::values;
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

    fn of(standing: Standing, n: i64) -> Self {
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
    /// moment counts as the beginning of its quarter of an hour. Of more than [`TIMES_MAX`] times the first ones are answered.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn payments_within(
        &self,
        times: &[(Timestamp, Timestamp)],
        mode: Mode,
    ) -> Result<Vec<Counts>, StoreError> {
        let quarters = times.iter().take(TIMES_MAX).map(|(from, to)| [Quarter::of(*from).0, Quarter::of(*to).0]);
        let quarters: Vec<[i64; 2]> = quarters.collect();
        let (first, end) =
            quarters.iter().fold((i64::MAX, i64::MIN), |(first, end), [a, b]| (first.min(*a), end.max(*b)));
        let list = Standing::ALL.iter().map(|standing| format!("'{}'", paid(mode, *standing)));
        // Texts of one length are in order as their numbers are, and an index leads to them.
        let (first_text, end_text) = (first.to_string(), end.to_string());
        let is_in_order = first > 0 && first_text.len() == end_text.len();
        let near = if is_in_order { "AND state >= ?3 AND state < ?4" } else { "" };
        let sql = format!(
            "SELECT what, CAST(state AS BIGINT) AS quarter, n FROM counts WHERE what IN ({}) \
             AND CAST(state AS BIGINT) >= ?1 AND CAST(state AS BIGINT) < ?2 {near}",
            list.collect::<Vec<_>>().join(", ")
        );
        let mut values = values![first, end];
        if is_in_order {
            values.extend(values![first_text, end_text]);
        }
        let of_all = self.rows(sql, values, |row| Ok((row.text()?, row.int()?, row.int()?))).await?;
        let mut by_quarter: BTreeMap<i64, Counts> = BTreeMap::new();
        for (what, quarter, n) in of_all {
            let standing = Standing::ALL.iter().find(|standing| what == paid(mode, **standing));
            let standing = standing.ok_or_else(|| unknown("standing", &what))?;
            by_quarter.entry(quarter).or_default().add(Counts::of(*standing, n));
        }
        Ok(quarters
            .into_iter()
            .map(|[from, to]| {
                let mut sum = Counts::default();
                by_quarter.range(from..to.max(from)).for_each(|(_, counts)| sum.add(*counts));
                sum
            })
            .collect())
    }
}
