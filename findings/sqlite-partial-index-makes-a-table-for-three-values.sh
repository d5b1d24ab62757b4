#!/usr/bin/env bash
# SQLite's partial index whose condition is a list: WHERE state NOT IN ('queued', 'sending', 'delivered').
#
# A good guess: to see whether a row belongs into the index, three constants are compared with its state. It costs as much as
# three comparisons, and the list is made once for a prepared statement, if it is made at all.
# What happens: with two values it is so. With three or more the list is a temporary B-tree. Every statement that writes such
# a row makes it anew each time it runs, an UPDATE twice: for the row as it was and for the row as it is. Each has a page
# cache and pages of its own, so an UPDATE that changes a few bytes of one row takes much longer. EXPLAIN QUERY PLAN says
# nothing of it; EXPLAIN does. Said as state <> 'queued' AND state <> 'sending' AND ... it costs three comparisons, and the
# statements that look for rows have to be in the same words.
#
# apsw 3.54.1.0 (SQLite 3.54.1). Seen, temporary tables that one statement makes:
#   NOT IN two values: INSERT 0, UPDATE 0, SELECT by the index 0
#   NOT IN three values: INSERT 1, UPDATE 2, SELECT by the index 1
#   three values that are compared: INSERT 0, UPDATE 0, SELECT by the index 0
#   an UPDATE beside a list of three takes longer than beside three comparisons: True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check apsw==3.54.1.0
cat >"$folder/finding.py" <<'PYTHON'
import time

import apsw

CONDITIONS = {
    "NOT IN two values": "state NOT IN ('queued', 'sending')",
    "NOT IN three values": "state NOT IN ('queued', 'sending', 'delivered')",
    "three values that are compared": "state <> 'queued' AND state <> 'sending' AND state <> 'delivered'",
}
UPDATE = "UPDATE calls SET state = ?2 WHERE id = ?1"


def store(condition):
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE calls (id INTEGER PRIMARY KEY, state TEXT NOT NULL)")
    db.execute(f"CREATE INDEX calls_by_state ON calls (state, id) WHERE {condition}")
    return db


def tables(db, sql):
    explained = db.execute(f"EXPLAIN {sql}", [None] * sql.count("?"))
    return sum(row[1] == "OpenEphemeral" for row in explained)


def quickest(db):
    db.execute("INSERT INTO calls VALUES (1, 'queued')")
    times = []
    for _ in range(20):
        begun = time.process_time()
        with db:
            for n in range(2000):
                db.execute(UPDATE, [1, "sending" if n % 2 else "queued"])
        times.append(time.process_time() - begun)
    return min(times)


for name, condition in CONDITIONS.items():
    db = store(condition)
    select = f"SELECT id FROM calls WHERE {condition} AND state = 'held' ORDER BY id"
    plan = list(db.execute(f"EXPLAIN QUERY PLAN {select}"))
    assert "calls_by_state" in plan[0][3], plan
    print(
        f"{name}: INSERT {tables(db, 'INSERT INTO calls VALUES (?1, ?2)')}, UPDATE {tables(db, UPDATE)}, "
        f"SELECT by the index {tables(db, select)}"
    )
listed, compared = (quickest(store(CONDITIONS[name])) for name in list(CONDITIONS)[1:])
print(f"an UPDATE beside a list of three takes longer than beside three comparisons: {listed > compared * 1.2}")
PYTHON
said=$("$folder/venv/bin/python" "$folder/finding.py")
echo "$said"
[[ "$said" == *"NOT IN two values: INSERT 0, UPDATE 0, SELECT by the index 0"* ]]
[[ "$said" == *"NOT IN three values: INSERT 1, UPDATE 2, SELECT by the index 1"* ]]
[[ "$said" == *"three values that are compared: INSERT 0, UPDATE 0, SELECT by the index 0"* ]]
[[ "$said" == *"than beside three comparisons: True"* ]]
