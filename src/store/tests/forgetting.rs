//! Nothing holds the address of a customer who is forgotten: every column that could is known, and looked into.

use std::collections::BTreeSet;

use super::*;
use crate::domain::access::{Grant, Role};
use crate::domain::audit::Note;
use crate::domain::backfill::Purpose;
use crate::store::forget::texts::TEXTS;
use crate::store::sql::{Db, Work, values};

in_both! {
    every_column_of_text_is_looked_into_or_can_hold_no_address
    no_column_holds_an_address_that_is_forgotten
}

/// Columns that hold addresses of customers: what they hold is renamed or removed.
const HOLDS: &[(&str, &[&str])] = &[
    ("address_parts", &["part"]),
    ("bodies", &["body"]),
    ("customers", &["email_key", "domain"]),
    ("deliveries", &["email_key", "subject_key", "call"]),
    ("domain_parts", &["part", "domain"]),
    ("facts", &["email_key", "data"]),
    ("identities", &["email_key"]),
    ("listed", &["body", "outcome", "calls"]),
    ("listed_ids", &["key"]),
    ("queue", &["email_key"]),
    ("replans", &["email_key"]),
];

/// Columns that cannot: ids of ours and the provider's, codes, names from the configuration, hashes.
const CANNOT: &[(&str, &[&str])] = &[
    ("access", &["name", "role", "business", "hash", "created_by"]),
    ("alert_messages", &["channel", "item"]),
    ("alert_watch", &["holder"]),
    ("alerts", &["item", "kind"]),
    ("attempts", &["outcome"]),
    // What it is about is our id, or the pseudonym.
    ("audit", &["who", "via", "decision", "item", "business", "was", "became", "day_was", "day_became"]),
    ("backfills", &["endpoint", "state", "page", "summary", "purpose"]),
    ("compared", &["subject_key", "comparison"]),
    ("customers", &["business"]),
    ("deliveries", &["business", "subject", "kind", "mode", "state", "reason", "fate"]),
    (
        "events",
        &[
            "endpoint",
            "provider",
            "business",
            "dedup_key",
            "provider_event_id",
            "type",
            "state",
            "reason",
            "snapshot_event",
            "mode",
            "origin",
        ],
    ),
    ("facts", &["business", "scope", "customer"]),
    ("identities", &["scope", "key"]),
    ("listed", &["dedup_key", "provider_event_id", "type", "snapshot_event", "status_of"]),
    ("lookups", &["endpoint", "thing"]),
    ("queue", &["business", "product"]),
    ("realms", &["endpoint", "realm"]),
    ("reconciliations", &["endpoint", "time_zone", "summary"]),
    ("replans", &["business"]),
    ("routes", &["business", "product"]),
    ("settings", &["name", "value"]),
    ("unresolved", &["scope", "key"]),
];

/// The same of tables that only one of the databases has. An agent whose id may be an address is not counted, and claims name events
/// by their numbers.
const CANNOT_IN_FILE: &[(&str, &[&str])] = &[("counts", &["what", "state"])];
const CANNOT_ON_SERVER: &[(&str, &[&str])] =
    &[("claims", &["events"]), ("count_changes", &["what", "state"]), ("count_sums", &["what", "state"])];

fn pairs(columns: &[(&str, &[&str])]) -> Vec<(String, String)> {
    let of = |(table, columns): &(&str, &[&str])| {
        columns.iter().map(|column| ((*table).to_owned(), (*column).to_owned())).collect::<Vec<_>>()
    };
    columns.iter().flat_map(of).collect()
}

/// Every column that is no number, of every table.
async fn columns(store: &Store, place: &Place) -> BTreeSet<(String, String)> {
    let sql = match place {
        Place::File(_) => {
            "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_xinfo(t.name) c \
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND c.type NOT LIKE 'INTEGER%'"
        }
        Place::Server(_) => {
            "SELECT CAST(c.table_name AS TEXT), CAST(c.column_name AS TEXT) FROM information_schema.columns c \
             JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
             WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' \
             AND c.data_type NOT IN ('bigint', 'integer', 'smallint', 'boolean')"
        }
    };
    let rows = store.query(sql.to_owned(), values![]).await.unwrap();
    rows.into_iter().map(|mut row| (row.text().unwrap(), row.text().unwrap())).collect()
}

async fn every_column_of_text_is_looked_into_or_can_hold_no_address(place: Place) {
    let store = place.open().await;
    let there = columns(&store, &place).await;
    let texts = TEXTS.iter().map(|text| (text.table.to_owned(), text.column.to_owned()));
    let only_here = match &place {
        Place::File(_) => pairs(CANNOT_IN_FILE),
        Place::Server(_) => pairs(CANNOT_ON_SERVER),
    };
    let listed: Vec<_> = pairs(HOLDS).into_iter().chain(pairs(CANNOT)).chain(texts).chain(only_here).collect();
    let known: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), known.len(), "each is listed once");
    let new: Vec<_> = there.difference(&known).collect();
    assert!(new.is_empty(), "say of {new:?} whether it can hold an address; if so, forget::texts looks into it");
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(gone.is_empty(), "{gone:?} is no column");
}

const JANE: &str = "Jane.Doe-X@only-hers.example";

/// What people, providers and Refairn have written of her.
struct Words;

impl Work for Words {
    type Answer = ();

    async fn run<D: Db>(&self, db: &D) -> Result<(), StoreError> {
        for sql in [
            "INSERT INTO replans (business, email_key) VALUES ('biz_1', 'jane.doe-x@only-hers.example')",
            "INSERT INTO compared (backfill, subject_key, comparison, rank, at, data) \
             VALUES (9, 'in_1', 'missing', 1, 2, '{\"email\":\"Jane.Doe-X@only-hers.example\"}')",
            "UPDATE events SET detail = 'of jane.doe-x@only-hers.example' WHERE id = 1",
            "UPDATE deliveries SET detail = 'to JANE.DOE-X@only-hers.example', \
             receipt = '{\"leadId\":\"jane.doe-x@only-hers.example\",\"agentId\":\"Jane.Doe-X@only-hers.example\"}'",
            "INSERT INTO attempts (delivery_id, n, at, took_ms, status, outcome, response) \
             VALUES (1, 7, 1, 1, 409, 'conflict', 'has jane.doe-x@only-hers.example')",
            "INSERT INTO lookups (event_id, endpoint, thing, attempts, due_at, waits_from, note) \
             VALUES (1, 'stripe', 'event 1', 1, NULL, 0, 'no jane.doe-x@only-hers.example')",
            "UPDATE backfills SET note = 'no jane.doe-x@only-hers.example'",
            "INSERT INTO routes (business, product, detail) VALUES ('biz_9', 'p', 'no jane.doe-x@only-hers.example')",
            "INSERT INTO alert_messages (channel, item, notice, made_at, due_at) \
             VALUES ('slack', 'evt_1', 'see jane.doe-x@only-hers.example', 1, 1)",
        ] {
            db.run_all(sql).await?;
        }
        Ok(())
    }
}

/// All that is stored, as far as it is text, or a body.
async fn stored(store: &Store, place: &Place) -> String {
    let mut all = String::new();
    for (table, column) in columns(store, place).await {
        let is_body = column == "body";
        let shown = if is_body { column } else { format!("CAST({column} AS TEXT)") };
        for mut row in store.query(format!("SELECT {shown} FROM {table}"), values![]).await.unwrap() {
            let text = if is_body {
                let bytes = body::decompress(&row.bytes_option().unwrap().unwrap(), 1 << 20).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            } else {
                row.text_option().unwrap().unwrap_or_default()
            };
            all.push_str(&text.to_ascii_lowercase());
            all.push('\n');
        }
    }
    all
}

async fn no_column_holds_an_address_that_is_forgotten(place: Place) {
    let store = place.open().await;
    let with_body = |key: &str| NewEvent {
        body_zstd: body::compress(format!("{{\"email\":\"{JANE}\"}}").as_bytes()).unwrap(),
        ..event(key)
    };
    let id = store.record(with_body("evt_1")).await.unwrap().id;
    post(&store, id, Fact { name: Some("Jane Only".into()), ..payment("in_1", Some(JANE), "2026-01-10") }).await;
    let other = store.record(event("evt_2")).await.unwrap().id;
    post(&store, other, payment("in_2", Some("other@example.com"), "2026-01-10")).await;
    let backfill =
        store.start_backfill(Purpose::Record, "stripe", [now(), now()], Some(By::admin()), now()).await.unwrap();
    let NewEvent { identity, body_zstd, .. } = with_body("evt_listed");
    let row = Listed::of(&payment("in_listed", Some(JANE), "2026-01-10"), identity, body_zstd);
    let place_of = store.backfill(backfill).await.unwrap().unwrap().place;
    store
        .write_page(backfill, crate::store::Written { place: place_of, next: None, rows: vec![row], ignored: 0 }, now())
        .await
        .unwrap();
    let note = Note::parse(&format!("she wrote from {JANE}")).unwrap();
    let by = By { note, ..By::admin() };
    let grant = Grant::new("finance", Role::Read, None, 7, now()).unwrap();
    store.give_access(grant, "a hash".to_owned(), by.clone(), now()).await.unwrap();
    store.write(Words).await.unwrap();
    let before = stored(&store, &place).await;
    assert!(before.matches("only-hers").count() > 20, "the test sees what is stored: {before}");

    let email = Email::parse(JANE).unwrap();
    let weighed = store.weigh_forgetting(&email).await.unwrap();
    assert_eq!(stored(&store, &place).await, before, "to weigh it changes nothing");
    assert!(weighed.in_the_way.is_some(), "{weighed:?}");
    let refused = store.forget(&email, false, by.clone(), now()).await.unwrap_err();
    assert!(refused.to_string().contains("was not sent yet"), "{refused}");
    assert_eq!(stored(&store, &place).await, before, "and so does a refusal");
    let done = store.forget(&email, true, by, now()).await.unwrap();
    let counts = |of: &Forgotten| (of.businesses.clone(), of.events, of.bodies, of.calls, of.discarded);
    assert_eq!(counts(&done), counts(&weighed));
    assert_eq!(done.cleansed.clone().unwrap_or(Ok(())), Ok(()));

    let after = stored(&store, &place).await;
    for gone in ["only-hers", "doe-x", "jane only"] {
        assert!(!after.contains(gone), "{gone} is still there: {after}");
    }
    assert!(after.contains("other@example.com"), "and nothing else is gone");
    let pseudonym = done.pseudonym.unwrap();
    let decided = store.decisions_about(std::slice::from_ref(&pseudonym)).await.unwrap();
    assert_eq!(decided.len(), 1, "{decided:?}");
    assert_eq!(decided[0].note.as_deref(), Some(format!("she wrote from {pseudonym}").as_str()));
    assert_eq!(store.weigh_forgetting(&email).await.unwrap_err(), ForgetError::Unknown);
    store.close().await;
}
