//! What was taken back of a payment: refunds and disputes, joined to it in whatever order they came.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};

use super::charges::{Charges, TakenBack};
use super::likeness::Likeness;
use super::resolve::payment_ids;
use crate::domain::customer::{CustomerHistory, KnownFact};
use crate::domain::fact::{Fact, FactKind, Link, Payment, Reversal};

/// Every reversal of a customer, and the facts that only tie ids together.
pub(super) struct Reversals<'a> {
    all: Vec<(&'a KnownFact, &'a Reversal)>,
    /// Places in `all`, by scope and key.
    by_key: HashMap<(&'a str, &'a str), Vec<usize>>,
    /// Links, by scope and key.
    links: HashMap<(&'a str, &'a str), Vec<&'a KnownFact>>,
    likeness: Likeness<'a>,
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
        // Where a link tells whose charge it is, likeness says nothing.
        let is_linked = |f: &KnownFact| payment_ids(&f.fact).any(|key| links.contains_key(&(f.scope.as_str(), key)));
        let likeness = Likeness::of(customer, all.iter().filter(|(f, _)| !is_linked(f)).copied());
        Self { all, by_key, links, likeness }
    }

    /// What was taken back of the payment that these facts report, `best` before all, and which has `ties` for its own ids.
    pub(super) fn taken_back(
        &self,
        payment: &'a Payment,
        best: &'a KnownFact,
        reports: &[&'a KnownFact],
        ties: &[&'a str],
    ) -> TakenBack {
        if self.all.is_empty() {
            return TakenBack::default();
        }
        let scope = best.scope.as_str();
        let mut keys: BTreeSet<&str> = reports.iter().flat_map(|f| payment_ids(&f.fact)).collect();
        keys.extend(ties);
        keys.insert(&payment.identity);
        self.follow_links(scope, &mut keys);
        // What is joined by likeness brings the charge's own ids, by which its refunds are joined in turn.
        keys.extend(self.likeness.nearest(payment, best, reports).flat_map(|known| payment_ids(&known.fact)));
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

/// Links by which a sale's charges are told.
fn link(fact: &Fact) -> Option<&Link> {
    match &fact.matter {
        FactKind::Link(link) => Some(link),
        FactKind::Customer(_) | FactKind::Payment(_) | FactKind::Subscription(_) | FactKind::Reversal(_) => None,
    }
}
