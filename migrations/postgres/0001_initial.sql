-- The same tables as SQLite's, and the same statements run on them: times are microseconds since 1970, truth is 0 or 1.
-- What is here alone serves several replicas at work on one database.

-- Every event that was answered 2xx, for ever: redeliveries are recognised by dedup_key however late they come.
-- claimed_by is the replica that has it to read, until claimed_until by this database's clock.
CREATE TABLE events (
    id                BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint          TEXT NOT NULL,
    provider          TEXT NOT NULL,
    business          TEXT NOT NULL,
    dedup_key         TEXT NOT NULL,
    provider_event_id TEXT,
    type              TEXT NOT NULL,
    state             TEXT NOT NULL,
    reason            TEXT,
    detail            TEXT,
    received_at       BIGINT NOT NULL,
    claimed_until     BIGINT NOT NULL DEFAULT 0,
    claimed_by        BIGINT NOT NULL DEFAULT 0,
    UNIQUE (endpoint, dedup_key)
);

CREATE INDEX events_inbox ON events (id) WHERE state = 'received';
CREATE INDEX events_by_provider_id ON events (provider_event_id);
CREATE INDEX events_by_state ON events (state, id);

-- Raw bodies, zstd; removed after retention_days.
CREATE TABLE bodies (
    event_id BIGINT PRIMARY KEY REFERENCES events (id),
    body     BYTEA NOT NULL
);

-- What an event reports. email_key is null as long as nobody knows whom it is about.
CREATE TABLE facts (
    event_id    BIGINT PRIMARY KEY REFERENCES events (id),
    business    TEXT NOT NULL,
    scope       TEXT NOT NULL,
    customer    TEXT,
    email_key   TEXT,
    has_code    BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    data        TEXT NOT NULL
);

CREATE INDEX facts_by_person ON facts (business, email_key);
CREATE INDEX facts_with_code ON facts (scope, customer) WHERE has_code = 1;

-- Whose an id of the provider's is; the newest fact that told it counts.
CREATE TABLE known (
    scope     TEXT NOT NULL,
    key       TEXT NOT NULL,
    email_key TEXT NOT NULL,
    at        BIGINT NOT NULL,
    PRIMARY KEY (scope, key)
);

-- Facts that wait for one of their ids to become known.
CREATE TABLE waiting (
    scope    TEXT NOT NULL,
    key      TEXT NOT NULL,
    event_id BIGINT NOT NULL,
    PRIMARY KEY (scope, key, event_id)
);

CREATE INDEX waiting_by_event ON waiting (event_id);

-- Every call to Refairn that is to be made, was made, or will not be made. One per subject: a payment that is
-- reported twice cannot be sent twice.
CREATE TABLE deliveries (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    business         TEXT NOT NULL,
    email_key        TEXT NOT NULL,
    event_id         BIGINT NOT NULL,
    subject_key      TEXT NOT NULL,
    subject          TEXT NOT NULL,
    kind             TEXT NOT NULL,
    mode             TEXT NOT NULL,
    at               BIGINT NOT NULL,
    call             TEXT NOT NULL,
    state            TEXT NOT NULL,
    reason           TEXT,
    detail           TEXT,
    attention        BIGINT NOT NULL,
    released         BIGINT NOT NULL,
    acknowledged     BIGINT NOT NULL,
    due_at           BIGINT NOT NULL,
    attempts         BIGINT NOT NULL,
    first_attempt_at BIGINT,
    patient_since    BIGINT,
    outcome_unknown  BIGINT NOT NULL,
    settled_at       BIGINT,
    receipt          TEXT,
    created_at       BIGINT NOT NULL,
    UNIQUE (business, subject_key)
);

CREATE INDEX deliveries_by_person ON deliveries (business, email_key);
CREATE INDEX deliveries_by_event ON deliveries (event_id);
CREATE INDEX deliveries_by_state ON deliveries (state, id);
CREATE INDEX deliveries_by_attention ON deliveries (id) WHERE attention = 1;
CREATE INDEX deliveries_by_email ON deliveries (email_key, id);

CREATE TABLE attempts (
    delivery_id BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    took_ms     BIGINT NOT NULL,
    status      BIGINT,
    outcome     TEXT NOT NULL,
    response    TEXT,
    PRIMARY KEY (delivery_id, n)
);

-- The hot queue: one narrow row per customer with something to send. A lease ends at leased_until by this database's
-- clock; the fence is the delivery's count of attempts, which every lease raises.
CREATE TABLE queue (
    business    TEXT NOT NULL,
    email_key   TEXT NOT NULL,
    product     TEXT NOT NULL,
    delivery_id BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    leased      BIGINT NOT NULL DEFAULT 0,
    fence       BIGINT NOT NULL DEFAULT 0,
    leased_until BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (business, email_key)
);

CREATE INDEX queue_by_route ON queue (business, product, due_at);
CREATE INDEX queue_by_due ON queue (due_at);

-- A route pauses when Refairn refuses our configuration rather than the call.
CREATE TABLE routes (
    business     TEXT NOT NULL,
    product      TEXT NOT NULL,
    paused_since BIGINT,
    probe_at     BIGINT,
    detail       TEXT,
    PRIMARY KEY (business, product)
);

-- Counts by state. The triggers below only ever add rows to count_changes: a row of sums would have every write wait
-- for every other. From time to time they are added up in count_sums; the view has both.
CREATE TABLE count_sums (
    what  TEXT NOT NULL,
    state TEXT NOT NULL,
    n     BIGINT NOT NULL,
    PRIMARY KEY (what, state)
);

CREATE TABLE count_changes (
    what  TEXT NOT NULL,
    state TEXT NOT NULL,
    n     BIGINT NOT NULL
);

CREATE VIEW counts AS
SELECT what, state, CAST(SUM(n) AS BIGINT) AS n
FROM (SELECT what, state, n FROM count_sums UNION ALL SELECT what, state, n FROM count_changes) AS every_count
GROUP BY what, state;

CREATE FUNCTION count_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO count_changes VALUES ('events', old.state, -1);
    END IF;
    INSERT INTO count_changes VALUES ('events', new.state, 1);
    RETURN NULL;
END $$;

CREATE FUNCTION count_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO count_changes VALUES ('deliveries', old.state, -1), ('attention', 'deliveries', -old.attention);
    END IF;
    INSERT INTO count_changes VALUES ('deliveries', new.state, 1), ('attention', 'deliveries', new.attention);
    RETURN NULL;
END $$;

CREATE TRIGGER events_counted AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION count_event();
CREATE TRIGGER events_recounted AFTER UPDATE OF state ON events FOR EACH ROW
WHEN (old.state <> new.state) EXECUTE FUNCTION count_event();
CREATE TRIGGER deliveries_counted AFTER INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION count_delivery();
CREATE TRIGGER deliveries_recounted AFTER UPDATE OF state, attention ON deliveries FOR EACH ROW
WHEN (old.state <> new.state OR old.attention <> new.attention) EXECUTE FUNCTION count_delivery();

-- An event that is to be read anew is nobody's.
CREATE FUNCTION unclaim_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.claimed_until := 0;
    RETURN new;
END $$;

CREATE TRIGGER events_unclaimed BEFORE UPDATE OF state ON events FOR EACH ROW
WHEN (new.state = 'received') EXECUTE FUNCTION unclaim_event();
