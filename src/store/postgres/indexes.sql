
-- As in 0001_initial.sql.
CREATE INDEX deliveries_by_person ON deliveries (business, email_key);
CREATE INDEX deliveries_by_event ON deliveries (event_id);
CREATE INDEX deliveries_by_state ON deliveries (state, id);
CREATE INDEX deliveries_by_attention ON deliveries (id) WHERE attention = 1;
CREATE INDEX deliveries_by_email ON deliveries (email_key, id);
