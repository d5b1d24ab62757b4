//! A clock that was ahead and was set back: nothing waits for the time that was told in error.

use super::*;

in_both! {
    what_a_clock_that_was_ahead_put_off_is_due_when_it_is_set_back
    what_waits_as_long_as_it_should_is_left_alone
    what_was_planned_a_moment_ago_was_told_by_no_clock_that_was_ahead
    what_is_to_be_looked_up_waits_for_no_clock_that_was_ahead
}

fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

async fn leased(store: &Store, at: Timestamp, n: usize) -> Vec<Leased> {
    store.lease(at, LEASE, n).await.unwrap()
}

/// Ends waits by a clock that tells this time.
async fn ended(store: &Store, at: Timestamp) -> u64 {
    store.end_waits_ahead(&Clock::manual(at), LEASE).await.unwrap()
}

async fn queued(store: &Store, n: usize) {
    for n in 0..n {
        let id = store.record(event(&format!("evt_{n}"))).await.unwrap().id;
        post(store, id, payment(&format!("in_{n}"), Some(&format!("p{n}@example.com")), "2026-01-10")).await;
    }
}

async fn what_a_clock_that_was_ahead_put_off_is_due_when_it_is_set_back(place: Place) {
    let store = place.open().await;
    queued(&store, 4).await;
    // One is tried again, one is under way, one finds its route paused, one was never tried.
    let calls = leased(&store, now(), 3).await;
    let again = |hours| Settlement::Retry { wait: hours, outcome_unknown: false, detail: "down".into() };
    store.settle(&calls[0], attempt(), again(hours(0) + Duration::from_secs(900)), now()).await.unwrap();
    store.settle(&calls[1], attempt(), Settlement::PauseRoute("no key".into()), now()).await.unwrap();
    let real = now().checked_sub(hours(5)).unwrap();
    assert!(leased(&store, real, 10).await.is_empty());
    assert!(ended(&store, real).await > 0);
    assert_eq!(ended(&store, real).await, 0, "once is enough");
    // The paused route yields its probe at once, then everything else but the one that is under way.
    let probe = leased(&store, real, 10).await;
    assert_eq!(probe.len(), 1);
    store.settle(&probe[0], attempt(), Settlement::Delivered(Receipt::default()), real).await.unwrap();
    let rest = leased(&store, real, 10).await;
    assert_eq!(rest.len(), 2, "the one under way is not sent twice");
    assert!(rest.iter().all(|l| l.delivery.id != calls[2].delivery.id));
    assert!(store.settle(&calls[2], attempt(), Settlement::Delivered(Receipt::default()), real).await.unwrap());
}

async fn what_waits_as_long_as_it_should_is_left_alone(place: Place) {
    let store = place.open().await;
    queued(&store, 2).await;
    let calls = leased(&store, now(), 1).await;
    let retry = Settlement::Retry { wait: hours(1), outcome_unknown: true, detail: "down".into() };
    store.settle(&calls[0], attempt(), retry, now()).await.unwrap();
    let under_way = leased(&store, now(), 1).await;
    assert_eq!(under_way.len(), 1);
    assert_eq!(ended(&store, now()).await, 0);
    assert!(leased(&store, now(), 10).await.is_empty());
}

async fn what_was_planned_a_moment_ago_was_told_by_no_clock_that_was_ahead(place: Place) {
    let store = place.open().await;
    queued(&store, 1).await;
    let call = leased(&store, now(), 1).await.remove(0);
    let retry = Settlement::Retry { wait: hours(1), outcome_unknown: false, detail: "down".into() };
    store.settle(&call, attempt(), retry, now()).await.unwrap();
    let ago = |ms| now() - Duration::from_millis(ms);
    assert_eq!(ended(&store, ago(900)).await, 0, "the clock was looked at, and then it was planned");
    assert_eq!(ended(&store, ago(1100)).await, 1);
    assert_eq!(leased(&store, ago(1100), 1).await.len(), 1, "as short as any wait, and over all the same");
}

async fn what_is_to_be_looked_up_waits_for_no_clock_that_was_ahead(place: Place) {
    let store = place.open().await;
    let due = async || store.next_lookup(vec!["stripe".into()]).await.unwrap();
    let ahead = after(now(), hours(72));
    let nobodys = store.record(NewEvent { received_at: ahead, ..event("evt_a") }).await.unwrap().id;
    post(&store, nobodys, payment("in_1", None, "2026-01-10")).await;
    // It came in by the clock that was ahead, is asked for, and fails.
    assert_eq!((due().await, ended(&store, now()).await, due().await), (Some(ahead), 1, Some(now())));
    let take = async |at| store.take_lookups("stripe", 1, at, LEASE).await.unwrap();
    let lookup = take(ahead).await.remove(0);
    assert_eq!((due().await, ended(&store, now()).await, due().await), (Some(after(ahead, LEASE)), 1, Some(now())));
    let open = |due_at| LookupEnd::Open { due_at: Some(due_at), counted: true, note: "down".into() };
    store.end_lookup(&lookup, open(after(ahead, hours(1))), ahead).await.unwrap();
    // One more event that lacks the same waits with it.
    let another = store.record(event("evt_b")).await.unwrap().id;
    post(&store, another, payment("in_2", None, "2026-01-10")).await;
    assert_eq!((due().await, ended(&store, now()).await, due().await), (Some(after(ahead, hours(1))), 2, Some(now())));
    // What is not there today may be there tomorrow: that is a day, by a clock that is right.
    store.end_lookup(&lookup, open(after(now(), hours(24))), now()).await.unwrap();
    assert_eq!((ended(&store, now()).await, due().await), (0, Some(after(now(), hours(24)))));
}
