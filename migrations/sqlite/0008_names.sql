-- Names that say what is kept. No row is written anew.

-- Whose an id of the provider's is, and how surely.
ALTER TABLE known RENAME TO identities;

-- Facts of which nobody knows yet whose they are.
ALTER TABLE waiting RENAME TO unresolved;
DROP INDEX waiting_by_event;
CREATE INDEX unresolved_by_event ON unresolved (event_id);

-- What a fact brings counts for all addresses of its customer: a code, a checkout session, or a subscription's items.
ALTER TABLE facts RENAME COLUMN has_code TO speaks_for_related;
DROP INDEX facts_with_code;
CREATE INDEX facts_for_related ON facts (scope, customer) WHERE speaks_for_related = 1;

-- The number of a lease's attempt: a settle under an older one does nothing.
ALTER TABLE queue RENAME COLUMN fence TO fencing_token;
