//! Sales: what was paid once, whichever events report it and by whatever ids.
//!
//! Reports belong to one sale when they share an id that no other payment has, or when links tie their ids together: a
//! checkout session knows its payment intent, an invoice its number, and only a third event names both.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use jiff::{SignedDuration, Timestamp};

use super::charges::TakenBack;
use super::reversals::Reversals;
use crate::domain::customer::{CustomerHistory, KnownFact};
use crate::domain::delivery::DeliveryKey;
use crate::domain::event::EventId;
use crate::domain::fact::{Customer, Fact, FactKind, Payment};
use crate::domain::mode::Mode;
use crate::domain::product::Product;
use crate::domain::reason::EventReason;

/// An invoice that a session lets be made afterwards is paid at most this long before or after the session.
const RECEIPT_APART_MAX: SignedDuration = SignedDuration::from_hours(24);

/// A payment and the events that report it.
pub(super) struct Sale<'a> {
    /// Under which it is told, unless it was told under another already.
    pub(super) subject: DeliveryKey,
    /// The other identities under which it is reported: it may have been told under any of them.
    pub(super) aliases: Vec<DeliveryKey>,
    pub(super) mode: Mode,
    /// Every event that reports it, in the order of arrival.
    pub(super) reports: Vec<&'a KnownFact>,
    /// The report that counts.
    pub(super) best: &'a KnownFact,
    pub(super) payment: &'a Payment,
    pub(super) taken_back: TakenBack,
    /// Every id that is its own.
    pub(super) ties: Vec<&'a str>,
    product: Option<String>,
    /// Why no call is made for it.
    pub(super) trouble: Option<EventReason>,
    /// Lines that were seen and lines there are, where a part of them did not decide.
    pub(super) seen: Option<(u32, Option<u32>)>,
}

impl<'a> Sale<'a> {
    /// All payments of a customer in the order in which they were made.
    pub(super) fn all(customer: &'a CustomerHistory) -> Vec<Self> {
        let joins = Joins::of(customer);
        let mut reports: Vec<Vec<&'a KnownFact>> = vec![Vec::new(); joins.parents.len()];
        for known in customer.facts.iter().filter(|f| !f.is_related) {
            if let FactKind::Payment(payment) = &known.fact.matter
                && let Some(of_sale) = joins.group(&known.scope, &payment.identity).and_then(|n| reports.get_mut(n))
            {
                of_sale.push(known);
            }
        }
        let reversals = Reversals::of(customer);
        let knowledge = Knowledge::of(customer);
        let sales = reports.into_iter().filter_map(|reports| Self::of(reports, &joins, &reversals, &knowledge));
        let mut sales: Vec<Self> = sales.collect();
        sales.sort_by(|a, b| (a.paid_at(), &a.subject).cmp(&(b.paid_at(), &b.subject)));
        sales
    }

    fn of(
        reports: Vec<&'a KnownFact>,
        joins: &Joins<'a>,
        reversals: &Reversals<'a>,
        knowledge: &Knowledge<'a>,
    ) -> Option<Self> {
        let payment_of = |f: &&'a KnownFact| payment(&f.fact).map(|p| (*f, p));
        let (best, payment) = reports.iter().filter_map(payment_of).min_by_key(|(f, p)| {
            // Never by arrival, but where all else is the same.
            let waits = p.awaits_invoice || p.needs_session;
            let vague = (f.fact.product.id().is_none(), f.fact.rank, waits, !p.primary, p.amount.is_none());
            (vague, &p.identity, f.fact.at, f.event)
        })?;
        let scope = best.scope.as_str();
        let own = reports.iter().flat_map(|f| own_keys(&f.fact));
        let ties = each_once(own.chain(joins.members(scope, &payment.identity)).collect());
        let identities = reports.iter().filter_map(payment_of).map(|(_, p)| p.identity.as_str());
        let others = each_once(identities.filter(|identity| *identity != payment.identity).collect());
        let subject = |identity: &str| DeliveryKey::Payment { scope: scope.to_owned(), identity: identity.to_owned() };
        let (product, seen) = knowledge.product(best, payment);
        let trouble = knowledge
            .trouble(&reports, best, &ties)
            .or_else(|| product.is_none().then(|| knowledge.no_product(best, &ties)));
        Some(Self {
            subject: subject(&payment.identity),
            aliases: others.into_iter().map(subject).collect(),
            mode: best.fact.mode,
            taken_back: reversals.taken_back(payment, best, &reports, &ties),
            reports,
            best,
            payment,
            ties,
            product: product.map(str::to_owned),
            trouble,
            seen,
        })
    }

    pub(super) const fn paid_at(&self) -> Timestamp {
        self.best.fact.at
    }

    /// The day on which it was paid: a session knows it, and its invoice is marked as paid afterwards, perhaps on the next.
    pub(super) fn day(&self) -> jiff::civil::Date {
        let of_session = self.payments().filter(|p| p.awaits_invoice).map(|p| p.day).min();
        of_session.unwrap_or(self.payment.day)
    }

    /// The Refairn product, if the sale concerns Refairn at all.
    pub(super) fn product(&self) -> Option<&str> {
        self.product.as_deref().filter(|_| self.trouble.is_none())
    }

    pub(super) fn first_received_at(&self) -> Timestamp {
        self.reports.iter().map(|f| f.received_at).min().unwrap_or(self.best.received_at)
    }

    /// The event in whose name the call is made.
    pub(super) fn event(&self) -> EventId {
        self.reports.first().map_or(self.best.event, |f| f.event)
    }

    /// Its reports, as payments.
    pub(super) fn payments(&self) -> impl Iterator<Item = &'a Payment> {
        self.reports.iter().filter_map(|f| payment(&f.fact))
    }

    /// Only a session reports it, whose invoice is made afterwards. What counts by its session alone says nothing more.
    pub(super) fn awaits_invoice(&self) -> bool {
        let mut payments = self.payments().filter(|p| !p.needs_session).peekable();
        payments.peek().is_some() && payments.all(|p| p.awaits_invoice)
    }

    /// A session and an invoice that look like one sale, and that nothing ties.
    pub(super) fn may_be_same_as(&self, other: &Self) -> bool {
        let invoice = |s: &Self| s.payment.subscription.is_none() && s.payments().all(|p| p.awaits_checkout);
        let pair = |a: &Self, b: &Self| a.awaits_invoice() && invoice(b);
        let customer = |s: &Self| s.reports.iter().find_map(|f| f.fact.customer.as_deref());
        let apart = self.paid_at().duration_since(other.paid_at()).abs();
        (pair(self, other) || pair(other, self))
            && self.best.scope == other.best.scope
            && customer(self).is_some()
            && customer(self) == customer(other)
            && self.payment.charged_money() == other.payment.charged_money()
            && apart <= RECEIPT_APART_MAX
    }

    /// The same payment, heard under two scopes: by two endpoints of one account that the configuration takes for two, or
    /// by one that had another name before.
    pub(super) fn is_told_elsewhere_as(&self, other: &Self) -> bool {
        self.best.scope != other.best.scope
            && self.payment.identity == other.payment.identity
            && self.mode == other.mode
            && self.paid_at() == other.paid_at()
            && self.payment.charged_money() == other.payment.charged_money()
            && provider_of(&self.best.scope) == provider_of(&other.best.scope)
    }
}

/// The provider that a scope begins with.
fn provider_of(scope: &str) -> Option<&str> {
    scope.split([':', '/']).next()
}

/// A sale has a few ids: to sort them costs less than to hash them.
fn each_once(mut ids: Vec<&str>) -> Vec<&str> {
    ids.sort_unstable();
    ids.dedup();
    ids
}

const fn payment(fact: &Fact) -> Option<&Payment> {
    match &fact.matter {
        FactKind::Payment(payment) => Some(payment),
        FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) | FactKind::Link(_) => None,
    }
}

/// Ids of a fact that only its one payment has.
fn own_keys(fact: &Fact) -> impl Iterator<Item = &str> {
    let none: &[String] = &[];
    let (keys, lasting) = match &fact.matter {
        FactKind::Payment(p) => (p.ties.as_slice(), None),
        FactKind::Customer(Customer { checkout: true, checkout_of, .. }) => {
            (fact.keys.as_slice(), checkout_of.as_deref())
        }
        FactKind::Link(_) => (fact.keys.as_slice(), None),
        FactKind::Customer(_) | FactKind::Subscription(_) | FactKind::Reversal(_) => (none, None),
    };
    let customer = fact.customer.as_deref();
    let identity = payment(fact).map(|p| p.identity.as_str());
    let own = keys.iter().map(String::as_str).filter(move |key| Some(*key) != customer && Some(*key) != lasting);
    own.chain(identity)
}

/// Which ids belong to one sale.
struct Joins<'a> {
    /// A customer is known in one scope or two.
    scopes: Vec<&'a str>,
    /// By the place of the scope, and the id.
    places: HashMap<(usize, &'a str), usize>,
    parents: Vec<usize>,
    /// By the number of the sale.
    members: Vec<Vec<&'a str>>,
}

impl<'a> Joins<'a> {
    fn of(customer: &'a CustomerHistory) -> Self {
        let (scopes, places) = (Vec::new(), HashMap::with_capacity(customer.facts.len()));
        let mut joins = Self { scopes, places, parents: Vec::new(), members: Vec::new() };
        for known in customer.facts.iter().filter(|f| !f.is_related) {
            let scope = joins.scope(&known.scope).unwrap_or_else(|| {
                joins.scopes.push(&known.scope);
                joins.scopes.len() - 1
            });
            let mut first = None;
            for key in own_keys(&known.fact) {
                let next = joins.parents.len();
                let place = *joins.places.entry((scope, key)).or_insert(next);
                if place == next {
                    joins.parents.push(next);
                }
                match first {
                    None => first = Some(place),
                    Some(first) => joins.join(first, place),
                }
            }
        }
        let mut members = vec![Vec::new(); joins.parents.len()];
        for ((_, key), place) in &joins.places {
            if let Some(sale) = members.get_mut(joins.root(*place)) {
                sale.push(*key);
            }
        }
        joins.members = members;
        joins
    }

    fn scope(&self, scope: &str) -> Option<usize> {
        self.scopes.iter().position(|known| *known == scope)
    }

    fn root(&self, mut place: usize) -> usize {
        while let Some(parent) = self.parents.get(place).filter(|parent| **parent != place) {
            place = *parent;
        }
        place
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(parent) = self.parents.get_mut(a.max(b)) {
            *parent = a.min(b);
        }
    }

    /// The number of the sale that has this id.
    fn group(&self, scope: &str, identity: &str) -> Option<usize> {
        self.places.get(&(self.scope(scope)?, identity)).map(|place| self.root(*place))
    }

    /// All ids of the sale that has this one.
    fn members(&self, scope: &str, identity: &str) -> impl Iterator<Item = &'a str> {
        self.group(scope, identity).and_then(|sale| self.members.get(sale)).into_iter().flatten().copied()
    }
}

/// What a report of a subscription says of its items: the endpoint's place, when, and the product.
type Item<'a> = (u32, Timestamp, &'a str);

/// What other facts say about sales.
struct Knowledge<'a> {
    /// Products of subscriptions, by scope and id: what their items say, when and to which endpoint, and what their
    /// payments did.
    items: HashMap<(&'a str, &'a str), Vec<Item<'a>>>,
    paid: HashMap<(&'a str, &'a str), (Timestamp, &'a str)>,
    /// Intents of sessions whose money was held first.
    captures: HashSet<(&'a str, &'a str)>,
    /// Ids of sales whose lines were all seen, and brought nothing for what is sold in the program.
    nothing_sold: HashSet<(&'a str, &'a str)>,
    /// Reports that an endpoint of that place refuses, by one of their ids.
    refused: HashMap<(&'a str, &'a str), (u32, EventReason)>,
    /// Modes in which something is known of the customer.
    live: bool,
}

impl<'a> Knowledge<'a> {
    fn of(customer: &'a CustomerHistory) -> Self {
        let mut all = Self {
            items: HashMap::new(),
            paid: HashMap::new(),
            captures: HashSet::new(),
            nothing_sold: HashSet::new(),
            refused: HashMap::new(),
            live: customer.facts.iter().any(|f| !f.is_related && f.fact.mode == Mode::Live),
        };
        for known in &customer.facts {
            let (scope, fact) = (known.scope.as_str(), &known.fact);
            match &fact.matter {
                FactKind::Subscription(s) => {
                    if let Some(product) = fact.product.id() {
                        all.items.entry((scope, &s.id)).or_default().push((fact.rank, fact.at, product));
                    }
                }
                FactKind::Payment(p) => {
                    let of = p.subscription.as_deref().zip(fact.product.id());
                    if let Some((subscription, product)) = of {
                        let paid = all.paid.entry((scope, subscription)).or_insert((fact.at, product));
                        *paid = (*paid).max((fact.at, product));
                    }
                }
                FactKind::Customer(customer) => {
                    if let Some(intent) = customer.captures.as_deref() {
                        all.captures.insert((scope, intent));
                    }
                    if customer.no_payment == Some(EventReason::NothingInProducts) {
                        let own = fact.keys.iter().filter(|key| Some(*key) != fact.customer.as_ref());
                        all.nothing_sold.extend(own.map(|key| (scope, key.as_str())));
                    }
                    if customer.no_payment == Some(EventReason::BelowMinimum) && fact.product.id().is_some() {
                        let refusal = (fact.rank, EventReason::BelowMinimum);
                        for key in fact.keys.iter().filter(|key| Some(*key) != fact.customer.as_ref()) {
                            all.refused.entry((scope, key)).or_insert(refusal);
                        }
                    }
                }
                FactKind::Reversal(_) | FactKind::Link(_) => {}
            }
        }
        all
    }

    /// The product of a sale; and how much of its lines was seen, where that did not decide.
    fn product(&self, best: &'a KnownFact, payment: &'a Payment) -> (Option<&'a str>, Option<(u32, Option<u32>)>) {
        match &best.fact.product {
            Product::Id(id) => (Some(id), None),
            Product::Unnamed | Product::Unmapped | Product::NoTestProduct => (None, None),
            // Whatever the product is, lines that were not seen decide on the amount.
            Product::Undecided { otherwise: None, seen, total } if payment.amount.is_none() => {
                (None, Some((*seen, *total)))
            }
            Product::Undecided { otherwise, seen, total } => {
                let of = payment.subscription.as_deref().map(|id| (best.scope.as_str(), id));
                let items = || of.and_then(|of| self.items.get(&of)).and_then(|all| items_at(all, &best.fact));
                let paid = || of.and_then(|of| self.paid.get(&of)).map(|(_, product)| *product);
                match items().or_else(paid) {
                    Some(product) => (Some(product), None),
                    None => (otherwise.as_deref(), Some((*seen, *total))),
                }
            }
        }
    }

    /// Why a sale has no product.
    fn no_product(&self, best: &KnownFact, ties: &[&str]) -> EventReason {
        let brought_nothing = || ties.iter().any(|tie| self.nothing_sold.contains(&(best.scope.as_str(), *tie)));
        match best.fact.product {
            Product::NoTestProduct => EventReason::TestModeOff,
            // Another report of it shows all lines.
            Product::Undecided { .. } if brought_nothing() => EventReason::NothingInProducts,
            Product::Undecided { .. } => EventReason::LinesNotSeen,
            Product::Unmapped | Product::Unnamed | Product::Id(_) => EventReason::ProductUnmapped,
        }
    }

    /// Why these reports make no call, whatever was sold.
    fn trouble(&self, reports: &[&'a KnownFact], best: &KnownFact, ties: &[&str]) -> Option<EventReason> {
        let scope = best.scope.as_str();
        let captured = || ties.iter().any(|tie| self.captures.contains(&(scope, *tie)));
        let mut payments = reports.iter().filter_map(|f| payment(&f.fact));
        if payments.all(|p| p.needs_session) && !captured() {
            return Some(EventReason::OneTimeOff);
        }
        if best.fact.mode == Mode::Test && self.live {
            return Some(EventReason::TestOfALiveCustomer);
        }
        let refused = ties.iter().filter_map(|tie| self.refused.get(&(scope, *tie)));
        refused.min_by_key(|(rank, _)| *rank).filter(|(rank, _)| *rank < best.fact.rank).map(|(_, reason)| *reason)
    }
}

/// The product of a subscription's items when it was paid for: as the report's own endpoint has it, else as the first
/// one does; what they were then, else what they became.
fn items_at<'a>(items: &[Item<'a>], paid: &Fact) -> Option<&'a str> {
    let (rank, ..) = *items.iter().min_by_key(|(rank, ..)| (*rank != paid.rank, *rank))?;
    let own = || items.iter().filter(|(of, ..)| *of == rank).map(|(_, at, product)| (*at, *product));
    let then = own().filter(|(at, _)| *at <= paid.at).max();
    then.or_else(|| own().min()).map(|(_, product)| product)
}
