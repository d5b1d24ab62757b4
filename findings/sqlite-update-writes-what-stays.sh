#!/usr/bin/env bash
# SQLite's UPDATE of a row by all of its columns, when most of them keep their value.
#
# A good guess: an index is written anew when a value in it changes. An UPDATE that sets every column of a row, as mappers
# of objects to rows write it, costs the row, and the one index whose value is another.
# What happens: what counts is which columns the statement names. Each index over a named column loses its entry and gets
# the same one again, in the same transaction, and its page goes to the write-ahead log. With twelve indexes an UPDATE that
# changes one value writes thirteen pages, and one that changes nothing writes twelve; one that names only the column that
# changes writes two.
# So of a row that goes through several states, name what changed, and nothing else.
#
# apsw 3.54.1.0 (SQLite 3.54.1). Seen, with 20 000 rows and 12 indexes over random values:
#   names one column: 2 pages
#   names all columns, one value is another: 13 pages
#   names all columns, no value is another: 12 pages
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check apsw==3.54.1.0
cat >"$folder/finding.py" <<'PYTHON'
import os
import random
import sys

import apsw

INDEXES, ROWS, PAGE, FRAME_HEAD, LOG_HEAD = 12, 20_000, 4096, 24, 32
path = os.path.join(sys.argv[1], "calls.db")
db = apsw.Connection(path)
db.execute(f"PRAGMA page_size = {PAGE}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0")
names = [f"c{n}" for n in range(INDEXES)]
db.execute(f"CREATE TABLE calls (id INTEGER PRIMARY KEY, {', '.join(names)})")
for name in names:
    db.execute(f"CREATE INDEX calls_by_{name} ON calls ({name})")
chance = random.Random(1)
with db:
    for number in range(ROWS):
        values = [chance.randbytes(16).hex() for _ in names]
        db.execute(f"INSERT INTO calls VALUES (?{', ?' * INDEXES})", [number, *values])


def pages(sql, values):
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute(sql, values)
    return (os.path.getsize(path + "-wal") - LOG_HEAD) // (PAGE + FRAME_HEAD)


def row(number):
    return list(next(db.execute("SELECT * FROM calls WHERE id = ?", [number])))[1:]


every = f"UPDATE calls SET {', '.join(f'{name} = ?' for name in names)} WHERE id = ?"
one = pages("UPDATE calls SET c0 = ? WHERE id = ?", [row(100)[0][:-1] + "g", 100])
changed = row(9000)
changed[0] = changed[0][:-1] + "g"
print(f"names one column: {one} pages")
print(f"names all columns, one value is another: {pages(every, [*changed, 9000])} pages")
print(f"names all columns, no value is another: {pages(every, [*row(15000), 15000])} pages")
PYTHON
said=$("$folder/venv/bin/python" "$folder/finding.py" "$folder")
echo "$said"
[[ "$said" == *"names one column: 2 pages"* ]]
[[ "$said" == *"names all columns, one value is another: 13 pages"* ]]
[[ "$said" == *"names all columns, no value is another: 12 pages"* ]]
