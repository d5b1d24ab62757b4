-- What was listed at a provider becomes events, and every event says where it came from.

-- webhook, lookup or backfill. What we looked up was known by how its key begins; no webhook's key begins so.
ALTER TABLE events ADD COLUMN origin TEXT NOT NULL DEFAULT 'webhook';
UPDATE events SET origin = 'lookup' WHERE dedup_key LIKE 'lookup/%';

-- How surely an id is somebody's, as store::rows::evidence_micros writes it: since when, or a number that no time has.
ALTER TABLE identities RENAME COLUMN at TO evidence;

-- Lists of a provider that somebody asked for, and how far each is.
CREATE TABLE backfills (
    id            INTEGER PRIMARY KEY,
    endpoint      TEXT NOT NULL,
    since         INTEGER NOT NULL,
    until         INTEGER NOT NULL,
    state         TEXT NOT NULL,
    -- Which list is read, and the path of its next page; nothing before the first.
    list          INTEGER NOT NULL DEFAULT 0,
    page          TEXT,
    requests      INTEGER NOT NULL DEFAULT 0,
    -- Failures in a row, why the last one failed, and when it goes on.
    failures      INTEGER NOT NULL DEFAULT 0,
    note          TEXT,
    due_at        INTEGER NOT NULL,
    -- Rows of all pages; those of an event that is recorded already; those that report nothing.
    found         INTEGER NOT NULL DEFAULT 0,
    known         INTEGER NOT NULL DEFAULT 0,
    ignored       INTEGER NOT NULL DEFAULT 0,
    recorded      INTEGER NOT NULL DEFAULT 0,
    -- What would be told, as JSON, once that is known.
    summary       TEXT,
    created_at    INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL,
    claimed_until INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX backfills_by_state ON backfills (state, due_at);

-- What was listed and is no event yet. It is recorded in the order of stage and time.
CREATE TABLE listed (
    id                INTEGER PRIMARY KEY,
    backfill          INTEGER NOT NULL,
    dedup_key         TEXT NOT NULL,
    provider_event_id TEXT,
    type              TEXT NOT NULL,
    snapshot_event    TEXT,
    stage             INTEGER NOT NULL,
    at                INTEGER NOT NULL,
    -- Whose status it tells: of several the newest is kept.
    status_of         TEXT,
    body              BLOB NOT NULL,
    -- What it would come to, and the calls that it would lead to, once that was tried out.
    outcome           TEXT,
    calls             TEXT,
    UNIQUE (backfill, dedup_key)
) STRICT;

CREATE INDEX listed_in_order ON listed (backfill, stage, at, id);
CREATE INDEX listed_to_weigh ON listed (backfill, id) WHERE outcome IS NULL;
CREATE INDEX listed_statuses ON listed (backfill, status_of) WHERE status_of IS NOT NULL;

-- The ids by which what was listed belongs together.
CREATE TABLE listed_ids (
    backfill INTEGER NOT NULL,
    key      TEXT NOT NULL,
    listed   INTEGER NOT NULL,
    PRIMARY KEY (backfill, key, listed)
) STRICT, WITHOUT ROWID;

CREATE INDEX listed_ids_of ON listed_ids (listed);
