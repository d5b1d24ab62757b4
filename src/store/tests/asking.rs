//! What people ask for is found, by whatever they know of it.

use std::time::Instant;

use super::*;
use crate::store::search::Found;

in_both! {
    a_customer_is_found_by_any_part_of_the_address
    everything_is_found_by_the_ids_that_it_carries
    an_agent_a_commission_and_a_code_lead_to_what_they_are_about
    a_code_that_came_through_the_site_is_known_of_and_one_that_was_fetched_is_not
    a_code_that_an_old_event_brings_when_it_is_read_again_is_known_of
}

async fn told(store: &Store, key: &str, fact: Fact) -> EventId {
    let id = store.record(event(key)).await.unwrap().id;
    post(store, id, fact).await;
    id
}

async fn found(store: &Store, text: &str) -> Found {
    store.search(text, None).await.unwrap()
}

fn addresses(found: &Found) -> Vec<&str> {
    found.customers.iter().map(|key| key.email_key.as_str()).collect()
}

async fn a_customer_is_found_by_any_part_of_the_address(place: Place) {
    let store = place.open().await;
    let jane = "Jane.Doe+Shop@Mail.Example.com";
    for (n, email) in [jane, "bob@example.org", "janet@example.com"].into_iter().enumerate() {
        let sale = Fact { customer: None, ..payment(&format!("in_{n}"), Some(email), "2026-01-10") };
        told(&store, &format!("e{n}"), sale).await;
    }
    let key = jane.to_lowercase();
    for from in 0..key.len() - 1 {
        for to in from + 2..=key.len() {
            let part = &key[from..to];
            assert!(addresses(&found(&store, part).await).contains(&key.as_str()), "{part}");
        }
    }
    assert_eq!(addresses(&found(&store, " JANE").await), [key.as_str(), "janet@example.com"]);
    assert_eq!(addresses(&found(&store, "xample.org").await), ["bob@example.org"]);
    for nobody in ["jane.doe+shop@mail.example.co.uk", "j", "", "%", "___", "zoe"] {
        assert!(addresses(&found(&store, nobody).await).is_empty(), "{nobody}");
    }
}

async fn everything_is_found_by_the_ids_that_it_carries(place: Place) {
    let store = place.open().await;
    let mut sale = payment("in_1", Some("jane@example.com"), "2026-01-10");
    sale.keys = vec!["cus_1".into(), "sub_1".into(), "pi_1".into()];
    let sale = told(&store, "evt_1Nx", sale).await;
    let waits = Fact { customer: Some("cus_2".into()), email: None, ..payment("in_2", None, "2026-01-10") };
    let waits = told(&store, "evt_2Nx", waits).await;
    for id in ["in_1", "cus_1", "sub_1", "pi_1"] {
        let found = found(&store, id).await;
        assert_eq!(addresses(&found), ["jane@example.com"], "{id}");
        assert_eq!(found.events.iter().map(|e| e.id).collect::<Vec<_>>(), [sale], "{id}");
        assert_eq!(found.payments.iter().filter_map(|d| d.delivery.subject.payment()).collect::<Vec<_>>(), ["in_1"]);
    }
    for id in ["in_2", "cus_2", "evt_2Nx", "evt_2"] {
        let found = found(&store, id).await;
        assert_eq!(found.events.iter().map(|e| e.id).collect::<Vec<_>>(), [waits], "{id}");
        assert!(found.customers.is_empty() && found.payments.is_empty(), "{id}");
    }
    assert_eq!(found(&store, "dlv_1").await.payments.len(), 1);
    let nothing = found(&store, "in_").await;
    assert!(nothing.customers.is_empty() && nothing.events.is_empty() && !nothing.is_cut);
}

async fn an_agent_a_commission_and_a_code_lead_to_what_they_are_about(place: Place) {
    let store = place.open().await;
    told(&store, "e1", Fact { code: Some("Ada10".into()), ..payment("in_1", Some("jane@example.com"), "2026-01-10") })
        .await;
    for _ in 0..2 {
        let leased = store.lease(now(), LEASE, 1).await.unwrap().pop().unwrap();
        let receipt =
            Receipt { agent_id: Some("agent_ada".into()), commission_id: Some("comm_1".into()), ..Receipt::default() };
        store.settle(&leased, attempt(), Settlement::Delivered(receipt), now()).await.unwrap();
    }
    for id in ["agent_ada", "comm_1"] {
        let found = found(&store, id).await;
        assert_eq!(found.payments.len(), 1, "{id}");
        assert!(found.deliveries.is_empty(), "{id}");
    }
    for code in ["ada10", "ADA10"] {
        assert_eq!(addresses(&found(&store, code).await), ["jane@example.com"], "{code}");
    }
}

async fn a_code_that_came_through_the_site_is_known_of_and_one_that_was_fetched_is_not(place: Place) {
    let store = place.open().await;
    told(&store, "e1", payment("in_1", Some("jane@example.com"), "2026-01-10")).await;
    assert!(!store.stats().await.unwrap().code_came);
    let with_code = |id: &str, email| Fact { code: Some("ADA10".into()), ..payment(id, email, "2026-01-10") };
    let fetched = NewEvent { origin: Origin::Backfill, ..event("e2") };
    let fetched = store.record(fetched).await.unwrap().id;
    post(&store, fetched, with_code("in_2", Some("bea@example.com"))).await;
    assert!(!store.stats().await.unwrap().code_came);
    // Whose it is need not be known.
    told(&store, "e3", with_code("in_3", None)).await;
    assert!(store.stats().await.unwrap().code_came);
}

async fn a_code_that_an_old_event_brings_when_it_is_read_again_is_known_of(place: Place) {
    let store = place.open().await;
    let old = told(&store, "e0", payment("in_0", Some("jane@example.com"), "2026-01-10")).await;
    let between = (1..=1000).map(|n| store.record(event(&format!("e{n}"))));
    assert!(futures_util::future::join_all(between).await.iter().all(Result::is_ok));
    told(&store, "e1001", payment("in_1001", Some("bea@example.com"), "2026-01-10")).await;
    let begun = Instant::now();
    assert!(!store.code_came_at(begun).await.unwrap());
    store.remap(old, By::admin(), now()).await.unwrap();
    let with_code = Fact { code: Some("ADA10".into()), ..payment("in_0", Some("jane@example.com"), "2026-01-10") };
    post(&store, old, with_code).await;
    let later = begun + Duration::from_secs(60);
    assert!(store.code_came_at(later).await.unwrap());
    assert!(store.code_came_at(later).await.unwrap());
}
