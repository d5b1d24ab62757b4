-- A trigger has SQLite copy every page that its statement changes, so that the statement can be undone, whether the trigger
-- finds anything to do or not. What nearly every event does hangs on no trigger any more: the bridge counts it, and writes
-- the counts once for all that is committed together (store::counts). A migration that changes states counts anew, as
-- this one does at its end.

DROP TRIGGER deliveries_counted;
DROP TRIGGER deliveries_recounted;
DROP TRIGGER deliveries_attention_counted;
DROP TRIGGER deliveries_fate_counted;

-- As in 0007_more_lookups.sql. A state that changes while there is a reason is written together with the reason.
DROP TRIGGER sessions_unwanted;
CREATE TRIGGER sessions_unwanted AFTER UPDATE OF reason ON deliveries
WHEN old.reason = 'waiting_for_referral_code'
    AND (new.state <> 'queued' OR new.reason IS NOT 'waiting_for_referral_code') BEGIN
    DELETE FROM lookups WHERE event_id = new.event_id AND thing LIKE 'session %';
END;

-- Of an event, being recorded and being mapped are counted by the bridge. All other ends have a reason. What the bridge has
-- counted may not be written yet: the row that is counted down need not be there.
DROP TRIGGER events_counted;
DROP TRIGGER events_recounted;
DROP TRIGGER events_attention_copied;
CREATE TRIGGER events_recounted AFTER UPDATE OF reason ON events WHEN old.state <> new.state BEGIN
    INSERT INTO counts VALUES ('events', old.state, -1) ON CONFLICT DO UPDATE SET n = n - 1;
    INSERT INTO counts VALUES ('events', new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

-- As in 0006_attention.sql.
DROP TRIGGER events_noticed;
CREATE TRIGGER events_noticed AFTER UPDATE OF reason ON events
WHEN (old.state <> new.state OR old.reason IS NOT new.reason) AND new.attention <> (new.state = 'unmappable') BEGIN
    UPDATE events SET attention = (state = 'unmappable') WHERE id = new.id;
END;

DROP TRIGGER events_attention_counted;
CREATE TRIGGER events_attention_counted AFTER UPDATE OF reason, attention ON events
WHEN old.attention <> new.attention OR (new.attention = 1 AND old.reason IS NOT new.reason) BEGIN
    INSERT INTO counts VALUES ('attention ' || old.endpoint, COALESCE(old.reason, ''), -old.attention)
        ON CONFLICT DO UPDATE SET n = n + excluded.n;
    INSERT INTO counts VALUES ('attention ' || new.endpoint, COALESCE(new.reason, ''), new.attention)
        ON CONFLICT DO UPDATE SET n = n + excluded.n;
END;

-- As in 0007_more_lookups.sql.
DROP TRIGGER lookups_wanted;
CREATE TRIGGER lookups_wanted AFTER UPDATE OF reason ON events
WHEN old.reason IS NOT new.reason AND (new.reason IN ('customer_unknown', 'thin_event')
    OR new.state = 'unmappable' AND new.reason = 'lines_not_seen') BEGIN
    INSERT OR REPLACE INTO lookups (event_id, endpoint, thing, attempts, due_at, waits_from, note)
    SELECT wanted.id, wanted.endpoint, wanted.thing, COALESCE(l.attempts, 0), COALESCE(l.due_at, new.received_at),
        COALESCE(l.waits_from, new.received_at), l.note
    FROM (
        SELECT new.id AS id, new.endpoint AS endpoint, COALESCE(
            (SELECT 'customer ' || f.scope || ' ' || f.customer FROM facts f
                WHERE f.event_id = new.id AND new.reason = 'customer_unknown'),
            'event ' || new.id) AS thing
    ) wanted
    LEFT JOIN lookups l ON l.event_id =
        (SELECT s.event_id FROM lookups s WHERE s.thing = wanted.thing AND s.due_at IS NOT NULL LIMIT 1);
    UPDATE events SET detail = (SELECT note FROM lookups WHERE event_id = new.id)
    WHERE id = new.id AND EXISTS (SELECT 1 FROM lookups WHERE event_id = new.id AND note IS NOT NULL);
END;

DROP TRIGGER lookups_unwanted;
CREATE TRIGGER lookups_unwanted AFTER UPDATE OF reason ON events
WHEN old.reason IN ('customer_unknown', 'thin_event', 'lines_not_seen')
    AND (new.reason IS NULL OR new.reason NOT IN ('customer_unknown', 'thin_event', 'lines_not_seen')) BEGIN
    DELETE FROM lookups WHERE event_id = new.id;
END;

-- By which parts a new address is found is noted by inbox::customers, and of a copied store by src/store/sqlite/parts.sql.
DROP TRIGGER customers_noted;
DROP TRIGGER domains_noted;

-- How many payments of a time stand how is counted, too: an index of all of them was written at each change.
DROP INDEX payments_by_standing;

-- A list of more than two values is a table to SQLite, which is made anew for each row whose index it decides.
DROP INDEX deliveries_by_state;
CREATE INDEX deliveries_by_state ON deliveries (state, id)
    WHERE state <> 'queued' AND state <> 'sending' AND state <> 'delivered';

-- The counts as the tables are, whatever was counted before.
CREATE VIEW counted (what, state, n) AS
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
GROUP BY 1, 2;

DELETE FROM counts;
INSERT INTO counts (what, state, n) SELECT what, state, n FROM counted;
