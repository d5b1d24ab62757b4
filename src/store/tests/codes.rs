//! Codes that SQL files hold as they are written: each one is the code of its type.

use std::collections::BTreeSet;

use super::*;
use crate::domain::backfill::Purpose;
use crate::domain::delivery::{Fate, Standing};
use crate::store::sql::{Dialect, values};

in_both! {
    indexes_and_triggers_name_the_codes_of_the_types
}

/// What stands in quotation marks and may be a code.
fn words(sql: &str) -> impl Iterator<Item = String> {
    let quoted = sql.split('\'').skip(1).step_by(2);
    quoted.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_')).map(str::to_owned)
}

fn all<'a>(parts: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    parts.into_iter().map(str::to_owned).collect()
}

async fn indexes_and_triggers_name_the_codes_of_the_types(place: Place) {
    let store = place.open().await;
    let sql = match &place {
        Place::File(_) => "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL",
        Place::Server(_) => {
            "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             WHERE c.relnamespace = current_schema()::regnamespace \
             UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
             WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace \
             UNION ALL SELECT prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace \
             UNION ALL SELECT definition FROM pg_views WHERE schemaname = current_schema() \
             UNION ALL SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid \
             WHERE c.relnamespace = current_schema()::regnamespace"
        }
    };
    let mut found = BTreeSet::new();
    for mut row in store.query(sql.to_owned(), values![]).await.unwrap() {
        found.extend(words(&row.text().unwrap()));
    }
    // COALESCE has nothing between the marks; the words of an address are parted by a `_`, among others.
    found.retain(|word| word.contains(|c| c != '_'));
    // Names of fields, which SQLite writes as paths, of the times by which payments are added up, and of what is kept of each.
    for name in ["code", "amount", "currency", "day", "quarter", "sold", "sum", "vast"] {
        found.remove(name);
    }
    let states =
        [EventState::Received, EventState::Mapped, EventState::Waiting, EventState::Unmappable].map(EventState::code);
    let calls = [DeliveryState::Queued, DeliveryState::Sending, DeliveryState::Delivered, DeliveryState::Duplicate]
        .map(DeliveryState::code);
    let looked_up = [EventReason::CustomerUnknown, EventReason::ThinEvent, EventReason::LinesNotSeen];
    let reasons = looked_up.map(EventReason::code).into_iter().chain([DeliveryReason::WaitingForReferralCode.code()]);
    let fates = Fate::ALL.iter().map(|fate| fate.code());
    let standings = Standing::ALL.iter().map(|standing| standing.code());
    let counts = ["events", "deliveries", "attention", "fates"];
    let defaults = [Origin::Webhook.code(), Purpose::Record.code()];
    assert_eq!(
        found,
        all(states.into_iter().chain(calls).chain(reasons).chain(fates).chain(counts).chain(standings).chain(defaults))
    );
}

#[test]
fn indexes_name_the_beginning_of_a_payments_key_as_statements_do() {
    let indexes = [
        include_str!("../../../migrations/sqlite/0009_asking.sql"),
        include_str!("../../../migrations/postgres/0009_asking.sql"),
    ];
    for sql in indexes {
        assert_eq!(sql.matches(&crate::store::codes::is_payment("")).count(), 3);
    }
}

#[test]
fn moving_scopes_names_the_codes_of_the_types() {
    let states = DeliveryState::ALL.iter().map(|state| state.code()).chain([EventState::Received.code()]);
    let reasons = [DeliveryReason::ToldTwice, DeliveryReason::MayBeReportedAlready, DeliveryReason::AlreadyReported];
    let keys = ["payment"];
    let expected = all(states.chain(reasons.map(DeliveryReason::code)).chain(keys));
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        // Comments may have an apostrophe.
        let lines = dialect.rescope().lines().filter(|line| !line.starts_with("--"));
        let found: BTreeSet<String> = lines.flat_map(words).collect();
        assert_eq!(found, expected, "{dialect:?}");
    }
}

#[tokio::test]
async fn a_list_by_state_goes_by_an_index_unless_nearly_all_have_that_state() {
    use crate::store::codes::{delivery_is, event_is};
    let place = Place::file();
    let store = place.open().await;
    let calls = DeliveryState::ALL.iter().filter(|state| **state != DeliveryState::Delivered);
    let calls = calls.map(|state| format!("deliveries WHERE {}", delivery_is(*state)));
    let events = EventState::ALL.iter().filter(|state| **state != EventState::Mapped);
    let events = events.map(|state| format!("events WHERE {}", event_is(*state)));
    for rows in calls.chain(events) {
        let sql = format!("EXPLAIN QUERY PLAN SELECT id, detail FROM {rows} ORDER BY id DESC LIMIT 50");
        for mut row in store.query(sql, values![]).await.unwrap() {
            let (_, _, _) = (row.int().unwrap(), row.int().unwrap(), row.int().unwrap());
            let step = row.text().unwrap();
            assert!(step.contains("USING INDEX"), "{rows}: {step}");
        }
    }
}
