//! What a person has to see, and what became of payments: found and counted without looking through a table.

use std::time::Duration;

use super::*;
use crate::domain::delivery::{Action, DeliveryKey, Fate};
use crate::domain::fact::{Reversal, ReversalName, ReversalStage, Subscription};
use crate::domain::money::Money;
use crate::store::OVERDUE_EVENTS_MAX;
use crate::store::urgent::Urgent;

in_both! {
    a_payment_that_has_waited_a_day_is_to_be_seen_until_its_customer_comes
    a_wait_is_over_as_well_that_a_clock_told_which_was_ahead
    what_has_waited_a_day_and_moves_no_money_ends
    a_refund_that_has_waited_a_day_is_to_be_seen_unless_nothing_was_told
    many_that_wait_too_long_are_seen_to_in_turns
    payments_are_found_and_counted_by_what_became_of_them
    of_many_calls_those_with_the_soonest_hold_dates_are_the_most_urgent
}

const HOUR: Duration = Duration::from_secs(3600);

fn hours_later(hours: u32) -> Timestamp {
    crate::clock::after(now(), HOUR * hours)
}

async fn to_be_seen(store: &Store) -> Vec<i64> {
    let filter = EventFilter { attention: true, limit: 100, ..EventFilter::default() };
    store.events(filter).await.unwrap().iter().map(|e| e.id.0).collect()
}

/// What came to the store in this order, each fact as an event of its own.
async fn told(store: &Store, facts: Vec<Fact>) -> Vec<EventId> {
    let mut ids = Vec::new();
    for (n, fact) in facts.into_iter().enumerate() {
        let id = store.record(event(&format!("{n} {fact:?}"))).await.unwrap().id;
        post(store, id, fact).await;
        ids.push(id);
    }
    ids
}

/// A fact of a customer of whom nobody knows anything.
fn of_nobody(customer: &str, matter: FactKind) -> Fact {
    let id = Some(customer.to_owned());
    Fact { customer: id.clone(), keys: id.into_iter().collect(), email: None, ..fact(None, matter) }
}

fn payment_of_nobody(customer: &str) -> Fact {
    let Fact { matter, .. } = payment(&format!("in_{customer}"), None, "2026-01-10");
    of_nobody(customer, matter)
}

fn refund(payment: &str) -> FactKind {
    FactKind::Reversal(Reversal {
        identity: format!("re_{payment}"),
        name: ReversalName::Sole,
        number: None,
        money: Money::new(30.into(), "usd".parse().unwrap()),
        cumulative: false,
        full: false,
        dispute: false,
        stage: ReversalStage::Final,
        of_charge: None,
        charge: None,
    })
}

async fn a_payment_that_has_waited_a_day_is_to_be_seen_until_its_customer_comes(place: Place) {
    let store = place.open().await;
    let waiting = told(&store, vec![payment_of_nobody("cus_x")]).await[0];
    assert_eq!(store.see_to_the_overdue(hours_later(23)).await.unwrap(), 0);
    assert!(to_be_seen(&store).await.is_empty());
    assert_eq!(store.see_to_the_overdue(hours_later(24)).await.unwrap(), 1);
    assert_eq!(store.see_to_the_overdue(hours_later(25)).await.unwrap(), 0, "it is seen to");
    assert_eq!(to_be_seen(&store).await, [waiting.0]);
    assert_eq!(state_of(&store, waiting).await, (EventState::Waiting, Some(EventReason::CustomerUnknown)));
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.events_to_see, [("stripe".to_owned(), EventReason::CustomerUnknown, 1)]);
    assert_eq!(stats.attention(), [(Reason::CustomerUnknown, 1)].into());

    let customer =
        Fact { email: Email::parse("jane@example.com"), ..of_nobody("cus_x", FactKind::Customer(Customer::default())) };
    told(&store, vec![customer]).await;
    assert_eq!(state_of(&store, waiting).await, (EventState::Mapped, None));
    assert!(to_be_seen(&store).await.is_empty());
    assert!(store.stats().await.unwrap().attention().is_empty());
}

async fn a_wait_is_over_as_well_that_a_clock_told_which_was_ahead(place: Place) {
    let store = place.open().await;
    let waiting = told(&store, vec![payment_of_nobody("cus_x")]).await[0];
    let long_before = now().checked_sub(HOUR * 24 * 365).unwrap();
    assert_eq!(store.see_to_the_overdue(long_before).await.unwrap(), 1);
    assert_eq!(to_be_seen(&store).await, [waiting.0]);
}

async fn what_has_waited_a_day_and_moves_no_money_ends(place: Place) {
    let store = place.open().await;
    let subscription = Subscription {
        id: "sub_x".into(),
        status: Some(Status::Cancelled),
        as_given: "canceled".into(),
        day: "2026-01-10".parse().unwrap(),
        before: None,
        trial_start: None,
        trial_end: None,
        no_call: None,
    };
    let coded = Fact { code: Some("ADA10".into()), ..of_nobody("cus_y", FactKind::Customer(Customer::default())) };
    let unmapped = Fact { product: Product::Unmapped, ..payment_of_nobody("cus_z") };
    let facts = vec![of_nobody("cus_x", FactKind::Subscription(subscription)), coded, unmapped];
    let [status, customer, outside] = told(&store, facts).await[..] else { unreachable!() };
    assert_eq!(state_of(&store, outside).await, (EventState::Ignored, Some(EventReason::ProductUnmapped)));
    for waiting in [status, customer] {
        assert_eq!(state_of(&store, waiting).await, (EventState::Waiting, Some(EventReason::CustomerUnknown)));
    }
    assert_eq!(store.see_to_the_overdue(hours_later(24)).await.unwrap(), 2);
    assert_eq!(state_of(&store, status).await, (EventState::Ignored, Some(EventReason::NoPaymentYet)));
    assert_eq!(state_of(&store, customer).await, (EventState::Ignored, Some(EventReason::CustomerNoted)));
    assert!(to_be_seen(&store).await.is_empty());

    // What ended is not forgotten: the code counts when its customer has an address.
    let named =
        Fact { email: Email::parse("jane@example.com"), ..of_nobody("cus_y", FactKind::Customer(Customer::default())) };
    told(&store, vec![named]).await;
    assert!(matches!(deliveries(&store).await[0].subject, DeliveryKey::Lead(_)));
}

async fn a_refund_that_has_waited_a_day_is_to_be_seen_unless_nothing_was_told(place: Place) {
    let store = place.open().await;
    let of = |email: &str, customer: &str, matter| Fact { email: Email::parse(email), ..of_nobody(customer, matter) };
    let refund_of =
        |customer: &str, payment: &str| Fact { keys: vec![payment.into()], ..of_nobody(customer, refund(payment)) };
    let facts = vec![
        of("jane@example.com", "cus_jane", payment("in_jane", None, "2026-01-10").matter),
        of("joe@example.com", "cus_joe", FactKind::Customer(Customer::default())),
    ];
    told(&store, facts).await;
    let leased = store.lease(now(), LEASE, 5).await.unwrap();
    store.settle(&leased[0], attempt(), Settlement::Delivered(Receipt::default()), now()).await.unwrap();
    let facts = vec![refund_of("cus_jane", "ch_1"), refund_of("cus_joe", "ch_2"), refund_of("cus_none", "ch_3")];
    let refunds = told(&store, facts).await;
    for refund in &refunds {
        assert_eq!(state_of(&store, *refund).await, (EventState::Waiting, Some(EventReason::PaymentUnknown)));
    }
    assert_eq!(store.see_to_the_overdue(hours_later(24)).await.unwrap(), 3);
    assert_eq!(to_be_seen(&store).await, [refunds[2].0, refunds[0].0]);
    assert_eq!(state_of(&store, refunds[1]).await, (EventState::Ignored, Some(EventReason::NothingTold)));
    assert_eq!(store.stats().await.unwrap().attention(), [(Reason::PaymentUnknown, 2)].into());
}

async fn many_that_wait_too_long_are_seen_to_in_turns(place: Place) {
    let store = place.open().await;
    let more_than_a_turn = OVERDUE_EVENTS_MAX + 7;
    told(&store, (0..more_than_a_turn).map(|n| payment_of_nobody(&format!("cus_{n}"))).collect()).await;
    for seen_to in [OVERDUE_EVENTS_MAX, 7, 0] {
        assert_eq!(store.see_to_the_overdue(hours_later(24)).await.unwrap(), seen_to);
    }
    assert_eq!(
        store.stats().await.unwrap().attention(),
        [(Reason::CustomerUnknown, i64::from(more_than_a_turn))].into()
    );
}

async fn payments_are_found_and_counted_by_what_became_of_them(place: Place) {
    let store = place.open().await;
    let facts = (0..4).map(|n| payment(&format!("in_{n}"), Some(&format!("p{n}@example.com")), "2026-01-10"));
    told(&store, facts.map(|f| Fact { customer: None, keys: vec![], ..f }).collect()).await;
    let agent = Receipt { agent_id: Some("agent_1".into()), ..Receipt::default() };
    // What only quotes the name of an agent names none.
    let quoting = Receipt { message: Some(r#"no "agentId":"agent_1" here"#.into()), ..Receipt::default() };
    for leased in store.lease(now(), LEASE, 5).await.unwrap() {
        let settlement = match leased.delivery.id.unwrap().0 {
            1 => Settlement::Delivered(agent.clone()),
            2 => Settlement::Delivered(quoting.clone()),
            3 => Settlement::Duplicate,
            _ => continue,
        };
        assert!(store.settle(&leased, attempt(), settlement, now()).await.unwrap());
    }
    for delivery in deliveries(&store).await {
        let fate = delivery.fate();
        for asked in Fate::ALL {
            let filter = DeliveryFilter { fate: Some(*asked), limit: 10, ..DeliveryFilter::default() };
            let found = store.deliveries(filter).await.unwrap();
            let is_found = found.iter().any(|view| view.delivery.id == delivery.id);
            assert_eq!(is_found, fate == Some(*asked), "{asked:?} {delivery:?}");
        }
    }
    let each_once: Vec<(Fate, i64)> = Fate::ALL.iter().map(|fate| (*fate, 1)).collect();
    assert_eq!(store.stats().await.unwrap().fates, each_once);
}

async fn of_many_calls_those_with_the_soonest_hold_dates_are_the_most_urgent(place: Place) {
    let store = place.open().await;
    let holds = [Some("2026-03-01"), None, Some("2026-02-01"), None, Some("2026-04-01T00:00:00Z")];
    let of = |n: usize, matter| Fact {
        email: Email::parse(&format!("p{n}@example.com")),
        keys: vec![format!("ch_{n}")],
        ..of_nobody(&format!("cus_{n}"), matter)
    };
    let sale = |n: usize| of(n, payment(&format!("in_{n}"), None, "2026-01-10").matter);
    told(&store, (0..holds.len()).map(sale).collect()).await;
    for (leased, hold) in store.lease(now(), LEASE, 9).await.unwrap().into_iter().zip(holds) {
        let (agent_id, hold_until) = (Some("agent_1".into()), hold.map(str::to_owned));
        let receipt = Receipt { agent_id, hold_until, ..Receipt::default() };
        assert!(store.settle(&leased, attempt(), Settlement::Delivered(receipt), now()).await.unwrap());
    }
    let refund = |n: usize| {
        let FactKind::Reversal(part) = refund(&format!("in_{n}")) else { unreachable!() };
        of(n, FactKind::Reversal(Reversal { full: true, ..part }))
    };
    told(&store, (0..holds.len()).map(refund).collect()).await;
    told(&store, vec![payment_of_nobody("cus_x")]).await;
    assert_eq!(store.see_to_the_overdue(hours_later(24)).await.unwrap(), 1);
    let numbers = async |business: Option<&str>, mode, limit: u32| {
        let to_see = store.to_see(business, mode, limit).await.unwrap();
        let ids: Vec<i64> = to_see.urgent.iter().map(|call| call.id.0).collect();
        (ids, to_see.calls, to_see.events)
    };
    assert_eq!(numbers(None, None, 5).await, (vec![5, 4, 3, 2, 1], 5, 1));
    assert_eq!(numbers(Some("biz_1"), Some(Mode::Live), 4).await, (vec![3, 1, 5, 4], 5, 1));
    assert_eq!(numbers(None, None, 2).await, (vec![3, 1], 5, 1));
    assert_eq!(numbers(None, Some(Mode::Test), 5).await, (vec![], 0, 0));
    assert_eq!(numbers(Some("another"), None, 5).await, (vec![], 0, 0));
    let first = store.to_see(None, None, 1).await.unwrap().urgent;
    let (id, reason) = (DeliveryId(3), Some(DeliveryReason::Reversed));
    assert_eq!(first, [Urgent { id, reason, hold_until: Some("2026-02-01".into()) }]);
    // What somebody has seen to is shown no more.
    store.act(id, Action::Discard, By::admin(), now()).await.unwrap();
    let left = store.calls_to_see(&[id, DeliveryId(1)]).await.unwrap();
    assert_eq!(left.iter().map(|view| view.delivery.id).collect::<Vec<_>>(), [Some(DeliveryId(1))]);
}
