//! What is bought once, and what is bought through Paystack.

use super::{Author, Sub};
use crate::life::{BEGIN, Charges, DAY, Fate, HOUR, LIFE_MAX, Lines, Paid, Price, What, Why, Word};

impl Author {
    pub(super) fn one_offs(&mut self, payer: usize, mut at: i64) {
        let (minor, currency) = (self.minor(), self.currency(payer));
        let people = self.people(payer);
        for _ in 0..self.chance.pick(&[1, 1, 1, 2, 3]).max(people) {
            self.next_of_many(payer);
            let stripe = self.life.payers[payer].is_stripe();
            let roll = self.chance.below(10);
            let why = match (stripe, roll) {
                (true, 0..2) => Why::Delayed,
                (false, 0..2) => Why::CardCheck,
                _ => Why::OneOff,
            };
            let bill = self.id(payer, if stripe { "pi" } else { "ref" });
            let checks = why == Why::CardCheck;
            let (minor, currency) = if checks { (5_000, "NGN") } else { (minor, currency) };
            let named = self.life.payers[payer].customer.is_some();
            let charges = match (stripe && named && why == Why::OneOff, self.chance.below(10)) {
                (true, 0..3) => Charges::Receipt,
                (true, 3..5) => Charges::Hold,
                _ => Charges::One,
            };
            let paid = Paid {
                bill: bill.clone(),
                sub: None,
                minor,
                currency,
                price: Price::Basic,
                why,
                twice: false,
                linked: false,
                charges,
                lines: Lines::Own,
            };
            let code = self.coded(payer, 50);
            self.act(payer, at, What::Paid(paid)).code = code;
            if checks {
                let id = self.id(payer, "re");
                let what = What::Refund { bill, id, minor, fate: Fate::Done, charge: 0, foreign: false };
                self.act(payer, at + 20, what);
            }
            at += 60 + self.chance.span(if people > 3 { 2 * DAY } else { 12 * DAY });
        }
    }

    pub(super) fn paystack_subscription(&mut self, payer: usize, at: i64) {
        let (id, price) = (self.id(payer, "SUB"), self.chance.pick(&[Price::Basic, Price::Basic, Price::Plus]));
        let (minor, currency) = (self.minor(), self.currency(payer));
        let mut sub = Sub { payer, id, price, minor, currency, coded: false, at };
        let bill = self.id(payer, "ref");
        self.pay(&sub, bill, Why::First);
        self.life.acts.last_mut().expect("an act").code = self.coded(payer, 80);
        sub.at += self.chance.between(1, 4);
        self.stands(&sub, Word::Active, None);
        let period = self.chance.pick(&[2 * HOUR, DAY, 7 * DAY, 7 * DAY, 14 * DAY]);
        for _ in 0..self.chance.pick(&[0, 0, 1, 1, 2, 3]) {
            sub.at += period;
            if sub.at > BEGIN + LIFE_MAX - 12 * DAY {
                break;
            }
            let bill = self.id(payer, "ref");
            if self.chance.percent(20) {
                self.declined(&sub, bill.clone(), false);
                sub.at += 60 + self.chance.span(3 * DAY);
                if !self.chance.percent(70) {
                    return;
                }
            }
            self.pay(&sub, bill, Why::Renewal);
        }
        if self.chance.percent(50) {
            sub.at += 60 + self.chance.span(5 * DAY);
            self.stands(&sub, Word::Ending, None);
            sub.at += 60 + self.chance.span(5 * DAY);
            if self.chance.percent(80) {
                self.stands(&sub, Word::Ended, None);
            }
        }
    }
}
