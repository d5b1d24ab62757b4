-- The counts as the tables are, whatever was counted before.
DELETE FROM counts;
INSERT INTO counts (what, state, n) SELECT 'events', state, COUNT(*) FROM events GROUP BY state;
INSERT INTO counts (what, state, n)
SELECT 'attention ' || endpoint, COALESCE(reason, ''), COUNT(*) FROM events WHERE attention = 1 GROUP BY 1, 2;
INSERT INTO counts (what, state, n) SELECT 'deliveries', state, COUNT(*) FROM deliveries GROUP BY state;
INSERT INTO counts (what, state, n) SELECT 'fates', fate, COUNT(*) FROM deliveries WHERE fate IS NOT NULL GROUP BY fate;
INSERT INTO counts (what, state, n)
SELECT 'attention', COALESCE(reason, ''), COUNT(*) FROM deliveries WHERE attention = 1 GROUP BY 2;
INSERT INTO counts (what, state, n)
SELECT 'paid ' || mode || ' ' || CASE WHEN attention = 1 THEN 'needs_you' WHEN fate = 'credited' THEN 'credited'
        WHEN fate IS NOT NULL THEN 'nobody' ELSE 'on_its_way' END,
    CAST(at / 900000000 AS TEXT), COUNT(*)
FROM deliveries
WHERE substr(subject_key, 1, 8) = 'payment ' AND (attention = 1 OR fate IS NOT NULL OR state IN ('queued', 'sending'))
GROUP BY 1, 2;
