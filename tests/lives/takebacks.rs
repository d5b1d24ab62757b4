//! What is taken back in a life: refunds and disputes.

use super::Author;
use crate::life::{Act, Charges, DAY, Fate, Paid, What, Why};

impl Author {
    /// Refunds and disputes of what was paid so far.
    pub(super) fn reversals(&mut self) {
        for index in 0..self.life.acts.len() {
            let Act { at, payer, ref what, .. } = self.life.acts[index];
            let What::Paid(paid) = what.clone() else { continue };
            let Paid { bill, minor, why, .. } = paid.clone();
            if why == Why::CardCheck {
                continue;
            }
            if matches!(paid.charges, Charges::Parts | Charges::Twice) {
                self.of_two_charges(payer, at, &paid);
                continue;
            }
            let delayed = if why == Why::Delayed { 3 * DAY } else { 0 };
            let late = delayed + 30 + self.chance.span(6 * DAY);
            match self.chance.below(100) {
                0..8 => {
                    let fate = self.chance.pick(&[
                        Fate::Done,
                        Fate::Done,
                        Fate::SlowlyDone,
                        Fate::Failed,
                        Fate::DoneThenFailed,
                        Fate::Open,
                    ]);
                    self.refund(payer, at + late, bill, minor, fate);
                }
                8..12 => self.refund(payer, at + late, bill, minor / 4, Fate::Done),
                12..14 => {
                    self.refund(payer, at + late, bill.clone(), minor / 4, Fate::Done);
                    let later = late + 60 + self.chance.span(2 * DAY);
                    self.refund(payer, at + later, bill, minor - minor / 4, Fate::Done);
                }
                14..18 => {
                    let lost_in_part = if self.life.payers[payer].is_stripe() { Fate::Reinstated } else { Fate::Done };
                    let fate = self.chance.pick(&[Fate::Done, Fate::Failed, Fate::Open, lost_in_part]);
                    let id = self.id(payer, "dp");
                    // Nothing but the link tells which invoice a dispute is about.
                    if let What::Paid(paid) = &mut self.life.acts[index].what {
                        paid.linked = true;
                    }
                    self.act(payer, at + late, What::Dispute { bill, id, fate, charge: 0 });
                }
                18..20 if self.life.payers[payer].is_stripe() => {
                    let id = self.id(payer, "re");
                    if let What::Paid(paid) = &mut self.life.acts[index].what {
                        paid.linked = true;
                    }
                    let what = What::Refund { bill, id, minor, fate: Fate::Done, charge: 0, foreign: true };
                    self.act(payer, at + late, what);
                }
                _ => {}
            }
        }
    }

    fn refund(&mut self, payer: usize, at: i64, bill: String, minor: i64, fate: Fate) {
        // Paystack's refunds bear no time: one that failed after it was done could not be told from the reverse.
        let stripe = self.life.payers[payer].is_stripe();
        let fate = if fate == Fate::DoneThenFailed && !stripe { Fate::Failed } else { fate };
        self.refund_of(payer, at, bill, minor, fate, 0);
    }

    fn refund_of(&mut self, payer: usize, at: i64, bill: String, minor: i64, fate: Fate, charge: usize) {
        let id = self.id(payer, "re");
        self.act(payer, at, What::Refund { bill, id, minor, fate, charge, foreign: false });
    }

    /// What goes back of an invoice that was paid by two charges.
    fn of_two_charges(&mut self, payer: usize, at: i64, paid: &Paid) {
        let late = 30 + self.chance.span(6 * DAY);
        let charged = paid.charged();
        let bill = || paid.bill.clone();
        match self.chance.below(10) {
            0..4 => {
                let charge = usize::from(self.chance.percent(50));
                let fate = self.chance.pick(&[Fate::Done, Fate::Done, Fate::SlowlyDone, Fate::Failed]);
                self.refund_of(payer, at + late, bill(), charged[charge], fate, charge);
            }
            4 => self.refund_of(payer, at + late, bill(), charged[1] / 4, Fate::Done, 1),
            5 => {
                self.refund_of(payer, at + late, bill(), charged[0], Fate::Done, 0);
                let later = late + 60 + self.chance.span(2 * DAY);
                self.refund_of(payer, at + later, bill(), charged[1], Fate::Done, 1);
            }
            6 => {
                let id = self.id(payer, "dp");
                let fate = self.chance.pick(&[Fate::Done, Fate::Failed, Fate::Open]);
                self.act(payer, at + late, What::Dispute { bill: bill(), id, fate, charge: 1 });
            }
            _ => {}
        }
    }
}
