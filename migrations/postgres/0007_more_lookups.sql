-- Two more things are looked up, as in SQLite's 0007_more_lookups.sql: the lines of an invoice that its event leaves out, and
-- the checkout session of a payment that was heard of late.
DROP TRIGGER lookups_wanted ON events;
CREATE TRIGGER lookups_wanted AFTER UPDATE OF state, reason ON events FOR EACH ROW
WHEN (old.reason IS DISTINCT FROM new.reason AND (new.reason IN ('customer_unknown', 'thin_event')
    OR new.state = 'unmappable' AND new.reason = 'lines_not_seen'))
EXECUTE FUNCTION want_lookup();

DROP TRIGGER lookups_unwanted ON events;
CREATE TRIGGER lookups_unwanted AFTER UPDATE OF state, reason ON events FOR EACH ROW
WHEN (old.reason IN ('customer_unknown', 'thin_event', 'lines_not_seen')
    AND (new.reason IS NULL OR new.reason NOT IN ('customer_unknown', 'thin_event', 'lines_not_seen')))
EXECUTE FUNCTION drop_lookup();

-- It is the payment's call that waits for the session, not its event; only the ledger knows that it was heard of late, so
-- the row is made where its plan is written. It goes when the call waits no more.
CREATE FUNCTION drop_session_lookup() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM lookups WHERE event_id = new.event_id AND thing LIKE 'session %';
    RETURN NULL;
END $$;

CREATE TRIGGER sessions_unwanted AFTER UPDATE OF state, reason ON deliveries FOR EACH ROW
WHEN (old.reason = 'waiting_for_referral_code'
    AND (new.state <> 'queued' OR new.reason IS DISTINCT FROM 'waiting_for_referral_code'))
EXECUTE FUNCTION drop_session_lookup();

-- What was waiting before.
INSERT INTO lookups (event_id, endpoint, thing, attempts, due_at, waits_from, note)
SELECT id, endpoint, 'event ' || id, 0, received_at, received_at, NULL
FROM events WHERE state = 'unmappable' AND reason = 'lines_not_seen';
