//! What several bodies come to together: what each becomes, and which calls come of all of them.
//!
//! Whose a fact is, the ledger decides, as it does in the store; what is known of ids is kept here, in memory.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

use super::calls::{PlannedCall, planned};
use super::explanation::{Explanation, known, numbered};
use super::paste::Pasted;
use super::rules::Chosen;
use crate::cli::output::columns;
use crate::domain::customer::{CustomerHistory, CustomerKey, KnownFact};
use crate::domain::event::EventId;
use crate::domain::provider::ProviderKind;
use crate::ledger;
use crate::ledger::resolve::{
    Identity, Known, Resolution, all_ids, asked_for, claim, is_first_address, resolve, speaks_for_related,
};

/// Bodies that arrive together.
pub(super) struct Story {
    at: Timestamp,
    chosen: BTreeMap<ProviderKind, Chosen>,
    events: Vec<Event>,
    /// What is known of ids, by scope and id.
    identities: HashMap<(String, String), Identity>,
}

struct Event {
    file: String,
    provider: ProviderKind,
    explanation: Explanation,
    fact: Option<KnownFact>,
    /// Whose it is, once that is known.
    owner: Option<CustomerKey>,
}

/// What they come to.
#[derive(Serialize)]
pub(super) struct Told {
    events: Vec<ToldEvent>,
    customers: Vec<ToldCustomer>,
}

#[derive(Serialize)]
struct ToldEvent {
    file: String,
    #[serde(flatten)]
    explanation: Explanation,
}

#[derive(Serialize)]
struct ToldCustomer {
    email: String,
    business: String,
    calls: Vec<PlannedCall>,
}

impl Story {
    /// Nothing yet; what comes arrives at `at`.
    pub(super) fn new(at: Timestamp) -> Self {
        Self { at, chosen: BTreeMap::new(), events: Vec::new(), identities: HashMap::new() }
    }

    /// Adds a body of `kind`, by the rules that `find` gives of its first one.
    ///
    /// # Errors
    /// There are no rules.
    pub(super) fn add(
        &mut self,
        file: String,
        pasted: Pasted,
        kind: ProviderKind,
        find: impl FnOnce() -> anyhow::Result<Chosen>,
    ) -> anyhow::Result<()> {
        let chosen = match self.chosen.entry(kind) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(free) => free.insert(find()?),
        };
        let explanation = Explanation::read(chosen, pasted, self.at);
        let event = EventId(i64::try_from(self.events.len())?.saturating_add(1));
        let fact = explanation.fact().map(|fact| known(chosen, event, fact, self.at));
        self.events.push(Event { file, provider: kind, explanation, fact, owner: None });
        Ok(())
    }

    /// Decides.
    ///
    /// # Errors
    /// A call cannot be written as JSON, which does not happen.
    pub(super) fn end(mut self) -> anyhow::Result<Told> {
        // An event may tell whose an earlier one is. Each round without a change ends it, and owners change only for better.
        let rounds = self.events.len().saturating_add(1);
        for _ in 0..rounds {
            if !self.resolve_all() {
                break;
            }
        }
        let owners: BTreeSet<CustomerKey> = self.events.iter().filter_map(|event| event.owner.clone()).collect();
        let mut customers = Vec::new();
        for owner in owners {
            customers.extend(self.plan(owner)?);
        }
        let events = self.events.into_iter();
        let events = events.map(|event| ToldEvent { file: event.file, explanation: event.explanation }).collect();
        Ok(Told { events, customers })
    }

    /// Gives each fact to its customer; whether any went to another one than before.
    fn resolve_all(&mut self) -> bool {
        let mut changed = false;
        for event in &mut self.events {
            let Some(fact) = &event.fact else { continue };
            let of = |id: &String| self.identities.get(&(fact.scope.clone(), id.clone())).cloned();
            let identities = asked_for(&fact.fact).into_iter().filter_map(|id| Some((id.clone(), of(&id)?))).collect();
            let owner = match resolve(&fact.fact, &Known { identities, earlier: None }) {
                Resolution::Owned(owner) => owner,
                Resolution::Waits(outcome) => {
                    event.explanation.ends_as(outcome);
                    continue;
                }
            };
            for id in all_ids(&fact.fact) {
                let claim = claim(&fact.fact, &id, &owner);
                let new = Identity { email_key: claim.email_key, evidence: claim.evidence, has_left: false };
                let place = (fact.scope.clone(), id);
                let better = self.identities.get(&place).is_none_or(|before| {
                    before.evidence < new.evidence && !(is_first_address(&place.1) && before.is_settled())
                });
                if better {
                    self.identities.insert(place, new);
                    changed = true;
                }
            }
            let business = self.chosen.get(&event.provider).map(|chosen| chosen.business.clone()).unwrap_or_default();
            let owner = Some(CustomerKey { business, email_key: owner.email_key });
            changed |= event.owner != owner;
            event.owner = owner;
        }
        changed
    }

    /// What comes of a customer's facts.
    fn plan(&mut self, key: CustomerKey) -> anyhow::Result<Option<ToldCustomer>> {
        let is_theirs = |event: &Event| event.owner.as_ref() == Some(&key);
        let theirs: Vec<&KnownFact> =
            self.events.iter().filter(|e| is_theirs(e)).filter_map(|e| e.fact.as_ref()).collect();
        let Some(provider) = self.events.iter().find(|event| is_theirs(event)).map(|event| event.provider) else {
            return Ok(None);
        };
        // What other addresses of the provider's customer know counts here, too.
        let related = |fact: &KnownFact| {
            let same = |own: &&KnownFact| own.scope == fact.scope && own.fact.customer == fact.fact.customer;
            fact.fact.customer.is_some() && speaks_for_related(&fact.fact) && theirs.iter().any(same)
        };
        let mut facts = Vec::new();
        for event in &self.events {
            let Some(fact) = &event.fact else { continue };
            if is_theirs(event) {
                facts.push(fact.clone());
            } else if related(fact) {
                facts.push(KnownFact { is_related: true, ..fact.clone() });
            }
        }
        let chosen = self.chosen.get(&provider).context("the rules were found")?;
        let plan =
            ledger::plan(&CustomerHistory { key: key.clone(), facts, deliveries: Vec::new() }, &chosen.policy, self.at);
        let calls = planned(&plan, &key.business, chosen.event_id, self.at)?;
        for (id, outcome) in plan.outcomes {
            let index = usize::try_from(id.0).unwrap_or_default().saturating_sub(1);
            if let Some(event) = self.events.get_mut(index).filter(|event| event.owner.as_ref() == Some(&key)) {
                event.explanation.ends_as(outcome);
            }
        }
        Ok(Some(ToldCustomer { email: key.email_key, business: key.business, calls }))
    }
}

impl Told {
    /// Whether each could be read.
    pub(super) fn is_read(&self) -> bool {
        self.events.iter().all(|event| event.explanation.is_read())
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |event: &ToldEvent| event.file.rsplit('/').next().unwrap_or(&event.file).to_owned();
        for (number, event) in (1..).zip(&self.events) {
            // Files of several folders may have one name.
            let is_alone = self.events.iter().filter(|other| name(other) == name(event)).count() == 1;
            let name = if is_alone { name(event) } else { event.file.clone() };
            writeln!(f, "{}", columns([[format!("{number}."), name]], 0))?;
            writeln!(f, "{}\n", columns(event.explanation.rows(false), 4))?;
        }
        let told = self.customers.iter().filter(|customer| !customer.calls.is_empty());
        for ToldCustomer { email, calls, .. } in told.clone() {
            writeln!(f, "{}", columns([[format!("Calls to Refairn for {email}, if all of them have come:")]], 0))?;
            numbered(f, calls)?;
        }
        if told.count() == 0 {
            writeln!(f, "No call to Refairn for all of these together.")?;
        }
        Ok(())
    }
}
