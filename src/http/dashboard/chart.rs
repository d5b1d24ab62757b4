//! The one chart: payments a day, by what became of them. Counts, not money: currencies cannot be added.

use jiff::ToSpan;
use jiff::civil::Date;

use super::words::{count, day};
use crate::store::days::Counts;

/// What a bar takes of the picture's width, and the gap beside it.
const STEP: i64 = 20;
const BAR: i64 = 15;
/// How high the picture is.
const HEIGHT: i64 = 120;
/// A part of a bar that is there can be seen.
const PART_MIN: i64 = 2;

/// The time that a chart shows, up to today.
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

    /// The times of the bars: the first day of each, and the first one after it.
    pub(super) fn spans(self, today: Date) -> Vec<(Date, Date)> {
        let next = |first: Date| match self {
            Self::Week | Self::Month => first.tomorrow(),
            Self::Year => first.checked_add(1.month()),
        };
        let firsts = std::iter::successors(Some(self.first(today)), |first| next(*first).ok());
        let firsts = firsts.take_while(|first| *first <= today);
        firsts.filter_map(|first| Some((first, next(first).ok()?))).collect()
    }

    fn label(self, first: Date, today: Date) -> String {
        match self {
            Self::Week | Self::Month => day(first, today),
            Self::Year => first.strftime("%b %Y").to_string(),
        }
    }
}

/// A bar: a day, or a month.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) counts: Counts,
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
    pub(super) sum: Counts,
}

impl Chart {
    /// `counts` are those of the range's times, in their order.
    pub(super) fn new(range: Range, today: Date, counts: &[Counts]) -> Self {
        let spans = range.spans(today);
        let counts = counts.iter().copied().chain(std::iter::repeat(Counts::default()));
        let bars: Vec<(String, Counts)> =
            spans.into_iter().zip(counts).map(|((first, _), counts)| (range.label(first, today), counts)).collect();
        let highest = bars.iter().map(|(_, counts)| counts.total()).max().unwrap_or(0);
        let mut sum = Counts::default();
        bars.iter().for_each(|(_, counts)| sum.add(*counts));
        let label = |bar: Option<&(String, Counts)>| bar.map(|(label, _)| label.clone()).unwrap_or_default();
        let (first, last) = (label(bars.first()), label(bars.last()));
        let bars: Vec<Bar> =
            (0..).zip(bars).map(|(n, (label, counts))| bar(n * STEP, label, counts, highest)).collect();
        let width = i64::try_from(bars.len()).unwrap_or(0) * STEP;
        Self { bars, width, height: HEIGHT, bar: BAR, highest: count(highest), first, last, sum }
    }
}

fn bar(x: i64, label: String, counts: Counts, highest: i64) -> Bar {
    let Counts { credited, nobody, on_its_way, undecided } = counts;
    let mut y = HEIGHT;
    let mut parts = Vec::new();
    for (class, n) in [("good", credited), ("quiet", nobody), ("moving", on_its_way), ("waits", undecided)] {
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
        let credited = |n| Counts { credited: n, ..Counts::default() };
        let mut counts = vec![Counts::default(); 7];
        counts[4] = Counts { nobody: 1, undecided: 1, ..Counts::default() };
        (counts[5], counts[6]) = (credited(10), credited(40));
        let chart = Chart::new(Range::Week, today, &counts);
        assert_eq!((chart.bars.len(), chart.first.as_str(), chart.last.as_str()), (7, "23 Feb", "1 Mar"));
        let heights = |n: usize| chart.bars[n].parts.iter().map(|part| part.height).collect::<Vec<_>>();
        assert_eq!((heights(6), heights(5), heights(4), heights(3)), (vec![120], vec![30], vec![3, 3], vec![]));
        assert_eq!((chart.sum.credited, chart.sum.total(), chart.highest.as_str()), (50, 52, "40"));
        let chart = Chart::new(Range::Year, today, &[]);
        assert_eq!((chart.bars.len(), chart.first.as_str(), chart.last.as_str()), (12, "Apr 2025", "Mar 2026"));
        let month = Range::Month.spans(today);
        assert_eq!(
            (month.len(), month[0], month[29]),
            (30, (date(2026, 1, 31), date(2026, 2, 1)), (today, date(2026, 3, 2)))
        );
        assert_eq!(Range::Year.spans(today)[11], (today, date(2026, 4, 1)));
    }
}
