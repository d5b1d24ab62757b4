-- What the payments of each agent add up to is kept, too, by the day: both rows of a day stand side by side. What an id says that
-- may be an address stands in its receipt alone, where it is replaced when a customer is forgotten.
DROP VIEW counted;
CREATE VIEW sold (at, alike, agent, amount) AS
SELECT at, alike, agent, CASE WHEN length(whole) <= 10 AND length(part) <= 4 AND whole NOT LIKE '-%'
    THEN CAST(whole AS INTEGER) * 10000 + CAST(substr(part || '0000', 1, 4) AS INTEGER) END
FROM (
    SELECT at, alike, agent, substr(amount, 1, instr(amount || '.', '.') - 1) AS whole,
        substr(amount, instr(amount || '.', '.') + 1) AS part
    FROM (
        SELECT at, receipt ->> '$.agentId' AS agent, call ->> '$.amount' AS amount,
            ' ' || mode || ' ' || COALESCE(fate, '-') || ' ' || (call ->> '$.currency') || ' ' || business AS alike
        FROM deliveries NOT INDEXED
        WHERE substr(subject_key, 1, 8) = 'payment '
    )
);

CREATE VIEW sold_by_agents (what, state, n) AS
WITH agents AS MATERIALIZED (
    SELECT agent, at / 86400000000 AS day, alike, COUNT(*) AS sold, COALESCE(SUM(amount), 0) AS amount,
        SUM(amount IS NULL) AS vast
    FROM sold
    WHERE instr(agent, '@') = 0
    GROUP BY 1, 2, 3
)
SELECT 'sold by ' || agent, printf('%010d sold', day) || alike, sold FROM agents
UNION ALL
SELECT 'sold by ' || agent, printf('%010d sum', day) || alike, amount FROM agents WHERE amount <> 0
UNION ALL
SELECT 'sold by ' || agent, printf('%010d vast', day) || alike, vast FROM agents WHERE vast <> 0;

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
SELECT 'vast quarter', printf('%010d', quarter) || alike, vast FROM quarters WHERE vast <> 0
UNION ALL
SELECT what, state, n FROM sold_by_agents;

INSERT INTO counts (what, state, n) SELECT what, state, n FROM sold_by_agents;

-- Of customers who were forgotten and came back, the parts of what had stood for their address were left.
DELETE FROM domain_parts
WHERE domain = 'forgotten.invalid' AND NOT EXISTS (SELECT 1 FROM customers WHERE domain = 'forgotten.invalid');
