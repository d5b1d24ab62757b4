-- Since when something waits, by the clock that told its end. A clock may be set back: then a wait that would only begin
-- later than now is over. Of what waited before there was this column nobody knows since when: 0 is long ago.
ALTER TABLE deliveries ADD COLUMN waits_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lookups ADD COLUMN waits_from INTEGER NOT NULL DEFAULT 0;

-- As in 0002_lookups.sql. It waits since its event came in, or as long as those do that lacked the same thing before.
DROP TRIGGER lookups_wanted;
CREATE TRIGGER lookups_wanted AFTER UPDATE OF state, reason ON events
WHEN new.reason IN ('customer_unknown', 'thin_event') AND old.reason IS NOT new.reason BEGIN
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
