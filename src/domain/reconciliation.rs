//! A reconciliation: what a provider lists as paid, beside what we have, beside what Refairn took.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::delivery::{DeliveryId, DeliveryState, Fate};
use super::email::Email;
use super::money::Currency;

/// How a payment stands at the provider and here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Both have it alike.
    Same,
    /// It calls for no commission; the reason says why.
    Ignored,
    /// It was given back, and both know it.
    TakenBack,
    /// It waits for a person's word; the reason says why.
    Held,
    /// We have it, and the provider does not list it.
    OursOnly,
    /// Both have it, and not alike.
    Different,
    /// The provider gave back more of it than we heard of.
    RefundMissing,
    /// Refairn was told of it twice, or may have been.
    Doubled,
    /// The provider has it, and we do not.
    Missing,
}

impl Comparison {
    /// Every one, the gravest last.
    pub const ALL: &[Self] = &[
        Self::Same,
        Self::Ignored,
        Self::TakenBack,
        Self::Held,
        Self::OursOnly,
        Self::Different,
        Self::RefundMissing,
        Self::Doubled,
        Self::Missing,
    ];

    /// What a backfill fetches: payments, and what was given back.
    pub const FETCHED: &[Self] = &[Self::Missing, Self::RefundMissing];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Ignored => "ignored",
            Self::TakenBack => "taken_back",
            Self::Held => "held",
            Self::OursOnly => "ours_only",
            Self::Different => "different",
            Self::RefundMissing => "refund_missing",
            Self::Doubled => "doubled",
            Self::Missing => "missing",
        }
    }

    /// In a few words, for lists.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Same => "alike",
            Self::Ignored => "ignored",
            Self::TakenBack => "taken back",
            Self::Held => "held",
            Self::OursOnly => "ours only",
            Self::Different => "different",
            Self::RefundMissing => "refund missing",
            Self::Doubled => "doubled",
            Self::Missing => "missing",
        }
    }

    /// Reads a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|comparison| comparison.code() == code)
    }

    /// Its place in [`Self::ALL`].
    #[must_use]
    pub fn rank(self) -> i64 {
        Self::ALL.iter().position(|other| *other == self).and_then(|place| i64::try_from(place).ok()).unwrap_or(0)
    }

    /// Whether a person has to look at it.
    #[must_use]
    pub const fn needs_a_person(self) -> bool {
        match self {
            Self::Same | Self::Ignored | Self::TakenBack => false,
            Self::Held | Self::OursOnly | Self::Different | Self::RefundMissing | Self::Doubled | Self::Missing => true,
        }
    }
}

/// A payment as one of the two sides has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The commission base, standard units.
    #[serde(with = "rust_decimal::serde::str")]
    pub amount: Decimal,
    /// In what it was paid.
    pub currency: Currency,
    /// The day on which it was paid.
    pub day: Date,
    /// The customer's address. `None` where it is not known.
    pub email: Option<Email>,
    /// What went back of it, standard units.
    #[serde(with = "rust_decimal::serde::str")]
    pub taken_back: Decimal,
    /// The Refairn product. `None` where this side does not decide on it, and in what earlier versions have kept.
    #[serde(default)]
    pub product: Option<String>,
}

/// What Refairn was told, or will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The number of the call.
    pub delivery: DeliveryId,
    /// Where it stands.
    pub state: DeliveryState,
    /// What became of it. `None` before Refairn has it.
    pub fate: Option<Fate>,
    /// The amount, standard units.
    #[serde(with = "rust_decimal::serde::str")]
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
    /// The day on which it is dated.
    pub day: Date,
}

/// What is not alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The amount.
    Amount,
    /// The currency.
    Currency,
    /// The day.
    Day,
    /// The customer's address.
    Customer,
    /// The Refairn product.
    Product,
}

impl Field {
    /// The stable code, which is the word for it, too.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Day => "day",
            Self::Customer => "customer",
            Self::Product => "product",
        }
    }
}

/// One payment on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// The payment's id at the provider.
    pub id: String,
    /// When it was paid, by the provider where it says so.
    pub paid_at: Timestamp,
    /// How it stands.
    pub comparison: Comparison,
    /// The code of the reason why it is held, or ignored. `None` where there is none.
    pub reason: Option<String>,
    /// What is not alike.
    pub differs: Vec<Field>,
    /// As the provider lists it. `None` where it does not, or says no amount.
    pub provider: Option<Side>,
    /// As we have it. `None` where we do not.
    pub ours: Option<Side>,
    /// What Refairn was told, or will be: more than once where it is doubled.
    pub told: Vec<Told>,
}

/// Payments of one currency that stand alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// How they stand.
    pub comparison: Comparison,
    /// The code of the reason. `None` where there is none.
    pub reason: Option<String>,
    /// The currency. `None` where no side says it.
    pub currency: Option<Currency>,
    /// How many.
    pub count: u64,
}

/// Payments of one currency on each side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The currency.
    pub currency: Currency,
    /// What the provider lists.
    pub provider: Total,
    /// What we have.
    pub ours: Total,
    /// What Refairn took.
    pub told: Total,
}

/// Payments, added up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// How many.
    pub count: u64,
    /// Their sum, standard units. `None` when it is longer than 28 digits.
    #[serde(with = "rust_decimal::serde::str_option")]
    pub amount: Option<Decimal>,
}

impl Total {
    /// Nothing yet.
    pub const NONE: Self = Self { count: 0, amount: Some(Decimal::ZERO) };

    /// One more.
    pub fn add(&mut self, amount: Decimal) {
        self.count += 1;
        self.amount = self.amount.and_then(|sum| sum.checked_add(amount));
    }
}

/// What a reconciliation came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Payments by how they stand.
    pub sums: Vec<Sum>,
    /// What they add up to on each side.
    pub totals: Vec<Totals>,
    /// How many of the provider's rows could not be read.
    pub unreadable: u64,
    /// Whether each payment can be shown. Of more than are kept, some are only counted.
    pub complete: bool,
}

impl Summary {
    /// How many stand so.
    #[must_use]
    pub fn count(&self, comparison: Comparison) -> u64 {
        self.sums.iter().filter(|sum| sum.comparison == comparison).map(|sum| sum.count).sum()
    }

    /// How many a backfill would fetch.
    #[must_use]
    pub fn lacking(&self) -> u64 {
        Comparison::FETCHED.iter().map(|comparison| self.count(*comparison)).sum()
    }

    /// How many a person has to look at.
    #[must_use]
    pub fn to_see(&self) -> u64 {
        let to_see = self.sums.iter().filter(|sum| sum.comparison.needs_a_person());
        to_see.map(|sum| sum.count).sum::<u64>() + self.unreadable
    }

    /// Counts one payment.
    pub fn add(&mut self, compared: &Compared) {
        let sides = || compared.provider.as_ref().or(compared.ours.as_ref());
        let currency = sides().map(|side| side.currency);
        let alike = |sum: &&mut Sum| {
            (sum.comparison, &sum.reason, sum.currency) == (compared.comparison, &compared.reason, currency)
        };
        match self.sums.iter_mut().find(alike) {
            Some(sum) => sum.count += 1,
            None => self.sums.push(Sum {
                comparison: compared.comparison,
                reason: compared.reason.clone(),
                currency,
                count: 1,
            }),
        }
        for (side, of) in [(&compared.provider, Part::Provider), (&compared.ours, Part::Ours)] {
            side.iter().for_each(|side| self.part(side.currency, of).add(side.amount));
        }
        for told in compared.told.iter().filter(|told| told.state.is_acknowledged()) {
            self.part(told.currency, Part::Told).add(told.amount);
        }
        self.sums.sort_by(|a, b| {
            let order = |sum: &Sum| (std::cmp::Reverse(sum.comparison), sum.reason.clone(), sum.currency);
            order(a).cmp(&order(b))
        });
    }

    fn part(&mut self, currency: Currency, part: Part) -> &mut Total {
        let place = self.totals.iter().position(|totals| totals.currency == currency).unwrap_or_else(|| {
            let (provider, ours, told) = (Total::NONE, Total::NONE, Total::NONE);
            self.totals.push(Totals { currency, provider, ours, told });
            self.totals.len() - 1
        });
        let totals = &mut self.totals[place];
        match part {
            Part::Provider => &mut totals.provider,
            Part::Ours => &mut totals.ours,
            Part::Told => &mut totals.told,
        }
    }
}

/// One of the columns of the totals.
#[derive(Clone, Copy)]
enum Part {
    Provider,
    Ours,
    Told,
}
