-- What payments add up to is kept while they are written (store::sums): how many they are, and their sum in ten-thousandths,
-- by the day and by the quarter of an hour in which they were paid, and by mode, fate, currency and business. What is too
-- much to be added up is only counted.
DROP VIEW counted;
CREATE VIEW counted (what, state, n) AS
WITH quarters AS MATERIALIZED (
    SELECT at / 900000000 AS quarter, alike, COUNT(*) AS sold, COALESCE(SUM(amount), 0) AS amount,
        SUM(amount IS NULL) AS vast
    FROM (
        SELECT at, alike, CASE WHEN length(whole) <= 10 AND length(part) <= 4 AND whole NOT LIKE '-%'
            THEN CAST(whole AS INTEGER) * 10000 + CAST(substr(part || '0000', 1, 4) AS INTEGER) END AS amount
        FROM (
            SELECT at, alike, substr(amount, 1, instr(amount || '.', '.') - 1) AS whole,
                substr(amount, instr(amount || '.', '.') + 1) AS part
            FROM (
                SELECT at, call ->> '$.amount' AS amount,
                    ' ' || mode || ' ' || COALESCE(fate, '-') || ' ' || (call ->> '$.currency') || ' ' || business AS alike
                FROM deliveries NOT INDEXED
                WHERE substr(subject_key, 1, 8) = 'payment '
            )
        )
    )
    GROUP BY 1, 2
), days AS MATERIALIZED (
    SELECT quarter / 96 AS day, alike, SUM(sold) AS sold, SUM(amount) AS amount, SUM(vast) AS vast
    FROM quarters
    GROUP BY 1, 2
)
SELECT 'events', state, COUNT(*) FROM events GROUP BY state
UNION ALL
SELECT 'attention ' || endpoint, COALESCE(reason, ''), COUNT(*) FROM events WHERE attention = 1 GROUP BY 1, 2
UNION ALL
SELECT 'deliveries', state, COUNT(*) FROM deliveries GROUP BY state
UNION ALL
SELECT 'fates', fate, COUNT(*) FROM deliveries WHERE fate IS NOT NULL GROUP BY fate
UNION ALL
SELECT 'attention', COALESCE(reason, ''), COUNT(*) FROM deliveries WHERE attention = 1 GROUP BY 2
UNION ALL
SELECT 'paid ' || mode || ' ' || CASE WHEN attention = 1 THEN 'needs_you' WHEN fate = 'credited' THEN 'credited'
        WHEN fate IS NOT NULL THEN 'nobody' ELSE 'on_its_way' END,
    CAST(at / 900000000 AS TEXT), COUNT(*)
FROM deliveries
WHERE substr(subject_key, 1, 8) = 'payment ' AND (attention = 1 OR fate IS NOT NULL OR state IN ('queued', 'sending'))
GROUP BY 1, 2
UNION ALL
SELECT 'sold day', printf('%010d', day) || alike, sold FROM days
UNION ALL
SELECT 'sum day', printf('%010d', day) || alike, amount FROM days WHERE amount <> 0
UNION ALL
SELECT 'vast day', printf('%010d', day) || alike, vast FROM days WHERE vast <> 0
UNION ALL
SELECT 'sold quarter', printf('%010d', quarter) || alike, sold FROM quarters
UNION ALL
SELECT 'sum quarter', printf('%010d', quarter) || alike, amount FROM quarters WHERE amount <> 0
UNION ALL
SELECT 'vast quarter', printf('%010d', quarter) || alike, vast FROM quarters WHERE vast <> 0;

INSERT INTO counts (what, state, n) SELECT what, state, n FROM counted WHERE what > 'paid ~';
