//! The charges of one payment, and what went back of each. An invoice may be paid by several charges, or twice: the
//! provider's word that nothing is left speaks of one charge only.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::returns::{Report, Return};
use crate::domain::event::EventId;
use crate::domain::fact::{Payment, Reversal, ReversalStage};
use crate::domain::money::{Currency, Money};

/// What was taken back of one payment.
#[derive(Debug, Default)]
pub(super) struct TakenBack {
    /// How much, standard units of the payment's currency, beyond what was charged too much.
    pub(super) amount: Decimal,
    /// Nothing is left.
    pub(super) full: bool,
    /// What went back in other currencies: nobody can say how much of the payment that is.
    pub(super) foreign: Vec<Money>,
    /// The events that are about it, of whatever stage.
    pub(super) events: Vec<EventId>,
}

impl TakenBack {
    /// Something went back.
    pub(super) fn is_some(&self) -> bool {
        !self.amount.is_zero() || !self.foreign.is_empty()
    }
}

/// A payment's charges, by their names.
pub(super) struct Charges<'a> {
    payment: &'a Payment,
    brought: BTreeMap<Option<&'a str>, Decimal>,
}

/// What went back of one charge, in the payment's currency.
#[derive(Default)]
struct Back {
    /// Single refunds.
    refunds: Vec<Decimal>,
    /// The provider's running total of refunds.
    total: Decimal,
    /// Refunds that failed, which the total may still count.
    void: Decimal,
    disputes: Decimal,
    /// The provider says that nothing is left of the charge.
    full: bool,
}

impl<'a> Charges<'a> {
    pub(super) const fn of(payment: &'a Payment) -> Self {
        Self { payment, brought: BTreeMap::new() }
    }

    /// A charge brought so much.
    pub(super) fn brought(&mut self, charge: Option<&'a str>, money: Option<Money>) {
        if let Some(amount) = money.and_then(|money| money.amount_in(self.payment.currency)) {
            let known = self.brought.entry(charge).or_default();
            *known = (*known).max(amount);
        }
    }

    /// Adds up what these reversals took back. What the charges brought beyond what had to be paid goes back first: an
    /// invoice that was paid twice stays paid when one of the payments is refunded.
    pub(super) fn taken_back(mut self, joined: &[Report<'a>]) -> TakenBack {
        let (payment, currency) = (self.payment, self.payment.currency);
        for (_, reversal) in joined {
            let money = reversal.charge.as_ref().map(|charge| charge.money);
            self.brought(self.name(reversal), money);
        }
        let mut foreign = Vec::new();
        let mut charges: BTreeMap<Option<&str>, Back> = BTreeMap::new();
        for (last, amount) in last_words(joined, currency) {
            let back = charges.entry(self.name(last)).or_default();
            match amount {
                Some(amount) => back.add(last, amount),
                None if last.stage == ReversalStage::Final => foreign.push(last.money),
                None => {}
            }
        }
        let mut taken = Decimal::ZERO;
        for (name, back) in &charges {
            let brought = self.brought.get(name).copied();
            // Of the only charge that is known, the payment says what it brought.
            let only = charges.len() == 1 && self.brought.len() <= 1;
            let whole = brought.or_else(|| only.then_some(payment.charged));
            taken += back.amount(whole, payment.uncaptured);
        }
        let charged = payment.charged.max(self.brought.values().sum());
        let amount = (taken - (charged - payment.charged)).clamp(Decimal::ZERO, payment.charged);
        let full = !amount.is_zero() && amount >= payment.charged;
        TakenBack { amount, full, foreign, events: joined.iter().map(|(f, _)| f.event).collect() }
    }

    /// The charge that a reversal is about. One that does not say which is about the only one there is.
    fn name(&self, reversal: &'a Reversal) -> Option<&'a str> {
        let only = || self.brought.keys().next().copied().flatten().filter(|_| self.brought.len() == 1);
        reversal.of_charge.as_deref().or_else(only)
    }
}

/// Each refund's and dispute's last word, with its amount where that is of this currency.
fn last_words<'a>(joined: &[Report<'a>], currency: Currency) -> impl Iterator<Item = (&'a Reversal, Option<Decimal>)> {
    let amount = move |r: &Reversal| r.money.amount_in(currency);
    let words = Return::all(joined).into_iter().filter_map(move |one| {
        let reports = one.reports();
        let (_, last) = *reports.iter().max_by_key(|(f, r)| (f.fact.at, rank(r.stage), amount(r), f.event))?;
        // What came back of a dispute that was lost lowers it, whichever of the two was heard last.
        let lowest =
            || reports.iter().filter(|(_, r)| r.stage == ReversalStage::Final).filter_map(|(_, r)| amount(r)).min();
        let lost = last.dispute && last.stage == ReversalStage::Final;
        Some((last, if lost { amount(last).and(lowest()) } else { amount(last) }))
    });
    words.collect::<Vec<_>>().into_iter()
}

impl Back {
    fn add(&mut self, last: &Reversal, amount: Decimal) {
        match (last.stage, last.dispute, last.cumulative) {
            (ReversalStage::Final, true, _) => self.disputes += amount,
            (ReversalStage::Final, false, true) => self.total = self.total.max(amount),
            (ReversalStage::Final, false, false) => self.refunds.push(amount),
            (ReversalStage::Void, false, _) => self.void += amount,
            (ReversalStage::Void, true, _) | (ReversalStage::Pending, ..) => return,
        }
        self.full |= last.full && last.stage == ReversalStage::Final;
    }

    /// How much went back of a charge that brought `whole`. A single refund of exactly what was held and never taken
    /// gives nothing back.
    fn amount(&self, whole: Option<Decimal>, uncaptured: Option<Decimal>) -> Decimal {
        let rest = uncaptured.filter(|rest| self.refunds.contains(rest)).unwrap_or_default();
        let single = self.refunds.iter().sum::<Decimal>() - rest;
        // A refund that failed is still part of the running total.
        let refunds = single.max((self.total - self.void).max(Decimal::ZERO));
        let said = whole.filter(|_| self.full && self.void.is_zero()).unwrap_or_default();
        let amount = (refunds + self.disputes).max(said);
        whole.map_or(amount, |whole| amount.min(whole))
    }
}

const fn rank(stage: ReversalStage) -> u8 {
    match stage {
        ReversalStage::Pending => 0,
        ReversalStage::Final => 1,
        ReversalStage::Void => 2,
    }
}
