-- What people ask for is found by an index, whatever they know of it, as in SQLite's.
CREATE TABLE customers (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    business  TEXT NOT NULL,
    email_key TEXT COLLATE "C" NOT NULL,
    domain    TEXT COLLATE "C" NOT NULL
        GENERATED ALWAYS AS (substr(email_key, length(rtrim(email_key, replace(email_key, '@', ''))) + 1)) STORED,
    UNIQUE (email_key, business)
);

INSERT INTO customers (business, email_key)
SELECT DISTINCT business, email_key FROM facts WHERE email_key IS NOT NULL ORDER BY business, email_key;

CREATE INDEX customers_by_domain ON customers (domain, id);

CREATE TABLE address_parts (
    part     TEXT COLLATE "C" NOT NULL,
    customer BIGINT NOT NULL,
    PRIMARY KEY (part, customer)
);

CREATE TABLE domain_parts (
    part   TEXT COLLATE "C" NOT NULL,
    domain TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (part, domain)
);

INSERT INTO address_parts
SELECT DISTINCT substr(c.email_key, p.place, 12), c.id
FROM customers c JOIN generate_series(2, 64) AS p (place) ON p.place <= length(c.email_key) - length(c.domain)
AND substr(c.email_key, p.place - 1, 1) IN ('.', '-', '_', '+') ORDER BY 1, 2;

INSERT INTO domain_parts
SELECT DISTINCT substr(d.domain, p.place, 12), d.domain
FROM (SELECT DISTINCT domain FROM customers) d JOIN generate_series(1, 64) AS p (place) ON p.place < length(d.domain)
ORDER BY 1, 2;

CREATE FUNCTION note_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO address_parts SELECT DISTINCT substr(new.email_key, place, 12), new.id
    FROM generate_series(2, LEAST(length(new.email_key) - length(new.domain), 64)) AS p (place)
    WHERE substr(new.email_key, place - 1, 1) IN ('.', '-', '_', '+');
    IF NOT EXISTS (SELECT 1 FROM domain_parts WHERE part = substr(new.domain, 1, 12) AND domain = new.domain) THEN
        INSERT INTO domain_parts SELECT DISTINCT substr(new.domain, place, 12), new.domain
        FROM generate_series(1, LEAST(length(new.domain) - 1, 64)) AS p (place) ORDER BY 1 ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER customers_noted AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION note_customer();

CREATE FUNCTION forget_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM address_parts WHERE customer = old.id
        AND part IN (SELECT substr(old.email_key, place, 12) FROM generate_series(2, 64) AS p (place));
    RETURN NULL;
END $$;

CREATE TRIGGER customers_forgotten AFTER DELETE ON customers FOR EACH ROW EXECUTE FUNCTION forget_customer();

CREATE INDEX facts_by_code ON facts (lower(CAST(data AS JSON) ->> 'code'), event_id) WHERE speaks_for_related = 1;

CREATE INDEX payments_by_time ON deliveries (at, id) WHERE substr(subject_key, 1, 8) = 'payment ';
CREATE INDEX payments_by_agent ON deliveries ((CAST(receipt AS JSON) ->> 'agentId'), at, id)
    WHERE substr(subject_key, 1, 8) = 'payment ' AND receipt IS NOT NULL;
CREATE INDEX payments_by_commission ON deliveries ((CAST(receipt AS JSON) ->> 'commissionId'))
    WHERE substr(subject_key, 1, 8) = 'payment ' AND receipt IS NOT NULL;

ALTER TABLE events ADD COLUMN mode TEXT;
CREATE INDEX events_by_endpoint ON events (endpoint, mode, id);
