-- Events that lack what their provider could be asked for, as in SQLite's 0002_lookups.sql: a row is there exactly as
-- long as its event lacks it, by triggers.
CREATE TABLE lookups (
    event_id BIGINT PRIMARY KEY,
    endpoint TEXT NOT NULL,
    -- Rows of one thing are answered together: a customer within a scope, or the event itself.
    thing    TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- Null: it is not asked for any more.
    due_at   BIGINT,
    -- What the last attempt came to.
    note     TEXT
);

CREATE INDEX lookups_due ON lookups (endpoint, due_at);
CREATE INDEX lookups_by_thing ON lookups (thing);

-- One more event that lacks a thing waits as long as those that lacked it before: it is not asked for anew.
CREATE FUNCTION want_lookup() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wanted TEXT := COALESCE(
        (SELECT 'customer ' || f.scope || ' ' || f.customer FROM facts f
            WHERE f.event_id = new.id AND new.reason = 'customer_unknown'),
        'event ' || new.id);
    before lookups%ROWTYPE;
BEGIN
    SELECT * INTO before FROM lookups l WHERE l.thing = wanted AND l.due_at IS NOT NULL LIMIT 1;
    INSERT INTO lookups (event_id, endpoint, thing, attempts, due_at, note)
    VALUES (new.id, new.endpoint, wanted, COALESCE(before.attempts, 0), COALESCE(before.due_at, new.received_at),
        before.note)
    ON CONFLICT (event_id) DO UPDATE SET endpoint = excluded.endpoint, thing = excluded.thing,
        attempts = excluded.attempts, due_at = excluded.due_at, note = excluded.note;
    IF before.note IS NOT NULL THEN
        UPDATE events SET detail = before.note WHERE id = new.id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION drop_lookup() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM lookups WHERE event_id = new.id;
    RETURN NULL;
END $$;

CREATE TRIGGER lookups_wanted AFTER UPDATE OF state, reason ON events FOR EACH ROW
WHEN (new.reason IN ('customer_unknown', 'thin_event') AND old.reason IS DISTINCT FROM new.reason)
EXECUTE FUNCTION want_lookup();

CREATE TRIGGER lookups_unwanted AFTER UPDATE OF state, reason ON events FOR EACH ROW
WHEN (old.reason IN ('customer_unknown', 'thin_event')
    AND (new.reason IS NULL OR new.reason NOT IN ('customer_unknown', 'thin_event')))
EXECUTE FUNCTION drop_lookup();
