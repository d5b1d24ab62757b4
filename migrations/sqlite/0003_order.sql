-- Order by counters: each attempt to make a call of a customer has a number, 1, 2, 3 and on, and no clock tells which
-- came first. Patience by waits: a call keeps how long it has waited between its attempts, microseconds; from here on
-- it counts anew, for the times do not tell how much of them was a pause of the route.
ALTER TABLE deliveries ADD COLUMN last_seq INTEGER;
ALTER TABLE deliveries ADD COLUMN taken_seq INTEGER;
ALTER TABLE deliveries ADD COLUMN waited INTEGER NOT NULL DEFAULT 0;
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
            SELECT id, business, email_key, MAX(first_attempt_at, COALESCE(settled_at, first_attempt_at)), 1
            FROM deliveries WHERE first_attempt_at IS NOT NULL
        )
    )
    GROUP BY id
) n
WHERE n.id = deliveries.id;

-- A lease's fence is the number of its attempt; it has no end, and leaves due_at as it is.
UPDATE queue SET fence = COALESCE((SELECT last_seq FROM deliveries d WHERE d.id = queue.delivery_id), 0);
