//! Which look-ups are due, to whom, and how often.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::*;
use crate::domain::audit::By;
use crate::domain::email::Email;
use crate::domain::event::EventState;
use crate::domain::event::{Identity, NewEvent, Origin};
use crate::domain::fact::{Customer, FactKind, Payment, Reading};
use crate::domain::policy::Policy;
use crate::domain::product::Product;
use crate::domain::provider::ProviderKind;
use crate::store::{Mapped, body};

const LEASE: Duration = Duration::from_secs(60);

fn start() -> Timestamp {
    "2026-01-10T12:00:00Z".parse().unwrap()
}

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("bridge.db"), Policy::default()).unwrap()
}

async fn record(store: &Store, key: &str) -> EventId {
    let event = NewEvent {
        origin: Origin::Webhook,
        endpoint: "stripe".into(),
        provider: ProviderKind::Stripe,
        business: "biz_1".into(),
        identity: Identity {
            dedup_key: key.into(),
            provider_event_id: None,
            event_type: "t".into(),
            snapshot_event: None,
            mode: None,
        },
        body_zstd: body::compress(key.as_bytes()).unwrap(),
        received_at: start(),
    };
    store.record(event).await.unwrap().id
}

async fn post(store: &Store, id: EventId, reading: Reading) {
    let mapped = Mapped {
        id,
        endpoint: "stripe".into(),
        business: "biz_1".into(),
        realm: "stripe".into(),
        snapshot_event: None,
        reader: 2,
        received_at: start(),
        reading,
    };
    store.post(vec![mapped], start()).await.unwrap();
}

fn fact(customer: Option<&str>, email: Option<&str>, matter: FactKind) -> Reading {
    Reading::Fact(Box::new(Fact {
        mode: Mode::Live,
        account: Some("acct_1".into()),
        at: start(),
        customer: customer.map(str::to_owned),
        keys: vec![],
        email: email.and_then(Email::parse),
        name: None,
        code: None,
        code_at: None,
        code_refused: None,
        product: Product::Id("prod_1".into()),
        rank: 0,
        matter,
    }))
}

/// A payment of a customer whom nobody knows.
async fn unknown(store: &Store, key: &str, customer: Option<&str>) -> EventId {
    let id = record(store, key).await;
    let payment = Payment {
        identity: key.into(),
        ties: vec![],
        amount: Some(30.into()),
        charged: 30.into(),
        currency: "usd".parse().unwrap(),
        day: "2026-01-10".parse().unwrap(),
        subscription: None,
        awaits_checkout: false,
        awaits_invoice: false,
        needs_session: false,
        uncaptured: None,
        primary: true,
    };
    post(store, id, fact(customer, None, FactKind::Payment(payment))).await;
    id
}

async fn thin(store: &Store, key: &str) -> EventId {
    let id = record(store, key).await;
    post(store, id, Reading::Unmappable(EventReason::ThinEvent, "it only points".into())).await;
    id
}

async fn take(store: &Store, now: Timestamp) -> Vec<Lookup> {
    store.take_lookups("stripe", 10, now, LEASE).await.unwrap()
}

async fn next(store: &Store) -> Option<Timestamp> {
    store.next_lookup(vec!["other".into(), "stripe".into()]).await.unwrap()
}

async fn told(store: &Store, id: EventId) -> (EventState, Option<EventReason>, Option<String>) {
    let event = store.event(id).await.unwrap().unwrap().event;
    (event.state, event.reason, event.detail)
}

fn tomorrow(note: &str) -> LookupEnd {
    LookupEnd::Open { due_at: Some(after(start(), LEASE * 1440)), counted: true, note: note.into() }
}

#[tokio::test]
async fn events_of_one_customer_are_one_question() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(next(&store).await, None);
    let (a, b) = (unknown(&store, "in_1", Some("cus_1")).await, unknown(&store, "in_2", Some("cus_1")).await);
    let other = unknown(&store, "in_3", Some("cus_2")).await;
    assert_eq!(next(&store).await, Some(start()));
    assert_eq!(store.next_lookup(vec!["other".into()]).await.unwrap(), None);
    let taken = take(&store, start()).await;
    let things: Vec<_> = taken.iter().map(|l| (l.event, l.thing.as_str(), l.attempt)).collect();
    assert_eq!(
        things,
        [(a, "customer stripe/biz_1/acct_1/live cus_1", 1), (other, "customer stripe/biz_1/acct_1/live cus_2", 1)]
    );
    let asked = Missing::Customer { id: Some("cus_1".into()), account: Some("acct_1".into()), mode: Mode::Live };
    assert_eq!(taken[0].missing, asked);
    // Under way, nobody else asks; a third event of the customer does not either.
    let c = unknown(&store, "in_4", Some("cus_1")).await;
    assert!(take(&store, start()).await.is_empty());
    assert_eq!(next(&store).await, Some(after(start(), LEASE)));
    store.end_lookup(&taken[0], tomorrow("no address"), start()).await.unwrap();
    for id in [a, b, c] {
        let expected = (EventState::Waiting, Some(EventReason::CustomerUnknown), Some("no address".into()));
        assert_eq!(told(&store, id).await, expected);
    }
    assert_eq!(told(&store, other).await.2, None);
    // One more waits with them, and says why.
    let d = unknown(&store, "in_5", Some("cus_1")).await;
    assert_eq!(told(&store, d).await.2.as_deref(), Some("no address"));
    let later = take(&store, after(start(), LEASE)).await;
    assert_eq!(later.iter().map(|l| (l.event, l.attempt)).collect::<Vec<_>>(), [(other, 2)]);
    let next_day = take(&store, after(start(), LEASE * 1440)).await;
    assert!(next_day.iter().any(|l| l.event == a && l.attempt == 2));
}

#[tokio::test]
async fn nothing_is_asked_for_once_the_customer_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let a = unknown(&store, "in_1", Some("cus_1")).await;
    let taken = take(&store, start()).await;
    let id = record(&store, "lookup").await;
    store.end_lookup(&taken[0], LookupEnd::Recorded(id), start()).await.unwrap();
    assert_eq!(told(&store, a).await.0, EventState::Waiting);
    assert_eq!(next(&store).await, Some(after(start(), READING_WAIT)));
    let customer = FactKind::Customer(Customer::default());
    post(&store, id, fact(Some("cus_1"), Some("jane@example.com"), customer)).await;
    assert_eq!(told(&store, a).await, (EventState::Mapped, None, None));
    assert_eq!(next(&store).await, None);
    // An end that comes too late changes nothing.
    store.end_lookup(&taken[0], tomorrow("no address"), start()).await.unwrap();
    assert_eq!(told(&store, a).await, (EventState::Mapped, None, None));
    let b = unknown(&store, "in_2", Some("cus_1")).await;
    assert_eq!((told(&store, b).await.0, next(&store).await), (EventState::Mapped, None));
}

#[tokio::test]
async fn a_thin_event_ends_with_the_event_that_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (a, b) = (thin(&store, "thin_a").await, thin(&store, "thin_b").await);
    let taken = take(&store, start()).await;
    let Missing::Object { body_zstd: Some(kept) } = &taken[0].missing else { panic!("{taken:?}") };
    assert_eq!((taken[0].event, body::decompress(kept, 100).unwrap()), (a, b"thin_a".to_vec()));
    let id = record(&store, "lookup").await;
    store.end_lookup(&taken[0], LookupEnd::Recorded(id), start()).await.unwrap();
    assert_eq!(
        told(&store, a).await,
        (EventState::Ignored, Some(EventReason::LookedUp), Some(format!("recorded as {id}")))
    );
    let never = LookupEnd::Open { due_at: None, counted: true, note: "it points at nothing of ours".into() };
    store.end_lookup(&taken[1], never, start()).await.unwrap();
    let expected = (EventState::Unmappable, Some(EventReason::ThinEvent), Some("it points at nothing of ours".into()));
    assert_eq!(told(&store, b).await, expected);
    assert_eq!(next(&store).await, None);
    // Mapped anew, both are asked for anew.
    for id in [a, b] {
        store.remap(id, By::admin(), start()).await.unwrap();
        post(&store, id, Reading::Unmappable(EventReason::ThinEvent, "it only points".into())).await;
    }
    assert_eq!(take(&store, start()).await.iter().map(|l| l.attempt).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn an_attempt_that_does_not_count_is_not_counted_and_a_lost_one_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    unknown(&store, "in_1", Some("cus_1")).await;
    let nobody = unknown(&store, "in_2", None).await;
    let taken = take(&store, start()).await;
    assert_eq!(taken[1].missing, Missing::Customer { id: None, account: Some("acct_1".into()), mode: Mode::Live });
    assert_eq!((taken[1].event, taken[1].thing.clone()), (nobody, format!("event {}", nobody.0)));
    let refused = LookupEnd::Open { due_at: Some(after(start(), LEASE)), counted: false, note: "refused".into() };
    store.end_lookup(&taken[0], refused, start()).await.unwrap();
    store.close().await;
    let store = open(folder.path());
    let again = take(&store, after(start(), LEASE)).await;
    assert_eq!(again.iter().map(|l| l.attempt).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn what_was_waiting_before_there_were_look_ups_is_looked_up() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(include_str!("../../../migrations/sqlite/0001_initial.sql")).unwrap();
    let event = "INSERT INTO events VALUES (?1, 'stripe', 'stripe', 'biz_1', ?1, NULL, 't', ?2, ?3, NULL, ?1)";
    let rows = [
        (1, "waiting", Some("customer_unknown")),
        (2, "waiting", Some("payment_unknown")),
        (3, "unmappable", Some("thin_event")),
        (4, "mapped", None),
        (5, "waiting", Some("customer_unknown")),
    ];
    for (id, state, reason) in rows {
        db.execute(event, params![id, state, reason]).unwrap();
    }
    let fact = "INSERT INTO facts VALUES (?1, 'biz_1', 'stripe//live', ?2, NULL, 0, 0, '{}')";
    db.execute(fact, params![1, "cus_1"]).unwrap();
    db.execute(fact, params![5, None::<String>]).unwrap();
    db.execute_batch(include_str!("../../../migrations/sqlite/0002_lookups.sql")).unwrap();
    let mut statement = db.prepare("SELECT event_id, thing, due_at FROM lookups ORDER BY event_id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let found: Vec<(i64, String, i64)> = rows.map(Result::unwrap).collect();
    let expected = [(1, "customer stripe//live cus_1".into(), 1), (3, "event 3".into(), 3), (5, "event 5".into(), 5)];
    assert_eq!(found, expected);
}

#[test]
fn what_is_due_is_found_by_an_index() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(include_str!("../../../migrations/sqlite/0001_initial.sql")).unwrap();
    db.execute_batch(include_str!("../../../migrations/sqlite/0002_lookups.sql")).unwrap();
    let plan = |sql: &str| {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>("detail")).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let check = |sql: &str| {
        let plan = plan(sql);
        assert!(plan.contains("lookups") && !plan.contains("SCAN") && !plan.contains("TEMP"), "{plan}");
    };
    check("SELECT MIN(due_at) FROM lookups WHERE endpoint = 'a' AND due_at IS NOT NULL");
    check("SELECT event_id FROM lookups WHERE endpoint = 'a' AND due_at <= 1 ORDER BY due_at LIMIT 1");
    check("UPDATE lookups SET note = '' WHERE thing = 'a'");
}
