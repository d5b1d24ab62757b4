//! Routes pause, are probed, and take turns.

use super::*;

in_both! {
    a_paused_route_yields_one_probe_a_minute_and_an_answer_resumes_it
    routes_take_turns_and_a_backlog_keeps_none_waiting
}

async fn a_paused_route_yields_one_probe_a_minute_and_an_answer_resumes_it(place: Place) {
    let store = place.open().await;
    for n in 0..5 {
        let id = store.record(event(&format!("{n}"))).await.unwrap().id;
        post(&store, id, payment(&format!("{n}"), Some(&format!("c{n}@example.com")), "2026-01-10")).await;
    }
    let first = store.lease(now(), LEASE, 1).await.unwrap();
    assert!(store.settle(&first[0], attempt(), Settlement::PauseRoute("401".into()), now()).await.unwrap());
    assert!(store.lease(now(), LEASE, 10).await.unwrap().is_empty());
    let minute = after(now(), Duration::from_secs(60));
    assert_eq!(store.next_due().await.unwrap(), Some(minute));
    let probe = store.lease(minute, LEASE, 10).await.unwrap();
    assert_eq!(probe.len(), 1);
    assert_eq!(store.stats().await.unwrap().routes[0].state, "paused");
    assert!(store.settle(&probe[0], attempt(), Settlement::Delivered(Receipt::default()), minute).await.unwrap());
    assert_eq!(store.lease(minute, LEASE, 10).await.unwrap().len(), 4);
}

async fn routes_take_turns_and_a_backlog_keeps_none_waiting(place: Place) {
    let store = place.open().await;
    let sale = async |product: String, n: usize| {
        let (email, invoice) = (format!("c{n}@example.com"), format!("in_{product}_{n}"));
        let id = store.record(event(&format!("{product} {n}"))).await.unwrap().id;
        let fact = payment(&invoice, Some(&email), "2026-01-10");
        post(&store, id, Fact { product: Product::Id(product), ..fact }).await;
    };
    // Ten routes with a backlog, each older than what comes after it.
    for n in 0..60 {
        sale(format!("prod_{}", n % 10), n).await;
    }
    sale("fresh".into(), 60).await;
    let mut served: Vec<Leased> = vec![];
    while served.iter().all(|leased| leased.delivery.call.product() != "fresh") {
        assert!(served.len() < 11, "the fresh call has not had its turn: {served:?}");
        let leased = store.lease(now(), LEASE, 3).await.unwrap();
        assert_eq!(leased.len(), 3);
        served.extend(leased);
    }
    // What a route does not need of its share goes to those who have more.
    assert_eq!(store.lease(now(), LEASE, 100).await.unwrap().len(), 61 - served.len());
}
