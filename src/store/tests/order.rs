//! Order by numbers, patience by waits, and what one process has under way: no clock has a say in any of them.

use super::*;
use crate::delivery::policy::{RetryPolicy, decide};
use crate::domain::delivery::Verdict;
use crate::refairn::Answer;

in_both! {
    attempts_are_numbered_within_a_customer_and_no_number_is_given_twice
    a_call_that_was_given_back_cannot_be_settled_by_whoever_gave_it_back
    a_receipt_is_kept_whoever_has_the_call_by_then
    what_is_under_way_is_leased_to_nobody_whatever_the_clock_does
    what_nobody_holds_any_more_is_made_again
    one_lease_of_many_routes_takes_each_customer_once
    a_call_that_is_leased_ahead_and_given_back_waits_for_nothing
    a_pause_of_its_route_takes_no_patience_of_a_call
}

const RETRY_POLICY: RetryPolicy =
    RetryPolicy { retry_max_wait: Duration::from_secs(900), give_up_after: Duration::from_secs(72 * 3600) };
const DAY: Duration = Duration::from_secs(86_400);

async fn sale(store: &Store, key: &str, email: &str, day: &str) {
    let id = store.record(event(key)).await.unwrap().id;
    post(store, id, Fact { customer: None, ..payment(key, Some(email), day) }).await;
}

async fn lease(store: &Store, at: Timestamp) -> Leased {
    let mut leased = store.lease(at, LEASE, 1).await.unwrap();
    assert_eq!(leased.len(), 1);
    leased.remove(0)
}

fn seqs(delivery: &Delivery) -> (Option<i64>, Option<i64>) {
    (delivery.taken_seq, delivery.last_seq)
}

fn retry(outcome_unknown: bool) -> Settlement {
    Settlement::Retry { wait: Duration::ZERO, outcome_unknown, detail: "down".into() }
}

/// What comes of an attempt that Refairn did not answer.
fn unanswered(leased: &Leased) -> Verdict {
    let answer = Answer::TryLater { retry_after: None, outcome_unknown: false, message: "down".into() };
    decide(answer, &leased.delivery, &RETRY_POLICY, 0)
}

async fn attempts_are_numbered_within_a_customer_and_no_number_is_given_twice(place: Place) {
    let store = place.open().await;
    sale(&store, "a", "jane@example.com", "2026-01-09").await;
    sale(&store, "b", "jane@example.com", "2026-01-10").await;
    let first = lease(&store, now()).await;
    assert_eq!(seqs(&first.delivery), (Some(1), Some(1)));
    store.give_back(&[first], now()).await.unwrap();
    assert_eq!(seqs(&deliveries(&store).await[0]), (None, Some(1)), "it was never made");
    // Refused for sure, then nobody knows, then taken.
    for (n, settlement, taken) in [
        (2, retry(false), None),
        (3, retry(true), Some(3)),
        (4, retry(false), Some(3)),
        (5, Settlement::Delivered(Receipt::default()), Some(5)),
    ] {
        let leased = lease(&store, now()).await;
        assert_eq!(leased.delivery.last_seq, Some(n));
        assert!(store.settle(&leased, attempt(), settlement, now()).await.unwrap());
        assert_eq!(seqs(&deliveries(&store).await[0]), (taken, Some(n)));
    }
    let next = lease(&store, now()).await;
    assert_eq!(seqs(&next.delivery), (Some(6), Some(6)), "the customer's next call");
    sale(&store, "c", "joe@example.com", "2026-01-10").await;
    assert_eq!(seqs(&lease(&store, now()).await.delivery), (Some(1), Some(1)), "another customer");
}

async fn a_call_that_was_given_back_cannot_be_settled_by_whoever_gave_it_back(place: Place) {
    let store = place.open().await;
    sale(&store, "a", "jane@example.com", "2026-01-10").await;
    let given_back = [lease(&store, now()).await];
    store.give_back(&given_back, now()).await.unwrap();
    let store = place.another(store).await;
    let leased = lease(&store, now()).await;
    assert_eq!(leased.delivery.attempts, given_back[0].delivery.attempts);
    assert!(!store.settle(&given_back[0], attempt(), Settlement::Duplicate, now()).await.unwrap());
    store.give_back(&given_back, now()).await.unwrap();
    assert_eq!(deliveries(&store).await[0].state, DeliveryState::Sending);
    assert!(store.settle(&leased, attempt(), Settlement::Duplicate, now()).await.unwrap());
}

async fn a_receipt_is_kept_whoever_has_the_call_by_then(place: Place) {
    let receipt = Receipt { commission_id: Some("comm_1".into()), ..Receipt::default() };
    for late_by_one in [false, true] {
        for other in [Settlement::Duplicate, retry(true), Settlement::PauseRoute("no key".into())] {
            let store = place.open().await;
            let key = format!("{late_by_one} {other:?}");
            sale(&store, &key, &format!("{}@example.com", deliveries(&store).await.len()), "2026-01-10").await;
            let lost = lease(&store, now()).await;
            let store = place.another(store).await;
            let taken = lease(&store, now()).await;
            let id = lost.delivery.id.unwrap();
            let heard = || Settlement::Delivered(receipt.clone());
            if late_by_one {
                assert!(store.settle(&taken, attempt(), other, now()).await.unwrap());
                assert!(!store.settle(&lost, attempt(), heard(), now()).await.unwrap());
            } else {
                assert!(!store.settle(&lost, attempt(), heard(), now()).await.unwrap());
                assert_eq!(store.delivery(id).await.unwrap().unwrap().0.delivery.state, DeliveryState::Sending);
                assert!(store.settle(&taken, attempt(), other, now()).await.unwrap());
            }
            let (view, attempts) = store.delivery(id).await.unwrap().unwrap();
            let told = view.delivery;
            assert_eq!(attempts.len(), 2, "each attempt is told: {key}");
            assert_eq!((told.state, told.receipt.as_ref()), (DeliveryState::Delivered, Some(&receipt)), "{key}");
            assert_eq!(seqs(&told), (Some(1), Some(2)), "it was taken at the first attempt: {key}");
            // Nothing is left to be done.
            assert!(store.lease(after(now(), DAY), LEASE, 10).await.unwrap().is_empty());
            store.close().await;
        }
    }
}

async fn what_is_under_way_is_leased_to_nobody_whatever_the_clock_does(place: Place) {
    let store = place.open().await;
    for n in 0..8 {
        sale(&store, &format!("{n}"), &format!("c{n}@example.com"), "2026-01-10").await;
    }
    let under_way = store.lease(now(), LEASE, 3).await.unwrap();
    place.end_leases();
    let mut people: Vec<_> = under_way.iter().map(|leased| leased.key.clone()).collect();
    let ahead = [3 * DAY / 24, 3 * DAY, 100 * DAY].map(|by| after(now(), by));
    let mut rest = vec![];
    for at in ahead.into_iter().chain(ahead.map(|at| now() - at.duration_since(now()))) {
        rest.extend(store.lease(at, LEASE, 10).await.unwrap());
        place.end_leases();
    }
    people.extend(rest.iter().map(|leased| leased.key.clone()));
    people.sort();
    people.dedup();
    assert_eq!((rest.len(), people.len()), (5, 8), "each customer once");
    for leased in under_way.iter().chain(&rest) {
        assert!(store.settle(leased, attempt(), Settlement::Delivered(Receipt::default()), now()).await.unwrap());
    }
    assert!(deliveries(&store).await.iter().all(|d| (d.attempts, d.outcome_unknown) == (1, false)));
}

async fn what_nobody_holds_any_more_is_made_again(place: Place) {
    let store = place.open().await;
    sale(&store, "a", "jane@example.com", "2026-01-10").await;
    drop(lease(&store, now()).await);
    place.end_leases();
    let again = lease(&store, now()).await;
    assert!(again.delivery.outcome_unknown, "nobody knows what became of it");
    assert_eq!(store.next_due().await.unwrap(), None, "nobody looks again and again for what is under way");
}

async fn a_call_that_is_leased_ahead_and_given_back_waits_for_nothing(place: Place) {
    let store = place.open().await;
    sale(&store, "a", "jane@example.com", "2026-01-10").await;
    let mut at = now();
    for _ in 0..10 {
        let ahead = [lease(&store, at).await];
        at = after(at, DAY);
        store.give_back(&ahead, at).await.unwrap();
    }
    let leased = lease(&store, at).await;
    let failed = unanswered(&leased);
    assert!(matches!(failed, Verdict::Settled(Settlement::Retry { .. })), "{failed:?}");
    assert!(store.settle(&leased, attempt(), failed, at).await.unwrap());
    assert_eq!(deliveries(&store).await[0].waited, Duration::from_secs(1));
}

async fn a_pause_of_its_route_takes_no_patience_of_a_call(place: Place) {
    let store = place.open().await;
    for n in 0..2 {
        sale(&store, &format!("{n}"), &format!("c{n}@example.com"), "2026-01-10").await;
    }
    let (failing, refused) = (lease(&store, now()).await, lease(&store, now()).await);
    assert!(store.settle(&failing, attempt(), unanswered(&failing), now()).await.unwrap());
    assert!(store.settle(&refused, attempt(), Settlement::PauseRoute("no key".into()), now()).await.unwrap());
    let (mut at, end) = (now(), after(now(), 4 * DAY));
    while at < end {
        at = after(at, Duration::from_secs(3600));
        let probe = lease(&store, at).await;
        assert!(store.settle(&probe, attempt(), Settlement::PauseRoute("no key".into()), at).await.unwrap());
    }
    let waited: Duration = deliveries(&store).await.iter().map(|d| d.waited).sum();
    assert_eq!(waited, Duration::from_secs(1), "the one that failed by itself");
    // The key is mended, and Refairn is busy once more.
    at = after(at, Duration::from_secs(3600));
    let probe = lease(&store, at).await;
    assert!(store.settle(&probe, attempt(), Settlement::Delivered(Receipt::default()), at).await.unwrap());
    let other = lease(&store, at).await;
    let failed = unanswered(&other);
    assert!(matches!(failed, Verdict::Settled(Settlement::Retry { .. })), "{failed:?}");
}

async fn one_lease_of_many_routes_takes_each_customer_once(place: Place) {
    let store = place.open().await;
    for n in 0..40 {
        let id = store.record(event(&format!("{n}"))).await.unwrap().id;
        let sold =
            Fact { customer: None, ..payment(&format!("{n}"), Some(&format!("c{n}@example.com")), "2026-01-10") };
        // The first route has nearly all: what the others do not need of their share goes to it, round after round.
        let product = if n < 3 { format!("prod_{}", n + 1) } else { "prod_0".to_owned() };
        post(&store, id, Fact { product: Product::Id(product), ..sold }).await;
    }
    let leased = store.lease(now(), LEASE, 40).await.unwrap();
    let people: std::collections::BTreeSet<_> = leased.iter().map(|leased| leased.key.clone()).collect();
    assert_eq!((leased.len(), people.len()), (40, 40));
    assert!(leased.iter().all(|leased| leased.delivery.attempts == 1));
}
