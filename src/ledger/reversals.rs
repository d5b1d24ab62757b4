//! What was taken back of a payment: refunds and disputes, joined to it in whatever order they came.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};

use jiff::{SignedDuration, Timestamp};

use super::charges::{Charges, TakenBack};
use super::resolve::payment_ids;
use crate::domain::customer::{CustomerHistory, KnownFact};
use crate::domain::fact::{Fact, FactKind, Link, Payment, Reversal, ReversedCharge};
use crate::domain::reason::EventReason;

/// A charge is made at most this long before its invoice counts as paid (bank debits take days to clear) ...
const CHARGE_BEFORE_PAID_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);
/// ... and at most this long after, by the provider's clocks.
const CHARGE_AFTER_PAID_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Every reversal of a customer, and the facts that only tie ids together.
pub(super) struct Reversals<'a> {
    customer: &'a CustomerHistory,
    all: Vec<(&'a KnownFact, &'a Reversal)>,
    /// Places in `all`, by scope and key.
    by_key: HashMap<(&'a str, &'a str), Vec<usize>>,
    /// Links, by scope and key.
    links: HashMap<(&'a str, &'a str), Vec<&'a KnownFact>>,
}

impl<'a> Reversals<'a> {
    pub(super) fn of(customer: &'a CustomerHistory) -> Self {
        let mut all = Vec::new();
        let mut by_key: HashMap<_, Vec<usize>> = HashMap::new();
        let mut links: HashMap<_, Vec<&KnownFact>> = HashMap::new();
        for known in customer.facts.iter().filter(|f| !f.is_related) {
            match &known.fact.matter {
                FactKind::Reversal(reversal) => {
                    for key in payment_ids(&known.fact) {
                        by_key.entry((known.scope.as_str(), key)).or_default().push(all.len());
                    }
                    all.push((known, reversal));
                }
                FactKind::Link(_) => {
                    for key in payment_ids(&known.fact) {
                        links.entry((known.scope.as_str(), key)).or_default().push(known);
                    }
                }
                FactKind::Customer(_) | FactKind::Payment(_) | FactKind::Subscription(_) => {}
            }
        }
        Self { customer, all, by_key, links }
    }

    /// What was taken back of the payment that these facts report, which has `ties` for its own ids.
    pub(super) fn taken_back(
        &self,
        payment: &'a Payment,
        paid_at: Timestamp,
        reports: &[&'a KnownFact],
        ties: &[&'a str],
    ) -> TakenBack {
        let Some(scope) = reports.first().map(|f| f.scope.as_str()).filter(|_| !self.all.is_empty()) else {
            return TakenBack::default();
        };
        let mut keys: BTreeSet<&str> = reports.iter().flat_map(|f| payment_ids(&f.fact)).collect();
        keys.extend(ties);
        keys.insert(&payment.identity);
        self.follow_links(scope, &mut keys);
        let customers: BTreeSet<&str> = reports.iter().filter_map(|f| f.fact.customer.as_deref()).collect();
        // Where a link tells whose charge it is, likeness says nothing.
        let linked = |f: &KnownFact| payment_ids(&f.fact).any(|key| self.links.contains_key(&(scope, key)));
        let mut alike = Vec::new();
        for (known, reversal) in self.all.iter().filter(|(f, _)| f.scope == scope && !linked(f)) {
            let apart = looks_like(self.customer, scope, known, reversal, payment, paid_at, &customers);
            alike.extend(apart.map(|apart| (apart, known)));
        }
        // A charge of the whole amount that is further off paid something else, which was not heard of.
        let nearest = alike.iter().map(|(apart, _)| *apart).min();
        for (_, known) in alike.iter().filter(|(apart, _)| Some(*apart) == nearest) {
            // What is joined by likeness brings the charge's own ids, by which its refunds are joined in turn.
            keys.extend(payment_ids(&known.fact));
        }
        let places: BTreeSet<usize> =
            keys.iter().filter_map(|k| self.by_key.get(&(scope, *k))).flatten().copied().collect();
        let mut charges = Charges::of(payment);
        for link in keys.iter().filter_map(|key| self.links.get(&(scope, *key))).flatten().filter_map(|f| link(&f.fact))
        {
            charges.brought(link.of_charge.as_deref(), link.paid);
        }
        let joined: Vec<_> = places.into_iter().filter_map(|place| self.all.get(place)).copied().collect();
        charges.taken_back(&joined)
    }

    /// Adds all keys that links tie to these, in however many steps.
    fn follow_links(&self, scope: &'a str, keys: &mut BTreeSet<&'a str>) {
        let mut next: Vec<&str> = keys.iter().copied().collect();
        while let Some(key) = next.pop() {
            for link in self.links.get(&(scope, key)).into_iter().flatten() {
                next.extend(payment_ids(&link.fact).filter(|key| keys.insert(key)));
            }
        }
    }
}

/// New API versions do not tell a refund's invoice. Then the charge says enough: the same customer paid the same
/// amount at that time, and no other payment of this customer fits better. Gives how far apart the two are.
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
    // A key that names any payment we know is better evidence than likeness.
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
            // Nor does it where the charge's invoice was seen and is no payment, by an id or by its own likeness.
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

/// How far a charge is from what was paid then; `None` when it is too far to be it.
fn distance(charge: &ReversedCharge, paid_at: Timestamp) -> Option<SignedDuration> {
    let late = paid_at.duration_since(charge.at);
    (late <= CHARGE_BEFORE_PAID_MAX && late >= -CHARGE_AFTER_PAID_MAX).then(|| late.abs())
}

/// Why the money that was taken back was no payment, where that is known by likeness: the nearest invoice of this
/// customer and amount decides.
pub(super) fn no_payment_like(
    customer: &CustomerHistory,
    known: &KnownFact,
    reversal: &Reversal,
) -> Option<EventReason> {
    let (charge, payer) = (reversal.charge.as_ref()?, known.fact.customer.as_deref()?);
    let own = customer.facts.iter().filter(|f| f.scope == known.scope && !f.is_related);
    let alike = own.filter(|f| f.fact.customer.as_deref() == Some(payer)).filter_map(|f| match &f.fact.matter {
        FactKind::Customer(c) if c.charged == Some(charge.money) => Some((distance(charge, f.fact.at)?, c.no_payment?)),
        FactKind::Customer(_)
        | FactKind::Payment(_)
        | FactKind::Subscription(_)
        | FactKind::Reversal(_)
        | FactKind::Link(_) => None,
    });
    alike.min_by_key(|(distance, _)| *distance).map(|(_, reason)| reason)
}

/// Links by which a sale's charges are told.
fn link(fact: &Fact) -> Option<&Link> {
    match &fact.matter {
        FactKind::Link(link) => Some(link),
        FactKind::Customer(_) | FactKind::Payment(_) | FactKind::Subscription(_) | FactKind::Reversal(_) => None,
    }
}
