//! What the customer's subscriptions are in the end.

use std::collections::BTreeMap;

use super::terms::product;
use super::{Knowing, Payment};
use crate::events::paid_at;
use crate::kit::pipeline::Moment;
use crate::life::{Act, Endpoint, Life, Lines, Payer, Price, What, Word};
use crate::paystack::says_when;

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
pub(super) fn last_words(
    knowing: &Knowing<'_>,
    payments: &[Payment],
) -> BTreeMap<(&'static str, &'static str), &'static str> {
    let life = knowing.life;
    let mut subs: BTreeMap<(String, String), Standing> = BTreeMap::new();
    let mut acts: Vec<(i64, &Act)> = life.acts.iter().map(|a| (heard_at(knowing, a), a)).collect();
    acts.sort_by_key(|(at, act)| (*at, act.n));
    for (at, act) in acts {
        let Some(sub) = act.what.subscription() else { continue };
        if home(life, act) != knowing.address || matches!(act.what, What::Paid(_)) && act.address != knowing.address {
            continue;
        }
        // Nobody ever learns whose it is.
        if knowing.of_act(act).all(|e| knowing.known(e).is_none()) {
            continue;
        }
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
        step(standing, act, at, payments, life.payer(act));
    }
    let mut last: BTreeMap<(&'static str, &'static str), Vec<(i64, &'static str)>> = BTreeMap::new();
    let mut open = Vec::new();
    for act in life.acts.iter().filter(|act| is_misdated(knowing, act)) {
        let standing = act.what.subscription().and_then(|sub| subs.get(&(life.payer(act).scope(), sub.to_owned())));
        open.extend(standing.map(|s| (life.payer(act).mode.code(), own_product(life.payer(act), s.price))));
    }
    // What becomes of a subscription that moved on is told where it went.
    let moved = |p: &&Payment| p.sub.as_ref().is_some_and(|sub| !subs.contains_key(&(p.scope.clone(), sub.clone())));
    open.extend(payments.iter().filter(moved).map(|p| (p.mode.code(), p.product())));
    // What was told of a subscription before it was paid elsewhere stays where it was told.
    let left = life.acts.iter().filter(|a| a.address == knowing.address && home(life, a) != knowing.address);
    open.extend(left.filter_map(|a| {
        let (What::Free { price, .. } | What::Declined { price, .. } | What::Stands { price, .. }) = &a.what else {
            return None;
        };
        Some((life.payer(a).mode.code(), own_product(life.payer(a), *price)))
    }));
    for standing in subs.values() {
        let payer = &life.payers[standing.payer];
        let key = (payer.mode.code(), own_product(payer, standing.price));
        open.extend(standing.left.map(|price| (payer.mode.code(), own_product(payer, price))));
        open.extend(standing.doubtful.then_some(key));
        open.extend(in_anothers_place(life, standing).then_some(key));
        if let Some(status) = standing.status {
            last.entry(key).or_default().push((standing.at, status));
        }
    }
    last.retain(|key, _| !open.contains(key));
    last.into_iter()
        .filter_map(|((mode, product), subs)| {
            let one_off =
                payments.iter().filter(|p| p.sub.is_none() && p.mode.code() == mode && p.product() == product);
            let one_off = one_off.filter(|p| !p.all_taken_back()).map(|p| p.at).max();
            let changed = subs.iter().map(|(at, _)| *at).max();
            let word = if one_off >= changed { "active" } else { strongest(&subs)? };
            Some(((mode, product), word))
        })
        .collect()
}

/// At whose address a subscription's changes are told: where it was paid last.
pub(super) fn home(life: &Life, act: &Act) -> usize {
    let of = |a: &&Act| {
        let paid = matches!(&a.what, What::Paid(paid) if paid.sub.as_deref() == act.what.subscription());
        paid && life.payer(a).scope() == life.payer(act).scope()
    };
    let last = life.acts.iter().filter(of).max_by_key(|a| (a.at, a.n));
    last.map_or(act.address, |a| a.address)
}

/// What the first endpoint calls it.
fn own_product(payer: &Payer, price: Price) -> &'static str {
    product(payer, payer.endpoints[0], price)
}

/// Every word on a subscription, whosever and of whichever product, and when it came.
pub(super) fn words(knowing: &Knowing<'_>) -> Vec<(&'static str, Moment)> {
    let said = knowing.life.acts.iter().flat_map(|act| {
        let statuses: &[&str] = match &act.what {
            What::Paid(_) => &["active", "trialing"],
            What::Free { .. } => &["active"],
            What::Declined { .. } => &["past_due"],
            What::Stands { word, .. } => match word {
                Word::Incomplete => &[],
                Word::Trialing => &["trialing"],
                Word::Active | Word::Resumed | Word::Ending => &["active"],
                Word::PastDue | Word::Unpaid | Word::Paused => &["past_due"],
                Word::Ended | Word::IncompleteExpired => &["cancelled"],
            },
            What::SignUp { .. } | What::Checkout { .. } | What::Refund { .. } | What::Dispute { .. } => &[],
        };
        knowing.of_act(act).flat_map(move |e| statuses.iter().map(move |s| (*s, e)))
    });
    said.map(|(status, event)| (status, knowing.arrival_by_clock(event))).collect()
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

fn step(standing: &mut Standing, act: &Act, at: i64, payments: &[Payment], payer: &Payer) {
    let ended = standing.status == Some("cancelled");
    let next = match &act.what {
        What::Paid(paid) => {
            let outside = payer.endpoints == [Endpoint::Program] && paid.lines != Lines::Own;
            // Nothing was paid for the subscription.
            if outside && paid.lines == Lines::Fee {
                return;
            }
            standing.doubtful = payments.iter().any(|p| p.act == act.n && p.all_taken_back());
            if !outside || !matches!(paid.lines, Lines::Outside | Lines::Cut) {
                if standing.price_paid && standing.price != paid.price {
                    standing.left = Some(standing.price);
                }
                (standing.price, standing.price_paid) = (paid.price, true);
            }
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
                Word::Ending if !payer.is_stripe() => None,
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
