//! What went back once, whichever events report it. Not all of them call a refund or a dispute by one name, and some by
//! none: counted by their names alone, a part that went back could become the whole.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::domain::customer::KnownFact;
use crate::domain::fact::{Reversal, ReversalName, ReversalStage};

/// How far the clock of a provider, and what it calls the time of a refund, may be ahead of the event that reports it.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(24);

/// A report of something that went back.
pub(super) type Report<'a> = (&'a KnownFact, &'a Reversal);

/// The reports of one refund, or of one dispute.
#[derive(Debug)]
pub(super) struct Return<'a>(Vec<Report<'a>>);

impl<'a> Return<'a> {
    /// Every refund and dispute that these reports are about.
    ///
    /// Those that have a name in common are one. Others of the same amount are one if no two of their reports go by the
    /// same kind of name: of two refunds that are told by their numbers, a report without a number is one of them, and no
    /// third.
    pub(super) fn all(reports: &[Report<'a>]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for report in reports {
            let own = |other: &Self| other.names().any(|name| names(report.1).any(|own| own == name));
            let (same, rest): (Vec<Self>, Vec<Self>) = all.into_iter().partition(own);
            let mut one: Vec<Report<'a>> = same.into_iter().flat_map(|same| same.0).collect();
            one.push(*report);
            all = rest;
            all.push(Self(one));
        }
        // Never by arrival, but where all else is the same.
        all.sort_by(|a, b| a.order().cmp(&b.order()));
        for kind in [ReversalName::Reference, ReversalName::Missing] {
            let (these, mut others): (Vec<Self>, Vec<Self>) =
                all.into_iter().partition(|one| one.kinds() == BTreeSet::from([kind as u8]));
            let mut left = Vec::new();
            for one in these {
                match others.iter_mut().find(|other| other.may_be(&one)) {
                    Some(other) => other.0.extend(one.0),
                    None => left.push(one),
                }
            }
            others.extend(left);
            all = others;
        }
        all
    }

    /// The reports that are about it, in no order.
    pub(super) fn reports(&self) -> &[Report<'a>] {
        &self.0
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().flat_map(|(_, reversal)| names(reversal))
    }

    fn kinds(&self) -> BTreeSet<u8> {
        let number = |r: &Reversal| r.number.is_some().then_some(ReversalName::Number);
        self.0.iter().flat_map(|(_, r)| std::iter::once(r.name()).chain(number(r))).map(|kind| kind as u8).collect()
    }

    /// When it happened, by the first of its reports that says so.
    fn told_at(&self) -> Option<Timestamp> {
        // What says no time became true when it came.
        self.0.iter().filter(|(f, _)| f.fact.at != f.received_at).map(|(f, _)| f.fact.at).min()
    }

    fn heard_at(&self) -> Option<Timestamp> {
        self.0.iter().map(|(f, _)| f.received_at).min()
    }

    fn order(&self) -> (Option<Timestamp>, Option<Timestamp>, Option<&'a str>) {
        (self.told_at(), self.heard_at(), self.names().min())
    }

    /// Whether the other one may be the same, by another kind of name.
    fn may_be(&self, other: &Self) -> bool {
        let (Some((_, own)), Some((_, others))) = (self.0.last(), other.0.last()) else { return false };
        let sole = |one: &Self| one.kinds().contains(&(ReversalName::Sole as u8));
        let by_other_names = self.kinds().is_disjoint(&other.kinds())
            && (!sole(self) || other.kinds() == BTreeSet::from([ReversalName::Missing as u8]));
        let charge = own.of_charge.is_none() || others.of_charge.is_none() || own.of_charge == others.of_charge;
        let alike = if own.dispute {
            // A charge has one dispute at a time, whatever becomes of it.
            others.dispute
        } else {
            let counts = |r: &Reversal| !r.dispute && !r.cumulative && r.stage != ReversalStage::Pending;
            counts(own) && counts(others) && own.stage == others.stage && own.money == others.money
        };
        by_other_names && charge && alike && self.may_be_told_by(other) && other.may_be_told_by(self)
    }

    /// No report comes before what it reports.
    fn may_be_told_by(&self, other: &Self) -> bool {
        let before = |(told, heard): (Timestamp, Timestamp)| told.duration_since(heard) > AHEAD_MAX;
        !self.told_at().zip(other.heard_at()).is_some_and(before)
    }
}

/// Every name by which an event knows it.
fn names(reversal: &Reversal) -> impl Iterator<Item = &str> {
    std::iter::once(reversal.identity.as_str()).chain(reversal.number.as_deref())
}
