//! Payments a day, by how they stand: what the dashboard's chart shows. An index has all of it, so no row is read.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::domain::delivery::{DeliveryState, Fate};
use crate::domain::mode::Mode;
use crate::store::rows::micros;
use crate::store::sql::{IS_PAYMENT, Row, values};
use crate::store::{Store, StoreError};

/// The days of a chart.
pub const DAYS_MAX: i64 = 400;
/// A day whose clock is not set, microseconds.
const DAY_US: i64 = 86_400_000_000;

/// How many payments of one day stand how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DayCounts {
    /// An agent is credited.
    pub credited: i64,
    /// Refairn was told, and nobody is credited, or it is not known who.
    pub nobody: i64,
    /// They go out by themselves.
    pub on_its_way: i64,
    /// A person has to look at them.
    pub needs_you: i64,
}

impl DayCounts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> i64 {
        self.credited + self.nobody + self.on_its_way + self.needs_you
    }

    /// Adds those of another time.
    pub const fn add(&mut self, other: Self) {
        self.credited += other.credited;
        self.nobody += other.nobody;
        self.on_its_way += other.on_its_way;
        self.needs_you += other.needs_you;
    }

    /// Counts `n` payments that stand alike. Those that are not told, and rightly so, are not counted.
    const fn count(&mut self, fate: Option<Fate>, state: DeliveryState, attention: bool, n: i64) {
        match (attention, fate, state) {
            (true, _, _) | (false, None, DeliveryState::Held | DeliveryState::Rejected) => self.needs_you += n,
            (false, Some(Fate::Credited), _) => self.credited += n,
            (false, Some(Fate::CreditedNobody | Fate::CreditUnknown), _) => self.nobody += n,
            (false, None, DeliveryState::Queued | DeliveryState::Sending) => self.on_its_way += n,
            (
                false,
                None,
                DeliveryState::Delivered
                | DeliveryState::Duplicate
                | DeliveryState::Cancelled
                | DeliveryState::Superseded
                | DeliveryState::Discarded,
            ) => {}
        }
    }
}

impl Store {
    /// Payments of a mode that were paid from one day to another, both included, by the days of `zone`. Days without any
    /// are left out, and of more than [`DAYS_MAX`] days the last ones are looked at.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn payments_by_day(
        &self,
        zone: &TimeZone,
        from: Date,
        to: Date,
        mode: Mode,
    ) -> Result<BTreeMap<Date, DayCounts>, StoreError> {
        let from = from.max(to.checked_sub((DAYS_MAX - 1).days()).unwrap_or(from));
        let start = |day: Date| day.to_zoned(zone.clone()).map(|start| start.timestamp()).ok();
        let (Some(begin), Some(end)) = (start(from), to.tomorrow().ok().and_then(start)) else {
            return Ok(BTreeMap::new());
        };
        let sql = format!(
            "SELECT (at + ?3) / {DAY_US}, fate, state, attention, COUNT(*) FROM deliveries \
             WHERE at >= ?1 AND at < ?2 AND mode = ?4 AND {IS_PAYMENT} GROUP BY 1, 2, 3, 4"
        );
        let parts = alike(zone, begin, end).into_iter().map(|(begin, end, offset_us)| {
            self.rows(sql.clone(), values![micros(begin), micros(end), offset_us, mode.code()], counted)
        });
        let mut days: BTreeMap<Date, DayCounts> = BTreeMap::new();
        for (day, counts) in try_join_all(parts).await?.into_iter().flatten() {
            days.entry(day).or_default().add(counts);
        }
        Ok(days)
    }
}

/// The parts of a time in which the zone's clock is not set, and how far it is ahead of UTC in each, microseconds.
fn alike(zone: &TimeZone, begin: Timestamp, end: Timestamp) -> Vec<(Timestamp, Timestamp, i64)> {
    let set = zone.following(begin).map(|set| set.timestamp()).take_while(|at| *at < end);
    let mut edges = vec![begin];
    edges.extend(set.take(usize::try_from(DAYS_MAX).unwrap_or_default()));
    let ends = edges.iter().skip(1).copied().chain(std::iter::once(end)).collect::<Vec<_>>();
    let offset_us = |at: Timestamp| i64::from(zone.to_offset(at).seconds()) * 1_000_000;
    edges.iter().zip(ends).map(|(begin, end)| (*begin, end, offset_us(*begin))).collect()
}

fn counted(row: &mut Row) -> Result<(Date, DayCounts), StoreError> {
    let wrong = |what: &str| StoreError::Data(format!("a payment's {what} cannot be read"));
    let day = row.int()?;
    let day = Date::new(1970, 1, 1).ok().and_then(|first| first.checked_add(day.days()).ok());
    let fate = row.text_option()?.and_then(|code| Fate::parse(&code));
    let state = DeliveryState::parse(&row.text()?).ok_or_else(|| wrong("state"))?;
    let mut counts = DayCounts::default();
    counts.count(fate, state, row.flag()?, row.int()?);
    Ok((day.ok_or_else(|| wrong("day"))?, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_cut_where_the_clock_is_set() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let parts = alike(&zone, at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"));
        let set = at("2026-10-25T01:00:00Z");
        assert_eq!(
            parts,
            [(at("2026-10-01T00:00:00Z"), set, 7_200_000_000), (set, at("2026-11-01T00:00:00Z"), 3_600_000_000)]
        );
        assert_eq!(alike(&TimeZone::UTC, at("2026-10-01T00:00:00Z"), at("2027-10-01T00:00:00Z")).len(), 1);
    }
}
