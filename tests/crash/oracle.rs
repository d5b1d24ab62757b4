//! The judge outside: what was sent and answered, beside what Refairn holds and what the bridge says of itself.

use std::collections::{BTreeMap, BTreeSet};

use refairn_bridge::domain::provider::ProviderKind::Stripe;
use refairn_bridge::sandbox::Sandbox;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::fleet::Fleet;
use crate::load::{Item, Load};
use crate::stories::Story;

/// Of each kind of wrong, so many are told.
const TOLD_MAX: usize = 5;

/// What is wrong, kind by kind. All of them are to be empty.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) events: usize,
    pub(crate) calls: u64,
    /// Answered 2xx and not there; due to Refairn and not there.
    lost: Vec<String>,
    /// Recorded twice, told twice.
    doubled: Vec<String>,
    /// A payment before its customer, or before an earlier payment.
    out_of_order: Vec<String>,
    /// Not ended, without a reason, or other than what Refairn holds.
    unexplained: Vec<String>,
    /// At Refairn, or with us, and never sent.
    strange: Vec<String>,
}

/// What Refairn holds of one customer.
#[derive(Default)]
struct Held {
    /// The code, and the agent who was credited.
    leads: Vec<(Option<String>, Option<String>)>,
    payments: Vec<HeldPayment>,
}

struct HeldPayment {
    day: jiff::civil::Date,
    amount: Decimal,
    credited: bool,
}

impl Verdict {
    /// Looks at everything; so many events were sent beside the load.
    pub(crate) async fn of(fleet: &Fleet, load: &Load, fresh: usize) -> Self {
        let events = fleet.all("events", "").await;
        let deliveries = fleet.all("deliveries", "").await;
        let mut verdict = Self { events: events.len(), calls: calls_made(&fleet.sandbox), ..Self::default() };
        verdict.every_answer_was_kept(&events, load, fresh);
        verdict.every_delivery_has_ended(&deliveries);
        verdict.what_we_say_is_what_refairn_holds(&fleet.sandbox, &deliveries);
        verdict.no_call_is_strange(&fleet.sandbox, &deliveries);
        let held = held(&fleet.sandbox);
        let mut by_email: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for delivery in &deliveries {
            by_email.entry(lower(&delivery["email"])).or_default().push(delivery);
        }
        for told in &load.stories {
            let email = &told.story.email;
            let nothing = Held::default();
            let ours = by_email.get(email).map_or(&[][..], Vec::as_slice);
            verdict.judge(&told.story, held.get(email).unwrap_or(&nothing), ours);
        }
        verdict
    }

    /// Every acknowledged event is there, as what it was, and explained; and there are no others.
    fn every_answer_was_kept(&mut self, events: &[Value], load: &Load, fresh: usize) {
        let by_id: BTreeMap<&str, &Value> = events.iter().filter_map(|e| Some((e["id"].as_str()?, e))).collect();
        for item in &load.items {
            let name = &item.webhook.name;
            if item.times_new > 1 || item.renumbered {
                self.doubled.push(format!("{name}: recorded twice"));
            }
            let Some(id) = &item.acknowledged else {
                self.unexplained.push(format!("{name}: never acknowledged"));
                continue;
            };
            match by_id.get(id.as_str()) {
                None => self.lost.push(format!("{name}: {id} was answered 2xx and is not there")),
                Some(event) => self.is_explained(item, event),
            }
        }
        let sent = load.items.len() + fresh;
        if events.len() != sent {
            self.strange.push(format!("{} events, {sent} were sent", events.len()));
        }
    }

    fn is_explained(&mut self, item: &Item, event: &Value) {
        let body: Value = serde_json::from_slice(&item.webhook.body).unwrap_or_default();
        let same = match (item.webhook.kind, body["id"].as_str()) {
            (Stripe, Some(id)) => event["provider_event_id"] == id,
            _ => true,
        };
        if !same || event["provider"] != item.webhook.kind.code() {
            self.strange.push(format!("{}: another event has its number: {event}", item.webhook.name));
        }
        let state = event["state"].as_str().unwrap_or_default();
        let waits = state == "waiting" && item.story.is_some();
        if state == "received" || waits || (state != "mapped" && !event["reason"].is_string()) {
            self.unexplained.push(format!("{}: {event}", item.webhook.name));
        }
    }

    fn every_delivery_has_ended(&mut self, deliveries: &[Value]) {
        for delivery in deliveries {
            let state = delivery["state"].as_str().unwrap_or_default();
            let open = ["queued", "sending"].contains(&state) && !is_for_later(delivery);
            if open || (state != "delivered" && !delivery["reason"].is_string()) {
                self.unexplained.push(delivery.to_string());
            }
        }
    }

    /// Refairn holds every payment that we say it holds, and no other.
    fn what_we_say_is_what_refairn_holds(&mut self, sandbox: &Sandbox, deliveries: &[Value]) {
        let mut there: BTreeMap<String, i32> = BTreeMap::new();
        sandbox.look(|book| {
            for p in book.payments() {
                let email = p.customer_email.to_lowercase();
                *there.entry(format!("{email} {} {}", p.payment_date, p.amount.normalize())).or_default() += 1;
            }
        });
        for d in deliveries.iter().filter(|d| d["kind"] == "payment-succeeded") {
            let known = d["state"] == "delivered" || d["state"] == "duplicate";
            if known || nobody_knows_of_it(d) {
                let r = &d["request"];
                let amount: Decimal = r["amount"].to_string().parse().expect("an amount");
                let day = r["paymentDate"].as_str().unwrap_or_default();
                let payment = format!("{} {day} {}", lower(&r["customerEmail"]), amount.normalize());
                if known || there.contains_key(&payment) {
                    *there.entry(payment).or_default() -= 1;
                }
            }
        }
        for (payment, n) in there {
            if n < 0 {
                self.lost.push(format!("said to be at Refairn, and is not: {payment}"));
            } else if n > 0 {
                self.unexplained.push(format!("at Refairn, and we do not know: {payment}"));
            }
        }
    }

    /// Every call that reached Refairn is one of our deliveries, word for word. What Refairn has turned away for the
    /// moment, it does not have: such a call may have changed since.
    fn no_call_is_strange(&mut self, sandbox: &Sandbox, deliveries: &[Value]) {
        let ours: BTreeSet<String> = deliveries.iter().map(|d| d["request"].to_string()).collect();
        for call in sandbox.calls() {
            let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
            if matches!(call.answered, Some(401 | 429)) && call.decided.is_none() {
                continue;
            }
            let refused = call.decided.is_some_and(|status| ![200, 409].contains(&status));
            if refused || !ours.contains(&body.to_string()) {
                self.strange.push(format!("{call:?}: {body}"));
            }
        }
    }

    /// One customer: the code's agent is credited for every payment, each is there once, in their order.
    fn judge(&mut self, story: &Story, held: &Held, ours: &[&Value]) {
        let email = &story.email;
        match (story.code, held.leads.as_slice()) {
            (None, []) => {}
            (None, _) => self.strange.push(format!("{email}: nobody sent this customer")),
            (Some(_), []) => self.lost.push(format!("{email}: the customer is not there")),
            (Some(code), [(told, agent)]) if told.as_deref() == Some(code) && agent.is_some() => {}
            (Some(code), [(told, agent)]) => {
                self.strange.push(format!("{email}: told of {told:?} and not of {code}, credited {agent:?}"));
            }
            (Some(_), _) => self.doubled.push(format!("{email}: the customer is there twice")),
        }
        for paid in &story.payments {
            let there = held.payments.iter().filter(|p| (p.day, p.amount) == (paid.day, paid.amount)).count();
            let what = format!("{email} {} {}", paid.day, paid.amount);
            let of_it = |d: &&&Value| d["request"]["paymentDate"] == paid.day.to_string();
            let delivery = ours.iter().find(of_it).copied();
            match (there, paid.taken_back) {
                (0, false) => self.lost.push(format!("{what}: {delivery:?}")),
                (0, true) if delivery.is_some_and(|d| d["reason"] == "reversed_before_sending") => {}
                (1, true) if delivery.is_some_and(is_marked_as_reversed) => {}
                (0 | 1, true) if delivery.is_some_and(nobody_knows_of_it) => {}
                (0 | 1, true) => self.unexplained.push(format!("{what}: taken back: {delivery:?}")),
                (1, false) => {}
                (_, _) => self.doubled.push(what),
            }
        }
        let known = |p: &&HeldPayment| story.payments.iter().any(|s| (s.day, s.amount) == (p.day, p.amount));
        let known = held.payments.iter().filter(known).count();
        if known != held.payments.len() {
            self.strange.push(format!("{email}: {} payments nobody made", held.payments.len() - known));
        }
        if story.code.is_some() && held.payments.iter().any(|p| !p.credited) {
            self.out_of_order.push(format!("{email}: a payment before its customer"));
        }
        if !held.payments.is_sorted_by_key(|p| p.day) {
            let days: Vec<_> = held.payments.iter().map(|p| p.day.to_string()).collect();
            self.out_of_order.push(format!("{email}: {}", days.join(", ")));
        }
    }

    /// The figures of a run, in one line.
    pub(crate) fn figures(&self) -> String {
        let Self { events, calls, lost, doubled, out_of_order, unexplained, strange } = self;
        let (lost, doubled, unexplained) = (lost.len(), doubled.len(), unexplained.len());
        format!(
            "{events} events, {calls} calls; lost {lost}, doubled {doubled}, out of order {}, unexplained \
             {unexplained}, strange {}",
            out_of_order.len(),
            strange.len()
        )
    }

    /// Fails unless nothing is wrong.
    pub(crate) fn must_be_clean(&self) {
        let Self { events: _, calls: _, lost, doubled, out_of_order, unexplained, strange } = self;
        let kinds = [
            ("lost", lost),
            ("doubled", doubled),
            ("out of order", out_of_order),
            ("unexplained", unexplained),
            ("strange", strange),
        ];
        let mut told = String::new();
        for (kind, wrong) in kinds.iter().filter(|(_, wrong)| !wrong.is_empty()) {
            let first = wrong.iter().take(TOLD_MAX).map(|w| format!("\n  {w}")).collect::<String>();
            told.push_str(&format!("\n{kind}, {} of them:{first}", wrong.len()));
        }
        assert!(told.is_empty(), "{}{told}", self.figures());
    }
}

fn lower(text: &Value) -> String {
    text.as_str().unwrap_or_default().to_lowercase()
}

/// Calls since the start, those included that the log has dropped.
fn calls_made(sandbox: &Sandbox) -> u64 {
    sandbox.calls().last().map_or(0, |call| call.seq)
}

fn held(sandbox: &Sandbox) -> BTreeMap<String, Held> {
    let mut all: BTreeMap<String, Held> = BTreeMap::new();
    sandbox.look(|book| {
        for lead in book.leads() {
            let held = all.entry(lead.customer_email.to_lowercase()).or_default();
            held.leads.push((lead.referral_code.clone(), lead.agent_id.clone()));
        }
        for p in book.payments() {
            all.entry(p.customer_email.to_lowercase()).or_default().payments.push(HeldPayment {
                day: p.payment_date,
                amount: p.amount.normalize(),
                credited: p.commission_id.is_some(),
            });
        }
    });
    all
}

/// Whether a payment of this customer reached Refairn.
pub(crate) fn has_paid(sandbox: &Sandbox, email: &str) -> bool {
    sandbox.look(|book| book.payments().iter().any(|p| p.customer_email == email))
}

/// Refairn was told before the payment was taken back: somebody has to see to it where an agent was credited.
fn is_marked_as_reversed(delivery: &Value) -> bool {
    let credited_nobody = delivery["response"]["commissionAmount"] == "0";
    let reason = if credited_nobody { "reversed_nobody_credited" } else { "reversed" };
    delivery["reason"] == reason && delivery["needs_attention"] == !credited_nobody
}

/// It was taken back while nobody knew whether Refairn had it: a person looks there.
fn nobody_knows_of_it(delivery: &Value) -> bool {
    delivery["state"] == "held"
        && delivery["reason"] == "reversed_outcome_unknown"
        && delivery["needs_attention"] == true
}

/// A status waits for the end of the day on which it was heard, a session's payment up to an hour for its invoice, and
/// payments of the corpus for sessions that the corpus does not have; of the stories each sale has to arrive.
pub(crate) fn is_for_later(delivery: &Value) -> bool {
    let reasons = ["waiting_for_day_end", "waiting_for_invoice", "waiting_for_referral_code"];
    delivery["state"] == "queued" && reasons.iter().any(|reason| delivery["reason"] == *reason)
}
