-- Two more things are looked up: the lines of an invoice that its event leaves out, and the checkout session of a payment
-- that was heard of late.

-- As in 0004_waits.sql.
DROP TRIGGER lookups_wanted;
CREATE TRIGGER lookups_wanted AFTER UPDATE OF state, reason ON events
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
CREATE TRIGGER lookups_unwanted AFTER UPDATE OF state, reason ON events
WHEN old.reason IN ('customer_unknown', 'thin_event', 'lines_not_seen')
    AND (new.reason IS NULL OR new.reason NOT IN ('customer_unknown', 'thin_event', 'lines_not_seen')) BEGIN
    DELETE FROM lookups WHERE event_id = new.id;
END;

-- It is the payment's call that waits for the session, not its event; only the ledger knows that it was heard of late, so
-- the row is made where its plan is written. It goes when the call waits no more.
CREATE TRIGGER sessions_unwanted AFTER UPDATE OF state, reason ON deliveries
WHEN old.reason = 'waiting_for_referral_code'
    AND (new.state <> 'queued' OR new.reason IS NOT 'waiting_for_referral_code') BEGIN
    DELETE FROM lookups WHERE event_id = new.event_id AND thing LIKE 'session %';
END;

-- What was waiting before.
INSERT INTO lookups (event_id, endpoint, thing, attempts, due_at, waits_from, note)
SELECT id, endpoint, 'event ' || id, 0, received_at, received_at, NULL
FROM events WHERE state = 'unmappable' AND reason = 'lines_not_seen';
