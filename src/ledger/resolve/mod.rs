//! Whose a fact is. Pure: the store looks up what [`asked_for`] names, and writes what [`resolve`] says.

mod ids;

use std::collections::HashMap;

use jiff::Timestamp;

use super::waiting::without_customer;
use crate::domain::email::Email;
use crate::domain::event::Outcome;
use crate::domain::fact::{Fact, FactKind};

pub use ids::{all_ids, is_first_address, own_ids, payment_ids, payment_key, receipt_key};

/// How surely an id is somebody's. The surer counts; of two events that name an address the later one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// It came only with their customer at the provider, who may have other addresses.
    Guessed,
    /// No event says so itself, but it came with another id of theirs.
    Inferred,
    /// An event of that time, by the provider's clock, names the address.
    Named(Timestamp),
}

/// What is known of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Whose it is.
    pub email_key: String,
    /// How surely.
    pub evidence: Evidence,
    /// A call about the fact has left for this address, or may have.
    pub has_left: bool,
}

impl Identity {
    /// It stays with this address, if the id is one that keeps the first: an event named it, or a call has left for it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.evidence > Evidence::Inferred || self.has_left
    }
}

/// What was looked up for a fact.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// By id; those of which nothing is known are not there.
    pub identities: HashMap<String, Identity>,
    /// Whose a change of status was by an earlier reading of its event, or for whom a call was made by one that is
    /// forgotten. It stays so: its subscription may have been paid under another address since.
    pub earlier: Option<String>,
}

/// Whose a fact is, and how surely its ids are theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The customer's address in lower case.
    pub email_key: String,
    /// Never [`Evidence::Named`]: that is a fact's own word on an id; see [`claim`].
    pub evidence: Evidence,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It is this customer's.
    Owned(Owner),
    /// Nobody knows whose it is. It waits for one of its ids, and its event comes to this meanwhile.
    Waits(Outcome),
}

/// The ids of which [`resolve`] has to know.
#[must_use]
pub fn asked_for(fact: &Fact) -> Vec<String> {
    let mut ids = first_addresses(fact);
    if !is_its_own_word(fact) {
        ids.extend(all_ids(fact));
    }
    ids
}

/// Whose a fact is: a payment's first address stays; then its own counts; then what its ids say.
#[must_use]
pub fn resolve(fact: &Fact, known: &Known) -> Resolution {
    let owner = owner(fact, known);
    owner.map_or_else(|| Resolution::Waits(without_customer(fact)), Resolution::Owned)
}

fn owner(fact: &Fact, known: &Known) -> Option<Owner> {
    let inferred = |email_key: String| Owner { email_key, evidence: Evidence::Inferred };
    if let Some(earlier) = &known.earlier {
        return Some(inferred(earlier.clone()));
    }
    let of = |id: &String| known.identities.get(id);
    let first = first_addresses(fact);
    if let Some(first) = first.iter().filter_map(of).find(|identity| identity.is_settled()) {
        return Some(inferred(first.email_key.clone()));
    }
    let own = fact.email.as_ref().map(|email| inferred(email.key()));
    if is_its_own_word(fact) {
        return own;
    }
    let ids = all_ids(fact);
    let (customer, rest) = ids.split_at(usize::from(fact.customer.is_some()).min(ids.len()));
    // The surest of its ids, and of equals the first.
    let by_ids = rest.iter().filter_map(of).rev().max_by_key(|identity| match identity.evidence {
        Evidence::Guessed => 0,
        Evidence::Inferred => 1,
        Evidence::Named(_) => 2,
    });
    let was_paid = by_ids.is_some_and(|identity| matches!(identity.evidence, Evidence::Named(_)));
    let by_ids = by_ids.map(|identity| Owner {
        email_key: identity.email_key.clone(),
        evidence: identity.evidence.min(Evidence::Inferred),
    });
    let by_customer = customer.first().and_then(of);
    let by_customer =
        by_customer.map(|identity| Owner { email_key: identity.email_key.clone(), evidence: Evidence::Guessed });
    // A refund belongs to its payment's address, whatever the customer's is by now; a change of status to the address
    // under which its subscription was paid, else to the one that it names; and of a customer with several, a session
    // tells which one paid.
    let by_others = match &fact.matter {
        FactKind::Subscription(_) if own.is_some() && !was_paid => None,
        FactKind::Reversal(_) | FactKind::Link(_) | FactKind::Subscription(_) | FactKind::Payment(_) => {
            by_ids.or(by_customer)
        }
        FactKind::Customer(_) => by_customer.or(by_ids),
    };
    by_others.or(own)
}

/// The ids that may hold the first address under which a payment was told, invoices before sessions.
fn first_addresses(fact: &Fact) -> Vec<String> {
    let FactKind::Payment(payment) = &fact.matter else { return Vec::new() };
    let by_session = own_ids(fact).filter(|_| payment.awaits_invoice).map(receipt_key);
    own_ids(fact).map(payment_key).chain(by_session).collect()
}

/// The address that it names itself is whose it is.
const fn is_its_own_word(fact: &Fact) -> bool {
    match &fact.matter {
        FactKind::Customer(_) | FactKind::Payment(_) => fact.email.is_some(),
        FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => false,
    }
}

/// Whose an id of a fact is by its word, once it is `owner`'s. Only a fact that names an address itself can move an id to
/// another one. A reversal's ids are its payment's; a subscription's is whose its payments are.
#[must_use]
pub fn claim(fact: &Fact, id: &str, owner: &Owner) -> Owner {
    let own = fact.email.as_ref().map(Email::key);
    let of_customer = fact.customer.as_deref() == Some(id);
    let says_so = match &fact.matter {
        FactKind::Payment(_) => true,
        FactKind::Customer(_) | FactKind::Subscription(_) => of_customer,
        FactKind::Reversal(_) | FactKind::Link(_) => false,
    };
    let named = Evidence::Named(fact.at);
    match own.filter(|_| says_so) {
        Some(own) if of_customer => Owner { email_key: own, evidence: named },
        Some(_) => Owner { email_key: owner.email_key.clone(), evidence: named },
        // What a reversal infers of its ids it would find again as if another had said so.
        None if matches!(fact.matter, FactKind::Reversal(_)) => {
            Owner { email_key: owner.email_key.clone(), evidence: Evidence::Guessed }
        }
        None => owner.clone(),
    }
}

/// Whether a fact goes where an id of it goes that moves to another address: what names no address itself goes with its
/// payment.
#[must_use]
pub const fn follows_its_ids(fact: &Fact) -> bool {
    match &fact.matter {
        FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => true,
        FactKind::Payment(_) => fact.email.is_none(),
        FactKind::Customer(_) => false,
    }
}

/// Whether a fact counts for the other addresses of its provider's customer: it has a code, or is the session that they
/// may be waiting for, or tells what was subscribed, for which another of them paid.
#[must_use]
pub const fn speaks_for_related(fact: &Fact) -> bool {
    match &fact.matter {
        FactKind::Customer(c) => fact.code.is_some() || c.checkout || c.checkout_of.is_some(),
        FactKind::Subscription(_) => fact.code.is_some() || fact.product.id().is_some(),
        FactKind::Payment(_) | FactKind::Reversal(_) | FactKind::Link(_) => fact.code.is_some(),
    }
}

#[cfg(test)]
mod tests;
