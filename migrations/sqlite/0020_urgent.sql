-- What needs a person is counted without a look at its rows, and the calls with the soonest hold dates are looked up.
DROP INDEX deliveries_by_attention;
CREATE INDEX deliveries_by_attention ON deliveries (id, mode, business) WHERE attention = 1;
CREATE INDEX deliveries_by_hold
    ON deliveries (CASE WHEN state IN ('delivered', 'duplicate') THEN receipt ->> '$.holdUntil' END, id, mode, business)
    WHERE attention = 1;

DROP INDEX events_by_attention;
CREATE INDEX events_by_attention ON events (id, mode, business) WHERE attention = 1;
