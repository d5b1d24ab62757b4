-- By which parts each address is found, as inbox::customers notes it for a new one. In the order of the key: then the tree
-- is written once.
INSERT OR IGNORE INTO address_parts (part, customer)
SELECT substr(c.email_key, p.place, 12), c.id
FROM customers c JOIN places p ON p.place > 1 AND p.place <= length(c.email_key) - length(c.domain)
AND substr(c.email_key, p.place - 1, 1) IN ('.', '-', '_', '+') ORDER BY 1, 2;
INSERT OR IGNORE INTO domain_parts (part, domain)
SELECT substr(d.domain, p.place, 12), d.domain
FROM (SELECT DISTINCT domain FROM customers) d JOIN places p ON p.place < length(d.domain) ORDER BY 1, 2;
