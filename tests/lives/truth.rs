//! What must come of a life at Refairn, worked out from the acts alone: which payments there were, what of them was
//! taken back, and what the customer's subscriptions are in the end. It shares no code with the bridge.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use refairn_bridge::domain::event::Mode;
use rust_decimal::Decimal;

use crate::events::{Event, paid_at, takes_back};
use crate::life::{Act, Fate, Life, Paid, Payer, Price, What, Why, Word};
use crate::paystack::says_when;
use crate::support::Moment;

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
    pub(crate) product: &'static str,
    pub(crate) amount: Decimal,
    pub(crate) currency: String,
    /// What was taken back in the end.
    pub(crate) taken_back: Decimal,
    /// All of it was to be taken back for a while.
    pub(crate) in_question: bool,
    /// A subscription's first invoice: its checkout session may still come.
    pub(crate) first_invoice: bool,
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
}

impl Payment {
    pub(crate) fn all_taken_back(&self) -> bool {
        self.taken_back >= self.amount
    }
}

pub(crate) fn of(life: &Life, events: &[Event], arrivals: &Arrivals, zone: &TimeZone) -> Truth {
    let knowing = Knowing { life, events, arrivals };
    let payments = payments(&knowing, zone);
    let last = last_words(&knowing, &payments);
    let codes = events.iter().filter_map(|e| {
        let mode = life.payers[e.payer].mode;
        Some(Code { mode, code: e.code?, heard: knowing.arrival(e), known: knowing.known(e) })
    });
    let nobodys = events.iter().filter(|e| knowing.known(e).is_none()).map(|e| (e.act, e.part)).collect();
    Truth { codes: codes.collect(), last, payments, nobodys }
}

struct Knowing<'a> {
    life: &'a Life,
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
        payer.customer.as_ref()?;
        self.events.iter().filter(same).map(|e| self.arrival(e)).min().map(|told| told.max(own))
    }

    fn of_act(&self, act: &Act) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |e| e.act == act.n)
    }
}

/// The events that report a payment.
fn reports(event: &&Event) -> bool {
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
    for act in &life.acts {
        let What::Paid(paid) = &act.what else { continue };
        let payer = life.payer(act);
        if paid.why == Why::CardCheck {
            continue;
        }
        let reports: Vec<&Event> = knowing.of_act(act).filter(reports).filter(|e| e.at >= paid_at(act, paid)).collect();
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
            product: product(payer, paid.price),
            amount: amount(paid.minor),
            currency: paid.currency.to_uppercase(),
            taken_back: amount(taken_back),
            in_question: in_question(life, act, paid),
            first_invoice: payer.is_stripe() && paid.sub.is_some() && paid.why == Why::First,
            heard: reports.iter().map(|e| knowing.arrival_by_clock(e)).min().expect("a report"),
            known: reports.iter().filter_map(|e| knowing.known(e)).min(),
            reversals_known,
            session: session(knowing, act, paid),
        });
    }
    payments.sort_by_key(|p| (p.at, p.act));
    payments
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
            What::Refund { bill, minor, fate, .. } if *bill == paid.bill => {
                if takes_back(*fate) {
                    *minor
                } else {
                    0
                }
            }
            What::Dispute { bill, fate, .. } if *bill == paid.bill => {
                // Stripe withdraws the money while a dispute is open.
                if takes_back(*fate) || (stripe && *fate == Fate::Open) { paid.minor } else { 0 }
            }
            _ => continue,
        };
        minor += own;
        let all = knowing.of_act(other).map(|e| knowing.arrival(e)).max();
        heard = heard.zip(all).map(|(heard, all)| heard.max(all));
    }
    // In the new shape, what ties a charge to its invoice is an event of its own.
    let link = knowing.of_act(act).map(|e| knowing.arrival(e)).max();
    (minor, heard.zip(link).map(|(heard, link)| heard.max(link)))
}

fn in_question(life: &Life, act: &Act, paid: &Paid) -> bool {
    let asked = life.acts.iter().filter(|a| a.payer == act.payer).map(|a| match &a.what {
        What::Refund { bill, minor, .. } if *bill == paid.bill => *minor,
        What::Dispute { bill, .. } if *bill == paid.bill => paid.minor,
        _ => 0,
    });
    asked.sum::<i64>() >= paid.minor
}

/// The amount in standard units. Paystack counts hundredths of everything.
fn standard(minor: i64, currency: &str, payer: &Payer) -> Decimal {
    let scale = match (payer.is_stripe(), currency) {
        (true, "jpy") => 0,
        (true, "kwd") => 3,
        _ => 2,
    };
    Decimal::new(minor, scale)
}

fn product(payer: &Payer, price: Price) -> &'static str {
    match (payer.mode, price) {
        (Mode::Test, _) => "prod_test",
        (Mode::Live, Price::Basic) => "prod_1",
        (Mode::Live, Price::Plus) => "prod_2",
    }
}

/// A subscription while its acts are read.
struct Standing {
    status: Option<&'static str>,
    /// Since when.
    at: i64,
    trial_end: i64,
    price: Price,
    /// That of its last payment counts.
    price_paid: bool,
    payer: usize,
    /// A payment that was all taken back was the last word: whether the subscription goes on is for the provider to say.
    doubtful: bool,
    /// It was another product's before: what becomes of that one, nobody says.
    left: Option<Price>,
}

/// The status of every product in the end.
fn last_words(knowing: &Knowing<'_>, payments: &[Payment]) -> BTreeMap<(&'static str, &'static str), &'static str> {
    let life = knowing.life;
    let mut subs: BTreeMap<(String, String), Standing> = BTreeMap::new();
    let mut acts: Vec<(i64, &Act)> = life.acts.iter().map(|a| (heard_at(knowing, a), a)).collect();
    acts.sort_by_key(|(at, act)| (*at, act.n));
    for (at, act) in acts {
        let Some(sub) = act.what.subscription() else { continue };
        let key = (life.payer(act).scope(), sub.to_owned());
        let standing = subs.entry(key).or_insert(Standing {
            status: None,
            at,
            trial_end: 0,
            price: Price::Basic,
            price_paid: false,
            payer: act.payer,
            doubtful: false,
            left: None,
        });
        step(standing, act, at, payments, life.payer(act).is_stripe());
    }
    let mut last: BTreeMap<(&'static str, &'static str), Vec<(i64, &'static str)>> = BTreeMap::new();
    let mut open = Vec::new();
    for act in life.acts.iter().filter(|act| is_misdated(knowing, act)) {
        let standing = act.what.subscription().and_then(|sub| subs.get(&(life.payer(act).scope(), sub.to_owned())));
        open.extend(standing.map(|s| (life.payer(act).mode.code(), product(life.payer(act), s.price))));
    }
    for standing in subs.values() {
        let payer = &life.payers[standing.payer];
        let key = (payer.mode.code(), product(payer, standing.price));
        open.extend(standing.left.map(|price| (payer.mode.code(), product(payer, price))));
        open.extend(standing.doubtful.then_some(key));
        open.extend(in_anothers_place(life, standing).then_some(key));
        if let Some(status) = standing.status {
            last.entry(key).or_default().push((standing.at, status));
        }
    }
    last.retain(|key, _| !open.contains(key));
    last.into_iter()
        .filter_map(|((mode, product), subs)| {
            let one_off = payments.iter().filter(|p| p.sub.is_none() && p.mode.code() == mode && p.product == product);
            let one_off = one_off.filter(|p| !p.all_taken_back()).map(|p| p.at).max();
            let changed = subs.iter().map(|(at, _)| *at).max();
            let word = if one_off >= changed { "active" } else { strongest(&subs)? };
            Some(((mode, product), word))
        })
        .collect()
}

/// Paystack's charges name the plan and not the subscription: another one's looks as if it made up for a failed one.
fn in_anothers_place(life: &Life, standing: &Standing) -> bool {
    let payer = &life.payers[standing.payer];
    let paid = |a: &Act| matches!(&a.what, What::Paid(p) if p.price == standing.price && p.sub.is_some());
    let alike =
        |a: &&Act| paid(a) && life.payer(a).customer == payer.customer && life.payer(a).scope() == payer.scope();
    !payer.is_stripe()
        && standing.status == Some("past_due")
        && life.acts.iter().filter(alike).any(|a| a.at >= standing.at)
}

fn strongest(subs: &[(i64, &'static str)]) -> Option<&'static str> {
    let order = ["cancelled", "past_due", "trialing", "active"];
    subs.iter().map(|(_, status)| *status).max_by_key(|s| order.iter().position(|o| o == s))
}

/// Some of Paystack's events do not say when.
fn is_undated(life: &Life, act: &Act) -> bool {
    let ended = matches!(act.what, What::Stands { word: Word::Ended, .. });
    !life.payer(act).is_stripe() && ended && !says_when(act.n)
}

/// It does not say when, or only that it cannot be later than it came, and it came while the bridge's clock was wrong: what
/// came of it then, nobody can tell.
fn is_misdated(knowing: &Knowing<'_>, act: &Act) -> bool {
    let mut arrivals = knowing.of_act(act).map(|e| knowing.arrival_by_clock(e));
    let failed = !knowing.life.payer(act).is_stripe() && matches!(act.what, What::Declined { .. });
    (is_undated(knowing.life, act) || failed) && arrivals.any(|when| !when.ahead().is_zero())
}

/// When an act counts: if it does not say so, when it comes, by the bridge's clock.
fn heard_at(knowing: &Knowing<'_>, act: &Act) -> i64 {
    if is_undated(knowing.life, act) {
        return knowing.of_act(act).map(|e| knowing.arrival_by_clock(e).by_clock.as_second()).max().unwrap_or(act.at);
    }
    match &act.what {
        What::Paid(paid) => paid_at(act, paid),
        _ => act.at,
    }
}

fn step(standing: &mut Standing, act: &Act, at: i64, payments: &[Payment], stripe: bool) {
    let ended = standing.status == Some("cancelled");
    let next = match &act.what {
        What::Paid(paid) => {
            let gone = payments.iter().any(|p| p.act == act.n && p.all_taken_back());
            standing.doubtful = gone;
            if standing.price_paid && standing.price != paid.price {
                standing.left = Some(standing.price);
            }
            (standing.price, standing.price_paid) = (paid.price, true);
            let trial = standing.status == Some("trialing") && standing.trial_end > at;
            Some(if ended {
                "cancelled"
            } else if trial {
                "trialing"
            } else {
                "active"
            })
        }
        What::Free { covered, .. } => covered.then_some("active"),
        What::Declined { first, .. } => (!first).then_some("past_due"),
        What::Stands { word, trial_end, price, .. } => {
            standing.trial_end = trial_end.unwrap_or(standing.trial_end);
            if !standing.price_paid {
                standing.price = *price;
            }
            match word {
                Word::Incomplete => None,
                // Paystack says that it will not renew, not since when, nor whether what was owed is paid.
                Word::Ending if !stripe => None,
                Word::Trialing => Some("trialing"),
                Word::Active | Word::Resumed | Word::Ending => Some("active"),
                Word::PastDue | Word::Unpaid | Word::Paused => Some("past_due"),
                Word::Ended | Word::IncompleteExpired => Some("cancelled"),
            }
        }
        What::SignUp { .. } | What::Checkout { .. } | What::Refund { .. } | What::Dispute { .. } => None,
    };
    if let Some(next) = next.filter(|_| !ended) {
        if !matches!(act.what, What::Paid(_)) {
            standing.doubtful = false;
        }
        (standing.status, standing.at) = (Some(next), at);
    }
}
