-- forget_statistics: of the schema's columns.
DELETE FROM pg_catalog.pg_statistic s USING pg_catalog.pg_class c
WHERE c.oid = s.starelid AND c.relnamespace = 'commissary'::regnamespace
