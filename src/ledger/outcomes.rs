//! What each event came to, in one word and a reason.

use foldhash::{HashMap, HashMapExt, HashSet};

use super::likeness::no_payment_like;
use super::resolve::payment_ids;
use super::sales::Sale;
use super::waiting::product_trouble;
use super::{Draft, is_told, is_too_long};
use crate::domain::customer::KnownFact;
use crate::domain::delivery::{Delivery, DeliveryKey, DeliveryState};
use crate::domain::event::{EventId, Outcome};
use crate::domain::fact::{Customer, FactKind, Reversal, ReversalStage, Subscription};
use crate::domain::mode::Mode;
use crate::domain::policy::{Leads, StatusUpdates};
use crate::domain::reason::{DeliveryReason, EventReason};

/// The outcome of every event of the customer.
pub(super) fn of(draft: &Draft<'_>, sales: &[Sale<'_>]) -> Vec<(EventId, Outcome)> {
    let index = Index::of(draft, sales);
    draft
        .customer
        .facts
        .iter()
        .filter(|f| !f.is_related)
        .map(|known| (known.event, one(draft, &index, known)))
        .collect()
}

/// What is asked of every event.
struct Index<'a> {
    /// Events in whose name a call was made.
    called: HashSet<EventId>,
    /// By the events that report them.
    reported: HashMap<EventId, &'a Sale<'a>>,
    /// Why payments were seen and not told, by their ids.
    not_told: HashMap<(&'a str, &'a str), EventReason>,
    /// By the events that are about something taken back.
    taken_back: HashMap<EventId, &'a Sale<'a>>,
    /// Modes in which Refairn has a payment.
    paid: HashSet<Mode>,
    /// Refairn has a payment, or may have.
    may_have_one: bool,
}

impl<'a> Index<'a> {
    fn of(draft: &Draft<'a>, sales: &'a [Sale<'a>]) -> Self {
        let paid = |d: &&Delivery| matches!(d.subject, DeliveryKey::Payment { .. }) && d.state.is_acknowledged();
        let may_be_a_payment =
            |d: &Delivery| matches!(d.subject, DeliveryKey::Payment { .. }) && d.may_be_acknowledged();
        let mut taken_back = HashMap::new();
        for sale in sales {
            for event in &sale.taken_back.events {
                taken_back.entry(*event).or_insert(sale);
            }
        }
        let mut not_told = HashMap::new();
        for known in &draft.customer.facts {
            if let FactKind::Customer(Customer { no_payment: Some(reason), .. }) = &known.fact.matter
                && ends_there(*reason)
            {
                let own = known.fact.keys.iter().filter(|key| Some(*key) != known.fact.customer.as_ref());
                not_told.extend(own.map(|key| ((known.scope.as_str(), key.as_str()), *reason)));
            }
        }
        // What paid an invoice may be told by a link alone.
        for known in draft.customer.facts.iter().filter(|f| matches!(f.fact.matter, FactKind::Link(_))) {
            let keys = || known.fact.keys.iter().map(|key| (known.scope.as_str(), key.as_str()));
            if let Some(reason) = keys().find_map(|key| not_told.get(&key)).copied() {
                keys().for_each(|key| {
                    not_told.entry(key).or_insert(reason);
                });
            }
        }
        // New API versions tell a refund's invoice by no id: then likeness says which it was.
        for known in draft.customer.facts.iter().filter(|f| !f.is_related) {
            if let FactKind::Reversal(reversal) = &known.fact.matter
                && let Some(reason) = no_payment_like(draft.customer, known, reversal)
            {
                for key in payment_ids(&known.fact) {
                    not_told.entry((known.scope.as_str(), key)).or_insert(reason);
                }
            }
        }
        Self {
            not_told,
            called: draft.deliveries().filter(|d| !told_by_another(d)).map(|d| d.event).collect(),
            reported: sales.iter().flat_map(|s| s.reports.iter().map(move |f| (f.event, s))).collect(),
            taken_back,
            paid: draft.deliveries().filter(paid).map(|d| d.mode).collect(),
            may_have_one: draft.deliveries().any(may_be_a_payment),
        }
    }
}

impl Index<'_> {
    /// Of a payment whose product no line decided, for not all lines were seen: how many were.
    fn lines_seen(&self, known: &KnownFact) -> Option<String> {
        let sale = self.reported.get(&known.event)?;
        let seen = sale.seen.filter(|_| sale.reports.first().is_some_and(|f| f.event == known.event))?;
        Some(format!("{}, and none decided on the product: it is the endpoint's product_id", lines_seen(seen)))
    }
}

fn lines_seen((seen, total): (u32, Option<u32>)) -> String {
    let of = total.map_or_else(String::new, |total| format!(" of {total}"));
    format!("{seen}{of} lines of the invoice were seen")
}

fn one(draft: &Draft<'_>, index: &Index<'_>, known: &KnownFact) -> Outcome {
    // Whatever else an event reports: if a call was made in its name, it is mapped.
    if index.called.contains(&known.event) {
        return Outcome { detail: index.lines_seen(known), ..Outcome::MAPPED };
    }
    let mut outcome = match &known.fact.matter {
        FactKind::Customer(customer) => of_customer(draft, known, customer),
        FactKind::Payment(_) => of_payment(index, known),
        FactKind::Subscription(subscription) => of_subscription(draft, index, known, subscription),
        FactKind::Reversal(reversal) => of_reversal(draft, index, known, reversal),
        FactKind::Link(_) => Outcome::ignored(EventReason::LinkNoted),
    };
    outcome.detail = match (outcome.detail, known.fact.code_refused.as_ref()) {
        (Some(detail), Some(refused)) => Some(format!("{detail}; {refused}")),
        (detail, refused) => detail.or_else(|| refused.cloned()),
    };
    outcome
}

/// It says what another call of the same sale says.
fn told_by_another(delivery: &Delivery) -> bool {
    delivery.state == DeliveryState::Superseded && delivery.reason == Some(DeliveryReason::AlreadyReported)
}

/// No other event will report this payment.
const fn ends_there(reason: EventReason) -> bool {
    matches!(
        reason,
        EventReason::BelowMinimum
            | EventReason::OutOfBand
            | EventReason::ZeroAmount
            | EventReason::NegativeAmount
            | EventReason::OneTimeOff
            | EventReason::NothingInProducts
    )
}

fn of_customer(draft: &Draft<'_>, known: &KnownFact, customer: &Customer) -> Outcome {
    let fact = &known.fact;
    let lead_made = draft.find(&DeliveryKey::Lead(fact.mode)).is_some();
    let reason = if let Some(reason) = customer.no_payment {
        reason
    } else if draft.policy.leads == Leads::Off {
        EventReason::LeadsOff
    } else if lead_made {
        EventReason::CustomerNoted
    } else if !is_told(draft.customer, fact.mode) {
        EventReason::TestOfALiveCustomer
    } else if let Some(trouble) = product_trouble(&fact.product) {
        trouble
    } else if fact.code.is_some() {
        EventReason::CustomerNoted
    } else {
        EventReason::NoReferralCode
    };
    Outcome::ignored(reason)
}

fn of_payment(index: &Index<'_>, known: &KnownFact) -> Outcome {
    let Some(sale) = index.reported.get(&known.event) else { return Outcome::ignored(EventReason::AlreadyReported) };
    let first = sale.reports.first().is_some_and(|f| f.event == known.event);
    match (sale.trouble, sale.seen) {
        (Some(EventReason::LinesNotSeen), Some(seen)) if first => {
            Outcome::unmappable(EventReason::LinesNotSeen, lines_seen(seen))
        }
        (Some(reason), _) if first => Outcome::ignored(reason),
        (Some(_) | None, _) => Outcome::ignored(EventReason::AlreadyReported),
    }
}

fn of_subscription(draft: &Draft<'_>, index: &Index<'_>, known: &KnownFact, subscription: &Subscription) -> Outcome {
    let reason = if !is_told(draft.customer, known.fact.mode) {
        EventReason::TestOfALiveCustomer
    } else if let Some(trouble) = product_trouble(&known.fact.product) {
        trouble
    } else if let Some(reason) = subscription.no_call {
        reason
    } else if subscription.status.is_none() {
        EventReason::StatusUnknown
    } else if draft.policy.status_updates == StatusUpdates::Off {
        EventReason::StatusUpdatesOff
    } else if !index.paid.contains(&known.fact.mode) {
        EventReason::NoPaymentYet
    } else {
        EventReason::StatusUnchanged
    };
    Outcome::ignored(reason)
}

fn of_reversal(draft: &Draft<'_>, index: &Index<'_>, known: &KnownFact, reversal: &Reversal) -> Outcome {
    let joined = index.taken_back.get(&known.event);
    match (reversal.stage, joined) {
        (ReversalStage::Pending | ReversalStage::Void, _) => Outcome::ignored(EventReason::ReversalNotFinal),
        (ReversalStage::Final, None) => {
            let key = |key| (known.scope.as_str(), key);
            let seen = known.fact.keys.iter().find_map(|k| index.not_told.get(&key(k.as_str())));
            match seen {
                Some(reason) => Outcome::ignored(*reason),
                None if is_too_long(known.received_at, draft.now) && !index.may_have_one => {
                    Outcome::ignored(EventReason::NothingTold)
                }
                None => Outcome::waiting(EventReason::PaymentUnknown),
            }
        }
        (ReversalStage::Final, Some(sale)) => sale.trouble.map_or(Outcome::MAPPED, Outcome::ignored),
    }
}
