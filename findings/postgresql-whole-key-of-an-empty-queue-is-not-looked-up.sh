#!/usr/bin/env bash
# PostgreSQL's primary key of a queue: a row that is asked for by the whole of it is found by another index, through all rows.
#
# A good guess: a condition on all columns of the primary key finds its one row by the key's index, whatever the statistics say. No
# other way can be cheaper.
# What happens: statistics of a queue that keeps up say that the table is empty, and then all ways to its one row cost the same:
# also the one by an index that begins with a column of the key and has others after it. When work has piled up, each look for one
# row reads all of it. In an index that has that column in a form of its own ((tenant || '')), the key is not sought.
#
# pgserver 0.1.4 (PostgreSQL 16.2), psycopg2-binary 2.9.10. Seen:
#   by the whole key, beside an index of the column: ('queue_by_due', 20000)
#   by the whole key, beside one of the column in other words: ('queue_pkey', 1)
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

BACKLOG = 20_000
FILL = f"INSERT INTO queue SELECT 'one', 'customer-' || n, n FROM generate_series(1, {BACKLOG}) n"
BY_KEY = "SELECT due_at FROM queue WHERE tenant = 'one' AND customer = 'customer-7'"


def read(cursor):
    """The index by which the row is found, and the entries that are read for it."""
    cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + BY_KEY)
    todo = [cursor.fetchone()[0][0]["Plan"]]
    while todo:
        node = todo.pop()
        todo += node.get("Plans", [])
        if "Index Name" in node:
            return node["Index Name"], node["Actual Rows"] + node.get("Rows Removed by Filter", 0)


server = pgserver.get_server(tempfile.mkdtemp())
connection = psycopg2.connect(server.get_uri())
connection.autocommit = True
cursor = connection.cursor()
cursor.execute("SHOW server_version")
print("PostgreSQL", cursor.fetchone()[0])
for name, column in [("an index of the column", "tenant"), ("one of the column in other words", "(tenant || '')")]:
    cursor.execute("DROP TABLE IF EXISTS queue")
    cursor.execute(
        "CREATE TABLE queue (tenant TEXT, customer TEXT, due_at BIGINT, PRIMARY KEY (tenant, customer)) "
        "WITH (autovacuum_enabled = off)"
    )
    cursor.execute(f"CREATE INDEX queue_by_due ON queue ({column}, due_at)")
    # Work came in and is done, and the server looks. The room is kept, as it is where somebody is at work.
    cursor.execute(FILL)
    cursor.execute("DELETE FROM queue")
    cursor.execute("VACUUM (TRUNCATE FALSE, ANALYZE) queue")
    # More comes in, faster than it is done.
    cursor.execute(FILL)
    print(f"by the whole key, beside {name}: {read(cursor)}")
connection.close()
server.cleanup()
PYTHON
"$folder/venv/bin/python" "$folder/finding.py" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
PostgreSQL 16.2
by the whole key, beside an index of the column: ('queue_by_due', 20000)
by the whole key, beside one of the column in other words: ('queue_pkey', 1)
SEEN
