-- A scope is named after the provider's account, no more after the endpoint: ENDPOINT/ACCOUNT/MODE becomes
-- REALM/BUSINESS/ACCOUNT/MODE, so that two endpoints of one account hear of one sale. What follows this file,
-- rescope.sql, moves all that stands under a scope.

-- Nearly all rows change: what finds them is made anew afterwards, and sorted in memory.
SET LOCAL work_mem = '128MB';
SET LOCAL maintenance_work_mem = '256MB';
DROP INDEX events_by_provider_id, events_by_state, facts_by_person, facts_with_code;

-- The number of the reading by which an event was read; and for an event that only points at something, the provider's id
-- of the event that carries it.
ALTER TABLE events ADD COLUMN reading BIGINT NOT NULL DEFAULT 1;
ALTER TABLE events ADD COLUMN snapshot_event TEXT;
CREATE INDEX events_by_snapshot ON events (endpoint, snapshot_event) WHERE snapshot_event IS NOT NULL;

-- What repetitions of a Stripe event share has its type, too.
UPDATE events SET dedup_key = dedup_key || '/' || type
WHERE provider = 'stripe' AND substr(dedup_key, 1, 7) NOT IN ('sha256:', 'lookup/');

-- Under which realm the scopes of an endpoint stand.
CREATE TABLE realms (
    endpoint TEXT PRIMARY KEY,
    realm    TEXT NOT NULL
);

INSERT INTO realms (endpoint, realm)
SELECT endpoint, CASE MAX(provider) WHEN 'stripe' THEN 'stripe' ELSE 'paystack:' || endpoint END
FROM events GROUP BY endpoint;

-- Customers who are to be planned anew, because the rules have changed since.
CREATE TABLE replans (
    business  TEXT NOT NULL,
    email_key TEXT NOT NULL,
    PRIMARY KEY (business, email_key)
);

CREATE TABLE moves (
    scope    TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    business TEXT NOT NULL,
    target   TEXT NOT NULL,
    PRIMARY KEY (scope, endpoint, business)
);

INSERT INTO moves (scope, endpoint, business, target)
SELECT s.scope, s.endpoint, s.business, r.realm || '/' || s.business || substr(s.scope, length(s.endpoint) + 1)
FROM (
    SELECT f.scope, e.endpoint, f.business FROM facts f JOIN events e ON e.id = f.event_id
    UNION
    SELECT CAST(d.subject AS JSON) #>> '{payment,scope}', e.endpoint, d.business
    FROM deliveries d JOIN events e ON e.id = d.event_id WHERE substr(d.subject_key, 1, 8) = 'payment '
) s JOIN realms r ON r.endpoint = s.endpoint
WHERE substr(s.scope, 1, length(s.endpoint) + 1) = s.endpoint || '/';

-- Before its index is there; rescope.sql then finds none that is left. And a session speaks for all addresses of its
-- customer, with a code or without one.
UPDATE facts SET scope = m.target, has_code = CASE WHEN data LIKE '%"checkout_of":%' THEN 1 ELSE has_code END
FROM moves m, events e
WHERE e.id = facts.event_id AND m.scope = facts.scope AND m.endpoint = e.endpoint AND m.business = facts.business;

CREATE INDEX facts_of_customer ON facts (scope, customer, email_key);
CREATE INDEX facts_by_person ON facts (business, email_key);
CREATE INDEX facts_with_code ON facts (scope, customer) WHERE has_code = 1;
CREATE INDEX events_by_provider_id ON events (provider_event_id);
CREATE INDEX events_by_state ON events (state, id);

