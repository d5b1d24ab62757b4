//! A customer, a policy and a time, made by hand.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::customer::{CustomerHistory, CustomerKey, KnownFact, Plan};
use crate::domain::delivery::{
    Action, Call, Delivery, DeliveryId, DeliveryKey, DeliveryRecord, DeliveryState, Receipt, Settlement,
};
use crate::domain::email::Email;
use crate::domain::event::{EventId, EventState};
use crate::domain::fact::{
    Customer, Fact, FactKind, Link, Payment, Reversal, ReversalName, ReversalStage, ReversedCharge, Subscription,
};
use crate::domain::mode::Mode;
use crate::domain::money::Money;
use crate::domain::policy::Policy;
use crate::domain::product::Product;
use crate::domain::reason::EventReason;
use crate::domain::status::Status;
use crate::ledger::plan;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A customer and the policy, at a time; facts arrive when they happen.
pub(super) struct Book {
    pub(super) customer: CustomerHistory,
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
}

impl Book {
    pub(super) fn new(now: &str) -> Self {
        let key = CustomerKey { business: "biz_1".into(), email_key: "jane@example.com".into() };
        let customer = CustomerHistory { key, facts: vec![], deliveries: vec![] };
        Self { customer, policy: Policy::default(), now: at(now) }
    }

    pub(super) fn fact(&mut self, when: &str, matter: FactKind) -> &mut Fact {
        let event = EventId(i64::try_from(self.customer.facts.len()).unwrap() + 1);
        let fact = Fact {
            mode: Mode::Live,
            account: None,
            at: at(when),
            customer: Some("cus_1".into()),
            keys: vec![],
            email: Email::parse("Jane@example.com"),
            name: None,
            code: None,
            code_at: None,
            code_refused: None,
            product: Product::Id("prod_1".into()),
            rank: 0,
            matter,
        };
        let known = KnownFact {
            event,
            scope: "stripe//live".into(),
            received_at: at(when),
            is_related: false,
            has_stayed: false,
            fact,
        };
        self.customer.facts.push(known);
        &mut self.customer.facts.last_mut().unwrap().fact
    }

    pub(super) fn code(&mut self, when: &str, code: &str) {
        self.fact(when, FactKind::Customer(Customer::default())).code = Some(code.into());
    }

    pub(super) fn payment(&mut self, when: &str, identity: &str, amount: i64) -> &mut Payment {
        let payment = Payment {
            identity: identity.into(),
            ties: vec![],
            amount: Some(amount.into()),
            charged: amount.into(),
            currency: "usd".parse().unwrap(),
            day: at(when).to_zoned(jiff::tz::TimeZone::UTC).date(),
            subscription: Some("sub_1".into()),
            awaits_checkout: false,
            awaits_invoice: false,
            needs_session: false,
            uncaptured: None,
            primary: true,
        };
        let FactKind::Payment(payment) = &mut self.fact(when, FactKind::Payment(payment)).matter else {
            unreachable!()
        };
        payment
    }

    pub(super) fn status(&mut self, when: &str, status: Status) {
        let subscription = Subscription {
            id: "sub_1".into(),
            status: Some(status),
            as_given: status.code().into(),
            day: at(when).to_zoned(jiff::tz::TimeZone::UTC).date(),
            before: None,
            trial_start: None,
            trial_end: None,
            no_call: None,
        };
        self.fact(when, FactKind::Subscription(subscription)).email = None;
    }

    pub(super) fn reversal(&mut self, when: &str, payment: &str, amount: i64, stage: ReversalStage) {
        let money = Money::new(amount.into(), "usd".parse().unwrap());
        let identity = format!("re_{}", self.customer.facts.len());
        let reversal = Reversal {
            identity,
            name: ReversalName::Sole,
            number: None,
            money,
            cumulative: false,
            full: false,
            dispute: false,
            stage,
            of_charge: None,
            charge: None,
        };
        self.fact(when, FactKind::Reversal(reversal)).keys = vec![payment.into()];
    }

    /// Something that ties these ids together; perhaps a charge of so much.
    pub(super) fn link(&mut self, when: &str, keys: &[&str], paid: Option<i64>) {
        let charge = keys.last().map(|key| (*key).to_owned());
        let paid = paid.map(|amount| Money::new(amount.into(), "usd".parse().unwrap()));
        let fact = self.fact(when, FactKind::Link(Link { of_charge: charge, paid }));
        (fact.email, fact.keys) = (None, keys.iter().map(|key| (*key).to_owned()).collect());
    }

    /// The refund of a whole charge, as the provider's running total tells it.
    pub(super) fn charge_refunded(&mut self, when: &str, charge: &str, amount: i64) -> &mut Reversal {
        self.reversal(when, charge, amount, ReversalStage::Final);
        let fact = &mut self.customer.facts.last_mut().unwrap().fact;
        let FactKind::Reversal(reversal) = &mut fact.matter else { unreachable!() };
        (reversal.cumulative, reversal.full, reversal.of_charge) = (true, true, Some(charge.to_owned()));
        reversal.charge = Some(ReversedCharge { money: reversal.money, at: fact.at });
        reversal
    }

    /// What the last fact brought is heard of only at that time.
    pub(super) fn heard(&mut self, when: &str) {
        self.customer.facts.last_mut().unwrap().received_at = at(when);
    }

    pub(super) fn plan(&mut self) -> Plan {
        let now_planned = plan(&self.customer, &self.policy, self.now);
        for change in now_planned.changes.clone() {
            let next = i64::try_from(self.customer.deliveries.len()).unwrap() + 1;
            let id = change.delivery().id.unwrap_or(DeliveryId(next));
            self.customer.change(change, id);
        }
        let again = plan(&self.customer, &self.policy, self.now);
        assert_eq!(again.changes, [], "a plan that is asked for twice is the same");
        now_planned
    }

    /// Everything that is due gets through, in its order; gives what was told, in short.
    pub(super) fn deliver(&mut self) -> Vec<String> {
        let mut told = vec![];
        for _ in 0..100 {
            self.plan();
            let Some(id) = self.customer.head().filter(|h| h.due_at <= self.now).and_then(|h| h.id) else {
                return told;
            };
            let lead_known = self
                .customer
                .deliveries
                .iter()
                .any(|d| d.subject == DeliveryKey::Lead(Mode::Live) && d.state.is_acknowledged());
            let now = self.now;
            let seq = self.customer.deliveries.iter().filter_map(|d| d.last_seq).max().unwrap_or(0) + 1;
            let delivery = self.customer.deliveries.iter_mut().find(|d| d.id == Some(id)).unwrap();
            delivery.lease(seq, now);
            let agent = lead_known || matches!(delivery.call, Call::CustomerCreated { code: Some(_), .. });
            let receipt = Receipt {
                agent_id: agent.then(|| "agent_1".into()),
                commission_id: Some("comm_1".into()),
                hold_until: Some("2026-02-01".into()),
                ..Receipt::default()
            };
            assert!(delivery.settle(Settlement::Delivered(receipt), now));
            told.push(short(delivery));
        }
        panic!("the queue does not end");
    }

    pub(super) fn pass(&mut self, hours: u64) -> &mut Self {
        self.now = crate::clock::after(self.now, Duration::from_secs(hours * 3600));
        self
    }

    /// An attempt at the customer's n-th call came to that.
    pub(super) fn settle(&mut self, n: usize, settlement: Settlement) {
        let seq = self.customer.deliveries.iter().filter_map(|d| d.last_seq).max().unwrap_or(0) + 1;
        let delivery = &mut self.customer.deliveries[n];
        assert!(delivery.lease(seq, self.now) && delivery.settle(settlement, self.now));
    }

    /// The customer's n-th call as a test wants it.
    pub(super) fn amend(&mut self, n: usize, change: impl FnOnce(&mut DeliveryRecord)) {
        self.customer.deliveries[n] = self.customer.deliveries[n].but(change);
    }

    /// An operator lets the call go that is held.
    pub(super) fn release_held(&mut self) {
        let held = self.customer.deliveries.iter().position(|d| d.state == DeliveryState::Held).unwrap();
        self.act(held, Action::Release);
    }

    /// What an operator decides about the customer's n-th call.
    pub(super) fn act(&mut self, n: usize, action: Action) {
        self.customer.deliveries[n].act(action, self.now).unwrap();
    }

    pub(super) fn delivery(&self, identity: &str) -> &Delivery {
        let is = |d: &&Delivery| matches!(&d.subject, DeliveryKey::Payment { identity: i, .. } if i == identity);
        self.customer.deliveries.iter().find(is).unwrap()
    }

    pub(super) fn outcome(&mut self, event: i64) -> (EventState, Option<EventReason>) {
        let plan = self.plan();
        let outcome = plan.outcomes.iter().find(|(e, _)| *e == EventId(event)).unwrap();
        (outcome.1.end.state(), outcome.1.end.reason())
    }
}

pub(super) fn short(delivery: &Delivery) -> String {
    match &delivery.call {
        Call::CustomerCreated { code, .. } => format!("lead {}", code.as_deref().unwrap_or("-")),
        Call::PaymentSucceeded { amount, status, day, .. } => format!("{} {} {day}", amount.normalize(), status.code()),
    }
}
