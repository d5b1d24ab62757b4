-- What the payments of each agent add up to is kept, too, by the day, as in SQLite's. What an id says that may be an address
-- stands in its receipt alone, where it is replaced when a customer is forgotten.
DROP FUNCTION sums_of(TEXT, TEXT, TEXT, BIGINT, TEXT);
CREATE FUNCTION sums_of(mode TEXT, fate TEXT, business TEXT, at BIGINT, call TEXT, receipt TEXT)
RETURNS TABLE (kind TEXT, value TEXT, n BIGINT) LANGUAGE sql IMMUTABLE AS $$
    SELECT COALESCE(part.kind || unit.kind, 'sold by ' || sold.agent),
        to_char(at / unit.micros, CASE WHEN at / unit.micros < 0 THEN 'FM000000000' ELSE 'FM0000000000' END) || ' '
            || CASE WHEN unit.kind IS NULL THEN part.kind ELSE '' END
            || mode || ' ' || COALESCE(fate, '-') || ' ' || sold.currency || ' ' || business,
        part.n
    FROM (
        SELECT currency, agent, CASE WHEN amount ~ '^[0-9]{1,10}([.][0-9]{1,4})?$'
            THEN CAST(CAST(amount AS NUMERIC) * 10000 AS BIGINT) END AS amount
        FROM (
            SELECT CAST(call AS JSON) ->> 'currency' AS currency, CAST(call AS JSON) ->> 'amount' AS amount,
                CAST(receipt AS JSON) ->> 'agentId' AS agent
        ) AS texts
    ) AS sold,
    (VALUES ('day', CAST(86400000000 AS BIGINT)), ('quarter', CAST(900000000 AS BIGINT)),
        (NULL, CAST(86400000000 AS BIGINT))) AS unit (kind, micros),
    LATERAL (VALUES ('sold ', CAST(1 AS BIGINT)), ('sum ', sold.amount),
        ('vast ', CASE WHEN sold.amount IS NULL THEN CAST(1 AS BIGINT) END)) AS part (kind, n)
    WHERE part.n <> 0 AND (unit.kind IS NOT NULL OR strpos(sold.agent, '@') = 0)
$$;

CREATE OR REPLACE FUNCTION count_new_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_changes
    SELECT c.kind, c.value, COUNT(*)
    FROM added d, counts_of(d.state, d.reason, d.attention, d.fate, d.mode, d.at, d.subject_key) c
    GROUP BY 1, 2;
    INSERT INTO count_changes
    SELECT s.kind, s.value, SUM(s.n)
    FROM added d, sums_of(d.mode, d.fate, d.business, d.at, d.call, d.receipt) s
    WHERE substr(d.subject_key, 1, 8) = 'payment '
    GROUP BY 1, 2;
    RETURN NULL;
END $$;

-- A payment that is added up as before is not looked into.
CREATE OR REPLACE FUNCTION count_changed_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_changes
    SELECT kind, value, SUM(n) FROM (
        SELECT c.kind, c.value, -1 AS n
        FROM before d, counts_of(d.state, d.reason, d.attention, d.fate, d.mode, d.at, d.subject_key) c
        UNION ALL
        SELECT c.kind, c.value, 1
        FROM added d, counts_of(d.state, d.reason, d.attention, d.fate, d.mode, d.at, d.subject_key) c) AS changes
    GROUP BY 1, 2 HAVING SUM(n) <> 0;
    INSERT INTO count_changes
    SELECT s.kind, s.value, SUM(s.n * d.n)
    FROM (
        SELECT mode, fate, business, at, call, receipt, SUM(n) AS n
        FROM (
            SELECT mode, fate, business, at, call, receipt, -1 AS n FROM before
            WHERE substr(subject_key, 1, 8) = 'payment '
            UNION ALL
            SELECT mode, fate, business, at, call, receipt, 1 FROM added WHERE substr(subject_key, 1, 8) = 'payment '
        ) AS changes
        GROUP BY mode, fate, business, at, call, receipt HAVING SUM(n) <> 0
    ) AS d, sums_of(d.mode, d.fate, d.business, d.at, d.call, d.receipt) s
    GROUP BY 1, 2 HAVING SUM(s.n * d.n) <> 0;
    RETURN NULL;
END $$;

-- What is there is added up before it is told apart: sums_of for each payment takes four times as long.
INSERT INTO count_changes
SELECT 'sold by ' || agent,
    to_char(day, CASE WHEN day < 0 THEN 'FM000000000' ELSE 'FM0000000000' END) || part.kind || alike, part.n
FROM (
    SELECT agent, day, alike, COUNT(*) AS sold, CAST(SUM(amount) AS BIGINT) AS amount,
        COUNT(*) FILTER (WHERE amount IS NULL) AS vast
    FROM (
        SELECT agent, day, alike, CASE WHEN amount ~ '^[0-9]{1,10}([.][0-9]{1,4})?$'
            THEN CAST(CAST(amount AS NUMERIC) * 10000 AS BIGINT) END AS amount
        FROM (
            SELECT CAST(receipt AS JSON) ->> 'agentId' AS agent, at / 86400000000 AS day,
                CAST(call AS JSON) ->> 'amount' AS amount,
                ' ' || mode || ' ' || COALESCE(fate, '-') || ' ' || (CAST(call AS JSON) ->> 'currency') || ' ' || business AS alike
            FROM deliveries
            WHERE substr(subject_key, 1, 8) = 'payment ' AND receipt IS NOT NULL
        ) AS texts
        WHERE strpos(agent, '@') = 0
    ) AS payments
    GROUP BY 1, 2, 3
) AS sums,
LATERAL (VALUES (' sold', sums.sold), (' sum', sums.amount), (' vast', sums.vast)) AS part (kind, n)
WHERE part.n <> 0;

-- Of customers who were forgotten and came back, the parts of what had stood for their address were left.
DELETE FROM domain_parts
WHERE domain = 'forgotten.invalid' AND NOT EXISTS (SELECT 1 FROM customers WHERE domain = 'forgotten.invalid');
