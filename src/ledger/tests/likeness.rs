//! Which reversals look like a payment is asked of indexes. They find what comparing each with each finds.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::book::{Book, at};
use crate::domain::customer::{CustomerHistory, KnownFact};
use crate::domain::fact::{Customer, FactKind, Payment, Reversal, ReversalStage, ReversedCharge};
use crate::domain::money::Money;
use crate::domain::reason::EventReason;
use crate::ledger::likeness::{Likeness, distance};
use crate::ledger::resolve::payment_ids;

/// The rule as it reads: every reversal is compared with every fact.
fn each_with_each<'a>(
    customer: &'a CustomerHistory,
    payment: &Payment,
    best: &KnownFact,
    reports: &[&KnownFact],
) -> Vec<&'a KnownFact> {
    let customers: BTreeSet<&str> = reports.iter().filter_map(|f| f.fact.customer.as_deref()).collect();
    let reversals = customer.facts.iter().filter(|f| !f.is_related && f.scope == best.scope);
    let alike = reversals.filter_map(|known| match &known.fact.matter {
        FactKind::Reversal(reversal) => {
            Some((looks_like(customer, &best.scope, known, reversal, payment, best.fact.at, &customers)?, known))
        }
        FactKind::Customer(_) | FactKind::Payment(_) | FactKind::Subscription(_) | FactKind::Link(_) => None,
    });
    let alike: Vec<_> = alike.collect();
    let nearest = alike.iter().map(|(apart, _)| *apart).min();
    alike.into_iter().filter(|(apart, _)| Some(*apart) == nearest).map(|(_, known)| known).collect()
}

fn looks_like(
    customer: &CustomerHistory,
    scope: &str,
    known: &KnownFact,
    reversal: &Reversal,
    payment: &Payment,
    paid_at: Timestamp,
    customers: &BTreeSet<&str>,
) -> Option<SignedDuration> {
    let (charge, payer) = (reversal.charge.as_ref()?, known.fact.customer.as_deref()?);
    let distance = |paid_at| distance(charge, paid_at);
    let fits = customers.contains(payer) && charge.money == payment.charged_money();
    let own = distance(paid_at).filter(|_| fits)?;
    let is_it =
        customer.facts.iter().filter(|f| f.scope == scope && !f.is_related).all(|other| match &other.fact.matter {
            FactKind::Payment(p) => {
                let named =
                    payment_ids(&known.fact).any(|k| k == p.identity || payment_ids(&other.fact).any(|o| o == k));
                let same = p.identity == payment.identity;
                let alike = other.fact.customer.as_deref() == Some(payer) && p.charged_money() == charge.money;
                let nearer = alike && distance(other.fact.at).is_some_and(|d| d < own);
                same || !(named || nearer)
            }
            FactKind::Customer(c) if c.no_payment.is_some() => {
                let named = payment_ids(&known.fact).any(|key| payment_ids(&other.fact).any(|own| own == key));
                let same = payment_ids(&other.fact).any(|key| key == payment.identity);
                let alike = other.fact.customer.as_deref() == Some(payer) && c.charged == Some(charge.money);
                let nearer = alike && distance(other.fact.at).is_some_and(|d| d < own);
                !(named || nearer && !same)
            }
            FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => true,
        });
    is_it.then_some(own)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Payment,
    NoPayment,
    Refund,
}

#[derive(Debug, Clone)]
struct Seen {
    kind: Kind,
    minutes: i64,
    customer: Option<&'static str>,
    amount: i64,
    payment: &'static str,
    keys: BTreeSet<&'static str>,
    elsewhere: bool,
    is_related: bool,
}

/// Few values of each, so that many are the same.
fn seen() -> impl Strategy<Value = Seen> {
    let minutes = select(vec![0, 4, 5, 6, 10, 11, 600, 1440, 20_160, 20_161, 20_165, 20_170]);
    let customer = select(vec![Some("cus_1"), Some("cus_1"), Some("cus_1"), Some("cus_2"), None]);
    let kind = select(vec![Kind::Payment, Kind::Payment, Kind::Refund, Kind::Refund, Kind::NoPayment]);
    let payment = select(vec!["in_1", "in_2", "in_3", "in_4", "in_5"]);
    let keys = btree_set(select(vec!["in_1", "in_2", "pi_1", "pi_2", "pi_3", "pi_4", "pi_5", "cus_1"]), 0..2);
    let rare = || select(vec![false, false, false, false, false, false, true]);
    (kind, minutes, customer, select(vec![10, 10, 20]), payment, keys, rare(), rare()).prop_map(
        |(kind, minutes, customer, amount, payment, keys, elsewhere, is_related)| Seen {
            kind,
            minutes,
            customer,
            amount,
            payment,
            keys,
            elsewhere,
            is_related,
        },
    )
}

fn customer(all: &[Seen]) -> CustomerHistory {
    let mut book = Book::new("2026-03-01T00:00:00Z");
    for seen in all {
        let when = at("2026-01-01T00:00:00Z") + SignedDuration::from_mins(seen.minutes);
        let (text, money) = (when.to_string(), Money::new(seen.amount.into(), "usd".parse().unwrap()));
        match seen.kind {
            Kind::Payment => drop(book.payment(&text, seen.payment, seen.amount)),
            Kind::Refund => {
                book.reversal(&text, seen.payment, seen.amount, ReversalStage::Final);
                let FactKind::Reversal(reversal) = &mut book.customer.facts.last_mut().unwrap().fact.matter else {
                    unreachable!()
                };
                reversal.charge = Some(ReversedCharge { money, at: when });
            }
            Kind::NoPayment => {
                let no_payment = Some(EventReason::BelowMinimum);
                let matter = Customer { no_payment, charged: Some(money), ..Customer::default() };
                book.fact(&text, FactKind::Customer(matter));
            }
        }
        let known = book.customer.facts.last_mut().unwrap();
        known.fact.keys = seen.keys.iter().map(|key| (*key).to_owned()).collect();
        known.fact.customer = seen.customer.map(str::to_owned);
        known.is_related = seen.is_related;
        if seen.elsewhere {
            known.scope = "stripe/other/live".into();
        }
    }
    book.customer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_looks_like_a_payment_is_what_comparing_each_with_each_finds(all in vec(seen(), 2..14), joined in 1..3_usize) {
        let customer = customer(&all);
        let own = || customer.facts.iter().filter(|f| !f.is_related);
        let reversals = own().filter_map(|known| match &known.fact.matter {
            FactKind::Reversal(reversal) => Some((known, reversal)),
            FactKind::Customer(_) | FactKind::Payment(_) | FactKind::Subscription(_) | FactKind::Link(_) => None,
        });
        let likeness = Likeness::of(&customer, reversals);
        for best in own() {
            let FactKind::Payment(payment) = &best.fact.matter else { continue };
            // Reports of one sale may have several identities.
            let is_joined = |f: &&KnownFact| match &f.fact.matter {
                FactKind::Payment(p) => f.scope == best.scope && (p.identity == payment.identity || f.event.0 % 3 < joined as i64 - 1),
                FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => false,
            };
            let reports: Vec<&KnownFact> = own().filter(is_joined).collect();
            let numbers = |known: Vec<&KnownFact>| known.into_iter().map(|f| f.event).collect::<BTreeSet<_>>();
            let found = numbers(likeness.nearest(payment, best, &reports).collect());
            let expected = numbers(each_with_each(&customer, payment, best, &reports));
            prop_assert_eq!(found, expected, "{:?} of {:?}", best, all);
        }
    }
}
