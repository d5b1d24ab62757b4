-- What the dashboard asks for is found by an index.

-- Payments by the time when they were paid, with all that tells what became of them: a chart of a year reads no row.
DROP INDEX payments_by_time;
CREATE INDEX payments_by_time ON deliveries (at, id, fate, state, attention, mode)
    WHERE substr(subject_key, 1, 8) = 'payment ';

-- What all processes of this store have to know alike.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
