//! What is taken back in a life: refunds and disputes.

use super::Author;
use crate::life::{Act, DAY, Fate, Paid, What, Why};

impl Author {
    /// Refunds and disputes of what was paid so far.
    pub(super) fn reversals(&mut self) {
        for index in 0..self.life.acts.len() {
            let Act { at, payer, ref what, .. } = self.life.acts[index];
            let What::Paid(Paid { bill, minor, why, .. }) = what.clone() else { continue };
            if why == Why::CardCheck {
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
                    let fate = self.chance.pick(&[Fate::Done, Fate::Failed, Fate::Open]);
                    let id = self.id(payer, "dp");
                    // Nothing but the link tells which invoice a dispute is about.
                    if let What::Paid(paid) = &mut self.life.acts[index].what {
                        paid.linked = true;
                    }
                    self.act(payer, at + late, What::Dispute { bill, id, fate });
                }
                _ => {}
            }
        }
    }

    fn refund(&mut self, payer: usize, at: i64, bill: String, minor: i64, fate: Fate) {
        // Paystack's refunds bear no time: one that failed after it was done could not be told from the reverse.
        let stripe = self.life.payers[payer].is_stripe();
        let fate = if fate == Fate::DoneThenFailed && !stripe { Fate::Failed } else { fate };
        let id = self.id(payer, "re");
        self.act(payer, at, What::Refund { bill, id, minor, fate });
    }
}
