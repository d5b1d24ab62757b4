-- Payments that stand otherwise are looked for among all that were compared.
CREATE INDEX compared_by_standing ON compared (backfill, comparison);
