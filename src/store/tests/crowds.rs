//! A customer with more events than one customer should have.

use super::*;

in_both! {
    a_customer_with_too_many_events_is_told_once
    a_customer_under_too_many_addresses_to_carry_a_code_is_named
    a_code_goes_to_the_other_addresses_of_a_customer_who_has_not_too_many
}

async fn add(store: &Store, from: usize, count: usize, email: &str) {
    let mut events = Vec::new();
    for n in from..from + count {
        let id = store.record(event(&format!("{email} {n}"))).await.unwrap().id;
        let reading = Reading::Fact(Box::new(Fact {
            customer: None,
            ..fact(Some(email), FactKind::Link(crate::domain::fact::Link::default()))
        }));
        let (endpoint, business) = ("stripe".to_owned(), "biz_1".to_owned());
        events.push(Mapped {
            id,
            endpoint,
            business,
            realm: "stripe".into(),
            snapshot_event: None,
            reader: 2,
            received_at: now(),
            reading,
        });
    }
    store.post(events, now()).await.unwrap();
}

async fn a_customer_with_too_many_events_is_told_once(place: Place) {
    let store = place.open().await;
    add(&store, 0, FACTS_SOFT_MAX, "till@example.com").await;
    add(&store, 0, 1, "jane@example.com").await;
    assert_eq!((store.new_crowds(), store.crowds().await.unwrap()), (vec![], None));
    add(&store, FACTS_SOFT_MAX, 1, "till@example.com").await;
    let last = store.event_by_provider_id(format!("till@example.com {FACTS_SOFT_MAX}")).await.unwrap().unwrap();
    let crowd = Crowd { event: last, facts: FACTS_SOFT_MAX + 1 };
    assert_eq!(store.new_crowds(), [crowd]);
    assert_eq!(store.crowds().await.unwrap(), Some((1, crowd)));
    add(&store, FACTS_SOFT_MAX + 1, 1, "till@example.com").await;
    assert_eq!(store.new_crowds(), [], "once is enough");
    // Another process has not told it.
    store.close().await;
    let store = place.open().await;
    add(&store, FACTS_SOFT_MAX + 2, 1, "till@example.com").await;
    assert_eq!(store.new_crowds().len(), 1);
}

async fn a_customer_under_too_many_addresses_to_carry_a_code_is_named(place: Place) {
    let store = place.open().await;
    for (customer, code, addresses) in
        [("cus_shop", Some("ADA10"), 7), ("cus_jane", Some("ADA10"), 5), ("cus_till", None, 9)]
    {
        for n in 0..addresses {
            let id = store.record(event(&format!("{customer} {n}"))).await.unwrap().id;
            let email = format!("{n}@{customer}.example.com");
            let of = fact(Some(&email), FactKind::Customer(Customer::default()));
            let code = code.filter(|_| n == 0).map(str::to_owned);
            post(&store, id, Fact { customer: Some(customer.into()), code, ..of }).await;
        }
    }
    let shop = Scattered { customer: "cus_shop".into(), addresses: 7 };
    assert_eq!(store.scattered().await.unwrap(), [shop]);
}

async fn a_code_goes_to_the_other_addresses_of_a_customer_who_has_not_too_many(place: Place) {
    let store = place.open().await;
    for (customer, addresses, told) in [("cus_jane", RELATED_MAX, RELATED_MAX), ("cus_shop", RELATED_MAX + 1, 1)] {
        for n in 0..addresses {
            let id = store.record(event(&format!("{customer} {n}"))).await.unwrap().id;
            let email = format!("{n}@{customer}.example.com");
            let of = fact(Some(&email), FactKind::Customer(Customer::default()));
            post(&store, id, Fact { customer: Some(customer.into()), ..of }).await;
        }
        let id = store.record(event(&format!("{customer} code"))).await.unwrap().id;
        let of = fact(Some(&format!("0@{customer}.example.com")), FactKind::Customer(Customer::default()));
        post(&store, id, Fact { customer: Some(customer.into()), code: Some("ADA10".into()), ..of }).await;
        let of_customer = |d: &Delivery| d.call.email().key().contains(customer);
        let leads = deliveries(&store).await.iter().filter(|d| of_customer(d)).count();
        assert_eq!(leads, told as usize, "{customer}");
    }
}
