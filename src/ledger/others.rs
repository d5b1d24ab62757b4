//! What each payment is looked at beside.

use super::sales::Sale;
use crate::domain::customer::{CustomerHistory, KnownFact};
use crate::domain::fact::{Customer, FactKind};

/// A customer's sales and checkout sessions. What few sales need is apart, for a customer may have thousands of sales.
pub(super) struct Others<'a> {
    sales: &'a [Sale<'a>],
    /// The same where they are of more than one scope.
    of_scopes: &'a [Sale<'a>],
    /// Those of the sales that only a session reports.
    awaiting: Vec<&'a Sale<'a>>,
    /// Facts of checkout sessions.
    sessions: Vec<&'a KnownFact>,
}

impl<'a> Others<'a> {
    pub(super) fn of(customer: &'a CustomerHistory, sales: &'a [Sale<'a>]) -> Self {
        let is_of_one = sales.windows(2).all(|pair| matches!(pair, [a, b] if a.best.scope == b.best.scope));
        Self {
            sales,
            of_scopes: if is_of_one { &[] } else { sales },
            awaiting: sales.iter().filter(|sale| sale.awaits_invoice()).collect(),
            sessions: customer.facts.iter().filter(|known| is_of_a_session(&known.fact.matter)).collect(),
        }
    }

    /// Sales that look like this one, and that nothing ties to it: of any two, one is of a session that awaits its invoice;
    /// or both are one payment under two scopes.
    pub(super) fn alike(&self, sale: &Sale<'_>) -> impl Iterator<Item = &'a Sale<'a>> {
        let all: &'a [Sale<'a>] = if sale.awaits_invoice() { self.sales } else { &[] };
        let awaiting = if sale.awaits_invoice() { &[] } else { self.awaiting.as_slice() };
        let alike = all.iter().chain(awaiting.iter().copied()).filter(move |other| other.may_be_same_as(sale));
        alike.chain(self.of_scopes.iter().filter(move |other| other.is_told_elsewhere_as(sale)))
    }

    /// A checkout session has brought what it can of this sale.
    pub(super) fn has_session_of(&self, sale: &Sale<'_>) -> bool {
        let mut own = self.sessions.iter().filter(|known| known.scope == sale.best.scope);
        own.any(|known| is_session_of(&known.fact.matter, &known.fact.keys, sale))
    }
}

fn is_of_a_session(matter: &FactKind) -> bool {
    let FactKind::Customer(customer) = matter else { return false };
    customer.checkout || customer.checkout_of.is_some()
}

/// A checkout session that names the sale's subscription, invoice or intent: it has brought what it can.
fn is_session_of(matter: &FactKind, keys: &[String], sale: &Sale<'_>) -> bool {
    let subscription = sale.payment.subscription.as_deref();
    match matter {
        FactKind::Customer(Customer { checkout_of: Some(of), .. }) if Some(of.as_str()) == subscription => true,
        FactKind::Customer(Customer { checkout: true, .. }) => keys.iter().any(|key| sale.ties.contains(&key.as_str())),
        FactKind::Customer(_)
        | FactKind::Payment(_)
        | FactKind::Subscription(_)
        | FactKind::Reversal(_)
        | FactKind::Link(_) => false,
    }
}
