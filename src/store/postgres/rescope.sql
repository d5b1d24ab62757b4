-- Moves all that stands under the scopes in `moves` (scope, endpoint, business, target) to their targets. Run whenever the
-- configuration puts an endpoint into another realm.

UPDATE facts SET scope = m.target FROM moves m, events e
WHERE e.id = facts.event_id AND m.scope = facts.scope AND m.endpoint = e.endpoint AND m.business = facts.business;

UPDATE lookups SET thing = 'customer ' || f.scope || ' ' || f.customer FROM facts f
WHERE f.event_id = lookups.event_id AND f.customer IS NOT NULL AND substr(lookups.thing, 1, 9) = 'customer '
    AND f.scope IN (SELECT target FROM moves);

UPDATE unresolved SET scope = f.scope FROM facts f WHERE f.event_id = unresolved.event_id AND unresolved.scope <> f.scope;

-- What comes together in one target: the scopes that move there, and what is there already; and how much each knows.
CREATE TABLE sources (
    scope  TEXT NOT NULL,
    target TEXT NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (scope, target)
);

INSERT INTO sources (scope, target, n)
SELECT s.scope, s.target, (SELECT COUNT(*) FROM identities k WHERE k.scope = s.scope)
FROM (
    SELECT scope, target FROM moves
    UNION SELECT target, target FROM moves m WHERE EXISTS (SELECT 1 FROM identities k WHERE k.scope = m.target)
) s;
ANALYZE sources;

-- What several of them know.
CREATE TABLE shared (
    scope TEXT NOT NULL,
    key   TEXT NOT NULL,
    PRIMARY KEY (scope, key)
);

INSERT INTO shared (scope, key)
SELECT DISTINCT s.target, k.key
FROM sources s JOIN sources o ON o.target = s.target AND (s.n < o.n OR s.n = o.n AND s.scope < o.scope)
JOIN identities k ON k.scope = s.scope JOIN identities b ON b.scope = o.scope AND b.key = k.key;
ANALYZE shared;

-- Payments that stand under several addresses there.
CREATE TABLE torn (
    scope     TEXT NOT NULL,
    key       TEXT NOT NULL,
    email_key TEXT NOT NULL,
    PRIMARY KEY (scope, key, email_key)
);

INSERT INTO torn (scope, key, email_key)
SELECT DISTINCT h.scope, h.key, k.email_key
FROM shared h JOIN sources s ON s.target = h.scope JOIN identities k ON k.scope = s.scope AND k.key = h.key
WHERE substr(h.key, 1, 8) = 'payment ' AND EXISTS (
    SELECT 1 FROM sources o JOIN identities b ON b.scope = o.scope AND b.key = h.key
    WHERE o.target = h.scope AND b.email_key <> k.email_key
);

-- Of two addresses the newest counts; for a payment the first that was told.
CREATE TABLE moved_identities AS
SELECT s.target AS scope, k.key, k.email_key, k.evidence FROM identities k JOIN sources s ON s.scope = k.scope
WHERE NOT EXISTS (SELECT 1 FROM shared h WHERE h.scope = s.target AND h.key = k.key);

INSERT INTO moved_identities (scope, key, email_key, evidence)
SELECT DISTINCT ON (h.scope, h.key) h.scope, h.key, k.email_key, k.evidence
FROM shared h JOIN sources s ON s.target = h.scope JOIN identities k ON k.scope = s.scope AND k.key = h.key
ORDER BY h.scope, h.key, CASE WHEN substr(k.key, 1, 8) IN ('payment ', 'receipt ') THEN k.evidence END,
    CASE WHEN substr(k.key, 1, 8) NOT IN ('payment ', 'receipt ') THEN k.evidence END DESC, k.scope;

-- What was not to be moved; and what others who stay in the scope know.
INSERT INTO moved_identities (scope, key, email_key, evidence)
SELECT k.scope, k.key, k.email_key, k.evidence FROM identities k
WHERE k.scope NOT IN (SELECT scope FROM sources) OR k.scope NOT IN (SELECT target FROM sources)
    AND k.scope IN (SELECT m.scope FROM moves m WHERE EXISTS (SELECT 1 FROM facts f WHERE f.scope = m.scope));

DROP TABLE identities;
ALTER TABLE moved_identities RENAME TO identities;
ALTER TABLE identities ALTER scope SET NOT NULL, ALTER key SET NOT NULL, ALTER email_key SET NOT NULL, ALTER evidence SET NOT NULL,
    ADD PRIMARY KEY (scope, key);
-- A table that is told to be empty is read whole by every plan that is made before the next look.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM identities) THEN
        ANALYZE identities;
    END IF;
END $$;

-- One payment, one call: the one that was sent, or the one that is to be.
CREATE TABLE moved_calls (
    id       BIGINT PRIMARY KEY,
    business TEXT NOT NULL,
    scope    TEXT NOT NULL,
    identity TEXT NOT NULL,
    n        BIGINT NOT NULL,
    chosen   BIGINT NOT NULL
);

INSERT INTO moved_calls (id, business, scope, identity, n, chosen)
WITH moving AS MATERIALIZED (
    SELECT d.id, d.business, m.target AS scope, d.identity, d.state, d.outcome_unknown
    FROM (
        -- As store::written has them.
        SELECT d.id, d.business, d.event_id, d.state, d.outcome_unknown,
            CASE left(d.subject, 1) WHEN '{' THEN CAST(d.subject AS JSON) #>> '{payment,scope}'
                ELSE substr(d.subject_key, 9, CAST(d.subject AS INTEGER)) END AS scope,
            CASE left(d.subject, 1) WHEN '{' THEN CAST(d.subject AS JSON) #>> '{payment,identity}'
                ELSE substr(d.subject_key, 10 + CAST(d.subject AS INTEGER)) END AS identity
        FROM deliveries d WHERE substr(d.subject_key, 1, 8) = 'payment '
    ) d JOIN events e ON e.id = d.event_id
    JOIN moves m ON m.scope = d.scope AND m.endpoint = e.endpoint AND m.business = d.business
)
SELECT id, business, scope, identity, ROW_NUMBER() OVER rivals, FIRST_VALUE(id) OVER rivals
FROM (
    SELECT id, business, scope, identity, state, outcome_unknown FROM moving
    UNION ALL
    SELECT d.id, m.business, m.scope, m.identity, d.state, d.outcome_unknown
    FROM (SELECT DISTINCT business, scope, identity FROM moving) m
    JOIN deliveries d ON d.business = m.business AND d.subject_key = 'payment ' || m.scope || ' ' || m.identity
) every_one
WINDOW rivals AS (PARTITION BY business, scope, identity ORDER BY CASE
    WHEN state = 'delivered' THEN 0 WHEN state = 'duplicate' THEN 1
    WHEN state = 'sending' OR outcome_unknown = 1 AND state IN ('queued', 'held') THEN 2
    WHEN state = 'queued' THEN 3 WHEN state = 'held' THEN 4 WHEN state = 'rejected' THEN 5
    WHEN state = 'discarded' THEN 6 WHEN state = 'cancelled' THEN 7 ELSE 8 END, id);

-- The others keep a subject that nothing else has. One that was told stays told; of one that may be on its way, nobody
-- knows.
UPDATE deliveries SET
    subject_key = 'payment ' || o.scope || '/dlv_' || o.id || ' ' || o.identity,
    subject = CAST(length(o.scope || '/dlv_' || o.id) AS TEXT),
    state = CASE
        WHEN state IN ('delivered', 'duplicate') OR state = 'rejected' AND outcome_unknown = 1 THEN state
        WHEN state = 'sending' OR outcome_unknown = 1 AND state IN ('queued', 'held') THEN 'held'
        ELSE 'superseded' END,
    reason = CASE
        WHEN state IN ('delivered', 'duplicate') THEN 'told_twice'
        WHEN state = 'rejected' AND outcome_unknown = 1 THEN reason
        WHEN state = 'sending' OR outcome_unknown = 1 AND state IN ('queued', 'held') THEN 'may_be_reported_already'
        ELSE 'already_reported' END,
    detail = CASE WHEN state = 'rejected' AND outcome_unknown = 1 THEN detail
        ELSE 'two endpoints of one account reported the payment; the other call is dlv_' || o.chosen END,
    attention = CASE
        WHEN state IN ('delivered', 'duplicate', 'sending', 'rejected') AND (state <> 'rejected' OR outcome_unknown = 1)
            OR outcome_unknown = 1 AND state IN ('queued', 'held') THEN 1
        ELSE 0 END,
    acknowledged = 0,
    outcome_unknown = CASE WHEN state = 'sending' THEN 1 ELSE outcome_unknown END
FROM moved_calls o
WHERE o.id = deliveries.id AND o.n > 1;

UPDATE deliveries SET
    subject_key = 'payment ' || m.scope || ' ' || m.identity,
    subject = CAST(length(m.scope) AS TEXT)
FROM moved_calls m
WHERE m.id = deliveries.id AND m.n = 1 AND deliveries.subject_key <> 'payment ' || m.scope || ' ' || m.identity;

DELETE FROM queue WHERE delivery_id IN (SELECT id FROM moved_calls WHERE n > 1);

-- One payment, one customer: whose call it is, else who was told first.
UPDATE identities SET email_key = d.email_key
FROM torn t JOIN (SELECT DISTINCT target, business FROM moves) b ON b.target = t.scope
JOIN deliveries d ON d.business = b.business AND d.subject_key = 'payment ' || t.scope || ' ' || substr(t.key, 9)
WHERE identities.scope = t.scope AND identities.key = t.key;

UPDATE facts SET email_key = (
    SELECT k.email_key FROM identities k
    WHERE k.scope = facts.scope AND k.key = 'payment ' || (CAST(facts.data AS JSON) #>> '{matter,identity}')
) WHERE event_id IN (
    SELECT f.event_id FROM torn t CROSS JOIN (SELECT DISTINCT target, business FROM moves) b CROSS JOIN facts f
    WHERE b.target = t.scope AND f.business = b.business AND f.email_key = t.email_key AND f.scope = t.scope
        AND CAST(f.data AS JSON) #>> '{matter,kind}' = 'payment' AND 'payment ' || (CAST(f.data AS JSON) #>> '{matter,identity}') = t.key
);

INSERT INTO replans (business, email_key)
SELECT business, email_key FROM queue
UNION SELECT business, email_key FROM deliveries WHERE state IN ('queued', 'held', 'sending')
UNION SELECT d.business, d.email_key FROM moved_calls o JOIN deliveries d ON d.id IN (o.id, o.chosen) WHERE o.n > 1
UNION SELECT b.business, t.email_key
    FROM torn t JOIN (SELECT DISTINCT target, business FROM moves) b ON b.target = t.scope
ON CONFLICT DO NOTHING;

-- What waited in one scope for what is known in another is read anew.
UPDATE events SET state = 'received', reason = NULL, detail = NULL WHERE id IN (
    SELECT w.event_id FROM unresolved w JOIN identities k ON k.scope = w.scope AND k.key = w.key
    JOIN bodies b ON b.event_id = w.event_id
    WHERE w.scope IN (SELECT target FROM sources GROUP BY target HAVING COUNT(*) > 1)
);

DROP TABLE moved_calls;
DROP TABLE torn;
DROP TABLE shared;
DROP TABLE sources;
DROP TABLE moves;
