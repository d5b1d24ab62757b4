-- Triggers took more of the server than the rows whose states they counted. The bridge counts what it writes, as in SQLite, and adds
-- the rows of count_changes once for all that is committed together (store::counts). A migration that changes states counts
-- anew, by the view below, as this one does at its end.
DROP TRIGGER deliveries_counted ON deliveries;
DROP TRIGGER deliveries_recounted ON deliveries;
DROP FUNCTION count_new_deliveries();
DROP FUNCTION count_changed_deliveries();
DROP FUNCTION counts_of(TEXT, TEXT, BIGINT, TEXT, TEXT, BIGINT, TEXT);
DROP FUNCTION sums_of(TEXT, TEXT, TEXT, BIGINT, TEXT, TEXT);

-- Of an event, being recorded and being mapped are counted by the bridge. All other ends have a reason.
DROP TRIGGER events_counted ON events;
DROP TRIGGER events_recounted ON events;
DROP FUNCTION count_new_events();
DROP FUNCTION count_changed_events();

CREATE FUNCTION count_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_changes VALUES ('events', old.state, -1), ('events', new.state, 1);
    RETURN NULL;
END $$;

CREATE TRIGGER events_recounted AFTER UPDATE OF reason ON events FOR EACH ROW
WHEN (old.state <> new.state) EXECUTE FUNCTION count_event();

-- As in 0006_attention.sql. It is not called for an event that keeps its attention.
DROP TRIGGER events_noticed ON events;
CREATE TRIGGER events_noticed BEFORE UPDATE OF state, reason ON events FOR EACH ROW
WHEN ((old.state <> new.state OR old.reason IS DISTINCT FROM new.reason)
    AND new.attention <> CASE WHEN new.state = 'unmappable' THEN 1 ELSE 0 END) EXECUTE FUNCTION notice_event();

CREATE VIEW sold (at, alike, agent, amount) AS
SELECT at, alike, agent, CASE WHEN amount ~ '^[0-9]{1,10}([.][0-9]{1,4})?$'
    THEN CAST(CAST(amount AS NUMERIC) * 10000 AS BIGINT) END
FROM (
    SELECT at, CAST(receipt AS JSON) ->> 'agentId' AS agent, CAST(call AS JSON) ->> 'amount' AS amount,
        ' ' || mode || ' ' || COALESCE(fate, '-') || ' ' || (CAST(call AS JSON) ->> 'currency') || ' ' || business AS alike
    FROM deliveries
    WHERE substr(subject_key, 1, 8) = 'payment '
) AS payments;

-- A time is ten characters, with its sign.
CREATE VIEW counted (what, state, n) AS
WITH quarters AS MATERIALIZED (
    SELECT at / 900000000 AS quarter, alike, COUNT(*) AS sold, COALESCE(CAST(SUM(amount) AS BIGINT), 0) AS amount,
        COUNT(*) FILTER (WHERE amount IS NULL) AS vast
    FROM sold
    GROUP BY 1, 2
), agents AS MATERIALIZED (
    SELECT agent, at / 86400000000 AS day, alike, COUNT(*) AS sold, COALESCE(CAST(SUM(amount) AS BIGINT), 0) AS amount,
        COUNT(*) FILTER (WHERE amount IS NULL) AS vast
    FROM sold
    WHERE strpos(agent, '@') = 0
    GROUP BY 1, 2, 3
), times AS (
    SELECT 'quarter' AS unit, '' AS agent, quarter AS number, alike, sold, amount, vast FROM quarters
    UNION ALL
    SELECT 'day', '', quarter / 96, alike, CAST(SUM(sold) AS BIGINT), CAST(SUM(amount) AS BIGINT), CAST(SUM(vast) AS BIGINT)
    FROM quarters
    GROUP BY 3, 4
    UNION ALL
    SELECT '', agent, day, alike, sold, amount, vast FROM agents
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
SELECT CASE WHEN unit = '' THEN 'sold by ' || agent ELSE part.kind || ' ' || unit END,
    to_char(number, CASE WHEN number < 0 THEN 'FM000000000' ELSE 'FM0000000000' END)
        || CASE WHEN unit = '' THEN ' ' || part.kind ELSE '' END || alike,
    part.n
FROM times, LATERAL (VALUES ('sold', sold), ('sum', amount), ('vast', vast)) AS part (kind, n)
WHERE part.n <> 0;

-- What Refairn has is counted by its fate alone. Of the others it is counted by the quarter of an hour which go out by
-- themselves, and which wait for a person.
DELETE FROM count_sums WHERE what LIKE 'paid %' AND what NOT LIKE 'paid % on_its_way';
DELETE FROM count_changes WHERE what LIKE 'paid %' AND what NOT LIKE 'paid % on_its_way';
INSERT INTO count_sums
SELECT 'paid ' || mode || ' undecided', CAST(at / 900000000 AS TEXT), COUNT(*)
FROM deliveries
WHERE attention = 1 AND substr(subject_key, 1, 8) = 'payment ' AND fate IS NULL
GROUP BY 1, 2;
