-- readable_tables: every tenant table that the acting role may read, and whether row level security is forced on it.
SELECT c.oid::regclass::text AS "name!", c.relrowsecurity AND c.relforcerowsecurity AS "is_forced!"
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'business_id' AND NOT a.attisdropped
WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p')
    AND has_table_privilege(c.oid, 'SELECT')
ORDER BY c.relname
