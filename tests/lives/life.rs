//! A customer's life in the provider's terms: who pays, and what happens when. It says nothing of what must come of it
//! at Refairn; `truth` works that out.

use refairn_bridge::domain::mode::Mode;

pub(crate) use crate::payer::{Addresses, Endpoint, Payer};

/// When the first world begins, in seconds since 1970: 2026-03-01T00:00:00Z.
pub(crate) const BEGIN: i64 = 1_772_323_200;
pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;
/// No life lasts longer.
pub(crate) const LIFE_MAX: i64 = 50 * DAY;

/// One person, mostly with one address, however it is spelled.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) number: u64,
    /// The first address, in lower case.
    pub(crate) email: String,
    pub(crate) payers: Vec<Payer>,
    /// By time.
    pub(crate) acts: Vec<Act>,
}

/// Something that happens, and which every one of its events reports.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// Its place in the life, by which chance knows it: it stays when others are left out.
    pub(crate) n: u64,
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) payer: usize,
    /// Which of the life's addresses it is about.
    pub(crate) address: usize,
    /// How its events spell the address, if they have one.
    pub(crate) email: Option<Spelling>,
    /// The referral code, and where its events have it.
    pub(crate) code: Option<(&'static str, Place)>,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    Lower,
    Mixed,
    Upper,
    Spaced,
}

/// Where a code may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Metadata,
    OtherKey,
    ClientReference,
    CustomField,
    TextMetadata,
}

/// What is sold. Plus has a Refairn product of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Price {
    Basic,
    Plus,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Stripe's `customer.created`, `.updated`.
    SignUp {
        created: bool,
        /// The code came just now: the customer was referred late.
        referred: bool,
    },
    /// The checkout session that begins a subscription.
    Checkout {
        session: String,
        sub: String,
        bill: String,
    },
    Paid(Paid),
    /// Nothing was charged: a trial begins, or a coupon covers it all.
    Free {
        bill: String,
        sub: String,
        price: Price,
        covered: bool,
        first: bool,
    },
    /// A charge failed.
    Declined {
        bill: String,
        sub: String,
        minor: i64,
        currency: &'static str,
        price: Price,
        first: bool,
    },
    /// What a subscription is from now on.
    Stands {
        sub: String,
        word: Word,
        price: Price,
        trial_end: Option<i64>,
    },
    /// Money goes back.
    Refund {
        bill: String,
        id: String,
        minor: i64,
        fate: Fate,
        /// Which of the payment's charges it is of.
        charge: usize,
        /// It is told in another currency than the payment.
        foreign: bool,
    },
    /// The bank takes it all back, or tries to.
    Dispute {
        bill: String,
        id: String,
        fate: Fate,
        charge: usize,
    },
}

/// A payment.
#[derive(Debug, Clone)]
pub(crate) struct Paid {
    /// Invoice, payment intent or transaction reference.
    pub(crate) bill: String,
    pub(crate) sub: Option<String>,
    pub(crate) minor: i64,
    pub(crate) currency: &'static str,
    pub(crate) price: Price,
    pub(crate) why: Why,
    /// Told by a second event, too.
    pub(crate) twice: bool,
    /// Told which payment intent paid it (Stripe, new shape), or announced by an invoice (Paystack).
    pub(crate) linked: bool,
    pub(crate) charges: Charges,
    pub(crate) lines: Lines,
}

/// What an invoice is about, beside what was subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    Own,
    /// What begins a trial costs something, and the subscription nothing yet.
    Fee,
    /// Something outside of the program, too.
    Beside,
    /// Only that.
    Outside,
    /// Nobody sees the line of the subscription: the list was cut before it.
    Cut,
}

/// How the money of a payment came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charges {
    One,
    /// An invoice that was paid in two parts.
    Parts,
    /// An invoice that was paid twice by mistake.
    Twice,
    /// By a checkout that lets an invoice be made afterwards, which reports the payment, too.
    Receipt,
    /// More was held than was taken.
    Hold,
}

impl Paid {
    /// What each charge brought.
    pub(crate) fn charged(&self) -> Vec<i64> {
        match self.charges {
            Charges::One | Charges::Receipt | Charges::Hold => vec![self.minor],
            Charges::Parts => vec![self.minor / 3, self.minor - self.minor / 3],
            Charges::Twice => vec![self.minor, self.minor],
        }
    }

    /// What of it is for the subscription.
    pub(crate) const fn own_part(&self) -> i64 {
        match self.lines {
            Lines::Own | Lines::Cut => self.minor,
            Lines::Beside => self.minor * 2 / 300 * 100,
            Lines::Fee | Lines::Outside => 0,
        }
    }

    /// What a charge's payment intent is called.
    pub(crate) fn intent(&self, charge: usize) -> String {
        let bill = &self.bill;
        match (self.sub.is_some(), charge) {
            (true, 0) => format!("pi_{bill}"),
            (true, charge) => format!("pi_{bill}x{charge}"),
            (false, _) => bill.clone(),
        }
    }

    /// What of a hold was never taken.
    pub(crate) fn never_taken(&self) -> i64 {
        if self.charges == Charges::Hold { self.minor / 2 } else { 0 }
    }

    /// The invoice that is made after the checkout.
    pub(crate) fn receipt(&self) -> Option<String> {
        (self.charges == Charges::Receipt).then(|| format!("in_{}", self.bill))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A subscription's first.
    First,
    Renewal,
    Upgrade,
    /// By a checkout session of its own.
    OneOff,
    /// The same, where the money comes later than the customer leaves.
    Delayed,
    /// A few kobo, to see whether a card works.
    CardCheck,
}

/// A subscription's status in the provider's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    /// Will end, but has not yet.
    Ending,
    PastDue,
    Unpaid,
    Paused,
    Resumed,
    Ended,
}

/// How a refund or a dispute goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The money is back with the customer.
    Done,
    /// The same, after a while.
    SlowlyDone,
    /// Asked for, and then it failed.
    Failed,
    /// Done, and then it came back.
    DoneThenFailed,
    /// Nobody knows yet, but the money is withdrawn (a dispute), or not (a refund).
    Open,
    /// A dispute that was lost, of which the bank gave a tenth back.
    Reinstated,
}

impl Life {
    pub(crate) fn payer(&self, act: &Act) -> &Payer {
        &self.payers[act.payer]
    }

    /// An address in lower case.
    pub(crate) fn address(&self, n: usize) -> String {
        if n == 0 { self.email.clone() } else { self.email.replace('@', &format!(".{n}@")) }
    }

    /// Whether an address is one of a customer's.
    pub(crate) fn comes_with(&self, payer: usize, address: usize) -> bool {
        let same = |a: &Act| {
            let (own, other) = (&self.payers[payer], self.payer(a));
            a.payer == payer || own.customer.is_some() && own.customer == other.customer && own.scope() == other.scope()
        };
        self.acts.iter().any(|a| a.address == address && same(a))
    }

    /// How many there are.
    pub(crate) fn addresses(&self) -> usize {
        1 + self.acts.iter().map(|act| act.address).max().unwrap_or(0)
    }

    /// The address as an act's events have it.
    pub(crate) fn spelled(&self, act: &Act) -> Option<String> {
        let plain = &self.address(act.address);
        Some(match act.email? {
            Spelling::Lower => plain.clone(),
            Spelling::Mixed => plain.replace("ada", "Ada").replace("example", "Example"),
            Spelling::Upper => plain.to_uppercase(),
            Spelling::Spaced => format!(" {plain}  "),
        })
    }

    /// The payment of a bill, if it is part of this life.
    pub(crate) fn paid(&self, payer: usize, bill: &str) -> Option<(&Act, &Paid)> {
        let scope = self.payers[payer].scope();
        self.acts.iter().find_map(|act| match &act.what {
            What::Paid(paid) if paid.bill == bill && self.payer(act).scope() == scope => Some((act, paid)),
            _ => None,
        })
    }

    /// Whether something is known of an address from live mode, so that nothing of the test mode is told.
    pub(crate) fn is_live(&self, address: usize) -> bool {
        self.acts.iter().any(|act| act.address == address && self.payer(act).mode == Mode::Live)
    }

    /// Whether an act is about a card check.
    pub(crate) fn is_card_check(&self, n: u64) -> bool {
        let act = self.acts.iter().find(|a| a.n == n);
        act.is_some_and(|act| match &act.what {
            What::Refund { bill, .. } => self.paid(act.payer, bill).is_some_and(|(_, paid)| paid.why == Why::CardCheck),
            _ => false,
        })
    }

    /// The same life without what is not kept, and without what hangs in the air then.
    pub(crate) fn keeping(&self, keep: impl Fn(&Act) -> bool) -> Self {
        let mut life = Self { acts: self.acts.iter().filter(|a| keep(a)).cloned().collect(), ..self.clone() };
        let whole = life.clone();
        life.acts.retain(|act| {
            whole.payer(act).is_stripe() || act.what.subscription().is_none_or(|sub| whole.begins(act.payer, sub))
        });
        let paid = life.clone();
        life.acts.retain(|act| match &act.what {
            What::Refund { bill, .. } | What::Dispute { bill, .. } => paid.paid(act.payer, bill).is_some(),
            _ => true,
        });
        life
    }

    /// Whether the begin of a subscription is part of this life. Paystack's charges alone do not tell of one.
    fn begins(&self, payer: usize, of: &str) -> bool {
        let begin = |w: &What| matches!(w, What::Stands { sub, word: Word::Active, .. } if sub == of);
        self.acts.iter().any(|a| a.payer == payer && begin(&a.what))
    }
}

impl What {
    /// The subscription that it is about.
    pub(crate) fn subscription(&self) -> Option<&str> {
        match self {
            Self::Paid(paid) => paid.sub.as_deref(),
            Self::Free { sub, .. } | Self::Declined { sub, .. } | Self::Stands { sub, .. } => Some(sub),
            Self::SignUp { .. } | Self::Checkout { .. } | Self::Refund { .. } | Self::Dispute { .. } => None,
        }
    }
}
