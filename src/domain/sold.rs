//! What was sold, as far as an event shows it: which Refairn product it is, and how much of the price counts.

use std::cmp::Reverse;

use rust_decimal::Decimal;

use super::endpoint::{Rules, Unmapped};
use super::mode::Mode;
use super::money::share;
use super::product::Product;

/// The lines of a bill, or a subscription's items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sold {
    /// Those that the event shows.
    pub lines: Vec<Line>,
    /// What it says of lines that it leaves out; nothing when it shows all.
    pub hidden: Option<Hidden>,
}

/// One line. Amounts are minor units, with their sign: a proration may give back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Ids of its price, its product and its plan.
    pub ids: Vec<String>,
    /// What it weighs beside others: its price after discounts.
    pub weight: Option<i64>,
    /// The price that has to be paid for it, with tax.
    pub gross: Option<i64>,
    /// The same without tax.
    pub net: Option<i64>,
}

/// Lines that an event leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hidden {
    /// How many lines there are, seen or not.
    pub total: Option<u32>,
    /// The most that those left out weigh together.
    pub weight: Option<i64>,
}

/// What a bill comes to, minor units: its lines, shipping and all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bill {
    /// With tax.
    pub gross: Option<i64>,
    /// Without tax.
    pub net: Option<i64>,
}

/// How much of what was paid counts for the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All of it.
    Whole,
    /// As much of it as `part` is of `whole`.
    Part {
        /// With tax: for the lines that count, and for all.
        gross: Option<Ratio>,
        /// The same without tax.
        net: Option<Ratio>,
    },
    /// The event does not tell: it leaves out lines.
    Unknown,
}

/// A part of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    part: Decimal,
    whole: Decimal,
}

impl Ratio {
    /// This part of `paid`, which is never more than that; nothing when the whole is nothing.
    #[must_use]
    pub fn of(self, paid: Decimal, scale: u32) -> Option<Decimal> {
        share(paid, self.part, self.whole, scale).map(|part| part.min(paid))
    }
}

impl Sold {
    /// The Refairn product: that of the heaviest line which `products` names. A line that brought nothing does not decide
    /// where another brought something.
    #[must_use]
    pub fn product(&self, rules: &Rules, mode: Mode) -> Product {
        let heaviest = self.heaviest_first();
        let ids: Vec<&str> = heaviest.iter().flat_map(|line| &line.ids).map(String::as_str).collect();
        let product = rules.product(mode, &ids);
        let Some(hidden) = self.hidden.as_ref().filter(|_| !rules.products.is_empty()) else { return product };
        if self.decides(rules, mode, hidden, &product) {
            return product;
        }
        let otherwise = match rules.unmapped {
            Unmapped::Default => product.id().map(str::to_owned),
            Unmapped::Ignore => None,
        };
        Product::Undecided { otherwise, seen: self.seen(), total: hidden.total }
    }

    /// Whether the lines left out can change nothing. With `unmapped = "ignore"` they always can: what they cost decides
    /// on the amount. Else they cannot where every product that they could lead to is this one, or where a single line is
    /// left out and is no heavier than the one that decides. Of several none is bounded by their sum, for some may give
    /// back.
    fn decides(&self, rules: &Rules, mode: Mode, hidden: &Hidden, product: &Product) -> bool {
        if rules.unmapped == Unmapped::Ignore {
            return false;
        }
        if mode == Mode::Test || rules.products.values().all(|id| Some(id.as_str()) == product.id()) {
            return true;
        }
        let deciding = self.heaviest_first().into_iter().find(|line| line.is_mapped(rules));
        let single = hidden.total.is_some_and(|total| total == self.seen().saturating_add(1));
        let weights = deciding.and_then(|line| line.weight).zip(hidden.weight);
        single && weights.is_some_and(|(deciding, left_out)| left_out <= deciding)
    }

    /// How much of what was paid for `bill` counts: with `unmapped = "ignore"` what the lines cost that `products` names.
    #[must_use]
    pub fn counted(&self, rules: &Rules, bill: Bill) -> Counted {
        let named = self.lines.iter().any(|line| !line.ids.is_empty());
        if rules.unmapped == Unmapped::Default || rules.products.is_empty() || !named {
            return Counted::Whole;
        }
        if self.hidden.is_some() {
            return Counted::Unknown;
        }
        let mapped = self.lines.iter().filter(|line| line.is_mapped(rules)).count();
        // Of none it is said elsewhere that they are not mapped.
        if mapped == 0 || mapped == self.lines.len() {
            return Counted::Whole;
        }
        let ratio = |bill: Option<i64>, of: fn(&Line) -> Option<i64>| {
            let counts = self.lines.iter().filter(|line| line.is_mapped(rules));
            let part: Decimal = counts.map(|line| of(line).map(Decimal::from)).sum::<Option<_>>()?;
            let lines: Decimal = self.lines.iter().map(|line| of(line).map(Decimal::from)).sum::<Option<_>>()?;
            // Lines without their discounts come to more than the bill; a bill with shipping comes to more than its lines.
            let whole = bill.map_or(lines, |bill| lines.max(Decimal::from(bill)));
            Some(Ratio { part, whole })
        };
        Counted::Part { gross: ratio(bill.gross, |line| line.gross), net: ratio(bill.net, |line| line.net) }
    }

    fn seen(&self) -> u32 {
        u32::try_from(self.lines.len()).unwrap_or(u32::MAX)
    }

    /// The lines that may decide; equals stand as they are told.
    fn heaviest_first(&self) -> Vec<&Line> {
        let something = |line: &Line| line.weight.is_none_or(|weight| weight > 0);
        let nothing_at_all = !self.lines.iter().any(|line| line.weight.is_some_and(|weight| weight > 0));
        let mut lines: Vec<&Line> = self.lines.iter().filter(|line| nothing_at_all || something(line)).collect();
        lines.sort_by_key(|line| Reverse(line.weight.unwrap_or(0)));
        lines
    }
}

impl Line {
    fn is_mapped(&self, rules: &Rules) -> bool {
        self.ids.iter().any(|id| rules.products.contains_key(id))
    }
}
