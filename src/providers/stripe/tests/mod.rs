//! What Stripe's events are read as. A topic's tests change one field of a whole object and compare a line of text.

mod checkout;
mod envelope;
mod invoice;
mod properties;
mod reversal;
mod sold;
mod subscription;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Stripe;
use super::settings::{EXCLUDING_TAX, ONE_TIME, OUT_OF_BAND};
use crate::domain::endpoint::{CodeRule, CommissionBase, Rules, Unmapped};
use crate::domain::fact::{Fact, FactKind, Reading};
use crate::domain::product::Product;
use crate::domain::setting::Settings;
use crate::providers::Provider;

/// 2026-06-14T12:00:00Z: when the events of these tests happened.
const CREATED: i64 = 1_781_438_400;

/// When they arrived, which must not matter.
const RECEIVED: i64 = CREATED + 86_400 * 3;

fn rules() -> Rules {
    Rules {
        rank: 0,
        product_id: Some("prod_1".to_owned()),
        test_product_id: Some("prod_test".to_owned()),
        products: [("price_team".to_owned(), "prod_team".to_owned())].into(),
        unmapped: Unmapped::Default,
        commission_base: CommissionBase::PAID,
        minimum_amount: [("NGN".parse().unwrap(), "100".parse().unwrap())].into(),
        settings: Settings::default(),
        referral_code_from: CodeRule::defaults(),
        time_zone: jiff::tz::TimeZone::UTC,
    }
}

/// One-off payments are reported by their intents, too.
fn by_intents() -> Settings {
    Settings::default().with(&ONE_TIME, "payment_intent")
}

/// Invoices that were paid outside of Stripe are payments.
fn out_of_band_sent() -> Settings {
    Settings::default().with(&OUT_OF_BAND, "send")
}

fn one_time_rules() -> Rules {
    Rules { settings: by_intents(), ..rules() }
}

fn untaxed_rules() -> Rules {
    Rules { commission_base: EXCLUDING_TAX, ..rules() }
}

/// An event around an object.
fn event(event_type: &str, object: &Value) -> Value {
    json!({
        "id": "evt_1", "object": "event", "api_version": "2026-05-27.dahlia", "created": CREATED,
        "data": {"object": object}, "livemode": true, "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null}, "type": event_type
    })
}

/// `base` with the members of `changes` in place of its own, in depth.
fn with(mut base: Value, changes: &Value) -> Value {
    merge(&mut base, changes);
    base
}

fn merge(base: &mut Value, changes: &Value) {
    match (base, changes) {
        (Value::Object(base), Value::Object(changes)) => {
            for (key, change) in changes {
                merge(base.entry(key).or_insert(Value::Null), change);
            }
        }
        (base, change) => *base = change.clone(),
    }
}

fn read_with(rules: &Rules, event: &Value) -> Reading {
    Stripe.read(event.to_string().as_bytes(), rules, Timestamp::from_second(RECEIVED).unwrap())
}

/// The reading, in a line.
fn told(reading: &Reading) -> String {
    match reading {
        Reading::Ignored(reason) => format!("ignored {reason}"),
        Reading::Unmappable(reason, detail) => format!("unmappable {reason}: {detail}"),
        Reading::Fact(fact) => format!("{}{}", matter(fact), product(&fact.product)),
    }
}

fn product(product: &Product) -> String {
    match product {
        Product::Id(id) if id == "prod_1" => String::new(),
        Product::Id(id) => format!(" for {id}"),
        other @ (Product::Unnamed | Product::Unmapped | Product::Undecided { .. } | Product::NoTestProduct) => {
            format!(" {other:?}")
        }
    }
}

fn matter(fact: &Fact) -> String {
    match &fact.matter {
        FactKind::Customer(c) => {
            let checkout = c.checkout_of.as_ref().map_or_else(String::new, |s| format!(" checked out {s}"));
            let captures = c.captures.as_ref().map_or_else(String::new, |i| format!(" capturing {i}"));
            let reason = c.no_payment.map_or_else(String::new, |r| format!(" {r}"));
            format!("customer{checkout}{captures}{reason}")
        }
        FactKind::Payment(p) => {
            let amount = p.amount.map_or_else(|| "?".to_owned(), |a| a.to_string());
            let subscription = p.subscription.as_ref().map_or_else(String::new, |s| format!(" of {s}"));
            let waits = if p.awaits_checkout { " awaiting checkout" } else { "" };
            let invoice = if p.awaits_invoice { " awaiting its invoice" } else { "" };
            let session = if p.needs_session { " if a session holds it" } else { "" };
            let let_go = p.uncaptured.map_or_else(String::new, |rest| format!(" letting go of {rest}"));
            let second = if p.primary { "" } else { " as a rule by another" };
            format!(
                "payment {}: {amount} on {} {} on {}{subscription}{waits}{invoice}{session}{let_go}{second}",
                p.identity, p.charged, p.currency, p.day
            )
        }
        FactKind::Subscription(s) => {
            let status = s.status.map_or("?", |s| s.code());
            let trial = s.trial_end.map_or_else(String::new, |t| format!(" until {t}"));
            let no_call = s.no_call.map_or_else(String::new, |r| format!(" {r}"));
            format!("{} is {status} ({}){trial}{no_call} on {}", s.id, s.as_given, s.day)
        }
        FactKind::Reversal(r) => {
            let full = if r.full { " full" } else { "" };
            let cumulative = if r.cumulative { " in total" } else { "" };
            let charge = r.charge.as_ref().map_or_else(String::new, |c| format!(" of {} at {}", c.money, c.at));
            format!("{:?}{full} {}: {}{cumulative}{charge}", r.stage, r.identity, r.money)
        }
        FactKind::Link(l) => {
            let paid = l.paid.map_or_else(String::new, |paid| format!(": {paid}"));
            let by = l.of_charge.as_ref().map_or_else(String::new, |charge| format!(" by {charge}"));
            format!("link {}{paid}{by}", fact.keys.join(" "))
        }
    }
}

/// The fact, of an event that must be one.
#[track_caller]
fn fact(rules: &Rules, event: &Value) -> Fact {
    match read_with(rules, event) {
        Reading::Fact(fact) => *fact,
        other @ (Reading::Ignored(_) | Reading::Unmappable(..)) => panic!("no fact: {}", told(&other)),
    }
}

/// Who a fact is about: id, address, name, code or why there is none.
fn who(fact: &Fact) -> String {
    let email = fact.email.as_ref().map_or("-", |e| e.as_given());
    let code = fact.code.as_deref().or(fact.code_refused.as_deref());
    [fact.customer.as_deref(), Some(email), fact.name.as_deref(), code].map(|part| part.unwrap_or("-")).join(", ")
}
