-- Order by counters, patience by waits, as in SQLite's 0003_order.sql. A replica of an older version leases and settles
-- nothing on this schema.
-- Nearly all rows change here and in 0005_scopes.sql, which makes these anew.
DROP INDEX deliveries_by_person, deliveries_by_event, deliveries_by_state, deliveries_by_attention, deliveries_by_email;

ALTER TABLE deliveries ADD COLUMN last_seq BIGINT;
ALTER TABLE deliveries ADD COLUMN taken_seq BIGINT;
ALTER TABLE deliveries ADD COLUMN waited BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries DROP COLUMN patient_since;

-- Of calls that were made before this, first attempts and ends are numbered in the order that the clock told.
UPDATE deliveries SET last_seq = n.ended, taken_seq = CASE
    WHEN state = 'delivered' THEN n.ended
    WHEN state IN ('sending', 'duplicate') OR outcome_unknown = 1 THEN n.began END
FROM (
    SELECT id, MIN(seq) AS began, MAX(seq) AS ended
    FROM (
        SELECT id, ROW_NUMBER() OVER (PARTITION BY business, email_key ORDER BY at, id, is_end) AS seq
        FROM (
            SELECT id, business, email_key, first_attempt_at AS at, 0 AS is_end
            FROM deliveries WHERE first_attempt_at IS NOT NULL
            UNION ALL
            SELECT id, business, email_key, GREATEST(first_attempt_at, settled_at), 1
            FROM deliveries WHERE first_attempt_at IS NOT NULL
        ) AS moments
    ) AS numbered
    GROUP BY id
) AS n
WHERE n.id = deliveries.id;

-- A lease's fence is the number of its attempt.
UPDATE queue SET fence = COALESCE((SELECT last_seq FROM deliveries d WHERE d.id = queue.delivery_id), 0);
