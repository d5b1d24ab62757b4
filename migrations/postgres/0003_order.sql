-- Order by counters, patience by waits, as in SQLite's 0003_order.sql. A replica of an older version leases and settles
-- nothing on this schema.
ALTER TABLE deliveries ADD COLUMN last_seq BIGINT;
ALTER TABLE deliveries ADD COLUMN taken_seq BIGINT;
ALTER TABLE deliveries ADD COLUMN waited BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries DROP COLUMN patient_since;

-- Of calls that were made before this, first attempts and ends are numbered in the order that the clock told. 0005_scopes.sql,
-- which is in the same transaction, writes the table anew: it puts them where they belong.
CREATE TABLE numbered AS
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
) AS numbers
GROUP BY id;
ALTER TABLE numbered ADD PRIMARY KEY (id);

-- A lease's fence is the number of its attempt.
UPDATE queue SET fence = COALESCE((SELECT ended FROM numbered n WHERE n.id = queue.delivery_id), 0);
