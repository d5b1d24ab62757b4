//! What was listed comes to the same whether customers are tried out together and in memory, or each alone in the store.

use jiff::SignedDuration;

use super::*;
use crate::domain::backfill::{BackfillId, BackfillState, BackfillSummary, CallKind, Purpose};
use crate::domain::fact::{Link, Reversal, ReversalName, ReversalStage};
use crate::domain::money::Money;
use crate::store::backfills::weigh_each_alone;

in_both! {
    customers_tried_out_together_come_to_what_each_comes_to_alone
    a_customer_with_more_rows_than_one_try_has_is_tried_out_in_parts
    what_a_forgotten_customer_was_told_of_counts_when_the_address_comes_again
    why_a_backfill_gave_way_is_said_although_its_page_was_being_read
    what_was_tried_out_is_kept_after_each_turn
}

const CUSTOMERS: usize = 90;

fn read(row: &ToWeigh) -> Mapped {
    let bytes = body::decompress(&row.body_zstd, 100_000).unwrap();
    let reading = match serde_json::from_slice::<Fact>(&bytes) {
        Ok(fact) => Reading::Fact(Box::new(fact)),
        Err(_) => Reading::Unmappable(EventReason::Unreadable, "it is no fact".to_owned()),
    };
    Mapped {
        id: EventId(0),
        endpoint: "stripe".into(),
        business: "biz_1".into(),
        realm: "stripe".into(),
        snapshot_event: None,
        reader: 2,
        received_at: now(),
        reading,
    }
}

fn money() -> Money {
    Money::new(30.into(), "usd".parse().unwrap())
}

fn of_customer(n: usize, days: i64, keys: &[String], fact: Fact) -> Fact {
    let at = now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap();
    Fact { at, customer: Some(format!("cus_{n}")), keys: keys.to_vec(), ..fact }
}

fn paid(n: usize, nth: i64, email: Option<&str>) -> Fact {
    let (invoice, intent) = (format!("in_{n}_{nth}"), format!("pi_{n}_{nth}"));
    let day = now().checked_sub(SignedDuration::from_hours(24 * (40 + nth))).unwrap().to_string();
    let fact = payment(&invoice, email, day.get(..10).unwrap());
    of_customer(n, 40 + nth, &[invoice, intent, format!("sub_{n}")], fact)
}

/// What a provider lists of a customer: some lack what others tell, some share an address, and some were told already.
fn facts_of(n: usize) -> Vec<Fact> {
    let email = format!("buyer{}@example.com", n - usize::from(n % 10 == 9));
    let mut facts = Vec::new();
    let named = (n % 7 != 3).then_some(email.as_str());
    if n.is_multiple_of(3) {
        let mut session =
            of_customer(n, 50, &[format!("sub_{n}")], fact(named, FactKind::Customer(Customer::default())));
        session.code = Some("ADA10".into());
        facts.push(session);
    }
    for nth in 0..i64::try_from(n % 5).unwrap() {
        facts.push(paid(n, nth, named));
    }
    if n % 4 == 1 {
        let tie = FactKind::Link(Link { of_charge: Some(format!("pi_{n}_0")), paid: Some(money()) });
        facts.push(of_customer(n, 40, &[format!("in_{n}_0"), format!("pi_{n}_0")], fact(None, tie)));
    }
    if n % 6 == 2 {
        let reversal = Reversal {
            identity: format!("re_{n}"),
            name: ReversalName::default(),
            number: None,
            money: money(),
            cumulative: false,
            full: n % 12 == 2,
            dispute: false,
            stage: ReversalStage::Final,
            of_charge: None,
            charge: None,
        };
        let fact = Fact { customer: None, ..fact(None, FactKind::Reversal(reversal)) };
        facts.push(Fact { customer: None, ..of_customer(n, 39, &[format!("pi_{n}_0")], fact) });
    }
    if n.is_multiple_of(2) {
        let status = Subscription {
            id: format!("sub_{n}"),
            status: Some(Status::Active),
            as_given: "active".into(),
            day: "2026-01-10".parse().unwrap(),
            before: None,
            trial_start: None,
            trial_end: None,
            no_call: None,
        };
        facts.push(of_customer(n, 1, &[format!("sub_{n}")], fact(None, FactKind::Subscription(status))));
    }
    facts
}

fn listed(key: &str, fact: Option<&Fact>) -> Listed {
    let identity = Identity { dedup_key: key.to_owned(), ..event(key).identity };
    match fact {
        Some(fact) => {
            Listed::of(fact, identity, body::compress(serde_json::to_string(fact).unwrap().as_bytes()).unwrap())
        }
        None => Listed::unreadable(identity, body::compress(b"?").unwrap(), now()),
    }
}

async fn list(store: &Store, rows: Vec<Listed>) -> BackfillId {
    let id = store.start_backfill(Purpose::Record, "stripe", [now(), now()], None, now()).await.unwrap();
    let place = backfills::Place { list: 0, page: None };
    let page = Written { place, next: None, rows, ignored: 0 };
    store.write_page(id, page, now()).await.unwrap();
    id
}

async fn weigh(store: &Store, id: BackfillId) -> BackfillSummary {
    while store.weigh(id, ProviderKind::Stripe, read, now()).await.unwrap() {}
    store.backfill(id).await.unwrap().unwrap().summary.unwrap()
}

async fn customers_tried_out_together_come_to_what_each_comes_to_alone(place: Place) {
    let store = place.open().await;
    // Of every eighth customer something was told already, and of some a payment waits.
    for n in (0..CUSTOMERS).filter(|n| n % 8 < 2) {
        for (nth, fact) in facts_of(n).into_iter().enumerate().filter(|(nth, _)| nth % 2 == n % 2) {
            let id = store.record(event(&format!("told_{n}_{nth}"))).await.unwrap().id;
            post(&store, id, fact).await;
        }
    }
    let facts = (0..CUSTOMERS).flat_map(|n| facts_of(n).into_iter().enumerate().map(move |(nth, fact)| (n, nth, fact)));
    let mut rows: Vec<Listed> = facts.map(|(n, nth, fact)| listed(&format!("row_{n}_{nth}"), Some(&fact))).collect();
    rows.push(listed("unreadable", None));
    // As lists have them: a customer's rows are far from each other.
    rows.sort_by_key(|row| std::cmp::Reverse((row.stage.place(), row.at)));
    let count = rows.len() as u64;
    let id = list(&store, rows).await;
    // Between listing and weighing the webhook came.
    let late = store.record(event("row_84_0")).await.unwrap().id;
    post(&store, late, facts_of(84).remove(0)).await;

    let alone = weigh_each_alone(&store, id, ProviderKind::Stripe, read, now()).await.unwrap();
    let together = weigh(&store, id).await;
    assert_eq!(together, alone);
    assert!(together.events.len() > 4 && together.calls.len() > 4, "{together:?}");
    assert_eq!(together.events.iter().map(|sum| sum.count).sum::<u64>(), count);
    assert_eq!(store.inbox(10).await.unwrap().len(), 0, "nothing is left behind");
}

async fn a_customer_with_more_rows_than_one_try_has_is_tried_out_in_parts(place: Place) {
    let store = place.open().await;
    let rows = (0..1000).map(|nth| listed(&format!("row_{nth}"), Some(&paid(1, nth, Some("jane@example.com")))));
    let id = list(&store, rows.collect()).await;
    let summary = weigh(&store, id).await;
    let (events, calls) = (&summary.events[..], &summary.calls[..]);
    assert_eq!((events.len(), events[0].state.as_str(), events[0].count), (1, "mapped", 1000), "{summary:?}");
    assert_eq!((calls.iter().map(|call| call.count).sum::<u64>(), calls[0].kind), (1000, CallKind::Payment));
}

async fn what_was_tried_out_is_kept_after_each_turn(place: Place) {
    let store = place.open().await;
    let facts = (0..CUSTOMERS).flat_map(|n| facts_of(n).into_iter().enumerate().map(move |(nth, fact)| (n, nth, fact)));
    let mut rows: Vec<Listed> = facts.map(|(n, nth, fact)| listed(&format!("row_{n}_{nth}"), Some(&fact))).collect();
    rows.extend((0..900).map(|nth| listed(&format!("row_{nth}"), Some(&paid(1000, nth, Some("jane@example.com"))))));
    let id = list(&store, rows).await;
    let turn = async || {
        // As another replica goes on with it.
        store.grouped.clear();
        store.weigh_for(Duration::ZERO, id, ProviderKind::Stripe, read, now()).await.unwrap()
    };
    let mut turns = 1;
    while turn().await {
        turns += 1;
        let seen = store.backfill(id).await.unwrap().unwrap();
        assert_eq!((seen.state, seen.summary), (BackfillState::Weighing, None), "it is not whole yet");
    }
    assert!(turns > 3, "{turns}");
    let seen = store.backfill(id).await.unwrap().unwrap();
    let at_once = weigh_each_alone(&store, id, ProviderKind::Stripe, read, now()).await.unwrap();
    let summary = seen.summary.unwrap();
    let counts = |summary: &BackfillSummary| summary.events.iter().map(|sum| sum.count).sum::<u64>();
    assert_eq!((seen.state, counts(&summary)), (BackfillState::Ready, counts(&at_once)));
}

async fn what_a_forgotten_customer_was_told_of_counts_when_the_address_comes_again(place: Place) {
    let store = place.open().await;
    let email = "jane@example.com";
    // Nothing but the address ties the two payments together.
    let bought = |invoice: &str| Fact { customer: None, ..payment(invoice, Some(email), "2026-01-10") };
    let told = store.record(event("told")).await.unwrap().id;
    post(&store, told, bought("in_1")).await;
    let leased = store.lease(now(), LEASE, 1).await.unwrap().pop().unwrap();
    store.settle(&leased, attempt(), Settlement::Delivered(Receipt::default()), now()).await.unwrap();
    let forgotten = store.forget(&Email::parse(email).unwrap(), false, By::admin(), now()).await.unwrap();
    assert!(forgotten.pseudonym.is_some());
    let id = list(&store, vec![listed("row", Some(&bought("in_2")))]).await;
    let calls = weigh(&store, id).await.calls;
    assert!(calls.len() == 1 && calls[0].reason.as_deref() == Some("same_day_payment"), "{calls:?}");
}

async fn why_a_backfill_gave_way_is_said_although_its_page_was_being_read(place: Place) {
    let store = place.open().await;
    let begin =
        async |since| store.start_backfill(Purpose::Record, "stripe", [since, now()], None, now()).await.unwrap();
    let first = begin(now()).await;
    let taken = store.take_backfill(now(), LEASE).await.unwrap().unwrap();
    assert_eq!(taken.id, first);
    begin(now().checked_sub(SignedDuration::from_hours(24)).unwrap()).await;
    store.let_go_of_backfill(first, now(), None).await.unwrap();
    let note = store.backfill(first).await.unwrap().unwrap().note;
    assert_eq!(note.as_deref(), Some("another one was begun"));
}
