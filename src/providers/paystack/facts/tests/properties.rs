//! Nothing at all can make the mapper fall over, or see a payment of nothing.

use proptest::prelude::*;

use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop_oneof![
            Just("success"),
            Just("-9999-12-31T00:00:00Z"),
            Just("9999-12-30T23:59:59.9Z"),
            Just("9999-12-31"),
            Just("-0"),
            Just("NGN"),
            Just(r#"{"custom_fields":"[1]"}"#),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(
                prop_oneof![
                    Just("id".to_owned()),
                    Just("plan".to_owned()),
                    Just("custom_fields".to_owned()),
                    "[a-z_]{1,8}"
                ],
                inner,
                0..6
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const TYPES: &[&str] = &[
    "charge.success",
    "charge.dispute.create",
    "charge.dispute.resolve",
    "invoice.create",
    "invoice.update",
    "invoice.payment_failed",
    "refund.pending",
    "refund.processed",
    "refund.failed",
    "subscription.create",
    "subscription.not_renew",
    "subscription.disable",
    "subscription.expiring_cards",
    "ping",
];

/// Every place in a value, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (key, member) in members {
        let place = format!("{at}/{key}");
        places(member, &place, found);
        found.push(place);
    }
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let base = prop_oneof![Just(CommissionBase::PAID), Just(REQUESTED), Just(NET_OF_FEES), Just(OF_ANOTHER)];
    let zone = prop_oneof![Just("UTC"), Just("Pacific/Kiritimati"), Just("Pacific/Niue")];
    (base, any::<bool>(), zone).prop_map(|(commission_base, ignore, zone)| Rules {
        commission_base,
        unmapped: if ignore { Unmapped::Ignore } else { Unmapped::Default },
        time_zone: jiff::tz::TimeZone::get(zone).unwrap(),
        ..rules()
    })
}

proptest! {
    #[test]
    fn any_bytes_have_a_reading(body in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&body, &rules(), received_at());
    }

    #[test]
    fn any_json_has_one_reading(event in prop::sample::select(TYPES), data in any_json(), rules in any_rules()) {
        prop_assert_eq!(reading(event, &data, &rules), reading(event, &data, &rules));
    }

    #[test]
    fn events_with_members_changed_or_gone_have_a_reading(
        event in prop::sample::select(TYPES),
        kind in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(any_json())), 1..6),
        rules in any_rules(),
    ) {
        let mut data = [charge(), invoice(), subscribed(), refund(), dispute()][kind].clone();
        for (place, change) in changes {
            let mut all = Vec::new();
            places(&data, "", &mut all);
            let Some(place) = (!all.is_empty()).then(|| place.get(&all)) else { continue };
            let (parent, key) = place.rsplit_once('/').unwrap();
            match (change, data.pointer_mut(parent)) {
                (None, Some(Value::Object(map))) => { map.remove(key); }
                (Some(value), Some(_)) => *data.pointer_mut(place).unwrap() = value,
                (_, _) => {}
            }
        }
        if let Reading::Fact(fact) = reading(event, &data, &rules)
            && let FactKind::Payment(payment) = &fact.matter
        {
            prop_assert!(payment.charged > Decimal::ZERO && payment.amount.is_none_or(|amount| amount > Decimal::ZERO));
            prop_assert!(!payment.identity.is_empty());
        }
    }
}
