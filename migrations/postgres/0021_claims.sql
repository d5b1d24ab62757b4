-- What a replica has to read is one row for all of it. A mark in each event was a new version of it, with an entry in each of its
-- indexes. `until` is a time of this database's clock, microseconds.
CREATE TABLE claims (
    replica BIGINT PRIMARY KEY,
    events  BIGINT[] NOT NULL,
    until   BIGINT NOT NULL
);

DROP TRIGGER events_unclaimed ON events;
DROP FUNCTION unclaim_event();
ALTER TABLE events DROP COLUMN claimed_by, DROP COLUMN claimed_until;
