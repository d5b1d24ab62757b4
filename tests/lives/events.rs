//! What the provider sends of a life: every act as one or several events.

use serde_json::Value;

use crate::life::{Act, Charges, Endpoint, Fate, Life, Paid, Payer, Price, What, Why};
use crate::{paystack, stripe};

/// One webhook, however often it comes.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The act it reports, and which of the act's events it is.
    pub(crate) act: u64,
    pub(crate) part: u64,
    pub(crate) payer: usize,
    pub(crate) endpoint: Endpoint,
    /// When the provider first sends it, in seconds since 1970.
    pub(crate) at: i64,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
    /// It names the person's address.
    pub(crate) tells_email: bool,
    /// It carries this referral code.
    pub(crate) code: Option<&'static str>,
}

/// Every event of a life, in the order in which things happened.
pub(crate) fn of(life: &Life) -> Vec<Event> {
    let mut events = Vec::new();
    for act in &life.acts {
        let mut out = Out { life, act, events: &mut events };
        if life.payer(act).is_stripe() { stripe::write(&mut out) } else { paystack::write(&mut out) }
    }
    events.sort_by_key(|e| (e.at, e.act, e.part));
    events
}

/// Where the events of one act are put.
pub(crate) struct Out<'a> {
    pub(crate) life: &'a Life,
    pub(crate) act: &'a Act,
    events: &'a mut Vec<Event>,
}

impl Out<'_> {
    pub(crate) fn payer(&self) -> &Payer {
        self.life.payer(self.act)
    }

    /// The number of the next event of this act.
    pub(crate) fn part(&self) -> u64 {
        self.events.iter().filter(|e| e.act == self.act.n).count() as u64
    }

    /// Adds an event, for each endpoint that hears of it. It tells address and code if it is of a kind that can.
    pub(crate) fn send(&mut self, kind: &'static str, at: i64, body: &Value, can_tell: Tells) {
        let tells_email = can_tell.email && self.act.email.is_some();
        let code = self.act.code.map(|(code, _)| code).filter(|_| can_tell.code);
        let (act, part, payer) = (self.act.n, self.part(), self.act.payer);
        for (n, endpoint) in (0..).zip(self.payer().endpoints.iter().copied()) {
            let body = body.to_string();
            self.events.push(Event { act, part: part + n, payer, endpoint, at, kind, body, tells_email, code });
        }
    }
}

/// What events of a kind can tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tells {
    pub(crate) email: bool,
    pub(crate) code: bool,
}

impl Tells {
    pub(crate) const ALL: Self = Self { email: true, code: true };
    pub(crate) const EMAIL: Self = Self { email: true, code: false };
    pub(crate) const CODE: Self = Self { email: false, code: true };
    pub(crate) const NOTHING: Self = Self { email: false, code: false };
}

/// The name that most objects have; a checkout's is as the customer typed it.
pub(crate) const NAME: &str = "Ada Okafor";
pub(crate) const TYPED_NAME: &str = "Ada N. Okafor";

/// An RFC 3339 time, as Paystack writes them.
pub(crate) fn rfc3339(at: i64) -> String {
    jiff::Timestamp::from_second(at).expect("a time").strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// What was refunded of a bill up to and including this act.
pub(crate) fn refunded_so_far(life: &Life, act: &Act, of: &str, of_charge: usize) -> i64 {
    let earlier = life.acts.iter().filter(|a| a.payer == act.payer && (a.at, a.n) <= (act.at, act.n));
    let minors = earlier.filter_map(|a| match &a.what {
        What::Refund { bill, minor, charge, foreign: false, .. } if bill == of && *charge == of_charge => Some(*minor),
        _ => None,
    });
    minors.sum()
}

/// When the money of a payment came.
pub(crate) fn paid_at(act: &Act, paid: &Paid) -> i64 {
    match (paid.why, paid.charges) {
        (Why::Delayed, _) => act.at + 2 * crate::life::DAY + 977,
        (_, Charges::Hold) => act.at + crate::life::DAY,
        _ => act.at,
    }
}

/// One line that says what an act is.
pub(crate) fn describe(life: &Life, act: &Act) -> String {
    let payer = life.payer(act);
    let who = format!("{} {} {:?}", payer.scope(), payer.customer.as_deref().unwrap_or("guest"), payer.endpoints);
    let email =
        act.email.map_or_else(|| "no e-mail".to_owned(), |spelling| format!("{spelling:?} e-mail {}", act.address));
    let code = act.code.map_or_else(String::new, |(code, place)| format!(", code {code} ({place:?})"));
    let what = match &act.what {
        What::SignUp { created, referred } => {
            format!(
                "signs up ({}{})",
                if *created { "created" } else { "updated" },
                if *referred { ", referred" } else { "" }
            )
        }
        What::Checkout { sub, bill, .. } => format!("checks out {sub}, {bill}"),
        What::Paid(p) => {
            let sub = p.sub.as_deref().unwrap_or("no subscription");
            let again = if p.twice { ", told twice" } else { "" };
            let link = if p.linked { ", linked" } else { "" };
            format!(
                "pays {} {} for {} ({:?}, {:?}, {sub}{again}{link}, {:?}, {:?})",
                p.minor, p.currency, p.bill, p.why, p.price, p.charges, p.lines
            )
        }
        What::Free { bill, sub, covered, .. } => format!("pays nothing for {bill} of {sub}, covered: {covered}"),
        What::Declined { bill, sub, first, .. } => {
            format!("fails to pay {bill} of {sub}{}", if *first { ", the first" } else { "" })
        }
        What::Stands { sub, word, price, .. } => format!("{sub} is {word:?} ({price:?})"),
        What::Refund { bill, id, minor, fate, charge, foreign } => {
            let money = if *foreign { ", in another currency" } else { "" };
            format!("refund {id} of {minor} for {bill}, charge {charge}: {fate:?}{money}")
        }
        What::Dispute { bill, id, fate, charge } => format!("dispute {id} of {bill}, charge {charge}: {fate:?}"),
    };
    format!("{} #{:<2} {who}: {what} [{email}{code}]", rfc3339(act.at), act.n)
}

/// What a price is called at the provider.
pub(crate) const fn price_id(price: Price, stripe: bool) -> &'static str {
    match (price, stripe) {
        (Price::Basic, true) => "price_basic",
        (Price::Plus, true) => "price_plus",
        (Price::Basic, false) => "PLN_basic",
        (Price::Plus, false) => "PLN_plus",
    }
}

/// Whether a refund of this fate takes the money back in the end.
pub(crate) const fn takes_back(fate: Fate) -> bool {
    matches!(fate, Fate::Done | Fate::SlowlyDone)
}
