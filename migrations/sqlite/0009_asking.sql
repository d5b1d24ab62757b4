-- What people ask for is found by an index, whatever they know of it.

-- Everybody of whom something is known. The domain is what follows the last @.
CREATE TABLE customers (
    id        INTEGER PRIMARY KEY,
    business  TEXT NOT NULL,
    email_key TEXT NOT NULL,
    domain    TEXT AS (substr(email_key, length(rtrim(email_key, replace(email_key, '@', ''))) + 1)) VIRTUAL,
    UNIQUE (email_key, business)
) STRICT;

INSERT INTO customers (business, email_key)
SELECT DISTINCT business, email_key FROM facts WHERE email_key IS NOT NULL ORDER BY business, email_key;

CREATE INDEX customers_by_domain ON customers (domain, id);

-- Each address from its second word on, from its third, and so on up to its domain: twelve characters of it. So what a word
-- of an address begins with is the beginning of the address, or of one of these, or it is in the domain, of which all
-- parts are kept once, whoever has it. A part of every length at every place would be a row for each character.
CREATE TABLE address_parts (
    part     TEXT NOT NULL,
    customer INTEGER NOT NULL,
    PRIMARY KEY (part, customer)
) STRICT, WITHOUT ROWID;

CREATE TABLE domain_parts (
    part   TEXT NOT NULL,
    domain TEXT NOT NULL,
    PRIMARY KEY (part, domain)
) STRICT, WITHOUT ROWID;

CREATE VIEW places AS SELECT value AS place FROM json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,
24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63,64]');

-- In the order of the key: then the tree is written once.
INSERT OR IGNORE INTO address_parts
SELECT substr(c.email_key, p.place, 12), c.id
FROM customers c JOIN places p ON p.place > 1 AND p.place <= length(c.email_key) - length(c.domain)
AND substr(c.email_key, p.place - 1, 1) IN ('.', '-', '_', '+') ORDER BY 1, 2;

INSERT OR IGNORE INTO domain_parts
SELECT substr(d.domain, p.place, 12), d.domain
FROM (SELECT DISTINCT domain FROM customers) d JOIN places p ON p.place < length(d.domain) ORDER BY 1, 2;

CREATE TRIGGER customers_noted AFTER INSERT ON customers BEGIN
    INSERT OR IGNORE INTO address_parts SELECT substr(new.email_key, place, 12), new.id
    FROM places WHERE place > 1 AND place <= length(new.email_key) - length(new.domain)
    AND substr(new.email_key, place - 1, 1) IN ('.', '-', '_', '+');
END;

CREATE TRIGGER domains_noted AFTER INSERT ON customers
WHEN NOT EXISTS (SELECT 1 FROM domain_parts WHERE part = substr(new.domain, 1, 12) AND domain = new.domain) BEGIN
    INSERT OR IGNORE INTO domain_parts SELECT substr(new.domain, place, 12), new.domain
    FROM places WHERE place < length(new.domain);
END;

CREATE TRIGGER customers_forgotten AFTER DELETE ON customers BEGIN
    DELETE FROM address_parts WHERE customer = old.id AND part IN (SELECT substr(old.email_key, place, 12) FROM places);
END;

CREATE INDEX facts_by_code ON facts (lower(data ->> '$.code'), event_id) WHERE speaks_for_related = 1;

-- Payments by the time when they were paid, and by whom they credit; and what a commission is for.
CREATE INDEX payments_by_time ON deliveries (at, id) WHERE substr(subject_key, 1, 8) = 'payment ';
CREATE INDEX payments_by_agent ON deliveries (receipt ->> '$.agentId', at, id)
    WHERE substr(subject_key, 1, 8) = 'payment ' AND receipt IS NOT NULL;
CREATE INDEX payments_by_commission ON deliveries (receipt ->> '$.commissionId')
    WHERE substr(subject_key, 1, 8) = 'payment ' AND receipt IS NOT NULL;

-- Real money or a test, where the envelope of an event says it. Nothing of look-ups, which nobody sent us, and of what was
-- recorded before: to write every event anew takes longer than to wait for the next one.
ALTER TABLE events ADD COLUMN mode TEXT;
CREATE INDEX events_by_endpoint ON events (endpoint, mode, id);
