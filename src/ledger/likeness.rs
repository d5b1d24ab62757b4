//! Refunds and disputes that name no payment: new API versions do not tell a refund's invoice. Then the charge says enough:
//! the same customer paid the same amount at that time, and no other payment of this customer fits better.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};
use jiff::{SignedDuration, Timestamp};

use super::resolve::payment_ids;
use crate::domain::customer::{CustomerHistory, KnownFact};
use crate::domain::fact::{FactKind, Payment, Reversal, ReversedCharge};
use crate::domain::money::Money;
use crate::domain::reason::EventReason;

/// A charge is made at most this long before its invoice counts as paid (bank debits take days to clear) ...
const CHARGE_BEFORE_PAID_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);
/// ... and at most this long after, by the provider's clocks.
const CHARGE_AFTER_PAID_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Who paid, and how much: the scope, the provider's customer, the amount.
type Paid<'a> = (&'a str, &'a str, Money);

/// What an id names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named<'a> {
    /// Reports of this one payment.
    Payment(&'a str),
    /// Several payments, or an invoice that was seen and is no payment.
    Another,
}

/// A reversal that tells of its charge.
struct Charged<'a> {
    known: &'a KnownFact,
    charge: &'a ReversedCharge,
    of: Paid<'a>,
}

/// The reversals that may be like a payment, and what they are compared with.
pub(super) struct Likeness<'a> {
    all: Vec<Charged<'a>>,
    /// What ids name, by scope and id. A key that names any payment we know is better evidence than likeness.
    named: HashMap<(&'a str, &'a str), Named<'a>>,
    /// When payments were reported, in the order of time, and which.
    payments: HashMap<Paid<'a>, Vec<(Timestamp, &'a str)>>,
    /// The same of invoices that were seen and are no payments.
    no_payments: HashMap<Paid<'a>, Vec<(Timestamp, &'a KnownFact)>>,
    /// Places in `all`.
    by_paid: HashMap<Paid<'a>, Vec<usize>>,
    /// Places in `all`, by scope and payment: of the reversals to which no report is nearer than one of this payment.
    nearest_of: HashMap<(&'a str, &'a str), Vec<usize>>,
}

impl<'a> Likeness<'a> {
    pub(super) fn of(
        customer: &'a CustomerHistory,
        reversals: impl Iterator<Item = (&'a KnownFact, &'a Reversal)>,
    ) -> Self {
        let all = reversals.filter_map(|(known, reversal)| {
            let (charge, payer) = (reversal.charge.as_ref()?, known.fact.customer.as_deref()?);
            Some(Charged { known, charge, of: (&known.scope, payer, charge.money) })
        });
        let mut likeness = Self {
            all: all.collect(),
            named: HashMap::new(),
            payments: HashMap::new(),
            no_payments: HashMap::new(),
            by_paid: HashMap::new(),
            nearest_of: HashMap::new(),
        };
        if !likeness.all.is_empty() {
            customer.facts.iter().filter(|f| !f.is_related).for_each(|known| likeness.note(known));
            likeness.payments.values_mut().for_each(|times| times.sort_unstable());
            likeness.no_payments.values_mut().for_each(|times| times.sort_by_key(|(at, _)| *at));
            likeness.note_nearest();
        }
        likeness
    }

    fn note(&mut self, known: &'a KnownFact) {
        let scope = known.scope.as_str();
        let paid = |money| Some((scope, known.fact.customer.as_deref()?, money));
        match &known.fact.matter {
            FactKind::Payment(payment) => {
                let named = Named::Payment(&payment.identity);
                for id in payment_ids(&known.fact).chain([payment.identity.as_str()]) {
                    let before = self.named.entry((scope, id)).or_insert(named);
                    if *before != named {
                        *before = Named::Another;
                    }
                }
                if let Some(paid) = paid(payment.charged_money()) {
                    self.payments.entry(paid).or_default().push((known.fact.at, &payment.identity));
                }
            }
            FactKind::Customer(seen) if seen.no_payment.is_some() => {
                self.named.extend(payment_ids(&known.fact).map(|id| ((scope, id), Named::Another)));
                if let Some(paid) = seen.charged.and_then(paid) {
                    self.no_payments.entry(paid).or_default().push((known.fact.at, known));
                }
            }
            FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => {}
        }
    }

    fn note_nearest(&mut self) {
        for (place, Charged { charge, of, .. }) in self.all.iter().enumerate() {
            self.by_paid.entry(*of).or_default().push(place);
            let mut reports = by_nearness(&self.payments, of, charge).peekable();
            let nearest = reports.peek().map(|(apart, _)| *apart);
            let nearest = reports.take_while(|(apart, _)| Some(*apart) == nearest);
            for payment in nearest.map(|(_, payment)| payment).collect::<BTreeSet<_>>() {
                self.nearest_of.entry((of.0, payment)).or_default().push(place);
            }
        }
    }

    /// The reversals that look like this payment, which these facts report, `best` before all. A charge of the whole amount
    /// that is further off than another paid something else, which was not heard of.
    pub(super) fn nearest(
        &self,
        payment: &'a Payment,
        best: &'a KnownFact,
        reports: &[&'a KnownFact],
    ) -> impl Iterator<Item = &'a KnownFact> {
        let (scope, money) = (best.scope.as_str(), payment.charged_money());
        let mut alike: Vec<(SignedDuration, &KnownFact)> = Vec::new();
        if !self.all.is_empty() {
            let customers: BTreeSet<&str> = reports.iter().filter_map(|f| f.fact.customer.as_deref()).collect();
            for customer in customers {
                // Where its own report is among those that were looked at, no others can look like it.
                let places = if best.fact.customer.as_deref() == Some(customer) {
                    self.nearest_of.get(&(scope, payment.identity.as_str()))
                } else {
                    self.by_paid.get(&(scope, customer, money))
                };
                let charged = places.into_iter().flatten().filter_map(|place| self.all.get(*place));
                let charged = charged.filter(|charged| charged.of == (scope, customer, money));
                alike.extend(charged.filter_map(|charged| {
                    let apart = distance(charged.charge, best.fact.at)?;
                    self.is_it(charged, &payment.identity, apart).then_some((apart, charged.known))
                }));
            }
        }
        let nearest = alike.iter().map(|(apart, _)| *apart).min();
        alike.into_iter().filter(move |(apart, _)| Some(*apart) == nearest).map(|(_, known)| known)
    }

    /// Whether nothing fits better than this payment, which is so far from the charge.
    fn is_it(&self, Charged { known, charge, of }: &Charged<'a>, payment: &str, apart: SignedDuration) -> bool {
        let mut named = payment_ids(&known.fact).filter_map(|id| self.named.get(&(known.scope.as_str(), id)));
        if named.any(|named| *named != Named::Payment(payment)) {
            return false;
        }
        let other = by_nearness(&self.payments, of, charge).find(|(_, other)| *other != payment);
        // Nor is it where the charge's invoice was seen and is no payment.
        let is_other = |seen: &KnownFact| payment_ids(&seen.fact).all(|id| id != payment);
        let no_payment = by_nearness(&self.no_payments, of, charge).find(|(_, seen)| is_other(seen));
        let nearer = other.map(|(apart, _)| apart).into_iter().chain(no_payment.map(|(apart, _)| apart)).min();
        nearer.is_none_or(|nearer| nearer >= apart)
    }
}

/// What may have been paid by a charge, the nearest first.
fn by_nearness<'t, 'a, T: Copy>(
    times: &'t HashMap<Paid<'a>, Vec<(Timestamp, T)>>,
    of: &Paid<'a>,
    charge: &'t ReversedCharge,
) -> impl Iterator<Item = (SignedDuration, T)> + use<'t, 'a, T> {
    let times = times.get(of).map(Vec::as_slice).unwrap_or_default();
    let (before, after) = times.split_at(times.partition_point(|(at, _)| *at < charge.at));
    let near = |(at, of): &(Timestamp, T)| Some((distance(charge, *at)?, *of));
    let (mut before, mut after) =
        (before.iter().rev().map_while(near).peekable(), after.iter().map_while(near).peekable());
    std::iter::from_fn(move || {
        let is_before = match (before.peek(), after.peek()) {
            (Some((before, _)), Some((after, _))) => before <= after,
            (before, _) => before.is_some(),
        };
        if is_before { before.next() } else { after.next() }
    })
}

/// How far a charge is from what was paid then; `None` when it is too far to be it.
pub(super) fn distance(charge: &ReversedCharge, paid_at: Timestamp) -> Option<SignedDuration> {
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
