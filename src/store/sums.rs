//! What payments add up to, as the table `counts` has it: by the quarter of an hour and by the day in which they were
//! paid, and by all that they are told apart by. A day is UTC's: those of other time zones begin and end with quarters. What
//! those of each agent add up to is kept by the day alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Neg, Range};

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::quarter::Quarter;
use crate::domain::delivery::{Call, Delivery, DeliveryKey, Fate};
use crate::domain::mode::Mode;
use crate::domain::money::Currency;

/// Quarters of an hour of a day.
const QUARTERS_OF_DAY: i64 = 96;
/// Decimal places of amounts that are added up: no currency has more.
pub(in crate::store) const PLACES: u32 = 4;
/// The least amount that is too much to be added up, in units of the last place: sums of a day have room for it 90 000
/// times. Such a payment is counted apart, and its amount is read where it is stored.
const VAST: i128 = 10_i128.pow(10 + PLACES);
/// Stands for the fate of a payment that Refairn does not have.
const NO_FATE: &str = "-";
/// What the columns `what` of agents begin with.
const OF_AGENT: &str = "sold by ";
const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// What payments that are added up together have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Alike {
    pub(in crate::store) mode: Mode,
    pub(in crate::store) fate: Option<Fate>,
    pub(in crate::store) currency: Currency,
    pub(in crate::store) business: String,
}

/// A payment as it is added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Sold {
    quarter: Quarter,
    alike: Alike,
    /// The agent by whom it is added up, too.
    agent: Option<String>,
    amount: Decimal,
}

/// What some payments come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    payments: i64,
    /// In units of the last place, but for those that are too much to be added up.
    amount: i64,
    /// How many those are.
    vast: i64,
}

/// Times by which payments are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Unit {
    Day,
    Quarter,
}

/// What a row of `counts` has of payments that are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum Part {
    /// How many they are.
    Payments,
    /// Their sum.
    Amount,
    /// How many of them are too much to be added up.
    Vast,
}

impl Unit {
    const ALL: [Self; 2] = [Self::Day, Self::Quarter];
    /// A quarter after every one that a time can have.
    pub(in crate::store) const END: i64 = QUARTERS_OF_DAY * 10_000_000;

    /// The columns `what` of its rows.
    pub(in crate::store) const fn kinds(self) -> [(&'static str, Part); 3] {
        match self {
            Self::Day => [("sold day", Part::Payments), ("sum day", Part::Amount), ("vast day", Part::Vast)],
            Self::Quarter => {
                [("sold quarter", Part::Payments), ("sum quarter", Part::Amount), ("vast quarter", Part::Vast)]
            }
        }
    }

    /// The number of the time that a quarter is in.
    pub(in crate::store) const fn of(self, quarter: i64) -> i64 {
        quarter / self.quarters()
    }

    /// The first quarter of a time of this number.
    pub(in crate::store) const fn first_quarter(self, number: i64) -> i64 {
        number * self.quarters()
    }

    const fn quarters(self) -> i64 {
        match self {
            Self::Day => QUARTERS_OF_DAY,
            Self::Quarter => 1,
        }
    }

    /// What no column `state` of a time of this number is below. Before 1970 they begin with another character than a digit.
    pub(in crate::store) fn first_key(number: i64) -> String {
        if number == 0 { String::new() } else { digits(number) }
    }
}

impl Part {
    const ALL: [Self; 3] = [Self::Payments, Self::Amount, Self::Vast];

    /// How rows of an agent are told apart, which have all parts of a day side by side.
    const fn code(self) -> &'static str {
        match self {
            Self::Payments => "sold",
            Self::Amount => "sum",
            Self::Vast => "vast",
        }
    }
}

/// The column `what` of what an agent's payments add up to. Nothing where that is not kept: an id that may be an address stands in
/// its receipt alone, where it is replaced when a customer is forgotten.
pub(in crate::store) fn of_agent(agent: &str) -> Option<String> {
    (!agent.contains('@')).then(|| format!("{OF_AGENT}{agent}"))
}

/// Reads what is alike in the payments of a row, and which part of their sum it has.
pub(in crate::store) fn read(what: &str, key: &str) -> Option<(Part, Alike)> {
    if what.starts_with(OF_AGENT) {
        let mut words = key.splitn(3, ' ');
        let (_number, code, alike) = (words.next()?, words.next()?, words.next()?);
        let part = Part::ALL.into_iter().find(|part| part.code() == code)?;
        return Some((part, Alike::of_words(alike)?));
    }
    let (_, part) = Unit::ALL.into_iter().flat_map(Unit::kinds).find(|(kind, _)| *kind == what)?;
    Some((part, Alike::read(key)?.1))
}

impl Sold {
    /// A payment's call; nothing of other calls.
    pub(in crate::store) fn of(business: &str, call: &Delivery) -> Option<Self> {
        if !matches!(call.subject, DeliveryKey::Payment { .. }) {
            return None;
        }
        let Call::PaymentSucceeded { amount, currency, .. } = call.call else { return None };
        let alike = Alike { mode: call.mode, fate: call.fate(), currency, business: business.to_owned() };
        let agent = call.receipt.as_ref().and_then(|receipt| receipt.agent_id.clone());
        Some(Self { quarter: Quarter::of(call.at), alike, agent, amount })
    }
}

/// An amount in units of the last place, unless it is too much to be added up.
fn units(amount: Decimal) -> Option<i64> {
    let zeros = PLACES.checked_sub(amount.scale())?;
    let units = amount.mantissa().checked_mul(10_i128.pow(zeros))?;
    if amount.is_sign_negative() || units >= VAST { None } else { i64::try_from(units).ok() }
}

/// Payments that came, changed or went since the last commit.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Sums(BTreeMap<(i64, Alike, Option<String>), Sum>);

impl Sums {
    /// Adds a payment, or takes it away.
    pub(in crate::store) fn add(&mut self, sold: Sold, is_there: bool) {
        let amount = units(sold.amount);
        let one = Sum { payments: 1, amount: amount.unwrap_or(0), vast: i64::from(amount.is_none()) };
        let one = if is_there { one } else { -one };
        let sum = self.0.entry((sold.quarter.0, sold.alike, sold.agent)).or_default();
        sum.payments += one.payments;
        sum.amount += one.amount;
        sum.vast += one.vast;
    }

    /// What changes: the columns `what` and `state`, and by how much.
    pub(in crate::store) fn rows(&self) -> impl Iterator<Item = (Cow<'static, str>, String, i64)> {
        let mut rows: BTreeMap<(Cow<'static, str>, String), i64> = BTreeMap::new();
        let mut add = |what: Cow<'static, str>, key: String, by: i64| *rows.entry((what, key)).or_default() += by;
        for ((quarter, alike, agent), sum) in self.0.iter().filter(|(_, sum)| **sum != Sum::default()) {
            for unit in Unit::ALL {
                let key = alike.key(unit.of(*quarter));
                let parts = unit.kinds().into_iter().filter(|(_, part)| sum.part(*part) != 0);
                parts.for_each(|(what, part)| add(what.into(), key.clone(), sum.part(part)));
            }
            let Some(what) = agent.as_deref().and_then(of_agent) else { continue };
            for part in Part::ALL.into_iter().filter(|part| sum.part(*part) != 0) {
                add(what.clone().into(), alike.key_of_agent(Unit::Day.of(*quarter), part), sum.part(part));
            }
        }
        rows.into_iter().filter(|(_, by)| *by != 0).map(|((what, key), by)| (what, key, by))
    }
}

impl Sum {
    const fn part(self, part: Part) -> i64 {
        match part {
            Part::Payments => self.payments,
            Part::Amount => self.amount,
            Part::Vast => self.vast,
        }
    }
}

impl Neg for Sum {
    type Output = Self;

    fn neg(self) -> Self {
        Self { payments: -self.payments, amount: -self.amount, vast: -self.vast }
    }
}

impl Alike {
    /// The column `state` of what is alike in a time of this number: the time first, so that a stretch of time is a
    /// stretch of rows.
    fn key(&self, number: i64) -> String {
        format!("{} {}", digits(number), self.words())
    }

    /// The same of an agent's rows.
    fn key_of_agent(&self, day: i64, part: Part) -> String {
        format!("{} {} {}", digits(day), part.code(), self.words())
    }

    /// Reads it from a column `state`, with the number of the time.
    pub(in crate::store) fn read(key: &str) -> Option<(i64, Self)> {
        let (number, words) = key.split_once(' ')?;
        Some((number.parse().ok()?, Self::of_words(words)?))
    }

    fn words(&self) -> String {
        let fate = self.fate.map_or(NO_FATE, Fate::code);
        format!("{} {fate} {} {}", self.mode.code(), self.currency, self.business)
    }

    fn of_words(words: &str) -> Option<Self> {
        let mut parts = words.splitn(4, ' ');
        let (mode, fate) = (parts.next()?, parts.next()?);
        let mode = [Mode::Live, Mode::Test].into_iter().find(|known| known.code() == mode)?;
        let fate = if fate == NO_FATE { None } else { Some(Fate::parse(fate)?) };
        let (currency, business) = (parts.next()?.parse().ok()?, parts.next()?.to_owned());
        Some(Self { mode, fate, currency, business })
    }
}

/// The pattern of the columns `state` of all that is of a mode.
pub(in crate::store) fn keys_of(mode: Mode) -> String {
    format!("__________ {} %", mode.code())
}

/// The same of all that is of a fate, too.
pub(in crate::store) fn keys_of_fate(mode: Mode, fate: Option<Fate>) -> String {
    format!("__________ {} {} %", mode.code(), fate.map_or(NO_FATE, Fate::code))
}

/// A number of a time, as long as every other: texts are in order as their numbers are.
fn digits(number: i64) -> String {
    format!("{number:010}")
}

/// The stretches of rows that have the payments of a time, each with its first key and the first one after it. Nothing where
/// it does not begin and end with a quarter of an hour of ours.
pub(in crate::store) fn stretches(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
) -> Option<Vec<(Unit, Range<String>)>> {
    // Before 1970 numbers fall the other way.
    let whole = |at: Timestamp| Quarter::beginning_at(at).filter(|quarter| quarter.0 > 0).map(|quarter| quarter.0);
    let from = from.map_or(Some(0), whole)?;
    let to = to.map_or(Some(Unit::END), whole)?.min(Unit::END);
    Some(stretches_between(from, to))
}

/// The same of the quarters from one on and before another.
pub(in crate::store) fn stretches_between(from: i64, to: i64) -> Vec<(Unit, Range<String>)> {
    let (first_day, end_day) = ((from + QUARTERS_OF_DAY - 1) / QUARTERS_OF_DAY, to / QUARTERS_OF_DAY);
    let parts = if first_day < end_day {
        let quarters = [from..first_day * QUARTERS_OF_DAY, end_day * QUARTERS_OF_DAY..to];
        let [before, after] = quarters.map(|quarters| (Unit::Quarter, quarters));
        vec![before, (Unit::Day, first_day..end_day), after]
    } else {
        vec![(Unit::Quarter, from..to)]
    };
    let parts = parts.into_iter().filter(|(_, numbers)| !numbers.is_empty());
    parts.map(|(unit, numbers)| (unit, Unit::first_key(numbers.start)..digits(numbers.end))).collect()
}

/// The whole days of a time, as a stretch of rows, and what is left of it before and after them.
pub(in crate::store) struct Days {
    pub(in crate::store) keys: Option<Range<String>>,
    /// Each from its first moment on and before the second one.
    pub(in crate::store) edges: Vec<[Option<Timestamp>; 2]>,
}

impl Days {
    /// Nothing of a time that begins or ends before the second day of 1970: numbers fall the other way before the first one.
    pub(in crate::store) fn of(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<Self> {
        let day = |at: Timestamp| Some(at.as_microsecond() / DAY_MICROS).filter(|day| *day > 0);
        let start = |day: i64| Timestamp::from_microsecond(day.checked_mul(DAY_MICROS)?).ok();
        let end = to.map_or(Some(Unit::Day.of(Unit::END)), day)?;
        let first = match from {
            Some(from) => day(from).map(|day| if start(day) == Some(from) { day } else { day + 1 })?,
            None => 0,
        };
        if first >= end {
            return Some(Self { keys: None, edges: vec![[from, to]] });
        }
        let before = from.filter(|from| start(first) != Some(*from)).map(|from| [Some(from), start(first)]);
        let after = to.filter(|to| start(end) != Some(*to)).map(|to| [start(end), Some(to)]);
        let keys = Unit::first_key(first)..digits(end);
        Some(Self { keys: Some(keys), edges: before.into_iter().chain(after).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_added_up_in_ten_thousandths_unless_they_are_vast() {
        let check = |amount: &str, expected: Option<i64>| {
            assert_eq!(units(amount.parse().unwrap()), expected, "{amount}");
        };
        check("29.99", Some(299_900));
        check("0", Some(0));
        check("0.0001", Some(1));
        check("9999999999.9999", Some(99_999_999_999_999));
        for vast in ["10000000000", "0.00001", "-1", "79228162514264337593543950335"] {
            check(vast, None);
        }
    }

    #[test]
    fn a_time_is_whole_days_and_the_quarters_around_them() {
        let check = |from: Option<&str>, to: Option<&str>, expected: Option<&[(Unit, &str, &str)]>| {
            let at = |text: &str| text.parse::<Timestamp>().unwrap();
            let found = stretches(from.map(at), to.map(at));
            let found: Option<Vec<_>> = found.map(|all| all.into_iter().map(|(u, r)| (u, r.start, r.end)).collect());
            let expected = expected
                .map(|all| all.iter().map(|(u, a, b)| (*u, (*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>());
            assert_eq!(found, expected, "{from:?} {to:?}");
        };
        check(None, None, Some(&[(Unit::Day, "", "0010000000")]));
        check(
            Some("1970-01-02T18:15:00Z"),
            Some("1970-01-05T18:15:00Z"),
            Some(&[
                (Unit::Quarter, "0000000169", "0000000192"),
                (Unit::Day, "0000000002", "0000000004"),
                (Unit::Quarter, "0000000384", "0000000457"),
            ]),
        );
        check(
            Some("1970-01-02T00:00:00Z"),
            Some("1970-01-03T00:00:00Z"),
            Some(&[(Unit::Day, "0000000001", "0000000002")]),
        );
        check(
            Some("1970-01-02T00:15:00Z"),
            Some("1970-01-02T01:00:00Z"),
            Some(&[(Unit::Quarter, "0000000097", "0000000100")]),
        );
        check(Some("1970-01-02T00:15:00Z"), Some("1970-01-02T00:15:00Z"), Some(&[]));
        check(Some("1970-01-02T00:15:01Z"), None, None);
        check(None, Some("1969-12-31T00:00:00Z"), None);
    }

    #[test]
    fn what_is_alike_is_read_from_its_key() {
        let (currency, business) = ("USD".parse().unwrap(), "a business of 3 words".to_owned());
        for fate in [None, Some(Fate::CreditedNobody)] {
            let alike = Alike { mode: Mode::Test, fate, currency, business: business.clone() };
            let key = alike.key(20_000);
            assert_eq!(Alike::read(&key), Some((20_000, alike)), "{key}");
        }
        assert_eq!(Alike::read("0000020000 live"), None);
    }
}
