-- A scope is named after the provider's account, no more after the endpoint: ENDPOINT/ACCOUNT/MODE becomes
-- REALM/BUSINESS/ACCOUNT/MODE, so that two endpoints of one account hear of one sale. What follows this file,
-- rescope.sql, moves all that stands under a scope.

-- The number of the reading by which an event was read; and for an event that only points at something, the provider's id
-- of the event that carries it.
ALTER TABLE events ADD COLUMN reading INTEGER NOT NULL DEFAULT 1;
ALTER TABLE events ADD COLUMN snapshot_event TEXT;
CREATE INDEX events_by_snapshot ON events (endpoint, snapshot_event) WHERE snapshot_event IS NOT NULL;

-- What repetitions of a Stripe event share has its type, too.
UPDATE events SET dedup_key = dedup_key || '/' || type
WHERE provider = 'stripe' AND substr(dedup_key, 1, 7) NOT IN ('sha256:', 'lookup/');

-- Under which realm the scopes of an endpoint stand.
CREATE TABLE realms (
    endpoint TEXT PRIMARY KEY,
    realm    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO realms (endpoint, realm)
SELECT endpoint, CASE MAX(provider) WHEN 'stripe' THEN 'stripe' ELSE 'paystack:' || endpoint END
FROM events GROUP BY endpoint;

-- Customers who are to be planned anew, because the rules have changed since.
CREATE TABLE replans (
    business  TEXT NOT NULL,
    email_key TEXT NOT NULL,
    PRIMARY KEY (business, email_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE moves (
    scope    TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    business TEXT NOT NULL,
    target   TEXT NOT NULL,
    PRIMARY KEY (scope, endpoint, business)
) STRICT, WITHOUT ROWID;

INSERT INTO moves (scope, endpoint, business, target)
SELECT s.scope, s.endpoint, s.business, r.realm || '/' || s.business || substr(s.scope, length(s.endpoint) + 1)
FROM (
    SELECT f.scope, e.endpoint, f.business FROM facts f JOIN events e ON e.id = f.event_id
    UNION
    SELECT d.subject ->> '$.payment.scope', e.endpoint, d.business
    FROM deliveries d JOIN events e ON e.id = d.event_id WHERE substr(d.subject_key, 1, 8) = 'payment '
) s JOIN realms r ON r.endpoint = s.endpoint
WHERE substr(s.scope, 1, length(s.endpoint) + 1) = s.endpoint || '/';

-- A session speaks for all addresses of its customer, with a code or without one.
UPDATE facts SET has_code = 1 WHERE has_code = 0 AND instr(data, '"checkout_of":') > 0;

