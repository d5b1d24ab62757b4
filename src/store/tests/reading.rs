//! What people look at takes the rows that it shows, and not all that there are. PostgreSQL says how many rows its plans read.

use std::collections::BTreeMap;

use super::*;
use crate::domain::call::Kind;
use crate::domain::delivery::Fate;
use crate::domain::event::Origin;
use crate::store::payments::{CODE_EVENTS_MAX, PaymentFilter};
use crate::store::walks::WALKED_MAX;

/// Customers, each with an event, a fact and a payment.
pub(super) const MANY: i64 = 20_000;
/// Rows that a list may read: a hundred, with what stands beside each, and those that it passes to find them.
const FEW: i64 = 4_000;
/// Rows and entries of indexes that a list of a code may read: of each event that is followed, its customer's payments.
const OF_A_CODE: i64 = 5 * CODE_EVENTS_MAX as i64;
/// Rows of an agent on the days with which a time begins and ends, of 141 in it.
const OF_ITS_EDGES: i64 = 20;
/// Rows and entries of indexes that a page of lines may read.
const LINES: i64 = 200;

/// Unread events, and calls that are due.
const BACKLOG: i64 = 5_000;

/// What is written by hand is counted by nobody.
pub(super) const COUNT_ANEW: &str = "DELETE FROM count_changes; DELETE FROM count_sums; \
     INSERT INTO count_sums SELECT what, state, n FROM counted";

/// Makes many payments of the only one: one a minute, of which a quarter credits nobody, some need attention, and of three the
/// credit is not known.
pub(super) fn multiply(database: &places::Database) {
    let of_another = |column: &str| format!("replace({column}, 'p0@', 'p' || n || '@')");
    let (email, data, call) = (of_another("email_key"), of_another("data"), of_another("call"));
    let all = format!("generate_series(1, {MANY}) n");
    database.run(&format!(
        "INSERT INTO events (endpoint, provider, business, dedup_key, provider_event_id, type, state, received_at, mode) \
         SELECT endpoint, provider, business, 'evt_' || n, 'evt_' || n, type, state, received_at, 'live' FROM events, {all}; \
         INSERT INTO facts SELECT n + 1, business, scope, 'cus_' || n, {email}, speaks_for_related, received_at, {data} \
         FROM facts, {all}; \
         UPDATE facts SET speaks_for_related = 1, data = '{{\"code\":\"ADA\",' || substr(data, 2) WHERE event_id % 4 = 1; \
         INSERT INTO customers (business, email_key) SELECT business, {email} FROM customers, {all}; \
         INSERT INTO deliveries (business, email_key, event_id, subject_key, subject, kind, mode, at, call, state, attention, \
         released, acknowledged, due_at, attempts, outcome_unknown, settled_at, receipt, created_at) \
         SELECT business, {email}, n + 1, subject_key || n, subject, kind, mode, at - CAST(n AS BIGINT) * 60000000, {call}, \
         CASE WHEN n % 7000 = 1 THEN 'duplicate' ELSE state END, CASE WHEN n % 200 = 0 THEN 1 ELSE 0 END, released, \
         acknowledged, due_at, attempts, outcome_unknown, settled_at, \
         CASE WHEN n % 4 = 0 THEN receipt ELSE '{{\"agentId\":\"agent_' || n % 100 || '\"}}' END, created_at \
         FROM deliveries, {all}; {COUNT_ANEW}"
    ));
}

/// A store with one payment that credited nobody.
pub(super) async fn with_a_payment(place: &Place) {
    let store = place.open().await;
    let id = store.record(event("evt_0")).await.unwrap().id;
    let sale = payment("in_0", Some("p0@example.com"), "2026-01-10");
    post(&store, id, Fact { customer: None, ..sale }).await;
    let leased = store.lease(now(), LEASE, 1).await.unwrap().pop().unwrap();
    assert!(store.settle(&leased, attempt(), Settlement::Delivered(Receipt::default()), now()).await.unwrap());
    store.close().await;
}

/// Rows and entries of indexes that were read so far, once no such connection is open any more.
pub(super) async fn read_so_far(database: &places::Database, whose: &str) -> i64 {
    let others = format!(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND backend_type = 'client backend' AND {whose}"
    );
    while database.ask(&others) != "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // What is counted is added up every few seconds.
    let rows = "SELECT (SELECT SUM(seq_tup_read) FROM pg_stat_user_tables WHERE relname NOT LIKE 'count%') + \
         (SELECT SUM(idx_tup_read) FROM pg_stat_user_indexes WHERE relname NOT LIKE 'count%')";
    database.ask(rows).parse().unwrap()
}

/// All connections, and those of the test itself.
pub(super) const ANYBODYS: &str = "TRUE";
const OWN: &str = "application_name = 'psql'";

const LISTS: [&str; 27] = [
    "payments",
    "a later page of payments",
    "lines of payments",
    "payments that credited nobody",
    "payments of rare fates",
    "tests",
    "payments of an agent",
    "what an agent's payments add up to",
    "payments of a code",
    "calls of a rare kind",
    "events of a rare origin",
    "calls that need attention",
    "calls of rare fates",
    "calls to an address",
    "events that need attention",
    "events of no type",
    "events of no endpoint",
    "last webhooks",
    "customers",
    "an event",
    "a story",
    "numbers",
    "calls on their way",
    "what is to be seen",
    "an id",
    "addresses of a domain",
    "the inside of a word",
];

/// Has an agent's month added up; gives how many payments are in it.
async fn added_up(store: &Store) -> usize {
    // A month of another time zone begins and ends within a day.
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let (from, to) = (at("2025-12-31T17:00:00Z"), at("2026-01-31T17:00:00Z"));
    let month = PaymentFilter { agent: Some("agent_7".into()), from, to, ..PaymentFilter::default() };
    let (totals, is_complete) = store.totals(&month).await.unwrap();
    assert!(is_complete);
    totals.iter().map(|total| usize::try_from(total.payments).unwrap()).sum()
}

/// Of how many endpoints and modes a webhook came.
async fn heard_of(store: &Store) -> usize {
    let last = store.last_webhooks(["stripe", "paystack"].into_iter()).await.unwrap();
    last.iter().filter(|last| last.at.is_some()).count()
}

/// Reads one of the lists; gives how long it is.
async fn read(store: &Store, list: &str) -> usize {
    let month = |change: &dyn Fn(PaymentFilter) -> PaymentFilter| {
        let (from, to) = (Some("2025-12-20T00:00:00Z".parse().unwrap()), Some("2026-01-20T00:00:00Z".parse().unwrap()));
        change(PaymentFilter { from, to, mode: Some(Mode::Live), limit: 100, ..PaymentFilter::default() })
    };
    let payments =
        async |change: &dyn Fn(PaymentFilter) -> PaymentFilter| store.payments(&month(change)).await.unwrap().len();
    let deliveries =
        async |of: DeliveryFilter| store.deliveries(DeliveryFilter { limit: 50, ..of }).await.unwrap().len();
    let events = async |of: EventFilter| store.events(EventFilter { limit: 50, ..of }).await.unwrap().len();
    match list {
        "payments" => payments(&|month| month).await,
        "a later page of payments" => payments(&|month| PaymentFilter { after: Some(MANY / 2), ..month }).await,
        "lines of payments" => {
            let later = month(&|month| PaymentFilter { after: Some(MANY / 2), ..month });
            store.payment_lines(&later).await.unwrap().len()
        }
        "payments that credited nobody" => {
            payments(&|month| PaymentFilter { fates: vec![Fate::CreditedNobody], ..month }).await
        }
        "payments of rare fates" => {
            payments(&|month| PaymentFilter { fates: vec![Fate::CreditUnknown], ..month }).await
        }
        "tests" => payments(&|month| PaymentFilter { mode: Some(Mode::Test), ..month }).await,
        "payments of an agent" => payments(&|month| PaymentFilter { agent: Some("agent_7".into()), ..month }).await,
        "what an agent's payments add up to" => added_up(store).await,
        "payments of a code" => payments(&|month| PaymentFilter { code: Some("ADA".into()), ..month }).await,
        "calls of a rare kind" => {
            deliveries(DeliveryFilter { kind: Some(Kind::CustomerCreated), ..DeliveryFilter::default() }).await
        }
        "events of a rare origin" => {
            events(EventFilter { origin: Some(Origin::Lookup), ..EventFilter::default() }).await
        }
        "calls that need attention" => {
            deliveries(DeliveryFilter { attention: true, ..DeliveryFilter::default() }).await
        }
        "calls of rare fates" => {
            deliveries(DeliveryFilter { fate: Some(Fate::CreditUnknown), ..DeliveryFilter::default() }).await
        }
        "calls to an address" => {
            deliveries(DeliveryFilter { email: Some("p77@example.com".into()), ..DeliveryFilter::default() }).await
        }
        "events that need attention" => events(EventFilter { attention: true, ..EventFilter::default() }).await,
        "events of no type" => events(EventFilter { event_type: Some("none".into()), ..EventFilter::default() }).await,
        "events of no endpoint" => {
            events(EventFilter { endpoint: Some("none".into()), ..EventFilter::default() }).await
        }
        "last webhooks" => heard_of(store).await,
        "customers" => {
            let customers = store.customers(None, None, 50).await.unwrap();
            let keys: Vec<_> = customers.into_iter().map(|(_, key)| key).collect();
            store.payments_of_customers(&keys).await.unwrap().len()
        }
        "an event" => store.event(EventId(78)).await.unwrap().map_or(0, |event| event.deliveries.len()),
        "a story" => store.story("p77@example.com", None).await.unwrap().deliveries.len(),
        "numbers" => usize::try_from(store.open_of(Mode::Live).await.unwrap().calls).unwrap(),
        "calls on their way" => store.calls_on_their_way(None, Mode::Live, 50).await.unwrap().len(),
        "what is to be seen" => {
            let to_see = store.to_see(None, Some(Mode::Live), 50).await.unwrap();
            let calls: Vec<_> = to_see.urgent.iter().map(|call| call.id).collect();
            store.calls_to_see(&calls).await.unwrap().len()
        }
        "an id" => store.search("evt_77", None).await.unwrap().events.len(),
        "addresses of a domain" => store.search("example.com", None).await.unwrap().customers.len(),
        "the inside of a word" => store.search("7777@", None).await.unwrap().customers.len(),
        _ => unreachable!("a list that is read: {list}"),
    }
}

#[tokio::test]
async fn a_list_reads_what_it_shows_however_much_there_is() {
    let place = Place::server();
    with_a_payment(&place).await;
    let Place::Server(database) = &place else { unreachable!("a server") };
    multiply(database);
    database.run("ANALYZE");
    let (mut found, mut before) = (BTreeMap::new(), read_so_far(database, ANYBODYS).await);
    for list in LISTS {
        let store = place.open().await;
        found.insert(list, read(&store, list).await);
        store.close().await;
        let so_far = read_so_far(database, ANYBODYS).await;
        // Where nothing else is found, the newest addresses are looked through.
        let most = match list {
            "the inside of a word" => MANY + FEW,
            "lines of payments" => LINES,
            "what an agent's payments add up to" => OF_ITS_EDGES,
            "payments of a code" => OF_A_CODE,
            "calls of a rare kind" | "events of a rare origin" => WALKED_MAX + FEW,
            _ => FEW,
        };
        assert!(so_far - before <= most, "{list}: {} rows are read", so_far - before);
        before = so_far;
    }
    let long = ["payments", "a later page of payments", "lines of payments", "payments that credited nobody"];
    assert_eq!(long.map(|list| found[list]), [100; 4]);
    assert_eq!((found["payments of an agent"], found["what an agent's payments add up to"]), (100, 141));
    assert_eq!((found["payments of rare fates"], found["calls of rare fates"], found["tests"]), (3, 3, 0));
    assert_eq!((found["calls that need attention"], found["numbers"], found["customers"]), (50, 0, 50));
    assert_eq!((found["what is to be seen"], found["calls on their way"]), (50, 0));
    assert_eq!((found["addresses of a domain"], found["the inside of a word"]), (20, 2));
    assert_eq!((found["events of no type"], found["events of no endpoint"], found["last webhooks"]), (0, 0, 1));
    // Another call tells the payment that the event reports, and the number is that of another event.
    assert_eq!(["an event", "a story", "an id", "calls to an address"].map(|list| found[list]), [2, 1, 2, 1]);
}

#[tokio::test]
async fn of_many_payments_of_one_time_the_newest_are_read() {
    let place = Place::server();
    with_a_payment(&place).await;
    let Place::Server(database) = &place else { unreachable!("a server") };
    multiply(database);
    let moments = [
        // A quarter of all is of one moment, and all that is newer credited an agent.
        "UPDATE deliveries SET at = (SELECT MIN(at) FROM deliveries) WHERE fate = 'credited_nobody'",
        // Nearly all are of one moment, of which few credited nobody, and some are older.
        "UPDATE deliveries SET at = (SELECT MAX(at) FROM deliveries) WHERE id < 17000; \
         UPDATE deliveries SET receipt = '{\"agentId\":\"agent_1\"}' WHERE fate = 'credited_nobody' AND id % 8 <> 1",
    ];
    let credited_nobody =
        |after| PaymentFilter { fates: vec![Fate::CreditedNobody], limit: 100, after, ..PaymentFilter::default() };
    for moment in moments {
        database.run(&format!("{moment}; {COUNT_ANEW}; ANALYZE"));
        let mut after = None;
        for page in ["the first page", "a later page"] {
            let before = read_so_far(database, ANYBODYS).await;
            let store = place.open().await;
            let payments = store.payments(&credited_nobody(after)).await.unwrap();
            assert_eq!(payments.len(), 100);
            after = payments.last().and_then(|payment| payment.delivery.id).map(|id| id.0);
            store.close().await;
            let read = read_so_far(database, ANYBODYS).await - before;
            assert!(read <= FEW, "{moment}, {page}: {read} rows are read");
        }
    }
}

#[tokio::test]
async fn plans_that_were_made_for_a_small_store_are_those_of_a_large_one() {
    let place = Place::server();
    with_a_payment(&place).await;
    let Place::Server(database) = &place else { unreachable!("a server") };
    let store = place.open().await;
    // Until the server has looked at how many there are, it collects all of a domain's customers, and of a month's payments
    // those before a later page's place. The walks read the same by every plan.
    let left_out = [
        "addresses of a domain",
        "a later page of payments",
        "lines of payments",
        "calls of a rare kind",
        "events of a rare origin",
    ];
    let lists = LISTS.iter().filter(|list| !left_out.contains(list));
    for list in lists.clone() {
        read(&store, list).await;
    }
    multiply(database);
    let before = read_so_far(database, OWN).await;
    for list in lists {
        read(&store, list).await;
    }
    store.close().await;
    let read = read_so_far(database, ANYBODYS).await - before;
    // The newest addresses are looked through for the inside of a word. One list more that reads all is over that.
    assert!(read <= MANY + OF_A_CODE + 4 * FEW, "{read} rows are read");
}

#[tokio::test]
async fn an_event_is_written_without_a_look_at_the_backlog() {
    let place = Place::server();
    with_a_payment(&place).await;
    let Place::Server(database) = &place else { unreachable!("a server") };
    multiply(database);
    // When the server looks what there is, nothing is unread, as nearly always.
    database.run("ANALYZE");
    let store = place.open().await;
    let id = store.record(event("evt_next")).await.unwrap().id;
    store.close().await;
    database.run(&format!(
        "INSERT INTO events (endpoint, provider, business, dedup_key, provider_event_id, type, state, received_at, mode) \
         SELECT endpoint, provider, business, 'evt_later_' || n, 'evt_later_' || n, type, state, received_at, 'live' \
         FROM events, generate_series(1, {BACKLOG}) n WHERE id = {}",
        id.0
    ));
    let before = read_so_far(database, ANYBODYS).await;
    let store = place.open().await;
    post(&store, id, payment("in_next", Some("next@example.com"), "2026-01-10")).await;
    assert_eq!(state_of(&store, id).await.0, EventState::Mapped);
    store.close().await;
    let read = read_so_far(database, ANYBODYS).await - before;
    assert!(read <= FEW, "{read} rows are read");
}

/// What the server may believe of a queue that is long: whether it was looked at while it held calls of one route, and what it
/// was found to hold last.
const BELIEFS: [(&str, bool, &str); 3] = [
    ("it was never anything but empty", false, "VACUUM (TRUNCATE FALSE, ANALYZE) queue"),
    ("it held one route, and is empty", true, "VACUUM (TRUNCATE FALSE) queue"),
    ("it holds one route", true, "SELECT"),
];

#[tokio::test]
async fn a_call_of_a_long_queue_is_made_without_a_look_at_all_of_it() {
    let place = Place::server();
    with_a_payment(&place).await;
    let Place::Server(database) = &place else { unreachable!("a server") };
    multiply(database);
    // Behind all others, some calls wait on a route that is paused.
    database.run(&format!(
        "DELETE FROM facts WHERE event_id BETWEEN 2 AND {BACKLOG} + 1; DELETE FROM deliveries WHERE id > {BACKLOG}; \
         UPDATE deliveries SET state = 'queued', settled_at = NULL, receipt = NULL WHERE id > 1; \
         INSERT INTO routes (business, product, paused_since, probe_at) SELECT business, 'z', 0, 0 FROM routes; ANALYZE"
    ));
    let fill = |route: &str| {
        format!(
            "INSERT INTO queue (business, email_key, product, delivery_id, due_at) \
             SELECT d.business, d.email_key, {route}, d.id, d.due_at + d.id - {BACKLOG} \
             FROM deliveries d JOIN routes r ON r.product <> 'z' WHERE d.state = 'queued'"
        )
    };
    for (belief, held_one_route, look) in BELIEFS {
        // The room of what was queued is still there.
        let analyze = if held_one_route { "ANALYZE queue" } else { "" };
        database.run(&format!("DELETE FROM queue; {}; {analyze}; DELETE FROM queue", fill("r.product")));
        database.run(look);
        database.run(&fill(&format!("CASE WHEN d.id > {BACKLOG} - 100 THEN 'z' ELSE r.product END")));
        let before = read_so_far(database, ANYBODYS).await;
        let store = place.open().await;
        let leased = store.lease(now(), LEASE, 10).await.unwrap();
        let settled = leased.iter().map(async |call| {
            store.settle(call, attempt(), Settlement::Delivered(Receipt::default()), now()).await.unwrap()
        });
        assert_eq!(futures_util::future::join_all(settled).await, [true; 10]);
        assert!(store.next_due().await.unwrap().is_some());
        store.close().await;
        let read = read_so_far(database, ANYBODYS).await - before;
        assert!(read <= FEW, "{belief}: {read} rows are read");
    }
}
