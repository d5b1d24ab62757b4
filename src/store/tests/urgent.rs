//! What needs a person is counted from indexes, and of many things the most urgent are read.

use super::reading::{ANYBODYS, COUNT_ANEW, MANY, multiply, read_so_far, with_a_payment};
use super::*;
use crate::store::read::urgent;

/// Rows, without entries of indexes, that were read so far by their numbers or in their order.
async fn rows_so_far(database: &places::Database) -> i64 {
    read_so_far(database, ANYBODYS).await;
    let rows = "SELECT SUM(seq_tup_read + COALESCE(idx_tup_fetch, 0)) FROM pg_stat_user_tables \
         WHERE relname IN ('deliveries', 'events')";
    database.ask(rows).parse().unwrap()
}

#[tokio::test]
async fn of_many_things_that_need_a_person_the_most_urgent_are_read() {
    let place = Place::server();
    with_a_payment(&place).await;
    let Place::Server(database) = &place else { unreachable!("a server") };
    multiply(database);
    database.run(
        "UPDATE deliveries SET attention = 1 - id % 2, receipt = '{\"holdUntil\":\"2026-02-' || 10 + id % 18 || '\"}'; \
         UPDATE events SET attention = 1 WHERE id % 3 = 0",
    );
    database.run(COUNT_ANEW);
    database.run("VACUUM ANALYZE");
    // The one that there was has a number of its own.
    let all = (MANY / 2, MANY / 3 + 1);
    let mut before = rows_so_far(database).await;
    for (mode, (calls, events)) in [(None, all), (Some(Mode::Live), all), (Some(Mode::Test), (0, 0))] {
        let store = place.open().await;
        let to_see = store.to_see(None, mode, 50).await.unwrap();
        store.close().await;
        assert_eq!((to_see.calls, to_see.events), (calls, events), "{mode:?}");
        assert!(to_see.urgent.iter().all(|call| call.hold_until.as_deref() == Some("2026-02-10")), "{mode:?}");
        let so_far = rows_so_far(database).await;
        assert!(so_far - before < 1000, "{mode:?}: {} rows are read", so_far - before);
        before = so_far;
    }
}

#[tokio::test]
async fn what_needs_a_person_goes_by_indexes() {
    let place = Place::file();
    let store = place.open().await;
    for (business, mode) in [(None, None), (None, Some(Mode::Live)), (Some("biz_1"), Some(Mode::Test))] {
        let (sql, values) = urgent::asked(store.dialect(), business, mode, 50);
        let mut steps = Vec::new();
        for mut row in store.query(format!("EXPLAIN QUERY PLAN {sql}"), values).await.unwrap() {
            let (_, _, _) = (row.int().unwrap(), row.int().unwrap(), row.int().unwrap());
            steps.push(row.text().unwrap());
        }
        let counted = steps.iter().filter(|step| step.contains("COVERING INDEX")).count();
        assert_eq!(counted, 2, "{steps:?}");
        let of = |index: &str| steps.iter().filter(|step| step.ends_with(&format!("USING INDEX {index}"))).count();
        assert_eq!((of("deliveries_by_hold"), of("deliveries_by_attention")), (1, 1), "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP")), "{steps:?}");
    }
    store.close().await;
}
