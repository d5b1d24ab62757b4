-- Names that say what is kept, as in SQLite's 0008_names.sql. No row is written anew.
ALTER TABLE known RENAME TO identities;
ALTER INDEX known_pkey RENAME TO identities_pkey;

ALTER TABLE waiting RENAME TO unresolved;
ALTER INDEX waiting_pkey RENAME TO unresolved_pkey;
ALTER INDEX waiting_by_event RENAME TO unresolved_by_event;

ALTER TABLE facts RENAME COLUMN has_code TO speaks_for_related;
ALTER INDEX facts_with_code RENAME TO facts_for_related;

ALTER TABLE queue RENAME COLUMN fence TO fencing_token;
