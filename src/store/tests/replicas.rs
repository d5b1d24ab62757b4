//! What PostgreSQL alone has: several replicas at work on one database.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;

use super::followers::mapped;
use super::places::{Database, Server};
use super::*;
use crate::domain::backfill::Purpose;

async fn two_of(place: &Place) -> (Store, Store) {
    (place.open().await, place.open().await)
}

#[tokio::test]
async fn replicas_that_start_together_make_one_schema_and_a_newer_one_is_refused() {
    let place = Place::server();
    for store in join_all((0..5).map(|_| place.try_open())).await {
        store.unwrap().probe().await.unwrap();
    }
    let Place::Server(database) = &place else { panic!("a server") };
    database.run("UPDATE schema_version SET version = 99");
    assert!(matches!(place.try_open().await, Err(StoreError::NewerSchema { found: 99, .. })));
}

#[tokio::test]
async fn where_a_server_has_no_room_for_the_locks_of_many_fewer_are_written_together() {
    let small = ["max_connections=10", "max_worker_processes=0", "max_wal_senders=0", "autovacuum_max_workers=1"];
    let server = Server::set(&small.iter().flat_map(|setting| ["-c", setting]).collect::<Vec<_>>());
    let socket = server.socket();
    let url = format!("postgres:///postgres?user=postgres&host={}", socket.parent().unwrap().display());
    let store = Store::connect(&ServerUrl::parse(&url).unwrap(), 4, Policy::default()).await.unwrap();
    let mut events = Vec::new();
    for n in 0..100 {
        let mut fact = payment(&format!("in_{n}"), Some(&format!("c{n}@example.com")), "2026-01-10");
        fact.keys.extend((0..50).map(|key| format!("key_{n}_{key}")));
        events.push(mapped(store.record(event(&format!("e{n}"))).await.unwrap().id, fact));
    }
    // As many as are read together: their locks are more than there is room for.
    store.post(events, now()).await.unwrap();
    assert_eq!(store.inbox(10).await.unwrap().len(), 0);
    assert_eq!(store.lease(now(), LEASE, 200).await.unwrap().len(), 100);
    store.close().await;
    let log = std::fs::read_to_string(socket.with_file_name("log")).unwrap();
    assert!(log.contains("out of shared memory"), "{log}");
}

/// Writes a row whose key another has written meanwhile, in so many of its runs.
struct Meets {
    others: u32,
    runs: Arc<AtomicU32>,
}

impl Work for Meets {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        let before = self.runs.fetch_add(1, Ordering::SeqCst);
        let twice = if before < self.others { "VALUES (1), (1)" } else { "VALUES (1)" };
        db.execute(
            &format!("INSERT INTO customers (business, email_key) SELECT 'biz_1', 'ada' FROM ({twice}) n"),
            values![],
        )
        .await
        .map(|_| ())
    }
}

#[tokio::test]
async fn a_write_that_meets_another_over_one_key_is_run_again_and_not_for_ever() {
    for (others, runs) in [(1, 2), (u32::MAX, 8)] {
        for is_together in [false, true] {
            let store = Place::server().open().await;
            let count = Arc::new(AtomicU32::new(0));
            let meets = Meets { others, runs: Arc::clone(&count) };
            let written =
                if is_together { store.backend.write_together(meets).await } else { store.write(meets).await };
            match others {
                1 => assert_eq!(written, Ok(())),
                _ => assert!(matches!(written, Err(StoreError::Data(_))), "{written:?}"),
            }
            assert_eq!(count.load(Ordering::SeqCst), runs);
            store.close().await;
        }
    }
}

/// Counts all, and gives how long a statement may take from then on.
struct Counted;

impl Work for Counted {
    type Answer = String;

    async fn run<D: Db>(&self, db: &D) -> Result<String, StoreError> {
        db.count_anew().await?;
        db.query("SHOW statement_timeout", values![]).await?.remove(0).text()
    }
}

#[tokio::test]
async fn a_store_is_counted_anew_however_long_it_takes() {
    let place = Place::server();
    let store = place.open().await;
    let id = store.record(event("a")).await.unwrap().id;
    post(&store, id, payment("a", Some("jane@example.com"), "2026-01-10")).await;
    place.run(
        "DELETE FROM count_changes; DELETE FROM count_sums; INSERT INTO count_sums VALUES ('events', 'mapped', 7)",
    );
    assert_eq!(store.write(Counted).await.unwrap(), "0");
    // What is counted is compared with what there is.
    store.close().await;
}

#[tokio::test]
async fn replicas_take_different_events_to_read_and_never_read_one_twice() {
    let place = Place::server();
    let (a, b) = two_of(&place).await;
    for n in 0..20 {
        a.record(event(&format!("evt_{n}"))).await.unwrap();
    }
    let (first, second) = (a.inbox(10).await.unwrap(), b.inbox(20).await.unwrap());
    assert_eq!((first.len(), second.len()), (10, 10));
    assert!(first.iter().all(|x| second.iter().all(|y| x.id != y.id)));
    assert_eq!(a.inbox(10).await.unwrap().len(), 10, "what a replica was given is still its own");
    // One that was taken for dead and is not: what the other has written stays.
    let id = first[0].id;
    post(&b, id, payment("in_1", Some("jane@example.com"), "2026-01-10")).await;
    post(&a, id, payment("in_1", Some("joe@example.com"), "2026-01-10")).await;
    assert_eq!(deliveries(&a).await[0].call.email().as_given(), "jane@example.com");
    let Place::Server(database) = &place else { panic!("a server") };
    database.run("UPDATE claims SET until = 0");
    assert_eq!(b.inbox(20).await.unwrap().len(), 19, "the dead replica's are read by the other");
}

#[tokio::test]
async fn what_a_dead_replica_was_to_read_is_read_although_the_servers_clock_was_set_back() {
    let place = Place::server();
    let (a, b) = two_of(&place).await;
    for n in 0..3 {
        a.record(event(&format!("evt_{n}"))).await.unwrap();
    }
    assert_eq!(a.inbox(10).await.unwrap().len(), 3);
    assert_eq!(b.inbox(10).await.unwrap().len(), 0);
    // As if three days were taken back: what the dead one had been given is its own until then.
    let Place::Server(database) = &place else { panic!("a server") };
    database.run("UPDATE claims SET until = until + 259200000000");
    assert_eq!(b.inbox(10).await.unwrap().len(), 3);
    assert_eq!(a.inbox(10).await.unwrap().len(), 0, "now they are the other's");
}

#[tokio::test]
async fn a_dead_replicas_lease_is_taken_over_and_its_late_settle_is_refused() {
    let place = Place::server();
    let (a, b) = two_of(&place).await;
    let id = a.record(event("a")).await.unwrap().id;
    post(&a, id, payment("a", Some("jane@example.com"), "2026-01-10")).await;
    let lost = a.lease(now(), LEASE, 10).await.unwrap();
    assert_eq!(lost.len(), 1);
    // By the clock of a replica that is a year ahead it has long run out; by the database's it has not.
    assert!(b.lease(after(now(), Duration::from_secs(31_536_000)), LEASE, 10).await.unwrap().is_empty());
    let Place::Server(database) = &place else { panic!("a server") };
    database.run("UPDATE queue SET leased_until = 0");
    let taken = b.lease(now(), LEASE, 10).await.unwrap();
    assert!(taken[0].delivery.outcome_unknown, "nobody knows what became of the first attempt");
    let delivered = Settlement::Delivered(Receipt::default());
    assert!(!a.settle(&lost[0], attempt(), delivered.clone(), now()).await.unwrap());
    a.give_back(&lost, now()).await.unwrap();
    assert_eq!(deliveries(&a).await[0].state, DeliveryState::Sending);
    assert!(b.settle(&taken[0], attempt(), delivered, now()).await.unwrap());
    assert!(a.lease(now(), LEASE, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_customers_calls_never_overlap_whoever_makes_them() {
    let place = Place::server();
    let (a, b) = two_of(&place).await;
    let days = ["2026-01-06", "2026-01-07", "2026-01-08", "2026-01-09"];
    for customer in 0..6 {
        for day in days {
            let key = format!("{customer} {day}");
            let id = a.record(event(&key)).await.unwrap().id;
            let sale = Fact { customer: None, ..payment(&key, Some(&format!("c{customer}@example.com")), day) };
            post(&a, id, sale).await;
        }
    }
    let mut made = 0;
    for _ in 0..200 {
        let (x, y) = tokio::join!(a.lease(now(), LEASE, 4), b.lease(now(), LEASE, 4));
        let (x, y) = (x.unwrap(), y.unwrap());
        let mut people: Vec<_> = x.iter().chain(&y).map(|leased| leased.key.clone()).collect();
        made += people.len();
        people.sort();
        people.dedup();
        assert_eq!(people.len(), x.len() + y.len(), "two calls for one customer at once");
        let delivered = || Settlement::Delivered(Receipt::default());
        let settle_a = join_all(x.iter().map(|leased| a.settle(leased, attempt(), delivered(), now())));
        let settle_b = join_all(y.iter().map(|leased| b.settle(leased, attempt(), delivered(), now())));
        let (x, y) = tokio::join!(settle_a, settle_b);
        assert!(x.into_iter().chain(y).all(|held| held.unwrap()));
        if made == 24 {
            break;
        }
    }
    assert_eq!(made, 24);
    assert!(deliveries(&a).await.iter().all(|d| d.state == DeliveryState::Delivered && d.attempts == 1));
}

#[tokio::test]
async fn facts_that_wait_for_each_other_always_meet() {
    let place = Place::server();
    let (a, b) = two_of(&place).await;
    let mapped = |id: EventId, fact: Fact| Mapped {
        id,
        endpoint: "stripe".into(),
        business: "biz_1".into(),
        realm: "stripe".into(),
        snapshot_event: None,
        reader: 2,
        received_at: now(),
        reading: Reading::Fact(Box::new(fact)),
    };
    for round in 0..25 {
        let name = |what: &str| format!("{what}_{round}");
        let mut events = Vec::new();
        for what in ["sale", "renewal", "customer"] {
            events.push(a.record(event(&name(what))).await.unwrap().id);
        }
        let of = |fact: Fact| Fact { customer: Some(name("cus")), keys: vec![name("sub")], ..fact };
        let sale = mapped(events[0], of(payment(&name("in_a"), None, "2026-01-09")));
        let renewal = mapped(events[1], of(payment(&name("in_b"), None, "2026-01-10")));
        let customer = FactKind::Customer(Customer::default());
        let customer = mapped(events[2], of(fact(Some(&format!("c{round}@example.com")), customer)));
        let (x, y) = tokio::join!(a.post(vec![sale, renewal], now()), b.post(vec![customer], now()));
        x.unwrap();
        y.unwrap();
        for event in &events[..2] {
            assert_eq!(state_of(&a, *event).await, (EventState::Mapped, None), "round {round}");
        }
    }
    assert_eq!(deliveries(&a).await.len(), 50);
}

#[tokio::test]
async fn replicas_tell_each_other_and_come_back_when_the_server_does() {
    let place = Place::server();
    let (a, b) = two_of(&place).await;
    let (inbox, outbox, stop) = (Arc::new(Notify::new()), Arc::new(Notify::new()), CancellationToken::new());
    let watching = b.clone().watch(inbox, outbox.clone(), crate::tasks::Pulse::new("watch"), stop.clone());
    let work = async {
        outbox.notified().await;
        let id = a.record(event("a")).await.unwrap().id;
        post(&a, id, payment("a", Some("jane@example.com"), "2026-01-10")).await;
        outbox.notified().await;
        let Place::Server(database) = &place else { panic!("a server") };
        cut_off(database);
        // The connections that were idle are found dead, and replaced.
        let mut failed = 0;
        while b.lease(now(), LEASE, 1).await.is_err() {
            failed += 1;
            assert!(failed < 20);
        }
        outbox.notified().await;
        stop.cancel();
    };
    tokio::join!(watching, work);
    assert_eq!(b.stats().await.unwrap().deliveries, [("queued".into(), 0), ("sending".into(), 1)]);
}

/// Ends every connection to it.
fn cut_off(database: &Database) {
    database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

#[tokio::test]
async fn texts_that_postgres_cannot_hold_are_kept_all_the_same() {
    let place = Place::server();
    let store = place.open().await;
    let odd = "evt\0\u{1}x";
    let id = store.record(event(odd)).await.unwrap().id;
    assert!(store.record(event(odd)).await.unwrap().duplicate);
    assert!(!store.record(event("evt\u{1}0\u{1}1x")).await.unwrap().duplicate);
    assert_eq!(store.event(id).await.unwrap().unwrap().event.provider_event_id.as_deref(), Some(odd));
    assert_eq!(store.event_by_provider_id(odd.into()).await.unwrap(), Some(id));
    let sale = Fact {
        customer: Some("cus\0".into()),
        name: Some("J\0".into()),
        ..payment("in\0", Some("j@example.com"), "2026-01-10")
    };
    post(&store, id, sale).await;
    assert_eq!(deliveries(&store).await.len(), 1);
}

#[tokio::test]
async fn writes_that_their_caller_does_not_look_at_end_all_the_same() {
    let place = Place::server();
    let store = place.open().await;
    // More than there are connections; each is begun, and nobody asks how it goes.
    let mut begun: Vec<_> = (0..40).map(|_| Box::pin(store.probe())).collect();
    for write in &mut begun {
        assert!(futures_util::poll!(write).is_pending());
    }
    store.probe().await.unwrap();
    for outcome in join_all(begun).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn a_backfill_that_another_replica_has_taken_is_due_when_its_claim_is_over() {
    let place = Place::server();
    let (a, b) = two_of(&place).await;
    let claim = Duration::from_secs(180);
    let id = a.start_backfill(Purpose::Record, "stripe", [now(), now()], None, now()).await.unwrap();
    assert!(a.take_backfill(now(), claim).await.unwrap().is_some());
    assert!(b.take_backfill(now(), claim).await.unwrap().is_none());
    // Else it would look for it again and again, without a rest.
    assert_eq!(b.next_backfill(now(), claim).await.unwrap(), Some(after(now(), claim)));
    a.let_go_of_backfill(id, now(), None).await.unwrap();
    assert_eq!(b.next_backfill(now(), claim).await.unwrap(), Some(now()));
    // A claim of a clock that was ahead is none.
    let ahead = after(now(), Duration::from_secs(86_400));
    assert!(a.take_backfill(ahead, claim).await.unwrap().is_some());
    assert_eq!(b.next_backfill(now(), claim).await.unwrap(), Some(now()));
    assert!(b.take_backfill(now(), claim).await.unwrap().is_some());
}
