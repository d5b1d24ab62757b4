#!/usr/bin/env bash
# PostgreSQL's partial index of a queue: rows whose work is done leave it, and ANALYZE sees it empty.
#
# A good guess: to find ten rows by their primary key, of which the state is looked at too, ten entries of the key's index are
# read, however long the queue is. The partial index of the queue serves those who look for the oldest of it.
# What happens: statistics of a queue that keeps up say that nothing is in that state. The partial index has the key as its
# column, so the planner takes a whole walk through it for the cheapest way to the ten rows, and joins. That is so as long as the
# queue is empty, and when work has piled up, each batch reads all of the backlog: its end takes the square of its length. A
# condition that the index does not know (state || '' = 'received') leads by the primary key. Autovacuum looks again when a tenth of
# the table has changed, which in a table of millions is long after.
#
# pgserver 0.1.4 (PostgreSQL 16.2), psycopg2-binary 2.9.10. Seen:
#   ten rows by number, the state as the index has it: ('events_inbox', 20000)
#   ten rows by number, the state in other words: ('events_pkey', 10)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
mkdir -m 700 "$folder/runtime"
export XDG_RUNTIME_DIR="$folder/runtime"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pgserver==0.1.4 psycopg2-binary==2.9.10
cat >"$folder/finding.py" <<'PYTHON'
import tempfile

import pgserver
import psycopg2

ROWS = 50_000
BACKLOG = 20_000
BATCH = list(range(1, 11))
AS_INDEXED = "state = 'received'"
OTHERWISE = "state || '' = 'received'"


def read(connection, condition):
    """The index by which the rows of a batch are found, and the entries and rows that are read for it."""
    cursor = connection.cursor()
    sql = f"SELECT id FROM unnest(%s) AS given (n) JOIN events ON id = n WHERE {condition}"
    cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, (BATCH,))
    found, todo = None, [cursor.fetchone()[0][0]["Plan"]]
    while todo:
        node = todo.pop()
        todo += node.get("Plans", [])
        if "Index Name" in node:
            found = (node["Index Name"], int(node["Actual Rows"] * node["Actual Loops"]))
    return found


server = pgserver.get_server(tempfile.mkdtemp())
connection = psycopg2.connect(server.get_uri())
connection.autocommit = True
cursor = connection.cursor()
cursor.execute("SHOW server_version")
print("PostgreSQL", cursor.fetchone()[0])
cursor.execute("CREATE TABLE events (id BIGINT PRIMARY KEY, state TEXT NOT NULL) WITH (autovacuum_enabled = off)")
cursor.execute("CREATE INDEX events_inbox ON events (id) WHERE state = 'received'")
cursor.execute("INSERT INTO events SELECT n, 'mapped' FROM generate_series(1, %s) n", (ROWS,))
cursor.execute("VACUUM ANALYZE events")
# Work comes in: the batch is its oldest part.
cursor.execute("UPDATE events SET state = 'received' WHERE id <= %s", (BACKLOG,))
for name, condition in [("as the index has it", AS_INDEXED), ("in other words", OTHERWISE)]:
    print(f"ten rows by number, the state {name}: {read(connection, condition)}")
connection.close()
server.cleanup()
PYTHON
"$folder/venv/bin/python" "$folder/finding.py" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
PostgreSQL 16.2
ten rows by number, the state as the index has it: ('events_inbox', 20000)
ten rows by number, the state in other words: ('events_pkey', 10)
SEEN
