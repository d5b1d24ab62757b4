-- What became of a payment, and which events need attention, as in SQLite's.
CREATE INDEX deliveries_by_fate ON deliveries (fate, id) WHERE fate IS NOT NULL;

ALTER TABLE events ADD COLUMN attention BIGINT NOT NULL DEFAULT 0;
UPDATE events SET attention = 1 WHERE state = 'unmappable';

CREATE INDEX events_by_attention ON events (id) WHERE attention = 1;
CREATE INDEX events_that_wait ON events (state, received_at) WHERE state = 'waiting' AND attention = 0;

CREATE FUNCTION notice_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.attention := CASE WHEN new.state = 'unmappable' THEN 1 ELSE 0 END;
    RETURN new;
END $$;

CREATE TRIGGER events_noticed BEFORE UPDATE OF state, reason ON events FOR EACH ROW
WHEN (old.state <> new.state OR old.reason IS DISTINCT FROM new.reason) EXECUTE FUNCTION notice_event();

DELETE FROM count_sums WHERE what = 'attention';
DELETE FROM count_changes WHERE what = 'attention';
INSERT INTO count_sums SELECT 'attention', COALESCE(reason, ''), COUNT(*) FROM deliveries WHERE attention = 1 GROUP BY 2;
INSERT INTO count_sums
SELECT 'attention ' || endpoint, COALESCE(reason, ''), COUNT(*) FROM events WHERE attention = 1 GROUP BY 1, 2;
INSERT INTO count_sums SELECT 'fates', fate, COUNT(*) FROM deliveries WHERE fate IS NOT NULL GROUP BY fate;

CREATE FUNCTION count_event_attention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO count_changes VALUES ('attention ' || old.endpoint, COALESCE(old.reason, ''), -old.attention);
    END IF;
    INSERT INTO count_changes VALUES ('attention ' || new.endpoint, COALESCE(new.reason, ''), new.attention);
    RETURN NULL;
END $$;

CREATE TRIGGER events_attention_copied AFTER INSERT ON events FOR EACH ROW
WHEN (new.attention = 1) EXECUTE FUNCTION count_event_attention();
CREATE TRIGGER events_attention_counted AFTER UPDATE OF state, reason, attention ON events FOR EACH ROW
WHEN (old.attention <> new.attention OR (new.attention = 1 AND old.reason IS DISTINCT FROM new.reason))
EXECUTE FUNCTION count_event_attention();

CREATE OR REPLACE FUNCTION count_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO count_changes VALUES ('deliveries', old.state, -1);
        INSERT INTO count_changes SELECT 'attention', COALESCE(old.reason, ''), -1 WHERE old.attention = 1;
        INSERT INTO count_changes SELECT 'fates', old.fate, -1 WHERE old.fate IS NOT NULL;
    END IF;
    INSERT INTO count_changes VALUES ('deliveries', new.state, 1);
    INSERT INTO count_changes SELECT 'attention', COALESCE(new.reason, ''), 1 WHERE new.attention = 1;
    INSERT INTO count_changes SELECT 'fates', new.fate, 1 WHERE new.fate IS NOT NULL;
    RETURN NULL;
END $$;

DROP TRIGGER deliveries_recounted ON deliveries;
CREATE TRIGGER deliveries_recounted AFTER UPDATE OF state, attention, reason, receipt ON deliveries FOR EACH ROW
WHEN (old.state <> new.state OR old.attention <> new.attention OR old.fate IS DISTINCT FROM new.fate
    OR (new.attention = 1 AND old.reason IS DISTINCT FROM new.reason)) EXECUTE FUNCTION count_delivery();
