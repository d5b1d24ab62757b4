//! A database of the schema before goes on.

use super::*;
use crate::domain::delivery::DeliveryKey;

in_both! {
    what_needs_attention_and_what_became_of_payments_is_counted_of_the_schema_before_too
    calls_of_the_schema_before_are_numbered_as_its_times_tell_and_go_on
    lines_that_were_not_seen_by_the_schema_before_are_looked_up
    stores_of_every_released_schema_end_alike_and_as_a_new_one_begins
}

const BEFORE: [[&str; 2]; 2] = [
    [
        include_str!("../../../migrations/sqlite/0001_initial.sql"),
        include_str!("../../../migrations/sqlite/0002_lookups.sql"),
    ],
    [
        include_str!("../../../migrations/postgres/0001_initial.sql"),
        include_str!("../../../migrations/postgres/0002_lookups.sql"),
    ],
];

/// What raised a store of 0.1.0 to the schema of four migrations, as it was released. PostgreSQL's 0003_order.sql leaves
/// since then to 0005_scopes.sql what that can do with less.
const RELEASED: [&str; 2] = [
    concat!(
        include_str!("../../../migrations/sqlite/0003_order.sql"),
        include_str!("../../../migrations/sqlite/0004_waits.sql"),
        "PRAGMA user_version = 4;"
    ),
    concat!(
        include_str!("../../../tests/fixtures/stores/0003_order.postgres.sql"),
        include_str!("../../../migrations/postgres/0004_waits.sql"),
        "UPDATE schema_version SET version = 4;"
    ),
];

/// Makes a database as the version before left it, with these rows.
fn left_before(place: &Place, rows: &[String]) {
    let rows = rows.join(";\n");
    match place {
        Place::File(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("bridge.db")).unwrap();
            BEFORE[0].iter().for_each(|sql| db.execute_batch(sql).unwrap());
            db.execute_batch(&rows).unwrap();
            db.pragma_update(None, "user_version", 2).unwrap();
        }
        Place::Server(database) => {
            BEFORE[1].iter().for_each(|sql| database.run(sql));
            database
                .run("CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version VALUES (2)");
            database.run(&rows);
        }
    }
}

/// A call of `who`: its state, whether its outcome is unknown, when it was first tried and when it was settled.
fn call(n: i64, who: &str, state: &str, unknown: i64, first: Option<i64>, settled: Option<i64>) -> String {
    let Fact { matter: FactKind::Payment(sold), .. } = payment(&format!("in_{n}"), None, &format!("2026-01-{n:02}"))
    else {
        unreachable!()
    };
    let subject = DeliveryKey::Payment { scope: "stripe//live".into(), identity: sold.identity };
    let call = crate::domain::delivery::Call::PaymentSucceeded {
        product: "prod_1".into(),
        email: Email::parse(who).unwrap(),
        amount: 30.into(),
        currency: sold.currency,
        status: Status::Active,
        day: sold.day,
    };
    let (key, subject) = (subject.key(who), serde_json::to_string(&subject).unwrap());
    let call = serde_json::to_string(&call).unwrap();
    let at = now().as_microsecond();
    let time = |t: Option<i64>| t.map_or("NULL".to_owned(), |t| (at + t).to_string());
    let (first, settled, attempts) = (time(first), time(settled), i64::from(first.is_some()));
    let columns = "business, email_key, event_id, subject_key, subject, kind, mode, at, call, state, attention, released, \
                   acknowledged, due_at, attempts, first_attempt_at, patient_since, outcome_unknown, settled_at, created_at";
    format!(
        "INSERT INTO deliveries ({columns}) VALUES ('biz_1', '{who}', {n}, '{key}', '{subject}', 'payment-succeeded', \
         'live', {at}, '{call}', '{state}', 0, 0, 0, {at}, {attempts}, {first}, {first}, {unknown}, {settled}, {at})"
    )
}

async fn calls_of_the_schema_before_are_numbered_as_its_times_tell_and_go_on(place: Place) {
    let (jane, joe) = ("jane@example.com", "joe@example.com");
    let queued = |who: &str, n: i64, leased: i64, fence: i64| {
        let at = now().as_microsecond();
        format!(
            "INSERT INTO queue (business, email_key, product, delivery_id, due_at, leased, fence) \
             VALUES ('biz_1', '{who}', 'prod_1', {n}, {at}, {leased}, {fence})"
        )
    };
    left_before(
        &place,
        &[
            call(1, jane, "delivered", 0, Some(20), Some(30)),
            // First tried before the other, and found at Refairn after it.
            call(2, jane, "duplicate", 1, Some(10), Some(40)),
            call(3, jane, "rejected", 0, Some(50), Some(60)),
            // Its end is told by a clock that had been set back.
            call(4, jane, "delivered", 0, Some(80), Some(70)),
            call(5, jane, "sending", 0, Some(90), None),
            call(6, jane, "queued", 0, None, None),
            call(7, joe, "queued", 0, Some(15), None),
            call(8, joe, "held", 1, Some(5), None),
            queued(jane, 5, 1, 1),
            queued(joe, 7, 0, 1),
            "INSERT INTO routes (business, product) VALUES ('biz_1', 'prod_1')".to_owned(),
        ],
    );
    let store = place.open().await;
    let found: Vec<_> = deliveries(&store).await.iter().map(|d| (d.taken_seq, d.last_seq)).collect();
    let both = |taken, last| (Some(taken), Some(last));
    let of_jane = [both(3, 3), both(1, 4), (None, Some(6)), both(8, 8), both(9, 10), (None, None)];
    let of_joe = [(None, Some(4)), both(1, 2)];
    assert_eq!(found, [&of_jane[..], &of_joe[..]].concat());
    assert!(deliveries(&store).await.iter().all(|d| d.waited.is_zero()), "patience counts anew");
    place.end_leases();
    let leased = store.lease(now(), LEASE, 10).await.unwrap();
    let mut numbers: Vec<_> = leased.iter().map(|l| (l.delivery.id.unwrap().0, l.delivery.last_seq.unwrap())).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [(5, 11), (7, 5)]);
    for leased in &leased {
        assert!(store.settle(leased, attempt(), Settlement::Delivered(Receipt::default()), now()).await.unwrap());
    }
}

async fn lines_that_were_not_seen_by_the_schema_before_are_looked_up(place: Place) {
    let at = now().as_microsecond();
    let event = |key: &str, state: &str, reason: &str| {
        format!(
            "INSERT INTO events (endpoint, provider, business, dedup_key, type, state, reason, received_at) \
             VALUES ('stripe', 'stripe', 'biz_1', '{key}', 'invoice.paid', '{state}', '{reason}', {at})"
        )
    };
    let rows = [event("evt_1", "unmappable", "lines_not_seen"), event("evt_2", "ignored", "lines_not_seen")];
    left_before(&place, &rows);
    let store = place.open().await;
    let taken = store.take_lookups("stripe", 10, now(), LEASE).await.unwrap();
    let taken: Vec<_> = taken.iter().map(|l| (l.event, l.thing.as_str(), l.attempt)).collect();
    assert_eq!(taken, [(EventId(1), "event 1", 1)]);
}

async fn what_needs_attention_and_what_became_of_payments_is_counted_of_the_schema_before_too(place: Place) {
    let at = now().as_microsecond();
    let event = |n: i64, state: &str, reason: &str| {
        format!(
            "INSERT INTO events (endpoint, provider, business, dedup_key, type, state, reason, received_at) \
             VALUES ('stripe', 'stripe', 'biz_1', '{n}', 'invoice.paid', '{state}', '{reason}', {at})"
        )
    };
    let agent = "UPDATE deliveries SET receipt = '{\"agentId\":\"agent_1\"}' WHERE event_id = 1";
    let held = "UPDATE deliveries SET attention = 1, reason = 'same_day_payment' WHERE event_id = 4";
    left_before(
        &place,
        &[
            event(1, "mapped", ""),
            event(2, "unmappable", "missing_field"),
            event(3, "waiting", "customer_unknown"),
            call(1, "p1@example.com", "delivered", 0, Some(1), Some(2)),
            call(2, "p2@example.com", "delivered", 0, Some(1), Some(2)),
            call(3, "p3@example.com", "duplicate", 1, Some(1), Some(2)),
            call(4, "p4@example.com", "held", 0, None, None),
            agent.to_owned(),
            held.to_owned(),
        ]
        .map(|sql| sql.replace("'mapped', ''", "'mapped', NULL")),
    );
    let stats = place.open().await.stats().await.unwrap();
    assert_eq!(stats.attention(), [(Reason::MissingField, 1), (Reason::SameDayPayment, 1)].into());
    assert_eq!(stats.events_to_see, [("stripe".to_owned(), EventReason::MissingField, 1)]);
    let each_once: Vec<_> = crate::domain::delivery::Fate::ALL.iter().map(|fate| (*fate, 1)).collect();
    assert_eq!(stats.fates, each_once);
}

/// What a database is made of, and what is in it, each line for itself.
fn schema_and_rows(place: &Place) -> (Vec<String>, Vec<String>) {
    match place {
        Place::File(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("bridge.db")).unwrap();
            let lines = |sql: &str| -> Vec<String> {
                let mut rows = db.prepare(sql).unwrap();
                let columns = rows.column_count();
                let line = |row: &rusqlite::Row<'_>| {
                    let values = (0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n).unwrap());
                    Ok(format!("{:?}", values.collect::<Vec<_>>()))
                };
                rows.query_map([], line).unwrap().map(Result::unwrap).collect()
            };
            let schema = lines("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name");
            let mut names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
            let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
            let rows = names.flat_map(|name| {
                let rows = lines(&format!("SELECT * FROM \"{name}\""));
                rows.into_iter().map(move |row| format!("{name} {row}")).collect::<Vec<_>>()
            });
            (schema, rows.collect())
        }
        Place::Server(database) => {
            let is_row =
                |line: &String| line.starts_with("INSERT INTO ") || line.starts_with("SELECT pg_catalog.setval");
            // A dump is fenced by a word that is made up each time.
            let lines = database.dump().lines().filter(|l| !l.starts_with('\\')).map(str::to_owned).collect::<Vec<_>>();
            let (mut rows, schema): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_row);
            rows.sort_unstable();
            (schema.into_iter().filter(|line| !line.is_empty()).collect(), rows)
        }
    }
}

async fn stores_of_every_released_schema_end_alike_and_as_a_new_one_begins(place: Place) {
    let new = || match &place {
        Place::File(_) => Place::file(),
        Place::Server(_) => Place::server(),
    };
    let (of_two, of_four) = (new(), new());
    earlier::left_by_0_1_0(&of_two);
    earlier::left_by_0_1_0(&of_four);
    match &of_four {
        Place::File(folder) => {
            let db = rusqlite::Connection::open(folder.path().join("bridge.db")).unwrap();
            db.execute_batch(RELEASED[0]).unwrap();
        }
        Place::Server(database) => database.run(RELEASED[1]),
    }
    for store in [&place, &of_two, &of_four] {
        store.open().await.close().await;
    }
    let [(begun, _), (two, rows_of_two), (four, rows_of_four)] = [&place, &of_two, &of_four].map(schema_and_rows);
    assert!(rows_of_two.len() > 100, "{rows_of_two:?}");
    assert_eq!((two, rows_of_two), (four.clone(), rows_of_four));
    assert_eq!(four, begun);
}
