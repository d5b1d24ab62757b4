//! What must come of a life at Refairn, worked out from the acts alone: which payments there were, what of them was
//! taken back, and what the customer's subscriptions are in the end. It shares no code with the bridge.

#[path = "standing.rs"]
mod standing;
#[path = "terms.rs"]
mod terms;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use refairn_bridge::domain::mode::Mode;
use rust_decimal::Decimal;

use crate::events::{Event, paid_at, takes_back};
use crate::kit::pipeline::Moment;
use crate::life::{Act, Endpoint, Fate, Life, Lines, Paid, What, Why, Word};
pub(crate) use terms::Terms;
use terms::{reporting, standard};

/// Addresses of one customer between which a code is carried.
const RELATED_MAX: usize = 5;

/// When an event is first there.
pub(crate) type Arrivals = BTreeMap<(u64, u64), Moment>;

/// A payment that really was made.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) act: u64,
    pub(crate) scope: String,
    pub(crate) bill: String,
    pub(crate) mode: Mode,
    pub(crate) sub: Option<String>,
    pub(crate) at: i64,
    pub(crate) day: Date,
    /// What it is told as, the better first.
    pub(crate) terms: Vec<Terms>,
    /// What was paid.
    pub(crate) charged: Decimal,
    pub(crate) currency: String,
    /// The invoice that may report it in the place of its checkout.
    pub(crate) receipt: Option<String>,
    /// What was taken back in the end.
    pub(crate) taken_back: Decimal,
    /// What else was, in another currency.
    pub(crate) foreign: Option<Decimal>,
    /// All of it was to be taken back for a while.
    pub(crate) in_question: bool,
    /// A subscription's first invoice: its checkout session may still come.
    pub(crate) first_invoice: bool,
    /// It was known that it was paid while a trial began; nothing for others.
    pub(crate) trial_known: Option<Timestamp>,
    /// Its first event came.
    pub(crate) heard: Moment,
    /// It came, and the customer's address, too; nothing when no event ever tells it.
    pub(crate) known: Option<Timestamp>,
    /// All that is to be heard of what was taken back.
    pub(crate) reversals_known: Option<Timestamp>,
    /// The session of its checkout came.
    pub(crate) session: Option<Timestamp>,
}

/// A referral code that an event carries.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) mode: Mode,
    pub(crate) code: &'static str,
    /// Since when the event's object is what it is, by the provider.
    pub(crate) at: i64,
    /// The object was made with it at the latest then, and so was the code; nothing where that is not told.
    pub(crate) since: Option<i64>,
    /// The event came.
    pub(crate) heard: Timestamp,
    /// It came, and whose it is was known at the latest.
    pub(crate) known: Option<Timestamp>,
}

/// What is true of a life.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) payments: Vec<Payment>,
    pub(crate) codes: Vec<Code>,
    /// The last word on every product: the status, by mode and product. Products of which the events leave it open
    /// are not among them.
    pub(crate) last: BTreeMap<(&'static str, &'static str), &'static str>,
    /// Events of which nobody ever learns whose they are.
    pub(crate) nobodys: Vec<(u64, u64)>,
    /// Payments of which nobody ever sees what was sold.
    pub(crate) unseen: Vec<u64>,
    /// What subscriptions were said to be, and when that was heard.
    pub(crate) words: Vec<(&'static str, Moment)>,
}

impl Payment {
    pub(crate) fn all_taken_back(&self) -> bool {
        self.taken_back >= self.charged
    }

    /// The product, once all is known.
    pub(crate) fn product(&self) -> &'static str {
        self.terms[0].product
    }
}

/// What is true of one address of a life.
pub(crate) fn of(life: &Life, address: usize, events: &[Event], arrivals: &Arrivals, zone: &TimeZone) -> Truth {
    let knowing = Knowing { life, address, events, arrivals };
    let payments = payments(&knowing, zone);
    let last = standing::last_words(&knowing, &payments);
    let codes = events.iter().filter(|e| life.comes_with(e.payer, address)).filter_map(|e| {
        let mode = life.payers[e.payer].mode;
        let since = (!e.kind.starts_with("checkout.")).then_some(e.at);
        let known = knowing.carried(e);
        Some(Code { mode, code: e.code?, at: e.at, since, heard: knowing.arrival(e), known })
    });
    let nobodys = events.iter().filter(|e| knowing.known(e).is_none()).map(|e| (e.act, e.part)).collect();
    let unseen =
        life.acts.iter().filter(|a| life.payer(a).endpoints == [Endpoint::Program]).filter(|a| match &a.what {
            What::Paid(paid) => paid.lines == Lines::Cut,
            _ => false,
        });
    let unseen = unseen.map(|a| a.n).collect();
    let words = standing::words(&knowing);
    Truth { codes: codes.collect(), last, payments, nobodys, unseen, words }
}

struct Knowing<'a> {
    life: &'a Life,
    address: usize,
    events: &'a [Event],
    arrivals: &'a Arrivals,
}

impl Knowing<'_> {
    fn arrival(&self, event: &Event) -> Timestamp {
        self.arrival_by_clock(event).at
    }

    fn arrival_by_clock(&self, event: &Event) -> Moment {
        self.arrivals[&(event.act, event.part)]
    }

    /// The latest at which the bridge knows an event and whose it is.
    fn known(&self, event: &Event) -> Option<Timestamp> {
        let own = self.arrival(event);
        if event.tells_email {
            return Some(own);
        }
        let payer = &self.life.payers[event.payer];
        let same = |e: &&Event| {
            let other = &self.life.payers[e.payer];
            e.tells_email && other.customer == payer.customer && other.scope() == payer.scope()
        };
        let customer = payer.customer.as_ref()?;
        let told = self.events.iter().filter(same).map(|e| self.arrival(e)).min();
        let of = |other: usize| {
            let other = &self.life.payers[other];
            other.customer.as_ref() == Some(customer) && other.scope() == payer.scope()
        };
        let by_refund = self.told_by_refund(of);
        told.into_iter().chain(by_refund).min().map(|told| told.max(own))
    }

    /// When a refund has told whose a payment of these payers is. Paystack's refunds name the payment and an address,
    /// and no customer: that is known as soon as both are here.
    fn told_by_refund(&self, of: impl Fn(usize) -> bool) -> Option<Timestamp> {
        let first = |act: &Act, kinds: &[&str]| {
            self.of_act(act).filter(|e| kinds.is_empty() || kinds.contains(&e.kind)).map(|e| self.arrival(e)).min()
        };
        let refunds = self.life.acts.iter().filter(|a| a.email.is_some() && !self.life.payer(a).is_stripe());
        let both = refunds.filter(|a| of(a.payer)).filter_map(|refund| {
            let What::Refund { bill, .. } = &refund.what else { return None };
            let (paid, _) = self.life.paid(refund.payer, bill)?;
            Some(first(refund, &[])?.max(first(paid, &["charge.success"])?))
        });
        both.min()
    }

    /// The latest at which the code of an event counts for the address; nothing where it need not.
    fn carried(&self, event: &Event) -> Option<Timestamp> {
        let act = self.life.acts.iter().find(|a| a.n == event.act).expect("an act");
        let known = self.known(event)?;
        if event.tells_email && self.is_here(act) {
            return Some(known);
        }
        // Whoever shares a customer with too many is not related to them.
        let addresses = (0..self.life.addresses()).filter(|address| self.life.comes_with(event.payer, *address));
        if addresses.count() > RELATED_MAX {
            return None;
        }
        let tells = |e: &&Event| {
            let own = self.life.acts.iter().any(|a| a.n == e.act && self.is_here(a));
            e.payer == event.payer && e.tells_email && own
        };
        let told = self.events.iter().filter(tells).map(|e| self.arrival(e));
        Some(told.chain(self.told_by_refund(|payer| payer == event.payer)).min()?.max(known))
    }

    /// Whether an act is told of under the address. A change of status goes to where its subscription was paid, whatever
    /// address it names.
    fn is_here(&self, act: &Act) -> bool {
        let moves = matches!(act.what, What::Free { .. } | What::Declined { .. } | What::Stands { .. });
        act.address == self.address && (!moves || standing::home(self.life, act) == self.address)
    }

    fn of_act(&self, act: &Act) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |e| e.act == act.n)
    }
}

/// Whether an event is of a kind that reports a payment.
fn reports(event: &Event) -> bool {
    matches!(
        event.kind,
        "invoice.paid"
            | "invoice.payment_succeeded"
            | "charge.success"
            | "invoice.update"
            | "checkout.session.completed"
            | "checkout.session.async_payment_succeeded"
    )
}

fn payments(knowing: &Knowing<'_>, zone: &TimeZone) -> Vec<Payment> {
    let life = knowing.life;
    let mut payments = Vec::new();
    for act in life.acts.iter().filter(|a| a.address == knowing.address) {
        let What::Paid(paid) = &act.what else { continue };
        let payer = life.payer(act);
        if paid.why == Why::CardCheck {
            continue;
        }
        let terms = terms::of(knowing, act, paid);
        if terms.is_empty() {
            continue;
        }
        let reports: Vec<&Event> = reporting(knowing, act, paid).collect();
        let (taken_back, reversals_known) = taken_back(knowing, act, paid);
        let amount = |minor| standard(minor, paid.currency, payer);
        let at = paid_at(act, paid);
        payments.push(Payment {
            act: act.n,
            scope: payer.scope(),
            bill: paid.bill.clone(),
            mode: payer.mode,
            sub: paid.sub.clone(),
            at,
            day: Timestamp::from_second(at).expect("a time").to_zoned(zone.clone()).date(),
            known: reports.iter().filter_map(|e| knowing.known(e)).min(),
            terms,
            charged: amount(paid.minor),
            currency: paid.currency.to_uppercase(),
            receipt: paid.receipt(),
            taken_back: amount(taken_back),
            foreign: foreign(life, act, paid).map(|minor| Decimal::new(minor, 2)),
            in_question: in_question(life, act, paid),
            trial_known: trial_known(knowing, act, paid),
            first_invoice: payer.is_stripe() && paid.sub.is_some() && paid.why == Why::First,
            heard: reports.iter().map(|e| knowing.arrival_by_clock(e)).min().expect("a report"),
            reversals_known,
            session: session(knowing, act, paid),
        });
    }
    payments.sort_by_key(|p| (p.at, p.act));
    payments
}

/// When a fee was known to be one of a trial that goes on.
fn trial_known(knowing: &Knowing<'_>, act: &Act, paid: &Paid) -> Option<Timestamp> {
    let trial = |a: &&Act| {
        matches!(&a.what, What::Stands { sub, word: Word::Trialing, .. } if Some(sub) == paid.sub.as_ref())
            && a.payer == act.payer
    };
    // Whoever paid it may have left the subscription since.
    let trial = |a: &&Act| trial(a) && standing::home(knowing.life, a) == knowing.address;
    let begun = knowing.life.acts.iter().filter(trial).flat_map(|a| knowing.of_act(a));
    begun.filter_map(|e| knowing.known(e)).min().filter(|_| paid.lines == Lines::Fee)
}

fn session(knowing: &Knowing<'_>, act: &Act, paid: &Paid) -> Option<Timestamp> {
    let own = |a: &&Act| {
        a.payer == act.payer && matches!(&a.what, What::Checkout { sub, .. } if Some(sub) == paid.sub.as_ref())
    };
    let checkouts = knowing.life.acts.iter().filter(own);
    checkouts.flat_map(|a| knowing.of_act(a)).filter_map(|e| knowing.known(e)).min()
}

/// What was taken back of a payment, in minor units, and when all of it was heard.
fn taken_back(knowing: &Knowing<'_>, act: &Act, paid: &Paid) -> (i64, Option<Timestamp>) {
    let life = knowing.life;
    let stripe = life.payer(act).is_stripe();
    let (mut minor, mut heard) = (0, Some(Timestamp::MIN));
    for other in life.acts.iter().filter(|a| a.payer == act.payer) {
        let own = match &other.what {
            What::Refund { bill, minor, fate, foreign: false, .. } if *bill == paid.bill => {
                if takes_back(*fate) {
                    *minor
                } else {
                    0
                }
            }
            What::Dispute { bill, fate, charge, .. } if *bill == paid.bill => {
                let charged = paid.charged()[*charge];
                match fate {
                    Fate::Reinstated => charged - charged / 10,
                    // Stripe withdraws the money while a dispute is open.
                    Fate::Open if stripe => charged,
                    fate if takes_back(*fate) => charged,
                    _ => 0,
                }
            }
            _ => continue,
        };
        minor += own;
        let all = knowing.of_act(other).map(|e| knowing.arrival(e)).max();
        heard = heard.zip(all).map(|(heard, all)| heard.max(all));
    }
    // In the new shape, what ties a charge to its invoice is an event of its own.
    let link = knowing.of_act(act).map(|e| knowing.arrival(e)).max();
    // What was paid twice goes back first, and nobody misses it.
    let surplus = paid.charged().iter().sum::<i64>() - paid.minor;
    ((minor - surplus).max(0), heard.zip(link).map(|(heard, link)| heard.max(link)))
}

/// What was given back in another currency, in hundredths.
fn foreign(life: &Life, act: &Act, paid: &Paid) -> Option<i64> {
    life.acts.iter().filter(|a| a.payer == act.payer).find_map(|a| match &a.what {
        What::Refund { bill, minor, foreign: true, .. } if *bill == paid.bill => Some(*minor),
        _ => None,
    })
}

fn in_question(life: &Life, act: &Act, paid: &Paid) -> bool {
    let asked = life.acts.iter().filter(|a| a.payer == act.payer).map(|a| match &a.what {
        What::Refund { bill, minor, .. } if *bill == paid.bill => *minor,
        What::Dispute { bill, .. } if *bill == paid.bill => paid.minor,
        _ => 0,
    });
    asked.sum::<i64>() >= paid.minor
}
