//! Reading is total, deterministic, and does not repeat personal values in its complaints.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::domain::reason::EventReason;

const TYPES: &[&str] = &[
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.refunded",
    "charge.succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.completed",
    "customer.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.updated",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice_payment.paid",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
];

/// Words that mean something somewhere, so that arbitrary JSON gets far.
const WORDS: &[&str] = &[
    "account",
    "amount",
    "amount_due",
    "amount_paid",
    "amount_received",
    "amount_refunded",
    "amount_total",
    "billing_reason",
    "charge",
    "created",
    "currency",
    "customer",
    "customer_details",
    "customer_email",
    "data",
    "email",
    "id",
    "invoice",
    "items",
    "lines",
    "livemode",
    "metadata",
    "mode",
    "object",
    "paid_at",
    "parent",
    "payment",
    "payment_intent",
    "payment_status",
    "plan",
    "price",
    "pricing",
    "refairn_code",
    "status",
    "status_transitions",
    "subscription",
    "subscription_details",
    "subtotal",
    "tax",
    "total",
    "total_excluding_tax",
    "trial_end",
    "type",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "usd",
            "paid",
            "payment",
            "open",
            "jane@example.com",
            "subscription",
            "active",
            "won"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        let key = prop_oneof![4 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => ".{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..8).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

static SAMPLES: LazyLock<Vec<Value>> = LazyLock::new(samples);

/// Whole events: those of the fixtures, and a few by ourselves.
fn samples() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stripe");
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "json")
                && path.file_name().is_some_and(|n| n != "expected.json")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    let from_disk = found.iter().filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok());
    let own = [
        event("charge.refunded", &super::reversal::charge()),
        event("customer.created", &json!({"id": "cus_1", "email": "jane@example.com", "name": "Jane", "metadata": {}})),
        event(
            "invoice.paid",
            &json!({"id": "in_1", "currency": "usd", "amount_paid": 100, "total": 100, "status": "paid"}),
        ),
    ];
    from_disk.chain(own).collect()
}

/// Replaces, or removes, the n-th value in depth.
fn mutate(value: &mut Value, n: &mut usize, by: Option<&Value>) {
    let members: Vec<&mut Value> = match value {
        Value::Object(object) => {
            let hit = object.keys().nth(*n).cloned();
            if let (Some(key), None) = (hit, by) {
                object.remove(&key);
                *n = usize::MAX;
                return;
            }
            object.values_mut().collect()
        }
        Value::Array(items) => items.iter_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
    };
    for member in members {
        if *n == usize::MAX {
            return;
        }
        if let (0, Some(by)) = (*n, by) {
            *member = by.clone();
            *n = usize::MAX;
            return;
        }
        *n = n.saturating_sub(1);
        mutate(member, n, by);
    }
}

/// Reads under every setting; what must hold of any body is asserted here.
fn read_all_ways(body: &[u8]) {
    let identity = Stripe.identify(body);
    assert_eq!(identity, Stripe.identify(body));
    assert!(!identity.dedup_key.is_empty());
    let taxed = Rules { settings: out_of_band_sent(), unmapped: Unmapped::Ignore, ..untaxed_rules() };
    let at = Timestamp::from_second(RECEIVED).unwrap();
    for rules in [rules(), one_time_rules(), taxed] {
        let reading = Stripe.read(body, &rules, at);
        assert_eq!(reading, Stripe.read(body, &rules, at));
        match reading {
            Reading::Fact(fact) => {
                if let FactKind::Payment(payment) = &fact.matter {
                    assert!(!payment.identity.is_empty() && payment.charged > rust_decimal::Decimal::ZERO);
                }
                let text = serde_json::to_string(&fact).unwrap();
                assert_eq!(serde_json::from_str::<Fact>(&text).unwrap(), *fact);
            }
            Reading::Unmappable(reason, detail) => {
                assert!(matches!(reason, EventReason::Unreadable | EventReason::MissingField | EventReason::ThinEvent));
                assert!(!detail.contains('@') && detail.len() < 150, "{detail}");
            }
            Reading::Ignored(_) => {}
        }
    }
}

#[test]
fn every_sample_is_read() {
    for sample in SAMPLES.iter() {
        read_all_ways(sample.to_string().as_bytes());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read(body: Vec<u8>) {
        read_all_ways(&body);
    }

    #[test]
    fn any_json_is_read(body in any_json()) {
        read_all_ways(body.to_string().as_bytes());
    }

    #[test]
    fn any_object_is_read(event_type in prop::sample::select(TYPES), object in any_json()) {
        read_all_ways(event(event_type, &object).to_string().as_bytes());
    }

    #[test]
    fn any_change_of_a_whole_event_is_read(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((0usize..300, prop::option::of(any_json())), 1..6),
    ) {
        let mut body = which.get(&SAMPLES).clone();
        for (n, by) in changes {
            mutate(&mut body, &mut n.clone(), by.as_ref());
        }
        read_all_ways(body.to_string().as_bytes());
    }

    #[test]
    fn amounts_are_exact(minor in 1i64.., currency in prop::sample::select(vec![("usd", 2u32), ("jpy", 0), ("kwd", 3), ("ugx", 2)])) {
        let (code, scale) = currency;
        let invoice = json!({"id": "in_1", "currency": code, "amount_paid": minor, "total": minor, "status": "paid", "customer": "cus_1"});
        let fact = fact(&rules(), &event("invoice.paid", &invoice));
        let FactKind::Payment(payment) = fact.matter else { panic!("no payment") };
        let mut exact = payment.charged;
        exact.rescale(scale);
        prop_assert_eq!(exact.mantissa(), i128::from(minor));
        prop_assert_eq!(payment.amount, Some(payment.charged));
    }
}
