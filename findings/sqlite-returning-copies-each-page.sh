#!/usr/bin/env bash
# SQLite's RETURNING, and a trigger that finds nothing to do.
#
# A good guess: RETURNING hands out what the statement has in its hands, so INSERT ... RETURNING id costs what INSERT does. And a
# trigger whose WHEN is false costs a comparison.
# What happens: both make the statement one that may have to be undone by itself, where the table has a constraint that can fail
# (a NOT NULL is enough). Within a transaction SQLite then copies each page that the statement changes, as it was before, into a
# journal of the statement. For one row with six indexes these are seven pages, though nothing fails; without RETURNING and
# the trigger there is no journal. The copies stay in memory up to a limit, so no file shows them; here the limit is nothing.
#
# apsw 3.54.1.0 (SQLite 3.54.1). Seen, pages copied for one row:
#   INSERT: 0
#   INSERT ... RETURNING id: 7
#   INSERT, with a trigger whose WHEN is false: 7
#   UPDATE of one column: 0
#   UPDATE of one column ... RETURNING id: 3
#   UPDATE of one column, with a trigger on it whose WHEN is false: 3
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

INDEXES, ROWS, PAGE, NUMBER = 6, 20_000, 4096, 4
copied = 0


class File(apsw.VFSFile):
    def __init__(self, name, flags):
        self.is_of_a_statement = bool(flags[0] & apsw.SQLITE_OPEN_SUBJOURNAL)
        super().__init__("", name, flags)

    def xWrite(self, data, offset):
        global copied
        copied += len(data) if self.is_of_a_statement else 0
        super().xWrite(data, offset)


class Files(apsw.VFS):
    def __init__(self):
        super().__init__("files", "")

    def xOpen(self, name, flags):
        return File(name, flags)


apsw.shutdown()
apsw.config(apsw.SQLITE_CONFIG_STMTJRNL_SPILL, 0)
files = Files()
db = apsw.Connection(os.path.join(sys.argv[1], "calls.db"), vfs="files")
db.execute(f"PRAGMA page_size = {PAGE}; PRAGMA journal_mode = WAL; PRAGMA temp_store = FILE")
names = [f"c{n}" for n in range(INDEXES)]
db.execute(f"CREATE TABLE calls (id INTEGER PRIMARY KEY, {', '.join(f'{name} TEXT NOT NULL' for name in names)})")
for name in names:
    db.execute(f"CREATE INDEX calls_by_{name} ON calls ({name})")
chance = random.Random(1)


def values():
    return [chance.randbytes(16).hex() for _ in names]


INSERT = f"INSERT INTO calls ({', '.join(names)}) VALUES (?{', ?' * (INDEXES - 1)})"
UPDATE = "UPDATE calls SET c0 = ? WHERE id = 100"
with db:
    db.executemany(INSERT, [values() for _ in range(ROWS)])
row = values()


def look(name, statement, given):
    """Pages that are copied for a statement in a transaction that has written before."""
    global copied
    db.execute("BEGIN")
    db.execute("DELETE FROM calls WHERE id = 1")
    copied = 0
    db.execute(statement, given).fetchall()
    print(f"{name}: {copied // (PAGE + NUMBER)}")
    db.execute("ROLLBACK")


print("SQLite", apsw.sqlite_lib_version())
for name, statement, given, event in [
    ("INSERT", INSERT, row, "INSERT"),
    ("UPDATE of one column", UPDATE, row[:1], "UPDATE OF c0"),
]:
    look(name, statement, given)
    look(f"{name} ... RETURNING id", f"{statement} RETURNING id", given)
    db.execute(f"CREATE TRIGGER idle AFTER {event} ON calls WHEN new.c0 = 'never' BEGIN SELECT 1; END")
    on = " on it" if event != "INSERT" else ""
    look(f"{name}, with a trigger{on} whose WHEN is false", statement, given)
    db.execute("DROP TRIGGER idle")
PYTHON
"$folder/venv/bin/python" "$folder/finding.py" "$folder" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
SQLite 3.54.1
INSERT: 0
INSERT ... RETURNING id: 7
INSERT, with a trigger whose WHEN is false: 7
UPDATE of one column: 0
UPDATE of one column ... RETURNING id: 3
UPDATE of one column, with a trigger on it whose WHEN is false: 3
SEEN
