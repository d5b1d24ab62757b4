-- Every event that was answered 2xx, for ever: redeliveries are recognised by dedup_key however late they come.
CREATE TABLE events (
    id                INTEGER PRIMARY KEY,
    endpoint          TEXT NOT NULL,
    provider          TEXT NOT NULL,
    business          TEXT NOT NULL,
    dedup_key         TEXT NOT NULL,
    provider_event_id TEXT,
    type              TEXT NOT NULL,
    state             TEXT NOT NULL,
    reason            TEXT,
    detail            TEXT,
    received_at       INTEGER NOT NULL,
    UNIQUE (endpoint, dedup_key)
) STRICT;

CREATE INDEX events_inbox ON events (id) WHERE state = 'received';
CREATE INDEX events_by_provider_id ON events (provider_event_id);
CREATE INDEX events_by_state ON events (state, id);

-- Raw bodies, zstd; removed after retention_days.
CREATE TABLE bodies (
    event_id INTEGER PRIMARY KEY REFERENCES events (id),
    body     BLOB NOT NULL
) STRICT;

-- What an event reports. email_key is null as long as nobody knows whom it is about.
CREATE TABLE facts (
    event_id    INTEGER PRIMARY KEY REFERENCES events (id),
    business    TEXT NOT NULL,
    scope       TEXT NOT NULL,
    customer    TEXT,
    email_key   TEXT,
    has_code    INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    data        TEXT NOT NULL
) STRICT;

CREATE INDEX facts_by_person ON facts (business, email_key);
CREATE INDEX facts_with_code ON facts (scope, customer) WHERE has_code = 1;

-- Whose an id of the provider's is; the newest fact that told it counts.
CREATE TABLE known (
    scope     TEXT NOT NULL,
    key       TEXT NOT NULL,
    email_key TEXT NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

-- Facts that wait for one of their ids to become known.
CREATE TABLE waiting (
    scope    TEXT NOT NULL,
    key      TEXT NOT NULL,
    event_id INTEGER NOT NULL,
    PRIMARY KEY (scope, key, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting_by_event ON waiting (event_id);

-- Every call to Refairn that is to be made, was made, or will not be made. One per subject: a payment that is
-- reported twice cannot be sent twice.
CREATE TABLE deliveries (
    id               INTEGER PRIMARY KEY,
    business         TEXT NOT NULL,
    email_key        TEXT NOT NULL,
    event_id         INTEGER NOT NULL,
    subject_key      TEXT NOT NULL,
    subject          TEXT NOT NULL,
    kind             TEXT NOT NULL,
    mode             TEXT NOT NULL,
    at               INTEGER NOT NULL,
    call             TEXT NOT NULL,
    state            TEXT NOT NULL,
    reason           TEXT,
    detail           TEXT,
    attention        INTEGER NOT NULL,
    released         INTEGER NOT NULL,
    acknowledged     INTEGER NOT NULL,
    due_at           INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    first_attempt_at INTEGER,
    patient_since    INTEGER,
    outcome_unknown  INTEGER NOT NULL,
    settled_at       INTEGER,
    receipt          TEXT,
    created_at       INTEGER NOT NULL,
    UNIQUE (business, subject_key)
) STRICT;

CREATE INDEX deliveries_by_person ON deliveries (business, email_key);
CREATE INDEX deliveries_by_event ON deliveries (event_id);
CREATE INDEX deliveries_by_state ON deliveries (state, id);
CREATE INDEX deliveries_by_attention ON deliveries (id) WHERE attention = 1;
CREATE INDEX deliveries_by_email ON deliveries (email_key, id);

CREATE TABLE attempts (
    delivery_id INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    took_ms     INTEGER NOT NULL,
    status      INTEGER,
    outcome     TEXT NOT NULL,
    response    TEXT,
    PRIMARY KEY (delivery_id, n)
) STRICT, WITHOUT ROWID;

-- The hot queue: one narrow row per customer with something to send. A lease moves due_at to its deadline, so an
-- expired one is simply due again; the fence is the delivery's count of attempts, which every lease raises.
CREATE TABLE queue (
    business    TEXT NOT NULL,
    email_key   TEXT NOT NULL,
    product     TEXT NOT NULL,
    delivery_id INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    leased      INTEGER NOT NULL DEFAULT 0,
    fence       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (business, email_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX queue_by_route ON queue (business, product, due_at);
CREATE INDEX queue_by_due ON queue (due_at);

-- A route pauses when Refairn refuses our configuration rather than the call.
CREATE TABLE routes (
    business     TEXT NOT NULL,
    product      TEXT NOT NULL,
    paused_since INTEGER,
    probe_at     INTEGER,
    detail       TEXT,
    PRIMARY KEY (business, product)
) STRICT, WITHOUT ROWID;

-- Counts by state, kept by the triggers below: gauges and the dashboard never count the tables themselves.
CREATE TABLE counts (
    what  TEXT NOT NULL,
    state TEXT NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (what, state)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER events_counted AFTER INSERT ON events BEGIN
    INSERT INTO counts VALUES ('events', new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER events_recounted AFTER UPDATE OF state ON events WHEN old.state <> new.state BEGIN
    UPDATE counts SET n = n - 1 WHERE what = 'events' AND state = old.state;
    INSERT INTO counts VALUES ('events', new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER deliveries_counted AFTER INSERT ON deliveries BEGIN
    INSERT INTO counts VALUES ('deliveries', new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO counts VALUES ('attention', 'deliveries', new.attention) ON CONFLICT DO UPDATE SET n = n + new.attention;
END;
CREATE TRIGGER deliveries_recounted AFTER UPDATE OF state, attention ON deliveries
WHEN old.state <> new.state OR old.attention <> new.attention BEGIN
    UPDATE counts SET n = n - 1 WHERE what = 'deliveries' AND state = old.state;
    INSERT INTO counts VALUES ('deliveries', new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    UPDATE counts SET n = n + new.attention - old.attention WHERE what = 'attention';
END;
