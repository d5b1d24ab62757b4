-- What became of a payment that Refairn has, as domain::delivery::Delivery::fate tells it. In the JSON of a receipt a text
-- that quotes this key has a backslash before the quotation mark.
ALTER TABLE deliveries ADD COLUMN fate TEXT AS (CASE
    WHEN subject_key NOT LIKE 'payment %' THEN NULL
    WHEN state = 'duplicate' THEN 'credit_unknown'
    WHEN state = 'delivered' AND receipt LIKE '%"agentId":"%' THEN 'credited'
    WHEN state = 'delivered' THEN 'credited_nobody'
END) VIRTUAL;

CREATE INDEX deliveries_by_fate ON deliveries (fate, id) WHERE fate IS NOT NULL;

-- An event that could not be read needs attention, and one that has waited too long. Whoever changes what an event came
-- to takes that back.
ALTER TABLE events ADD COLUMN attention INTEGER NOT NULL DEFAULT 0;
UPDATE events SET attention = 1 WHERE state = 'unmappable';

CREATE INDEX events_by_attention ON events (id) WHERE attention = 1;
CREATE INDEX events_that_wait ON events (state, received_at) WHERE state = 'waiting' AND attention = 0;

CREATE TRIGGER events_noticed AFTER UPDATE OF state, reason ON events
WHEN (old.state <> new.state OR old.reason IS NOT new.reason) AND new.attention <> (new.state = 'unmappable') BEGIN
    UPDATE events SET attention = (state = 'unmappable') WHERE id = new.id;
END;

-- Attention is counted by reason; that of events by endpoint, too.
DELETE FROM counts WHERE what = 'attention';
INSERT INTO counts SELECT 'attention', COALESCE(reason, ''), COUNT(*) FROM deliveries WHERE attention = 1 GROUP BY 2;
INSERT INTO counts SELECT 'attention ' || endpoint, COALESCE(reason, ''), COUNT(*) FROM events WHERE attention = 1 GROUP BY 1, 2;
INSERT INTO counts SELECT 'fates', fate, COUNT(*) FROM deliveries WHERE fate IS NOT NULL GROUP BY fate;

CREATE TRIGGER events_attention_copied AFTER INSERT ON events WHEN new.attention = 1 BEGIN
    INSERT INTO counts VALUES ('attention ' || new.endpoint, COALESCE(new.reason, ''), 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER events_attention_counted AFTER UPDATE OF state, reason, attention ON events
WHEN old.attention <> new.attention OR (new.attention = 1 AND old.reason IS NOT new.reason) BEGIN
    INSERT INTO counts VALUES ('attention ' || old.endpoint, COALESCE(old.reason, ''), -old.attention)
        ON CONFLICT DO UPDATE SET n = n + excluded.n;
    INSERT INTO counts VALUES ('attention ' || new.endpoint, COALESCE(new.reason, ''), new.attention)
        ON CONFLICT DO UPDATE SET n = n + excluded.n;
END;

DROP TRIGGER deliveries_counted;
CREATE TRIGGER deliveries_counted AFTER INSERT ON deliveries BEGIN
    INSERT INTO counts VALUES ('deliveries', new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO counts SELECT 'attention', COALESCE(new.reason, ''), 1 WHERE new.attention = 1
        ON CONFLICT DO UPDATE SET n = n + 1;
    INSERT INTO counts SELECT 'fates', new.fate, 1 WHERE new.fate IS NOT NULL ON CONFLICT DO UPDATE SET n = n + 1;
END;

DROP TRIGGER deliveries_recounted;
CREATE TRIGGER deliveries_recounted AFTER UPDATE OF state ON deliveries WHEN old.state <> new.state BEGIN
    UPDATE counts SET n = n - 1 WHERE what = 'deliveries' AND state = old.state;
    INSERT INTO counts VALUES ('deliveries', new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER deliveries_attention_counted AFTER UPDATE OF reason, attention ON deliveries
WHEN old.attention <> new.attention OR (new.attention = 1 AND old.reason IS NOT new.reason) BEGIN
    INSERT INTO counts VALUES ('attention', COALESCE(old.reason, ''), -old.attention)
        ON CONFLICT DO UPDATE SET n = n + excluded.n;
    INSERT INTO counts VALUES ('attention', COALESCE(new.reason, ''), new.attention)
        ON CONFLICT DO UPDATE SET n = n + excluded.n;
END;

CREATE TRIGGER deliveries_fate_counted AFTER UPDATE OF state, receipt ON deliveries WHEN old.fate IS NOT new.fate BEGIN
    UPDATE counts SET n = n - 1 WHERE what = 'fates' AND state = old.fate;
    INSERT INTO counts SELECT 'fates', new.fate, 1 WHERE new.fate IS NOT NULL ON CONFLICT DO UPDATE SET n = n + 1;
END;
