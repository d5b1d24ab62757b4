-- A scope is named after the provider's account, no more after the endpoint: ENDPOINT/ACCOUNT/MODE becomes
-- REALM/BUSINESS/ACCOUNT/MODE, so that two endpoints of one account hear of one sale. What follows this file,
-- rescope.sql, moves all that stands under a scope.

-- Nearly all rows of three tables change: each is written anew once, and its indexes after it, sorted in memory.
SET LOCAL work_mem = '128MB';
SET LOCAL maintenance_work_mem = '256MB';

-- The number of the reading by which an event was read; and for an event that only points at something, the provider's id
-- of the event that carries it. What repetitions of a Stripe event share has its type, too.
ALTER TABLE events ADD COLUMN reading BIGINT NOT NULL DEFAULT 1, ADD COLUMN snapshot_event TEXT,
    ALTER COLUMN dedup_key TYPE TEXT USING CASE
        WHEN provider = 'stripe' AND substr(dedup_key, 1, 7) NOT IN ('sha256:', 'lookup/') THEN dedup_key || '/' || type
        ELSE dedup_key END;
CREATE INDEX events_by_snapshot ON events (endpoint, snapshot_event) WHERE snapshot_event IS NOT NULL;

-- Under which realm the scopes of an endpoint stand.
CREATE TABLE realms (
    endpoint TEXT PRIMARY KEY,
    realm    TEXT NOT NULL
);

INSERT INTO realms (endpoint, realm)
SELECT endpoint, CASE MAX(provider) WHEN 'stripe' THEN 'stripe' ELSE 'paystack:' || endpoint END
FROM events GROUP BY endpoint;

-- Customers who are to be planned anew, because the rules have changed since.
CREATE TABLE replans (
    business  TEXT NOT NULL,
    email_key TEXT NOT NULL,
    PRIMARY KEY (business, email_key)
);

CREATE TABLE moves (
    scope    TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    business TEXT NOT NULL,
    target   TEXT NOT NULL,
    PRIMARY KEY (scope, endpoint, business)
);

-- A scope begins with the name of its endpoint, so that its business and it tell where it goes.
INSERT INTO moves (scope, endpoint, business, target)
SELECT s.scope, r.endpoint, s.business, r.realm || '/' || s.business || substr(s.scope, length(r.endpoint) + 1)
FROM (
    SELECT DISTINCT scope, business FROM facts
    UNION
    SELECT DISTINCT CAST(subject AS JSON) #>> '{payment,scope}', business
    FROM deliveries WHERE substr(subject_key, 1, 8) = 'payment '
) s JOIN realms r ON r.endpoint = split_part(s.scope, '/', 1);

-- A session speaks for all addresses of its customer, with a code or without one.
-- All targets stand in the statement: to ask for each row's would take longer than to write it.
DO $$
BEGIN
    EXECUTE format(
        'ALTER TABLE facts
            ALTER COLUMN scope TYPE TEXT USING COALESCE(CAST(%L AS JSONB) ->> (business || '' '' || scope), scope),
            ALTER COLUMN has_code TYPE BIGINT USING CASE
                WHEN strpos(data, ''"checkout_of":'') > 0 THEN 1 ELSE has_code END',
        (SELECT COALESCE(jsonb_object_agg(business || ' ' || scope, target), '{}') FROM moves)
    );
END $$;
CREATE INDEX facts_of_customer ON facts (scope, customer, email_key);

-- Calls are written into a new table. What changes: the numbers, if 0003_order.sql has just told them; and the scope, if no
-- other call is of the same payment there, for among those rescope.sql chooses.
CREATE TABLE IF NOT EXISTS numbered (id BIGINT PRIMARY KEY, began BIGINT, ended BIGINT);
ALTER TABLE deliveries RENAME TO calls_before;
ALTER SEQUENCE deliveries_id_seq RENAME TO calls_before_id_seq;
ALTER TABLE calls_before DROP CONSTRAINT deliveries_pkey, DROP CONSTRAINT deliveries_business_subject_key_key;
DROP INDEX deliveries_by_person, deliveries_by_event, deliveries_by_state, deliveries_by_attention, deliveries_by_email;

CREATE TABLE deliveries (
    id               BIGINT GENERATED ALWAYS AS IDENTITY,
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
    waits_from       BIGINT NOT NULL DEFAULT 0,
    waited           BIGINT NOT NULL DEFAULT 0,
    attempts         BIGINT NOT NULL,
    first_attempt_at BIGINT,
    last_seq         BIGINT,
    taken_seq        BIGINT,
    outcome_unknown  BIGINT NOT NULL,
    settled_at       BIGINT,
    receipt          TEXT,
    created_at       BIGINT NOT NULL,
    -- What became of a payment that Refairn has, as in SQLite's 0006_attention.sql.
    fate             TEXT GENERATED ALWAYS AS (CASE
        WHEN subject_key NOT LIKE 'payment %' THEN NULL
        WHEN state = 'duplicate' THEN 'credit_unknown'
        WHEN state = 'delivered' AND receipt LIKE '%"agentId":"%' THEN 'credited'
        WHEN state = 'delivered' THEN 'credited_nobody'
    END) STORED
);

INSERT INTO deliveries (id, business, email_key, event_id, subject_key, subject, kind, mode, at, call, state, reason, detail,
    attention, released, acknowledged, due_at, waits_from, waited, attempts, first_attempt_at, last_seq, taken_seq,
    outcome_unknown, settled_at, receipt, created_at) OVERRIDING SYSTEM VALUE
SELECT c.id, business, email_key, event_id,
    CASE WHEN rivals = 1 THEN 'payment ' || target || ' ' || identity ELSE subject_key END,
    CASE WHEN rivals = 1
        THEN CAST(json_build_object('payment', json_build_object('scope', target, 'identity', identity)) AS TEXT)
        ELSE subject END,
    kind, mode, at, call, state, reason, detail, attention, released, acknowledged, due_at, waits_from, waited, attempts,
    first_attempt_at, COALESCE(n.ended, last_seq),
    CASE WHEN n.id IS NULL THEN taken_seq WHEN state = 'delivered' THEN n.ended
        WHEN state IN ('sending', 'duplicate') OR outcome_unknown = 1 THEN n.began END,
    outcome_unknown, settled_at, receipt, created_at
FROM calls_before c LEFT JOIN numbered n ON n.id = c.id LEFT JOIN (
    SELECT p.id, m.target, p.identity, COUNT(*) OVER (PARTITION BY p.business, m.target, p.identity) AS rivals
    FROM (
        SELECT id, business, event_id, CAST(subject AS JSON) #>> '{payment,scope}' AS scope,
            CAST(subject AS JSON) #>> '{payment,identity}' AS identity
        FROM calls_before WHERE substr(subject_key, 1, 8) = 'payment '
    ) p JOIN events e ON e.id = p.event_id
    JOIN moves m ON m.scope = p.scope AND m.endpoint = e.endpoint AND m.business = p.business
) moved ON moved.id = c.id;

SELECT setval('deliveries_id_seq', last_value, is_called) FROM calls_before_id_seq;
DROP TABLE calls_before, numbered;
ALTER TABLE deliveries ADD PRIMARY KEY (id), ADD UNIQUE (business, subject_key);
CREATE INDEX deliveries_by_person ON deliveries (business, email_key);
CREATE INDEX deliveries_by_event ON deliveries (event_id);
CREATE INDEX deliveries_by_state ON deliveries (state, id);
CREATE INDEX deliveries_by_attention ON deliveries (id) WHERE attention = 1;
CREATE INDEX deliveries_by_email ON deliveries (email_key, id);
-- A table that is told to be empty is read whole by every plan that is made before the next look.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM deliveries) THEN
        ANALYZE deliveries;
    END IF;
END $$;

CREATE TRIGGER deliveries_counted AFTER INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION count_delivery();
CREATE TRIGGER deliveries_recounted AFTER UPDATE OF state, attention ON deliveries FOR EACH ROW
WHEN (old.state <> new.state OR old.attention <> new.attention) EXECUTE FUNCTION count_delivery();
