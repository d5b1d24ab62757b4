//! Sentences as pages write them: amounts in groups, days and times as people read them. The API and the commands have the
//! same sentences, with amounts and days as programs read them, and what the ledger found is stored so.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::words::{grouped, money};
use crate::domain::money::{Currency, digits};

/// How long a day is: `2026-12-06`.
const DAY_CHARS: usize = 10;
/// How long a currency's code is.
const CURRENCY_CHARS: usize = 3;

/// The sentence, with its amounts, days and times written anew.
pub(super) fn written(text: &str, day: impl Fn(Date) -> String, time: impl Fn(Timestamp) -> String) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let (mut shown, mut rest) = (Vec::new(), words.as_slice());
    while let [first, after @ ..] = rest {
        let Some((taken, anew)) = moment(rest, &time).or_else(|| amount(rest)).or_else(|| of_day(first, &day)) else {
            shown.push((*first).to_owned());
            rest = after;
            continue;
        };
        // What stands around it stays: a bracket before the first word, a comma behind the last.
        let last = rest.get(taken - 1).copied().unwrap_or_default();
        let (_, behind) = last.split_at(last.trim_end_matches(is_around).len());
        let (before, _) = first.split_at(first.len() - first.trim_start_matches(is_around).len());
        // No line ends within what belongs together.
        shown.push(format!("{before}{}{behind}", anew.replace(' ', "\u{a0}")));
        rest = rest.get(taken..).unwrap_or_default();
    }
    shown.join(" ")
}

fn is_around(c: char) -> bool {
    matches!(c, '(' | ')' | ',' | ';' | ':' | '.')
}

fn bare(word: &str) -> &str {
    word.trim_matches(is_around)
}

fn date(word: &str) -> Option<Date> {
    let word = bare(word);
    (word.len() == DAY_CHARS).then(|| word.parse().ok())?
}

/// A day: how many words it takes, and how it is written. So with the others.
fn of_day(word: &str, day: impl Fn(Date) -> String) -> Option<(usize, String)> {
    Some((1, day(date(word)?)))
}

/// A day and a time of it, in UTC: `2026-11-27 11:58 UTC`.
fn moment(words: &[&str], time: impl Fn(Timestamp) -> String) -> Option<(usize, String)> {
    let [day, clock, zone, ..] = words else { return None };
    let local: DateTime = format!("{}T{clock}", date(day)?).parse().ok()?;
    let at = local.to_zoned(TimeZone::UTC).ok()?.timestamp();
    (bare(zone) == "UTC").then(|| (3, time(at)))
}

/// `49 USD`, or the first amount of `10 of 49 USD`.
fn amount(words: &[&str]) -> Option<(usize, String)> {
    match *words {
        [number, "of", whole, currency, ..] if decimal(whole).is_some() => {
            Some((1, grouped(&digits(decimal(number)?, code(currency)?))))
        }
        [number, currency, ..] => Some((2, money(decimal(number)?, code(currency)?))),
        _ => None,
    }
}

fn decimal(word: &str) -> Option<Decimal> {
    let word = word.trim_start_matches(is_around);
    let is_number =
        word.chars().all(|c| c.is_ascii_digit() || c == '.') && word.starts_with(|c: char| c.is_ascii_digit());
    is_number.then(|| word.parse().ok())?
}

fn code(word: &str) -> Option<Currency> {
    let word = bare(word);
    (word.len() == CURRENCY_CHARS && word.chars().all(|c| c.is_ascii_uppercase())).then(|| word.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::super::words::{Moment, day};
    use super::*;

    #[test]
    fn amounts_and_days_of_a_sentence_are_those_of_the_page() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Africa/Lagos").unwrap();
        let check = |text: &str, expected: &str| {
            let today = now.to_zoned(zone.clone()).date();
            let shown = written(text, |of| day(of, today), |at| Moment::new(at, now, &zone).text());
            assert_eq!(shown.replace(['\u{202f}', '\u{a0}'], " "), expected);
        };
        check(
            "Agent agent_1 is credited, with commission comm_2 of 4000.00 NGN, on hold until 2026-12-06.",
            "Agent agent_1 is credited, with commission comm_2 of 4 000.00 NGN, on hold until 6 Dec.",
        );
        check(
            "49 of 49 USD was taken back; commission comm_22, on hold until 2027-01-02",
            "49.00 of 49.00 USD was taken back; commission comm_22, on hold until 2 Jan 2027",
        );
        check("10 USD and 500 NGN of 49 USD was taken back", "10.00 USD and 500.00 NGN of 49.00 USD was taken back");
        check("dlv_45 (2026-11-24 20.00 USD) has the day", "dlv_45 (24 Nov 20.00 USD) has the day");
        check("code ADA10 came 2026-11-27 11:58 UTC, 4m after it", "code ADA10 came 27 Nov 12:58, 4m after it");
        assert_eq!(
            written("until 2026-12-06", |of| day(of, Date::ZERO), |_| String::new()),
            "until 6\u{a0}Dec\u{a0}2026"
        );
        // What only looks like one stays as it is.
        for other in
            ["", " two  spaces ", "ref_2026-12-06 (evt_9)", "in 30 days of 2026", "12.3.4 USD", "2 apis", "of 9"]
        {
            check(other, other);
        }
    }
}
