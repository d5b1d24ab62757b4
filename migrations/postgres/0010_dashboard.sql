-- What the dashboard asks for is found by an index.

-- Payments by all that tells what became of them, and then by the time when they were paid: how many of a time stand alike
-- is counted without reading a row.
CREATE INDEX payments_by_standing ON deliveries (mode, fate, attention, state, at)
    WHERE substr(subject_key, 1, 8) = 'payment ';

-- Events of one type, however rare it is.
CREATE INDEX events_by_type ON events (type, id);

-- What all processes of this store have to know alike.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
