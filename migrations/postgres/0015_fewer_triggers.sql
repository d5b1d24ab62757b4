-- A trigger that runs for each row costs more than what it counts. What a statement changes is counted once for all of its
-- rows, and how many payments of a time stand how is counted, too, as in SQLite's.
DROP TRIGGER events_counted ON events;
DROP TRIGGER events_recounted ON events;
DROP FUNCTION count_event();
DROP TRIGGER deliveries_counted ON deliveries;
DROP TRIGGER deliveries_recounted ON deliveries;
DROP FUNCTION count_delivery();

CREATE FUNCTION count_new_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_changes SELECT 'events', state, COUNT(*) FROM added GROUP BY 2;
    RETURN NULL;
END $$;

CREATE FUNCTION count_changed_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_changes
    SELECT 'events', state, SUM(n) FROM (
        SELECT state, -1 AS n FROM before UNION ALL SELECT state, 1 FROM added) AS changes
    GROUP BY 2 HAVING SUM(n) <> 0;
    RETURN NULL;
END $$;

CREATE TRIGGER events_counted AFTER INSERT ON events REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION count_new_events();
CREATE TRIGGER events_recounted AFTER UPDATE ON events REFERENCING OLD TABLE AS before NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION count_changed_events();

-- All that a call counts for.
CREATE FUNCTION counts_of(state TEXT, reason TEXT, attention BIGINT, fate TEXT, mode TEXT, at BIGINT, subject_key TEXT)
RETURNS TABLE (kind TEXT, value TEXT) LANGUAGE sql IMMUTABLE AS $$
    SELECT 'deliveries', state
    UNION ALL SELECT 'attention', COALESCE(reason, '') WHERE attention = 1
    UNION ALL SELECT 'fates', fate WHERE fate IS NOT NULL
    UNION ALL SELECT 'paid ' || mode || ' ' || CASE WHEN attention = 1 THEN 'needs_you' WHEN fate = 'credited' THEN 'credited'
            WHEN fate IS NOT NULL THEN 'nobody' ELSE 'on_its_way' END,
        CAST(at / 900000000 AS TEXT)
    WHERE substr(subject_key, 1, 8) = 'payment ' AND (attention = 1 OR fate IS NOT NULL OR state IN ('queued', 'sending'))
$$;

CREATE FUNCTION count_new_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_changes
    SELECT c.kind, c.value, COUNT(*)
    FROM added d, counts_of(d.state, d.reason, d.attention, d.fate, d.mode, d.at, d.subject_key) c
    GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE FUNCTION count_changed_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO count_changes
    SELECT kind, value, SUM(n) FROM (
        SELECT c.kind, c.value, -1 AS n
        FROM before d, counts_of(d.state, d.reason, d.attention, d.fate, d.mode, d.at, d.subject_key) c
        UNION ALL
        SELECT c.kind, c.value, 1
        FROM added d, counts_of(d.state, d.reason, d.attention, d.fate, d.mode, d.at, d.subject_key) c) AS changes
    GROUP BY 1, 2 HAVING SUM(n) <> 0;
    RETURN NULL;
END $$;

CREATE TRIGGER deliveries_counted AFTER INSERT ON deliveries REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION count_new_deliveries();
CREATE TRIGGER deliveries_recounted AFTER UPDATE ON deliveries REFERENCING OLD TABLE AS before NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION count_changed_deliveries();

DROP INDEX payments_by_standing;
INSERT INTO count_changes
SELECT c.kind, c.value, COUNT(*)
FROM deliveries d, counts_of(d.state, d.reason, d.attention, d.fate, d.mode, d.at, d.subject_key) c
WHERE c.kind LIKE 'paid %'
GROUP BY 1, 2;

-- In the words that SQLite's index has to have.
DROP INDEX deliveries_by_state;
CREATE INDEX deliveries_by_state ON deliveries (state, id)
    WHERE state <> 'queued' AND state <> 'sending' AND state <> 'delivered';
