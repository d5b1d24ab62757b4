//! The days of a customer: Refairn takes one payment per customer and day, so each day is a slot that one call holds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::delivery::{Delivery, DeliveryKey};

/// How far ahead a free day is looked for, in days. Nobody has so many payments without a gap.
const SEARCH_DAYS_MAX: usize = 3660;

/// What holds a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    Payment,
    Status,
}

/// Which days are taken.
#[derive(Debug, Default)]
pub(super) struct Days(BTreeMap<Date, Holder>);

impl Days {
    /// The days of calls that have left the house, or may have.
    pub(super) fn of_sent<'a>(deliveries: impl Iterator<Item = &'a Delivery>) -> Self {
        let mut days = Self::default();
        for delivery in deliveries {
            if let (true, Some(day)) = (delivery.may_be_acknowledged(), delivery.call.day()) {
                days.take(day, Holder::of(&delivery.subject));
            }
        }
        days
    }

    pub(super) fn take(&mut self, day: Date, holder: Holder) {
        self.0.entry(day).or_insert(holder);
    }

    pub(super) fn holder(&self, day: Date) -> Option<Holder> {
        self.0.get(&day).copied()
    }

    /// The first free day from `day` on.
    pub(super) fn first_free(&self, day: Date) -> Option<Date> {
        let mut taken = self.0.range(day..).map(|(day, _)| *day).peekable();
        day.series(jiff::Span::new().days(1)).take(SEARCH_DAYS_MAX).find(|d| taken.next_if_eq(d).is_none())
    }
}

impl Holder {
    const fn of(subject: &DeliveryKey) -> Self {
        match subject {
            DeliveryKey::Status(_) => Self::Status,
            DeliveryKey::Payment { .. } | DeliveryKey::Lead(_) => Self::Payment,
        }
    }
}

/// When `day` begins in `zone`.
pub(super) fn start_of(day: Date, zone: &TimeZone) -> Timestamp {
    day.to_zoned(zone.clone()).map_or(Timestamp::MAX, |z| z.timestamp())
}

/// When `day` is over in `zone`.
pub(super) fn end_of(day: Date, zone: &TimeZone) -> Timestamp {
    day.tomorrow().map_or(Timestamp::MAX, |next| start_of(next, zone))
}
