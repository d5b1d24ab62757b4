//! A defect of ours that one customer or one write brings out: the others go on, and nothing of it is lost.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::domain::delivery::Verdict;

in_both! {
    a_write_that_panics_is_undone_alone_and_its_connection_serves_the_next
    a_customer_over_whom_the_planner_panics_waits_for_a_person_and_others_go_on
    a_customer_who_is_held_goes_on_once_the_defect_is_mended
    an_event_over_which_the_planner_panics_can_be_set_aside_and_read_anew
    an_answer_over_which_the_planner_panics_is_for_a_person_to_see
}

/// More than there are connections, so that one that is lost would be missed.
const TIMES: usize = 40;

struct Panicking;

impl Work for Panicking {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.execute("INSERT INTO routes (business, product) VALUES ('x', 'x')", values![]).await?;
        panic!("on purpose");
    }
}

async fn a_write_that_panics_is_undone_alone_and_its_connection_serves_the_next(place: Place) {
    let store = place.open().await;
    for n in 0..TIMES {
        let bad = store.write(Panicking);
        let (bad, good) = tokio::join!(bad, store.record(event(&format!("evt_{n}"))));
        assert_eq!(bad, Err(StoreError::Panicked));
        assert!(!good.unwrap().duplicate);
    }
    assert_eq!(store.stats().await.unwrap().routes.len(), 0);
    store.probe().await.unwrap();
}

/// A store with two sales to Jane and one to Ann in it, and the switch of the defect.
async fn fragile(place: &Place) -> (Store, Arc<AtomicBool>) {
    let store = place.open().await;
    let broken = store.planning.broken.clone();
    for (key, email, day) in [("a", "jane", "2026-01-09"), ("b", "jane", "2026-01-10"), ("c", "ann", "2026-01-10")] {
        let id = store.record(event(key)).await.unwrap().id;
        post(&store, id, payment(key, Some(&format!("{email}@example.com")), day)).await;
    }
    (store, broken)
}

/// Jane's call among those that are leased now.
async fn lease_janes(store: &Store) -> Leased {
    let leased = store.lease(now(), LEASE, 10).await.unwrap();
    leased.into_iter().find(|l| l.key.email_key.starts_with("jane")).unwrap()
}

fn is_held(delivery: &Delivery) -> bool {
    let expected = (DeliveryState::Held, Some(DeliveryReason::InternalError), true);
    (delivery.state, delivery.reason, delivery.attention) == expected
}

async fn a_customer_over_whom_the_planner_panics_waits_for_a_person_and_others_go_on(place: Place) {
    let (store, broken) = fragile(&place).await;
    let leased = store.lease(now(), LEASE, 10).await.unwrap();
    assert_eq!(leased.len(), 2);
    broken.store(true, Ordering::Relaxed);
    for leased in &leased {
        assert!(store.settle(leased, attempt(), Settlement::Delivered(Receipt::default()), now()).await.unwrap());
    }
    let made = deliveries(&store).await;
    assert_eq!((made[0].state, made[2].state), (DeliveryState::Delivered, DeliveryState::Delivered));
    assert!(is_held(&made[1]), "{made:?}");
    assert_eq!(store.stats().await.unwrap().attention(), [(Reason::InternalError, 1)].into());
    assert_eq!(store.lease(now(), LEASE, 10).await.unwrap().len(), 0);
    // An operator's word does not make it go out while the defect is there.
    store.act(made[1].id.unwrap(), Action::Retry, By::admin(), now()).await.unwrap();
    assert!(is_held(&deliveries(&store).await[1]));
    broken.store(false, Ordering::Relaxed);
    store.act(made[1].id.unwrap(), Action::Retry, By::admin(), now()).await.unwrap();
    let again = lease_janes(&store).await;
    assert_eq!((again.delivery.id, again.delivery.released), (made[1].id, false));
}

async fn a_customer_who_is_held_goes_on_once_the_defect_is_mended(place: Place) {
    let (store, broken) = fragile(&place).await;
    let unused = store.lease(now(), LEASE, 10).await.unwrap();
    broken.store(true, Ordering::Relaxed);
    store.give_back(&unused, now()).await.unwrap();
    drop(unused);
    let made = deliveries(&store).await;
    assert!(is_held(&made[0]) && is_held(&made[1]), "{made:?}");
    assert_eq!(made[2].state, DeliveryState::Queued);
    broken.store(false, Ordering::Relaxed);
    // The next event of hers plans all anew.
    let id = store.record(event("d")).await.unwrap().id;
    post(&store, id, payment("d", Some("jane@example.com"), "2026-01-08")).await;
    let made = deliveries(&store).await;
    assert!(made.iter().all(|d| d.state == DeliveryState::Queued && !d.attention), "{made:?}");
}

async fn an_event_over_which_the_planner_panics_can_be_set_aside_and_read_anew(place: Place) {
    let (store, broken) = fragile(&place).await;
    let id = store.record(event("d")).await.unwrap().id;
    let mapped = |id, reading| Mapped {
        id,
        endpoint: "stripe".into(),
        business: "biz_1".into(),
        realm: "stripe".into(),
        snapshot_event: None,
        reader: 2,
        received_at: now(),
        reading,
    };
    let sale = || Reading::Fact(Box::new(payment("d", Some("jane@example.com"), "2026-01-08")));
    let aside = || Reading::Unmappable(EventReason::InternalError, "it failed".into());
    broken.store(true, Ordering::Relaxed);
    assert_eq!(store.post(vec![mapped(id, sale())], now()).await, Err(StoreError::Panicked));
    assert_eq!(state_of(&store, id).await.0, EventState::Received, "nothing of it was written");
    store.post(vec![mapped(id, aside())], now()).await.unwrap();
    assert_eq!(state_of(&store, id).await, (EventState::Unmappable, Some(EventReason::InternalError)));
    // One that had been read before takes its old fact with it, and with that a plan.
    let first = EventId(1);
    store.remap(first, By::admin(), now()).await.unwrap();
    store.post(vec![mapped(first, aside())], now()).await.unwrap();
    broken.store(false, Ordering::Relaxed);
    for (id, reading) in
        [(id, sale()), (first, Reading::Fact(Box::new(payment("a", Some("jane@example.com"), "2026-01-09"))))]
    {
        store.remap(id, By::admin(), now()).await.unwrap();
        store.post(vec![mapped(id, reading)], now()).await.unwrap();
        assert_eq!(state_of(&store, id).await, (EventState::Mapped, None));
    }
    let made = deliveries(&store).await;
    assert!(made.len() == 4 && made.iter().all(|d| d.state == DeliveryState::Queued), "{made:?}");
}

async fn an_answer_over_which_the_planner_panics_is_for_a_person_to_see(place: Place) {
    let (store, broken) = fragile(&place).await;
    let janes = lease_janes(&store).await;
    broken.store(true, Ordering::Relaxed);
    assert!(store.settle(&janes, attempt(), Verdict::Conflict, now()).await.unwrap());
    let made = deliveries(&store).await;
    let first = &made[0];
    let expected = (DeliveryState::Rejected, Some(DeliveryReason::InternalError), true, true);
    assert_eq!((first.state, first.reason, first.attention, first.outcome_unknown), expected);
    broken.store(false, Ordering::Relaxed);
    store.act(first.id.unwrap(), Action::Retry, By::admin(), now()).await.unwrap();
    assert_eq!(lease_janes(&store).await.delivery.id, first.id);
}
