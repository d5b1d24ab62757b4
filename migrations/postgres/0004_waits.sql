-- Since when something waits, by this database's clock, as in SQLite's.
ALTER TABLE deliveries ADD COLUMN waits_from BIGINT NOT NULL DEFAULT 0;
ALTER TABLE lookups ADD COLUMN waits_from BIGINT NOT NULL DEFAULT 0;

-- As in 0002_lookups.sql. It waits since its event came in, or as long as those do that lacked the same thing before.
CREATE OR REPLACE FUNCTION want_lookup() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wanted TEXT := COALESCE(
        (SELECT 'customer ' || f.scope || ' ' || f.customer FROM facts f
            WHERE f.event_id = new.id AND new.reason = 'customer_unknown'),
        'event ' || new.id);
    before lookups%ROWTYPE;
BEGIN
    SELECT * INTO before FROM lookups l WHERE l.thing = wanted AND l.due_at IS NOT NULL LIMIT 1;
    INSERT INTO lookups (event_id, endpoint, thing, attempts, due_at, waits_from, note)
    VALUES (new.id, new.endpoint, wanted, COALESCE(before.attempts, 0), COALESCE(before.due_at, new.received_at),
        COALESCE(before.waits_from, new.received_at), before.note)
    ON CONFLICT (event_id) DO UPDATE SET endpoint = excluded.endpoint, thing = excluded.thing,
        attempts = excluded.attempts, due_at = excluded.due_at, waits_from = excluded.waits_from, note = excluded.note;
    IF before.note IS NOT NULL THEN
        UPDATE events SET detail = before.note WHERE id = new.id;
    END IF;
    RETURN NULL;
END $$;
