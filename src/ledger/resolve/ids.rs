//! The ids by which facts find each other.

use crate::domain::fact::{Fact, FactKind};

/// Ids of one fact that are kept; real events have fewer than ten.
const IDS_MAX: usize = 32;

/// All ids by which a fact is known; the customer's first.
#[must_use]
pub fn all_ids(fact: &Fact) -> Vec<String> {
    let mut ids: Vec<String> = fact.customer.iter().cloned().collect();
    for id in fact.keys.iter().take(IDS_MAX) {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    if let FactKind::Payment(payment) = &fact.matter {
        let name = if payment.awaits_invoice { receipt_key } else { payment_key };
        ids.extend(own_ids(fact).map(name));
        if !ids.contains(&payment.identity) {
            ids.push(payment.identity.clone());
        }
    }
    ids
}

/// Ids of a payment or a link that no other payment has.
pub fn own_ids(fact: &Fact) -> impl Iterator<Item = &str> {
    let none: &[String] = &[];
    let (ties, identity) = match &fact.matter {
        FactKind::Payment(p) => (p.ties.as_slice(), Some(p.identity.as_str())),
        FactKind::Link(_) => (fact.keys.as_slice(), None),
        FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) => (none, None),
    };
    let repeated = identity.is_some_and(|identity| ties.iter().any(|tie| tie == identity));
    ties.iter().map(String::as_str).take(IDS_MAX).chain(identity.filter(|_| !repeated))
}

/// What ties a fact to one payment, rather than to a customer who has many.
pub fn payment_ids(fact: &Fact) -> impl Iterator<Item = &str> {
    let subscription = match &fact.matter {
        FactKind::Payment(p) => p.subscription.as_deref(),
        FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => None,
    };
    let shared = [fact.customer.as_deref(), subscription];
    fact.keys.iter().map(String::as_str).filter(move |id| !shared.contains(&Some(*id)))
}

/// Ids that keep the first address that was told.
#[must_use]
pub fn is_first_address(id: &str) -> bool {
    ["payment ", "receipt "].iter().any(|name| id.starts_with(name))
}

/// The id under which the first address of a payment is kept: all events about one payment are one customer's.
#[must_use]
pub fn payment_key(id: &str) -> String {
    format!("payment {id}")
}

/// The same for a session whose invoice is made afterwards, and names the customer better.
#[must_use]
pub fn receipt_key(id: &str) -> String {
    format!("receipt {id}")
}
