//! What every store must keep, whatever database is behind it.

mod agents;
mod anything;
mod asking;
mod attention;
mod clock_skew;
mod codes;
mod copying;
mod crowds;
mod defects;
mod earlier;
mod files;
mod followers;
mod forgetting;
mod order;
mod pages;
mod places;
mod raised;
mod reading;
mod replicas;
mod routes;
mod short;
mod spool;
mod sums;
mod together;
mod upgrade;
mod urgent;
mod walks;
mod weighing;

use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::clock::{Clock, after};
use crate::domain::audit::By;
use crate::domain::delivery::{Action, AttemptRecord, Delivery, DeliveryId, DeliveryState, Receipt, Settlement};
use crate::domain::email::Email;
use crate::domain::event::{EventId, EventState, Identity, NewEvent, Origin, Recorded};
use crate::domain::fact::{Customer, Fact, FactKind, Payment, Reading, Subscription};
use crate::domain::mode::Mode;
use crate::domain::product::Product;
use crate::domain::provider::ProviderKind;
use crate::domain::reason::{DeliveryReason, EventReason, Reason};
use crate::domain::status::Status;
use places::{Place, in_both};
use queries::{DeliveryFilter, EventFilter};

const LEASE: Duration = Duration::from_secs(60);

fn now() -> Timestamp {
    "2026-01-10T12:00:00Z".parse().unwrap()
}

pub(in crate::store) fn event(key: &str) -> NewEvent {
    NewEvent {
        origin: Origin::Webhook,
        endpoint: "stripe".into(),
        provider: ProviderKind::Stripe,
        business: "biz_1".into(),
        identity: Identity {
            dedup_key: key.into(),
            provider_event_id: Some(key.into()),
            event_type: "t".into(),
            snapshot_event: None,
            mode: None,
        },
        body_zstd: body::compress(key.as_bytes()).unwrap(),
        received_at: now(),
    }
}

fn payment(identity: &str, email: Option<&str>, day: &str) -> Fact {
    let payment = Payment {
        identity: identity.into(),
        ties: vec![],
        amount: Some(30.into()),
        charged: 30.into(),
        currency: "usd".parse().unwrap(),
        day: day.parse().unwrap(),
        subscription: None,
        awaits_checkout: false,
        awaits_invoice: false,
        needs_session: false,
        uncaptured: None,
        primary: true,
    };
    fact(email, FactKind::Payment(payment))
}

fn fact(email: Option<&str>, matter: FactKind) -> Fact {
    Fact {
        mode: Mode::Live,
        account: None,
        at: now(),
        customer: Some("cus_1".into()),
        keys: vec![],
        email: email.and_then(Email::parse),
        name: None,
        code: None,
        code_at: None,
        code_refused: None,
        product: Product::Id("prod_1".into()),
        rank: 0,
        matter,
    }
}

async fn post(store: &Store, id: EventId, fact: Fact) {
    let mapped = Mapped {
        id,
        endpoint: "stripe".into(),
        business: "biz_1".into(),
        realm: "stripe".into(),
        snapshot_event: None,
        reader: 2,
        received_at: now(),
        reading: Reading::Fact(Box::new(fact)),
    };
    store.post(vec![mapped], now()).await.unwrap();
}

fn attempt() -> AttemptRecord {
    AttemptRecord { at: now(), took_ms: 5, status: Some(200), outcome: "delivered".into(), response: None }
}

async fn state_of(store: &Store, id: EventId) -> (EventState, Option<EventReason>) {
    let event = store.event(id).await.unwrap().unwrap().event;
    (event.state, event.reason)
}

async fn deliveries(store: &Store) -> Vec<Delivery> {
    let filter = DeliveryFilter { limit: 100, ..DeliveryFilter::default() };
    store.deliveries(filter).await.unwrap().into_iter().map(|v| v.delivery).rev().collect()
}

in_both! {
    an_event_is_recorded_once_for_ever
    arrivals_at_the_same_time_are_each_recorded
    a_write_that_fails_is_undone_alone
    a_fact_without_an_address_waits_for_its_customer_and_goes_on_by_itself
    a_payment_stays_with_the_address_it_was_first_seen_with
    a_customer_has_one_call_on_its_way_and_a_lost_lease_settles_nothing
    nothing_goes_out_before_what_came_in_first_is_read
    a_restart_makes_leased_calls_due_and_gives_back_what_was_never_begun
    an_event_can_be_read_anew_without_a_second_call
    an_event_to_be_read_anew_is_not_lost_when_its_customer_is_planned_first
    operators_act_within_reason
    counts_follow_every_change
    old_bodies_go_and_what_recognises_repetitions_stays
    pages_end_where_the_next_begins
}

async fn an_event_is_recorded_once_for_ever(place: Place) {
    let store = place.open().await;
    let first = store.record(event("evt_a")).await.unwrap();
    assert!(!first.duplicate);
    let again = store.record(event("evt_a")).await.unwrap();
    assert_eq!((again.id, again.duplicate), (first.id, true));
    let other = NewEvent { endpoint: "other".into(), ..event("evt_a") };
    assert!(!store.record(other).await.unwrap().duplicate, "endpoints are apart");
    store.close().await;
    let store = place.open().await;
    assert!(store.record(event("evt_a")).await.unwrap().duplicate);
    let kept = store.event(first.id).await.unwrap().unwrap();
    assert_eq!(body::decompress(&kept.body_zstd.unwrap(), 100).as_deref(), Some(&b"evt_a"[..]));
}

async fn arrivals_at_the_same_time_are_each_recorded(place: Place) {
    let store = place.open().await;
    let all = (0..500).map(|n| store.record(event(&format!("evt_{}", n / 2))));
    let recorded = futures_util::future::join_all(all).await;
    let fresh = recorded.iter().filter(|r| !r.as_ref().unwrap().duplicate).count();
    assert_eq!(fresh, 250);
    let counts = store.stats().await.unwrap().events;
    assert_eq!(counts.iter().find(|(state, _)| state == "received").map(|(_, n)| *n), Some(250));
}

struct Failing;

impl Work for Failing {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        db.execute("INSERT INTO routes (business, product) VALUES ('x', 'x')", values![]).await?;
        Err(StoreError::Data("on purpose".into()))
    }
}

async fn a_write_that_fails_is_undone_alone(place: Place) {
    let store = place.open().await;
    let bad = store.write(Failing);
    let (bad, good) = tokio::join!(bad, store.record(event("evt_a")));
    assert_eq!(bad, Err(StoreError::Data("on purpose".into())));
    assert!(!good.unwrap().duplicate);
    assert_eq!(store.stats().await.unwrap().routes.len(), 0);
}

async fn a_fact_without_an_address_waits_for_its_customer_and_goes_on_by_itself(place: Place) {
    let store = place.open().await;
    let (a, b) = (store.record(event("a")).await.unwrap().id, store.record(event("b")).await.unwrap().id);
    post(&store, a, payment("in_1", None, "2026-01-10")).await;
    assert_eq!(state_of(&store, a).await, (EventState::Waiting, Some(EventReason::CustomerUnknown)));
    let customer = FactKind::Customer(Customer::default());
    post(&store, b, fact(Some("Jane@example.com"), customer)).await;
    assert_eq!(state_of(&store, a).await, (EventState::Mapped, None));
    let made = deliveries(&store).await;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].call.email().as_given(), "Jane@example.com");
}

async fn a_payment_stays_with_the_address_it_was_first_seen_with(place: Place) {
    let store = place.open().await;
    let (a, b) = (store.record(event("a")).await.unwrap().id, store.record(event("b")).await.unwrap().id);
    post(&store, a, payment("pi_1", Some("jane@example.com"), "2026-01-10")).await;
    post(&store, b, payment("pi_1", Some("jane.doe@example.org"), "2026-01-10")).await;
    assert_eq!(deliveries(&store).await.len(), 1);
    assert_eq!(state_of(&store, b).await, (EventState::Ignored, Some(EventReason::AlreadyReported)));
}

async fn a_customer_has_one_call_on_its_way_and_a_lost_lease_settles_nothing(place: Place) {
    let store = place.open().await;
    for (key, day) in [("a", "2026-01-09"), ("b", "2026-01-10")] {
        let id = store.record(event(key)).await.unwrap().id;
        post(&store, id, payment(key, Some("jane@example.com"), day)).await;
    }
    let first = store.lease(now(), LEASE, 10).await.unwrap();
    assert_eq!(first.len(), 1, "two calls are due, for one customer");
    assert!(store.lease(now(), LEASE, 10).await.unwrap().is_empty());
    let later = after(now(), LEASE * 1000);
    place.end_leases();
    assert!(store.lease(later, LEASE, 10).await.unwrap().is_empty(), "no clock ends what is under way here");
    let store = place.another(store).await;
    let second = store.lease(later, LEASE, 10).await.unwrap();
    assert_eq!(second.len(), 1, "whoever had it is gone");
    assert!(second[0].delivery.outcome_unknown, "nobody knows what became of the first attempt");
    let settled = Settlement::Delivered(Receipt::default());
    assert!(!store.settle(&first[0], attempt(), settled.clone(), later).await.unwrap());
    assert_eq!(deliveries(&store).await[0].state, DeliveryState::Sending);
    assert!(store.settle(&second[0], attempt(), settled.clone(), later).await.unwrap());
    assert!(!store.settle(&second[0], attempt(), settled, later).await.unwrap(), "once is enough");
    assert_eq!(store.lease(later, LEASE, 10).await.unwrap().len(), 1, "now it is the other call's turn");
}

async fn nothing_goes_out_before_what_came_in_first_is_read(place: Place) {
    let store = place.open().await;
    let (a, b) = (store.record(event("a")).await.unwrap().id, store.record(event("b")).await.unwrap().id);
    post(&store, b, payment("b", Some("jane@example.com"), "2026-01-10")).await;
    assert!(store.lease(now(), LEASE, 10).await.unwrap().is_empty(), "the first may be anything");
    assert_eq!(store.next_due().await.unwrap(), None, "whoever reads it tells");
    post(&store, a, payment("a", Some("ann@example.com"), "2026-01-10")).await;
    let both = store.lease(now(), LEASE, 10).await.unwrap();
    assert_eq!(both.len(), 2);
    let at = after(now(), LEASE);
    let again = Settlement::Retry { wait: LEASE, outcome_unknown: false, detail: "down".into() };
    assert!(store.settle(&both[0], attempt(), again, now()).await.unwrap());
    let before = NewEvent { received_at: after(now(), LEASE / 2), ..event("c") };
    let c = store.record(before).await.unwrap().id;
    assert!(
        store.lease(at, LEASE, 10).await.unwrap().iter().all(|l| l.key != both[0].key),
        "it came in while it waited"
    );
    post(&store, c, payment("c", Some("joe@example.com"), "2026-01-10")).await;
    assert!(store.lease(at, LEASE, 10).await.unwrap().iter().any(|l| l.key == both[0].key));
}

async fn a_restart_makes_leased_calls_due_and_gives_back_what_was_never_begun(place: Place) {
    let store = place.open().await;
    let id = store.record(event("a")).await.unwrap().id;
    post(&store, id, payment("a", Some("jane@example.com"), "2026-01-10")).await;
    let unused = store.lease(now(), LEASE, 10).await.unwrap();
    store.give_back(&unused, now()).await.unwrap();
    let made = &deliveries(&store).await[0];
    assert_eq!((made.state, made.attempts, made.outcome_unknown), (DeliveryState::Queued, 0, false));
    assert_eq!(store.lease(now(), LEASE, 10).await.unwrap().len(), 1);
    store.close().await;
    let store = place.open().await;
    assert!(store.stats().await.unwrap().oldest_due.is_none_or(|since| since == now()), "it is due since it was");
    place.end_leases();
    let again = store.lease(now(), LEASE, 10).await.unwrap();
    assert!(again[0].delivery.outcome_unknown);
}

async fn an_event_can_be_read_anew_without_a_second_call(place: Place) {
    let store = place.open().await;
    let id = store.record(event("a")).await.unwrap().id;
    post(&store, id, payment("in_1", Some("jane@example.com"), "2026-01-10")).await;
    let leased = store.lease(now(), LEASE, 1).await.unwrap();
    assert!(store.settle(&leased[0], attempt(), Settlement::Delivered(Receipt::default()), now()).await.unwrap());
    store.remap(id, By::admin(), now()).await.unwrap();
    assert_eq!(store.inbox(10).await.unwrap().len(), 1);
    post(&store, id, payment("in_1", Some("jane@example.com"), "2026-01-10")).await;
    assert_eq!(deliveries(&store).await.len(), 1);
    assert!(store.lease(now(), LEASE, 10).await.unwrap().is_empty());
}

async fn an_event_to_be_read_anew_is_not_lost_when_its_customer_is_planned_first(place: Place) {
    let store = place.open().await;
    let (a, b) = (store.record(event("a")).await.unwrap().id, store.record(event("b")).await.unwrap().id);
    post(&store, a, payment("in_1", Some("jane@example.com"), "2026-01-10")).await;
    store.remap(a, By::admin(), now()).await.unwrap();
    post(&store, b, payment("in_2", Some("jane@example.com"), "2026-01-11")).await;
    assert_eq!(state_of(&store, a).await.0, EventState::Received);
}

async fn operators_act_within_reason(place: Place) {
    let store = place.open().await;
    for key in ["a", "b"] {
        let id = store.record(event(key)).await.unwrap().id;
        post(&store, id, payment(key, Some("jane@example.com"), "2026-01-05")).await;
    }
    let made = deliveries(&store).await;
    let (sent, held) = (made[0].id.unwrap(), made[1].id.unwrap());
    assert_eq!(made[1].state, DeliveryState::Held);
    assert_eq!(store.act(DeliveryId(99), Action::Retry, By::admin(), now()).await, Err(ActionError::NotFound));
    assert!(matches!(store.act(held, Action::Retry, By::admin(), now()).await, Err(ActionError::NotNow(_))));
    store.act(held, Action::Release, By::admin(), now()).await.unwrap();
    let released = deliveries(&store).await.remove(1);
    assert_eq!(
        (released.state, released.call.day().unwrap().to_string()),
        (DeliveryState::Queued, "2026-01-06".into())
    );
    store.act(sent, Action::Discard, By::admin(), now()).await.unwrap();
    assert_eq!(deliveries(&store).await[0].state, DeliveryState::Discarded);
    store.act(sent, Action::Retry, By::admin(), now()).await.unwrap();
    assert_eq!(deliveries(&store).await[0].state, DeliveryState::Queued);
    assert!(store.stats().await.unwrap().attention().is_empty());
}

async fn counts_follow_every_change(place: Place) {
    let store = place.open().await;
    let id = store.record(event("a")).await.unwrap().id;
    let status = Subscription {
        id: "sub_1".into(),
        status: Some(Status::Active),
        as_given: "active".into(),
        day: "2026-01-10".parse().unwrap(),
        before: None,
        trial_start: None,
        trial_end: None,
        no_call: None,
    };
    post(&store, id, fact(Some("jane@example.com"), FactKind::Subscription(status))).await;
    let stats = store.stats().await.unwrap();
    let count = |state: &str| stats.events.iter().find(|(s, _)| s == state).map(|(_, n)| *n);
    assert_eq!((count("received"), count("ignored")), (Some(0), Some(1)));
}

async fn old_bodies_go_and_what_recognises_repetitions_stays(place: Place) {
    let store = place.open().await;
    let (done, open_one) = (store.record(event("a")).await.unwrap().id, store.record(event("b")).await.unwrap().id);
    assert_eq!(store.stats().await.unwrap().oldest_unread, Some(now()));
    post(&store, done, payment("in_1", Some("jane@example.com"), "2026-01-10")).await;
    assert_eq!(store.first_unread().await.unwrap(), Some(open_one));
    let prune = async |before| store.prune(before, EventId(0)).await.unwrap().removed;
    assert_eq!(prune(now()).await, 0);
    assert_eq!(prune(after(now(), LEASE)).await, 1);
    assert!(store.event(done).await.unwrap().unwrap().body_zstd.is_none());
    assert!(store.event(open_one).await.unwrap().unwrap().body_zstd.is_some(), "nobody has read it yet");
    assert!(store.record(event("a")).await.unwrap().duplicate);
    assert!(matches!(store.remap(done, By::admin(), now()).await, Err(ActionError::NotNow(_))));
}

async fn pages_end_where_the_next_begins(place: Place) {
    let store = place.open().await;
    for n in 0..5 {
        store.record(event(&format!("{n}"))).await.unwrap();
    }
    let page = |after| store.events(EventFilter { limit: 2, after, ..EventFilter::default() });
    let ids = |events: Vec<queries::EventView>| events.iter().map(|e| e.id.0).collect::<Vec<_>>();
    assert_eq!(ids(page(None).await.unwrap()), [5, 4]);
    assert_eq!(ids(page(Some(4)).await.unwrap()), [3, 2]);
    assert_eq!(ids(page(Some(2)).await.unwrap()), [1]);
}
