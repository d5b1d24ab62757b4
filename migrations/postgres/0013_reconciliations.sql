-- What a provider lists is compared with what we have, and the result is kept.

-- record: what is listed becomes events. compare: it is only compared.
ALTER TABLE backfills ADD COLUMN purpose TEXT NOT NULL DEFAULT 'record';

-- The last result of each endpoint and period.
CREATE TABLE reconciliations (
    backfill    BIGINT PRIMARY KEY,
    endpoint    TEXT NOT NULL,
    since       BIGINT NOT NULL,
    until       BIGINT NOT NULL,
    time_zone   TEXT NOT NULL,
    summary     TEXT NOT NULL,
    -- How many payments a person has to look at.
    to_see      BIGINT NOT NULL,
    compared_at BIGINT NOT NULL
);

CREATE INDEX reconciliations_by_endpoint ON reconciliations (endpoint, since, until);

-- Payments as they were compared. Without data: another key of a payment, or a row that could not be read.
CREATE TABLE compared (
    backfill    BIGINT NOT NULL,
    subject_key TEXT NOT NULL,
    comparison  TEXT NOT NULL,
    rank        BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    data        TEXT,
    PRIMARY KEY (backfill, subject_key)
);

CREATE INDEX compared_in_order ON compared (backfill, at, subject_key);
