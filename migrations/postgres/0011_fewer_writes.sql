-- What every event has to write and hardly anybody reads costs all of them, as in SQLite's.
DROP INDEX deliveries_by_person;
DROP INDEX deliveries_by_email;
CREATE INDEX deliveries_by_customer ON deliveries (email_key, business, id);

DROP INDEX deliveries_by_state;
CREATE INDEX deliveries_open ON deliveries (id) WHERE state IN ('queued', 'sending');
CREATE INDEX deliveries_by_state ON deliveries (state, id) WHERE state NOT IN ('queued', 'sending', 'delivered');

DROP INDEX events_by_state;
CREATE INDEX events_by_state ON events (state, id) WHERE state NOT IN ('received', 'mapped');
