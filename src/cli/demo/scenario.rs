//! What a story is made of: steps to play, and the sales it tells of, by which its end is judged.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::calendar::{self, Calendar};
use super::customers::{Cash, Customer, Product};
use super::paystack::Paystack;
use super::stripe::Stripe;
use crate::domain::provider::ProviderKind;
use crate::domain::status::Status;

/// A story: it is played in the order of its steps.
pub(super) struct Story {
    pub(super) steps: Vec<Step>,
    /// Every sale the providers report in it, however often they do.
    pub(super) sales: Vec<Sale>,
    /// What Refairn should believe in the end.
    pub(super) standings: Vec<Standing>,
}

/// What is told in one line.
pub(super) struct Step {
    pub(super) line: &'static str,
    pub(super) actions: Vec<Action>,
}

/// One thing that happens.
pub(super) enum Action {
    /// A provider sends a webhook.
    Send(Webhook),
    /// Refairn misbehaves from now on: the JSON of a fault.
    Trouble(&'static str),
    /// Refairn behaves again.
    Recovery,
    /// Nothing happens for a while.
    Pause(Duration),
    /// What follows has to find Refairn told of all that came before.
    Settle,
}

/// A webhook.
pub(super) struct Webhook {
    pub(super) provider: ProviderKind,
    pub(super) body: Vec<u8>,
    pub(super) expected: Received,
}

/// How the bridge should answer a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// It is new.
    New,
    /// It is known.
    Repeated,
    /// It is not signed by the provider.
    Refused,
}

/// A sale the providers report.
pub(super) struct Sale {
    pub(super) person: &'static Customer,
    pub(super) product: &'static Product,
    pub(super) cash: Cash,
    pub(super) day: Date,
    /// The customer's first payment for the product.
    pub(super) first: bool,
    pub(super) fate: Fate,
}

/// How a sale is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Refairn is told of it once.
    Told,
    /// A person has to decide.
    Held,
    /// The money went back before Refairn was told.
    TakenBack,
}

/// What Refairn is to have been told last of a customer's subscription.
pub(super) struct Standing {
    pub(super) person: &'static Customer,
    pub(super) product: &'static Product,
    pub(super) status: Status,
}

/// Writes a story.
pub(super) struct Writer {
    pub(super) calendar: Calendar,
    pub(super) stripe: Stripe,
    pub(super) paystack: Paystack,
    story: Story,
}

impl Writer {
    pub(super) fn new(calendar: Calendar) -> Self {
        let story = Story { steps: Vec::new(), sales: Vec::new(), standings: Vec::new() };
        Self { calendar, stripe: Stripe::default(), paystack: Paystack::default(), story }
    }

    pub(super) fn finish(self) -> Story {
        self.story
    }

    /// Begins a step; what is written next is part of it.
    pub(super) fn step(&mut self, line: &'static str) {
        self.story.steps.push(Step { line, actions: Vec::new() });
    }

    pub(super) fn action(&mut self, action: Action) {
        if let Some(step) = self.story.steps.last_mut() {
            step.actions.push(action);
        }
    }

    /// Stripe sends this.
    pub(super) fn stripe(&mut self, body: Vec<u8>) {
        self.action(Action::Send(Webhook { provider: ProviderKind::Stripe, body, expected: Received::New }));
    }

    /// Paystack sends this.
    pub(super) fn paystack(&mut self, body: Vec<u8>) {
        self.action(Action::Send(Webhook { provider: ProviderKind::Paystack, body, expected: Received::New }));
    }

    /// Everything that was sent in the last `steps` steps comes once more.
    pub(super) fn repeat(&mut self, steps: usize) {
        let earlier = self.story.steps.iter().rev().skip(1).take(steps).rev();
        let again: Vec<Action> = earlier
            .flat_map(|step| &step.actions)
            .filter_map(|action| match action {
                Action::Send(w) if w.expected == Received::New => {
                    let (provider, body) = (w.provider, w.body.clone());
                    Some(Action::Send(Webhook { provider, body, expected: Received::Repeated }))
                }
                Action::Send(_) | Action::Trouble(_) | Action::Recovery | Action::Pause(_) | Action::Settle => None,
            })
            .collect();
        for action in again {
            self.action(action);
        }
    }

    /// Somebody who does not know the secret sends this.
    pub(super) fn forged(&mut self, provider: ProviderKind, body: Vec<u8>) {
        self.action(Action::Send(Webhook { provider, body, expected: Received::Refused }));
    }

    /// A sale was paid at `at`, which Refairn has to be told of.
    pub(super) fn sale(&mut self, person: &'static Customer, product: &'static Product, cash: Cash, at: Timestamp) {
        self.sale_ending(person, product, cash, at, Fate::Told);
    }

    /// A sale was paid at `at`.
    pub(super) fn sale_ending(
        &mut self,
        person: &'static Customer,
        product: &'static Product,
        cash: Cash,
        at: Timestamp,
        fate: Fate,
    ) {
        let same = |sale: &Sale| sale.person.slug == person.slug && sale.product == product && sale.fate == Fate::Told;
        let first = !self.story.sales.iter().any(same);
        self.story.sales.push(Sale { person, product, cash, day: calendar::day(at), first, fate });
    }

    /// How a subscription is to stand in the end.
    pub(super) fn stands(&mut self, person: &'static Customer, product: &'static Product, status: Status) {
        self.story.standings.push(Standing { person, product, status });
    }
}
