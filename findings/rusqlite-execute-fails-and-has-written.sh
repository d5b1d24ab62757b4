#!/usr/bin/env bash
# rusqlite's execute and query, and a statement that writes and gives rows.
#
# A good guess: what came of a call is what came of the statement. execute refuses a statement with RETURNING, as its manual
# says, so an error means that nothing is written, and one may try again. query gives Ok, so the row is there.
# What happens: it is the other way round. execute runs the statement, which SQLite does as a whole before it gives the first row,
# and then finds that there is one: the error comes after the write is committed. Whoever tries again counts twice. query has only
# bound the parameters when it gives Ok: who does not ask for a row has written nothing.
#
# rusqlite 0.41.1 (SQLite 3.54.1). Seen, in turns:
#   execute: Err(ExecuteReturnedResults), and 1 is counted
#   execute again: Err(ExecuteReturnedResults), and 2 are counted
#   query, whose rows nobody reads: Ok, and 2 are counted
#   query_row: Ok(3), and 3 are counted
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
use rusqlite::{Connection, Result};

const COUNT_ONE: &str = "UPDATE counts SET n = n + 1 RETURNING n";

fn main() -> Result<()> {
    println!("SQLite {}", rusqlite::version());
    let path = std::env::args().nth(1).expect("a path");
    let db = Connection::open(&path)?;
    db.execute_batch("CREATE TABLE counts (n INTEGER NOT NULL); INSERT INTO counts VALUES (0)")?;
    // Another connection sees only what is committed.
    let other = Connection::open(&path)?;
    let counted = || other.query_row("SELECT n FROM counts", [], |row| row.get::<_, i64>(0));
    println!("execute: {:?}, and {} is counted", db.execute(COUNT_ONE, []), counted()?);
    println!("execute again: {:?}, and {} are counted", db.execute(COUNT_ONE, []), counted()?);
    let mut statement = db.prepare(COUNT_ONE)?;
    let came = statement.query([]).map(drop);
    println!("query, whose rows nobody reads: {}, and {} are counted", if came.is_ok() { "Ok" } else { "Err" }, counted()?);
    let row = statement.query_row([], |row| row.get::<_, i64>(0));
    println!("query_row: {row:?}, and {} are counted", counted()?);
    Ok(())
}
RUST
cargo run --quiet --manifest-path "$folder/Cargo.toml" -- "$folder/counts.db" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
SQLite 3.54.1
execute: Err(ExecuteReturnedResults), and 1 is counted
execute again: Err(ExecuteReturnedResults), and 2 are counted
query, whose rows nobody reads: Ok, and 2 are counted
query_row: Ok(3), and 3 are counted
SEEN
