//! The one chart: payments a day, by what became of them. Counts, not money: currencies cannot be added.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

use super::words::{count, day};
use crate::store::days::DayCounts;

/// What a bar takes of the picture's width, and the gap beside it.
const STEP: i64 = 20;
const BAR: i64 = 15;
/// How high the picture is.
const HEIGHT: i64 = 120;
/// A part of a bar that is there can be seen.
const PART_MIN: i64 = 2;

/// The time that a chart shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Week,
    Month,
    Year,
}

impl Range {
    pub(super) const ALL: &[Self] = &[Self::Week, Self::Month, Self::Year];

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Week => "7d",
            Self::Month => "30d",
            Self::Year => "12mo",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Week => "7 days",
            Self::Month => "30 days",
            Self::Year => "12 months",
        }
    }

    /// The first day of it.
    pub(super) fn first(self, today: Date) -> Date {
        let first = match self {
            Self::Week => today.checked_sub(6.days()),
            Self::Month => today.checked_sub(29.days()),
            Self::Year => today.first_of_month().checked_sub(11.months()),
        };
        first.unwrap_or(today)
    }
}

/// A bar: a day, or a month.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) counts: DayCounts,
    pub(super) parts: Vec<Part>,
    pub(super) x: i64,
}

/// A part of a bar.
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) y: i64,
    pub(super) height: i64,
}

/// A chart.
pub(super) struct Chart {
    pub(super) bars: Vec<Bar>,
    pub(super) width: i64,
    pub(super) height: i64,
    pub(super) bar: i64,
    /// What the highest bar counts.
    pub(super) highest: String,
    pub(super) first: String,
    pub(super) last: String,
    /// All of it.
    pub(super) sum: DayCounts,
}

impl Chart {
    pub(super) fn new(range: Range, today: Date, days: &BTreeMap<Date, DayCounts>) -> Self {
        let mut bars: Vec<(String, DayCounts)> = Vec::new();
        let mut at = range.first(today);
        while at <= today {
            let (label, next) = match range {
                Range::Week | Range::Month => (day(at, today), at.tomorrow()),
                Range::Year => (at.strftime("%b %Y").to_string(), at.checked_add(1.month())),
            };
            let Ok(next) = next else { break };
            let mut counts = DayCounts::default();
            days.range(at..next).for_each(|(_, of_day)| counts.add(*of_day));
            bars.push((label, counts));
            at = next;
        }
        let highest = bars.iter().map(|(_, counts)| counts.total()).max().unwrap_or(0);
        let mut sum = DayCounts::default();
        bars.iter().for_each(|(_, counts)| sum.add(*counts));
        let label = |bar: Option<&(String, DayCounts)>| bar.map(|(label, _)| label.clone()).unwrap_or_default();
        let (first, last) = (label(bars.first()), label(bars.last()));
        let bars: Vec<Bar> =
            (0..).zip(bars).map(|(n, (label, counts))| bar(n * STEP, label, counts, highest)).collect();
        let width = i64::try_from(bars.len()).unwrap_or(0) * STEP;
        Self { bars, width, height: HEIGHT, bar: BAR, highest: count(highest), first, last, sum }
    }
}

fn bar(x: i64, label: String, counts: DayCounts, highest: i64) -> Bar {
    let DayCounts { credited, nobody, on_its_way, needs_you } = counts;
    let mut y = HEIGHT;
    let mut parts = Vec::new();
    for (class, n) in [("good", credited), ("quiet", nobody), ("moving", on_its_way), ("waits", needs_you)] {
        if n > 0 {
            let height = (n * HEIGHT / highest.max(1)).max(PART_MIN).min(y);
            y -= height;
            parts.push(Part { class, y, height });
        }
    }
    Bar { label, counts, parts, x }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn every_day_has_its_bar_and_every_part_its_height() {
        let today = date(2026, 3, 1);
        let credited = |n| DayCounts { credited: n, ..DayCounts::default() };
        let mut days = BTreeMap::from([(today, credited(40)), (date(2026, 2, 28), credited(10))]);
        days.insert(date(2026, 2, 27), DayCounts { nobody: 1, needs_you: 1, ..DayCounts::default() });
        let chart = Chart::new(Range::Week, today, &days);
        assert_eq!((chart.bars.len(), chart.first.as_str(), chart.last.as_str()), (7, "23 Feb", "1 Mar"));
        let heights = |n: usize| chart.bars[n].parts.iter().map(|part| part.height).collect::<Vec<_>>();
        assert_eq!((heights(6), heights(5), heights(4), heights(3)), (vec![120], vec![30], vec![3, 3], vec![]));
        assert_eq!((chart.sum.credited, chart.sum.total(), chart.highest.as_str()), (50, 52, "40"));
        let chart = Chart::new(Range::Year, today, &days);
        assert_eq!((chart.bars.len(), chart.first.as_str(), chart.last.as_str()), (12, "Apr 2025", "Mar 2026"));
        assert_eq!(chart.sum.total(), 52);
        assert_eq!(Chart::new(Range::Month, today, &BTreeMap::new()).bars.len(), 30);
    }
}
