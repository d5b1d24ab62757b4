#!/usr/bin/env bash
# SQLite's prepared statements, beside a partial index.
#
# A good guess: a statement that is kept prepared is planned once, and anew when the schema has changed. For other values of its
# parameters SQLite's manual knows two reasons: LIKE, and the samples that ANALYZE takes where STAT4 is compiled in.
# What happens: one partial index whose condition compares a column with a value is enough. A statement that compares that column
# with a parameter might be able to use it, for one value of the parameter. So it is planned anew after every bind, even if the
# value is the same again, and even if it is one that never lets the index be used. No statistics are there, and the plan is always
# the same. So what a cache of prepared statements saves is paid again at each run. SQLITE_DBCONFIG_ENABLE_QPSG ends it.
#
# rusqlite 0.41.1 (SQLite 3.54.1). Seen, a thousand runs of one prepared statement with one value:
#   an index of all rows: planned anew 0 times
#   beside a partial index of another state: planned anew 1000 times
#   the same with SQLITE_DBCONFIG_ENABLE_QPSG: planned anew 0 times
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
rusqlite = { version = "=0.41.1", features = ["bundled"] }
TOML
cat >"$folder/src/main.rs" <<'RUST'
use rusqlite::config::DbConfig;
use rusqlite::{Connection, StatementStatus};

const RUNS: u32 = 1000;
const DUE: &str = "SELECT id FROM calls WHERE state = ?1 AND due_at < ?2 ORDER BY due_at LIMIT 5";
const PARTIAL: &str = "CREATE INDEX calls_that_failed ON calls (due_at) WHERE state = 'failed'";

fn main() -> rusqlite::Result<()> {
    println!("SQLite {}", rusqlite::version());
    let db = Connection::open_in_memory()?;
    db.execute_batch(
        "CREATE TABLE calls (id INTEGER PRIMARY KEY, state TEXT NOT NULL, due_at INTEGER NOT NULL);
         CREATE INDEX calls_by_state ON calls (state, due_at);
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)
         INSERT INTO calls SELECT n, CASE n % 10 WHEN 0 THEN 'failed' ELSE 'queued' END, n FROM numbers",
    )?;
    look(&db, "an index of all rows")?;
    db.execute_batch(PARTIAL)?;
    look(&db, "beside a partial index of another state")?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    look(&db, "the same with SQLITE_DBCONFIG_ENABLE_QPSG")
}

fn look(db: &Connection, name: &str) -> rusqlite::Result<()> {
    let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {DUE}"))?;
    let plan: String = plan.query_row(("queued", 7000), |row| row.get("detail"))?;
    assert!(plan.contains("INDEX calls_by_state (state=? AND due_at<?)"), "{plan}");
    let mut due = db.prepare(DUE)?;
    for _ in 0..RUNS {
        let mut rows = due.query(("queued", 7000))?;
        while rows.next()?.is_some() {}
    }
    println!("{name}: planned anew {} times", due.get_status(StatementStatus::RePrepare));
    Ok(())
}
RUST
cargo run --quiet --manifest-path "$folder/Cargo.toml" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
SQLite 3.54.1
an index of all rows: planned anew 0 times
beside a partial index of another state: planned anew 1000 times
the same with SQLITE_DBCONFIG_ENABLE_QPSG: planned anew 0 times
SEEN
