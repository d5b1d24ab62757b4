//! Makes a life from its number.

#[path = "oddities.rs"]
mod oddities;
#[path = "purchases.rs"]
mod purchases;
#[path = "takebacks.rs"]
mod takebacks;

use std::collections::BTreeMap;

use refairn_bridge::domain::mode::Mode;
use refairn_bridge::domain::provider::ProviderKind;

use crate::chance::Chance;
use crate::life::{
    Act, Addresses, BEGIN, Charges, DAY, HOUR, LIFE_MAX, Life, Lines, Paid, Payer, Place, Price, Spelling, What, Why,
    Word,
};

/// The agents' codes, all of them known to Refairn.
const CODES: &[&str] = &["ADA10", "BAYO-15", "chidi_20", "x.9", "48213"];

/// The life of this number.
pub(crate) fn life(number: u64) -> Life {
    let mut chance = Chance::of(&[number]);
    let code = chance.percent(70).then(|| chance.pick(CODES));
    let mut author = Author {
        life: Life { number, email: format!("l{number}.ada@example.com"), payers: vec![], acts: vec![] },
        chance,
        ids: BTreeMap::new(),
        code,
    };
    for _ in 0..author.chance.pick(&[1, 1, 1, 1, 1, 2, 2, 2, 3]) {
        author.strand();
    }
    author.reversals();
    let mut life = author.life;
    life.acts.sort_by_key(|act| (act.at, act.n));
    life
}

struct Author {
    life: Life,
    chance: Chance,
    /// Ids count within their scope: other accounts, and the test mode, have the same ones.
    ids: BTreeMap<String, u64>,
    code: Option<&'static str>,
}

/// A subscription as it is written down.
struct Sub {
    payer: usize,
    id: String,
    price: Price,
    minor: i64,
    currency: &'static str,
    /// Its metadata hold the code, and so do its invoices'.
    coded: bool,
    at: i64,
}

impl Author {
    fn act(&mut self, payer: usize, at: i64, what: What) -> &mut Act {
        let Payer { customer, addresses, .. } = &self.life.payers[payer];
        // A guest has nothing else, and of several addresses each says which it is.
        let must = customer.is_none() || *addresses != Addresses::One;
        let (n, address) = (self.life.acts.len() as u64, self.address(payer, &what));
        let email = (must || self.chance.percent(85)).then(|| self.spelling());
        self.life.acts.push(Act { n, at, payer, address, email, code: None, what });
        self.life.acts.last_mut().expect("the act")
    }

    fn spelling(&mut self) -> Spelling {
        self.chance.pick(&[
            Spelling::Lower,
            Spelling::Lower,
            Spelling::Lower,
            Spelling::Mixed,
            Spelling::Upper,
            Spelling::Spaced,
        ])
    }

    fn id(&mut self, payer: usize, kind: &str) -> String {
        let next = self.ids.entry(self.life.payers[payer].scope()).or_default();
        *next += 1;
        format!("{kind}_{}x{next}", self.life.number)
    }

    fn place(&mut self, payer: usize) -> Place {
        if self.life.payers[payer].is_stripe() {
            self.chance.pick(&[Place::Metadata, Place::OtherKey, Place::ClientReference])
        } else {
            self.chance.pick(&[Place::Metadata, Place::OtherKey, Place::CustomField, Place::TextMetadata])
        }
    }

    /// The life's code, or once in a while another one.
    fn coded(&mut self, payer: usize, cases: u64) -> Option<(&'static str, Place)> {
        let own = self.code.filter(|_| self.chance.percent(cases))?;
        let code = if self.chance.percent(8) { self.chance.pick(CODES) } else { own };
        Some((code, self.place(payer)))
    }

    /// One more thing that the person buys.
    fn strand(&mut self) {
        let payer = self.payer();
        let at = BEGIN + DAY + self.chance.between(0, 20 * DAY);
        match (self.life.payers[payer].is_stripe(), self.chance.below(10)) {
            _ if matches!(self.life.payers[payer].addresses, Addresses::Shared(_)) => self.one_offs(payer, at),
            (true, _) if self.life.payers[payer].addresses != Addresses::One => self.stripe_subscription(payer, at),
            (true, 0..7) if self.life.payers[payer].customer.is_some() => self.stripe_subscription(payer, at),
            (true, _) => self.one_offs(payer, at),
            (false, 0..6) => self.paystack_subscription(payer, at),
            (false, _) => self.one_offs(payer, at),
        }
    }

    fn payer(&mut self) -> usize {
        let old = self.life.payers.len();
        let again = self.life.payers.last().is_some_and(|p| p.addresses == Addresses::One);
        if again && self.chance.percent(35) {
            return old - 1;
        }
        let stripe = self.chance.percent(62);
        let provider = if stripe { ProviderKind::Stripe } else { ProviderKind::Paystack };
        let account = (stripe && self.chance.percent(15)).then_some("acct_1Market");
        let first = self.life.payers.first().map(|payer| payer.mode);
        let mode = match first.filter(|_| !self.chance.percent(10)) {
            Some(mode) => mode,
            None if self.chance.percent(12) => Mode::Test,
            None => Mode::Live,
        };
        let new_shape = self.chance.percent(50);
        let guest = stripe && self.chance.percent(8);
        let addresses = if guest { Addresses::One } else { self.addresses(stripe) };
        let endpoints = self.endpoints(stripe, addresses);
        self.life.payers.push(Payer {
            provider,
            account,
            mode,
            endpoints,
            customer: None,
            addresses,
            address: 0,
            new_shape,
        });
        if !guest {
            self.life.payers[old].customer = Some(self.id(old, if stripe { "cus" } else { "CUS" }));
        }
        old
    }

    fn currency(&mut self, payer: usize) -> &'static str {
        if self.life.payers[payer].is_stripe() {
            self.chance.pick(&["usd", "usd", "eur", "jpy", "kwd", "ugx"])
        } else {
            self.chance.pick(&["NGN", "NGN", "GHS", "XOF", "KES"])
        }
    }

    fn minor(&mut self) -> i64 {
        let odd = self.chance.between(1, 5_000_000);
        self.chance.pick(&[10_000, 29_000, 29_990, 100_000, 450_000, odd.max(10_000)])
    }

    fn stripe_subscription(&mut self, payer: usize, at: i64) {
        let (id, price) = (self.id(payer, "sub"), self.chance.pick(&[Price::Basic, Price::Basic, Price::Plus]));
        let (minor, currency) = (self.minor(), self.currency(payer));
        let coded = self.code.is_some() && self.chance.percent(8);
        let mut sub = Sub { payer, id, price, minor, currency, coded, at };
        if self.chance.percent(50) {
            let code = self.coded(payer, 15).map(|(code, _)| (code, Place::Metadata));
            let created = self.chance.percent(85);
            self.act(payer, sub.at, What::SignUp { created, referred: false }).code = code;
            sub.at += 1 + self.chance.span(2 * DAY);
        }
        let bill = self.id(payer, "in");
        if self.chance.percent(70) {
            let checkout = What::Checkout { session: self.id(payer, "cs"), sub: sub.id.clone(), bill: bill.clone() };
            let (code, late) = (self.coded(payer, 80), self.chance.between(0, 4));
            let another = usize::from(self.life.payers[payer].addresses == Addresses::Differs);
            self.at_address(payer, another, |author| author.act(payer, sub.at + late, checkout).code = code);
        }
        if self.begin(&mut sub, bill) {
            self.periods(&mut sub);
        }
        if self.code.is_none() && self.chance.percent(20) {
            // An agent comes by after some payments, and before others.
            let at = sub.at - self.chance.span(20 * DAY).min(sub.at - BEGIN - DAY);
            let code = (self.chance.pick(CODES), Place::Metadata);
            self.act(payer, at, What::SignUp { created: false, referred: true }).code = Some(code);
        }
    }

    /// The first days of a subscription; false when it does not come to more.
    fn begin(&mut self, sub: &mut Sub, bill: String) -> bool {
        match self.chance.below(20) {
            0..5 => self.trial(sub, bill),
            // The first card fails, and perhaps the second, too.
            5..7 => {
                self.stands(sub, Word::Incomplete, None);
                self.declined(sub, bill.clone(), true);
                if self.is_one(sub) && self.chance.percent(30) {
                    sub.at += 23 * HOUR;
                    self.stands(sub, Word::IncompleteExpired, None);
                    return false;
                }
                sub.at += 60 + self.chance.between(0, 20 * HOUR);
                self.pay(sub, bill, Why::First);
                sub.at += 1;
                self.stands(sub, Word::Active, None);
                true
            }
            early => {
                self.stands(sub, if early % 2 == 0 { Word::Active } else { Word::Incomplete }, None);
                sub.at += self.chance.between(0, 3);
                self.pay(sub, bill, Why::First);
                if early % 2 == 1 {
                    sub.at += self.chance.between(0, 2);
                    self.stands(sub, Word::Active, None);
                }
                true
            }
        }
    }

    fn trial(&mut self, sub: &mut Sub, bill: String) -> bool {
        let end = sub.at + self.chance.between(1, 9) * DAY;
        self.stands(sub, Word::Trialing, Some(end));
        let late = self.chance.between(0, 2);
        if self.chance.percent(30) {
            self.fee(sub, bill, late);
        } else {
            let free = What::Free { bill, sub: sub.id.clone(), price: sub.price, covered: false, first: true };
            self.act(sub.payer, sub.at + late, free);
        }
        if self.is_one(sub) && self.chance.percent(15) {
            sub.at = self.chance.between(sub.at + 60, end - 60);
            self.stands(sub, Word::Ended, None);
            return false;
        }
        self.perhaps_moves(sub.payer, end - HOUR);
        sub.at = end;
        if self.chance.percent(8) {
            self.stands(sub, Word::Paused, None);
            sub.at += 60 + self.chance.span(5 * DAY);
            self.stands(sub, Word::Resumed, None);
        } else {
            self.stands(sub, Word::Active, None);
        }
        sub.at += HOUR;
        let bill = self.id(sub.payer, "in");
        self.pay(sub, bill, Why::Renewal);
        true
    }

    fn periods(&mut self, sub: &mut Sub) {
        let period = self.chance.pick(&[2 * HOUR, DAY, 3 * DAY, 7 * DAY, 7 * DAY, 14 * DAY]);
        for _ in 0..self.chance.pick(&[0, 0, 1, 1, 2, 2, 3, 4]) {
            let next = sub.at + period + self.chance.between(-600, 600);
            if next > BEGIN + LIFE_MAX - 12 * DAY {
                break;
            }
            sub.at = next;
            self.perhaps_moves(sub.payer, sub.at - 60);
            let bill = self.id(sub.payer, "in");
            match self.chance.below(20) {
                0..4 => {
                    if !self.failure(sub, bill) {
                        return;
                    }
                }
                4..6 => {
                    sub.price = Price::Plus;
                    sub.minor += 1_500;
                    self.stands(sub, Word::Active, None);
                    sub.at += self.chance.between(0, 2);
                    self.pay(sub, bill, Why::Upgrade);
                }
                6 => {
                    self.act(
                        sub.payer,
                        sub.at,
                        What::Free { bill, sub: sub.id.clone(), price: sub.price, covered: true, first: false },
                    );
                }
                roll => {
                    self.pay(sub, bill, Why::Renewal);
                    if roll % 2 == 0 {
                        sub.at += self.chance.between(0, 2);
                        self.stands(sub, Word::Active, None);
                    }
                }
            }
        }
        self.end(sub);
    }

    /// A renewal that fails; true when the customer pays after all.
    fn failure(&mut self, sub: &mut Sub, bill: String) -> bool {
        self.declined(sub, bill.clone(), false);
        sub.at += self.chance.between(0, 2);
        if self.chance.percent(85) {
            self.stands(sub, Word::PastDue, None);
        }
        sub.at += 60 + self.chance.span(5 * DAY);
        match self.chance.below(10) {
            0..6 => {
                self.pay(sub, bill, Why::Renewal);
                sub.at += 1;
                self.stands(sub, Word::Active, None);
                true
            }
            6..8 => {
                self.stands(sub, Word::Ended, None);
                false
            }
            8 => {
                self.stands(sub, Word::Unpaid, None);
                false
            }
            _ => false,
        }
    }

    fn end(&mut self, sub: &mut Sub) {
        if !self.chance.percent(45) {
            return;
        }
        sub.at += 60 + self.chance.span(5 * DAY);
        if self.chance.percent(40) {
            self.stands(sub, Word::Ending, None);
            sub.at += 60 + self.chance.span(5 * DAY);
        }
        self.stands(sub, Word::Ended, None);
        if self.chance.percent(5) {
            sub.at += 60 + self.chance.span(2 * DAY);
            let bill = self.id(sub.payer, "in");
            self.pay(sub, bill, Why::Renewal);
        }
    }

    fn pay(&mut self, sub: &Sub, bill: String, why: Why) {
        let mut paid = self.paid(sub, bill, why);
        paid.lines = self.lines(sub.payer);
        if paid.lines == Lines::Outside {
            paid.price = Price::Basic;
        }
        self.act(sub.payer, sub.at, What::Paid(paid));
        self.with_code(sub);
    }

    fn paid(&mut self, sub: &Sub, bill: String, why: Why) -> Paid {
        let (twice, linked) = (self.chance.percent(40), self.chance.percent(60));
        let Sub { minor, currency, price, .. } = *sub;
        let payer = &self.life.payers[sub.payer];
        // Only since the new shape an invoice has several charges.
        let charges = match (payer.is_stripe() && payer.new_shape, self.chance.below(12)) {
            (true, 0) => Charges::Parts,
            (true, 1) => Charges::Twice,
            _ => Charges::One,
        };
        // Of several addresses nothing but the link tells which one a refund is about.
        let linked = linked || charges != Charges::One || !self.is_one(sub);
        let (sub, lines) = (Some(sub.id.clone()), Lines::Own);
        Paid { bill, sub, minor, currency, price, why, twice, linked, charges, lines }
    }

    fn stands(&mut self, sub: &Sub, word: Word, trial_end: Option<i64>) {
        self.act(sub.payer, sub.at, What::Stands { sub: sub.id.clone(), word, price: sub.price, trial_end });
        self.with_code(sub);
    }

    fn declined(&mut self, sub: &Sub, bill: String, first: bool) {
        let Sub { minor, currency, price, .. } = *sub;
        self.act(sub.payer, sub.at, What::Declined { bill, sub: sub.id.clone(), minor, currency, price, first });
        self.with_code(sub);
    }

    fn with_code(&mut self, sub: &Sub) {
        let code = self.code.filter(|_| sub.coded).map(|code| (code, Place::Metadata));
        self.life.acts.last_mut().expect("an act").code = code;
    }
}
