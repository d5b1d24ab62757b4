//! What the demo came to: everything its summary says, for programs as for people.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use super::customers::{AGENTS, TEST};
use super::environment::Environment;
use super::proof::{self, Evidence, Proof};
use super::runner::{self, Ingress, is_for_later};
use super::scenario::Story;
use crate::domain::delivery::{Call, Delivery, DeliveryKey, DeliveryState};
use crate::domain::event::EventState;
use crate::domain::money::{Money, json_number};
use crate::domain::provider::ProviderKind;
use crate::domain::reason::{DeliveryReason, EventReason};
use crate::sandbox::{self, Book, Commission, Payment};
use crate::store::queries::EventView;

/// Everything.
#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) webhooks: Webhooks,
    /// Recorded events by what became of them.
    pub(super) events: Vec<Group>,
    pub(super) calls: Calls,
    pub(super) commissions: Vec<Earned>,
    /// Calls that were not made, and are not to be.
    pub(super) not_sent: Vec<Item>,
    /// Calls that are made when their day is over.
    pub(super) for_later: Vec<Item>,
    pub(super) needs_attention: Vec<Item>,
    pub(super) proof: Proof,
}

/// Webhooks by how they were answered.
#[derive(Serialize)]
pub(super) struct Webhooks {
    pub(super) sent: usize,
    pub(super) recorded: usize,
    pub(super) repeated: usize,
    pub(super) refused: Vec<Refused>,
}

/// A webhook that was not let in.
#[derive(Serialize)]
pub(super) struct Refused {
    pub(super) provider: &'static str,
    pub(super) status: u16,
    pub(super) code: String,
}

/// Events that came to the same.
#[derive(Serialize)]
pub(super) struct Group {
    pub(super) state: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) count: usize,
    pub(super) why: &'static str,
}

/// Calls as Refairn saw them.
#[derive(Serialize)]
pub(super) struct Calls {
    /// Attempts that reached it.
    pub(super) attempts: usize,
    /// By the status it answered.
    pub(super) answers: BTreeMap<u16, usize>,
    /// Left without an answer.
    pub(super) unanswered: usize,
    /// What Refairn holds in the end.
    pub(super) customers: usize,
    pub(super) payments: usize,
    pub(super) status_changes: usize,
    /// Calls that needed more than one attempt.
    pub(super) tried_again: usize,
}

/// What an agent earned in one currency, with real money or in test mode.
#[derive(Serialize)]
pub(super) struct Earned {
    /// In test mode: for the product whose rates are all zero.
    pub(super) test: bool,
    /// Nothing where no agent is known.
    pub(super) agent: Option<&'static str>,
    pub(super) currency: String,
    pub(super) sales: usize,
    #[serde(serialize_with = "number")]
    pub(super) paid: Decimal,
    #[serde(serialize_with = "number")]
    pub(super) commission: Decimal,
}

/// One call, for people.
#[derive(Serialize)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) state: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) what: String,
    pub(super) why: &'static str,
    pub(super) detail: Option<String>,
    pub(super) cure: &'static str,
}

fn number<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    json_number(*amount).serialize(serializer)
}

/// Looks at both servers, and judges what they hold by `story`.
///
/// # Errors
/// The bridge's database cannot be read.
pub(super) async fn take(story: &Story, environment: &Environment, ingress: Ingress) -> anyhow::Result<Summary> {
    let (events, deliveries) = (runner::events(environment).await?, runner::deliveries(environment).await?);
    let now = environment.clock.now();
    let held = |book: &Book| (book.payments().to_vec(), book.commissions().to_vec(), book.leads().len());
    let (payments, commissions, customers) = environment.sandbox.look(held);
    let evidence = Evidence {
        payments: &payments,
        commissions: &commissions,
        events: &events,
        deliveries: &deliveries,
        ingress: &ingress,
    };
    let proof = proof::judge(story, &evidence);
    let items = |wanted: &dyn Fn(&Delivery) -> bool| -> Vec<Item> {
        deliveries.iter().map(|view| &view.delivery).filter(|d| wanted(d)).map(Item::of).collect()
    };
    let dropped = |d: &Delivery| matches!(d.state, DeliveryState::Cancelled | DeliveryState::Superseded);
    let mut calls = calls(&environment.sandbox.calls(), &payments, customers);
    calls.tried_again = deliveries.iter().filter(|view| view.delivery.attempts > 1).count();
    Ok(Summary {
        events: groups(&events),
        calls,
        commissions: earned(&payments, &commissions),
        not_sent: items(&dropped),
        for_later: items(&|d| d.state.is_open() && is_for_later(d, now)),
        needs_attention: items(&|d| d.attention),
        webhooks: webhooks(ingress),
        proof,
    })
}

fn webhooks(ingress: Ingress) -> Webhooks {
    let Ingress { recorded, repeated, refused, .. } = ingress;
    let sent = recorded + repeated + refused.len();
    let one =
        |(provider, status, code): (ProviderKind, u16, String)| Refused { provider: provider.code(), status, code };
    Webhooks { sent, recorded, repeated, refused: refused.into_iter().map(one).collect() }
}

/// The largest first.
fn groups(events: &[EventView]) -> Vec<Group> {
    let mut counts: BTreeMap<(EventState, Option<EventReason>), usize> = BTreeMap::new();
    for event in events {
        *counts.entry((event.state, event.reason)).or_default() += 1;
    }
    let group = |((state, reason), count): ((EventState, Option<EventReason>), usize)| Group {
        state: state.code(),
        reason: reason.map(EventReason::code),
        count,
        why: reason.map_or("It made a call to Refairn, or changed one.", EventReason::sentence),
    };
    let mut groups: Vec<Group> = counts.into_iter().map(group).collect();
    groups.sort_by_key(|group| (group.reason.is_some(), std::cmp::Reverse(group.count)));
    groups
}

fn calls(seen: &[sandbox::Call], payments: &[Payment], customers: usize) -> Calls {
    let mut answers = BTreeMap::new();
    for status in seen.iter().filter_map(|call| call.answered) {
        *answers.entry(status).or_default() += 1;
    }
    let status_changes = payments.iter().filter(|p| p.amount.is_zero()).count();
    Calls {
        attempts: seen.len(),
        unanswered: seen.iter().filter(|call| call.answered.is_none()).count(),
        answers,
        customers,
        payments: payments.len() - status_changes,
        status_changes,
        tried_again: 0,
    }
}

/// By agent and currency. Nobody's come last, and then those of test mode: no money was paid for them.
fn earned(payments: &[Payment], commissions: &[Commission]) -> Vec<Earned> {
    let mut rows: BTreeMap<(bool, usize, &str), Earned> = BTreeMap::new();
    for payment in payments.iter().filter(|p| !p.amount.is_zero()) {
        let commission = commissions.iter().find(|c| c.payment_id == payment.payment_id);
        let agent = commission.and_then(|c| AGENTS.iter().position(|agent| agent.id == c.agent_id));
        let test = payment.product_id == TEST.id;
        let row = rows.entry((test, agent.unwrap_or(AGENTS.len()), &payment.currency)).or_insert_with(|| Earned {
            test,
            agent: agent.and_then(|agent| AGENTS.get(agent)).map(|agent| agent.name),
            currency: payment.currency.clone(),
            sales: 0,
            paid: Decimal::ZERO,
            commission: Decimal::ZERO,
        });
        row.sales += 1;
        row.paid += payment.amount;
        row.commission += commission.map_or(Decimal::ZERO, |c| c.amount);
    }
    rows.into_values().collect()
}

impl Item {
    fn of(delivery: &Delivery) -> Self {
        let email = delivery.call.email().as_given();
        let what = match (&delivery.call, &delivery.subject) {
            (Call::CustomerCreated { .. }, _) => format!("{email}, a customer"),
            (Call::PaymentSucceeded { status, .. }, DeliveryKey::Status(_)) => {
                format!("{email}, now {}", status.code())
            }
            (
                Call::PaymentSucceeded { amount, currency, day, .. },
                DeliveryKey::Payment { .. } | DeliveryKey::Lead(_),
            ) => {
                format!("{email}, {} of {day}", Money::new(*amount, *currency).in_full())
            }
        };
        Self {
            id: delivery.id.map(|id| id.to_string()).unwrap_or_default(),
            state: delivery.state.code(),
            reason: delivery.reason.map(DeliveryReason::code),
            what,
            why: delivery.reason.map_or("", DeliveryReason::sentence),
            detail: delivery.detail.clone(),
            cure: delivery.reason.map_or("", DeliveryReason::cure),
        }
    }
}
