//! What a body would become, were it all that the bridge knows.

use std::fmt;

use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;

use super::calls::{PlannedCall, planned};
use super::paste::Pasted;
use super::rules::Chosen;
use super::words;
use crate::cli::configuration::title;
use crate::cli::output::columns;
use crate::domain::customer::{CustomerHistory, CustomerKey, KnownFact, Plan};
use crate::domain::delivery::scope;
use crate::domain::email::Email;
use crate::domain::event::{EventId, EventState, Outcome};
use crate::domain::fact::{Fact, FactKind, Reading};
use crate::domain::provider::ProviderKind;
use crate::domain::reason::EventReason;
use crate::ledger;
use crate::ledger::resolve::{Known, Resolution, resolve};
use crate::providers::provider;

/// Stands for an address that only another event tells.
const PLACEHOLDER: &str = "customer@example.com";
/// The only event there is.
const EVENT: EventId = EventId(1);
/// What is said of an event among others.
const IN_SHORT: &[&str] = &["what", "whose", "amount", "date", "code"];

/// Everything there is to say about a body.
#[derive(Serialize)]
pub(super) struct Explanation {
    provider: ProviderKind,
    #[serde(rename = "type")]
    event_type: String,
    provider_event_id: Option<String>,
    rules: String,
    /// How what was pasted differs from a webhook as sent.
    pasted: Vec<String>,
    /// The fact in words: what it is called, and what it is.
    #[serde(skip)]
    words: Vec<[String; 2]>,
    fact: Option<Fact>,
    state: &'static str,
    reason: Option<&'static str>,
    explanation: Option<String>,
    cure: Option<String>,
    detail: Option<String>,
    /// What it would do beside other events.
    beside_others: Option<String>,
    calls: Vec<PlannedCall>,
    /// The calls once another event has told the customer's address.
    calls_once_customer_is_known: Vec<PlannedCall>,
}

impl Explanation {
    /// Explains what was pasted, as if it arrived at `at` and were all that the bridge knows.
    ///
    /// # Errors
    /// A call cannot be written as JSON, which does not happen.
    pub(super) fn of(chosen: &Chosen, pasted: Pasted, at: Timestamp) -> anyhow::Result<Self> {
        let mut this = Self::read(chosen, pasted, at);
        if let Some(fact) = this.fact.take() {
            this.decide(chosen, &fact, at)?;
            this.beside_others = words::beside_others(chosen, &fact);
            this.fact = Some(fact);
        }
        Ok(this)
    }

    /// What was pasted reports, if it arrives at `at`. What becomes of its fact is not decided yet.
    pub(super) fn read(chosen: &Chosen, pasted: Pasted, at: Timestamp) -> Self {
        let Pasted { body, notes, .. } = pasted;
        let body = body.as_slice();
        let provider = provider(chosen.provider);
        let identity = provider.identify(body);
        let mut this = Self {
            provider: chosen.provider,
            event_type: identity.event_type,
            provider_event_id: identity.provider_event_id,
            rules: chosen.source.clone(),
            pasted: notes,
            words: Vec::new(),
            fact: None,
            state: "",
            reason: None,
            explanation: None,
            cure: None,
            detail: None,
            beside_others: None,
            calls: Vec::new(),
            calls_once_customer_is_known: Vec::new(),
        };
        match provider.read(body, &chosen.rules, at) {
            Reading::Ignored(reason) => this.ends_as(Outcome::ignored(reason)),
            Reading::Unmappable(reason, detail) => this.ends_as(Outcome::unmappable(reason, detail)),
            Reading::Fact(fact) => {
                this.words = fact_words(chosen, &fact, body);
                this.fact = Some(*fact);
            }
        }
        this
    }

    /// What it reports, if it reports anything.
    pub(super) const fn fact(&self) -> Option<&Fact> {
        self.fact.as_ref()
    }

    /// Whether it could be read.
    pub(super) fn is_read(&self) -> bool {
        self.state != EventState::Unmappable.code()
    }

    fn decide(&mut self, chosen: &Chosen, fact: &Fact, at: Timestamp) -> anyhow::Result<()> {
        match resolve(fact, &Known::default()) {
            Resolution::Owned(owner) => {
                let plan = plan(chosen, fact, owner.email_key, at);
                self.calls = planned(&plan, &chosen.business, chosen.event_id, at)?;
                let outcome = plan.outcomes.into_iter().find(|(event, _)| *event == EVENT).map(|(_, outcome)| outcome);
                self.ends_as(outcome.context("the ledger says nothing about the event")?);
            }
            Resolution::Waits(outcome) => {
                self.ends_as(outcome);
                let placeholder = Email::parse(PLACEHOLDER).context("the placeholder is no address")?;
                let known = Fact { email: Some(placeholder.clone()), ..fact.clone() };
                let plan = plan(chosen, &known, placeholder.key(), at);
                self.calls_once_customer_is_known = planned(&plan, &chosen.business, chosen.event_id, at)?;
            }
        }
        Ok(())
    }

    /// What its event comes to.
    pub(super) fn ends_as(&mut self, outcome: Outcome) {
        self.state = outcome.end.state().code();
        self.reason = outcome.end.reason().map(EventReason::code);
        let (sentence, cure) = outcome.end.reason().map(|reason| words::reason(self.provider, reason)).unzip();
        (self.explanation, self.cure) = (sentence, cure);
        self.detail = outcome.detail;
    }
}

/// What the ledger makes of a customer of whom nothing but this fact is known.
fn plan(chosen: &Chosen, fact: &Fact, email_key: String, at: Timestamp) -> Plan {
    let key = CustomerKey { business: chosen.business.clone(), email_key };
    let person = CustomerHistory { key, facts: vec![known(chosen, EVENT, fact, at)], deliveries: Vec::new() };
    ledger::plan(&person, &chosen.policy, at)
}

/// A fact that `event` reports, which arrives at `at`.
pub(super) fn known(chosen: &Chosen, event: EventId, fact: &Fact, at: Timestamp) -> KnownFact {
    KnownFact {
        event,
        scope: scope(&chosen.endpoint, &chosen.business, fact.account.as_deref(), fact.mode),
        received_at: at,
        is_related: false,
        has_stayed: false,
        fact: fact.clone(),
    }
}

fn fact_words(chosen: &Chosen, fact: &Fact, body: &[u8]) -> Vec<[String; 2]> {
    let mut rows = vec![("what", words::what(chosen, fact)), ("whose", words::whose(fact))];
    if let FactKind::Payment(payment) = &fact.matter {
        rows.push(("amount", words::amount(payment, chosen.rules.commission_base)));
    }
    rows.extend(words::day(chosen, fact).map(|day| ("date", day)));
    match &fact.matter {
        FactKind::Customer(_) | FactKind::Payment(_) => {
            rows.push(("product", words::product(chosen, fact, body)));
            rows.push(("code", words::code(chosen, fact, body)));
            rows.extend(words::credit(chosen, fact).map(|credit| ("credit", credit)));
        }
        FactKind::Subscription(_) => rows.push(("product", words::product(chosen, fact, body))),
        FactKind::Reversal(_) | FactKind::Link(_) => {}
    }
    rows.push(("mode", fact.mode.code().to_owned()));
    if let Some(account) = &fact.account {
        rows.push(("account", account.clone()));
    }
    if !fact.keys.is_empty() {
        rows.push(("ids", fact.keys.join(", ")));
    }
    rows.into_iter().map(|(label, text)| [label.to_owned(), text]).collect()
}

impl Explanation {
    /// What it is and what it comes to, a row for each thing that there is to say; `in_full` with all that it reports.
    pub(super) fn rows(&self, in_full: bool) -> Vec<[String; 2]> {
        let row = |label: &str, text: String| [label.to_owned(), text];
        let provider = title(self.provider);
        let event_type = if self.event_type.is_empty() { "event of an unknown type" } else { &self.event_type };
        let id = self.provider_event_id.as_ref().map_or_else(String::new, |id| format!(" ({id})"));
        let mut rows = vec![row("event", format!("{provider} {event_type}{id}"))];
        rows.extend(in_full.then(|| row("rules", self.rules.clone())));
        rows.extend(self.pasted.iter().map(|note| row("note", note.clone())));
        rows.extend(self.words.iter().filter(|[label, _]| in_full || IN_SHORT.contains(&label.as_str())).cloned());
        let reason = self.reason.map_or_else(String::new, |reason| format!(": {reason}"));
        rows.push(row("outcome", format!("{}{reason}", self.state)));
        rows.extend(self.explanation.clone().map(|text| row("why", text)));
        rows.extend(self.detail.clone().map(|text| row("detail", text)));
        rows.extend(self.cure.clone().map(|text| row("to do", text)));
        rows.extend(self.beside_others.clone().map(|text| row("else", text)));
        rows
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", columns(self.rows(true), 0))?;
        if self.calls.is_empty() {
            writeln!(f, "\nNo call to Refairn for this alone.")?;
        } else {
            writeln!(f, "\nCalls to Refairn:")?;
            numbered(f, &self.calls)?;
        }
        if !self.calls_once_customer_is_known.is_empty() {
            writeln!(f, "\nOnce another event has told the customer's e-mail ({PLACEHOLDER} stands for it here):")?;
            numbered(f, &self.calls_once_customer_is_known)?;
        }
        Ok(())
    }
}

/// The calls, each with its number.
pub(super) fn numbered(f: &mut fmt::Formatter<'_>, calls: &[PlannedCall]) -> fmt::Result {
    calls.iter().enumerate().try_for_each(|(index, call)| writeln!(f, "\n{}", call.text(index.saturating_add(1))))
}
