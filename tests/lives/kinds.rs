//! What kinds of oddities there are among lives, so that none of them vanishes unseen.

use crate::drive::{Arrival, Batch};
use crate::events::Event;
use crate::life::{Act, Addresses, Charges, Endpoint, Fate, Lines, What, Word};
use crate::stripe::NO_CODES;

/// Of every thousand lives at least so many are of each kind.
pub(crate) const PER_THOUSAND_MIN: u64 = 3;

/// The kinds, each with how many of a batch's lives are of it.
pub(crate) fn of(batch: &Batch) -> Vec<(&'static str, u64)> {
    let acts = |is: fn(&What) -> bool| count(batch, |_, acts| acts.iter().any(|a| is(&a.what)));
    let charged = |charges| count(batch, move |_, acts| acts.iter().any(|a| paid_by(a, charges)));
    let lined = |lines| count(batch, move |_, acts| acts.iter().any(|a| lined(a, lines)));
    let fated = |fate| count(batch, move |_, acts| acts.iter().any(|a| disputed(a, fate)));
    let shared = |more: bool| {
        let is = move |a: Addresses| matches!(a, Addresses::Shared(people) if (people > 5) == more);
        of_payers(batch, move |p| is(p.addresses))
    };
    vec![
        ("paid in parts", charged(Charges::Parts)),
        ("paid twice", charged(Charges::Twice)),
        ("checkout and receipt", charged(Charges::Receipt)),
        ("hold taken in part", charged(Charges::Hold)),
        ("fee of a trial", lined(Lines::Fee)),
        ("line outside of the program", lined(Lines::Beside)),
        ("only lines outside", lined(Lines::Outside)),
        ("list that was cut", lined(Lines::Cut)),
        ("trial", acts(|w| matches!(w, What::Stands { word: Word::Trialing, .. }))),
        ("refund in another currency", acts(|w| matches!(w, What::Refund { foreign: true, .. }))),
        ("dispute lost", fated(Fate::Done)),
        ("dispute won", fated(Fate::Failed)),
        ("dispute given back in part", fated(Fate::Reinstated)),
        ("referred late", acts(|w| matches!(w, What::SignUp { referred: true, .. }))),
        ("two endpoints", of_payers(batch, |p| p.endpoints == [Endpoint::Stripe, Endpoint::Shop])),
        ("program beside another endpoint", of_payers(batch, |p| p.endpoints == [Endpoint::Program, Endpoint::Stripe])),
        ("program alone", of_payers(batch, |p| p.endpoints == [Endpoint::Program])),
        (
            "address that changed",
            count(batch, |life, acts| {
                acts.iter().any(|a| a.address > 0 && life.payer(a).addresses == Addresses::Moves)
            }),
        ),
        (
            "checkout under another address",
            count(batch, |life, acts| {
                acts.iter().any(|a| a.address > 0 && life.payer(a).addresses == Addresses::Differs)
            }),
        ),
        ("customer of two people", shared(false)),
        ("customer of too many people", shared(true)),
        ("word for no code", told(batch, says_that_there_is_none)),
        ("outage", outages(batch)),
    ]
}

fn count(batch: &Batch, is: impl Fn(&crate::life::Life, &[Act]) -> bool) -> u64 {
    batch.lives.iter().filter(|(life, _)| is(life, &life.acts)).count() as u64
}

fn of_payers(batch: &Batch, is: impl Fn(&crate::life::Payer) -> bool) -> u64 {
    count(batch, |life, acts| acts.iter().any(|a| is(life.payer(a))))
}

fn paid_by(act: &Act, charges: Charges) -> bool {
    matches!(&act.what, What::Paid(paid) if paid.charges == charges)
}

fn lined(act: &Act, lines: Lines) -> bool {
    matches!(&act.what, What::Paid(paid) if paid.lines == lines)
}

fn disputed(act: &Act, of: Fate) -> bool {
    matches!(&act.what, What::Dispute { fate, .. } if *fate == of)
}

fn told(batch: &Batch, is: fn(&Event) -> bool) -> u64 {
    batch.lives.iter().filter(|(_, events)| events.iter().any(is)).count() as u64
}

/// It has a word in the place of a code.
fn says_that_there_is_none(event: &Event) -> bool {
    NO_CODES.iter().any(|word| event.body.contains(&format!("\"refairn_code\":\"{word}\"")))
}

/// Lives of which something happened while nobody listened.
fn outages(batch: &Batch) -> u64 {
    let missed =
        |life: usize, events: usize| (0..events).any(|event| batch.outage(Arrival { life, event, again: 0 }).is_some());
    batch.lives.iter().enumerate().filter(|(n, (_, events))| missed(*n, events.len())).count() as u64
}
