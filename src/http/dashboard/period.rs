//! The time whose payments are listed: a month, or one that ends today, as on the page Today.

use jiff::ToSpan;
use jiff::civil::Date;

use super::chart::Range;

/// Months that can be picked.
const MONTHS: i32 = 18;

/// The time whose payments are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    /// The month that begins with this day.
    Month(Date),
    Last(Range),
}

impl Period {
    /// What [`Period::read`] takes.
    pub(super) const EXPECTED: &str = "a month, such as 2026-10, or 7d, 30d, 12mo";

    pub(super) fn read(code: &str) -> Option<Self> {
        let range = Range::ALL.iter().copied().find(|range| range.code() == code);
        range.map(Self::Last).or_else(|| format!("{code}-01").parse().ok().map(Self::Month))
    }

    /// Those that can be picked.
    pub(super) fn all(today: Date) -> impl Iterator<Item = Self> {
        let this = today.first_of_month();
        let months = (0..MONTHS).filter_map(move |n| this.checked_sub(n.months()).ok());
        Range::ALL.iter().copied().map(Self::Last).chain(months.map(Self::Month))
    }

    pub(super) fn code(self) -> String {
        match self {
            Self::Month(first) => first.strftime("%Y-%m").to_string(),
            Self::Last(range) => range.code().to_owned(),
        }
    }

    pub(super) fn words(self) -> String {
        match self {
            Self::Month(first) => first.strftime("%B %Y").to_string(),
            Self::Last(range) => format!("Last {}", range.words()),
        }
    }

    /// Its first day, and the first one after it.
    pub(super) fn days(self, today: Date) -> (Date, Option<Date>) {
        match self {
            Self::Month(first) => (first, first.checked_add(1.month()).ok()),
            Self::Last(range) => (range.first(today), today.tomorrow().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_time_has_its_days_and_is_read_by_its_code() {
        let today = date(2026, 3, 1);
        let check = |code: &str, words: &str, first: Date, next: Date| {
            let period = Period::read(code).unwrap();
            assert_eq!((period.code().as_str(), period.words().as_str()), (code, words));
            assert_eq!(period.days(today), (first, Some(next)), "{code}");
        };
        check("2026-02", "February 2026", date(2026, 2, 1), date(2026, 3, 1));
        check("7d", "Last 7 days", date(2026, 2, 23), date(2026, 3, 2));
        check("30d", "Last 30 days", date(2026, 1, 31), date(2026, 3, 2));
        check("12mo", "Last 12 months", date(2025, 4, 1), date(2026, 3, 2));
        for code in ["", "8d", "2026", "2026-13", "2026-02-01"] {
            assert_eq!(Period::read(code), None, "{code}");
        }
        let codes: Vec<String> = Period::all(today).map(Period::code).collect();
        assert_eq!((codes.len(), codes[3].as_str(), codes[20].as_str()), (21, "2026-03", "2024-10"));
    }
}
