-- Events that lack what their provider could be asked for: a customer's address, or what a thin event points at. A row
-- is there exactly as long as its event lacks it; the triggers see to that, whoever changes the event's state. Whether
-- anybody asks depends on the endpoint's api_key.
CREATE TABLE lookups (
    event_id INTEGER PRIMARY KEY,
    endpoint TEXT NOT NULL,
    -- Rows of one thing are answered together: a customer within a scope, or the event itself.
    thing    TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    -- Null: it is not asked for any more.
    due_at   INTEGER,
    -- What the last attempt came to.
    note     TEXT
) STRICT;

CREATE INDEX lookups_due ON lookups (endpoint, due_at);
CREATE INDEX lookups_by_thing ON lookups (thing);

-- One more event that lacks a thing waits as long as those that lacked it before: it is not asked for anew.
CREATE TRIGGER lookups_wanted AFTER UPDATE OF state, reason ON events
WHEN new.reason IN ('customer_unknown', 'thin_event') AND old.reason IS NOT new.reason BEGIN
    INSERT OR REPLACE INTO lookups (event_id, endpoint, thing, attempts, due_at, note)
    SELECT wanted.id, wanted.endpoint, wanted.thing, COALESCE(l.attempts, 0), COALESCE(l.due_at, new.received_at), l.note
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

CREATE TRIGGER lookups_unwanted AFTER UPDATE OF state, reason ON events
WHEN old.reason IN ('customer_unknown', 'thin_event')
    AND (new.reason IS NULL OR new.reason NOT IN ('customer_unknown', 'thin_event')) BEGIN
    DELETE FROM lookups WHERE event_id = new.id;
END;

-- What was waiting before there was this table.
INSERT INTO lookups (event_id, endpoint, thing, attempts, due_at, note)
SELECT e.id, e.endpoint, COALESCE('customer ' || f.scope || ' ' || f.customer, 'event ' || e.id), 0, e.received_at, NULL
FROM events e LEFT JOIN facts f ON f.event_id = e.id
WHERE (e.state = 'waiting' AND e.reason = 'customer_unknown') OR (e.state = 'unmappable' AND e.reason = 'thin_event');
