-- forget_sizes: as if no vacuum had looked at the schema's tables and indexes yet.
UPDATE pg_catalog.pg_class c SET reltuples = -1, relpages = 0, relallvisible = 0
WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'i')
