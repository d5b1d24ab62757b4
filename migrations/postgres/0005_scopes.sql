-- A scope is named after the provider's account, no more after the endpoint: ENDPOINT/ACCOUNT/MODE becomes
-- REALM/BUSINESS/ACCOUNT/MODE, so that two endpoints of one account hear of one sale. What follows this file,
-- rescope.sql, moves all that stands under a scope.

-- Nearly all rows of three tables change: each is written anew once, and its indexes after it, sorted in memory.
SET LOCAL work_mem = '128MB';
SET LOCAL maintenance_work_mem = '256MB';

-- The number of the reading by which an event was read; and for an event that only points at something, the provider's id
-- of the event that carries it. What repetitions of a Stripe event share has its type, too.
ALTER TABLE events ADD COLUMN reading BIGINT NOT NULL DEFAULT 1, ADD COLUMN snapshot_event TEXT,
    ALTER COLUMN dedup_key TYPE TEXT USING CASE
        WHEN provider = 'stripe' AND substr(dedup_key, 1, 7) NOT IN ('sha256:', 'lookup/') THEN dedup_key || '/' || type
        ELSE dedup_key END;
CREATE INDEX events_by_snapshot ON events (endpoint, snapshot_event) WHERE snapshot_event IS NOT NULL;

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

-- A scope begins with the name of its endpoint, so that its business and it tell where it goes. And a session speaks for
-- all addresses of its customer, with a code or without one.
CREATE FUNCTION target_of(fact_scope TEXT, fact_business TEXT) RETURNS TEXT LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN COALESCE((SELECT target FROM moves WHERE scope = fact_scope AND business = fact_business), fact_scope);
END $$;
ALTER TABLE facts ALTER COLUMN scope TYPE TEXT USING target_of(scope, business),
    ALTER COLUMN has_code TYPE BIGINT USING CASE WHEN strpos(data, '"checkout_of":') > 0 THEN 1 ELSE has_code END;
DROP FUNCTION target_of;
CREATE INDEX facts_of_customer ON facts (scope, customer, email_key);

-- What changes of a call: its numbers, if 0003_order.sql has just told them; and its scope, if no other call is of the same
-- payment there, for among those rescope.sql chooses.
CREATE TABLE IF NOT EXISTS numbered (id BIGINT PRIMARY KEY, began BIGINT, ended BIGINT);
CREATE TABLE changed_calls AS
SELECT d.id, n.ended AS last_seq, CASE
        WHEN d.state = 'delivered' THEN n.ended
        WHEN d.state IN ('sending', 'duplicate') OR d.outcome_unknown = 1 THEN n.began END AS taken_seq,
    'payment ' || p.scope || ' ' || p.identity AS subject_key,
    CASE WHEN p.id IS NOT NULL
        THEN CAST(json_build_object('payment', json_build_object('scope', p.scope, 'identity', p.identity)) AS TEXT)
    END AS subject
FROM deliveries d LEFT JOIN numbered n ON n.id = d.id LEFT JOIN (
    SELECT c.id, m.target AS scope, c.identity, COUNT(*) OVER (PARTITION BY c.business, m.target, c.identity) AS rivals
    FROM (
        SELECT id, business, event_id, CAST(subject AS JSON) #>> '{payment,scope}' AS scope,
            CAST(subject AS JSON) #>> '{payment,identity}' AS identity
        FROM deliveries WHERE substr(subject_key, 1, 8) = 'payment '
    ) c JOIN events e ON e.id = c.event_id
    JOIN moves m ON m.scope = c.scope AND m.endpoint = e.endpoint AND m.business = c.business
) p ON p.id = d.id AND p.rivals = 1
WHERE n.id IS NOT NULL OR p.id IS NOT NULL;
ALTER TABLE changed_calls ADD PRIMARY KEY (id);

CREATE FUNCTION change_of(call BIGINT) RETURNS changed_calls LANGUAGE plpgsql STABLE AS $$
DECLARE
    change changed_calls;
BEGIN
    SELECT * INTO change FROM changed_calls WHERE id = call;
    RETURN change;
END $$;

-- Its fate is what became of a payment that Refairn has, as in SQLite's 0006_attention.sql.
ALTER TABLE deliveries
    ALTER COLUMN last_seq TYPE BIGINT USING COALESCE((change_of(id)).last_seq, last_seq),
    ALTER COLUMN taken_seq TYPE BIGINT USING COALESCE((change_of(id)).taken_seq, taken_seq),
    ALTER COLUMN subject_key TYPE TEXT USING COALESCE((change_of(id)).subject_key, subject_key),
    ALTER COLUMN subject TYPE TEXT USING COALESCE((change_of(id)).subject, subject),
    ADD COLUMN fate TEXT GENERATED ALWAYS AS (CASE
        WHEN subject_key NOT LIKE 'payment %' THEN NULL
        WHEN state = 'duplicate' THEN 'credit_unknown'
        WHEN state = 'delivered' AND receipt LIKE '%"agentId":"%' THEN 'credited'
        WHEN state = 'delivered' THEN 'credited_nobody'
    END) STORED;
DROP FUNCTION change_of;
DROP TABLE changed_calls, numbered;

