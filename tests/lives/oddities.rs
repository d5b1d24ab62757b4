//! What is odd about some lives, each by itself: who hears of them, what else is on an invoice, and whose address it
//! names.

use super::{Author, Sub};
use crate::life::{Addresses, Endpoint, Lines, Payer, Price, What, Why};

impl Author {
    /// Who hears of a customer: mostly one endpoint.
    pub(super) fn endpoints(&mut self, stripe: bool, addresses: Addresses) -> &'static [Endpoint] {
        use Endpoint::{Paystack, Program, Shop, Stripe};
        let alone = matches!(addresses, Addresses::Moves | Addresses::Differs);
        match (stripe, self.chance.below(20)) {
            (false, _) => &[Paystack],
            (true, 0..3) => &[Stripe, Shop],
            // Of what it does not count nobody knows whose subscription it was.
            (true, 3..6) if !alone => &[Program],
            (true, 6..8) if !alone => &[Program, Stripe],
            (true, _) => &[Stripe],
        }
    }

    /// What else is on a subscription's invoice.
    pub(super) fn lines(&mut self, payer: usize) -> Lines {
        let Payer { endpoints, .. } = self.life.payers[payer];
        match (self.life.payers[payer].is_stripe(), self.chance.below(20)) {
            (true, 0..3) => Lines::Beside,
            (true, 3) => Lines::Outside,
            // Which of two that do not see it all is to decide, nobody says.
            (true, 4..6) if endpoints != [Endpoint::Program, Endpoint::Stripe] => Lines::Cut,
            _ => Lines::Own,
        }
    }

    /// A trial that costs something to begin with.
    pub(super) fn fee(&mut self, sub: &Sub, bill: String, late: i64) {
        let mut paid = self.paid(sub, bill, Why::First);
        (paid.lines, paid.price) = (Lines::Fee, Price::Basic);
        self.act(sub.payer, sub.at + late, What::Paid(paid));
        self.with_code(sub);
    }

    /// How a new customer's addresses are.
    pub(super) fn addresses(&mut self, stripe: bool) -> Addresses {
        match (stripe, self.chance.below(100)) {
            (true, 0..9) => Addresses::Moves,
            (true, 9..15) => Addresses::Differs,
            (_, 15..20) => Addresses::Shared(2),
            (_, 20..23) => Addresses::Shared(7),
            _ => Addresses::One,
        }
    }

    /// Whose address an act is about: what is taken back is the payment's.
    pub(super) fn address(&self, payer: usize, what: &What) -> usize {
        match what {
            What::Refund { bill, .. } | What::Dispute { bill, .. } => {
                self.life.paid(payer, bill).map_or(0, |(act, _)| act.address)
            }
            _ => self.life.payers[payer].address,
        }
    }

    /// Whether nobody else is the same customer.
    pub(super) fn is_one(&self, sub: &Sub) -> bool {
        self.life.payers[sub.payer].addresses == Addresses::One
    }

    pub(super) fn at_address(&mut self, payer: usize, address: usize, then: impl FnOnce(&mut Self)) {
        let own = std::mem::replace(&mut self.life.payers[payer].address, address);
        then(self);
        self.life.payers[payer].address = own;
    }

    /// The customer has a new address from now on.
    pub(super) fn perhaps_moves(&mut self, payer: usize, at: i64) {
        let Payer { addresses, address, .. } = self.life.payers[payer];
        if addresses == Addresses::Moves && address == 0 && self.chance.percent(60) {
            self.life.payers[payer].address = 1;
            self.act(payer, at, What::SignUp { created: false, referred: false });
        }
    }

    /// How many people are one customer.
    pub(super) fn people(&self, payer: usize) -> usize {
        if let Addresses::Shared(people) = self.life.payers[payer].addresses { people } else { 1 }
    }

    /// Another of them.
    pub(super) fn next_of_many(&mut self, payer: usize) {
        let next = self.life.payers[payer].address + 1;
        self.life.payers[payer].address = next % self.people(payer);
    }
}
