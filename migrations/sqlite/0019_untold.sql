-- What Refairn has is counted by its fate alone. Of the others it is counted by the quarter of an hour which go out by
-- themselves, and which wait for a person.
DROP VIEW counted;
CREATE VIEW counted (what, state, n) AS
WITH quarters AS MATERIALIZED (
    SELECT at / 900000000 AS quarter, alike, COUNT(*) AS sold, COALESCE(SUM(amount), 0) AS amount,
        SUM(amount IS NULL) AS vast
    FROM sold
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
SELECT 'paid ' || mode || ' ' || CASE WHEN attention = 1 THEN 'undecided' ELSE 'on_its_way' END,
    CAST(at / 900000000 AS TEXT), COUNT(*)
FROM deliveries
WHERE substr(subject_key, 1, 8) = 'payment ' AND fate IS NULL AND (attention = 1 OR state IN ('queued', 'sending'))
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
SELECT 'vast quarter', printf('%010d', quarter) || alike, vast FROM quarters WHERE vast <> 0
UNION ALL
SELECT what, state, n FROM sold_by_agents;

DELETE FROM counts WHERE what LIKE 'paid %' AND what NOT LIKE 'paid % on_its_way';
INSERT INTO counts
SELECT 'paid ' || mode || ' undecided', CAST(at / 900000000 AS TEXT), COUNT(*)
FROM deliveries INDEXED BY deliveries_by_attention
WHERE attention = 1 AND substr(subject_key, 1, 8) = 'payment ' AND fate IS NULL
GROUP BY 1, 2;
