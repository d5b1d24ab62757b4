-- What was listed at a provider becomes events, and every event says where it came from.

-- webhook, lookup or backfill. What we looked up was known by how its key begins; no webhook's key begins so.
ALTER TABLE events ADD COLUMN origin TEXT NOT NULL DEFAULT 'webhook';
UPDATE events SET origin = 'lookup' WHERE dedup_key LIKE 'lookup/%';

-- How surely an id is somebody's, as store::rows::evidence_micros writes it: since when, or a number that no time has.
ALTER TABLE identities RENAME COLUMN at TO evidence;

-- Lists of a provider that somebody asked for, and how far each is.
CREATE TABLE backfills (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint      TEXT NOT NULL,
    since         BIGINT NOT NULL,
    until         BIGINT NOT NULL,
    state         TEXT NOT NULL,
    -- Which list is read, and the path of its next page; nothing before the first.
    list          BIGINT NOT NULL DEFAULT 0,
    page          TEXT,
    requests      BIGINT NOT NULL DEFAULT 0,
    -- Failures in a row, why the last one failed, and when it goes on.
    failures      BIGINT NOT NULL DEFAULT 0,
    note          TEXT,
    due_at        BIGINT NOT NULL,
    -- Rows of all pages; those of an event that is recorded already; those that report nothing.
    found         BIGINT NOT NULL DEFAULT 0,
    known         BIGINT NOT NULL DEFAULT 0,
    ignored       BIGINT NOT NULL DEFAULT 0,
    recorded      BIGINT NOT NULL DEFAULT 0,
    -- What would be told, as JSON, once that is known.
    summary       TEXT,
    created_at    BIGINT NOT NULL,
    changed_at    BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX backfills_by_state ON backfills (state, due_at);

-- What was listed and is no event yet. It is recorded in the order of stage and time.
CREATE TABLE listed (
    id                BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    backfill          BIGINT NOT NULL,
    dedup_key         TEXT NOT NULL,
    provider_event_id TEXT,
    type              TEXT NOT NULL,
    snapshot_event    TEXT,
    stage             BIGINT NOT NULL,
    at                BIGINT NOT NULL,
    -- Whose status it tells: of several the newest is kept.
    status_of         TEXT,
    body              BYTEA NOT NULL,
    -- What it would come to, and the calls that it would lead to, once that was tried out.
    outcome           TEXT,
    calls             TEXT,
    UNIQUE (backfill, dedup_key)
);

CREATE INDEX listed_in_order ON listed (backfill, stage, at, id);
CREATE INDEX listed_to_weigh ON listed (backfill, id) WHERE outcome IS NULL;
CREATE INDEX listed_statuses ON listed (backfill, status_of) WHERE status_of IS NOT NULL;

-- The ids by which what was listed belongs together.
CREATE TABLE listed_ids (
    backfill BIGINT NOT NULL,
    key      TEXT NOT NULL,
    listed   BIGINT NOT NULL,
    PRIMARY KEY (backfill, key, listed)
);

CREATE INDEX listed_ids_of ON listed_ids (listed);
