#!/usr/bin/env bash
# PostgreSQL's statement_timeout, and the statement COMMIT.
#
# A good guess: statement_timeout bounds each statement, and COMMIT is one. Whoever sets it knows how long the server keeps a
# connection busy, whatever is asked.
# What happens: the server puts its clock away before it commits. What is put off until then (here a foreign key that is
# DEFERRABLE INITIALLY DEFERRED, and waits for the row that it names) takes as long as it takes: in COMMIT, and in an INSERT that
# is a transaction of its own. The same key, checked at once, ends in time. lock_timeout goes on at a commit, so it ends that wait;
# it ends no other.
#
# pgserver 0.1.4 (PostgreSQL 16.2), psycopg2-binary 2.9.10. Seen, while somebody holds the row for two seconds:
#   INSERT, the key is checked at once: canceling statement due to statement timeout
#   INSERT alone, the key is checked at the commit: waits for the row, and is done
#   COMMIT: waits for the row, and is done
#   COMMIT, with a lock_timeout: canceling statement due to lock timeout
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
import threading

import pgserver
import psycopg2

HELD_SECONDS = 2
LIMIT = "SET statement_timeout = '200ms'"

server = pgserver.get_server(tempfile.mkdtemp())


def connect():
    connection = psycopg2.connect(server.get_uri())
    connection.autocommit = True
    return connection, connection.cursor()


(holding, holder), (working, worker) = connect(), connect()
worker.execute("SHOW server_version")
print("PostgreSQL", worker.fetchone()[0])
worker.execute("CREATE TABLE customers (id INT PRIMARY KEY)")
worker.execute("INSERT INTO customers VALUES (1)")
worker.execute("CREATE TABLE at_once (customer INT REFERENCES customers)")
worker.execute("CREATE TABLE put_off (customer INT REFERENCES customers DEFERRABLE INITIALLY DEFERRED)")


def look(name, before, last):
    """What comes of the last statement while somebody has the customer's row."""
    for statement in ["RESET ALL", LIMIT, *before]:
        worker.execute(statement)
    holder.execute("BEGIN")
    holder.execute("SELECT 1 FROM customers WHERE id = 1 FOR UPDATE")
    said = []

    def run():
        try:
            worker.execute(last)
            said.append("done")
        except psycopg2.Error as error:
            said.append(str(error).splitlines()[0])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(HELD_SECONDS)
    waits = thread.is_alive()
    holder.execute("COMMIT")
    thread.join()
    print(f"{name}: {'waits for the row, and is ' if waits else ''}{said[0]}")


look("INSERT, the key is checked at once", [], "INSERT INTO at_once VALUES (1)")
look("INSERT alone, the key is checked at the commit", [], "INSERT INTO put_off VALUES (1)")
begun = ["BEGIN", "INSERT INTO put_off VALUES (1)"]
look("COMMIT", begun, "COMMIT")
look("COMMIT, with a lock_timeout", ["SET lock_timeout = '400ms'", *begun], "COMMIT")
working.close()
holding.close()
server.cleanup()
PYTHON
"$folder/venv/bin/python" "$folder/finding.py" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN'
PostgreSQL 16.2
INSERT, the key is checked at once: canceling statement due to statement timeout
INSERT alone, the key is checked at the commit: waits for the row, and is done
COMMIT: waits for the row, and is done
COMMIT, with a lock_timeout: canceling statement due to lock timeout
SEEN
