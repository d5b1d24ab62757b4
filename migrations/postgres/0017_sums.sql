-- What payments add up to is kept while they are written, as in SQLite's: how many they are, and their sum in
-- ten-thousandths, by the day and by the quarter of an hour in which they were paid, and by mode, fate, currency and business.
-- What is too much to be added up is only counted.
CREATE FUNCTION sums_of(mode TEXT, fate TEXT, business TEXT, at BIGINT, call TEXT)
RETURNS TABLE (kind TEXT, value TEXT, n BIGINT) LANGUAGE sql IMMUTABLE AS $$
    SELECT part.kind || unit.kind,
        to_char(at / unit.micros, CASE WHEN at / unit.micros < 0 THEN 'FM000000000' ELSE 'FM0000000000' END)
            || ' ' || mode || ' ' || COALESCE(fate, '-') || ' ' || sold.currency || ' ' || business,
        part.n
    FROM (
        SELECT currency, CASE WHEN amount ~ '^[0-9]{1,10}([.][0-9]{1,4})?$'
            THEN CAST(CAST(amount AS NUMERIC) * 10000 AS BIGINT) END AS amount
        FROM (SELECT CAST(call AS JSON) ->> 'currency' AS currency, CAST(call AS JSON) ->> 'amount' AS amount) AS texts
    ) AS sold,
    (VALUES ('day', CAST(86400000000 AS BIGINT)), ('quarter', CAST(900000000 AS BIGINT))) AS unit (kind, micros),
    LATERAL (VALUES ('sold ', CAST(1 AS BIGINT)), ('sum ', sold.amount),
        ('vast ', CASE WHEN sold.amount IS NULL THEN CAST(1 AS BIGINT) END)) AS part (kind, n)
    WHERE part.n <> 0
$$;

CREATE OR REPLACE FUNCTION count_new_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_changes
    SELECT c.kind, c.value, COUNT(*)
    FROM added d, counts_of(d.state, d.reason, d.attention, d.fate, d.mode, d.at, d.subject_key) c
    GROUP BY 1, 2;
    INSERT INTO count_changes
    SELECT s.kind, s.value, SUM(s.n)
    FROM added d, sums_of(d.mode, d.fate, d.business, d.at, d.call) s
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
        SELECT mode, fate, business, at, call, SUM(n) AS n
        FROM (
            SELECT mode, fate, business, at, call, -1 AS n FROM before WHERE substr(subject_key, 1, 8) = 'payment '
            UNION ALL
            SELECT mode, fate, business, at, call, 1 FROM added WHERE substr(subject_key, 1, 8) = 'payment '
        ) AS changes
        GROUP BY mode, fate, business, at, call HAVING SUM(n) <> 0
    ) AS d, sums_of(d.mode, d.fate, d.business, d.at, d.call) s
    GROUP BY 1, 2 HAVING SUM(s.n * d.n) <> 0;
    RETURN NULL;
END $$;

INSERT INTO count_changes
SELECT s.kind, s.value, SUM(s.n)
FROM deliveries d, sums_of(d.mode, d.fate, d.business, d.at, d.call) s
WHERE substr(d.subject_key, 1, 8) = 'payment '
GROUP BY 1, 2;
